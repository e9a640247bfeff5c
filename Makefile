# The two commands: make demo, make test.
.PHONY: demo test check bench run
MAKEFLAGS += --no-print-directory
# Of three processes on two processors one waits at any time: for an ERP to start, for a killed worker to be missed.
JOBS ?= 3
# Told to write no bytecode, each process would compile all tests anew, five seconds of a processor: here it may write.
PYTEST = PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest

demo:            ## the main job on an ERP that comes along: adopt, back up, prove by restore, record (ARGS="--no-serve --json")
	@scripts/bootstrap
	@.venv/bin/wellkept demo $(ARGS)

test:            ## everything CI runs: check, then all tests
	@scripts/bootstrap --test
	@scripts/check
	@$(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=15 $(ARGS)

check:           ## style, types, layers, migrations, translations
	@scripts/bootstrap --test
	@scripts/check

bench:           ## measure, write bench.json and docs/reference/performance.md
	@scripts/bootstrap --test
	@.venv/bin/python -m bench $(ARGS)

run:             ## start web, worker and watchdog on this machine
	@scripts/bootstrap
	@.venv/bin/wellkept init --quiet
	@.venv/bin/wellkept up $(ARGS)

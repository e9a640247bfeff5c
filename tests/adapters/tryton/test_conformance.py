"""The Tryton adapter proves each of its abilities on a real company."""

from dataclasses import replace

import pytest

from wellkept.adapters import conformance, registry

ELSEWHERE = {conformance.trials.does_every_flow}
"""What test_trials.py does, to look at more of what it leaves."""
CHECKS = [(ability, check) for ability, checks in conformance.CHECKS.items() for check in checks if check not in ELSEWHERE]


@pytest.mark.parametrize(("ability", "check"), CHECKS, ids=[f"{ability}-{check.__name__}" for ability, check in CHECKS])
def test_tryton(ability: str, check: conformance.Check, bench: conformance.Bench) -> None:
    assert registry.has("tryton", ability)
    check(bench)


def test_every_ability_of_the_registry_has_checks() -> None:
    assert set(registry.ABILITIES["tryton"]) == set(conformance.CHECKS)
    assert all(len(checks) >= 2 for checks in conformance.CHECKS.values())


def test_an_ability_that_is_missing_is_unsupported() -> None:
    with pytest.raises(registry.Unsupported, match="tryton cannot do this: it has no telepathy"):
        registry.ability("tryton", "telepathy")
    assert not registry.has("odoo", "figures")


def test_a_missing_a_foreign_and_an_unseen_thing_fail_the_checks(bench: conformance.Bench) -> None:
    """Checks that cannot fail would prove nothing: each of these harms one claim."""
    with bench.copy() as copy:
        harmed = replace(bench, site=replace(copy, database=bench.site.database, config=bench.site.config))
        conformance.storage.names_every_file(harmed)
        foreign = copy.files / bench.site.database / "foreign"
        foreign.write_text("nobody needs me")
        with pytest.raises(conformance.NotConforming, match="needed by a row"):
            conformance.storage.names_every_file(harmed)
        foreign.unlink()
        next(path for path in copy.files.rglob("*") if path.is_file()).unlink()
        with pytest.raises(conformance.NotConforming, match="where the reference says"):
            conformance.storage.names_every_file(harmed)
    with pytest.raises(conformance.NotConforming, match="nothing is hidden"):
        conformance.inspect.sees_a_complete_site(replace(bench, site=replace(bench.site, interpreter=None)))

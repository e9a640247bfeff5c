import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.planning.cases import HOUR, after, at, job, person, problem, span
from wellkept.lib.text import say
from wellkept.planning import solver
from wellkept.planning.solver import Limits, Progress
from wellkept.planning.solving import exact, rules
from wellkept.planning.solving.problem import InvalidProblem, Job, Person, Placement, Plan, Problem, costs, placed

QUICK = Limits(seconds=60, effort=2)


def starts(plan: Plan) -> dict[str, float]:
    return {name: (one.starts - at(0)).total_seconds() / HOUR for name, one in plan.placements.items()}


def said(messages: object) -> str:
    assert isinstance(messages, (list, tuple))
    return " | ".join(say(one) for one in messages)


def test_it_takes_the_hours_that_disturb_least_up_to_the_end_by_p90() -> None:
    plan = solver.solve(problem(job("a", 2), users=[9, 9, 5, 1, 3, 9, 9, 9, 1, 9, 9, 9]), QUICK)
    one = plan.placements["a"]
    assert (one.starts, one.likely_end, one.latest_end) == (at(3), at(4), at(5))
    assert (one.cost, plan.objective, plan.bound, plan.proven, plan.gap) == (240, 240, 240, True, 0)


def test_what_shares_an_environment_or_a_host_is_done_one_after_the_other() -> None:
    same = solver.solve(problem(job("a", environment="x"), job("b", environment="x"), job("c")), QUICK)
    assert sorted(starts(same).values()) == [0, 0, 1]
    assert starts(same)["a"] != starts(same)["b"]
    hosts = solver.solve(problem(job("a", 2, host="h"), job("b", 2, host="h")), QUICK)
    assert sorted(starts(hosts).values()) == [0, 2]


def test_a_backup_comes_shortly_before_and_a_drill_after() -> None:
    users = [0, 9, 9, 9, 9, 9, 1, 9, 9, 9, 9, 0]
    chain = (job("backup"), job("upgrade", 2, after=after("backup", most=2)), job("drill", after=after("upgrade", least=1, most=3)))
    plan = solver.solve(problem(*chain, users=users), QUICK)
    at_hours = starts(plan)
    assert solver.check(problem(*chain, users=users), plan) == []
    assert at_hours["upgrade"] - (at_hours["backup"] + 0.5) <= 2
    assert 1 <= at_hours["drill"] - (at_hours["upgrade"] + 2) <= 3
    assert plan.proven


def test_the_first_plan_finds_the_one_place_of_a_chain() -> None:
    """The upgrade costs the same at each of its three starts, so it is the last to be asked; it has to be the first."""
    jobs = (
        job("backup", windows=((0, 24),), disturbs=0.1),
        job("upgrade", 3, windows=((0, 6), (13, 24)), attention=2 * HOUR, after=after("backup", most=12)),
        job("drill", 2, windows=((0, 24),), disturbs=0.05, after=after("upgrade", most=24)),
    )
    users = [3] * 6 + [40, 80, 90, 90, 80, 60] + [5] * 12
    seen: list[Progress] = []
    solver.solve(problem(*jobs, people=[person("anna", works=(8, 17))], users=users, hours=24), QUICK, on_better=seen.append)
    assert seen[0].placements.keys() == {"backup", "upgrade", "drill"}


def test_nothing_waits_and_nothing_moves_without_a_reason() -> None:
    jobs = [job(name, environment="x", windows=((0, 10),)) for name in ("a", "b", "c")]
    asked = problem(*jobs, job("other", windows=((0, 10),)), users=[5] * 12)
    plan = solver.solve(asked, QUICK)
    assert sorted(starts(plan).values()) == [0, 0, 1, 2]
    again = solver.solve(asked, QUICK, fixed={"other": at(7)})
    assert [one.job for one in solver.compare(asked, plan, again)] == ["other"]


def test_a_person_does_one_thing_at_a_time_at_work_before_on_call() -> None:
    jobs = [job(name, skills=frozenset({"erp"}), attention=HOUR) for name in ("a", "b")]
    anna = person("anna", "erp", works=(4, 12), on_call=(span(0, 4),))
    plan = solver.solve(problem(*jobs, people=[anna, person("ben", "database")], on_call=400), QUICK)
    assert sorted(starts(plan).values()) == [4, 5], "400 user-minutes of a call are more than 4 or 5 users disturbed for an hour"
    assert {one.person for one in plan.placements.values()} == {"anna"}
    called = solver.solve(problem(*jobs, people=[anna], on_call=100), QUICK)
    assert sorted(starts(called).values()) == [0, 1]
    assert [one.cost for one in sorted(called.placements.values(), key=lambda one: one.starts)] == [100, 160]
    away = replace(anna, absences=(span(0, 6),))
    assert sorted(starts(solver.solve(problem(*jobs, people=[away], on_call=100), QUICK)).values()) == [6, 7]


def test_waiting_costs_what_is_urgent() -> None:
    users = [9.0] * 24 + [0.0] * 24
    patient, urgent = job("patient", windows=((0, 48),)), job("urgent", windows=((0, 48),), urgency=24 * 60)
    plan = solver.solve(problem(patient, urgent, users=users, hours=48), QUICK)
    assert starts(plan) == {"patient": 24, "urgent": 0}


def test_what_is_worth_most_is_kept_when_hours_or_money_do_not_suffice() -> None:
    jobs = [job(name, value=value, attention=HOUR, money=5) for name, value in (("low", 5000), ("high", 9000), ("middle", 7000))]
    plan = solver.solve(problem(*jobs, people=[person("anna")], hours=12), QUICK)
    assert set(starts(plan)) == {"low", "high", "middle"}
    for limit in ({"hours": 2}, {"money": 12}):
        limited = replace(problem(*jobs, people=[person("anna")]), **limit)
        plan = solver.solve(limited, QUICK)
        assert set(starts(plan)) == {"high", "middle"}
        assert solver.check(limited, plan) == []
        assert "budget" in said(plan.unplaced["low"])


def test_every_placement_says_why_there() -> None:
    plan = solver.solve(problem(job("a", environment="x", value=20_000), job("b", environment="x", host="h")), QUICK)
    first, second = sorted(plan.placements.values(), key=lambda one: one.starts)
    assert said(first.reasons) == (
        "it costs 0.0 user-minutes, by p90 | no start costs less | the next best start, 2026-11-23T02:00+00:00, would cost 120.0 user-minutes more"
    )
    assert said(second.reasons) == (
        "it costs 60.0 user-minutes, by p90 | at 2026-11-23T00:00+00:00 it would cost 60.0 user-minutes less, but: "
        f"x is taken by {first.job} | the next best start, 2026-11-23T02:00+00:00, would cost 60.0 user-minutes more"
    )
    alone = solver.solve(problem(job("a", windows=((3, 4),))), QUICK)
    assert said(alone.placements["a"].reasons).endswith(
        "but: no window is open from 2026-11-23T00:00+00:00 to 2026-11-23T01:00+00:00 | no other start is possible while the rest stays"
    )


@pytest.mark.parametrize(
    ("asked", "collides", "frees"),
    [
        (
            problem(job("a", 3, windows=((2, 4), (6, 8)))),
            "2026-11-23T12:00+00:00 is open for the 3.0 h it takes by p90; the longest of all is 2.0 h",
            "no window is open from",
        ),
        (problem(job("a", deadline=at(2), windows=((2, 8),))), "no window between", "it has to end by 2026-11-23T02:00+00:00"),
        (problem(job("a", attention=60, skills=frozenset({"erp"})), people=[person("ben", "sql")]), "12 times nobody has the skills erp", "skills"),
        (
            problem(job("a", attention=60), people=[person("ben", works=(20, 30))]),
            "12 times nobody who can do it is there",
            "nobody who can do it is there",
        ),
        (
            problem(job("a", windows=((1, 2),), environment="x"), job("big", windows=((1, 2),), environment="x", value=1e6)),
            "x is taken by big",
            "big",
        ),
        (problem(job("a", after=after("b")), job("b", windows=())), "12 times it comes after b, which has no place", "b, which has no place"),
    ],
    ids=["window", "deadline", "skills", "away", "taken", "order"],
)
def test_what_finds_no_place_says_what_collides_and_what_would_free_it(asked: Problem, collides: str, frees: str) -> None:
    plan = solver.solve(asked, QUICK)
    assert "a" not in plan.placements
    first, *ways_out = (say(one) for one in plan.unplaced["a"])
    assert collides in first
    assert any("only this is in the way" in one and frees in one for one in ways_out)
    assert solver.check(asked, plan) == []


def test_what_costs_more_than_leaving_it_out_says_so() -> None:
    plan = solver.solve(problem(job("a", 1, value=100), users=[9] * 12), QUICK)
    assert said(plan.unplaced["a"]) == "leaving it out costs 100 user-minutes, its cheapest start, 2026-11-23T00:00+00:00, 540.0"
    assert plan.objective == 100


def test_a_dragged_job_stays_where_it_was_put_and_the_consequences_are_said() -> None:
    asked = problem(job("a", 2, environment="x"), job("b", 2, environment="x", windows=((0, 6),)), job("c", 1, after=after("b"), windows=((0, 5),)))
    before = solver.solve(asked, QUICK)
    assert starts(before) == {"b": 0, "c": 2, "a": 2}
    moved = solver.solve(asked, QUICK, fixed={"a": at(0.5)})
    assert starts(moved) == {"a": 0.5, "b": 3}
    assert say(moved.placements["a"].reasons[0]) == "it was put here by hand"
    said_so = {one.job: (one.kind, say(one.message)) for one in solver.compare(asked, before, moved)}
    assert said_so["a"] == ("moved", "a is 1.5 h earlier: 2026-11-23T00:30+00:00")
    assert said_so["b"] == ("moved", "b is 3.0 h later: 2026-11-23T03:00+00:00")
    assert said_so["c"][0] == "dropped"
    assert "c has to start after the end of b" in said_so["c"][1]
    assert said_so[None][0] == "cost"
    assert solver.compare(asked, before, before) == []


def test_a_job_that_was_dragged_where_it_may_not_be_breaks_a_rule_by_name() -> None:
    asked = problem(job("a", 2, environment="x", windows=((4, 8),)), job("b", 2, environment="x"))
    before = solver.solve(asked, QUICK)
    moved = solver.solve(asked, QUICK, fixed={"a": at(1), "b": at(2)})
    assert {(one.rule, one.job, one.other) for one in solver.check(asked, moved)} == {
        ("opening", "a", None),
        ("environment", "a", "b"),
        ("environment", "b", "a"),
    }
    assert {one.kind for one in solver.compare(asked, before, moved)} >= {"broken", "moved"}
    with pytest.raises(InvalidProblem, match="no job ghost"):
        solver.solve(asked, QUICK, fixed={"ghost": at(1)})


def test_better_plans_are_shown_on_the_way_and_a_stop_keeps_the_best_so_far() -> None:
    asked = crowded()
    seen: list[Progress] = []
    plan = solver.solve(asked, QUICK, on_better=seen.append)
    assert len(seen) > 1, "the greedy plan can be improved"
    assert all(later.objective < earlier.objective for earlier, later in pairwise(seen))
    assert (seen[-1].objective, seen[-1].placements.keys()) == (plan.objective, plan.placements.keys())
    assert all(one.bound <= plan.objective for one in seen)
    stop = threading.Event()
    stop.set()
    first = solver.solve(asked, QUICK, stop=stop)
    assert first.objective == seen[0].objective
    assert solver.check(asked, first) == []
    halted = threading.Event()

    def halt(_one: Progress) -> None:
        halted.set()

    assert solver.solve(asked, Limits(seconds=600), on_better=halt, stop=halted).seconds < 600


def test_the_same_is_found_again() -> None:
    asked = crowded()
    assert starts(solver.solve(asked, QUICK)) == starts(solver.solve(asked, QUICK))


def crowded() -> Problem:
    """The greedy start gives the cheapest hour to the wrong one of two."""
    wide, narrow = job("wide", 1, environment="x", value=20_000), job("narrow", 1, environment="x", disturbs=5.0)
    return problem(wide, narrow, job("other", 2, environment="x"), users=[0, 9, 9, 1, 9, 9, 2, 9, 9, 9, 9, 9])


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (replace(problem(), ends=at(0)), "end after it starts"),
        (replace(problem(), ends=at(9).astimezone(ZoneInfo("Europe/Zurich"))), "is not in UTC"),
        (problem(job("a", deadline=at(9).replace(tzinfo=None))), "is not in UTC"),
        (problem(job("a"), job("a")), "same name"),
        (problem(people=[person("anna"), person("anna")]), "same name"),
        (problem(job("a", p50=2 * HOUR)), "durations, costs or hours of a"),
        (problem(job("a", money=-1)), "durations, costs or hours of a"),
        (problem(job("a", system="crm")), "users of crm"),
        (problem(job("a", after=after("b"))), "a comes after b, which is not to be planned"),
        (problem(job("a", after=after("b")), job("b", after=after("a"))), "wait for each other"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: Problem, says: str) -> None:
    with pytest.raises(InvalidProblem, match=says):
        solver.solve(asked, QUICK)


def test_the_rules_find_what_is_broken_in_a_plan_from_elsewhere() -> None:
    jobs = (
        job("early", release=at(3)),
        job("late", deadline=at(3)),
        job("out", windows=((5, 6),)),
        job("one", 2, environment="x", host="h"),
        job("two", 2, environment="x", host="h"),
        job("three", 2, host="h", attention=HOUR, skills=frozenset({"erp"})),
        job("four", 2, attention=HOUR, after=after("one", most=1)),
        job("five", 1, after=after("one")),
    )
    asked = problem(*jobs, people=[person("ben", "sql", works=(0, 2))])
    where = {"early": 2, "late": 2.5, "out": 4.5, "one": 6, "two": 7, "three": 7.5, "four": 9, "five": 7}
    plan = made(asked, {name: (at(hour), "ben" if name in {"three", "four"} else None) for name, hour in where.items() if name != "five"})
    assert {(one.rule, one.job, one.other) for one in solver.check(asked, replace(plan, unplaced={}))} == {
        ("release", "early", None),
        ("deadline", "late", None),
        ("opening", "out", None),
        ("environment", "one", "two"),
        ("environment", "two", "one"),
        ("host", "one", "three"),
        ("host", "three", "one"),
        ("host", "two", "three"),
        ("host", "three", "two"),
        ("skills", "three", None),
        ("away", "three", None),
        ("away", "four", None),
        ("order", "four", "one"),
        ("order", "one", "four"),
        ("forgotten", "five", None),
    }


def test_a_plan_is_judged_by_what_is_known_now() -> None:
    asked = problem(job("a", attention=HOUR), job("gone"), people=[person("anna"), person("ben")])
    plan = made(asked, {"a": (at(1), "anna"), "gone": (at(1), None)})
    later = replace(asked, jobs=asked.jobs[:1], people=asked.people[1:])
    assert [(one.rule, one.job) for one in solver.check(later, plan)] == [("away", "a")]
    alone = replace(plan, placements={**plan.placements, "a": replace(plan.placements["a"], person=None)})
    assert [(one.rule, say(one.message)) for one in solver.check(asked, alone)] == [("nobody", "nobody was chosen to do it")]
    slower = replace(asked, jobs=(job("a", 2, attention=HOUR), job("gone", after=after("a"))))
    assert [
        (one.rule, one.job)
        for one in solver.check(slower, replace(plan, placements={**plan.placements, "gone": placed(slower.jobs[1], at(2), None, 0)}))
    ] == [
        ("order", "a"),
        ("order", "gone"),
    ]


def made(asked: Problem, where: dict[str, tuple[datetime, str | None]]) -> Plan:
    """A plan put together by hand; what has no place is left out of it."""
    jobs, prices = {one.id: one for one in asked.jobs}, costs(asked)
    chosen: dict[str, Placement] = {}
    for name, (moment, who) in where.items():
        called = rules.is_on_call(rules.board(asked, {}), jobs[name], moment, who)
        chosen[name] = placed(jobs[name], moment, who, prices.of(jobs[name], moment, on_call=called))
    left = {one.id: () for one in asked.jobs if one.id not in chosen}
    objective = sum(one.cost for one in chosen.values()) + sum(jobs[name].value for name in left)
    return Plan(chosen, left, round(objective, 1), 0, proven=False, seconds=0)


LENGTH = 6


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Three jobs in six hours, with everything that may bind them."""
    names = ["a", "b", "c"]
    jobs = []
    for number, name in enumerate(names):
        before = draw(st.sampled_from([None, *names[:number]]))
        begins = draw(st.integers(0, 3))
        jobs.append(
            job(
                name,
                draw(st.sampled_from([0.5, 1, 1.5, 2])),
                environment=draw(st.sampled_from(["x", "y"])),
                host=draw(st.sampled_from(["", "h"])),
                windows=[(begins, begins + draw(st.integers(1, 6)))],
                deadline=at(draw(st.integers(3, 8))),
                value=draw(st.sampled_from([100.0, 2000.0])),
                urgency=draw(st.sampled_from([0.0, 500.0])),
                attention=draw(st.sampled_from([0, HOUR / 2, 1.5 * HOUR])),
                skills=frozenset(draw(st.sampled_from([[], ["erp"]]))),
                money=draw(st.sampled_from([0.0, 1.5])),
                after=() if before is None else after(before, draw(st.sampled_from([0, 0.5])), draw(st.sampled_from([None, 1, 2.5]))),
            )
        )
    begins = draw(st.integers(0, 3))
    people: list[Person] = [person("anna", "erp", works=(begins, 6), on_call=(span(0, 6),)), person("ben", works=(0, 4), absences=(span(1, 2),))]
    limits = {"hours": draw(st.sampled_from([None, 1.5])), "money": draw(st.sampled_from([None, 2.0]))}
    users = draw(st.lists(st.integers(0, 20), min_size=LENGTH, max_size=LENGTH))
    chosen = people[: draw(st.integers(0, 2))]
    return replace(problem(*jobs, people=chosen, users=users or [0] * LENGTH, hours=LENGTH), **limits)


def all_plans(asked: Problem, jobs: list[Job], where: dict[str, tuple[datetime, str | None]]) -> Iterator[Plan]:
    """Every plan on the grid that breaks no rule, by trying all; jobs come after those they depend on."""
    if not jobs:
        yield made(asked, where)
        return
    first, *rest = jobs
    yield from all_plans(asked, rest, where)
    board = rules.board(asked, made(asked, where).placements)
    people = [one.name for one in asked.people] if first.attention else [None]
    for moment in (at(hour) for hour in range(LENGTH)):
        for who in people:
            if not rules.broken(board, first, moment, who):
                yield from all_plans(asked, rest, {**where, first.id: (moment, who)})


@settings(max_examples=40, deadline=None)
@given(problems())
def test_it_finds_the_best_of_all_plans_and_proves_it(asked: Problem) -> None:
    plan = solver.solve(asked, Limits(seconds=120))
    assert solver.check(asked, plan) == []
    assert plan.proven
    assert plan.objective == plan.bound == min(one.objective for one in all_plans(asked, list(asked.jobs), {}))
    assert made(asked, {name: (one.starts, one.person) for name, one in plan.placements.items()}).objective == plan.objective


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=problems())
def test_with_too_many_starts_for_the_search_nothing_is_claimed_that_is_not_proven(monkeypatch: pytest.MonkeyPatch, asked: Problem) -> None:
    monkeypatch.setattr(exact, "MOST_STARTS", 3)
    monkeypatch.setattr(exact, "LEAST_STARTS", 1)
    plan = solver.solve(asked, QUICK)
    best = min(one.objective for one in all_plans(asked, list(asked.jobs), {}))
    assert solver.check(asked, plan) == []
    assert plan.bound <= best <= plan.objective
    assert plan.objective == best or not plan.proven


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from(["a", "b", "c"]), st.integers(0, 10))
def test_around_what_is_fixed_nothing_else_breaks_a_rule(asked: Problem, name: str, half_hours: int) -> None:
    plan = solver.solve(asked, QUICK, fixed={name: at(half_hours / 2)}, step=HOUR // 2)
    assert plan.placements[name].starts == at(half_hours / 2)
    assert all(name in {one.job, one.other} for one in solver.check(asked, plan))
    assert {*plan.placements, *plan.unplaced} == {"a", "b", "c"}

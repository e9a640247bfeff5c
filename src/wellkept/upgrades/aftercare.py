"""After an upgrade: the same transactions are timed before it and every day after it, errors and slow statements looked at, and people asked.

What is timed changes nothing, but for a preference of Wellkept's own user that is put back. With few measurements little can be said, and that is
what is said: a transaction counts as slower or faster only when chance is unlikely and the difference is one that a person notices.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from statistics import median
from typing import Any

import psycopg
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.adapters.base import AdapterError, Site, Timing
from wellkept.adapters.trial import Sight
from wellkept.backups import checks
from wellkept.estate import connect
from wellkept.estate.access import Console
from wellkept.estate.models import System
from wellkept.lib.text import Message, message, reason
from wellkept.operations import schedule
from wellkept.operations.errors import Failed
from wellkept.operations.models import Schedule
from wellkept.planning.significance import chance
from wellkept.tools import statements
from wellkept.upgrades import kept, opinions, production
from wellkept.upgrades.models import Answer, Measurement, Opinion, Upgrade, UpgradeState

DAYS = 7
EVERY_DAY = "30 6 * * *"
ROUNDS, KINDS = 5, 3
UNLIKELY = 0.01
NOTICED_SECONDS, NOTICED_SHARE = 0.05, 0.2
"""A difference that a person may notice: so many seconds, and this share of what it took before."""
MOST_STATEMENTS = 5
OPERATION = "upgrades.aftercare"
WHO = Console("wellkept")
Facts = dict[str, Any]
Words = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Verdict:
    """How long a transaction takes since the upgrade: medians in milliseconds, how many were timed, and how likely the difference is by chance.

    ``word`` is slower, faster, same, fails, or unknown where there are too few to say.
    """

    name: str
    before_ms: float | None
    after_ms: float | None
    difference_ms: float | None
    chance: float | None
    measured: tuple[int, int]
    word: str


def measure(upgrade_id: int, *, before: bool = False) -> Facts:
    """Time the transactions now and keep it. What cannot be seen is left out with the reason; an ERP that does not answer has none timed."""
    upgrade = production.upgrade(upgrade_id)
    site = connect.site(upgrade.environment)
    timings, why = _timed(upgrade, site, before=before)
    errors: Mapping[str, int] | None = connect.ability(upgrade.environment, "control").errors(site)
    slow = _slow(site)
    words = _words(upgrade, site, timings)
    made = Measurement.objects.create(upgrade=upgrade, before=before, timings=timings, words=words, errors=errors, statements=slow)
    return {"measurement": made.pk, "transactions": len(timings), "failed": [say for say in why if say]}


def follow(upgrade: Upgrade) -> None:
    """Have a kept upgrade looked at every day from now on, for DAYS; asked twice, it is done once."""
    until = timezone.now() + timedelta(days=DAYS)
    if Upgrade.objects.filter(pk=upgrade.pk, state=UpgradeState.KEPT, followed_until=None).update(followed_until=until) == 1:
        arguments = {"upgrade_id": upgrade.pk}
        schedule.add(upgrade.organisation, OPERATION, EVERY_DAY, who=WHO, system=upgrade.system, arguments=arguments)


def measure_before(upgrade_id: int) -> Facts:
    """The measurement to compare with, once; that it cannot be taken keeps no upgrade from going on."""
    if Measurement.objects.filter(upgrade_id=upgrade_id, before=True).exists():
        return {"measurement": None}
    return measure(upgrade_id, before=True)


def measure_unless_over(environment_id: int, upgrade_id: int) -> Facts:
    """Measure once more while the upgrade is followed. Raises Failed for an upgrade of something else."""
    if not Upgrade.objects.filter(pk=upgrade_id, environment_id=environment_id).exists():
        raise Failed(message(gettext_noop("There is no such upgrade of this system")))
    if _over(upgrade_id):
        return {"over": True}
    return {"over": False, **measure(upgrade_id)}


def summary(upgrade_id: int) -> Facts:
    """The report as it stands."""
    return report(production.upgrade(upgrade_id))


def _over(upgrade_id: int) -> bool:
    """Whether the time is over, or the upgrade was taken back meanwhile."""
    upgrade = production.upgrade(upgrade_id)
    return upgrade.state != UpgradeState.KEPT or upgrade.followed_until is None or timezone.now() >= upgrade.followed_until


def close(upgrade_id: int) -> Facts:
    """Write the closing report and follow it no more; done again, it says the same."""
    upgrade = production.upgrade(upgrade_id)
    if not upgrade.closing:
        Upgrade.objects.filter(pk=upgrade_id, closing={}).update(closing={**report(upgrade), "closed_at": timezone.now().isoformat()})
    for one in Schedule.objects.filter(system=upgrade.system, operation=OPERATION, arguments__upgrade_id=upgrade_id):
        schedule.remove(one, who=WHO)
    return dict(production.upgrade(upgrade_id).closing)


def report(upgrade: Upgrade) -> Facts:
    """What is known of the work since an upgrade, as plain data; the closing one where it was closed. Five queries."""
    if upgrade.closing:
        return dict(upgrade.closing)
    rows = list(upgrade.measurements.all())
    old, new = [one for one in rows if one.before], [one for one in rows if not one.before]
    found = verdicts(old, new)
    counted = dict(Opinion.objects.filter(upgrade=upgrade).values_list("answer").annotate(n=Count("pk")))
    words = {kind: called for one in rows for kind, called in one.words.items()}
    return {
        "upgrade": upgrade.pk,
        "system": upgrade.system.name,
        "from": upgrade.current,
        "to": upgrade.version,
        "days": len({one.at.date() for one in new}),
        "transactions": [{**asdict(one), "called": transaction(one.name, words), "measured": list(one.measured)} for one in found],
        "errors": new_errors(old, new),
        "statements": new[-1].statements if new else None,
        "opinions": {answer: counted.get(answer, 0) for answer in Answer.values},
        "comments": [
            {"answer": one.answer, "comment": one.comment, "language": one.language}
            for one in Opinion.objects.filter(upgrade=upgrade).exclude(comment="").order_by("at")
        ],
        "verdict": judged(found, counted, words),
    }


def verdicts(old: Sequence[Measurement], new: Sequence[Measurement]) -> list[Verdict]:
    """The verdict on every transaction that was timed, the slower ones first."""
    names = dict.fromkeys(name for one in [*old, *new] for name in one.timings)
    found = [_verdict(name, _values(old, name), _values(new, name), _fails(new, name)) for name in names]
    order = ["fails", "slower", "unknown", "same", "faster"]
    return sorted(found, key=lambda one: (order.index(one.word), -(one.difference_ms or 0.0)))


def new_errors(old: Sequence[Measurement], new: Sequence[Measurement]) -> list[Facts] | None:
    """What the ERP has written down since that it had not before, with how often; None where its output cannot be seen."""
    if not new or new[-1].errors is None:
        return None
    known = {text for one in old for text in one.errors or {}}
    return [{"text": text, "count": count} for text, count in sorted(new[-1].errors.items(), key=lambda pair: -pair[1]) if text not in known]


def transaction(name: str, words: Words) -> Message:
    """What people call a transaction: "Sale: list" for ``sale.sale list``, with the names of the kind by language for the reader's own."""
    kind, _space, way = name.rpartition(" ")
    if not kind:
        return message("{way}", way=way)
    called = words.get(kind, {})
    plain = " ".join(dict.fromkeys(kind.replace("_", ".").split("."))).capitalize()
    return message(gettext_noop("{kind}: {way}"), kind=called.get("en", plain), way=way, called=called)


def judged(found: Sequence[Verdict], counted: Mapping[str, int], words: Words) -> Message:
    """All of it in one sentence."""
    failing = [transaction(one.name, words) for one in found if one.word == "fails"]
    slower = [one for one in found if one.word == "slower"]
    if failing:
        return message(gettext_noop("{name} does not work ({count} in all)"), count=len(failing), name=failing[0])
    if counted.get(Answer.BLOCKED):
        return message(gettext_noop("People who cannot do their work: {count}"), count=counted[Answer.BLOCKED])
    if slower:
        text = gettext_noop("{name} takes {milliseconds} ms longer ({count} in all)")
        return message(text, count=len(slower), name=transaction(slower[0].name, words), milliseconds=round(slower[0].difference_ms or 0.0))
    if not found or all(one.word == "unknown" for one in found):
        return message(gettext_noop("Too little was measured to say anything"))
    return message(gettext_noop("Nothing is slower than before"))


def _timed(upgrade: Upgrade, site: Site, *, before: bool) -> tuple[dict[str, list[float | None]], list[Message | str]]:
    """Seconds by transaction, one value a round, None where it failed; and why."""
    timings: dict[str, list[float | None]] = {}
    why: list[Message | str] = []

    def note(name: str, one: Sight | Timing) -> None:
        timings.setdefault(name, []).append(None if one.error else round(one.seconds, 4))
        why.extend([one.error] if one.error else [])

    looks, probes = (connect.ability(upgrade.environment, name) if connect.has(upgrade.environment, name) else None for name in ("trials", "probes"))
    try:
        for seen in looks.look(site, most=KINDS, rounds=ROUNDS) if looks else ():
            note(f"{seen.what} {seen.way}" if seen.what != seen.way else seen.what, seen)
        # Before the upgrade nothing at all is written, not even what is put back.
        for saved in [one for _round in range(ROUNDS) for one in probes.run(site)] if probes and not before else ():
            if saved.probe == "save":
                note(saved.probe, saved)
    except AdapterError as error:
        why.append(reason(error))
    return timings, why


def _words(upgrade: Upgrade, site: Site, timings: Iterable[str]) -> Words:
    """What people call the kinds of record that were timed; empty where the ERP's database cannot be asked."""
    kinds = {kind for kind in (name.rpartition(" ")[0] for name in timings) if kind}
    if not kinds:
        return {}
    try:
        with checks.database(site) as connection:
            return {kind: dict(called) for kind, called in connect.ability(upgrade.environment, "trials").titles(connection, kinds).items()}
    except (psycopg.Error, AdapterError, Failed):
        return {}


def _slow(site: Site) -> list[Facts] | None:
    try:
        with checks.database(site) as connection:
            found = statements.slowest(connection, MOST_STATEMENTS)
    except (psycopg.Error, Failed):
        return None
    return [asdict(one) for one in found] if found is not None else None


def _verdict(name: str, old: list[float], new: list[float], fails: bool) -> Verdict:
    before, after = (median(values) if values else None for values in (old, new))
    likely = chance(old, new) if old and new else None
    difference = after - before if before is not None and after is not None else None
    word = "unknown"
    if fails:
        word = "fails"
    elif difference is not None and before is not None and likely is not None:
        noticed = abs(difference) >= max(NOTICED_SECONDS, NOTICED_SHARE * before)
        enough = len(old) >= ROUNDS and len(new) >= ROUNDS
        word = "unknown" if not enough else "same" if likely >= UNLIKELY or not noticed else "slower" if difference > 0 else "faster"
    likely = None if likely is None else round(likely, 4)
    return Verdict(name, _ms(before), _ms(after), _ms(difference), likely, (len(old), len(new)), word)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _values(rows: Sequence[Measurement], name: str) -> list[float]:
    return [value for one in rows for value in one.timings.get(name, []) if value is not None]


def _fails(new: Sequence[Measurement], name: str) -> bool:
    """Whether it failed each time it was tried last."""
    tried = [one.timings[name] for one in new if one.timings.get(name)]
    return bool(tried) and all(value is None for value in tried[-1])


def shown(systems: Collection[System] | QuerySet[System]) -> dict[str, list[Upgrade]]:
    """For the first pages: upgrades about which people are ``asked``, those with an answer that somebody should read, which are ``said`` (``waiting``
    is how many), and those whose leftovers are ``due`` to go. Three queries.
    """
    rows = Upgrade.objects.filter(system__in=systems).select_related("system").order_by("-started_at")
    unread = Count("opinions", filter=opinions.matters("opinions__") & Q(opinions__settled_at=None))
    return {
        "said": list(rows.filter(state=UpgradeState.KEPT).annotate(waiting=unread).filter(waiting__gt=0)),
        "asked": list(rows.filter(state=UpgradeState.KEPT, followed_until__isnull=False, closing={})),
        "due": list(kept.due(rows)),
    }

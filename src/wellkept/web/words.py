"""Times, durations and sizes in words of the reader's language and time zone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

from wellkept.planning.offpeak import By, Peak
from wellkept.web.kinds import KINDS

MINUTE, HOUR, DAY = 60, 3600, 86400


def day(moment: datetime) -> str:
    """The date, as "22 November 2026"."""
    return formats.date_format(timezone.localtime(moment), pgettext("date format", "j F Y"))


def day_of_year(moment: datetime) -> str:
    """The date without the year, as "22 Nov"."""
    return formats.date_format(timezone.localtime(moment), pgettext("date format", "j M"))


def exact(moment: datetime) -> str:
    """Date, time and zone, as "22 November 2026 07:12:05 (CST)"."""
    local = timezone.localtime(moment)
    return f"{day(moment)} {local:%H:%M:%S} ({local.tzname()})"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago or in how long; beyond 30 days the date."""
    seconds = ((now or timezone.now()) - moment).total_seconds()
    if abs(seconds) >= 30 * DAY:
        return day(moment)
    if abs(seconds) < 45:
        return _("just now") if seconds >= 0 else _("in a moment")
    length = rough(abs(seconds))
    return _("{length} ago").format(length=length) if seconds > 0 else _("in {length}").format(length=length)


def rough(seconds: float) -> str:
    """One unit, rounded: "6 h", "3 days"."""
    if seconds < 50 * MINUTE:
        return _("{n} min").format(n=max(1, round(seconds / MINUTE)))
    if seconds < 22 * HOUR:
        return _("{n} h").format(n=max(1, round(seconds / HOUR)))
    days = max(1, round(seconds / DAY))
    return ngettext("{n} day", "{n} days", days).format(n=days)


def duration(seconds: float) -> str:
    """A length of time, exact enough to compare: "0.4 s", "45 s", "12 min 05 s", "1 h 05 min", "3 days 4 h"."""
    if 0 < seconds < 0.05:
        return _("{n} ms").format(n=max(1, round(seconds * 1000)))
    if seconds < 10:
        return _("{n} s").format(n=formats.number_format(round(seconds, 1), 1) if seconds >= 0.05 else 0)
    whole = round(seconds)
    if whole < MINUTE:
        return _("{n} s").format(n=whole)
    if whole < HOUR:
        return (
            _("{m} min").format(m=whole // MINUTE) if whole % MINUTE == 0 else _("{m} min {s} s").format(m=whole // MINUTE, s=f"{whole % MINUTE:02}")
        )
    if whole < DAY:
        minutes = whole % HOUR // MINUTE
        return _("{h} h").format(h=whole // HOUR) if minutes == 0 else _("{h} h {m} min").format(h=whole // HOUR, m=f"{minutes:02}")
    days, hours = whole // DAY, whole % DAY // HOUR
    text = ngettext("{n} day", "{n} days", days).format(n=days)
    return text if hours == 0 else _("{days} {h} h").format(days=text, h=hours)


def size(value: float) -> str:
    """Bytes in decimal units, as disks are sold: "940 B", "3.4 MB", "1.2 TB"."""
    unit = "B"
    for name in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, name
    digits = 0 if unit == "B" or value >= 100 else 1
    return f"{formats.number_format(round(value, digits), digits)} {unit}"


def driver(name: str) -> str:
    """What a duration depends on, as a word: "rows", "files" …; a name nobody translated as it is, readable."""
    known = {
        "rows": _("rows"),
        "bytes": _("bytes"),
        "files": _("files"),
        "modules": _("modules"),
        "figures": _("figures"),
        "tables": _("tables"),
        "documents": _("documents"),
        "seconds": _("seconds"),
    }
    return known.get(name) or name.replace("_", " ")


def driver_value(name: str, value: object) -> str:
    """The amount of a driver: bytes as a size, numbers with separators."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return (
        size(value)
        if name.endswith("bytes")
        else formats.number_format(value if isinstance(value, int) else round(value, 1), use_l10n=True, force_grouping=True)
    )


def probe(name: str) -> str:
    """What a person does when a probe tries it: "login", "search" …; another name as it is."""
    known = {"login": _("signing in"), "search": _("searching"), "open": _("opening a document"), "save": _("saving")}
    return known.get(name, name)


def peak(found: Peak) -> str:
    """A day of the month on which more is done, with how much more."""
    known = {
        By.DAY: _("day {number} of the month: {percent} percent of the usual"),
        By.WORKING_DAY: _("working day {number} of the month: {percent} percent of the usual"),
        By.WORKING_DAY_LEFT: _("working day {number} before the end of the month: {percent} percent of the usual"),
    }
    return known[found.by].format(number=found.number, percent=round(100 * found.factor))


def way(name: str) -> str:
    """What is done to a kind of record when it is timed: "list", "record" …; another name as it is."""
    known = {"list": _("list"), "record": _("record"), "new": _("new"), "login": _("Sign in"), "save": _("Save")}
    return known.get(name, name)


def kind(called: Mapping[str, Any], english: str) -> str:
    """What people call a kind of record, by the ERP's own words in the reader's language; ours for the most frequent ones where it has none."""
    own = called.get({"zh-hans": "zh_CN", "zh-hant": "zh_TW"}.get(get_language() or "", ""))
    return str(own or KINDS.get(english, english))


def proof(name: str) -> str:
    """What was to be proven of a copy: "no_live_job" …; another name as it is, readable."""
    known = {
        "no_live_job": _("no scheduled job is on"),
        "no_trigger": _("no trigger is on"),
        "no_old_password": _("nobody's old password is left"),
        "no_password_reset": _("no password can be reset"),
        "no_public_address": _("no public address is set"),
        "no_inbound_mail": _("no mail comes in"),
        "no_sessions": _("nobody is signed in"),
        "no_queue": _("nothing waits to be done"),
        "no_credentials": _("no credential is left"),
        "no_secret_settings": _("no secret is left in the settings"),
        "own_settings": _("the copy has settings of its own"),
        "own_server": _("the copy has a database server of its own"),
        "own_files": _("the copy has a file folder of its own"),
        "own_password": _("the copy has a password of its own"),
        "own_passwords_only": _("only passwords of the copy let somebody in"),
        "other_database": _("the copy is another database than the original"),
        "mail_to_sink": _("mail goes to the sink"),
        "old_password_refused": _("the old password is refused"),
        "nothing_sent": _("nothing was sent"),
    }
    plain, _colon, detail = name.partition(":")
    return (known.get(plain) or plain.replace("_", " ")) + (f" ({detail})" if detail else "")


def state(name: str) -> str:
    """The state of a record or of a document of an ERP, and of what we keep; another word as it is."""
    known = {
        "active": _("active"),
        "inactive": _("inactive"),
        "on": _("on"),
        "off": _("off"),
        "draft": _("draft"),
        "request": _("request"),
        "quotation": _("quotation"),
        "confirmed": _("confirmed"),
        "waiting": _("waiting"),
        "assigned": _("assigned"),
        "processing": _("processing"),
        "running": _("running"),
        "approved": _("approved"),
        "validated": _("validated"),
        "posted": _("posted"),
        "paid": _("paid"),
        "succeeded": _("succeeded"),
        "done": _("done"),
        "cancelled": _("cancelled"),
        "failed": _("failed"),
        "making": _("being made"),
        "broken": _("broken"),
        "forgotten": _("forgotten"),
    }
    return known.get(name, name)


def unit(name: str) -> str:
    """The unit of an interval of an ERP's scheduled job; another word as it is."""
    known = {"minutes": _("minutes"), "hours": _("hours"), "days": _("days"), "weeks": _("weeks"), "months": _("months")}
    return known.get(name, name)


def groups(names: str) -> str:
    """The names of groups, or that there are none."""
    return _("none") if names == "none" else names


def component_kind(kind: str) -> str:
    """Module, package, server or interpreter; another kind as it is."""
    known = {"module": _("module"), "package": _("package"), "server": _("server"), "interpreter": _("interpreter")}
    return known.get(kind, kind)

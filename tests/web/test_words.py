"""Times, durations, sizes and stored sentences as people read them."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.utils import timezone, translation

from tests.web.estate import make_kept, make_run
from wellkept.adapters.base import Unreachable
from wellkept.backups.failures import fail
from wellkept.backups.sets import SetError
from wellkept.estate.access import Console
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Organisation
from wellkept.lib.text import message
from wellkept.operations import queries, schedule
from wellkept.operations.errors import Failed
from wellkept.operations.models import Record, Run, RunState
from wellkept.tools.command import CommandFailed
from wellkept.tools.restic_errors import understand
from wellkept.web import bars, words
from wellkept.web.sparks import spark
from wellkept.web.told import refusal, told

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0.0, "0 s", "0 秒"),
        (0.021, "21 ms", "21 毫秒"),
        (0.42, "0.4 s", "0.4 秒"),
        (45.2, "45 s", "45 秒"),
        (60, "1 min", "1 分"),
        (725, "12 min 05 s", "12 分 05 秒"),
        (3900, "1 h 05 min", "1 小時 05 分"),
        (7200, "2 h", "2 小時"),
        (86400, "1 day", "1 天"),
        (3 * 86400 + 4 * 3600, "3 days 4 h", "3 天 4 小時"),
    ],
)
def test_durations(seconds: float, english: str, chinese: str) -> None:
    assert words.duration(seconds) == english
    with translation.override("zh-hant"):
        assert words.duration(seconds) == chinese


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(seconds=10), "just now"),
        (timedelta(minutes=-1, seconds=30), "in a moment"),
        (timedelta(minutes=6), "6 min ago"),
        (timedelta(hours=6), "6 h ago"),
        (timedelta(hours=-3), "in 3 h"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(days=40), "13 October 2026"),
    ],
)
def test_relative_times(distance: timedelta, text: str) -> None:
    assert words.ago(NOON - distance, NOON) == text


def test_exact_times_name_their_zone() -> None:
    with timezone.override("Asia/Taipei"):
        assert words.exact(NOON) == "22 November 2026 20:00:00 (CST)"
        with translation.override("zh-hans"):
            assert words.exact(NOON) == "2026年11月22日 20:00:00 (CST)"


@pytest.mark.parametrize(("size", "text"), [(940, "940 B"), (999_600, "1.0 MB"), (3_400_000, "3.4 MB"), (128_000_000_000, "128 GB")])
def test_sizes(size: float, text: str) -> None:
    assert words.size(size) == text


def test_stored_sentences_show_titles_and_local_times_instead_of_internal_names() -> None:
    stored = message(
        "{operation} was not started {count} times, last at {at}: no worker was running", operation="backups.take", count=2, at=NOON.isoformat()
    )
    with timezone.override("Asia/Taipei"):
        assert told(stored) == "Back up was not started 2 times, last at 22 November 2026 20:00:00 (CST): no worker was running"
        with translation.override("zh-hant"):
            assert told(stored) == "備份 有 2 次沒有開始，最近一次為 2026年11月22日 20:00:00 (CST)：沒有工作程序在執行"
    assert told(message("{email} has the role {role}", email="a@b.example", role="approver")) == "a@b.example has the role Approver"
    assert told(message("{step} took {missing}", step="Check")) == "{step} took {missing}"
    assert told("plain") == "plain"
    assert told(None) == ""


@pytest.mark.parametrize(
    ("change", "english", "chinese"),
    [
        (None, "Back up is to be run: every Sunday at 04:00 (UTC)", "已計畫 備份：每星期日 04:00（UTC）"),
        ("edited", "Back up is now to be run: every day at 02:30 (UTC)", "備份 的計畫改為：每天 02:30（UTC）"),
        ("removed", "Back up is no longer run by schedule (every Sunday at 04:00, UTC)", "備份 不再依計畫執行（每星期日 04:00，UTC）"),
    ],
)
def test_the_record_says_in_words_when_something_is_run(organisation: Organisation, change: str | None, english: str, chinese: str) -> None:
    row = schedule.add(organisation, "backups.take", "0 4 * * 0", who=Console("root"), time_zone="UTC")
    if change == "edited":
        schedule.edit(row, who=Console("root"), cron="30 2 * * *")
    if change == "removed":
        schedule.remove(row, who=Console("root"))
    entry = Record.objects.filter(kind__startswith="schedule.").latest("number")
    for language, said in (("en", english), ("zh-hant", chinese)):
        with translation.override(language):
            assert told(entry.summary) == said


def test_an_expression_that_was_refused_is_shown_as_it_was_typed(organisation: Organisation) -> None:
    with pytest.raises(Invalid) as refused:
        schedule.add(organisation, "backups.take", "0 0 31 2 *", who=Console("root"))
    with translation.override("en"):
        assert refusal(refused.value) == "“0 0 31 2 *” never happens"


def widths(parts: list[bars.Part]) -> float:
    return sum(float(part.width.rstrip("%")) for part in parts)


def test_the_bar_of_a_run_shows_done_now_and_to_come_above_its_forecast(organisation: Organisation) -> None:
    system = make_kept(organisation, "erp1")
    run = make_run(system, "backups.take", RunState.RUNNING, total=100)
    bar = bars.run_bar(queries.describe(Run.objects.prefetch_related("steps").get(pk=run.pk))["phases"])
    assert [part.look for part in bar.parts] == ["d-done", "d-done", "d-now", "d-wait", "d-wait", "d-wait"]
    assert 0.4 < bar.fraction < 0.8
    assert widths(bar.parts) + widths([bar.tail] if bar.tail else []) <= 101
    assert widths(bar.parts) < widths(bar.ghosts) + widths([bar.tail] if bar.tail else [])
    assert len(bar.ghosts) == 5
    assert bar.tail is not None


def test_a_run_without_history_has_no_forecast_under_its_bar(organisation: Organisation) -> None:
    run = make_run(make_kept(organisation, "erp1"), "backups.take", RunState.QUEUED, known=False)
    bar = bars.run_bar(queries.describe(Run.objects.prefetch_related("steps").get(pk=run.pk))["phases"])
    assert ({part.look for part in bar.parts}, bar.ghosts, bar.tail, bar.fraction) == ({"d-wait"}, [], None, 0.0)


def test_a_curve_needs_two_values_and_shows_a_target_within_reach() -> None:
    assert spark([3.0], 5.0) is None
    drawn = spark([10.0, 20.0], 15.0)
    assert drawn is not None
    assert (drawn.least, drawn.most) == (10.0, 20.0)
    assert drawn.target is not None
    far = spark([1.0, 2.0], 900.0)
    assert far is not None
    assert far.target is None


def test_a_refusal_is_a_sentence_whatever_it_came_from() -> None:
    kept = Taken("the system {name} is kept already", name="erp1")
    with translation.override("en"):
        assert refusal(kept) == "The system erp1 is kept already"
        assert refusal(Invalid("{system} was given up already", system="erp1")) == "erp1 was given up already"
        assert refusal(Invalid('--arguments is a JSON object, like {"steps": 3}')) == '--arguments is a JSON object, like {"steps": 3}'
        assert refusal(OSError("no such place")) == "No such place"
    with translation.override("zh-hans"):
        assert refusal(kept) == "系统 erp1 已纳管"
        assert str(kept) == "the system erp1 is kept already"


@pytest.mark.parametrize(
    ("error", "english", "chinese"),
    [
        (
            understand("Fatal: wrong password or no key found"),
            "The key does not open the repository; nothing was changed. restic said: “wrong password or no key found”",
            "金鑰打不開儲存庫；沒有更改任何內容。restic 回報：「wrong password or no key found」",
        ),
        (
            psycopg.OperationalError("connection refused"),
            "The database could not be used: PostgreSQL said: “connection refused”",
            "無法使用資料庫：PostgreSQL 回報：「connection refused」",
        ),
        (
            CommandFailed("pg_dump", 1, "pg_dump: detail: …\npg_dump: error: aborting"),
            "A program failed: pg_dump ended with code 1: “pg_dump: error: aborting”",
            "程式失敗：pg_dump 以代碼 1 結束：「pg_dump: error: aborting」",
        ),
        (
            Unreachable("{url} did not answer within {seconds} s", url="http://erp1", seconds="5"),
            "The ERP could not be asked: http://erp1 did not answer within 5 s",
            "無法查詢 ERP：http://erp1 在 5 秒內沒有回應",
        ),
        (
            SetError("the file {name} was changed", name="dump/{toc}.dat"),
            "The backup is not what it should be: the file dump/{toc}.dat was changed",
            "備份與應有的內容不符：檔案 dump/{toc}.dat 已被更改",
        ),
    ],
)
def test_what_a_program_or_an_erp_said_is_introduced_in_the_readers_language(error: Exception, english: str, chinese: str) -> None:
    with pytest.raises(Failed) as ended:
        fail(error)
    for language, said in (("en", english), ("zh-hant", chinese)):
        with translation.override(language):
            assert told(ended.value.message) == said
    assert str(ended.value) == english


def test_probes_and_proofs_are_said_as_words() -> None:
    text = "The copy is not proven harmless: {proof} ({seen})"
    with translation.override("en"):
        assert told(message(text, proof="no_live_job", seen="1")) == "The copy is not proven harmless: no scheduled job is on (1)"
        assert told(message(text, proof="no_visitor_sessions", seen="1")) == "The copy is not proven harmless: no visitor sessions (1)"
        assert words.proof("old_password_refused:admin") == "the old password is refused (admin)"
    with translation.override("zh-hant"):
        assert told(message("Nobody can work on the restored ERP: {probe} failed with {reason}", probe="login", reason="x")).startswith(
            "無法在還原的 ERP 上工作：登入 失敗"
        )

"""The drawing of what happened to a system."""

import html

import pytest
from django.utils import timezone

from tests.web.conftest import SignIn
from tests.web.estate import make_backup, make_kept, make_repository
from wellkept.backups.models import Backup, BackupState, Drill, DrillState
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.operations.models import Run

FAILED = ("Drill without proof", "Backup that does not count", "d-bad")


@pytest.mark.parametrize(
    ("backup", "drill", "drawn"), [(BackupState.MAKING, DrillState.RUNNING, False), (BackupState.FAILED, DrillState.FAILED, True)]
)
def test_only_what_has_ended_is_drawn_as_having_failed(
    organisation: Organisation, administrator: Person, sign_in: SignIn, backup: str, drill: str, drawn: bool
) -> None:
    system = make_kept(organisation, "erp1")
    made = make_backup(system, make_repository(organisation), timezone.now())
    Drill.objects.create(organisation=organisation, system=system, backup=made, state=drill)
    Run.objects.create(organisation=organisation, system=system, operation="estate.discover", maintenance_type="preventive", state="running")
    Backup.objects.filter(pk=made.pk).update(state=backup)
    page = sign_in(administrator).get(f"/systems/{system.pk}/").content.decode()
    assert [words in page for words in FAILED] == [drawn] * len(FAILED)


def test_what_could_not_be_seen_is_said_in_the_language_of_the_person(organisation: Organisation, administrator: Person, sign_in: SignIn) -> None:
    system = make_kept(organisation, "erp1")
    grant = 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "reader";'
    blind = [
        {"what": "12 tables", "why": "the role reader may not read account_move, ir_model and 10 more", "remedy": grant},
        {"what": "database", "why": "PostgreSQL said: “connection refused”", "remedy": "see that PostgreSQL runs and answers at db1:5432"},
    ]
    Environment.objects.filter(system=system).update(seen={"blind": blind})
    administrator.language = "zh-hant"
    administrator.save()
    page = html.unescape(sign_in(administrator).get(f"/systems/{system.pk}/components/").content.decode())
    for said in (
        "12 個資料表",
        "角色 reader 不可讀取 account_move, ir_model 以及另外 10 個",
        grant,
        "資料庫",
        "PostgreSQL 回報：「connection refused」",
    ):
        assert said in page
    assert "請確認 PostgreSQL 正在執行，並在 db1:5432 回應" in page

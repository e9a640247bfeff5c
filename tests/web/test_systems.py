"""The drawing of what happened to a system."""

import pytest
from django.utils import timezone

from tests.web.conftest import SignIn
from tests.web.estate import make_backup, make_kept, make_repository
from wellkept.backups.models import Backup, BackupState, Drill, DrillState
from wellkept.estate.models import Organisation, Person
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

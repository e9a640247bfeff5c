"""The whole way by commands, with a real worker: repository, backup, drill, verify, restore, forget."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.people import make_organisation
from tests.services.commands import Wellkept, commands
from tests.services.installation import Installation, installed, leftovers
from tests.services.keys import quicken
from tests.services.sets import content_hash, kept_environment
from wellkept.adapters.base import Site
from wellkept.backups.models import Backup, Drill, Repository
from wellkept.estate import secrets
from wellkept.operations import records
from wellkept.operations.models import Record
from wellkept.tools import postgres

CERTIFIED = ("disaster_at", "newest_document", "rto_seconds", "rpo_seconds", "isolation", "harmless", "probes", "steps", "amcheck", "issued_at")


@pytest.fixture(scope="module")
def installation(company: Site, django_db_setup: None, django_db_blocker: Any) -> Iterator[Installation]:
    with django_db_blocker.unblock(), installed("bk-", polling=0.5) as made:
        kept_environment(company, make_organisation("riverside"))
        made.start_worker()
        yield made


@pytest.fixture(scope="module")
def run(installation: Installation) -> Iterator[Wellkept]:
    with commands(installation.home) as run:
        yield run


def wellkept(run: Wellkept, *args: str | Path, code: int = 0) -> Any:
    """Run a command with --json and return what it printed."""
    done = run(*map(str, args), "--json")
    assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the repository lies for all tests."""
    return tmp_path_factory.mktemp("commands")


def test_from_an_empty_installation_to_a_proven_restore(installation: Installation, run: Wellkept, company: Site, folder: Path) -> None:
    before = content_hash(company)
    assert wellkept(run, "backup", "take", "erp1", code=10)["outcome"].startswith("There is no such repository")
    made = wellkept(run, "repository", "create", "local", folder / "repository")
    assert (made["repository"], made["place"], len(made["recipients"])) == ("local", str(folder / "repository"), 2)
    quicken(folder / "repository", secrets.open(Repository.objects.get().key))
    identity = folder / "recovery.txt"
    wellkept(run, "repository", "recovery-key", "local", "--out", identity, "--yes")
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600
    assert wellkept(run, "repository", "escrow", "test", "local", "--identity", identity) == {"repository": "local", "works": True}
    assert "downloaded before" in wellkept(run, "repository", "recovery-key", "local", "--yes", code=4)["error"]["message"]

    taken = wellkept(run, "backup", "take", "erp1")
    assert taken["state"] == "succeeded"
    (listed,) = wellkept(run, "backup", "list", "--good")
    assert (listed["backup"], listed["state"], listed["proven"]) == (taken["backup_id"], "good", False)

    drilled = wellkept(run, "drill", "run", "erp1")
    assert (drilled["figures_equal"], drilled["neutral_proven"], drilled["escrow_key_used"]) == (True, True, True)
    assert drilled["rto_seconds"] > 1
    assert drilled["rpo_seconds"] >= 0
    certificate = wellkept(run, "drill", "show", str(drilled["drill"]))["certificate"]
    assert [name for name in CERTIFIED if not certificate.get(name)] == []
    assert all(proof["holds"] for proof in certificate["harmless"])
    assert {proof["name"] for proof in certificate["harmless"]} >= {"no_live_job", "nothing_sent", "mail_to_sink"}
    assert certificate["nothing_left"] is True
    assert {found["backup"]: found["proven"] for found in wellkept(run, "backup", "list", "--good")} == {taken["backup_id"]: True}

    assert wellkept(run, "backup", "verify", str(taken["backup_id"]), "--whole")["ok"] is True
    restored = folder / "restored"
    assert company.server is not None
    try:
        server = f"postgresql://postgres@/postgres?host={company.server.host}&port={company.server.port}"
        asked = ["backup", "restore", str(taken["backup_id"]), "--to", restored, "--database", "restored", "--server", server, "--yes"]
        assert wellkept(run, *asked)["state"] == "succeeded"
        assert postgres.database_exists(company.server, "restored")
        assert "is not an empty folder" in wellkept(run, *asked, code=10)["error"]["message"]
    finally:
        postgres.drop_database(company.server, "restored")
    preview = wellkept(run, "backup", "forget", "local", "--preview")
    assert (preview["forgets"], [line["keep"] for line in preview["backups"]]) == (0, [True])

    assert content_hash(company) == before
    assert leftovers(installation) == []
    assert records.verify(Backup.objects.get().organisation).ok
    kinds = list(Record.objects.order_by("number").values_list("kind", flat=True))
    assert [kind for kind in kinds if kind in {"backups.take", "drill.certificate", "backups.drill"}] == [
        "backups.take",
        "backups.take",
        "drill.certificate",
        "backups.drill",
    ]
    assert Drill.objects.get().certificate == certificate


def test_a_drill_of_nothing_is_refused(run: Wellkept) -> None:
    wellkept(run, "drill", "run", "nowhere", code=4)
    assert "no such backup" in wellkept(run, "drill", "run", "erp1", "--backup", "999", code=10)["outcome"]


def test_a_command_that_nobody_confirmed_does_nothing(run: Wellkept, tmp_path: Path) -> None:
    backup = Backup.objects.filter(state="good").first()
    assert backup is not None
    refused = wellkept(run, "backup", "restore", str(backup.pk), "--to", tmp_path / "restored", code=2)
    assert "--yes" in refused["error"]["message"]
    assert not (tmp_path / "restored").exists()

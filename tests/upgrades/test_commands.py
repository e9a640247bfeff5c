"""An assessment by command, with a real worker."""

import json
from pathlib import Path
from typing import Any

from tests.people import make_organisation
from tests.services.commands import Wellkept, commands
from tests.services.index import Index
from tests.services.installation import installed, leftovers
from tests.upgrades.conftest import keep
from wellkept.adapters.base import Site
from wellkept.operations.models import Record, Run


def wellkept(run: Wellkept, *args: str, code: int = 0) -> Any:
    """Run a command with --json and return what it printed."""
    done = run(*args, "--json")
    assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def test_an_upgrade_is_assessed_listed_and_shown(small_company: Site, series: Index, django_db_setup: None, django_db_blocker: Any) -> None:
    index = {"PIP_INDEX_URL": series.address, "PIP_FIND_LINKS": ""}
    with django_db_blocker.unblock(), installed("up-", polling=0.5, **index) as made, commands(made.home) as run:
        keep(small_company, make_organisation("riverside"))
        made.start_worker()
        assert (
            wellkept(run, "upgrade", "show", "erp1", code=4)["error"]["message"]
            == "erp1 was not assessed yet: wellkept upgrade assess erp1 --to SERIES"
        )
        done = wellkept(run, "upgrade", "assess", "erp1", "--to", "8.0")
        assert (done["state"], done["from"], done["to"], done["verdict"], done["installed"], done["used"]) == (
            "succeeded",
            "7.0",
            "8.0",
            "watch",
            44,
            35,
        )
        assert done["outcome"] == f"From 7.0 to 8.0: nothing is in the way, {len(done['risks'])} things to look at"
        assert {risk["level"] for risk in done["risks"]} == {"watch"}
        assert wellkept(run, "upgrade", "show", "erp1")["risks"] == done["risks"]
        refused = wellkept(run, "upgrade", "assess", "erp1", "--to", "6.0", code=10)
        assert refused["outcome"].startswith("This upgrade is not possible: 6.0 is older than 7.0")
        (line,) = wellkept(run, "upgrade", "list")
        assert (line["release"], line["support_end"], line["newer"], line["assessed"]) == ("7.0", "2028-10-30", ["7.2", "8.0", "8.2"], "8.0")
        (assessing,) = Run.objects.filter(operation="upgrades.assess", state="succeeded")
        assert all(step.seconds is not None for step in assessing.steps.all())
        assert Record.objects.filter(run_id=assessing.pk, kind="upgrades.assess", maintenance_type="adaptive").count() == 1
        gates_by_command(run)
        notes_by_command(run, series.folder / "note.toml")
        assert leftovers(made) == []


def gates_by_command(run: Wellkept) -> None:
    """Without a rehearsal nothing opens."""
    seen = wellkept(run, "upgrade", "apply", "erp1", "--to", "8.0", "--dry-run", code=14)
    shut = {gate["gate"] for gate in seen["gates"] if not gate["open"]}
    assert (seen["open"], seen["rehearsal"], shut) == (False, None, {"rehearsal", "backup", "window"})
    refused = wellkept(run, "upgrade", "apply", "erp1", "--to", "8.0", "--confirm", "erp1", code=14)
    assert refused["error"]["message"].startswith("nothing was started: The upgrade to 8.0 was never rehearsed with success; ")
    assert wellkept(run, "upgrade", "waive", "erp1", "role", "--to", "8.0", "--reason", "x", code=7)["error"]["name"] == "invalid"
    assert not Run.objects.filter(operation="upgrades.apply").exists()


def notes_by_command(run: Wellkept, file: Path) -> None:
    file.write_text('title = "Ours"\nphase = "before"\nwhy = "in the way"\ncheck = "SELECT true"\nmodules = ["sale"]\n')
    where = ("erp1", "--to", "8.0")
    written = wellkept(run, "upgrade", "notes", "add", *where, "our-own", "--file", str(file), "--reason", "incomplete page")
    assert (written["name"], written["version"], written["approver"], written["reason"]) == ("our-own", 1, "", "incomplete page")
    assert wellkept(run, "upgrade", "notes", "approve", *where, "our-own", code=5)["error"]["name"] == "refused"
    assert wellkept(run, "upgrade", "notes", "show", *where, "our-own")["modules"] == ["sale"]
    left = wellkept(run, "upgrade", "notes", "disable", *where, "7.6-model-names", "--reason", "done by hand")
    assert left["disabled"]
    states = {one["note"]: one["state"] for one in wellkept(run, "upgrade", "notes", "list", *where)}
    assert {name: state for name, state in states.items() if state != "as_shipped"} == {"our-own": "waiting", "7.6-model-names": "waiting"}
    file.write_text("title = ")
    assert wellkept(run, "upgrade", "notes", "add", *where, "bad", "--file", str(file), "--reason", "x", code=7)["error"]["name"] == "invalid"

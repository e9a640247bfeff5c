"""An assessment by command, with a real worker."""

import json
import subprocess
import sys
from typing import Any

from tests.people import make_organisation
from tests.services.index import Index
from tests.services.installation import Installation, installed, leftovers
from tests.upgrades.conftest import keep
from wellkept.adapters.base import Site
from wellkept.operations.models import Record, Run


def wellkept(installation: Installation, *args: str, code: int = 0) -> Any:
    """Run a command with --json and return what it printed."""
    program = [sys.executable, "-c", "from wellkept.cli.main import main; main()"]
    done = subprocess.run([*program, *args, "--json"], env=installation.environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}\n{installation.log()[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def test_an_upgrade_is_assessed_listed_and_shown(small_company: Site, series: Index, django_db_setup: None, django_db_blocker: Any) -> None:
    index = {"PIP_INDEX_URL": series.address, "PIP_FIND_LINKS": ""}
    with django_db_blocker.unblock(), installed("up-", **index) as made:
        keep(small_company, make_organisation("riverside"))
        made.start_worker()
        assert (
            wellkept(made, "upgrade", "show", "erp1", code=4)["error"]["message"]
            == "erp1 was not assessed yet: wellkept upgrade assess erp1 --to SERIES"
        )
        done = wellkept(made, "upgrade", "assess", "erp1", "--to", "8.0")
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
        assert wellkept(made, "upgrade", "show", "erp1")["risks"] == done["risks"]
        refused = wellkept(made, "upgrade", "assess", "erp1", "--to", "6.0", code=10)
        assert refused["outcome"].startswith("This upgrade is not possible: 6.0 is older than 7.0")
        (line,) = wellkept(made, "upgrade", "list")
        assert (line["release"], line["support_end"], line["newer"], line["assessed"]) == ("7.0", "2028-10-30", ["7.2", "8.0", "8.2"], "8.0")
        (run,) = Run.objects.filter(operation="upgrades.assess", state="succeeded")
        assert all(step.seconds is not None for step in run.steps.all())
        assert Record.objects.filter(run_id=run.pk, kind="upgrades.assess", maintenance_type="adaptive").count() == 1
        assert leftovers(made) == []

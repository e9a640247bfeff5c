"""Making a repository by the API: on an sftp server, with a change of what leads to it, and in a folder of this machine that is allowed."""

from pathlib import Path
from typing import Any

import pytest

from tests.services import places
from wellkept.backups.models import Repository
from wellkept.estate.models import Organisation, Person
from wellkept.operations.models import Record
from wellkept.tools import ssh


def test_a_program_is_told_the_host_key_and_gives_it(administrator: Person, organisation: Organisation, program: Any) -> None:
    with places.sftp_server() as sftp:
        caller, host = program(administrator), ssh.host_key(sftp.host_key)
        wish = {"name": "far", "location": sftp.location("erp"), "credentials": sftp.credentials}
        at = f"/organisations/{organisation.slug}/repositories"
        status, answer = caller.post(at, wish)
        assert (status, answer["error"]["name"]) == (422, "invalid")
        assert host.fingerprint in answer["error"]["message"]
        status, answer = caller.post(at, {**wish, "host_key": host.fingerprint})
        assert (status, answer["host_key"]) == (201, host.text)
        assert "PRIVATE KEY" not in str(answer)
        changed = f"/repositories/{answer['id']}/access"
        status, refused = caller.call("PUT", changed, {"credentials": {"SSH_PRIVATE_KEY": "no key"}})
        assert (status, refused["error"]["name"]) == (422, "invalid")
        sftp.cut()
        status, refused = caller.call("PUT", changed, {"host_key": host.fingerprint})
        assert (status, refused["error"]["name"]) == (502, "unreachable")
        assert Record.objects.filter(kind="repository.access_changed").count() == 0


@pytest.mark.parametrize("place", ["/{slug}", "/other/one", "/{slug}/../other/one", "/{slug}/link/one", "/{slug}/\0one", "/{slug}/" + 500 * "x"])
def test_a_program_makes_repositories_only_below_the_allowed_folder(
    administrator: Person, organisation: Organisation, program: Any, settings: Any, tmp_path: Path, *, place: str
) -> None:
    settings.REPOSITORY_FOLDERS = [str(tmp_path)]
    for name in (organisation.slug, "other"):
        (tmp_path / name).mkdir()
    (tmp_path / organisation.slug / "link").symlink_to(tmp_path / "other")
    before = sorted(tmp_path.rglob("*"))
    at = f"/organisations/{organisation.slug}/repositories"
    status, answer = program(administrator).post(at, {"name": "one", "location": f"{tmp_path}{place.format(slug=organisation.slug)}"})
    assert (status, answer["error"]["name"] in {"invalid", "usage"}) == (422, True)
    assert (Repository.objects.count(), sorted(tmp_path.rglob("*"))) == (0, before)
    status, answer = program(administrator).post(at, {"name": "one", "location": f"{tmp_path}/{organisation.slug}/one"})
    assert (status, answer["location"]) == (201, f"{tmp_path}/{organisation.slug}/one")
    assert (tmp_path / organisation.slug / "one" / "config").is_file()

"""Making a repository by a page: on an sftp server, whose key is changed later, and in a folder of this machine that is allowed."""

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.services import places
from tests.services.places import Place
from tests.web.conftest import SignIn
from wellkept.backups import repositories
from wellkept.backups.models import Repository
from wellkept.estate import secrets
from wellkept.estate.models import Organisation, Person, Secret
from wellkept.operations.models import Record
from wellkept.tools import postgres, restic, ssh

ADD = "/settings/repositories/add/"


@pytest.fixture
def sftp() -> Iterator[Place]:
    with places.sftp_server() as running:
        yield running


def body_of(key: str) -> str:
    """A line of a private key that nothing but the key holds."""
    return key.splitlines()[2]


def test_a_person_confirms_the_server_and_later_changes_the_key(sftp: Place, administrator: Person, sign_in: SignIn) -> None:
    client, key, host = sign_in(administrator), sftp.credentials["SSH_PRIVATE_KEY"], ssh.host_key(sftp.host_key)
    wish = {"name": "far", "location": sftp.location("erp"), "ssh_key": key.replace("\n", "\r\n")}
    asked = client.post(ADD, wish).content.decode()
    assert f"The server 127.0.0.1 shows the host key {host}" in asked
    assert body_of(key) not in asked
    assert (Repository.objects.count(), Secret.objects.count(), list(sftp.folder.iterdir())) == (0, 0, [])
    made_at = client.post(ADD, {**wish, "host_key": host.fingerprint})
    one = Repository.objects.get()
    assert (made_at.status_code, made_at.headers["Location"]) == (302, f"/settings/repositories/{one.pk}/")
    assert restic.identity(repositories.opened(one)) == one.restic_id

    address = f"/settings/repositories/{one.pk}/access/"
    assert address in client.get(f"/settings/repositories/{one.pk}/").content.decode()
    asked = client.get(address).content.decode()
    assert ['name="ssh_key"' in asked, 'name="host_key"' in asked, 'name="user"' in asked] == [True, True, False]
    stranger = places.new_key(sftp.folder.parent / "stranger", postgres.service_user()).read_text()
    refused = client.post(address, {"ssh_key": stranger})
    assert "Permission denied" in refused.content.decode()
    assert body_of(stranger) not in refused.content.decode()
    assert json.loads(secrets.open(Secret.objects.get(name="repository/far/access"))) == sftp.credentials
    (sftp.folder.parent / "client.pub").write_text((sftp.folder.parent / "stranger.pub").read_text())
    assert client.post(address, {"ssh_key": stranger}).status_code == 302
    assert restic.identity(repositories.opened(Repository.objects.get())) == one.restic_id
    assert [entry.kind for entry in Record.objects.order_by("number")] == ["repository.created", "repository.access_changed"]


@pytest.fixture
def allowed(tmp_path: Path, organisation: Organisation, settings: Any) -> Path:
    """The organisation's folder in the only place that is allowed; not there yet."""
    settings.REPOSITORY_FOLDERS = [str(tmp_path / "allowed")]
    return tmp_path / "allowed" / organisation.slug


def proposed(client: Client) -> str:
    return client.get(ADD).content.decode().split('name="location" value="')[1].split('"')[0]


def test_the_folder_that_is_proposed_is_taken_and_then_the_next_one(allowed: Path, administrator: Person, sign_in: SignIn) -> None:
    client = sign_in(administrator)
    assert proposed(client) == str(allowed / "local")
    assert not allowed.exists()
    assert client.post(ADD, {"name": "one", "location": proposed(client)}).status_code == 302
    one = Repository.objects.get()
    assert (one.location, restic.identity(repositories.opened(one))) == (str(allowed / "local"), one.restic_id)
    assert proposed(client) == str(allowed / "local-2")


@pytest.mark.parametrize("place", ["{outside}", "{allowed}", "{allowed}/../other/one", "{allowed}/../../outside", "{allowed}/link/one"])
def test_a_folder_elsewhere_is_refused_and_nothing_is_made(
    allowed: Path, administrator: Person, sign_in: SignIn, tmp_path: Path, *, place: str
) -> None:
    allowed.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (allowed / "link").symlink_to(tmp_path / "outside")
    before = sorted(tmp_path.rglob("*"))
    wish = {"name": "one", "location": place.format(allowed=allowed, outside=tmp_path / "outside")}
    page = html.unescape(sign_in(administrator).post(ADD, wish).content.decode())
    assert f"A folder on this machine must be below {allowed}; whoever runs the machine can allow others" in page
    assert "with the setting WELLKEPT_REPOSITORY_FOLDERS, or make the repository with wellkept repository create" in page
    assert (Repository.objects.count(), Secret.objects.count(), sorted(tmp_path.rglob("*"))) == (0, 0, before)


def test_a_place_that_the_owner_of_the_machine_made_a_link_is_used(allowed: Path, administrator: Person, sign_in: SignIn, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    allowed.parent.mkdir()
    allowed.symlink_to(tmp_path / "disk")
    assert sign_in(administrator).post(ADD, {"name": "one", "location": str(allowed / "new" / "one")}).status_code == 302
    assert Repository.objects.get().location == str(tmp_path / "disk" / "new" / "one")
    assert (tmp_path / "disk" / "new" / "one" / "config").is_file()

"""Making a repository by a page: on an sftp server, whose key is changed later, and in a folder of this machine that is allowed."""

import html
import json
import re
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
    asked = client.post(f"{ADD}?kind=sftp", wish).content.decode()
    assert f"The server 127.0.0.1 shows the host key {host}" in asked
    assert body_of(key) not in asked
    assert (Repository.objects.count(), Secret.objects.count(), list(sftp.folder.iterdir())) == (0, 0, [])
    assert "Give it again: what is secret does not come back with the page." in asked
    made_at = client.post(f"{ADD}?kind=sftp", {**wish, "host_key": host.fingerprint})
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


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        (ADD, ["name", "location", "recipients"]),
        (f"{ADD}?kind=nonsense", ["name", "location", "recipients"]),
        (f"{ADD}?kind=sftp", ["name", "location", "ssh_key", "host_key", "recipients"]),
        (f"{ADD}?kind=rest", ["name", "location", "user", "password", "ca_certificate", "recipients"]),
        (f"{ADD}?kind=s3", ["name", "location", "user", "password", "ca_certificate", "recipients"]),
    ],
)
def test_only_what_leads_to_a_place_of_the_kind_is_asked_for(address: str, asked: list[str], administrator: Person, sign_in: SignIn) -> None:
    form = sign_in(administrator).get(address).content.decode().split('<form method="post" action="?kind=')[1]
    assert [name for name in re.findall(r'name="(\w+)"', form) if name != "csrfmiddlewaretoken"] == asked


@pytest.mark.parametrize(
    ("kind", "location"), [("s3", "/srv/backups"), ("folder", "sftp:user@host:/x"), ("sftp", "rest:https://host/x"), ("rest", "x")]
)
def test_a_place_of_another_kind_is_refused_with_what_was_typed(kind: str, location: str, administrator: Person, sign_in: SignIn) -> None:
    wish = {"name": "far", "location": location, "user": "KEEPER1", "password": "s3-secret-1", "recipients": "age1other"}
    page = sign_in(administrator).post(f"{ADD}?kind={kind}", wish).content.decode()
    assert "This is not such a place: it is written like " in page
    assert ['name="name" value="far"' in page, f'value="{location}"' in page, "age1other" in page] == [True, True, True]
    assert ('value="KEEPER1"' in page) == (kind in {"s3", "rest"})
    assert "s3-secret-1" not in page
    assert not Repository.objects.exists()


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

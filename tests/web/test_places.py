"""Making a repository on an sftp server by a page, and changing its key later."""

import json
from collections.abc import Iterator

import pytest

from tests.services import places
from tests.services.places import Place
from tests.web.conftest import SignIn
from wellkept.backups import repositories
from wellkept.backups.models import Repository
from wellkept.estate import secrets
from wellkept.estate.models import Person, Secret
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
    stranger = places.new_key(sftp.folder.parent / "stranger", postgres.service_user()).read_text()
    refused = client.post(address, {"ssh_key": stranger})
    assert "Permission denied" in refused.content.decode()
    assert body_of(stranger) not in refused.content.decode()
    assert json.loads(secrets.open(Secret.objects.get(name="repository/far/access"))) == sftp.credentials
    (sftp.folder.parent / "client.pub").write_text((sftp.folder.parent / "stranger.pub").read_text())
    assert client.post(address, {"ssh_key": stranger}).status_code == 302
    assert restic.identity(repositories.opened(Repository.objects.get())) == one.restic_id
    assert [entry.kind for entry in Record.objects.order_by("number")] == ["repository.created", "repository.access_changed"]

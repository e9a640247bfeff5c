"""Making a repository on an sftp server by the API, and changing what leads to it."""

from typing import Any

from tests.services import places
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

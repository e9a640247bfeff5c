"""The file store, found from outside: every column that names files, the place of each file, and what is wrong with one."""

import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.tryton.damages import Connection
from wellkept.adapters.base import FileReference, Invalid, Site
from wellkept.adapters.tryton import storage
from wellkept.tools import postgres


@pytest.fixture
def connection(small_company: Site) -> Iterator[Connection]:
    with postgres.connect(small_company.server, small_company.database) as opened:
        yield opened
        opened.rollback()


def test_every_column_with_files_is_found(connection: Connection) -> None:
    """Not only attachments: modules may keep their own documents in the file store."""
    assert set(storage.file_columns(connection)) >= {
        ("account_invoice", "invoice_report_cache_id"),
        ("account_statement", "origin_file_id"),
        ("inbound_email", "data_id"),
        ("ir_attachment", "file_id"),
        ("ir_avatar", "image_id"),
    }
    connection.execute("CREATE TABLE machine_manual (id int, manual bytea, manual_id varchar, page bytea, name varchar)")
    connection.execute("INSERT INTO machine_manual VALUES (7, NULL, 'abcdef', NULL, 'Pump')")
    assert ("machine_manual", "manual_id") in storage.file_columns(connection)
    assert FileReference("live/ab/cd/abcdef", "machine manual 7 Pump") in list(storage.references(connection, "live"))


def test_a_configured_folder_replaces_the_name_of_the_database(connection: Connection) -> None:
    usual = [reference.path for reference in storage.references(connection, "live")]
    shared = [reference.path for reference in storage.references(connection, "live", layout={"ir_attachment": "shared"})]
    assert usual
    assert all(path.startswith("live/") for path in usual)
    assert [path.replace("live/", "shared/") for path in usual if path not in shared] == [path for path in shared if path.startswith("shared/")] != []


def test_references_come_in_batches_without_loss(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(storage.references(connection, "live"))
    monkeypatch.setattr(storage, "BATCH", 3)
    assert list(storage.references(connection, "live")) == whole
    assert len(whole) > 3


@pytest.mark.parametrize(
    ("file_id", "prefix"), [("../../etc/passwd", "live"), ("abcd", "/etc"), ("abcd", "../other"), ("ab/../../x", "live"), ("", "live")]
)
def test_a_reference_never_leaves_the_folder(file_id: str, prefix: str) -> None:
    with pytest.raises(Invalid, match="does not name a file"):
        storage.path_of(file_id, prefix)


def test_what_is_wrong_with_a_file_is_told(tmp_path: Path) -> None:
    content = b"invoice"
    name = hashlib.md5(content).hexdigest()
    reference = FileReference(storage.path_of(name, "live"), "attachment 1")
    path = tmp_path / reference.path
    assert storage.trouble(tmp_path, reference, thorough=False) == "missing"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert storage.trouble(tmp_path, reference, thorough=True) is None
    path.write_bytes(b"invoicf")
    assert storage.trouble(tmp_path, reference, thorough=False) is None
    assert storage.trouble(tmp_path, reference, thorough=True) == "content differs"
    path.unlink()
    path.mkdir()
    assert storage.trouble(tmp_path, reference, thorough=False) == "missing"


def test_a_second_file_with_the_same_hash_is_checked_by_the_hash_in_its_name(tmp_path: Path) -> None:
    name = f"{hashlib.md5(b'twin').hexdigest()}-1"
    reference = FileReference(storage.path_of(name, "live"), "attachment 1")
    (tmp_path / reference.path).parent.mkdir(parents=True)
    (tmp_path / reference.path).write_bytes(b"twin")
    assert storage.trouble(tmp_path, reference, thorough=True) is None


def test_the_newest_document_moves_when_one_is_changed(connection: Connection) -> None:
    before = storage.newest_document(connection)
    assert before is not None
    connection.execute("UPDATE sale_sale SET write_date = '2100-01-02 03:04:05.5' WHERE id = (SELECT min(id) FROM sale_sale)")
    assert storage.newest_document(connection) == "2100-01-02T03:04:05.500000Z"
    connection.execute("UPDATE res_user SET write_date = '2101-01-01'")
    assert storage.newest_document(connection) == "2100-01-02T03:04:05.500000Z"
    assert dt.datetime.fromisoformat(before) < dt.datetime.fromisoformat("2100-01-02T03:04:05.5+00:00")


def test_settings_and_the_files_folder_come_from_the_configuration(tmp_path: Path) -> None:
    path, rules, log = tmp_path / "trytond.conf", tmp_path / "passlib.ini", tmp_path / "absent.conf"
    rules.write_text("[passlib]\n")
    path.write_text(f"[database]\npath = {tmp_path}/files\n[password]\npasslib = {rules}\n[logging]\nconfig = {log}\n")
    stored = storage.storage(Site("live", config=path))
    assert (stored.files, list(stored.settings), stored.layout) == (tmp_path / "files", [path, rules], {})
    path.write_text("[database]\nclass = my.s3.store\n")
    with pytest.raises(Invalid, match=r"kept by my\.s3\.store"):
        storage.storage(Site("live", config=path))

"""A module is given by its file: kept with its row and its record, or nothing of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import RequestFactory

from tests.services.index import wheel
from wellkept.estate.access import Console, Denied
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Organisation, Person, System
from wellkept.operations.models import Record
from wellkept.upgrades import packages
from wellkept.upgrades.models import GivenModule

MODULES: Path = settings.HOME.path / "modules"


def module(folder: Path, version: str = "8.0.1") -> Path:
    return wheel(folder, "acme-our-own", version, {"trytond/modules/our_own/__init__.py": f"# {version}"}, ["our_own"])


def kept() -> set[str]:
    """Every file and folder that lies where modules are kept."""
    return {str(path.relative_to(MODULES)) for path in MODULES.rglob("*")} if MODULES.exists() else set()


def test_one_that_was_sent_is_kept_and_a_newer_one_takes_its_place(system: System, administrator: Person, tmp_path: Path) -> None:
    first, second = module(tmp_path), module(tmp_path, "8.0.2")
    made = packages.receive(system, "8.0", first.name, [first.read_bytes()], who=administrator)
    assert (made.package, made.version, made.modules, made.author) == ("acme-our-own", "8.0.1", ["our_own"], administrator.email)
    assert kept() == {made.sha256[:16], f"{made.sha256[:16]}/{first.name}"}
    assert packages.file_of(made).read_bytes() == first.read_bytes()
    newer = packages.receive(system, "8.0", second.name, iter([second.read_bytes()[:100], second.read_bytes()[100:]]), who=administrator)
    assert list(packages.given(system, "8.0")) == [newer]
    assert packages.file_of(made).exists(), "a rehearsal may have had it"
    assert [row.data["version"] for row in Record.objects.filter(kind="upgrades.module").order_by("pk")] == ["8.0.1", "8.0.2"]


def test_what_is_interrupted_or_no_module_leaves_nothing(system: System, administrator: Person, operator: Person, tmp_path: Path) -> None:
    whole = module(tmp_path).read_bytes()
    good = packages.receive(system, "8.0", "acme_our_own-8.0.1-py3-none-any.whl", [whole], who=administrator)
    before = kept()

    def breaking() -> Iterator[bytes]:
        yield whole[:100]
        raise ConnectionError

    tries = [
        (breaking(), "acme_our_own-8.0.2-py3-none-any.whl", ConnectionError, None),
        ([b"no wheel"], "acme_our_own-8.0.2-py3-none-any.whl", Invalid, "nothing was given, and nothing of the file was kept: acme_our_own-8.0.2"),
        ([whole], "../../acme_our_own-8.0.1-py3-none-any.whl", Invalid, "is not the name of a package's file"),
        ([bytes(1_000_000)] * 21, "acme_our_own-8.0.2-py3-none-any.whl", Invalid, "it has more than 20 MB"),
    ]
    for content, name, error, says in tries:
        with pytest.raises(error, match=says):
            packages.receive(system, "8.0", name, content, who=administrator)
    with pytest.raises(Invalid, match=r"is not a series"):
        packages.receive(system, "8.0/../9", "acme_our_own-8.0.1-py3-none-any.whl", [whole], who=administrator)
    with pytest.raises(Denied, match="needs the role administrator"):
        packages.receive(system, "8.0", "acme_our_own-8.0.1-py3-none-any.whl", [whole], who=operator)
    assert kept() == before
    assert [row.pk for row in GivenModule.objects.all()] == [good.pk]
    assert Record.objects.filter(kind="upgrades.module").count() == 1


def test_a_file_that_was_kept_without_its_row_is_removed_by_the_next(system: System, administrator: Person, tmp_path: Path) -> None:
    first = packages.give(system, "8.0", module(tmp_path), who=administrator)
    orphan = MODULES / ("ab" * 8)
    orphan.mkdir()
    (orphan / "half.whl").write_text("of a process that was killed before it said so")
    packages.give(system, "8.0", module(tmp_path, "8.0.2"), who=administrator)
    assert not orphan.exists()
    assert packages.file_of(first).exists()


def test_where_several_organisations_share_the_machine_it_is_for_whoever_runs_it(
    system: System, administrator: Person, other_organisation: Organisation, tmp_path: Path, settings: object
) -> None:
    file = module(tmp_path)
    with pytest.raises(Denied, match=r"several organisations share this .*: wellkept upgrade modules add erp1 FILE --to 8\.0"):
        packages.receive(system, "8.0", file.name, [file.read_bytes()], who=administrator)
    assert packages.give(system, "8.0", file, who=Console("root")).author == "os:root"
    settings.MODULE_UPLOADS = True  # type: ignore[attr-defined]
    assert packages.receive(system, "8.0", file.name, [file.read_bytes()], who=administrator).author == administrator.email
    settings.MODULE_UPLOADS = False  # type: ignore[attr-defined]
    other_organisation.delete()
    assert not packages.may_be_sent()


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_what_is_sent_lies_in_a_file_without_a_name(size: int, tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"x" * size)
    with (tmp_path / "x.whl").open("rb") as file:
        sent = RequestFactory().post("/", {"file": file}).FILES["file"]
    assert (sent.name, sent.size, sent.read()) == ("x.whl", size, b"x" * size)
    assert not isinstance(getattr(sent.file, "name", None), str), "a file with a name stays when the process is killed"

"""A link that says which of several folders is in use."""

import threading
from pathlib import Path

import pytest

from wellkept.lib import links


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Two installations, and a link to the first."""
    for version in ("7.0.1", "8.0.2"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "python").symlink_to("/usr/bin/python3")
        (tmp_path / version / "version").write_text(version)
    links.point(tmp_path / "current", tmp_path / "7.0.1")
    return tmp_path


def test_the_program_follows_the_link_and_comes_back(code: Path) -> None:
    program = code / "current" / "bin" / "python"
    before = links.direct(program)
    assert before == code / "7.0.1" / "bin" / "python"
    assert links.of(program) == code / "current"
    assert links.exchange(program, code / "8.0.2" / "bin" / "python")
    assert links.direct(program) == code / "8.0.2" / "bin" / "python"
    assert links.exchange(program, before)
    assert links.exchange(program, before)
    assert (code / "current").readlink() == Path("7.0.1")


def test_it_leads_somewhere_at_every_moment(code: Path) -> None:
    seen: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.add((code / "current" / "version").read_text())

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(300):
        links.point(code / "current", code / "8.0.2")
        links.point(code / "current", code / "7.0.1")
    done.set()
    reader.join()
    assert seen == {"7.0.1", "8.0.2"}


def test_what_a_kill_left_is_no_hindrance(code: Path) -> None:
    (code / ".current.new").symlink_to("7.0.1")
    links.point(code / "current", code / "8.0.2")
    assert {path.name for path in code.iterdir()} == {"7.0.1", "8.0.2", "current"}


def test_a_direct_path_has_nothing_to_exchange(code: Path) -> None:
    assert not links.exchange(code / "7.0.1" / "bin" / "python", code / "8.0.2" / "bin" / "python")


def test_the_link_stays_when_the_other_program_does_not_fit(code: Path) -> None:
    program = code / "current" / "bin" / "python"
    with pytest.raises(FileNotFoundError):
        links.exchange(program, code / "9.0" / "bin" / "python")
    (code / "8.0.2" / "python").touch()
    with pytest.raises(ValueError, match="does not lie"):
        links.exchange(program, code / "8.0.2" / "python")
    with pytest.raises(NotADirectoryError):
        links.point(code / "current", code / "9.0")
    with pytest.raises(FileExistsError):
        links.point(code / "7.0.1", code / "8.0.2")
    assert links.direct(program) == code / "7.0.1" / "bin" / "python"
    assert (code / "7.0.1" / "version").read_text() == "7.0.1"

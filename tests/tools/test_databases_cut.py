"""A copy and an exchange that are cut at every statement: the client dies there, or the server crashes there.

After each cut the databases are as before or as after, the repeated call ends the work, and no database is left over. The numbers are printed.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.services.cutting import CUTS, wire
from wellkept.tools import databases, postgres
from wellkept.tools.postgres import Server

PASSWORD = "a pass word"
Names = dict[str, tuple[int, bool]]
MOST = 100
FULL = bool(os.environ.get("WELLKEPT_CHAOS_FULL"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    """Its commits do not wait for the disk unless they are asked to, so that what is not asked is lost in a crash. The machine itself goes on."""
    folder = postgres.throwaway_folder("wkx-")
    made = postgres.Cluster(folder / "data", folder / "s", postgres.free_port(), postgres.service_user(), tcp=True)
    postgres.create_cluster(made, durable=False, settings={"shared_buffers": "16MB", "max_connections": "30"})
    postgres.start(made)
    postgres.create_role(made.server(), "keeper", PASSWORD, attributes="LOGIN CREATEDB")
    yield made
    postgres.destroy(made)
    shutil.rmtree(folder)


@pytest.fixture
def trio(cluster: postgres.Cluster) -> Iterator[tuple[str, str, str]]:
    """Production, fenced, with a setting and a right of its own, and the names of its copy and of the one that is put away."""
    name = f"erp{secrets.token_hex(3)}"
    owner = cluster.server("keeper")
    postgres.create_database(cluster.server(), name, owner="keeper")
    with postgres.connect(owner, name) as connection:
        connection.execute("CREATE TABLE line AS SELECT 'before' AS said")
        connection.execute(f"ALTER DATABASE {name} SET work_mem TO '5MB'")
        connection.execute(f"GRANT CREATE ON DATABASE {name} TO PUBLIC")
    databases.fence(owner, name)
    yield name, f"{name}_new", f"{name}_kept"
    for left in state(cluster.server()):
        postgres.drop_database(cluster.server(), left)


def state(server: Server) -> Names:
    """Every database of the ERP's: its identity, and whether it lets anybody in."""
    with postgres.administration(server) as connection:
        rows = connection.execute("SELECT datname, oid::int, datallowconn FROM pg_database WHERE datname LIKE 'erp%'")
        return {name: (oid, allowed) for name, oid, allowed in rows}


def said(server: Server, database: str) -> str:
    with postgres.connect(server, database) as connection:
        ((text,),) = connection.execute("SELECT said FROM line").fetchall()
        return str(text)


def cut_everywhere(
    cluster: postgres.Cluster,
    work: Callable[[Server], object],
    *,
    crash: bool,
    allowed: Callable[[Names], bool],
    again: Callable[[], object],
    step: int = 1,
) -> tuple[int, int]:
    """Cut the work at each statement in each way, and call ``again`` after each cut, which ends the work and goes back to its beginning.

    Returns how many cuts there were, and after how many of them the databases were not ``allowed``.
    """
    cuts = violations = 0
    for how in CUTS:
        for at in range(1, MOST, step):
            with wire(cluster.port, how=how, at=at, event=lambda: postgres.stop(cluster, "immediate") if crash else None) as made:
                through = Server("127.0.0.1", made.port, "keeper", PASSWORD)
                try:
                    work(through)
                except (psycopg.Error, postgres.PostgresError):
                    assert made.reached
            if not made.reached:
                break
            cuts += 1
            postgres.stop(cluster, "immediate") if crash else None
            postgres.start(cluster)
            violations += not allowed(state(cluster.server()))
            again()
        else:
            pytest.fail("more statements than anybody would expect")
    return cuts, violations


@pytest.mark.parametrize("crash", [False, True], ids=["client", "server"])
def test_an_exchange_cut_anywhere_is_whole(
    cluster: postgres.Cluster, trio: tuple[str, str, str], crash: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    current, new, kept = trio
    owner = cluster.server("keeper")
    databases.copy(owner, current, new, timeout=60)
    with postgres.connect(owner, new) as connection:
        connection.execute("SET LOCAL synchronous_commit = on")
        connection.execute("UPDATE line SET said = 'after'")
    begun = state(owner)
    (old, _), (changed, _) = begun[current], begun[new]
    done = {current: (changed, True), kept: (old, False)}
    # What was taken back has been open; whether production is fenced at the beginning makes no difference to the exchange.
    back = {current: (old, True), new: (changed, False)}

    def finish() -> None:
        databases.exchange(owner, *trio)
        assert state(owner) == done
        assert said(owner, current) == "after"
        databases.exchange_back(owner, *trio)
        assert said(owner, current) == "before"

    def finish_back() -> None:
        databases.exchange_back(owner, *trio)
        assert state(owner) == back
        assert said(owner, current) == "before"
        databases.exchange(owner, *trio)
        assert said(owner, current) == "after"

    # A crash with its restart costs a second: all of them when everything is to be tried, otherwise every third.
    step = 3 if crash and not FULL else 1
    work, take_back = (lambda server, do=do: do(server, *trio) for do in (databases.exchange, databases.exchange_back))
    forth = cut_everywhere(cluster, work, crash=crash, allowed=lambda seen: seen in (begun, back, done), again=finish, step=step)
    databases.exchange(owner, *trio)
    returned = cut_everywhere(cluster, take_back, crash=crash, allowed=lambda seen: seen in (done, back), again=finish_back, step=step)
    with capsys.disabled():
        who = "server crashes" if crash else "client dies"
        print(f"\n{who}: exchange {forth[0]} cuts, {forth[1]} violations; back {returned[0]} cuts, {returned[1]} violations")
    assert forth[0] >= 30 // step
    assert returned[0] >= 30 // step
    assert forth[1] == returned[1] == 0


@pytest.mark.parametrize("crash", [False, True], ids=["client", "server"])
def test_a_copy_cut_anywhere_is_complete_or_not_there(
    cluster: postgres.Cluster, trio: tuple[str, str, str], crash: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    current, new, _ = trio
    owner = cluster.server("keeper")
    begun = state(owner)

    def allowed(seen: Names) -> bool:
        rest = {name: facts for name, facts in seen.items() if name != new + databases.UNFINISHED}
        complete = new not in rest or (rest[new][1] and facts(new) == facts(current) and said(owner, new) == "before")
        return complete and rest.get(current) == begun[current] and set(rest) <= {current, new}

    def facts(name: str) -> object:
        with postgres.administration(owner) as connection:
            question = (
                "SELECT datacl::text, (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = %s"
            )
            return connection.execute(question, [name]).fetchone()

    def finish() -> None:
        databases.copy(owner, current, new, timeout=60)
        assert set(state(owner)) == {current, new}
        assert facts(new) == facts(current)
        assert said(owner, new) == "before"
        postgres.drop_database(owner, new)

    # Each cut costs a whole copy: all of them when everything is to be tried, otherwise every third, and with a crash every sixth.
    step = 1 if FULL else (6 if crash else 3)
    cuts, violations = cut_everywhere(
        cluster, lambda server: databases.copy(server, current, new, timeout=60), crash=crash, allowed=allowed, again=finish, step=step
    )
    with capsys.disabled():
        print(f"\n{'server crashes' if crash else 'client dies'}: copy {cuts} cuts, {violations} violations")
    assert cuts >= 60 // step
    assert violations == 0


def test_an_exchange_outlives_a_crash_right_after_it(cluster: postgres.Cluster, trio: tuple[str, str, str]) -> None:
    current, new, _ = trio
    owner = cluster.server("keeper")
    databases.copy(owner, current, new, timeout=60)
    databases.exchange(owner, *trio)
    with postgres.administration(cluster.server()) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)
    postgres.stop(cluster, "immediate")
    postgres.start(cluster)
    assert said(owner, current) == "before"
    assert set(state(owner)) == {current, f"{current}_kept"}

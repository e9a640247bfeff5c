"""A migration that has been done already: puts in what the real one made, in the place of ``trytond-admin`` of a new release.

Runs with the new release's Python, as it is called in earnest. ``put_in.json`` beside it says what to do: ``source`` is the database with the kept
result; then ``damage`` is done to it, ``lines`` of a real log and ``log`` said, ``seconds`` waited before it counts, or for as long as ``until``
selects nothing, and ``code`` is the end. What is migrated has the old content or the new one, as with Tryton's own single transaction.
"""

import argparse
import configparser
import json
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

PREFIX = "put_in_"


def say(text: str, level: str = "INFO") -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')},000 {level} trytond.modules {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    parser.add_argument("--database")
    options, _others = parser.parse_known_args()
    wanted: dict[str, Any] = json.loads(Path(__file__).with_name("put_in.json").read_text())
    config = configparser.ConfigParser(interpolation=None)
    config.read(options.config)
    uri = config["database"]["uri"]
    say(f"updating {options.database}")
    with psycopg.connect(uri, dbname=options.database) as connection:
        # A real migration changes rows from the beginning, and waits where somebody else holds them.
        connection.execute("LOCK TABLE ir_module IN ACCESS EXCLUSIVE MODE")
        time.sleep(wanted.get("seconds", 0))
        while "until" in wanted and not connection.execute(wanted["until"]).fetchall():
            time.sleep(0.1)
        for statement in wanted.get("fails", []):
            connection.execute(statement)
    put(uri, wanted["source"], options.database, wanted.get("damage", []))
    for line in wanted.get("lines", []):
        print(line, flush=True)
    for level, text in wanted.get("log", []):
        say(text, level)
    say("done")
    return int(wanted.get("code", 0))


def put(uri: str, source: str, database: str, damage: list[str]) -> None:
    fresh, old = f"{PREFIX}new_{database}"[:63], f"{PREFIX}old_{database}"[:63]
    with psycopg.connect(uri, dbname="postgres", autocommit=True) as server:
        run(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", fresh)
        run(server, "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", fresh, source)
        with psycopg.connect(uri, dbname=fresh) as connection:
            for statement in damage:
                connection.execute(statement)
        with server.transaction():
            run(server, "ALTER DATABASE {} RENAME TO {}", database, old)
            run(server, "ALTER DATABASE {} RENAME TO {}", fresh, database)
        run(server, "DROP DATABASE {}", old)


def run(connection: psycopg.Connection[Any], statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


if __name__ == "__main__":
    sys.exit(main())

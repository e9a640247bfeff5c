import pytest

from wellkept.lib.urls import parse_postgresql_url


def test_an_address_of_a_server():
    made = parse_postgresql_url("postgresql://me:p%40ss@db.example:6432/books?sslmode=verify-full")
    assert made == {"NAME": "books", "USER": "me", "PASSWORD": "p@ss", "HOST": "db.example", "PORT": "6432", "OPTIONS": {"sslmode": "verify-full"}}


def test_an_address_of_a_socket():
    made = parse_postgresql_url("postgresql://me@/books?host=/run/pg&port=5433")
    assert (made["HOST"], made["PORT"], made["OPTIONS"]) == ("/run/pg", "5433", {})


@pytest.mark.parametrize("address", ["mysql://me@host/books", "postgresql://me@host/", "books"])
def test_other_addresses_are_refused(address):
    with pytest.raises(ValueError, match="database address"):
        parse_postgresql_url(address)

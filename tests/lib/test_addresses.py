"""Which addresses may be connected to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellkept.lib import addresses

NOT_A_HOST = "{address} is not the address of a host"
METADATA = "{address} is a link-local or metadata address"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", METADATA),
        ("169.254.0.1", METADATA),
        ("fe80::1", METADATA),
        ("fd00:ec2::254", METADATA),
        ("100.100.100.200", METADATA),
        ("168.63.129.16", METADATA),
        ("::ffff:169.254.169.254", METADATA),
        ("64:ff9b::a9fe:a9fe", METADATA),
        ("2002:a9fe:a9fe::", METADATA),
        ("0.0.0.0", NOT_A_HOST),
        ("::", NOT_A_HOST),
        ("224.0.0.1", NOT_A_HOST),
        ("ff02::1", NOT_A_HOST),
        ("255.255.255.255", NOT_A_HOST),
        ("240.0.0.1", NOT_A_HOST),
        ("127.0.0.1", None),
        ("::1", None),
        ("10.20.30.40", None),
        ("192.168.1.1", None),
        ("fd12::5", None),
        ("93.184.216.34", None),
        ("2606:2800:220:1::1", None),
    ],
)
def test_each_kind_of_address(address: str, why: str | None) -> None:
    assert addresses.refusal(ipaddress.ip_address(address)) == why


@given(st.ip_addresses(v=4, network="169.254.0.0/16"))
def test_no_way_of_writing_a_link_local_address_gets_through(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    translated = ipaddress.IPv6Address((0x0064FF9B << 96) | number)
    assert all(addresses.refusal(written) == METADATA for written in (address, mapped, translated))


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://0251.0376.0251.0376/",
        "http://0xa9fea9fe/",
        "http://0/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/",
        "ftp://127.0.0.1/",
        "//127.0.0.1/",
        "127.0.0.1:8000",
        "http://user:secret@127.0.0.1/",
        "http://user@127.0.0.1/",
        "http:///path",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/?next=x",
        "http://127.0.0.1/#x",
        "http://127.0.0.1\\@example.org/",
        "http://127.0.0.1/\nHost: x",
        "http://[::1/",
        "",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(addresses.Forbidden):
        addresses.check_url(url)


def test_an_erp_at_home_is_allowed() -> None:
    assert addresses.check_url("http://127.0.0.1:8000/erp") == [ipaddress.ip_address("127.0.0.1")]
    assert ipaddress.ip_address("127.0.0.1") in addresses.check_url("https://localhost")


def test_a_name_that_leads_to_a_forbidden_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_args, **_kwargs: answers)
    with pytest.raises(addresses.Forbidden, match=r"169\.254\.169\.254 is a link-local"):
        addresses.check_url("http://innocent.example/")


def test_a_name_that_does_not_resolve_is_said() -> None:
    with pytest.raises(addresses.Unknown, match=r"nowhere\.invalid"):
        addresses.check_url("http://nowhere.invalid/")


def test_only_the_named_networks_are_allowed() -> None:
    networks = addresses.networks_of("10.1.0.0/16, fd12::/16")
    assert addresses.refusal(ipaddress.ip_address("10.1.2.3"), networks) is None
    assert addresses.refusal(ipaddress.ip_address("fd12::1"), networks) is None
    for outside in ("10.2.0.1", "127.0.0.1", "::1", "::ffff:10.2.0.1"):
        assert addresses.refusal(ipaddress.ip_address(outside), networks) == "{address} is in none of the networks that are allowed here"
    assert addresses.refusal(ipaddress.ip_address("::ffff:10.1.2.3"), networks) is None
    with pytest.raises(ValueError, match="does not appear to be"):
        addresses.networks_of("ten dot one")

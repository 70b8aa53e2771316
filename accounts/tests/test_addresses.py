"""From which address a client calls, through proxies too, and how networks are read."""

from ipaddress import ip_address

import pytest

from accounts.addresses import address_of_request, address_of_scope, is_allowed, parse_networks, read_networks
from accounts.errors import DomainError

CLIENT = "198.51.100.7"
PROXIES = ["10.0.0.0/8", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "expected"),
    [
        (CLIENT, "", [], CLIENT),
        (CLIENT, "192.0.2.1", [], CLIENT),
        (CLIENT, "192.0.2.1", PROXIES, CLIENT),
        ("10.0.0.1", "192.0.2.1", [], "10.0.0.1"),
        ("10.0.0.1", CLIENT, PROXIES, CLIENT),
        ("10.0.0.1", f"192.0.2.1, {CLIENT}", PROXIES, CLIENT),
        ("10.0.0.1", f"192.0.2.1,{CLIENT} , 10.0.0.2,2001:db8::9", PROXIES, CLIENT),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", PROXIES, "10.0.0.3"),
        ("10.0.0.1", "", PROXIES, "10.0.0.1"),
        ("10.0.0.1", " , ", PROXIES, "10.0.0.1"),
        ("10.0.0.1", f"{CLIENT}:4711", PROXIES, CLIENT),
        ("10.0.0.1", "[2001:db9::1]:4711", PROXIES, "2001:db9::1"),
        ("10.0.0.1", "2001:db9::1", PROXIES, "2001:db9::1"),
        ("::ffff:10.0.0.1", f"::ffff:{CLIENT}", PROXIES, CLIENT),
        ("10.0.0.1", f"{CLIENT}, unknown", PROXIES, None),
        ("", "", [], None),
        (None, CLIENT, PROXIES, None),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy(settings, remote, forwarded, trusted, expected):
    settings.TRUSTED_PROXIES = trusted
    expected = expected and ip_address(expected)
    meta = {"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}
    assert address_of_request({name: value for name, value in meta.items() if value is not None}) == expected
    lines = [(b"X-Forwarded-For", line.encode()) for line in forwarded.split(",")]
    scope = {"client": remote and (remote, 4711), "headers": [(b"host", b"x"), *lines]}
    assert address_of_scope(scope) == expected


def test_a_header_with_underscores_is_not_the_one_of_a_proxy(settings):
    settings.TRUSTED_PROXIES = PROXIES
    scope = {"client": ("10.0.0.1", 1), "headers": [(b"x_forwarded_for", b"192.0.2.1")]}
    assert address_of_scope(scope) == ip_address("10.0.0.1")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1/32", "192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_a_network_is_written_in_one_way(text, written):
    assert read_networks("allowed_ips", [text, text]) == [written]


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "256.0.0.1", "192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/255.255.255.0", "192.0.2", "192.0.2.1/",
     "fe80::1%eth0", "192.0.2.1\0", "010.0.0.1", 1, None, ["192.0.2.1"]],
)  # fmt: skip
def test_what_is_no_network_is_refused_by_name(text):
    with pytest.raises(DomainError) as refused:
        read_networks("allowed_ips", ["192.0.2.1", text])
    (fault,) = refused.value.errors
    assert (fault.field, fault.code, fault.value) == ("allowed_ips", "invalid_value", str(text)[:64])


@pytest.mark.parametrize("value", [None, "192.0.2.1", {}, ["192.0.2.1"] * 51])
def test_what_is_no_list_of_networks_is_refused(value):
    with pytest.raises(DomainError, match="a list of at most 50"):
        read_networks("allowed_ips", value)


def test_no_list_at_all_allows_everybody():
    assert is_allowed(None, [])
    assert not is_allowed(None, ["0.0.0.0/0"])


def test_a_setting_that_cannot_be_read_is_no_silent_one():
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8 has host bits set"):
        parse_networks(["10.0.0.1/8"])

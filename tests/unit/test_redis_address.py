"""Redis URLs: what they mean, and what is said about a wrong one."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from treadle.brokers.redis.address import Tls, hide_password, parse_address
from treadle.exceptions import ConfigurationError

_WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(user=st.just("") | _WORDS, password=_WORDS, db=st.integers(0, 4096))
@example(user="", password="p@ss:w/rd?#", db=0)
def test_user_password_and_database_come_back_as_they_were_quoted(user: str, password: str, db: int) -> None:
    address = parse_address(f"redis://{quote(user, safe='')}:{quote(password, safe='')}@example.org:7000/{db}")
    assert (address.username, address.password, address.db) == (user, password, db)
    assert address.hosts == (("example.org", 7000),)


@given(password=st.text("abcdefghijklmnop:%0123456789!$&'()*+,;=", min_size=6, max_size=30))
def test_no_password_is_ever_shown(password: str) -> None:
    url = f"rediss://jobs:{password}@h/1?sentinel_password={quote(password, safe='')}"
    shown = hide_password(url)
    assert password not in shown
    assert quote(password, safe="") not in shown
    assert shown == "rediss://jobs:***@h/1?sentinel_password=***"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("redis://", (("localhost", 6379),)),
        ("redis://cache", (("cache", 6379),)),
        ("redis://[::1]:7000/2", (("::1", 7000),)),
        ("redis+sentinel://a,b:1/main", (("a", 26379), ("b", 1))),
        ("redis+cluster://a:1,b:2", (("a", 1), ("b", 2))),
        ("redis+unix:///run/redis.sock", ()),
    ],
)
def test_hosts_and_their_usual_ports(url: str, hosts: tuple[tuple[str, int], ...]) -> None:
    assert parse_address(url).hosts == hosts


def test_a_socket_url_names_a_path_and_a_database() -> None:
    address = parse_address("redis+unix://:secret@/run/my%20redis.sock?db=3")
    assert (address.path, address.db, address.password) == ("/run/my redis.sock", 3, "secret")


def test_a_sentinel_url_names_the_service_and_a_database() -> None:
    address = parse_address("redis+sentinel://u:p@a,b/main/4?sentinel_password=s")
    assert (address.service, address.db, address.password, address.sentinel_password) == ("main", 4, "p", "s")


def test_tls_is_checked_unless_it_is_said_otherwise() -> None:
    assert parse_address("redis://h").tls is None
    assert parse_address("rediss://h?ssl_ca_certs=/ca.pem").tls == Tls(ca_certs="/ca.pem", verify=True)
    assert parse_address("rediss://h?ssl_cert_reqs=CERT_NONE").tls == Tls(verify=False)
    assert parse_address("redis+sentinel://h/main?tls=true").tls == Tls()


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("amqp://h", "redis, rediss"),
        ("redis://h?ssl_ca_cert=x", "ssl_ca_certs"),
        ("redis://h/first", "database number"),
        ("redis://h:port", "host:port"),
        ("redis+unix://", "redis+unix:///"),
        ("redis+sentinel://h", "service name"),
        ("redis+cluster://h/1", "namespace"),
        ("rediss://h?ssl_cert_reqs=maybe", "'required' or 'none'"),
    ],
)
def test_a_wrong_url_is_an_error_that_says_what_was_expected(url: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_address(url)
    assert hint in str(refusal.value)

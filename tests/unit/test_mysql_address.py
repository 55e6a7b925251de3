"""MySQL and MariaDB URLs: what they mean, and what is said about a wrong one."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.mysql.address import PORT, hide_password, parse_address
from treadle.exceptions import ConfigurationError

_WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(user=_WORDS, password=st.just("") | _WORDS, database=_WORDS)
@example(user="me@home", password="p@ss:w/rd?#%", database="a/b")
def test_user_password_and_database_come_back_as_they_were_quoted(user: str, password: str, database: str) -> None:
    user_info = f"{quote(user, safe='')}:{quote(password, safe='')}"
    address = parse_address(f"mysql://{user_info}@example.org:3307/{quote(database, safe='')}")
    assert (address.user, address.password, address.database) == (user, password, database)
    assert (address.host, address.port) == ("example.org", 3307)


@given(inside=st.text(st.characters(codec="ascii"), max_size=30))
@example("a/b?c#d@e")
@example("[::1")
def test_no_password_is_ever_shown_however_it_is_written(inside: str) -> None:
    url = f"mariadb://jobs:S3cret{inside}teRc3s@db.example.org/shop"
    shown = hide_password(url)
    assert shown == "mariadb://jobs:***@db.example.org/shop"
    with suppress(ConfigurationError):
        shown = parse_address(url).safe_url
    assert "S3cret" not in shown


@pytest.mark.parametrize("password", ["s3cret/s3cret", "s3cret?s3cret", "s3cret#s3cret", "[s3cret", "s3cret@s3cret/"])
def test_an_error_about_a_password_that_was_not_escaped_does_not_quote_it(password: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_address(f"mysql://jobs:{password}@db/shop")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"])
def test_all_its_schemes_mean_the_same(scheme: str) -> None:
    address = parse_address(f"{scheme}://db/shop")
    assert (address.host, address.port, address.user, address.database) == ("db", PORT, None, "shop")


def test_options_choose_the_socket_and_tls() -> None:
    assert not parse_address("mysql://db/shop").ssl_disabled
    assert parse_address("mysql://db/shop?ssl_disabled=true").ssl_disabled
    checked = parse_address("mysql://db/shop?charset=utf8mb4&ssl_ca=/etc/ca.pem")
    assert (checked.ssl_ca, checked.ssl_verify_identity, checked.ssl_disabled) == ("/etc/ca.pem", True, False)
    local = parse_address("mysql://me@/shop?unix_socket=/run/mysqld/mysqld.sock")
    assert (local.unix_socket, local.ssl_disabled) == ("/run/mysqld/mysqld.sock", True)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://db", "does not name one database"),
        ("mysql://db/a/b", "does not name one database"),
        ("mysql://db:port/shop", "cannot read"),
        ("mysql://db:0/shop", "cannot read"),
        ("mysql://u:p/w@db/shop", "cannot read"),
        ("mysql+mysqldb://db/shop", "mysql\\+pymysql://"),
        ("mysql://db/shop?ssl-ca=x", "did you mean 'ssl_ca'"),
        ("mysql://db/shop?colour=red", "known are charset"),
        ("mysql://db/shop?charset=latin1", "use utf8mb4"),
        ("mysql://db/shop?ssl_disabled=maybe", "write true or false"),
    ],
)
def test_a_wrong_url_is_refused_with_what_to_write(url: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        parse_address(url)


def test_the_broker_shows_its_url_without_the_password() -> None:
    assert SqlBroker("mysql://jobs:secret@db/shop", {}).safe_url == "mysql://jobs:***@db/shop"

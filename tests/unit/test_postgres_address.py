"""What a URL says about a PostgreSQL database, and what it keeps to itself."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("psycopg", reason="the PostgreSQL broker needs the extra `postgres`")

from psycopg.conninfo import conninfo_to_dict

from tests.servers import PostgresServer
from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.postgres.address import parse_address, schema_of
from treadle.exceptions import BrokerUnavailable, ConfigurationError

SECRET = "Xyzzy1974"
#: What people put into passwords: on either side of it, no part of the secret may show.
salt = st.text(st.characters(codec="ascii", exclude_characters="\0")) | st.sampled_from(
    ["@", "/", ":", "?", "%", "@/?"]
)
passwords = st.builds(lambda between: SECRET + between + SECRET, salt)


@given(password=passwords)
@example(password=f"{SECRET}@{SECRET}")
@example(password=f"{SECRET}/{SECRET}")
@example(password=f"{SECRET}%zz{SECRET}")
@example(password=f"{SECRET}/x?y={SECRET}")
@pytest.mark.parametrize(
    "form",
    [
        "postgresql://user:{}@host:5432/db",
        "postgres://:{}@host/db?application_name=shop",
        "postgresql+psycopg://user:{}@one:1,two:2/db?target_session_attrs=any",
        "postgresql://user@host/db?password={}",
        "postgresql://user@host/db?application_name=shop&pass%77ord={}&connect_timeout=3",
        "postgresql://user@host/db?sslpassword={}",
    ],
)
def test_a_password_never_shows_however_it_is_written(form: str, password: str) -> None:
    for written in (password, quote(password, safe="")):
        try:
            shown = parse_address(form.format(written)).safe_url
        except ConfigurationError as error:
            shown = str(error)
        # After a bare `&` or `#` an option ends, and what follows is no password to anybody.
        if "?" not in form or not {"&", "#"} & set(written):
            assert SECRET not in shown


@given(password=passwords)
def test_a_quoted_password_arrives_as_it_is(password: str) -> None:
    address = parse_address(f"postgresql+psycopg://ann:{quote(password, safe='')}@db.example:6543/shop")
    values = conninfo_to_dict(address.conninfo)
    assert values == {
        "user": "ann", "password": password, "host": "db.example", "port": "6543", "dbname": "shop"
    }  # fmt: skip
    assert address.safe_url == "postgresql+psycopg://ann:***@db.example:6543/shop"
    assert address.database == "shop"


@pytest.mark.parametrize(
    ("url", "safe_url", "host", "database"),
    [
        ("postgresql:///shop", "postgresql:///shop", None, "shop"),
        ("postgresql://", "postgresql://", None, ""),
        (
            "postgresql:///shop?host=/run/postgresql",
            "postgresql:///shop?host=/run/postgresql",
            "/run/postgresql",
            "shop",
        ),
        ("postgresql://u:p@%2Frun%2Fpg/shop", "postgresql://u:***@%2Frun%2Fpg/shop", "/run/pg", "shop"),
        ("postgresql://u:p@[::1]:5433/shop", "postgresql://u:***@[::1]:5433/shop", "::1", "shop"),
        ("postgresql://u:p@a:1,b:2/shop", "postgresql://u:***@a:1,b:2/shop", "a,b", "shop"),
        ("postgresql://u:p@h/caf%C3%A9", "postgresql://u:***@h/caf%C3%A9", "h", "café"),
        ("postgresql://h/d?user=me@azure&password=p", "postgresql://h/d?user=me@azure&password=***", "h", "d"),
    ],
)
def test_what_libpq_understands_is_understood(url: str, safe_url: str, host: str | None, database: str) -> None:
    address = parse_address(url)
    assert address.safe_url == safe_url
    assert address.database == database
    assert conninfo_to_dict(address.conninfo).get("host") == host


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("postgresql://u:pa/ss@host/db", "write '%2F' and '%40'"),
        ("postgresql://u:pa@ss@host/db", "write '%2F' and '%40'"),
        ("postgresql://host:port/db", "a port is no number"),
        ("postgresql://h/d?sslmod=require", "no option 'sslmod'; did you mean 'sslmode'?"),
        ("postgresql://u:%zz@h/d", "invalid percent-encoded token"),
        ("postgresql://u:%80@h/d", "no UTF-8"),
        ("postgresql://h/d?password", "missing key/value separator"),
    ],
)
def test_a_url_that_cannot_be_read_says_why_and_how_one_looks(url: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_address(url)
    assert hint in str(caught.value)
    assert "expected postgresql://user:password@host:5432/database" in str(caught.value)


@pytest.mark.parametrize("name", ["public", "jobs", "_j", "J0", "x" * 63])
def test_a_schema_is_a_plain_name(name: str) -> None:
    assert schema_of({"postgres_schema": name}) == name


@pytest.mark.parametrize("name", ["a.b", 'a"b', "a b", "1a", "é", "x" * 64, "a;b", "-"])
def test_other_names_of_schemas_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="postgres_schema is"):
        schema_of({"postgres_schema": name})


def test_a_wrong_password_is_refused_without_being_shown(postgres_server: PostgresServer) -> None:
    broker = SqlBroker(postgres_server.url.replace(":loopback@", f":{SECRET}@"), {})
    with pytest.raises(ConfigurationError, match="password authentication failed") as caught:
        broker.counts()
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__cause__)


def test_a_database_that_does_not_exist_is_named(postgres_server: PostgresServer) -> None:
    broker = SqlBroker(postgres_server.url_of("nowhere"), {})
    with pytest.raises(ConfigurationError, match='database "nowhere" does not exist'):
        broker.counts()


def test_the_second_host_is_used_if_the_first_refuses(postgres_server: PostgresServer) -> None:
    url = postgres_server.url.replace("127.0.0.1", "127.0.0.1:1,127.0.0.1")
    with postgres_server.database() as empty:
        broker = SqlBroker(url.rpartition("/")[0] + "/" + empty.rpartition("/")[2], {})
        assert broker.migrate()
        broker.close()


def test_a_host_without_a_server_is_unavailable() -> None:
    broker = SqlBroker(f"postgresql://u:{SECRET}@127.0.0.1:1/d", {})
    with pytest.raises(BrokerUnavailable, match="refused") as caught:
        broker.counts()
    assert SECRET not in str(caught.value)


def test_a_unix_socket_leads_to_the_server(postgres_server: PostgresServer) -> None:
    folder = quote(str(postgres_server.home.resolve() / "cluster"), safe="")
    url = f"postgresql://treadle:loopback@{folder}:{postgres_server.port}/treadle"
    broker = SqlBroker(url, {"namespace": "by_socket"})
    assert broker.migrate()
    broker.close()

"""Where a PostgreSQL database is, read from a URL. Pure: nothing connects here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from treadle.exceptions import ConfigurationError
from treadle.naming import nearest

#: libpq ends the credentials at the first slash or at sign.
_CREDENTIALS: Final = re.compile(r"(?P<user>[^/@:]*)(?P<password>:[^/@]*)?@")
_HOSTS: Final = re.compile(r"(?:(?:\[[^]]*\]|[^:,@]*)(?::\d*)?(?:,|$))*")
_SECRETS: Final = frozenset({"password", "sslpassword", "oauth_client_secret"})


class Address(NamedTuple):
    """One URL, taken apart."""

    #: As libpq reads it: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    conninfo: str
    #: The same for people, without the password.
    safe_url: str
    #: The name of the database; empty if the URL leaves it to libpq.
    database: str
    #: How many servers it names, to be tried in turn.
    hosts: int


def parse_address(url: str) -> Address:
    """Read `postgresql://[user[:password]@]host[:port]/database[?option=value...]`, also as SQLAlchemy spells it.

    Raises ConfigurationError, never showing the password.
    """
    scheme, _, rest = url.partition("://")
    credentials = _CREDENTIALS.match(rest)
    place, mark, query = rest[credentials.end() if credentials else 0 :].partition("?")
    hosts, _, database = place.partition("/")
    if not _HOSTS.fullmatch(hosts) or "@" in database:
        raise _unreadable("a port is no number, or a name or password holds '/' or '@': write '%2F' and '%40' instead")
    conninfo = f"postgresql://{rest}"
    try:
        values = conninfo_to_dict(conninfo)
    except UnicodeError:
        raise _unreadable("what is percent-encoded is no UTF-8") from None
    except psycopg.ProgrammingError as error:
        raise _unreadable(_reason(error)) from None
    user = f"{credentials['user']}{':***' if credentials['password'] else ''}@" if credentials else ""
    safe_url = f"{scheme}://{user}{place}{mark}{_without_secrets(query)}"
    return Address(conninfo, safe_url, str(values.get("dbname") or ""), str(values.get("host")).count(",") + 1)


def schema_of(options: Mapping[str, Any]) -> str:
    """The schema that holds the tables. Raises ConfigurationError if it cannot be one."""
    name = str(options.get("postgres_schema") or "public")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
        message = f"postgres_schema is {name!r}: use letters, digits and underscores, e.g. 'public' or 'jobs'"
        raise ConfigurationError(message)
    return name


def _without_secrets(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&")]
    return "&".join(f"{name}=***" if unquote(name) in _SECRETS else name + sign + value for name, sign, value in pairs)


def _unreadable(reason: str) -> ConfigurationError:
    message = f"cannot read the URL of the PostgreSQL database: {reason}"
    return ConfigurationError(f"{message}; expected postgresql://user:password@host:5432/database")


def _reason(error: psycopg.ProgrammingError) -> str:
    """What libpq says, without the piece of the URL that it quotes; names of options are no secret."""
    text = str(error).strip()
    if found := re.fullmatch(r'invalid URI query parameter: "(\w+)"', text):
        return f"there is no option {found[1]!r}{nearest(found[1], _options())}"
    return re.sub(r'".*"', "...", text, flags=re.DOTALL)


def _options() -> list[str]:
    return [option.keyword.decode() for option in Conninfo.get_defaults()]

"""Where a MySQL or MariaDB database is, read from a URL. Pure: nothing connects here."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from treadle.exceptions import ConfigurationError

PORT: Final = 3306
_SCHEME: Final = re.compile(r"(?:mysql|mariadb)(?:\+pymysql)?")
_OPTIONS: Final = ("charset", "ssl_ca", "ssl_disabled", "ssl_verify_identity", "unix_socket")
_EXPECTED: Final = "expected mysql://user:password@host:3306/database, with %-escapes for special characters"
_TRUTH: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
#: All of Unicode is what we speak; what the URL says about it must not contradict.
_CHARSETS: Final = ("utf8mb4", "utf8mb3", "utf8")


class Address(NamedTuple):
    """One URL, taken apart."""

    host: str
    port: int
    #: None: the name of whoever runs this process.
    user: str | None
    password: str
    database: str
    #: The server's socket on this host; empty: over the network.
    unix_socket: str
    #: The file with the certificates that the server's must be signed by; empty: whatever it shows is taken.
    ssl_ca: str
    ssl_disabled: bool
    #: With `ssl_ca`: the certificate must also be the host's own.
    ssl_verify_identity: bool
    #: The URL for people, without the password.
    safe_url: str


def parse_address(url: str) -> Address:
    """Read `mysql://[user[:password]@]host[:port]/database[?option=value&...]`; `mariadb://` means the same.

    Raises ConfigurationError, never showing the password.
    """
    safe_url = hide_password(url)
    parts = _split(url, safe_url)
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in parts.path.removeprefix("/"):
        raise ConfigurationError(f"{safe_url!r} does not name one database: {_EXPECTED}")
    options = _options(parts.query, safe_url)
    return Address(
        host=parts.hostname or "localhost",
        port=parts.port or PORT,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
        database=database,
        unix_socket=options.get("unix_socket", ""),
        ssl_ca=options.get("ssl_ca", ""),
        # Nobody can listen at a socket of this host.
        ssl_disabled=_truth(options, "ssl_disabled", default="unix_socket" in options),
        ssl_verify_identity=_truth(options, "ssl_verify_identity", default=True),
        safe_url=safe_url,
    )


def hide_password(url: str) -> str:
    """The URL with `***` for its password, even where special characters in it were not escaped."""
    masked = re.sub(r"(://[^:@/?]*:).*@", r"\1***@", url, count=1, flags=re.DOTALL)
    return re.sub(r"([?&]pass\w*=)[^&]*", r"\1***", masked)


def _split(url: str, safe_url: str) -> SplitResult:
    unreadable = ConfigurationError(f"cannot read {safe_url!r}: {_EXPECTED}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # What Python says of it may quote a piece of the password.
        raise unreadable from None
    if port == 0 or "@" in parts.path + parts.query or parts.fragment:
        raise unreadable
    if not _SCHEME.fullmatch(parts.scheme):
        message = f"{safe_url!r} asks for another driver than PyMySQL: write mysql:// or mysql+pymysql://"
        raise ConfigurationError(message)
    return parts


def _options(query: str, safe_url: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            near = get_close_matches(name, _OPTIONS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_OPTIONS)}"
            raise ConfigurationError(f"{safe_url!r} has an unknown option {name!r}: {hint}")
    if options.get("charset", "utf8mb4") not in _CHARSETS:
        message = f"{safe_url!r} asks for the charset {options['charset']!r}: names of jobs are Unicode, use utf8mb4"
        raise ConfigurationError(message)
    return options


def _truth(options: dict[str, str], name: str, *, default: bool) -> bool:
    if name not in options:
        return default
    value = options[name]
    if value.lower() not in _TRUTH:
        raise ConfigurationError(f"{name} is {value!r} in the URL of the database: write true or false")
    return _TRUTH[value.lower()]

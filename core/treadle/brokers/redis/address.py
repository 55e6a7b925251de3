"""Where a Redis is and how to get in, read from a URL. Pure: nothing connects here.

* `redis://[user:password@]host[:port][/db]`: plain TCP
* `rediss://...`: TLS; `?ssl_ca_certs= ssl_cert_reqs= ssl_certfile= ssl_keyfile=`
* `redis+unix:///path/to/socket[?db=]`: a Unix socket
* `redis+sentinel://h1[:26379],h2/service[/db]`: the master is asked of the sentinels
* `redis+cluster://host[:port],...`: the node that owns the namespace's slot
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from treadle.exceptions import ConfigurationError

SCHEMES = ("redis", "rediss", "redis+unix", "redis+sentinel", "redis+cluster")
CERT_REQS = {"required": "required", "cert_required": "required", "none": "none", "cert_none": "none"}
_OPTIONS = (
    "db",
    "tls",
    "ssl_ca_certs",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_keyfile",
    "sentinel_username",
    "sentinel_password",
)


@dataclass(frozen=True, slots=True)
class Tls:
    """How a TLS connection is checked. Empty paths mean the system's certificates, and no client certificate."""

    ca_certs: str = ""
    certfile: str = ""
    keyfile: str = ""
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Address:
    """One URL, taken apart. `hosts` is empty for a Unix socket, and names sentinels if there is a `service`."""

    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    username: str = ""
    password: str = ""
    db: int = 0
    tls: Tls | None = None
    service: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""


def parse_address(url: str) -> Address:
    """Read a URL. Raises ConfigurationError, never showing the password."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ConfigurationError(f"{parts.scheme!r} is no Redis URL scheme; expected one of {', '.join(SCHEMES)}")
    options = _read_options(parts.query)
    login, _, location = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    is_unix, is_sentinel = parts.scheme == "redis+unix", parts.scheme == "redis+sentinel"
    steps = [] if is_unix else [unquote(step) for step in parts.path.split("/") if step]
    if is_unix and not parts.path:
        raise ConfigurationError("a redis+unix URL needs the path of the socket: redis+unix:///run/redis.sock")
    if is_sentinel and not steps:
        raise ConfigurationError("a redis+sentinel URL needs the service name: redis+sentinel://host:26379/mymaster/0")
    service = steps.pop(0) if is_sentinel else ""
    db = _read_db(options.get("db") or (steps[0] if steps else "0"))
    if db and parts.scheme == "redis+cluster":
        raise ConfigurationError(f"a Redis Cluster has only database 0, not {db}; tell applications apart by namespace")
    return Address(
        hosts=() if is_unix else _read_hosts(location, 26379 if is_sentinel else 6379),
        path=unquote(parts.path) if is_unix else "",
        username=unquote(username),
        password=unquote(password),
        db=db,
        tls=_read_tls(options) if parts.scheme == "rediss" or options.get("tls") in {"1", "true", "yes"} else None,
        service=service,
        sentinel_username=options.get("sentinel_username", ""),
        sentinel_password=options.get("sentinel_password", ""),
    )


def hide_password(url: str) -> str:
    """The URL with every password in it replaced by `***`."""
    shown = re.sub(r"(://[^:/?#]*:)[^/?#]*@", r"\1***@", url)
    return re.sub(r"(sentinel_password=)[^&#]*", r"\1***", shown)


def _read_options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            nearest = difflib.get_close_matches(name, _OPTIONS, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else f"; known: {', '.join(_OPTIONS)}"
            raise ConfigurationError(f"unknown option {name!r} in the Redis URL{hint}")
    return options


def _read_hosts(location: str, default_port: int) -> tuple[tuple[str, int], ...]:
    return tuple(_read_host(text, default_port) for text in (location or "localhost").split(",") if text)


def _read_host(text: str, default_port: int) -> tuple[str, int]:
    matched = re.fullmatch(r"(\[[^\]]+\]|[^:]*)(?::(\d{1,5}))?", text)
    if matched is None:
        raise ConfigurationError(f"{text!r} in the Redis URL is no host:port")
    return matched[1].strip("[]") or "localhost", int(matched[2] or default_port)


def _read_db(text: str) -> int:
    if not text.isdecimal():
        raise ConfigurationError(f"{text!r} in the Redis URL is no database number; expected 0, 1, 2 ...")
    return int(text)


def _read_tls(options: dict[str, str]) -> Tls:
    wanted = options.get("ssl_cert_reqs", "required").lower()
    if wanted not in CERT_REQS:
        raise ConfigurationError(f"ssl_cert_reqs={wanted!r} is not known; expected 'required' or 'none'")
    return Tls(
        ca_certs=options.get("ssl_ca_certs", ""),
        certfile=options.get("ssl_certfile", ""),
        keyfile=options.get("ssl_keyfile", ""),
        verify=CERT_REQS[wanted] == "required",
    )

"""Django's settings for django-tasks-db: persistent connections, and on SQLite what Django's manual advises."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from benchmarks.peers.command import url_from_environment

_SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def database(url: str) -> dict[str, Any]:
    """An entry of `DATABASES`."""
    if url.startswith("sqlite"):
        place = {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:///")}
        return {**place, "OPTIONS": _SQLITE_OPTIONS, "CONN_MAX_AGE": None}
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "CONN_MAX_AGE": None,
    }


SECRET_KEY = "benchmarks"  # noqa: S105  # there is nothing to guard
USE_TZ = True
INSTALLED_APPS = ["django_tasks", "django_tasks_db"]
DATABASES = {"default": database(url_from_environment())}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"django_tasks": {"level": "WARNING"}}}

"""The table of all settings: their types, defaults and meaning, by group.

A group is a class; its attributes are the settings. `Settings` inherits all groups, so type checkers and editors see
every setting as an attribute. The reference page is made from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

from treadle.job import MAX_PRIORITY, MIN_PRIORITY
from treadle.settings import kinds
from treadle.settings.kinds import Kind, optional

T = TypeVar("T")


class Setting(Generic[T]):
    """One row of the table."""

    __slots__ = ("default", "description", "kind")

    def __init__(self, kind: Kind[T], default: T, description: str) -> None:
        self.kind = kind
        self.default = default
        self.description = description


def _setting(kind: Kind[T], default: T, description: str) -> T:
    # Typed as the value, as `dataclasses.field` is: an instance's attribute of that name holds it.
    return cast("T", Setting(kind, default, description))


class Broker:
    """Broker: where jobs wait."""

    broker_url: str | None = _setting(
        optional(kinds.url()), None, "Where jobs wait. None: the SQLite file `treadle.sqlite3` of the project."
    )
    namespace: str = _setting(
        kinds.text("a name of up to 32 lower-case letters, digits and underscores", r"[a-z][a-z0-9_]{0,31}"),
        "treadle",
        "First part of every table or key in the store, so that several apps can share it.",
    )
    sqlite_synchronous: str | None = _setting(
        optional(kinds.choice("NORMAL", "FULL", "EXTRA")),
        None,
        "How hard SQLite writes: with NORMAL a power cut may take the last commits, with FULL and EXTRA it takes none. "
        "None: NORMAL in WAL mode, FULL without, where NORMAL would risk the file.",
    )
    postgres_schema: str = _setting(
        kinds.text("a name of letters, digits and underscores", r"[A-Za-z_][A-Za-z0-9_]{0,62}"),
        "public",
        "The PostgreSQL schema that holds the tables. Every statement names it, whatever `search_path` says.",
    )
    postgres_notify: bool = _setting(
        kinds.boolean(),
        True,
        "PostgreSQL wakes who waits by NOTIFY. False: they look up to ten times a second; for two-phase commits, which "
        "NOTIFY breaks. Behind a pooler that shares server connections Treadle does without by itself.",
    )
    outbox_urls: None = _setting(
        kinds.not_yet("the outbox relay"), None, "The databases whose outbox is sent to the broker."
    )


class Serialization:
    """Serialization: how arguments and results travel."""

    accept_content: tuple[str, ...] = _setting(
        kinds.names(), ("json",), "Serializers whose payloads a worker reads; others are refused."
    )
    result_accept_content: tuple[str, ...] | None = _setting(
        optional(kinds.names()), None, "Serializers whose results a client reads. None: as `accept_content`."
    )
    task_serializer: str = _setting(kinds.text("the name of a serializer"), "json", "Serializer of arguments.")
    result_serializer: str = _setting(kinds.text("the name of a serializer"), "json", "Serializer of results.")
    task_compression: str | None = _setting(
        optional(kinds.text("the name of a compression")), None, "Compression of arguments. None: none."
    )
    result_compression: str | None = _setting(
        optional(kinds.text("the name of a compression")), None, "Compression of results. None: none."
    )
    compress_above_bytes: int = _setting(kinds.integer(0), 4096, "Bytes from which a payload is worth compressing.")


class Tasks:
    """Tasks: which there are, and how they run unless they say otherwise."""

    imports: tuple[str, ...] = _setting(kinds.names(), (), "Modules a worker imports to find tasks.")
    include: tuple[str, ...] = _setting(kinds.names(), (), "More such modules, imported after `imports`.")
    task_annotations: Any = _setting(
        optional(
            kinds.part("a mapping from task names to attributes, or a list of such", Mapping, list, tuple, code=True)
        ),
        None,
        "Attributes to set on tasks, by exact name, glob, or `*` for all.",
    )
    task_always_eager: bool = _setting(kinds.boolean(), False, "Run jobs at once in the caller instead of queueing.")
    task_eager_propagates: bool = _setting(kinds.boolean(), False, "Raise the errors of eager jobs in the caller.")
    task_store_eager_result: bool = _setting(kinds.boolean(), False, "Keep the results of eager jobs in the backend.")
    task_ignore_result: bool = _setting(kinds.boolean(), False, "Drop return values; the jobs' records are kept.")
    task_track_started: bool = _setting(
        kinds.always_true("every job records when it started"), True, "Always true: a running job shows as STARTED."
    )
    task_acks_late: bool = _setting(
        kinds.boolean(), True, "Run a job again if its worker died. False: a job that may have started ends failed."
    )
    task_time_limit: float | None = _setting(
        optional(kinds.seconds()), None, "Seconds after which a running job is killed. None: never."
    )
    task_soft_time_limit: float | None = _setting(
        optional(kinds.seconds()),
        None,
        "Seconds after which `SoftTimeLimitExceeded` is raised in a job; less than `task_time_limit`. None: never.",
    )
    task_max_retries: int | None = _setting(
        optional(kinds.integer(0)), 3, "Retries after which a job ends failed. None: no bound."
    )
    task_default_retry_delay: float = _setting(
        kinds.seconds(zero=True), 180.0, "Seconds between a failure and the retry, where no back-off is chosen."
    )
    task_default_rate_limit: None = _setting(
        kinds.not_yet("rate limits"), None, "Starts per second, minute or hour of each task."
    )


class Queues:
    """Queues and routes."""

    task_default_queue: str = _setting(
        kinds.text("the name of a queue"), "default", "Queue of jobs that no route and no call sends elsewhere."
    )
    task_default_priority: int = _setting(
        kinds.integer(MIN_PRIORITY, MAX_PRIORITY), 0, "Priority of jobs that say none. A larger one runs first."
    )
    task_queues: tuple[str, ...] | None = _setting(
        optional(kinds.queues()), None, "The queues there are: names, or objects with a `name`. None: any."
    )
    task_create_missing_queues: bool | None = _setting(
        optional(kinds.boolean()),
        None,
        "Whether a queue that `task_queues` does not name may be used. None: only if `task_queues` is not set.",
    )
    task_routes: Any = _setting(
        optional(
            kinds.part(
                "a mapping from task names to routes, a router, or a list of such", Mapping, list, tuple, str, code=True
            )
        ),
        None,
        "Where jobs go: a mapping from task name, glob or pattern to queue or options, a router, or a list of such.",
    )


class Results:
    """Results and retention."""

    result_backend: str | None = _setting(
        optional(kinds.url()), None, "Where outcomes are kept. None: the broker's own store."
    )
    result_expires: float | None = _setting(
        kinds.retention(), 86400.0, "Seconds a job that succeeded or was cancelled is kept. None: for ever."
    )
    failed_expires: float | None = _setting(
        kinds.retention(), 30 * 86400.0, "Seconds a failed job waits for somebody to look at it. None: for ever."
    )
    result_max_count: int | None = _setting(
        optional(kinds.integer(1)), None, "Ended jobs kept, the newest first; older ones go early. None: no bound."
    )


class Worker:
    """Worker."""

    worker_pool: str = _setting(kinds.text("the name of a pool"), "prefork", "How a child runs jobs.")
    worker_concurrency: int | None = _setting(
        optional(kinds.integer(1)), None, "Jobs that run at the same time. None: the number of CPUs."
    )
    worker_prefetch_multiplier: int | None = _setting(
        optional(kinds.integer(1)),
        None,
        "Upper bound of the jobs a child may claim ahead, per slot. None: decided by how long jobs take.",
    )
    worker_start_method: str = _setting(
        kinds.choice("auto", "fork", "spawn"), "auto", "How children start. auto: fork where that is safe, else spawn."
    )
    worker_max_tasks_per_child: int | None = _setting(
        optional(kinds.integer(1)), None, "Jobs after which a child is replaced. None: never."
    )
    worker_max_memory_per_child: int | None = _setting(
        optional(kinds.integer(1)), None, "KiB of resident memory above which a child is replaced after its job."
    )
    worker_memory_limit: int | None = _setting(
        optional(kinds.integer(1)), None, "KiB of resident memory above which a child is killed; its job is charged."
    )
    worker_max_crashes: int = _setting(kinds.integer(1), 3, "Crashes of its process after which a job ends failed.")
    worker_grace_s: float = _setting(
        kinds.seconds(zero=True), 25.0, "Seconds running jobs have to end when a worker is stopped."
    )
    worker_hijack_root_logger: bool = _setting(
        kinds.boolean(), True, "Replace the handlers of the root logger in a worker."
    )
    worker_log_format: str = _setting(
        kinds.text("a logging format"),
        "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s",
        "Format of a worker's log lines.",
    )
    worker_task_log_format: str = _setting(
        kinds.text("a logging format"),
        "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s",
        "Format of log lines written by tasks.",
    )


class Scheduling:
    """Times and schedules."""

    timezone: str = _setting(
        kinds.timezone(), "UTC", "Zone, as named by IANA, of times without one; used where `enable_utc` is off."
    )
    enable_utc: bool = _setting(
        kinds.boolean(), True, "Read a time without a zone as UTC. False: as local to `timezone`."
    )
    beat_schedule: None = _setting(
        kinds.not_yet("periodic jobs"), None, "Jobs that are published at certain times, by name."
    )


class Plugins:
    """Plugins."""

    plugins_disabled: tuple[str, ...] = _setting(kinds.names(), (), "Installed plugins that are not loaded, by name.")


#: In the order of the reference page.
GROUPS: tuple[type, ...] = (Broker, Tasks, Queues, Results, Worker, Scheduling, Serialization, Plugins)


def settings_of(group: type) -> dict[str, Setting[Any]]:
    """The settings of a group, by name."""
    return {name: value for name, value in vars(group).items() if isinstance(value, Setting)}


#: Every setting, by name.
TABLE: dict[str, Setting[Any]] = {name: row for group in GROUPS for name, row in settings_of(group).items()}

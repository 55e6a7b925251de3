"""What Celery's settings that are not ours mean here, so that nobody has to guess.

Names are those of Celery 5; its older upper-case spellings are answered with the new one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

_ALL_AT_ONCE = "a child claims only what it can start soon, and hands back what it has not started"
_BACKEND = "put the options of a result backend into the URL `result_backend`"
_BROADCAST = "control and events go through the store, not through queues of their own"
_COMMAND_LINE = "give it on the command line of the worker"
_CONNECTING = "every call has one deadline of 5 seconds, which includes connecting"
_CRASHES = "a job whose worker dies is run again by itself, at most `worker_max_crashes` times"
_DEADLINE = "publishing has one deadline, and then raises BrokerUnavailable; it never waits for ever"
_EXCHANGES = "jobs go to queues by name; there are no exchanges to set up"
_JOINS = "this version has no chords yet"
_LEASES = "jobs are held by leases that the worker renews, so there is no visibility timeout to tune"
_RECONNECT = "workers and clients reconnect by themselves; every call has a deadline"
_RECORDS = "every job has a full record, with its name, arguments, error and attempts"
_SCHEDULER = "this version has no periodic jobs yet, and so no scheduler to set up"
_SERVICE = "it is decided by what starts the worker: a service manager, or a container"
_STDOUT = "what tasks print goes where the worker's own output goes"
_STOPPING = "a stopped worker claims nothing more, and running jobs have `worker_grace_s` seconds to end"
_URL = "put user, password, host, TLS and database into the URL `broker_url`"

#: Why a setting of Celery is not needed, and what to do instead. The first pattern that matches counts.
_NOT_NEEDED = {
    "broker_transport_options": f"{_LEASES}; other options belong into the URL `broker_url`",
    "broker_connection_max_retries": _RECONNECT,
    "broker_connection_retry*": _RECONNECT,
    "broker_connection_timeout": _CONNECTING,
    "broker_channel_error_retry": _RECONNECT,
    "broker_failover_strategy": _RECONNECT,
    "broker_heartbeat*": _RECONNECT,
    "broker_native_delayed_delivery_*": "delayed jobs wait in the store",
    "broker_pool_limit": "each process needs only one or two connections, and opens them when it uses them",
    "broker_read_url": "an app has one broker, `broker_url`",
    "broker_write_url": "an app has one broker, `broker_url`",
    "control_*": _BROADCAST,
    "event_*": _BROADCAST,
    "security_*": "signing is a choice of serializer (a plugin can bring one), not of settings",
    "deprecated_settings": "there are none",
    "result_chord_*": _JOINS,
    "result_extended": _RECORDS,
    "result_cache_max": "results are read from the store and not cached",
    "result_persistent": "results are as durable as the store that keeps them",
    "result_exchange*": _EXCHANGES,
    "result_backend_*": _BACKEND,
    "result_dburi": _BACKEND,
    "result_db_*": _BACKEND,
    "task_acks_on_failure*": "a job that failed has ended; it stays listed and can be requeued",
    "task_acks_on_timeout": "a job that hit its time limit is retried or fails like any other",
    "task_allow_error_cb_on_chord_header": _JOINS,
    "task_create_missing_queue_*": _EXCHANGES,
    "task_default_delivery_mode": "jobs are always durable",
    "task_default_exchange*": _EXCHANGES,
    "task_default_queue_type": _EXCHANGES,
    "task_default_routing_key": _EXCHANGES,
    "task_inherit_parent_priority": "a job has the priority that its call, route or task gives it",
    "task_inherit_parent_headers": "give headers with the call",
    "task_protocol": "there is one format of messages",
    "task_publish_retry*": _DEADLINE,
    "task_queue_max_priority": "every queue takes priorities from -100 to 100",
    "task_queue_ha_policy": _EXCHANGES,
    "task_reject_on_worker_lost": _CRASHES,
    "task_retry_on_worker_lost": _CRASHES,
    "task_remote_tracebacks": "errors always carry the traceback of the worker",
    "task_send_sent_event": _RECORDS,
    "task_store_errors_even_if_ignored": "errors are always kept; `task_ignore_result` drops only values",
    "worker_agent": "plugins and middleware extend a worker",
    "worker_autoscaler": "the number of children is what `worker_concurrency` says",
    "worker_cancel_long_running_tasks_on_connection_loss": _LEASES,
    "worker_consumer": "plugins and middleware extend a worker",
    "worker_deduplicate_successful_tasks": "a job is settled once, so one that succeeded is not run again",
    "worker_detect_quorum_queues": _EXCHANGES,
    "worker_direct": "send the job to a queue that only this worker takes from (`-Q`)",
    "worker_disable_prefetch": _ALL_AT_ONCE,
    "worker_disable_rate_limits": "this version has no rate limits yet",
    "worker_enable_prefetch_count_reduction": _ALL_AT_ONCE,
    "worker_enable_remote_control": _BROADCAST,
    "worker_enable_soft_shutdown_on_idle": _STOPPING,
    "worker_soft_shutdown_timeout": _STOPPING,
    "worker_eta_task_limit": "delayed jobs wait in the store, not in a worker",
    "worker_log_color": "colours are used on a terminal, unless NO_COLOR is set",
    "worker_lost_wait": "a worker notices a dead child at once",
    "worker_pool_putlocks": "children share no locks",
    "worker_pool_restarts": "children are replaced one by one by the worker itself",
    "worker_proc_alive_timeout": "children that do not answer are replaced by the worker itself",
    "worker_send_task_events": _RECORDS,
    "worker_state_db": "cancelled jobs are recorded in the store",
    "worker_timer*": "delayed jobs wait in the store, not in a worker",
    "worker_logfile": _COMMAND_LINE,
    "worker_pidfile": _COMMAND_LINE,
    "worker_redirect_stdouts*": _STDOUT,
    **dict.fromkeys(("worker_executable", "worker_gid", "worker_uid", "worker_umask"), _SERVICE),
    **dict.fromkeys(
        (
            "broker_host", "broker_login_method", "broker_password", "broker_port", "broker_transport",
            "broker_use_ssl", "broker_user", "broker_vhost",
        ),
        _URL,
    ),
    **dict.fromkeys(
        (
            "beat_cron_starting_deadline", "beat_executable", "beat_gid", "beat_logfile", "beat_max_loop_interval",
            "beat_pidfile", "beat_schedule_filename", "beat_scheduler", "beat_sync_every", "beat_uid", "beat_umask",
        ),
        _SCHEDULER,
    ),
    **dict.fromkeys(
        (
            "arangodb_*", "azureblockblob_*", "cache_*", "cassandra_*", "cosmosdbsql_*", "couchbase_*", "couchdb_*",
            "database_*", "dynamodb_*", "elasticsearch_*", "filesystem_*", "gcs_*", "mongodb_*", "redis_*", "s3_*",
        ),
        _BACKEND,
    ),
}  # fmt: skip

#: Spellings of which ours does not follow from the prefix.
_RENAMED = {
    "celery_broadcast_exchange": "control_exchange",
    "celery_broadcast_queue": "control_exchange",
    "celery_eager_propagates_exceptions": "task_eager_propagates",
    "celery_max_cached_results": "result_cache_max",
    "celery_message_compression": "task_compression",
    "celery_queue_ha_policy": "task_queue_ha_policy",
    "celery_result_dburi": "result_backend",
    "celery_result_db_short_lived_sessions": "database_short_lived_sessions",
    "celery_result_engine_options": "database_engine_options",
    "celery_send_events": "worker_send_task_events",
    "celery_task_publish_retry": "task_publish_retry",
    "celery_task_result_expires": "result_expires",
    "celerybeat_max_loop_interval": "beat_max_loop_interval",
    "celeryd_force_hijack_root_logger": "worker_hijack_root_logger",
    "celeryd_max_tasks_per_child": "worker_max_tasks_per_child",
    "celeryd_task_soft_time_limit": "task_soft_time_limit",
    "celeryd_task_time_limit": "task_time_limit",
}

_OLD_PREFIXES = {
    "celeryd_": ("worker_", "task_"),
    "celerybeat_": ("beat_",),
    "celerymon_": ("event_",),
    "celery_": ("", "task_", "result_", "worker_"),
}


def explain(name: str, known: Collection[str]) -> str | None:
    """What to do about a name that Celery knows and we do not, as the end of a sentence that begins with the name.

    `known` are our settings. None if Celery does not know it either.
    """
    key = name.lower()
    reason = _why_not_needed(key)
    if reason is not None:
        return f"is not needed: {reason}"
    new_name = next(
        (candidate for candidate in _new_names(key) if candidate in known or _why_not_needed(candidate)), None
    )
    if new_name is None:
        return None
    reason = _why_not_needed(new_name) if new_name not in known else None
    return f"is now spelled {new_name!r}" + (f", but is not needed: {reason}" if reason else "")


def _why_not_needed(name: str) -> str | None:
    return next((reason for pattern, reason in _NOT_NEEDED.items() if fnmatchcase(name, pattern)), None)


def _new_names(key: str) -> Iterator[str]:
    """New spellings that an old one may have. With a namespace, its prefix `CELERY_` has been taken off already."""
    for old_name in (key, f"celery_{key}"):
        if old_name in _RENAMED:
            yield _RENAMED[old_name]
        for old_prefix, new_prefixes in _OLD_PREFIXES.items():
            if old_name.startswith(old_prefix):
                yield from (new_prefix + old_name.removeprefix(old_prefix) for new_prefix in new_prefixes)

"""What Celery's settings are answered with."""

from __future__ import annotations

import pytest

from treadle.interfaces import CALL_DEADLINE_S
from treadle.settings.celery_names import explain
from treadle.settings.table import TABLE

#: Celery's own settings, as its documentation lists them.
CELERY = """
accept_content result_accept_content enable_utc timezone imports include broker_url broker_read_url broker_write_url
broker_transport broker_transport_options broker_connection_timeout broker_connection_retry
broker_connection_retry_on_startup broker_connection_max_retries broker_channel_error_retry broker_failover_strategy
broker_heartbeat broker_heartbeat_checkrate broker_login_method broker_pool_limit
broker_native_delayed_delivery_queue_type broker_use_ssl broker_host broker_port broker_user broker_password
broker_vhost cache_backend cache_backend_options cassandra_keyspace database_url database_engine_options
database_short_lived_sessions database_table_names redis_max_connections redis_socket_timeout redis_backend_use_ssl
s3_bucket mongodb_backend_settings control_queue_ttl control_queue_expires control_exchange event_queue_ttl
event_queue_prefix event_serializer security_key security_certificate security_cert_store security_digest
security_key_password result_backend result_backend_transport_options result_backend_always_retry
result_backend_max_retries result_backend_thread_safe result_cache_max result_compression result_exchange
result_exchange_type result_expires result_extended result_persistent result_serializer result_chord_join_timeout
result_chord_retry_interval result_chord_ordered task_acks_late task_acks_on_failure task_acks_on_timeout
task_acks_on_failure_or_timeout task_allow_error_cb_on_chord_header task_always_eager task_annotations
task_compression task_create_missing_queues task_create_missing_queue_type task_create_missing_queue_exchange_type
task_default_delivery_mode task_default_exchange task_default_exchange_type task_default_priority task_default_queue
task_default_queue_type task_default_rate_limit task_default_routing_key task_eager_propagates task_ignore_result
task_inherit_parent_priority task_protocol task_publish_retry task_publish_retry_policy task_queue_max_priority
task_queues task_reject_on_worker_lost task_remote_tracebacks task_retry_on_worker_lost task_routes
task_send_sent_event task_serializer task_soft_time_limit task_store_eager_result task_store_errors_even_if_ignored
task_time_limit task_track_started worker_agent worker_autoscaler worker_cancel_long_running_tasks_on_connection_loss
worker_concurrency worker_consumer worker_deduplicate_successful_tasks worker_detect_quorum_queues worker_direct
worker_disable_prefetch worker_disable_rate_limits worker_enable_prefetch_count_reduction worker_enable_remote_control
worker_enable_soft_shutdown_on_idle worker_eta_task_limit worker_hijack_root_logger worker_log_color worker_log_format
worker_lost_wait worker_max_memory_per_child worker_max_tasks_per_child worker_pool worker_pool_putlocks
worker_pool_restarts worker_prefetch_multiplier worker_proc_alive_timeout worker_redirect_stdouts
worker_redirect_stdouts_level worker_send_task_events worker_soft_shutdown_timeout worker_state_db
worker_task_log_format worker_timer worker_timer_precision beat_cron_starting_deadline beat_max_loop_interval
beat_schedule beat_schedule_filename beat_scheduler beat_sync_every
"""


@pytest.mark.parametrize("name", CELERY.split())
def test_a_setting_of_celery_is_ours_or_has_an_answer(name: str) -> None:
    assert name in TABLE or (explain(name, TABLE) or "").startswith(("is not needed: ", "is now spelled "))


@pytest.mark.parametrize("name", sorted(TABLE))
def test_no_setting_of_ours_nor_a_misspelling_of_it_is_called_unneeded(name: str) -> None:
    for spelling in (name, name + "x", name[:-1], name[:3] + name[4:]):
        if spelling not in CELERY.split():
            assert "not needed" not in (explain(spelling, TABLE) or "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CELERY_ALWAYS_EAGER", "task_always_eager"),
        ("CELERY_ACKS_LATE", "task_acks_late"),
        ("CELERY_DEFAULT_QUEUE", "task_default_queue"),
        ("CELERY_QUEUES", "task_queues"),
        ("CELERY_ROUTES", "task_routes"),
        ("CELERY_ANNOTATIONS", "task_annotations"),
        ("CELERY_ACCEPT_CONTENT", "accept_content"),
        ("CELERY_IMPORTS", "imports"),
        ("CELERY_ENABLE_UTC", "enable_utc"),
        ("CELERY_TIMEZONE", "timezone"),
        ("CELERY_BROKER_URL", "broker_url"),
        ("CELERY_RESULT_BACKEND", "result_backend"),
        ("CELERY_RESULT_SERIALIZER", "result_serializer"),
        ("CELERY_TASK_RESULT_EXPIRES", "result_expires"),
        ("CELERY_TASK_SERIALIZER", "task_serializer"),
        ("CELERY_TRACK_STARTED", "task_track_started"),
        ("CELERY_EAGER_PROPAGATES_EXCEPTIONS", "task_eager_propagates"),
        ("CELERY_MESSAGE_COMPRESSION", "task_compression"),
        ("CELERYD_CONCURRENCY", "worker_concurrency"),
        ("CELERYD_POOL", "worker_pool"),
        ("CELERYD_PREFETCH_MULTIPLIER", "worker_prefetch_multiplier"),
        ("CELERYD_TASK_TIME_LIMIT", "task_time_limit"),
        ("CELERYD_TASK_SOFT_TIME_LIMIT", "task_soft_time_limit"),
        ("CELERYD_MAX_TASKS_PER_CHILD", "worker_max_tasks_per_child"),
        ("CELERYD_HIJACK_ROOT_LOGGER", "worker_hijack_root_logger"),
        ("CELERYBEAT_SCHEDULE", "beat_schedule"),
    ],
)
def test_an_old_spelling_is_answered_with_the_new_one(old: str, new: str) -> None:
    assert explain(old, TABLE) == f"is now spelled {new!r}"


@pytest.mark.parametrize(
    "old", ["CELERYBEAT_SCHEDULER", "CELERY_SEND_EVENTS", "CELERY_CHORD_PROPAGATES", "CELERY_REDIRECT_STDOUTS"]
)
def test_an_old_spelling_of_an_unneeded_setting_says_so(old: str) -> None:
    assert "not needed: " in (explain(old, TABLE) or "")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broker_connection_timeout", "every call has one deadline of 5 seconds"),
        ("worker_redirect_stdouts", "what tasks print goes where the worker's own output goes"),
        ("worker_redirect_stdouts_level", "what tasks print goes where the worker's own output goes"),
    ],
)
def test_an_unneeded_setting_is_answered_with_the_reason(name: str, reason: str) -> None:
    assert (explain(name, TABLE) or "").startswith(f"is not needed: {reason}")


def test_the_deadline_that_is_told_is_that_of_every_call() -> None:
    assert f"{CALL_DEADLINE_S:g} seconds" in (explain("broker_connection_timeout", TABLE) or "")


def test_a_name_that_celery_does_not_know_either_has_no_answer() -> None:
    assert explain("colour", TABLE) is None
    assert explain("CELERY_COLOUR", TABLE) is None

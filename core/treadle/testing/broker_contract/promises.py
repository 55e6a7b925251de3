"""Which cases show which promise of the design (section 1), as far as it is a broker's to keep."""

from __future__ import annotations

#: Number of the promise to the names of its cases in `BrokerContract`.
PROMISES: dict[int, tuple[str, ...]] = {
    # Nothing is lost.
    1: (
        "test_a_batch_with_one_invalid_job_stores_nothing",
        "test_publishing_again_leaves_a_running_job_as_it_is",
        "test_a_retry_keeps_one_job_under_one_id",
        "test_a_repeated_settlement_answers_ok_and_changes_nothing",
        "test_many_claimers_never_get_one_job_twice",
        "test_jobs_given_back_in_a_race_are_run_once_each",
        "test_what_is_published_while_others_claim_is_not_lost",
        "test_a_settlement_racing_with_the_death_of_its_child_has_one_outcome",
        "test_pruning_by_age_removes_old_final_records_only",
    ),
    # A stale worker changes nothing.
    2: (
        "test_a_late_settlement_changes_nothing_and_is_counted",
        "test_a_settlement_after_the_job_was_given_back_is_refused",
        "test_a_late_settlement_does_not_reach_a_new_job_of_the_same_id",
        "test_a_late_retry_changes_nothing",
        "test_every_claim_raises_the_receipt",
        "test_giving_back_raises_the_receipt",
        "test_release_and_retry_never_reset_the_receipt",
        "test_requeue_never_resets_the_receipt",
        "test_progress_under_a_stale_receipt_is_refused_and_counted",
        "test_a_delivery_is_no_attempt",
    ),
    # Recovery by itself.
    3: (
        "test_jobs_of_a_dead_child_are_queued_again_at_their_old_place",
        "test_jobs_of_a_lease_that_ran_out_are_given_back_as_suspects",
        "test_the_guilty_are_charged_and_the_innocent_are_not",
        "test_a_job_gets_a_verdict_after_so_many_crashes",
        "test_a_second_death_with_a_verdict_ends_the_job_failed",
        "test_a_suspect_is_claimed_alone_and_before_all_others",
        "test_a_reaped_lease_is_never_revived",
        "test_after_an_outage_nothing_is_recovered_for_one_lease_period",
        "test_after_an_outage_who_never_comes_back_is_recovered_in_the_end",
    ),
    # Long jobs and far ETAs are ordinary.
    4: (
        "test_a_renewed_lease_outlives_its_first_term",
        "test_a_delayed_job_is_scheduled_and_not_claimed_before_its_time",
        "test_a_delayed_job_is_claimed_once_it_is_due",
        "test_times_are_the_stores_whatever_the_clients_clock_says",
        "test_a_waiting_claim_is_woken_by_a_delayed_job_that_becomes_due",
    ),
    # Workflows always end.
    5: (
        "test_every_job_of_random_graphs_ends",
        "test_a_retry_and_a_repeated_settlement_tell_nobody",
        "test_children_that_end_the_last_members_at_once_run_the_body_once",
        "test_what_follows_a_failure_ends_skipped_with_its_error",
        "test_the_death_of_a_child_ends_what_follows_only_with_the_job",
        "test_cancelling_a_step_ends_what_follows",
        "test_an_expired_step_ends_what_follows",
        "test_a_gate_that_nobody_opens_fails_with_its_payload",
        "test_long_rows_of_consequences_go_on_until_all_have_ended",
        "test_members_are_kept_until_what_follows_their_join_has_ended",
        "test_a_source_that_ends_while_it_is_waited_for_counts_once",
        "test_a_late_replacement_changes_nothing",
    ),
    # Late is visible, unknown is an error.
    8: (
        "test_unknown_ids_are_left_out",
        "test_a_list_may_be_paged_without_gaps_or_repetitions",
        "test_jobs_are_filtered_by_state_queue_task_and_reason",
        "test_counts_tell_the_live_jobs_of_each_queue",
        "test_counts_tell_the_age_of_the_oldest_queued_job",
        "test_a_waiting_job_is_cancelled_at_once",
        "test_fail_ends_a_job_with_reason_and_error",
        "test_requeue_runs_a_final_job_from_the_beginning",
    ),
    # Same behaviour on every broker.
    9: (
        "test_a_larger_priority_is_claimed_first",
        "test_within_a_priority_the_order_of_publishing_holds",
        "test_the_order_of_queues_rotates",
        "test_a_connection_that_cannot_be_joined_is_refused",
        "test_odd_names_come_back_as_they_were",
        "test_any_bytes_come_back_as_they_were",
    ),
}

//! Idempotent calls as their users see them: each case over every store. And on Redis, while processes and
//! connections fail.

mod attribute;
mod bodies;
mod caching;
mod cancelling;
mod cost;
mod finishing;
mod processes;
mod records;
mod refusals;
mod results;
mod runtimes;
mod storm;
mod table;
mod takeover;
mod telemetry;
mod turns;
mod unstorable;

coord_tests::over_every_store! {
    table {
        an_absent_key_runs_the_body
        a_finished_key_is_replayed_in_every_process
        another_fingerprint_is_a_mismatch_in_every_state
        a_call_without_a_fingerprint_goes_with_every_other
        a_running_body_of_its_own_goes_on
        a_running_body_is_waited_for
        a_running_body_is_rejected_with_the_rest_of_its_lease
        a_wait_that_runs_out_says_that_another_is_running
        a_released_record_is_taken_by_a_waiter
        a_lapsed_record_is_absent
        a_result_is_kept_for_its_ttl_and_no_longer
        many_callers_run_the_body_once
        keys_and_namespaces_do_not_touch_each_other
    }
    results {
        every_falsy_value_is_replayed_as_it_was
        numbers_and_texts_are_replayed_as_they_were
        every_shape_is_replayed_as_it_was
        a_result_that_would_come_back_as_another_is_an_error_for_good
        an_error_is_not_a_result
        a_remembered_error_is_replayed
        an_error_that_serde_refuses_is_not_remembered
        a_result_that_is_too_large_is_an_error_for_good
        a_result_of_the_largest_size_is_replayed
        a_result_that_is_no_json_is_an_error_for_good
        a_result_of_another_shape_is_an_error_and_not_a_rerun
        a_remembered_error_is_no_value
        a_record_of_somebody_else_is_an_error
    }
    bodies {
        a_body_knows_its_attempt_and_token
        a_context_does_not_show_the_key
        a_downstream_key_is_the_same_for_every_attempt
        a_body_that_fails_releases_the_key
        a_body_that_panics_releases_the_key
        calling_again_inside_would_deadlock_and_says_so
        a_deadlock_is_found_through_other_calls
        a_saga_that_asks_for_the_call_that_waits_for_it_would_deadlock
        what_a_body_spawned_in_its_context_may_call_when_it_has_ended
        a_body_keeps_its_correlation
        shutting_down_drops_the_body_and_releases_the_key
        those_who_wait_for_a_result_are_turned_away_by_shutting_down
        a_call_after_shutting_down_is_refused
    }
    takeover {
        renewal_keeps_a_running_body_for_many_leases
        renewals_that_fail_now_and_then_lose_nothing
        a_dead_process_is_followed_after_its_lease
        a_waiter_that_takes_over_counts_on
        a_body_is_dropped_when_its_record_cannot_be_renewed
        a_body_is_dropped_in_time_when_a_renewal_is_not_answered
        a_body_is_dropped_when_its_record_is_gone
        a_lost_wake_up_delays_a_waiter_and_no_more
        a_call_whose_beginning_is_answered_too_late_begins_anew
        a_call_whose_beginning_is_answered_too_late_gets_the_result_of_another
    }
    finishing {
        a_result_that_is_too_late_gives_way_to_the_winners
        a_result_that_is_too_late_is_lost_for_one_who_does_not_wait
        a_result_that_is_too_late_does_not_wait_for_one_still_running
        a_lapsed_record_that_nobody_took_gets_its_result
        a_completion_that_fails_is_made_again
        a_completion_whose_reply_is_lost_is_done
        a_late_copy_of_the_beginning_is_not_taken_for_the_result
        a_store_that_stays_away_is_told_of
    }
    cancelling {
        a_call_that_is_dropped_leaves_nothing_running
        a_waiter_that_is_dropped_leaves_nothing
        a_result_whose_caller_has_gone_is_stored
        a_failed_body_whose_caller_has_gone_is_released
        no_task_stays_behind
    }
    caching {
        a_cached_replay_asks_nobody
        the_cache_compares_fingerprints
        the_cache_forgets_with_the_ttl
        the_cache_is_bounded
        without_a_size_nothing_is_cached
    }
    refusals {
        keys_that_cannot_be_used_are_refused
        durations_without_sense_are_refused
        a_lease_of_the_coordinators_is_cut_to_the_ttl
        a_fingerprint_that_is_no_json_is_refused
        a_fingerprint_of_a_long_integer_is_one
        a_refused_call_asks_nobody
    }
    attribute {
        functions_run_once_for_each_key
        functions_that_return_futures_run_once
        methods_run_once_for_each_key
        without_a_coordinator_a_call_says_what_to_do
        a_key_that_cannot_be_used_is_refused
        in_progress_says_whether_to_wait
        fingerprints_compare_the_arguments_that_they_name
        a_fingerprint_of_all_arguments_leaves_out_the_key
        errors_are_remembered_when_asked_to
        an_error_of_a_lock_inside_is_not_remembered
        the_context_is_that_of_the_call
        stacked_attributes_run_in_the_order_written
        a_call_that_is_not_polled_runs_nothing
    }
    telemetry {
        counters_and_histograms_tell_every_outcome
        a_call_is_a_span_with_template_and_outcome
        a_replay_names_who_executed
        a_replay_finds_who_executed_without_a_context
        no_rendered_key_gets_into_spans_and_events
    }
}

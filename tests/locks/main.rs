//! Locks as their users see them: each case over every store.

mod accounting;
mod attribute;
mod believing;
mod bodies;
mod cancelling;
mod elections;
mod exclusion;
mod exporting;
mod installing;
mod keeping;
mod queueing;
mod refusals;
mod runtimes;
mod several;
mod sharing;
mod shutting_down;
mod store_times;
mod telemetry;
mod urls;

use attribute::{options, shapes};
use coord_tests::{fleet, recording};

coord_tests::over_every_store! {
    exclusion {
        only_one_holds_at_a_time
        an_attempt_at_a_held_lock_gets_nothing_and_leaves_nothing
        a_wait_of_zero_tries_once
        a_dropped_lease_goes_to_the_next
        a_released_lease_is_free_when_release_returns
        the_release_of_a_lease_that_has_gone_says_so_and_harms_nobody
        tokens_grow_from_holder_to_holder
        tokens_grow_in_the_order_of_a_queue
        keys_and_kinds_do_not_touch_each_other
        namespaces_isolate
        any_text_is_a_key_of_its_own
    }
    queueing {
        grants_come_in_the_order_of_arrival_across_processes
        those_who_give_up_are_skipped
        a_wait_that_runs_out_leaves_no_place
        a_lock_that_comes_free_within_the_wait_is_got
        a_place_is_kept_for_longer_than_it_lasts
        a_lease_that_was_handed_over_lasts_as_long_as_any
        a_lost_wake_up_delays_a_waiter_and_no_more
        an_expired_holder_is_followed_by_the_first_in_line
    }
    several {
        all_are_held_together_and_given_back_together
        an_attempt_that_finds_one_taken_takes_none
        a_wait_that_runs_out_gives_up_all
        opposite_orders_do_not_deadlock
        overlapping_sets_exclude_each_other
        a_key_given_twice_is_locked_once
        each_key_has_its_token
        losing_one_is_losing_all
        no_key_at_all_is_refused
        one_bad_key_refuses_all
    }
    sharing {
        readers_hold_together
        a_writer_holds_alone
        readers_who_keep_coming_do_not_starve_a_writer
        writers_who_keep_coming_do_not_starve_readers
        a_lock_is_the_writers_side_of_its_key
        no_more_than_the_capacity_hold
        permits_add_up
        light_ones_do_not_starve_a_heavy_one
        while_versions_disagree_the_smaller_capacity_counts
        permits_that_can_never_be_had_are_refused
    }
    elections {
        one_leads_and_all_see_who
        candidates_are_elected_in_the_order_in_which_they_stood
        a_candidate_that_withdraws_is_not_elected
        observers_see_each_leader
        a_dropped_leadership_ends
        a_leader_that_the_store_has_lost_learns_of_it
    }
    bodies {
        a_body_runs_under_the_lease_and_gives_it_back
        a_body_that_fails_gives_the_lease_back
        a_body_that_panics_gives_the_lease_back
        a_call_that_is_dropped_drops_its_body_and_gives_the_lease_back
        a_body_is_dropped_when_its_lease_is_lost
        a_body_that_outlives_a_lease_without_renewal_is_dropped
        a_body_that_ends_after_its_lease_does_not_succeed
        locking_again_inside_would_deadlock_and_says_so
        a_deadlock_is_found_through_other_functions_and_other_locks
        a_deadlock_is_found_in_semaphores_and_elections
        an_attempt_inside_the_own_body_gets_nothing
        a_spawned_task_queues_as_others_do
        what_a_body_spawned_in_its_context_may_lock_when_it_has_ended
        what_a_dropped_body_spawned_in_its_context_may_lock
        a_context_from_an_outer_body_does_not_hide_the_inner_one
        a_body_knows_its_key_and_keeps_its_correlation
    }
    keeping {
        renewal_keeps_a_lease_for_many_ttls
        without_renewal_a_lease_ends_after_its_ttl
        without_renewal_a_lease_lasts_its_ttl_even_if_it_was_queued_for
        a_renewal_that_is_not_answered_does_not_hide_the_end
        a_holder_knows_of_the_end_before_the_next_one_begins
        a_holder_that_had_to_ask_often_knows_of_the_end_in_time
        a_request_that_arrives_after_it_was_given_up_gets_nothing
        a_lease_that_the_store_has_lost_is_lost
        everybody_who_asks_learns_of_a_loss
        renewals_that_fail_now_and_then_lose_nothing
        a_request_that_is_cut_is_made_again_and_enters_once
        a_store_that_stays_away_is_told_of
        at_least_keeps_a_lease_after_its_release
        at_least_keeps_a_lease_after_a_drop_and_after_a_body
        at_least_may_be_longer_than_the_ttl
        at_least_does_not_prolong_what_took_longer
        a_label_is_shown_to_those_who_look
    }
    cancelling {
        an_acquisition_that_is_dropped_leaves_nothing
        an_attempt_that_is_dropped_leaves_nothing
        a_call_with_a_body_that_is_dropped_leaves_nothing
        a_release_that_is_dropped_is_made_all_the_same
        a_waiter_that_is_dropped_leaves_no_place
        one_of_several_locks_that_is_dropped_leaves_none
        a_call_that_is_dropped_while_the_store_is_at_work_leaves_nothing
        a_waiter_that_goes_as_it_is_served_passes_the_lease_on
        no_task_stays_behind
    }
    shutting_down {
        what_is_held_is_released
        what_is_to_be_held_at_least_for_a_time_stays
        bodies_see_their_lease_lost
        those_who_wait_are_turned_away_and_leave_the_line
        later_calls_are_refused
        a_second_shutdown_is_harmless
        a_call_under_way_leaves_nothing
        other_coordinators_go_on
        the_innermost_scope_is_the_current_one
    }
    refusals {
        durations_without_sense_are_refused
        the_defaults_of_a_coordinator_are_checked_too
        any_wait_is_accepted
        the_smallest_and_largest_ttl_are_accepted
        keys_that_cannot_be_used_are_refused
        an_empty_part_of_a_key_is_refused
    }
    options {
        a_call_holds_the_lock_of_its_key_and_gives_it_back
        without_a_coordinator_a_call_says_what_to_do
        wait_says_how_long_to_queue
        ttl_and_renew_say_how_long_it_is_held
        shared_calls_run_together_and_without_exclusive_ones
        permits_say_how_many_run_at_once
        several_keys_are_held_together
        skip_with_at_least_runs_once_in_a_while
        lease_is_that_of_the_call
        coord_names_the_coordinator
        a_call_inside_its_own_body_would_deadlock_and_says_so
        a_key_that_cannot_be_used_is_refused
    }
    shapes {
        functions_hold_their_lock
        functions_that_return_futures_hold_their_lock
        methods_hold_their_lock
        errors_of_the_body_and_of_the_lock_come_as_the_functions_own
        a_call_that_is_not_polled_locks_nothing
    }
    telemetry {
        counters_and_histograms_tell_every_outcome
        histograms_are_in_seconds
        a_lock_is_a_span_with_template_outcome_wait_and_hold
        the_span_of_a_body_without_a_context_has_its_correlation_id
        no_rendered_key_gets_into_spans_and_events
        a_body_runs_inside_the_span
        an_acquisition_that_is_dropped_is_a_span_that_says_so
    }
    accounting {
        each_acquisition_ends_in_one_of_four_ways
    }
}

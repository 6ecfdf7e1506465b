//! Sagas as their users see them: each case over every store; and over those that processes share, while these fail.

mod changing;
mod closures;
mod costing;
mod crashing;
mod declared;
mod diagrams;
mod enduring;
mod everywhere;
mod expiring;
mod giving_up;
mod groups;
mod hurrying;
mod inputs;
mod inspecting;
mod leaving;
mod nesting;
mod processes;
mod recovering;
mod running;
mod services;
mod shop;
mod snapshots;
mod staying;
mod stopping;
mod storm;
mod telemetry;
mod turning_back;
mod waiting;

#[path = "../workers/order.rs"]
mod order;

coord_tests::over_every_store! {
    running {
        steps_run_in_order_and_give_their_outputs
        a_saga_that_has_ended_is_not_run_again
        a_saga_that_runs_is_joined
        another_input_under_the_same_key_is_an_error
        a_failed_step_is_retried_and_keeps_its_key
        a_failure_undoes_what_was_done_in_reverse
        a_step_of_unknown_outcome_is_undone_if_its_compensation_can
        a_step_that_panics_has_failed
        a_step_that_takes_too_long_has_failed
        an_output_that_is_too_large_is_a_failure
        what_is_done_and_cannot_be_undone_for_want_of_its_output_is_stuck
        a_pivot_whose_output_is_too_large_is_passed
        a_missing_dependency_is_named
        a_compensation_that_fails_for_good_is_stuck
        behind_the_pivot_a_failure_is_stuck
        a_cancelled_saga_is_undone
        a_dropped_run_goes_on
        a_saga_of_a_dead_process_is_recovered
        a_saga_of_a_dead_process_is_taken_over_by_a_start
        a_store_that_is_away_for_a_minute_is_waited_for
        shutting_down_leaves_the_saga_to_others
        nothing_is_left_behind_by_a_saga_that_ended_just_before_the_shutdown
        each_step_costs_one_round_trip_and_the_saga_three
        a_long_saga_is_recovered_in_few_round_trips
    }
    closures {
        steps_run_once_however_often_the_saga_is_run
        a_spawned_saga_runs
        a_failure_undoes_what_was_done_in_reverse_by_running_the_body
        a_body_that_deals_with_a_failure_goes_on
        a_dropped_saga_is_gone_on_with_elsewhere
        a_saga_whose_call_is_dropped_as_it_becomes_its_own_is_run_elsewhere
        two_calls_take_turns
        other_steps_than_those_stored_are_refused_by_name
        two_steps_of_one_name_are_refused
        a_step_without_a_name_is_refused
        a_compensation_that_fails_for_good_is_stuck_and_resumed
        steps_of_closures_cost_one_round_trip_each_and_the_saga_three
        a_saga_inside_of_a_lock_knows_the_lock
        answers_that_are_lost_run_no_step_twice
        a_step_that_the_body_gives_up_has_failed_and_what_was_done_is_undone
        a_saga_is_not_completed_by_a_body_that_gives_up_its_last_step
        a_compensation_that_the_body_gives_up_is_tried_again_and_stuck_in_the_end
        the_log_is_to_disappear_before_a_call_returns
        the_log_of_a_call_that_is_dropped_at_its_end_is_to_disappear
    }
    crashing {
        a_saga_survives_a_crash_at_every_operation
        a_saga_that_fails_survives_a_crash_at_every_operation
        a_saga_of_closures_survives_a_crash_at_every_operation
        a_saga_survives_the_loss_of_every_answer
    }
    telemetry {
        counters_and_histograms_tell_every_outcome
        a_saga_is_one_trace_with_a_span_for_each_attempt
        a_recovered_saga_has_its_correlation_id_back
        a_saga_of_closures_has_its_correlation_id_back
        no_rendered_key_gets_into_spans_and_events
    }
    groups {
        neighbours_that_are_parallel_run_side_by_side
        a_crash_within_a_group_repeats_what_was_under_way_alone
        a_failure_in_a_group_waits_for_its_neighbours_and_undoes_them
        one_items_failure_undoes_the_other_items_in_reverse
        a_crash_between_items_repeats_the_one_that_was_under_way
        a_step_that_is_left_out_is_none_to_later_steps_and_not_undone
        an_error_that_is_not_worth_a_retry_is_the_last
        groups_survive_a_crash_at_every_operation
        groups_that_fail_survive_a_crash_at_every_operation
    }
    hurrying {
        what_was_put_off_is_tried_when_somebody_wants_it
    }
    changing {
        code_with_other_steps_is_refused_with_the_difference
        code_that_goes_on_from_what_is_done_is_accepted
        a_step_that_was_left_out_is_not_asked_for_later
        recovery_leaves_a_saga_of_other_code_to_that_code
        code_with_fewer_items_than_were_begun_is_refused
        a_neighbour_that_was_cut_off_is_undone_though_it_is_none_any_more
        an_output_that_is_read_as_another_is_refused_and_left_to_its_own_code
        an_output_of_a_closure_that_is_read_as_another_is_refused_and_left_to_its_own_code
    }
    costing {
        every_step_costs_one_round_trip_and_a_saga_three_however_long_it_is
        what_is_asked_and_stored_grows_as_the_steps_do
        a_saga_of_three_steps_is_two_puts_and_two_appends
        undoing_a_step_costs_one_round_trip
    }
    leaving {
        what_is_done_before_a_condition_that_cannot_be_asked_is_not_done_again
    }
    recovering {
        a_recovery_that_comes_second_leaves_the_saga_to_the_first
        a_saga_whose_head_arrives_late_is_found
        a_saga_whose_takeover_arrives_late_is_found
    }
    nesting {
        a_lock_that_a_step_wants_is_not_waited_for_inside_of_it
        one_who_comes_when_the_step_queues_already_is_told_too
    }
    inspecting {
        sagas_are_listed_by_state_and_name_in_pages
        a_history_tells_each_event
        a_stuck_saga_is_resumed
        a_saga_that_is_unknown_here_is_resumed_elsewhere
        a_saga_that_is_being_resumed_stays_listed_for_those_who_look_meanwhile
        a_compensation_is_skipped_with_a_reason
        two_who_skip_at_once_skip_once
        a_skip_that_was_cut_off_is_finished_by_the_next_one
        a_step_is_not_skipped
        a_stuck_saga_is_abandoned
        a_running_saga_is_abandoned
    }
    turning_back {
        a_step_that_was_cut_off_is_made_again_before_a_cancelled_saga_is_undone
        a_pivot_that_was_cut_off_is_made_again_in_a_cancelled_saga_and_passed
        a_saga_that_is_cancelled_as_soon_as_it_is_started_is_undone
    }
}

/// The same for what needs processes of its own, which share no memory.
macro_rules! over_every_shared_store {
    ($($subject:ident { $($case:ident)* })*) => {
        mod processes_on_redis {
            $(mod $subject { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$subject::$case(coord_tests::fleet::Fleet::on_redis().await).await;
                }
            )* })*
        }

        mod processes_on_sqlite {
            $(mod $subject { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$subject::$case(coord_tests::fleet::Fleet::on_sqlite().await).await;
                }
            )* })*
        }
    };
}

over_every_shared_store! {
    processes {
        a_saga_orphaned_by_a_kill_is_resumed_within_one_ttl
        a_process_that_was_paused_appends_nothing_after_the_takeover
        those_who_wait_elsewhere_get_the_end_when_its_process_dies
    }
    storm {
        every_order_is_completed_or_undone_while_processes_are_killed_and_paused
    }
}

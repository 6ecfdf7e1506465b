//! The list of cases, and the tests that are made of it.

/// Hands the cases, by subject, to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_conformance_cases {
    ($then:path $(, $context:tt)*) => {
        $then! {
            $($context)*
            records {
                an_absent_record_is_none
                a_stored_value_is_read_back_with_its_version
                an_empty_value_is_not_absence
                any_byte_survives_in_a_value
                any_text_survives_in_a_key
                keys_do_not_touch_each_other
                a_record_a_lease_and_a_log_of_one_name_are_apart
                a_put_if_absent_conflicts_with_what_is_there_and_carries_it
                a_conflict_leaves_value_version_and_expiry_alone
                a_condition_on_what_is_missing_conflicts_with_nothing
                a_put_if_version_replaces_that_version_only
                a_put_if_value_compares_the_whole_value
                an_unconditional_put_replaces_value_version_and_ttl
                a_delete_says_whether_there_was_anything
                a_conditional_delete_spares_what_does_not_match
                a_deleted_record_conflicts_with_nothing
                a_version_does_not_come_again_with_the_same_value
                a_version_from_before_a_deletion_is_stale
                a_version_says_nothing_about_another_key
            }
            puts_after {
                a_put_after_another_stores_both
                after_a_put_that_conflicts_nothing_is_stored
                a_put_after_another_that_conflicts_leaves_the_first
                a_put_after_another_sees_it
                puts_one_after_the_other_that_are_sent_again_spare_what_came_since
                of_many_that_put_after_another_one_is_done
                of_puts_one_after_the_other_both_are_within_the_limits
            }
            scans {
                a_scan_finds_records_that_are_not_listed
                a_scan_of_nothing_ends
                what_a_scan_begins_with_is_no_pattern
                a_scan_finds_what_is_held_and_waited_for
                what_is_gone_shows_as_gone_behind_its_name
                a_store_tells_of_itself
            }
            listing {
                an_empty_listing_ends_at_once
                a_listing_is_in_the_order_of_the_bytes
                a_listing_goes_page_by_page_without_gaps_or_repeats
                a_listing_stays_within_its_prefix
                a_prefix_is_text_and_no_pattern
                a_listing_carries_what_is_stored_now
                a_refused_put_is_not_listed
                a_deleted_record_leaves_the_listing
                an_expired_record_leaves_the_listing
                a_page_goes_on_behind_a_key_that_is_gone
            }
            leases_exclusive {
                a_free_lease_is_granted_at_once
                a_held_lease_is_busy_for_one_who_does_not_queue
                a_held_lease_makes_one_who_queues_wait
                a_holder_who_asks_again_still_holds
                a_release_frees
                a_release_by_a_stranger_changes_nothing
                a_release_at_one_resource_leaves_the_same_owner_at_others
                resources_do_not_touch_each_other
                a_stranger_renews_nothing
                a_renewal_after_the_release_finds_it_gone
                a_renewal_tells_who_holds_and_who_waits
                a_renewal_sets_the_deadline_from_now
                renewals_are_answered_in_their_order
                a_batch_of_no_renewals_has_no_answers
                a_large_batch_of_renewals_is_answered_whole
                a_line_that_nobody_is_in_is_empty
                an_inspection_shows_everybody_in_order
                a_lease_alone_is_shown_as_it_is
                a_label_is_never_taken_for_anything_else
            }
            leases_shared {
                a_semaphore_grants_up_to_its_capacity
                weights_add_up
                the_greatest_weights_do_not_overflow
                readers_share_and_a_writer_waits_for_all_of_them
                a_reader_does_not_overtake_a_waiting_writer
                a_writer_that_leaves_lets_all_readers_in_up_to_the_next_writer
                a_light_contender_does_not_overtake_a_heavy_one
                an_attempt_does_not_overtake_those_who_wait
                a_heavy_waiter_that_gives_up_lets_the_light_ones_in
                a_smaller_capacity_holds_new_grants_back
                a_smaller_capacity_takes_nothing_back
                a_smaller_capacity_ends_with_the_last_who_named_it
                a_waiter_with_a_smaller_capacity_that_leaves_lets_those_behind_in
                an_attempt_with_a_smaller_capacity_leaves_none_of_it_behind
                one_heavier_than_the_capacity_in_force_is_granted_alone
            }
            line {
                grants_follow_the_order_of_arrival
                a_release_hands_over_without_asking_the_next
                one_who_waits_and_asks_again_keeps_the_place
                a_try_leaves_no_place_in_the_line
                one_who_was_turned_away_had_nothing_to_release
                a_waiter_that_leaves_is_skipped
                a_waiter_that_stops_renewing_is_skipped
                many_dead_waiters_are_skipped_at_once
                a_dead_waiter_holds_back_nobody_who_fits
                a_waiter_that_renews_outlives_its_first_deadline
                a_place_in_line_lasts_as_long_as_its_own_ttl
                one_who_is_granted_at_once_has_the_full_ttl
                a_hand_off_keeps_the_waiting_deadline_and_a_renewal_extends_it
                a_waiter_that_died_with_the_lease_in_hand_costs_its_waiting_deadline_only
                a_dead_holder_is_followed_by_the_next
                the_next_in_line_is_told_when_to_look_again
                a_line_that_emptied_starts_anew
            }
            tokens {
                tokens_increase_from_grant_to_grant
                tokens_increase_across_expiry
                tokens_increase_when_the_client_starts_anew
                tokens_are_in_the_order_of_arrival
                a_grant_has_the_token_that_the_waiter_was_promised
                a_renewal_keeps_the_token
                a_token_is_at_least_the_floor_and_so_are_those_that_follow
                a_floor_that_is_passed_already_changes_nothing
                a_waiter_gets_the_floor_as_well
                a_holder_raises_its_token_by_asking_again_with_a_floor
                a_raised_token_ranks_below_the_grants_that_follow
                a_floor_at_one_resource_leaves_another_in_order
            }
            logs {
                an_absent_log_is_empty
                an_append_at_the_expected_length_extends
                an_append_at_another_length_conflicts_and_tells_it
                a_refused_append_does_not_make_a_log
                the_same_entry_twice_is_two_entries
                any_byte_survives_in_an_entry
                entries_are_read_from_any_index_up_to_a_limit
                a_long_log_is_read_in_order
                logs_do_not_touch_each_other
                an_expired_log_is_gone_as_a_whole_and_starts_anew
                a_log_that_is_to_expire_stays_until_then
                an_entry_appended_to_an_expiring_log_goes_with_it
                expiring_a_log_again_sets_its_ttl_from_now
                expiring_a_log_that_is_absent_does_nothing
            }
            wake_ups {
                a_put_wakes_who_watches_the_record
                a_delete_wakes_who_watches_the_record
                a_put_that_watches_hears_of_what_comes_after_it
                a_put_that_watches_puts
                many_records_are_watched_one_after_another
                an_append_wakes_who_watches_the_log
                a_release_wakes_who_watches_the_resource
                a_change_between_the_watch_and_the_wait_is_not_missed
                everybody_who_watches_is_woken
                another_client_is_woken
                a_waiter_at_another_client_is_woken
                a_release_wakes_the_next_in_line
                one_release_wakes_all_whom_it_grants
                a_waiter_that_leaves_wakes_whom_it_held_back
                one_who_asks_again_is_woken_by_the_new_watch
                a_new_watch_outlives_the_one_that_it_replaces
                a_dead_holder_is_found_by_looking_when_told
                a_watch_that_was_dropped_harms_nobody
            }
            expiry_records {
                an_expired_record_is_not_read
                an_expired_record_conflicts_with_nothing
                an_expired_record_meets_no_condition
                an_expired_record_cannot_be_deleted
                a_version_from_before_an_expiry_is_stale
                a_put_without_a_ttl_outlives_the_one_before
                a_put_counts_its_ttl_from_now
                a_refused_put_does_not_extend_what_is_there
                the_time_that_is_left_goes_down_to_nothing
                nobody_sees_more_time_left_than_the_ttl
                a_record_without_a_ttl_stays
            }
            expiry_leases {
                an_expired_holder_is_not_shown
                an_expired_holder_is_gone_when_it_renews
                an_expired_holder_has_nothing_to_release
                an_expired_holder_keeps_nobody_out
                an_expired_holder_among_others_frees_its_part
                an_expired_waiter_is_not_shown
                an_expired_waiter_is_gone_when_it_renews
                an_expired_waiter_has_nothing_to_release
                an_expired_waiter_is_not_counted
                a_renewed_lease_outlives_its_first_ttl
                a_grant_that_is_found_by_asking_again_lasts_for_its_ttl
                a_renewed_lease_expires_with_its_last_ttl
                others_asking_do_not_keep_a_dead_holder_alive
                holder_and_waiters_dead_together_leave_a_free_resource
            }
            limits {
                the_largest_value_fits
                the_largest_log_entry_fits
                a_value_that_is_too_large_is_refused_and_changes_nothing
                the_longest_key_works_for_records
                the_longest_name_works_for_leases
                the_longest_name_works_for_logs
                a_key_that_is_too_long_or_empty_is_refused
                a_name_that_is_too_long_is_refused
                a_ttl_of_zero_or_beyond_the_largest_is_refused
                the_largest_ttl_is_kept
                a_ttl_below_the_smallest_is_rounded_up
                a_ttl_with_a_fraction_of_a_millisecond_is_accepted
                a_weight_that_never_fits_is_refused
                one_refused_renewal_spares_the_others
                a_label_that_is_too_large_is_refused
                an_error_names_its_operation_and_no_key
            }
            concurrency_records {
                of_many_puts_if_absent_one_is_done
                of_many_deletes_one_is_done
                no_update_is_lost
                one_order_of_writes_explains_all_answers
                of_many_appends_at_one_length_one_is_done
                puts_at_the_same_time_are_answered_each_by_its_own_record
                appends_at_the_same_time_are_answered_each_by_its_own_log
                writers_of_one_log_lose_and_repeat_nothing
            }
            concurrency_leases {
                one_at_a_time_is_inside_and_everybody_gets_in
                of_many_attempts_one_gets_in
                attempts_among_those_who_queue_keep_one_inside
                a_capacity_is_never_exceeded_and_is_used
                readers_and_writers_never_meet
                a_rolling_change_of_capacity_exceeds_neither
                waiters_that_leave_in_between_block_nobody
                many_resources_do_not_wait_for_each_other
                requests_at_the_same_time_are_answered_each_by_its_own_line
            }
            replays_records {
                a_put_cut_before_it_is_sent_is_not_done_and_can_be_sent_again
                a_put_that_never_arrives_is_done_when_sent_again
                a_put_whose_reply_is_lost_answers_the_same_again
                a_put_sent_again_spares_what_another_writer_has_put_since
                a_put_sent_again_does_not_bring_back_what_was_deleted_since
                a_put_sent_again_spares_what_was_deleted_and_put_anew_since
                a_put_is_recognised_after_eight_other_writes
                a_copy_of_a_put_that_arrives_late_changes_nothing
                a_put_that_conflicted_is_not_taken_for_done
                a_put_with_the_same_content_is_another_put
                a_delete_cut_before_it_is_sent_is_not_done_and_can_be_sent_again
                a_delete_whose_reply_is_lost_answers_the_same_again
                a_delete_sent_again_spares_what_was_put_since
                a_delete_is_recognised_after_eight_other_writes
                a_copy_of_a_delete_that_arrives_late_changes_nothing
                a_put_sent_again_leaves_the_ttl_of_another_alone
            }
            replays_logs {
                an_append_cut_before_it_is_sent_is_not_done_and_can_be_sent_again
                an_append_whose_reply_is_lost_is_there_once
                an_append_that_lost_the_race_conflicts_however_often_it_is_sent
                an_append_is_recognised_after_others_went_on
                a_copy_of_an_append_that_arrives_late_changes_nothing
                an_expiry_whose_reply_is_lost_can_be_asked_for_again
            }
            replays_leases {
                an_acquire_cut_before_it_is_sent_is_not_done_and_can_be_sent_again
                an_acquire_whose_reply_is_lost_is_granted_once
                a_place_in_line_whose_reply_is_lost_is_taken_once
                an_attempt_whose_reply_is_lost_is_granted_by_asking_again
                a_grant_whose_reply_is_lost_can_be_given_back_unseen
                one_who_was_released_never_gets_in_again
                an_acquire_that_arrives_after_its_release_never_gets_in
                a_waiter_that_left_does_not_come_back_late
                a_late_acquire_is_turned_away_after_others_came_and_went
                a_renewal_whose_reply_is_lost_answers_the_same_again
                a_renewal_that_arrives_after_the_release_brings_nobody_back
                a_release_cut_before_it_is_sent_is_not_done_and_can_be_sent_again
                a_release_whose_reply_is_lost_answers_the_same_again
                a_release_by_a_waiter_sent_again_answers_the_same
                a_release_sent_again_spares_who_came_since
                a_copy_of_a_release_that_arrives_late_spares_who_came_since
                a_release_sent_twice_at_a_time_answers_the_same
                a_release_by_one_who_never_entered_answers_the_same_again
                a_release_that_is_sent_at_last_hands_over
            }
            cancellation {
                a_dropped_put_is_done_or_not_done
                a_dropped_delete_is_done_or_not_done
                a_dropped_append_is_done_or_not_done
                a_dropped_acquire_leaves_nobody_behind_once_released
                a_dropped_place_in_line_is_left_by_releasing
                a_dropped_acquire_can_be_sent_again
                a_dropped_renewal_keeps_the_lease
                a_dropped_release_is_finished_by_sending_it_again
                a_dropped_release_that_is_never_sent_again_blocks_nobody_for_long
                a_dropped_expiry_can_be_asked_for_again
                a_grant_whose_future_is_dropped_at_the_reply_is_given_back
                a_wait_that_is_dropped_loses_no_wake_up
                a_watch_that_is_dropped_while_it_starts_leaves_the_next_one_awake
                dropped_operations_leave_the_store_usable
            }
        }
    };
}

/// Makes one test of each case of the conformance suite, named after the case.
///
/// The argument is an expression that makes a store, or connects to one; it may await. Attributes in front
/// of it replace `#[tokio::test]`. The tests stand in modules by subject, so the macro wants a module of its
/// own, and the crate that calls it needs `tokio` with its `macros` and `rt` features.
///
/// ```
/// mod in_memory {
///     coord::testing::store_conformance_tests! {
///         #[tokio::test(start_paused = true)]
///         coord::store::MemoryStore::new()
///     }
/// }
/// ```
#[macro_export]
macro_rules! store_conformance_tests {
    ($(#[$attribute:meta])+ $make:expr) => {
        async fn store_for_conformance() -> impl $crate::store::Store {
            $make
        }
        $crate::__store_conformance_cases!($crate::__store_conformance_modules, { $(#[$attribute])+ });
    };
    ($make:expr) => {
        $crate::store_conformance_tests!(#[tokio::test] $make);
    };
}

/// One module per subject, with one test per case.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_conformance_modules {
    ($attributes:tt $($subject:ident { $($case:ident)* })*) => {
        $(mod $subject {
            $($crate::__store_conformance_test!($attributes $subject $case);)*
        })*
    };
}

/// The test of one case.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_conformance_test {
    ({ $(#[$attribute:meta])+ } $subject:ident $case:ident) => {
        $(#[$attribute])+
        async fn $case() {
            let name = concat!(stringify!($subject), "::", stringify!($case));
            $crate::testing::store_conformance_case(name, super::store_for_conformance).await;
        }
    };
}

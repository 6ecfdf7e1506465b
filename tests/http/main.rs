//! `IdempotencyLayer` in an axum server on a real socket, asked by a real client: each case over every store.

mod answers;
mod bodies;
mod clients;
mod contexts;
mod failures;
mod keys;
mod progress;
mod server;
mod tower_services;

/// Makes a test of each case and each store. A further store is a further module here.
macro_rules! over_every_store {
    ($($subject:ident { $($case:ident)* })*) => {
        mod memory {
            $(mod $subject { $(
                #[tokio::test]
                async fn $case() {
                    crate::$subject::$case(&coord_tests::fleet::Fleet::on_memory()).await;
                }
            )* })*
        }

        mod redis {
            $(mod $subject { $(
                #[tokio::test]
                async fn $case() {
                    crate::$subject::$case(&coord_tests::fleet::Fleet::on_redis().await).await;
                }
            )* })*
        }
    };
}

over_every_store! {
    keys {
        a_malformed_key_is_refused
        a_well_formed_key_is_accepted
        unquoted_keys_are_accepted_when_asked_for
        a_missing_key_is_refused_where_it_is_required
        without_a_key_requests_are_not_guarded
        only_the_methods_asked_for_are_guarded
        the_same_key_of_another_caller_is_another_key
        another_request_with_the_key_is_refused
    }
    answers {
        a_repeated_request_gets_the_first_answer_in_every_process
        an_answer_without_a_body_is_replayed
        cookies_and_headers_of_the_connection_are_never_stored
        only_results_are_stored
        which_statuses_are_results_can_be_chosen
        a_handler_knows_its_call
        spans_and_problems_tell_the_label_and_not_the_key
    }
    bodies {
        a_request_that_is_too_large_is_refused
        an_answer_that_is_too_large_reaches_its_client_and_is_not_made_again
        an_answer_that_no_store_keeps_is_not_made_again
        the_largest_answer_is_replayed
        a_request_that_breaks_off_runs_nothing
        an_answer_that_breaks_off_is_no_result
    }
    progress {
        a_request_in_progress_is_refused_with_the_rest_of_its_lease
        a_request_in_progress_is_waited_for_when_asked_to
        many_duplicates_run_the_handler_once
        a_dead_process_is_followed_after_its_lease
    }
    clients {
        a_handler_goes_on_when_its_client_hangs_up
        a_client_that_hangs_up_while_it_waits_runs_nothing
        handlers_without_clients_can_be_waited_for
        shutting_down_ends_handlers
    }
    failures {
        a_store_that_fails_runs_nothing
        a_store_that_fails_afterwards_does_not_tell_a_result
        a_handler_that_panics_is_run_again
        a_layer_within_itself_is_an_error
        settings_without_sense_are_an_error
    }
}

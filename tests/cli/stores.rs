//! Which cases run on which stores.

use coord_tests::{shared_postgres, shared_zookeeper};

use crate::commands::Place;

macro_rules! cases {
    ($($subject:ident { $($case:ident)* })*) => {
        mod sqlite { $(mod $subject { $(
            #[tokio::test]
            async fn $case() {
                crate::$subject::$case(&crate::commands::Place::on_sqlite()).await;
            }
        )* })* }

        mod redis { $(mod $subject { $(
            #[tokio::test]
            async fn $case() {
                crate::$subject::$case(&crate::commands::Place::on_redis().await).await;
            }
        )* })* }
    };
}

cases! {
    locks {
        what_is_held_and_who_waits_is_listed
        locks_are_chosen_by_kind_and_prefix
        odd_keys_are_shown_harmless
    }
    lock_command {
        the_exit_code_is_that_of_the_command
        the_command_is_told_its_token_and_key
        a_lock_that_is_held_elsewhere_is_skipped
        waiting_ends
        one_who_waits_gets_its_turn
        readers_run_together_and_writers_alone
        permits_are_counted
        at_least_outlasts_the_command
        at_least_is_not_for_a_command_that_cannot_start
        signals_reach_the_command
        a_signal_while_waiting_leaves_the_line
        a_lost_lock_ends_the_command
        a_command_that_does_not_end_is_killed
        the_lock_is_kept_until_all_that_was_started_has_ended
        a_lost_lock_ends_what_the_command_has_started
        what_the_command_leaves_behind_is_killed
    }
    idempotency {
        records_are_listed_shown_and_forgotten
        a_running_call_is_shown_as_running
        what_is_not_there_or_not_readable_is_said
    }
    sagas {
        sagas_are_listed_and_shown
        a_stuck_saga_is_resumed_by_a_process_of_the_service
        a_stuck_saga_of_closures_goes_on_with_its_next_call
        a_saga_that_waits_for_its_next_attempt_makes_it_when_it_is_retried
        a_stuck_saga_is_skipped
        a_stuck_saga_is_abandoned
        a_saga_is_watched_to_its_end
        only_what_is_stuck_is_set_right
    }
    looks {
        a_doctor_looks_at_the_store
        a_bench_measures
    }
}

/// A look at everything, on stores that the rest does not run on.
async fn smoke(place: &Place) {
    crate::locks::what_is_held_and_who_waits_is_listed(place).await;
    crate::idempotency::records_are_listed_shown_and_forgotten(place).await;
    crate::lock_command::the_command_is_told_its_token_and_key(place).await;
    crate::sagas::sagas_are_listed_and_shown(place).await;
    crate::looks::a_doctor_looks_at_the_store(place).await;
    crate::looks::a_bench_measures(place).await;
}

#[tokio::test]
async fn everything_works_on_postgres() {
    smoke(&Place::at(shared_postgres().await)).await;
}

#[tokio::test]
async fn everything_works_on_zookeeper() {
    smoke(&Place::at(shared_zookeeper().await)).await;
}

//! Calls that are dropped at any await point leave no running record and no task.

use std::time::Duration;

use coord::testing::Operation;
use coord::{Error, Outcome};
use coord_tests::fleet::{Fleet, LONG};
use coord_tests::{PATIENCE, dropped_after};

use crate::records::{KEY, Runs, pays, stands_in_its_body, until_not_running};

pub(crate) async fn a_call_that_is_dropped_leaves_nothing_running(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    for polls in 0..1000 {
        let key = format!("a{polls}");
        let ends = Runs::default();
        let call = one.idempotency(&*key).lease(LONG).run(async || {
            tokio::task::yield_now().await;
            ends.begin();
            Ok::<u64, Error>(7)
        });
        let done = dropped_after(polls, call).await.is_some();
        let is_stored = until_not_running(fleet, &key).await;
        // A body that got to its end has its result, whether or not its caller stayed for that.
        assert_eq!(is_stored, ends.count() == 1, "after {polls} polls");
        let next = other.idempotency(&*key).reject();
        let next = next.outcome(async || Ok::<u64, Error>(8)).await.unwrap();
        let expected = if is_stored {
            Outcome::Replayed(7)
        } else {
            Outcome::Executed(8)
        };
        assert_eq!(next, expected, "after {polls} polls");
        if done {
            assert!(polls > 0);
            return;
        }
    }
    panic!("it never gets done");
}

/// The body ends as soon as the waiter watches, so that all of the waiter's way is covered.
pub(crate) async fn a_waiter_that_is_dropped_leaves_nothing(fleet: &Fleet) {
    let one = fleet.process().await;
    for polls in 0..1000 {
        let (store, coord) = fleet.faulty().await;
        let key = format!("a{polls}");
        let (door, first) = stands_in_its_body(one.idempotency(&*key).lease(LONG), 7).await;
        let ends = async {
            coord_tests::until("the waiter to watch", async || {
                (store.count(Operation::Watch) > 0).then_some(())
            })
            .await;
            door.open();
            std::future::pending::<()>().await;
        };
        let waiter = dropped_after(polls, async {
            coord
                .idempotency(&*key)
                .outcome(async || Ok::<u64, Error>(8))
                .await
        });
        let done = tokio::select! {
            biased;
            done = waiter => done,
            () = ends => None,
        };
        door.open();
        assert_eq!(first.await.unwrap().unwrap(), Outcome::Executed(7));
        if let Some(waited) = done {
            assert_eq!(waited.unwrap(), Outcome::Replayed(7));
            return;
        }
    }
    panic!("it never gets done");
}

/// The caller goes while its result is on the way, or is there and not confirmed.
pub(crate) async fn a_result_whose_caller_has_gone_is_stored(fleet: &Fleet) {
    for (key, reply) in [("request", false), ("reply", true)] {
        let other = fleet.process().await;
        let (store, coord) = fleet.faulty().await;
        let (door, call) = stands_in_its_body(coord.idempotency(key).lease(LONG), 7).await;
        let held = if reply {
            store.hold_reply(Operation::Put)
        } else {
            store.hold(Operation::Put)
        };
        door.open();
        held.reached().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        held.release();
        assert!(until_not_running(fleet, key).await);
        let next = other.idempotency(key).outcome(async || Ok::<u64, Error>(8));
        assert_eq!(next.await.unwrap(), Outcome::Replayed(7));
    }
}

pub(crate) async fn a_failed_body_whose_caller_has_gone_is_released(fleet: &Fleet) {
    let other = fleet.process().await;
    let (store, coord) = fleet.faulty().await;
    let held = store.hold(Operation::Delete);
    let call = tokio::spawn(async move {
        let call = coord.idempotency(KEY).lease(LONG);
        call.run(async || Err::<u64, _>(Error::ShutDown)).await
    });
    held.reached().await;
    call.abort();
    held.release();
    assert!(!until_not_running(fleet, KEY).await);
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Executed(8));
}

/// The background task ends when there is nothing left to do.
pub(crate) async fn no_task_stays_behind(fleet: &Fleet) {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let coord = fleet.process().await;
    fleet.warm_up(&coord).await;
    let before = tasks();
    let (_door, first) = stands_in_its_body(coord.idempotency(KEY), 7).await;
    let waiter = tokio::spawn({
        let coord = coord.clone();
        async move { pays(&coord, 8).await }
    });
    tokio::task::yield_now().await;
    waiter.abort();
    first.abort();
    let ended = async {
        while tasks() > before {
            // On a paused clock, this lets time pass.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("the background task to end");
}

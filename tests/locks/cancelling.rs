//! Calls that are dropped at any await point leave no lease, no place in line and no task.

use std::pin::pin;
use std::time::Duration;

use coord::testing::{FaultStore, Operation};
use coord::{Coordinator, Error, Lease};
use coord_tests::{PATIENCE, dropped_after, until};

use crate::fleet::{Fleet, LONG};

/// Drops what `call` makes after 0, 1, 2, ... polls, with a key for each, until it gets done.
async fn at_every_await<T>(
    fleet: &Fleet,
    call: impl AsyncFn(&str) -> T,
    after: impl AsyncFn(&str, &str),
) {
    for polls in 0..1000 {
        let key = format!("a{polls}");
        let done = dropped_after(polls, call(&key)).await.is_some();
        fleet.line("lock", &key).until(0, 0).await;
        after(&key, if done { "done" } else { "dropped" }).await;
        if done {
            assert!(polls > 0);
            return;
        }
    }
    panic!("it never gets done");
}

pub(crate) async fn an_acquisition_that_is_dropped_leaves_nothing(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let call = async |key: &str| one.lock(key).ttl(LONG).acquire().await.map(drop);
    at_every_await(fleet, call, async |key, _| {
        // What was dropped on its way may come only now, and has to leave again.
        let acquire = async || other.lock(key).try_acquire().await.unwrap();
        drop(until("the lock to be free", acquire).await);
    })
    .await;
}

pub(crate) async fn an_attempt_that_is_dropped_leaves_nothing(fleet: &Fleet) {
    let coord = fleet.process().await;
    let call = async |key: &str| coord.lock(key).ttl(LONG).try_acquire().await.map(drop);
    at_every_await(fleet, call, async |_, _| {}).await;
}

pub(crate) async fn a_call_with_a_body_that_is_dropped_leaves_nothing(fleet: &Fleet) {
    let coord = fleet.process().await;
    let call = async |key: &str| {
        let body = async |_: &Lease| {
            tokio::task::yield_now().await;
            Ok::<_, Error>(())
        };
        coord.lock(key).ttl(LONG).run(body).await
    };
    at_every_await(fleet, call, async |_, _| {}).await;
}

pub(crate) async fn a_release_that_is_dropped_is_made_all_the_same(fleet: &Fleet) {
    let coord = fleet.process().await;
    for polls in 0..1000 {
        let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
        let done = dropped_after(polls, lease.release()).await;
        fleet.line("lock", "a").until(0, 0).await;
        if let Some(released) = done {
            return released.unwrap();
        }
    }
    panic!("it never gets done");
}

/// The holder gives back as soon as the waiter is in line, so that all of the waiter's way is covered.
pub(crate) async fn a_waiter_that_is_dropped_leaves_no_place(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    for polls in 0..1000 {
        let key = format!("a{polls}");
        let holder = one.lock(&*key).ttl(LONG).acquire().await.unwrap();
        let line = fleet.line("lock", &key);
        let hands_over = async {
            line.until(1, 1).await;
            holder.release().await
        };
        let call = dropped_after(polls, other.lock(&*key).ttl(LONG).acquire());
        let done = {
            let (mut call, mut hands_over) = (pin!(call), pin!(hands_over));
            tokio::select! {
                biased;
                done = &mut call => done,
                released = &mut hands_over => {
                    released.unwrap();
                    call.await
                }
            }
        };
        let is_done = done.is_some();
        drop(done);
        // If the waiter was dropped first, the holder was dropped with what would have released it.
        line.until(0, 0).await;
        if is_done {
            return;
        }
    }
    panic!("it never gets done");
}

pub(crate) async fn one_of_several_locks_that_is_dropped_leaves_none(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    for (first, second) in [("a", "b"), ("b", "a")] {
        for polls in 0..1000 {
            let holder = one.lock("b").ttl(LONG).acquire().await.unwrap();
            let lines = [fleet.line("lock", "a"), fleet.line("lock", "b")];
            let hands_over = async {
                lines[1].until(1, 1).await;
                holder.release().await
            };
            let wanted = other.lock_all([first, second]).ttl(LONG);
            let done = {
                let (mut call, mut hands_over) = (
                    pin!(dropped_after(polls, wanted.acquire())),
                    pin!(hands_over),
                );
                tokio::select! {
                    biased;
                    done = &mut call => done,
                    released = &mut hands_over => {
                        released.unwrap();
                        call.await
                    }
                }
            };
            let is_done = done.is_some();
            drop(done);
            for line in &lines {
                line.until(0, 0).await;
            }
            if is_done {
                break;
            }
        }
    }
}

/// The request is on its way, or its reply is, when the caller goes.
pub(crate) async fn a_call_that_is_dropped_while_the_store_is_at_work_leaves_nothing(
    fleet: &Fleet,
) {
    let at_request = |store: &FaultStore, operation| store.hold(operation);
    let at_reply = |store: &FaultStore, operation| store.hold_reply(operation);
    for hold in [at_request as fn(&FaultStore, Operation) -> _, at_reply] {
        let (store, coord) = fleet.faulty().await;
        let held = hold(&store, Operation::Acquire);
        let call = tokio::spawn({
            let coord = coord.clone();
            async move { coord.lock("a").ttl(LONG).acquire().await }
        });
        held.reached().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        held.release();
        fleet.line("lock", "a").until(0, 0).await;

        let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
        let held = hold(&store, Operation::Release);
        let release = tokio::spawn(lease.release());
        held.reached().await;
        release.abort();
        held.release();
        fleet.line("lock", "a").until(0, 0).await;
    }
}

/// The hand-over has happened in the store, and the waiter goes before it hears of it.
pub(crate) async fn a_waiter_that_goes_as_it_is_served_passes_the_lease_on(fleet: &Fleet) {
    let line = fleet.line("lock", "a");
    let holder = fleet.process().await.lock("a").acquire().await.unwrap();
    let (store, deaf) = fleet.faulty().await;
    store.lose_wake_ups(true);
    let first = tokio::spawn(async move { deaf.lock("a").ttl(LONG).acquire().await });
    line.until(1, 1).await;
    let other = fleet.process().await;
    let second = tokio::spawn(async move { other.lock("a").acquire().await });
    line.until(1, 2).await;
    holder.release().await.unwrap();
    assert_eq!(line.counts().await, (1, 1));
    first.abort();
    assert!(second.await.unwrap().unwrap().is_held());
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
    let lease = coord.lock("a").acquire().await.unwrap();
    let waiter = waiting(&coord);
    fleet.line("lock", "a").until(1, 1).await;
    waiter.abort();
    fleet.line("lock", "a").until(1, 0).await;
    drop(lease);
    fleet.line("lock", "a").until(0, 0).await;
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

fn waiting(coord: &Coordinator) -> tokio::task::JoinHandle<Result<Lease, Error>> {
    let coord = coord.clone();
    tokio::spawn(async move { coord.lock("a").acquire().await })
}

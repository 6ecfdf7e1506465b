//! Programs with more than one runtime: one that ends, or that nobody drives, holds nobody up on the others.

use std::future::Future;

use coord::Coordinator;
use coord::testing::Operation;
use coord_tests::PATIENCE;
use coord_tests::fleet::{Fleet, LONG, SHORT};
use tokio::runtime::{Builder, Runtime};

/// Only drives its tasks while something is waited for on it.
fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.unwrap()
}

/// The lock is taken without a pause, so the task that keeps it has not had its first turn.
#[test]
fn a_runtime_that_ends_at_once_leaves_a_later_one_to_renew() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    runtime().block_on(async { drop(one.lock("short").acquire().await.unwrap()) });
    runtime().block_on(async {
        let lease = one.lock("a").ttl(SHORT).acquire().await.unwrap();
        fleet.let_pass(SHORT * 3).await;
        assert!(other.lock("a").try_acquire().await.unwrap().is_none());
        assert!(lease.is_held());
        in_time(one.shutdown()).await;
        assert!(!lease.is_held());
    });
}

#[test]
fn a_lease_is_renewed_on_the_runtime_that_asks_about_it() {
    let fleet = Fleet::on_memory();
    let (other, (store, one)) =
        runtime().block_on(async { (fleet.process().await, fleet.faulty().await) });
    // The first renewal goes down with its runtime.
    let lease = runtime().block_on(async {
        let held = store.hold(Operation::Renew);
        let lease = one.lock("a").ttl(SHORT * 3).acquire().await.unwrap();
        held.reached().await;
        lease
    });
    store.heal();
    runtime().block_on(async {
        assert!(lease.is_held());
        fleet.let_pass(SHORT * 9).await;
        assert!(other.lock("a").try_acquire().await.unwrap().is_none());
        assert!(lease.is_held());
    });
}

/// A runtime that stands still, on which the first lease of the coordinator was got.
fn stands_still_after(first: &Coordinator) -> Runtime {
    let still = runtime();
    still.block_on(async {
        first
            .lock("short")
            .acquire()
            .await
            .unwrap()
            .release()
            .await
            .unwrap();
    });
    still
}

#[test]
fn a_runtime_that_stands_still_loses_nothing_that_is_held_on_others() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let still = stands_still_after(&one);
    runtime().block_on(async {
        let lease = one.lock("a").ttl(SHORT).acquire().await.unwrap();
        fleet.let_pass(SHORT * 3).await;
        assert!(other.lock("a").try_acquire().await.unwrap().is_none());
        lease.release().await.unwrap();
    });
    drop(still);
}

#[test]
fn a_runtime_that_stands_still_leaves_those_who_wait_on_others_in_line() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let still = stands_still_after(&one);
    runtime().block_on(async {
        let holder = other.lock("a").ttl(LONG).acquire().await.unwrap();
        let waiter = tokio::spawn(async move { one.lock("a").ttl(SHORT).acquire().await });
        fleet.line("lock", "a").until(1, 1).await;
        fleet.let_pass(SHORT * 3).await;
        holder.release().await.unwrap();
        let lease = in_time(waiter).await.unwrap().unwrap();
        fleet.let_pass(SHORT * 3).await;
        assert!(other.lock("a").try_acquire().await.unwrap().is_none());
        lease.release().await.unwrap();
    });
    drop(still);
}

#[test]
fn a_lease_that_is_dropped_is_free_although_another_runtime_stands_still() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let still = stands_still_after(&one);
    runtime().block_on(async {
        drop(one.lock("a").ttl(LONG * 10).acquire().await.unwrap());
        assert!(in_time(other.lock("a").acquire()).await.unwrap().is_held());
    });
    drop(still);
}

/// It is dropped as the last thing before its runtime stands still, and something else is held on another.
#[test]
fn a_lease_that_is_dropped_on_a_runtime_that_stands_still_is_released_on_another() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let (still, driven) = (runtime(), runtime());
    let _held = driven.block_on(async { one.lock("b").acquire().await.unwrap() });
    still.block_on(async { drop(one.lock("a").ttl(LONG * 10).acquire().await.unwrap()) });
    driven.block_on(async {
        assert!(in_time(other.lock("a").acquire()).await.unwrap().is_held());
    });
    drop(still);
}

/// It is neither waited for nor asked about when the runtime goes where the first lease was got.
#[test]
fn a_lease_outlasts_the_runtime_of_an_earlier_one() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let first = stands_still_after(&one);
    runtime().block_on(async {
        let lease = one.lock("a").ttl(SHORT).acquire().await.unwrap();
        first.shutdown_background();
        fleet.let_pass(SHORT * 3).await;
        assert!(other.lock("a").try_acquire().await.unwrap().is_none());
        lease.release().await.unwrap();
    });
}

/// Nobody asks about it, and something else is held on the runtime that is left.
#[test]
fn a_lease_whose_runtime_ends_is_renewed_on_another() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let first = runtime();
    let lease = first.block_on(async { one.lock("a").ttl(SHORT * 3).acquire().await.unwrap() });
    runtime().block_on(async {
        let _other = one.lock("b").ttl(SHORT).acquire().await.unwrap();
        first.shutdown_background();
        fleet.let_pass(SHORT * 9).await;
        assert!(other.lock("a").try_acquire().await.unwrap().is_none());
        lease.release().await.unwrap();
    });
}

#[test]
fn a_lease_whose_runtime_stands_still_is_renewed_where_its_loss_is_waited_for() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let still = runtime();
    let lease = still.block_on(async { one.lock("a").ttl(SHORT * 3).acquire().await.unwrap() });
    runtime().block_on(async {
        let passed = async {
            fleet.let_pass(SHORT * 9).await;
            other.lock("a").try_acquire().await.unwrap()
        };
        tokio::select! {
            () = lease.lost() => panic!("it was lost"),
            free = passed => assert!(free.is_none()),
        }
    });
    drop(still);
}

#[test]
fn a_lease_whose_runtime_stands_still_is_lost_to_nobody_unseen() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let still = runtime();
    let lease = still.block_on(async { one.lock("a").ttl(SHORT).acquire().await.unwrap() });
    runtime().block_on(async {
        assert!(in_time(other.lock("a").acquire()).await.unwrap().is_held());
        assert!(!lease.is_held());
        in_time(lease.lost()).await;
    });
    drop(still);
}

#[test]
fn a_shutdown_releases_what_is_held_on_a_runtime_that_stands_still() {
    let fleet = Fleet::on_memory();
    let one = runtime().block_on(fleet.process());
    let still = runtime();
    let lease = still.block_on(async { one.lock("a").ttl(LONG).acquire().await.unwrap() });
    // It is to be released there, and never is.
    still.block_on(async { drop(one.lock("b").ttl(LONG).acquire().await.unwrap()) });
    runtime().block_on(async {
        in_time(one.shutdown()).await;
        for key in ["a", "b"] {
            assert_eq!(fleet.line("lock", key).counts().await, (0, 0), "{key}");
        }
        in_time(lease.lost()).await;
    });
    drop(still);
}

/// What it has begun cannot be done elsewhere.
#[test]
fn a_shutdown_does_not_wait_for_ever_for_a_runtime_that_stands_still() {
    let fleet = Fleet::on_memory();
    let (store, one) = runtime().block_on(fleet.faulty());
    let still = runtime();
    let held = still.block_on(async {
        let held = store.hold(Operation::Release);
        drop(one.lock("a").ttl(LONG).acquire().await.unwrap());
        held.reached().await;
        held
    });
    let mut paused = Builder::new_current_thread();
    let paused = paused.enable_all().start_paused(true).build().unwrap();
    paused.block_on(in_time(one.shutdown()));
    drop((held, still));
}

/// Where it was only asked about, nobody renews it.
#[test]
fn a_lease_whose_loss_is_waited_for_does_not_follow_who_asks_elsewhere_and_stands_still() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let still = runtime();
    runtime().block_on(async {
        let lease = one.lock("a").ttl(SHORT * 3).acquire().await.unwrap();
        let passed = async {
            std::thread::scope(|scope| {
                scope.spawn(|| still.block_on(async { assert!(lease.is_held()) }));
            });
            fleet.let_pass(SHORT * 9).await;
            other.lock("a").try_acquire().await.unwrap()
        };
        tokio::select! {
            biased;
            () = lease.lost() => panic!("it was lost"),
            free = passed => assert!(free.is_none()),
        }
    });
    drop(still);
}

/// Its renewal is never answered, since nobody drives what has sent it.
#[test]
fn a_renewal_that_stands_still_with_its_runtime_is_made_where_the_lease_is_now() {
    let fleet = Fleet::on_memory();
    let (other, (store, one)) =
        runtime().block_on(async { (fleet.process().await, fleet.faulty().await) });
    let still = runtime();
    let (lease, held) = still.block_on(async {
        let held = store.hold(Operation::Renew);
        let lease = one.lock("a").ttl(SHORT * 3).acquire().await.unwrap();
        held.reached().await;
        (lease, held)
    });
    store.heal();
    runtime().block_on(async {
        assert!(lease.is_held());
        fleet.let_pass(SHORT * 9).await;
        assert!(other.lock("a").try_acquire().await.unwrap().is_none());
        assert!(lease.is_held());
    });
    drop((held, still));
}

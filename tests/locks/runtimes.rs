//! Programs with more than one runtime: one that ends, or that nobody drives, holds nobody up on the others.

use std::future::Future;

use coord::testing::Operation;
use coord_tests::PATIENCE;
use coord_tests::fleet::{Fleet, SHORT};
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

#[test]
fn a_runtime_that_stands_still_hides_no_loss() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let still = runtime();
    still.block_on(async { drop(one.lock("short").acquire().await.unwrap()) });
    runtime().block_on(async {
        let lease = one.lock("a").ttl(SHORT).acquire().await.unwrap();
        in_time(lease.lost()).await;
        assert!(in_time(other.lock("a").acquire()).await.unwrap().is_held());
    });
    drop(still);
}

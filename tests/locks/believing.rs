//! What is believed of a lease: when it was got, and inside of which bodies a call is.

use std::time::Duration;

use coord::store::MemoryStore;
use coord::testing::{Operation, Rule};
use coord::{Context, Coordinator, Error};

use crate::fleet::{Fleet, LONG};

const TTL: Duration = Duration::from_secs(10);

/// The request is done at once, and answered when the lease has ended.
#[tokio::test(start_paused = true)]
async fn a_lease_whose_grant_comes_too_late_is_got_anew() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let held = store.hold_reply(Rule::on(Operation::Acquire).times(1));
    let acquiring = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock("a").ttl(TTL).acquire().await }
    });
    held.reached().await;
    tokio::time::sleep(2 * TTL).await;
    held.release();
    let lease = acquiring.await.unwrap().unwrap();
    assert!(lease.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_try_whose_grant_comes_too_late_has_nothing() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let held = store.hold_reply(Rule::on(Operation::Acquire).times(1));
    let trying = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock("a").ttl(TTL).try_acquire().await }
    });
    held.reached().await;
    tokio::time::sleep(2 * TTL).await;
    held.release();
    assert!(trying.await.unwrap().unwrap().is_none());
}

/// While the second is waited for, nobody can renew the first.
#[tokio::test(start_paused = true)]
async fn of_several_leases_none_is_lost_when_the_last_is_got() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let other = fleet.process().await;
    let taken = other.lock("b").ttl(LONG).acquire().await.unwrap();
    let acquiring = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock_all(["a", "b"]).ttl(TTL).acquire().await }
    });
    fleet.line("lock", "b").until(1, 1).await;
    let held = store.hold(Rule::on(Operation::Renew).times(1));
    held.reached().await;
    tokio::time::sleep(2 * TTL).await;
    held.release();
    taken.release().await.unwrap();
    let lease = acquiring.await.unwrap().unwrap();
    assert!(lease.is_held());
    assert_eq!(fleet.line("lock", "a").counts().await, (1, 0));
}

#[tokio::test(start_paused = true)]
async fn locks_of_two_stores_have_nothing_to_do_with_each_other() {
    let of = |store| Coordinator::builder().store(store).build();
    let (one, other) = (of(MemoryStore::new()), of(MemoryStore::new()));
    let both = one.lock("a").run(async |_| {
        let inner = other.lock("a").run(async |_| Ok::<_, Error>(()));
        Box::pin(inner).await?;
        let call = other.idempotency("a").run(async || Ok::<_, Error>(1));
        Box::pin(call).await
    });
    assert_eq!(both.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_context_of_ones_own_is_inside_of_what_is_held_all_the_same() {
    let coord = Fleet::on_memory().process().await;
    let again = coord.lock("a").run(async |_| {
        let context = Context::with_correlation_id("request-7");
        let again = async {
            let current = Context::current().expect("a context");
            assert_eq!(current.correlation_id(), "request-7");
            assert_eq!(current.lock_key(), Some("a"));
            coord.lock("a").acquire().await.map(drop)
        };
        context.scope(again).await
    });
    let again = again.await;
    assert!(
        matches!(again, Err(Error::WouldDeadlock { .. })),
        "{again:?}"
    );
}

//! Coordinators that shut down, and which coordinator is the current one.

use std::future::{pending, ready};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use coord::testing::{Fault, Operation, Rule};
use coord::{Coordinator, Error};
use coord_tests::PATIENCE;
use tokio::runtime::Builder;

use crate::fleet::{Dropped, Fleet, LONG, SHORT};

pub(crate) async fn what_is_held_is_released(fleet: &Fleet) {
    let coord = fleet.process().await;
    let lock = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    let permit = coord.semaphore("a", 3).ttl(LONG).acquire().await.unwrap();
    let leadership = coord.election("a").ttl(LONG).campaign().await.unwrap();
    coord.shutdown().await;
    for kind in ["lock", "semaphore", "election"] {
        assert_eq!(fleet.line(kind, "a").counts().await, (0, 0), "{kind}");
    }
    tokio::join!(lock.lost(), permit.lost(), leadership.lost());
    let released = lock.release().await;
    assert!(
        matches!(released, Err(Error::LockLost { .. })),
        "{released:?}"
    );
}

/// Others must not begin yet what a host has done whose clock is ahead.
pub(crate) async fn what_is_to_be_held_at_least_for_a_time_stays(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    let lock = coord.lock("a").ttl(LONG).at_least(LONG);
    let lease = lock.acquire().await.unwrap();
    let line = fleet.line("lock", "a");
    coord.shutdown().await;
    assert_eq!(line.counts().await, (1, 0));
    let before = store.count(Operation::Renew);
    drop(lease);
    coord_tests::until("what follows the drop", async || {
        (store.count(Operation::Renew) > before).then_some(())
    })
    .await;
    assert_eq!(line.counts().await, (1, 0));
}

pub(crate) async fn bodies_see_their_lease_lost(fleet: &Fleet) {
    let coord = fleet.process().await;
    let dropped = Dropped::default();
    let (begins, begun) = tokio::sync::oneshot::channel();
    let call = tokio::spawn({
        let (coord, guard) = (coord.clone(), dropped.guard());
        async move {
            let body = async |_: &coord::Lease| {
                let _guard = guard;
                begins.send(()).expect("it is waited for");
                pending::<Result<(), Error>>().await
            };
            coord.lock("a").ttl(LONG).run(body).await
        }
    });
    begun.await.expect("a body that begins");
    coord.shutdown().await;
    let out = call.await.unwrap();
    assert!(matches!(out, Err(Error::LockLost { .. })), "{out:?}");
    assert!(dropped.get());
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

pub(crate) async fn those_who_wait_are_turned_away_and_leave_the_line(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let holder = other.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiter = tokio::spawn({
        let one = one.clone();
        async move { one.lock("a").ttl(LONG).acquire().await }
    });
    let line = fleet.line("lock", "a");
    line.until(1, 1).await;
    one.shutdown().await;
    let turned_away = waiter.await.unwrap();
    assert!(
        matches!(turned_away, Err(Error::ShutDown)),
        "{turned_away:?}"
    );
    line.until(1, 0).await;
    assert!(holder.is_held(), "others are not touched");
}

pub(crate) async fn later_calls_are_refused(fleet: &Fleet) {
    let coord = fleet.process().await;
    let builder = coord.lock("a");
    coord.clone().shutdown().await;
    let shut_down = |error: Error| assert!(matches!(error, Error::ShutDown), "{error:?}");
    shut_down(builder.acquire().await.unwrap_err());
    shut_down(coord.lock("a").try_acquire().await.unwrap_err());
    shut_down(coord.lock_all(["a", "b"]).acquire().await.unwrap_err());
    shut_down(coord.rw_lock("a").read().acquire().await.unwrap_err());
    shut_down(coord.semaphore("a", 2).acquire().await.unwrap_err());
    shut_down(coord.election("a").campaign().await.unwrap_err());
    shut_down(coord.lock("a").run(async |_| Ok(())).await.unwrap_err());
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

pub(crate) async fn a_second_shutdown_is_harmless(fleet: &Fleet) {
    let coord = fleet.process().await;
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    tokio::join!(coord.shutdown(), coord.shutdown());
    coord.shutdown().await;
    drop(lease);
    let next = fleet.process().await.lock("a").try_acquire().await.unwrap();
    assert!(next.is_some());

    let unused = fleet.process().await;
    unused.shutdown().await;
    unused.shutdown().await;
}

/// While it does something without an await, it cannot be dropped, and nobody else may begin.
#[test]
fn what_a_body_is_at_work_under_is_not_given_back() {
    let fleet = Fleet::on_memory();
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (one, other) = runtime().block_on(fleet.two());
    let (begins, begun) = mpsc::channel();
    let (goes_on, go_on) = mpsc::channel();
    let coord = one.clone();
    let call = thread::spawn(move || {
        let body = async |_: &coord::Lease| {
            begins.send(()).unwrap();
            go_on.recv().unwrap();
            pending::<Result<(), Error>>().await
        };
        runtime().block_on(async { coord.lock("a").ttl(LONG).run(body).await })
    });
    begun.recv().unwrap();
    let mut paused = Builder::new_current_thread();
    let paused = paused.enable_all().start_paused(true).build().unwrap();
    paused.block_on(one.shutdown());
    runtime().block_on(async {
        assert!(other.lock("a").try_acquire().await.unwrap().is_none());
        goes_on.send(()).unwrap();
        let out = call.join().unwrap();
        assert!(matches!(out, Err(Error::LockLost { .. })), "{out:?}");
    });
}

/// Its lease is held until it has ended, so what it has done is not to be done again.
#[tokio::test]
async fn what_a_body_returns_that_comes_to_no_await_is_returned() {
    let fleet = Fleet::on_memory();
    let coord = fleet.process().await;
    let body = async |lease: &coord::Lease| {
        tokio::select! {
            biased;
            () = coord.shutdown() => panic!("a body is at work"),
            () = ready(()) => {}
        }
        assert!(!lease.is_held());
        Ok::<_, Error>(7)
    };
    let out = coord.lock("a").ttl(LONG).run(body).await;
    assert_eq!(out.unwrap(), 7);
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

/// Whoever shuts down may end the process then, and nothing is released any more.
#[tokio::test]
async fn a_release_that_is_on_its_way_is_waited_for() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let [lease, other] = [coord.lock("a"), coord.lock("b")].map(|lock| lock.ttl(LONG).acquire());
    let (lease, _other) = tokio::try_join!(lease, other).unwrap();
    let held = store.hold(Operation::Release);
    let release = tokio::spawn(lease.release());
    held.reached().await;
    let other_line = fleet.line("lock", "b");
    tokio::select! {
        () = coord.shutdown() => panic!("it is not released yet"),
        () = other_line.until(0, 0) => held.release(),
    }
    coord.shutdown().await;
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
    release.await.unwrap().unwrap();
}

/// A lease that a call gets while the coordinator shuts down has nobody to keep it.
pub(crate) async fn a_call_under_way_leaves_nothing(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    drop(coord.lock("b").acquire().await.unwrap());
    let held = store.hold_reply(coord::testing::Operation::Acquire);
    let call = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock("a").ttl(LONG).acquire().await }
    });
    held.reached().await;
    coord.shutdown().await;
    held.release();
    let refused = call.await.unwrap();
    assert!(matches!(refused, Err(Error::ShutDown)), "{refused:?}");
    fleet.line("lock", "a").until(0, 0).await;
}

pub(crate) async fn other_coordinators_go_on(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = other.lock("a").acquire().await.unwrap();
    one.shutdown().await;
    assert!(lease.is_held());
    lease.release().await.unwrap();
    drop(other.lock("a").acquire().await.unwrap());
}

pub(crate) async fn the_innermost_scope_is_the_current_one(fleet: &Fleet) {
    async fn locked_by_current(fleet: &Fleet) -> bool {
        let Ok(coord) = Coordinator::current() else {
            return false;
        };
        let lease = coord.lock("a").acquire().await.unwrap();
        let is_seen = fleet.line("lock", "a").counts().await == (1, 0);
        lease.release().await.unwrap();
        is_seen
    }
    let outer = fleet.process_in(&coord_tests::unique("outer")).await;
    let inner = fleet.process().await;
    outer
        .scope(async {
            assert!(!locked_by_current(fleet).await);
            assert!(inner.scope(locked_by_current(fleet)).await);
            assert!(!locked_by_current(fleet).await);
            let spawned = tokio::spawn(async { Coordinator::current().map(drop) });
            assert!(matches!(spawned.await.unwrap(), Err(Error::NotInstalled)));
        })
        .await;
    assert!(matches!(Coordinator::current(), Err(Error::NotInstalled)));
}

/// What it had not come to yet is released by another one.
#[tokio::test(start_paused = true)]
async fn a_shutdown_that_was_cut_off_is_gone_on_with() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let _lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    let held = store.hold(Rule::on(Operation::Release));
    let cut_off = tokio::time::timeout(SHORT, coord.shutdown()).await;
    assert!(cut_off.is_err());
    drop(held);
    store.heal();
    coord.shutdown().await;
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

/// It ends in the store by itself, long after.
#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_store_that_stays_away() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let hour = Duration::from_secs(60 * 60);
    let lease = coord.lock("a").ttl(hour).acquire().await.unwrap();
    drop(coord.lock("b").ttl(hour).acquire().await.unwrap());
    store.inject(Rule::on_everything(), Fault::BeforeSend);
    let shutdown = tokio::time::timeout(PATIENCE, coord.shutdown());
    shutdown.await.expect("the end of the shutdown");
    assert!(!lease.is_held());
    // While there is a runtime, it goes on being tried.
    store.heal();
    let other = fleet.process().await;
    for key in ["a", "b"] {
        let next = other.lock(key).wait(PATIENCE).acquire().await;
        assert!(next.unwrap().is_held(), "{key}");
    }
}

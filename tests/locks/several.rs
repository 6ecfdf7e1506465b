//! Several keys, all or none.

use std::time::Duration;

use coord::testing::{Fault, Operation, Rule};
use coord::{Coordinator, Error};

use crate::fleet::{Fleet, LONG, Room, SHORT};

pub(crate) async fn all_are_held_together_and_given_back_together(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = one.lock_all(["a", "b", "c"]).acquire().await.unwrap();
    for key in ["a", "b", "c"] {
        assert!(other.lock(key).try_acquire().await.unwrap().is_none());
    }
    lease.release().await.unwrap();
    for key in ["a", "b", "c"] {
        assert_eq!(fleet.line("lock", key).counts().await, (0, 0));
    }
}

pub(crate) async fn an_attempt_that_finds_one_taken_takes_none(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let taken = one.lock("b").acquire().await.unwrap();
    assert!(
        other
            .lock_all(["a", "b", "c"])
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
    assert_eq!(fleet.line("lock", "b").counts().await, (1, 0));
    assert_eq!(fleet.line("lock", "c").counts().await, (0, 0));
    drop(taken);
}

pub(crate) async fn a_wait_that_runs_out_gives_up_all(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let taken = one.lock("b").acquire().await.unwrap();
    let wait = Duration::from_millis(50);
    let timed_out = other.lock_all(["c", "b", "a"]).wait(wait).acquire().await;
    assert!(
        matches!(timed_out, Err(Error::LockTimeout { .. })),
        "{timed_out:?}"
    );
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
    assert_eq!(fleet.line("lock", "b").counts().await, (1, 0));
    assert_eq!(fleet.line("lock", "c").counts().await, (0, 0));
    drop(taken);
}

pub(crate) async fn opposite_orders_do_not_deadlock(fleet: &Fleet) {
    async fn transfer(coord: Coordinator, keys: [&'static str; 3], room: Room) {
        for _ in 0..15 {
            let lease = coord.lock_all(keys).acquire().await.expect("a lock");
            room.visit(1).await;
            lease.release().await.expect("a held lock");
        }
    }
    let (one, other) = fleet.two().await;
    let room = Room::default();
    let tasks = [
        tokio::spawn(transfer(one.clone(), ["a", "b", "c"], room.clone())),
        tokio::spawn(transfer(other.clone(), ["c", "b", "a"], room.clone())),
        tokio::spawn(transfer(other, ["b", "a", "c"], room.clone())),
        tokio::spawn(transfer(one, ["c", "a", "b"], room)),
    ];
    for task in tasks {
        task.await.unwrap();
    }
}

/// Two that overlap in one key, and one that wants just that key.
pub(crate) async fn overlapping_sets_exclude_each_other(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = one.lock_all(["a", "b"]).acquire().await.unwrap();
    assert!(
        other
            .lock_all(["b", "c"])
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
    let next = tokio::spawn(async move { other.lock_all(["c", "b"]).acquire().await });
    fleet.line("lock", "b").until(1, 1).await;
    lease.release().await.unwrap();
    let next = next.await.unwrap().unwrap();
    assert!(one.lock("a").try_acquire().await.unwrap().is_some());
    next.release().await.unwrap();
}

pub(crate) async fn a_key_given_twice_is_locked_once(fleet: &Fleet) {
    let coord = fleet.process().await;
    let lease = coord
        .lock_all(["a", "b", "a", "a"])
        .acquire()
        .await
        .unwrap();
    assert_eq!(fleet.line("lock", "a").counts().await, (1, 0));
    lease.release().await.unwrap();
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

pub(crate) async fn each_key_has_its_token(fleet: &Fleet) {
    let coord = fleet.process().await;
    let before = coord.lock("a").acquire().await.unwrap();
    let earlier = before.token();
    before.release().await.unwrap();
    let lease = coord.lock_all(["b", "a"]).acquire().await.unwrap();
    assert!(lease.token_of("a").unwrap() > earlier);
    assert_eq!(lease.token_of("b"), Some(lease.token()));
    assert_eq!(lease.token_of("c"), None);
}

pub(crate) async fn losing_one_is_losing_all(fleet: &Fleet) {
    let coord = fleet.process().await;
    let lease = coord
        .lock_all(["a", "b"])
        .ttl(SHORT)
        .acquire()
        .await
        .unwrap();
    fleet.line("lock", "b").lose_holders().await;
    lease.lost().await;
    assert!(!lease.is_held());
    let released = lease.release().await;
    assert!(
        matches!(released, Err(Error::LockLost { .. })),
        "{released:?}"
    );
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

pub(crate) async fn no_key_at_all_is_refused(fleet: &Fleet) {
    let coord = fleet.process().await;
    let refused = coord.lock_all(<[&str; 0]>::default()).acquire().await;
    let Err(Error::InvalidOption { option, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(option, "keys");
}

pub(crate) async fn one_bad_key_refuses_all(fleet: &Fleet) {
    let coord = fleet.process().await;
    let refused = coord.lock_all(["a", ""]).acquire().await;
    assert!(
        matches!(refused, Err(Error::InvalidKey { .. })),
        "{refused:?}"
    );
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

/// The one that was waited for is the one that was given first, and the last in the order in which they are got.
#[tokio::test(start_paused = true)]
async fn at_least_counts_from_when_the_last_was_got() {
    let fleet = Fleet::on_memory();
    let (one, other) = fleet.two().await;
    let holder = other.lock("b").acquire().await.unwrap();
    let waiter = tokio::spawn(async move {
        let both = one.lock_all(["b", "a"]).at_least(LONG);
        both.acquire().await
    });
    let line = fleet.line("lock", "b");
    line.until(1, 1).await;
    tokio::time::sleep(LONG / 2).await;
    holder.release().await.unwrap();
    waiter.await.unwrap().unwrap().release().await.unwrap();
    assert!(line.contenders().await[0].expires_in > LONG / 2);
}

/// What has become of one is told, and does not keep the other from being given back.
#[tokio::test(start_paused = true)]
async fn one_that_is_lost_and_one_that_cannot_be_given_back_in_time() {
    let fleet = Fleet::on_memory();
    for keys in [["a", "b"], ["b", "a"]] {
        let (store, coord) = fleet.faulty().await;
        let call = coord.lock_all(keys).ttl(LONG * 60).at_least(LONG);
        let output = call.run(async |_| {
            fleet.line("lock", "a").lose_holders().await;
            let away = Rule::on(Operation::Renew).key_containing("lock/b");
            store.inject(away, Fault::BeforeSend);
            Ok::<_, Error>(7)
        });
        let output = output.await;
        assert!(matches!(output, Err(Error::LockLost { .. })), "{output:?}");
        store.heal();
        let other = fleet.process().await;
        let next = other.lock_all(keys).wait(LONG * 2).acquire().await;
        next.unwrap().release().await.unwrap();
    }
}

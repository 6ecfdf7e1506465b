//! One holds at a time, what is given back is free, and tokens grow.

use std::time::Duration;

use coord::Error;
use tokio::task::JoinSet;

use crate::fleet::{Fleet, LONG, Room, SHORT, token};

pub(crate) async fn only_one_holds_at_a_time(fleet: &Fleet) {
    let room = Room::default();
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let coord = fleet.process().await;
        for _ in 0..4 {
            let (coord, room) = (coord.clone(), room.clone());
            tasks.spawn(async move {
                for _ in 0..10 {
                    let lease = coord.lock("a").acquire().await?;
                    room.visit(1).await;
                    lease.release().await?;
                }
                Ok::<_, Error>(())
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("nobody else inside").expect("a lock");
    }
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

pub(crate) async fn an_attempt_at_a_held_lock_gets_nothing_and_leaves_nothing(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = one.lock("a").acquire().await.unwrap();
    for coord in [&one, &other] {
        let attempt = coord.lock("a").wait(LONG).try_acquire().await.unwrap();
        assert!(attempt.is_none());
    }
    let line = fleet.line("lock", "a");
    assert_eq!(line.counts().await, (1, 0));
    lease.release().await.unwrap();
    assert!(other.lock("a").try_acquire().await.unwrap().is_some());
}

pub(crate) async fn a_wait_of_zero_tries_once(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = one.lock("a").acquire().await.unwrap();
    let refused = other.lock("a").wait(Duration::ZERO).acquire().await;
    let Err(Error::LockTimeout { template, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(template, "(text)");
    assert_eq!(fleet.line("lock", "a").counts().await, (1, 0));
    lease.release().await.unwrap();
    let free = other.lock("a").wait(Duration::ZERO).acquire().await;
    assert!(free.is_ok());
}

pub(crate) async fn a_dropped_lease_goes_to_the_next(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    drop(one.lock("a").ttl(LONG).acquire().await.unwrap());
    drop(other.lock("a").acquire().await.unwrap());
}

pub(crate) async fn a_released_lease_is_free_when_release_returns(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = one.lock("a").acquire().await.unwrap();
    assert!(lease.is_held());
    lease.release().await.unwrap();
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
    assert!(other.lock("a").try_acquire().await.unwrap().is_some());
}

pub(crate) async fn the_release_of_a_lease_that_has_gone_says_so_and_harms_nobody(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let gone = one
        .lock("a")
        .ttl(SHORT)
        .renew(false)
        .acquire()
        .await
        .unwrap();
    let next = other.lock("a").acquire().await.unwrap();
    let released = gone.release().await;
    assert!(
        matches!(released, Err(Error::LockLost { .. })),
        "{released:?}"
    );
    assert!(next.is_held());
    assert_eq!(fleet.line("lock", "a").counts().await, (1, 0));
    next.release().await.unwrap();
}

pub(crate) async fn tokens_grow_from_holder_to_holder(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let mut last = 0;
    for round in 0..6 {
        let coord = if round % 2 == 0 { &one } else { &other };
        let lease = coord
            .lock("a")
            .ttl(SHORT)
            .renew(round != 3)
            .acquire()
            .await
            .unwrap();
        assert!(token(&lease) > last, "round {round}");
        assert_eq!(lease.token_of("a"), Some(lease.token()));
        last = token(&lease);
        match round % 3 {
            0 if round == 3 => lease.lost().await,
            0 => drop(lease),
            _ => lease.release().await.unwrap(),
        }
    }
}

pub(crate) async fn tokens_grow_in_the_order_of_a_queue(fleet: &Fleet) {
    let line = fleet.line("lock", "a");
    let holder = fleet.process().await.lock("a").acquire().await.unwrap();
    let mut last = token(&holder);
    let mut waiters = Vec::new();
    for position in 1..=4 {
        let coord = fleet.process().await;
        waiters.push(tokio::spawn(async move {
            let lease = coord.lock("a").acquire().await.unwrap();
            let token = token(&lease);
            lease.release().await.unwrap();
            token
        }));
        line.until(1, position).await;
    }
    holder.release().await.unwrap();
    for waiter in waiters {
        let token = waiter.await.unwrap();
        assert!(token > last);
        last = token;
    }
}

pub(crate) async fn keys_and_kinds_do_not_touch_each_other(fleet: &Fleet) {
    let coord = fleet.process().await;
    let _a = coord.lock("a").acquire().await.unwrap();
    assert!(coord.lock("b").try_acquire().await.unwrap().is_some());
    assert!(
        coord
            .semaphore("a", 1)
            .try_acquire()
            .await
            .unwrap()
            .is_some()
    );
    assert!(coord.election("a").try_lead().await.unwrap().is_some());
}

pub(crate) async fn namespaces_isolate(fleet: &Fleet) {
    let name = coord_tests::unique("space");
    let namespaces = [
        name.clone(),
        format!("{name}/lock"),
        format!("{name}:a"),
        format!("{name}%2Flock"),
    ];
    let mut leases = Vec::new();
    for namespace in &namespaces {
        let coord = fleet.process_in(namespace).await;
        for key in ["a", "lock/a", "/a"] {
            let lease = coord.lock(key).try_acquire().await.unwrap();
            leases.push(lease.unwrap_or_else(|| panic!("{key} is taken in {namespace}")));
        }
    }
    assert!(
        fleet
            .process_in(&name)
            .await
            .lock("a")
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
}

pub(crate) async fn any_text_is_a_key_of_its_own(fleet: &Fleet) {
    let coord = fleet.process().await;
    let mut leases = Vec::new();
    for key in [
        " ",
        "a b",
        "a\nb",
        "{a}",
        "{a}:{b}",
        "a\0",
        "a|b",
        "ключ",
        "🔒",
        &"k".repeat(512),
    ] {
        let lease = coord.lock(key).try_acquire().await.unwrap();
        leases.push(lease.unwrap_or_else(|| panic!("{key:?} is taken")));
        assert!(coord.lock(key).try_acquire().await.unwrap().is_none());
    }
}

//! Leases are renewed while they are held, and their holders learn when they end.

use std::time::Duration;

use coord::Error;
use coord::testing::{Fault, Operation, Rule};

use crate::fleet::{Fleet, LONG, SHORT};

pub(crate) async fn renewal_keeps_a_lease_for_many_ttls(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = one.lock("a").ttl(SHORT * 3).acquire().await.unwrap();
    let several = one
        .lock_all(["b", "c"])
        .ttl(SHORT * 3)
        .acquire()
        .await
        .unwrap();
    fleet.let_pass(SHORT * 9).await;
    for key in ["a", "b", "c"] {
        assert!(other.lock(key).try_acquire().await.unwrap().is_none());
    }
    assert!(lease.is_held() && several.is_held());
    lease.release().await.unwrap();
    several.release().await.unwrap();
}

pub(crate) async fn without_renewal_a_lease_ends_after_its_ttl(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = one
        .lock("a")
        .ttl(SHORT)
        .renew(false)
        .acquire()
        .await
        .unwrap();
    let next = tokio::spawn(async move { other.lock("a").acquire().await });
    lease.lost().await;
    assert!(!lease.is_held());
    assert!(next.await.unwrap().unwrap().is_held());
}

/// Handed over, so that its first deadline is that of a place in line.
pub(crate) async fn without_renewal_a_lease_lasts_its_ttl_even_if_it_was_queued_for(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let ttl = Duration::from_secs(8);
    let holder = one.lock("a").acquire().await.unwrap();
    let next = tokio::spawn(async move { other.lock("a").ttl(ttl).renew(false).acquire().await });
    let line = fleet.line("lock", "a");
    line.until(1, 1).await;
    holder.release().await.unwrap();
    let lease = next.await.unwrap().unwrap();
    // The place lasts five seconds, so more is left only once the ttl is in force.
    coord_tests::until("the ttl to be in force", async || {
        let rest = line.contenders().await[0].expires_in;
        (rest > Duration::from_secs(5)).then_some(())
    })
    .await;
    lease.release().await.unwrap();
}

/// Whatever becomes of the renewal, the body must not go on when others may begin.
pub(crate) async fn a_renewal_that_is_not_answered_does_not_hide_the_end(fleet: &Fleet) {
    let (store, cut_off) = fleet.faulty().await;
    let other = fleet.process().await;
    let held = store.hold(Operation::Renew);
    let lease = cut_off.lock("a").ttl(SHORT).acquire().await.unwrap();
    let body = tokio::spawn(async move { lease.lost().await });
    held.reached().await;
    drop(other.lock("a").acquire().await.unwrap());
    coord_tests::until("the body to end", async || body.is_finished().then_some(())).await;
}

/// The holder is told before anybody else can have it.
pub(crate) async fn a_holder_knows_of_the_end_before_the_next_one_begins(fleet: &Fleet) {
    let (store, cut_off) = fleet.faulty().await;
    let lease = cut_off.lock("a").ttl(SHORT).acquire().await.unwrap();
    store.inject(Operation::Renew, Fault::BeforeSend);
    let next = fleet.process().await.lock("a").acquire().await.unwrap();
    assert!(!lease.is_held());
    lease.lost().await;
    assert!(next.token() > lease.token());
    let released = lease.release().await;
    assert!(
        matches!(released, Err(Error::LockLost { .. })),
        "{released:?}"
    );
    assert!(next.is_held());
}

/// The store counts from the first request, although only one that was made much later is answered.
pub(crate) async fn a_holder_that_had_to_ask_often_knows_of_the_end_in_time(fleet: &Fleet) {
    let (store, slow) = fleet.faulty().await;
    store.inject(Rule::on(Operation::Acquire).times(6), Fault::AfterApply);
    let lease = slow
        .lock("a")
        .ttl(SHORT)
        .renew(false)
        .acquire()
        .await
        .unwrap();
    let next = fleet.process().await.lock("a").acquire().await.unwrap();
    assert!(!lease.is_held());
    assert!(next.token() > lease.token());
}

/// The first request is on its way for so long that the second finds the lock taken.
pub(crate) async fn a_request_that_arrives_after_it_was_given_up_gets_nothing(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    let holder = fleet
        .process()
        .await
        .lock("a")
        .ttl(LONG)
        .acquire()
        .await
        .unwrap();
    store.fail_next(Operation::Acquire, Fault::AfterSend);
    assert!(coord.lock("a").try_acquire().await.unwrap().is_none());
    coord_tests::until("the attempt to be withdrawn", async || {
        (store.count(Operation::Release) > 0).then_some(())
    })
    .await;
    holder.release().await.unwrap();
    store.deliver().await;
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

pub(crate) async fn a_lease_that_the_store_has_lost_is_lost(fleet: &Fleet) {
    let coord = fleet.process().await;
    let lease = coord.lock("a").ttl(SHORT).acquire().await.unwrap();
    fleet.line("lock", "a").lose_holders().await;
    lease.lost().await;
    assert!(!lease.is_held());
}

pub(crate) async fn everybody_who_asks_learns_of_a_loss(fleet: &Fleet) {
    let coord = fleet.process().await;
    let lease = coord.lock("a").ttl(SHORT).acquire().await.unwrap();
    let (one, two) = (lease.lost(), lease.lost());
    fleet.line("lock", "a").lose_holders().await;
    tokio::join!(one, two);
    lease.lost().await;
}

pub(crate) async fn renewals_that_fail_now_and_then_lose_nothing(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    store.inject(Rule::on(Operation::Renew).one_in(4, 1), Fault::BeforeSend);
    store.inject(Rule::on(Operation::Renew).one_in(4, 2), Fault::AfterApply);
    let lease = coord.lock("a").ttl(SHORT * 3).acquire().await.unwrap();
    fleet.let_pass(SHORT * 12).await;
    lease.release().await.unwrap();
}

pub(crate) async fn a_request_that_is_cut_is_made_again_and_enters_once(fleet: &Fleet) {
    for fault in [Fault::BeforeSend, Fault::AfterSend, Fault::AfterApply] {
        let (store, coord) = fleet.faulty().await;
        store.fail_next(Operation::Acquire, fault);
        let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
        store.deliver().await;
        assert_eq!(fleet.line("lock", "a").counts().await, (1, 0), "{fault:?}");
        store.fail_next(Operation::Release, fault);
        lease.release().await.unwrap();
        store.deliver().await;
        assert_eq!(fleet.line("lock", "a").counts().await, (0, 0), "{fault:?}");
    }
}

pub(crate) async fn a_store_that_stays_away_is_told_of(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    store.inject(Operation::Acquire, Fault::BeforeSend);
    let failed = coord.lock("a").acquire().await;
    let Err(error @ Error::Store(_)) = failed else {
        panic!("{failed:?}");
    };
    assert!(error.is_retryable());
    assert!(store.count(Operation::Acquire) > 1, "it was tried again");
}

pub(crate) async fn at_least_keeps_a_lease_after_its_release(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = one
        .lock("a")
        .ttl(LONG)
        .at_least(SHORT)
        .acquire()
        .await
        .unwrap();
    let token = lease.token();
    lease.release().await.unwrap();
    let line = fleet.line("lock", "a");
    assert_eq!(line.contenders().await[0].token, token);
    assert!(other.lock("a").try_acquire().await.unwrap().is_none());
    // It ends although nobody gives it back.
    drop(other.lock("a").acquire().await.unwrap());
}

pub(crate) async fn at_least_keeps_a_lease_after_a_drop_and_after_a_body(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = one
        .lock("a")
        .ttl(LONG)
        .at_least(SHORT)
        .acquire()
        .await
        .unwrap();
    let token = lease.token();
    drop(lease);
    let next = other.lock("a").acquire().await.unwrap();
    assert!(next.token() > token);
    drop(next);

    let body = one.lock("b").ttl(LONG).at_least(SHORT);
    body.run(async |_| Ok::<_, Error>(())).await.unwrap();
    assert!(other.lock("b").try_acquire().await.unwrap().is_none());
    drop(other.lock("b").acquire().await.unwrap());
}

pub(crate) async fn at_least_may_be_longer_than_the_ttl(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lease = one
        .lock("a")
        .ttl(SHORT)
        .at_least(SHORT * 6)
        .acquire()
        .await
        .unwrap();
    lease.release().await.unwrap();
    fleet.let_pass(SHORT).await;
    assert!(other.lock("a").try_acquire().await.unwrap().is_none());
    drop(other.lock("a").acquire().await.unwrap());
}

pub(crate) async fn at_least_does_not_prolong_what_took_longer(fleet: &Fleet) {
    let coord = fleet.process().await;
    let lease = coord
        .lock("a")
        .ttl(LONG)
        .at_least(SHORT)
        .acquire()
        .await
        .unwrap();
    fleet.let_pass(SHORT * 2).await;
    lease.release().await.unwrap();
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

pub(crate) async fn a_label_is_shown_to_those_who_look(fleet: &Fleet) {
    let coord = fleet.process().await;
    let _lease = coord
        .lock("a")
        .label("host|7: ключ")
        .acquire()
        .await
        .unwrap();
    assert_eq!(
        &*fleet.line("lock", "a").contenders().await[0].label,
        "host|7: ключ"
    );
}

//! Requests to enter, renew and leave that are sent again, or that arrive when nobody expects them any more.

use futures_util::future::try_join_all;

use super::prelude::*;
use crate::testing::{Fault, FaultStore, Operation};

/// Sends a request to enter whose connection breaks on the way.
async fn send_and_lose(cut: &FaultStore, request: &LeaseRequest, fault: Fault) {
    cut.fail_next(Operation::Acquire, fault);
    failed(cut.acquire_lease(request).await, StoreErrorKind::Unknown);
}

async fn release_and_lose(cut: &FaultStore, request: &LeaseRequest, fault: Fault) {
    cut.fail_next(Operation::Release, fault);
    failed(
        cut.release_lease(&request.lease).await,
        StoreErrorKind::Unknown,
    );
}

pub(super) async fn an_acquire_cut_before_it_is_sent_is_not_done_and_can_be_sent_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for request in [f.exclusive("a"), f.queueing("b")] {
        cut.fail_next(Operation::Acquire, Fault::BeforeSend);
        failed(
            cut.acquire_lease(&request).await,
            StoreErrorKind::NotApplied,
        );
        assert_eq!(owners(f.store(), &request).await?, []);
        granted(&cut, &request).await?;
    }
    Ok(())
}

pub(super) async fn an_acquire_whose_reply_is_lost_is_granted_once(f: &Fixture<'_>) -> Result<()> {
    let cut = f.faulty();
    for request in [f.exclusive("a"), f.queueing("b")] {
        send_and_lose(&cut, &request, Fault::AfterApply).await;
        let there = contender(f.store(), &request).await?.expect("it was done");
        for _ in 0..3 {
            assert_eq!(granted(&cut, &request).await?, there.token);
        }
        assert_eq!(owners(f.store(), &request).await?, [request.lease.owner]);
        assert!(release(f.store(), &request).await?);
        assert_eq!(owners(f.store(), &request).await?, []);
    }
    Ok(())
}

pub(super) async fn a_place_in_line_whose_reply_is_lost_is_taken_once(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    let (holder, waiter, behind) = (f.exclusive("a"), f.queueing("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    send_and_lose(&cut, &waiter, Fault::AfterApply).await;
    waiting(f.store(), &behind).await?;
    assert_eq!(
        waiting(&cut, &waiter).await?.ahead,
        1,
        "it came before the one behind"
    );
    assert_eq!(
        owners(f.store(), &holder).await?,
        [&holder, &waiter, &behind].map(|request| request.lease.owner)
    );
    Ok(())
}

pub(super) async fn an_attempt_whose_reply_is_lost_is_granted_by_asking_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    let (request, other) = (f.exclusive("a"), f.exclusive("a"));
    send_and_lose(&cut, &request, Fault::AfterApply).await;
    busy(f.store(), &other).await?;
    granted(&cut, &request).await?;
    Ok(())
}

pub(super) async fn a_grant_whose_reply_is_lost_can_be_given_back_unseen(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for request in [f.exclusive("a"), f.queueing("b")] {
        send_and_lose(&cut, &request, Fault::AfterApply).await;
        assert!(release(&cut, &request).await?);
        assert_eq!(owners(f.store(), &request).await?, []);
        busy(&cut, &request).await?;
    }
    Ok(())
}

pub(super) async fn one_who_was_released_never_gets_in_again(f: &Fixture<'_>) -> Result<()> {
    for request in [f.exclusive("a"), f.queueing("b")] {
        granted(f.store(), &request).await?;
        assert!(release(f.store(), &request).await?);
        for _ in 0..3 {
            busy(f.store(), &request).await?;
        }
        assert_eq!(owners(f.store(), &request).await?, []);
    }
    Ok(())
}

pub(super) async fn an_acquire_that_arrives_after_its_release_never_gets_in(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for request in [f.exclusive("free/try"), f.queueing("free/queue")] {
        send_and_lose(&cut, &request, Fault::AfterSend).await;
        assert!(!release(&cut, &request).await?, "it was not in line yet");
        assert_eq!(cut.deliver().await, 1);
        assert_eq!(
            owners(f.store(), &request).await?,
            [],
            "nobody knows of it, so nobody would ever release it"
        );
    }
    let holder = f.exclusive("held");
    granted(f.store(), &holder).await?;
    for request in [f.exclusive("held"), f.queueing("held")] {
        send_and_lose(&cut, &request, Fault::AfterSend).await;
        assert!(!release(&cut, &request).await?, "it was not in line yet");
        assert_eq!(cut.deliver().await, 1);
        assert_eq!(owners(f.store(), &request).await?, [holder.lease.owner]);
    }
    Ok(())
}

pub(super) async fn a_waiter_that_left_does_not_come_back_late(f: &Fixture<'_>) -> Result<()> {
    let cut = f.faulty();
    let (holder, waiter) = (f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    waiting(&cut, &waiter).await?;
    send_and_lose(&cut, &waiter, Fault::AfterSend).await;
    assert!(release(&cut, &waiter).await?);
    assert!(release(f.store(), &holder).await?);
    assert_eq!(cut.deliver().await, 1);
    assert_eq!(owners(f.store(), &holder).await?, []);
    Ok(())
}

pub(super) async fn a_late_acquire_is_turned_away_after_others_came_and_went(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    let request = f.queueing("a");
    send_and_lose(&cut, &request, Fault::AfterSend).await;
    release(&cut, &request).await?;
    for _ in 0..3 {
        let other = f.exclusive("a");
        granted(f.store(), &other).await?;
        assert!(release(f.store(), &other).await?);
    }
    assert_eq!(cut.deliver().await, 1);
    assert_eq!(owners(f.store(), &request).await?, []);
    Ok(())
}

pub(super) async fn a_renewal_whose_reply_is_lost_answers_the_same_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    let (holder, waiter) = (f.exclusive("a"), f.queueing("a"));
    let token = granted(f.store(), &holder).await?;
    waiting(f.store(), &waiter).await?;
    for fault in [Fault::BeforeSend, Fault::AfterSend, Fault::AfterApply] {
        cut.fail_next(Operation::Renew, fault);
        let answers = cut
            .renew_leases(&[holder.renewal(), waiter.renewal()])
            .await;
        assert!(
            answers.len() == 2 && answers.iter().all(Result::is_err),
            "{answers:?}"
        );
        assert_eq!(renewed(&cut, &holder).await?, Renewed::Granted(token));
        assert!(matches!(
            renewed(&cut, &waiter).await?,
            Renewed::Waiting { ahead: 1, .. }
        ));
    }
    Ok(())
}

pub(super) async fn a_renewal_that_arrives_after_the_release_brings_nobody_back(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    let (holder, next) = (f.exclusive("a"), f.exclusive("a"));
    granted(f.store(), &holder).await?;
    for _ in 0..2 {
        cut.fail_next(Operation::Renew, Fault::AfterSend);
        failed(renewed(&cut, &holder).await, StoreErrorKind::Unknown);
    }
    assert!(release(f.store(), &holder).await?);
    assert_eq!(cut.deliver().await, 2);
    assert_eq!(owners(f.store(), &holder).await?, []);
    granted(f.store(), &next).await?;
    assert_eq!(owners(f.store(), &holder).await?, [next.lease.owner]);
    Ok(())
}

pub(super) async fn a_release_cut_before_it_is_sent_is_not_done_and_can_be_sent_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for request in [f.exclusive("a"), f.queueing("b")] {
        granted(f.store(), &request).await?;
        cut.fail_next(Operation::Release, Fault::BeforeSend);
        failed(
            cut.release_lease(&request.lease).await,
            StoreErrorKind::NotApplied,
        );
        assert_eq!(holders(f.store(), &request).await?, [request.lease.owner]);
        assert!(release(&cut, &request).await?);
        assert_eq!(owners(f.store(), &request).await?, []);
    }
    Ok(())
}

pub(super) async fn a_release_whose_reply_is_lost_answers_the_same_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for request in [f.exclusive("a"), f.queueing("b")] {
        granted(f.store(), &request).await?;
        release_and_lose(&cut, &request, Fault::AfterApply).await;
        assert_eq!(owners(f.store(), &request).await?, []);
        for _ in 0..3 {
            assert!(release(&cut, &request).await?);
        }
    }
    Ok(())
}

pub(super) async fn a_release_by_a_waiter_sent_again_answers_the_same(
    f: &Fixture<'_>,
) -> Result<()> {
    let (holder, waiter) = (f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &waiter).await?;
    for _ in 0..3 {
        assert!(release(f.store(), &waiter).await?);
    }
    assert_eq!(owners(f.store(), &holder).await?, [holder.lease.owner]);
    Ok(())
}

pub(super) async fn a_release_sent_again_spares_who_came_since(f: &Fixture<'_>) -> Result<()> {
    let cut = f.faulty();
    let (first, second, third) = (f.exclusive("a"), f.queueing("a"), f.queueing("a"));
    granted(f.store(), &first).await?;
    waiting(f.store(), &second).await?;
    release_and_lose(&cut, &first, Fault::AfterApply).await;
    waiting(f.store(), &third).await?;
    for _ in 0..2 {
        assert!(release(&cut, &first).await?);
        assert_eq!(holders(f.store(), &first).await?, [second.lease.owner]);
    }
    assert!(release(f.store(), &second).await?);
    assert!(
        release(&cut, &first).await?,
        "two releases later, it is still known"
    );
    assert_eq!(holders(f.store(), &first).await?, [third.lease.owner]);
    Ok(())
}

pub(super) async fn a_copy_of_a_release_that_arrives_late_spares_who_came_since(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    let (first, second) = (f.exclusive("a"), f.exclusive("a"));
    granted(f.store(), &first).await?;
    release_and_lose(&cut, &first, Fault::AfterSend).await;
    assert!(release(&cut, &first).await?);
    granted(f.store(), &second).await?;
    assert_eq!(cut.deliver().await, 1);
    assert_eq!(holders(f.store(), &first).await?, [second.lease.owner]);
    Ok(())
}

pub(super) async fn a_release_sent_twice_at_a_time_answers_the_same(f: &Fixture<'_>) -> Result<()> {
    for request in [f.exclusive("a"), f.queueing("b")] {
        granted(f.store(), &request).await?;
        let answers = try_join_all((0..4).map(|_| release(f.store(), &request))).await?;
        assert_eq!(answers, [true; 4]);
        assert_eq!(owners(f.store(), &request).await?, []);
    }
    Ok(())
}

pub(super) async fn a_release_by_one_who_never_entered_answers_the_same_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let (stranger, holder) = (f.exclusive("a"), f.exclusive("a"));
    assert!(!release(f.store(), &stranger).await?);
    assert!(!release(f.store(), &stranger).await?, "on a free resource");
    granted(f.store(), &holder).await?;
    assert!(!release(f.store(), &stranger).await?, "on a held one");
    assert_eq!(holders(f.store(), &holder).await?, [holder.lease.owner]);
    Ok(())
}

pub(super) async fn a_release_that_is_sent_at_last_hands_over(f: &Fixture<'_>) -> Result<()> {
    let cut = f.faulty();
    let (holder, next) = (f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &next).await?;
    release_and_lose(&cut, &holder, Fault::AfterSend).await;
    assert_eq!(
        holders(f.store(), &holder).await?,
        [holder.lease.owner],
        "it did not arrive"
    );
    assert!(release(&cut, &holder).await?);
    assert_eq!(holders(f.store(), &holder).await?, [next.lease.owner]);
    Ok(())
}

//! The line: first come, first served, and a place is kept by who is alive.

use super::prelude::*;

/// Enters the line with places that do not last long.
fn mortal(f: &Fixture<'_>) -> LeaseRequest {
    f.exclusive("a").queue(f.short())
}

pub(super) async fn grants_follow_the_order_of_arrival(f: &Fixture<'_>) -> Result<()> {
    let line: Vec<_> = (0..30).map(|_| f.queueing("a")).collect();
    granted(f.store(), &line[0]).await?;
    for (index, request) in line.iter().enumerate().skip(1) {
        assert_eq!(waiting(f.store(), request).await?.ahead as usize, index);
    }
    for request in &line {
        assert_eq!(holders(f.store(), request).await?, [request.lease.owner]);
        assert!(release(f.store(), request).await?);
    }
    assert_eq!(owners(f.store(), &line[0]).await?, []);
    Ok(())
}

pub(super) async fn a_release_hands_over_without_asking_the_next(f: &Fixture<'_>) -> Result<()> {
    let (holder, next) = (f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &next).await?;
    assert!(release(f.store(), &holder).await?);
    busy(f.store(), &f.exclusive("a")).await?;
    assert_eq!(holders(f.store(), &next).await?, [next.lease.owner]);
    Ok(())
}

pub(super) async fn one_who_waits_and_asks_again_keeps_the_place(f: &Fixture<'_>) -> Result<()> {
    let (holder, first, second) = (f.exclusive("a"), f.queueing("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    let token = waiting(f.store(), &first).await?.token;
    waiting(f.store(), &second).await?;
    let again = waiting(f.store(), &first).await?;
    assert_eq!((again.token, again.ahead), (token, 1));
    assert_eq!(
        owners(f.store(), &holder).await?,
        [&holder, &first, &second].map(|request| request.lease.owner)
    );

    assert!(release(f.store(), &holder).await?);
    assert_eq!(
        granted(f.store(), &first).await?,
        token,
        "asking again shows the grant as well"
    );
    Ok(())
}

pub(super) async fn a_try_leaves_no_place_in_the_line(f: &Fixture<'_>) -> Result<()> {
    let (holder, passer_by, next) = (f.exclusive("a"), f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    busy(f.store(), &passer_by).await?;
    assert_eq!(owners(f.store(), &holder).await?, [holder.lease.owner]);
    assert_eq!(renewed(f.store(), &passer_by).await?, Renewed::Gone);
    assert_eq!(waiting(f.store(), &next).await?.ahead, 1);
    assert!(release(f.store(), &holder).await?);
    assert_eq!(holders(f.store(), &holder).await?, [next.lease.owner]);
    Ok(())
}

pub(super) async fn one_who_was_turned_away_had_nothing_to_release(f: &Fixture<'_>) -> Result<()> {
    let (holder, passer_by) = (f.exclusive("a"), f.exclusive("a"));
    granted(f.store(), &holder).await?;
    busy(f.store(), &passer_by).await?;
    assert!(!release(f.store(), &passer_by).await?);
    assert_eq!(holders(f.store(), &holder).await?, [holder.lease.owner]);
    Ok(())
}

pub(super) async fn a_waiter_that_leaves_is_skipped(f: &Fixture<'_>) -> Result<()> {
    let (holder, quitter, next) = (f.exclusive("a"), f.queueing("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &quitter).await?;
    waiting(f.store(), &next).await?;
    assert!(release(f.store(), &quitter).await?);
    assert!(matches!(
        renewed(f.store(), &next).await?,
        Renewed::Waiting { ahead: 1, .. }
    ));
    assert!(release(f.store(), &holder).await?);
    assert_eq!(holders(f.store(), &holder).await?, [next.lease.owner]);
    assert_eq!(renewed(f.store(), &quitter).await?, Renewed::Gone);
    Ok(())
}

pub(super) async fn a_waiter_that_stops_renewing_is_skipped(f: &Fixture<'_>) -> Result<()> {
    let (holder, dead, next) = (f.exclusive("a"), mortal(f), f.queueing("a"));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &dead).await?;
    waiting(f.store(), &next).await?;
    f.outlive(f.short()).await?;
    assert!(release(f.store(), &holder).await?);
    assert_eq!(holders(f.store(), &holder).await?, [next.lease.owner]);
    assert_eq!(renewed(f.store(), &dead).await?, Renewed::Gone);
    Ok(())
}

pub(super) async fn many_dead_waiters_are_skipped_at_once(f: &Fixture<'_>) -> Result<()> {
    let (holder, next) = (f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    for _ in 0..20 {
        waiting(f.store(), &mortal(f)).await?;
    }
    waiting(f.store(), &next).await?;
    f.outlive(f.short()).await?;
    assert!(release(f.store(), &holder).await?);
    assert_eq!(owners(f.store(), &holder).await?, [next.lease.owner]);
    assert_eq!(holders(f.store(), &holder).await?, [next.lease.owner]);
    Ok(())
}

pub(super) async fn a_dead_waiter_holds_back_nobody_who_fits(f: &Fixture<'_>) -> Result<()> {
    let (holder, dead) = (f.exclusive("a").weighing(1, 3), mortal(f).weighing(3, 3));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &dead).await?;
    f.outlive(f.short()).await?;
    granted(f.store(), &f.exclusive("a").weighing(2, 3)).await?;
    Ok(())
}

pub(super) async fn a_waiter_that_renews_outlives_its_first_deadline(
    f: &Fixture<'_>,
) -> Result<()> {
    let holder = f.exclusive("a");
    granted(f.store(), &holder).await?;
    // The renewal may come too late on a machine that is busy; then another waiter is tried.
    eventually("a waiter renews in time", async || {
        let mut waiter = mortal(f);
        waiting(f.store(), &waiter).await?;
        waiter.wait_ttl = Some(LONG);
        if renewed(f.store(), &waiter).await? == Renewed::Gone {
            return Ok(None);
        }
        f.outlive(f.short()).await?;
        assert!(matches!(
            renewed(f.store(), &waiter).await?,
            Renewed::Waiting { .. }
        ));
        Ok(Some(()))
    })
    .await
}

pub(super) async fn a_place_in_line_lasts_as_long_as_its_own_ttl(f: &Fixture<'_>) -> Result<()> {
    let (holder, waiter) = (f.exclusive("a"), f.exclusive("a").queue(LONG / 4));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &waiter).await?;
    let left = contender(f.store(), &waiter)
        .await?
        .map(|contender| contender.expires_in);
    assert!(
        left.is_some_and(|left| left <= LONG / 4),
        "it waits for {left:?}"
    );

    renewed(f.store(), &waiter).await?;
    let left = contender(f.store(), &waiter)
        .await?
        .map(|contender| contender.expires_in);
    assert!(
        left.is_some_and(|left| left <= LONG / 4),
        "after a renewal, it waits for {left:?}"
    );
    Ok(())
}

pub(super) async fn one_who_is_granted_at_once_has_the_full_ttl(f: &Fixture<'_>) -> Result<()> {
    let holder = f.exclusive("a").queue(LONG / 4);
    granted(f.store(), &holder).await?;
    let left = contender(f.store(), &holder)
        .await?
        .map(|contender| contender.expires_in);
    assert!(
        left.is_some_and(|left| left > LONG / 2),
        "it holds for {left:?}"
    );
    Ok(())
}

pub(super) async fn a_hand_off_keeps_the_waiting_deadline_and_a_renewal_extends_it(
    f: &Fixture<'_>,
) -> Result<()> {
    let (holder, next) = (f.exclusive("a"), f.exclusive("a").queue(LONG / 4));
    granted(f.store(), &holder).await?;
    let token = waiting(f.store(), &next).await?.token;
    assert!(release(f.store(), &holder).await?);
    let there = contender(f.store(), &next)
        .await?
        .expect("it was handed the lease");
    assert!(there.granted && there.expires_in <= LONG / 4, "{there:?}");

    assert_eq!(renewed(f.store(), &next).await?, Renewed::Granted(token));
    let left = contender(f.store(), &next)
        .await?
        .map(|contender| contender.expires_in);
    assert!(
        left.is_some_and(|left| left > LONG / 2),
        "it holds for {left:?}"
    );
    Ok(())
}

pub(super) async fn a_waiter_that_died_with_the_lease_in_hand_costs_its_waiting_deadline_only(
    f: &Fixture<'_>,
) -> Result<()> {
    let (holder, dead, next) = (f.exclusive("a"), mortal(f), f.queueing("a"));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &dead).await?;
    waiting(f.store(), &next).await?;
    assert!(release(f.store(), &holder).await?);
    f.outlive(f.short()).await?;
    assert!(
        matches!(renewed(f.store(), &next).await?, Renewed::Granted(_)),
        "the ttl of the dead one was long"
    );
    Ok(())
}

pub(super) async fn a_dead_holder_is_followed_by_the_next(f: &Fixture<'_>) -> Result<()> {
    let dead = LeaseRequest::exclusive(f.key("a"), f.short());
    let (first, second) = (f.queueing("a"), f.queueing("a"));
    granted(f.store(), &dead).await?;
    for request in [&first, &second] {
        f.store().acquire_lease(request).await?;
    }
    f.outlive(f.short()).await?;
    assert!(matches!(
        renewed(f.store(), &first).await?,
        Renewed::Granted(_)
    ));
    assert!(matches!(
        renewed(f.store(), &second).await?,
        Renewed::Waiting { ahead: 1, .. }
    ));
    assert_eq!(holders(f.store(), &first).await?, [first.lease.owner]);
    Ok(())
}

pub(super) async fn the_next_in_line_is_told_when_to_look_again(f: &Fixture<'_>) -> Result<()> {
    let (holder, first, second) = (f.exclusive("a"), f.queueing("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    let hint = waiting(f.store(), &first).await?.look_again_in;
    assert!(
        hint.is_some_and(|hint| hint <= LONG),
        "only the holder's expiry can change anything: {hint:?}"
    );
    waiting(f.store(), &second).await?;
    let Renewed::Waiting {
        look_again_in: hint,
        ..
    } = renewed(f.store(), &first).await?
    else {
        panic!("it waits")
    };
    assert!(
        hint.is_some_and(|hint| hint <= LONG),
        "a renewal tells it as well: {hint:?}"
    );
    Ok(())
}

pub(super) async fn a_line_that_emptied_starts_anew(f: &Fixture<'_>) -> Result<()> {
    let (holder, waiter) = (f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &waiter).await?;
    assert!(release(f.store(), &waiter).await?);
    assert!(release(f.store(), &holder).await?);
    let (holder, waiter) = (f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    assert_eq!(waiting(f.store(), &waiter).await?.ahead, 1);
    assert!(release(f.store(), &holder).await?);
    assert_eq!(holders(f.store(), &waiter).await?, [waiter.lease.owner]);
    Ok(())
}

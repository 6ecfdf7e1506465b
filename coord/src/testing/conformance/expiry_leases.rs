//! Contenders that expire: absent in every operation at once, holding or waiting alike.

use super::prelude::*;

/// A holder whose lease has expired, with nobody having looked since.
async fn expired(f: &Fixture<'_>, name: &str) -> Result<LeaseRequest> {
    let holder = LeaseRequest::exclusive(f.key(name), f.short());
    granted(f.store(), &holder).await?;
    f.outlive(f.short()).await?;
    Ok(holder)
}

/// A holder for long, and a waiter whose place has expired, with nobody having looked since.
async fn expired_waiter(f: &Fixture<'_>, name: &str) -> Result<(LeaseRequest, LeaseRequest)> {
    let (holder, waiter) = (f.exclusive(name), f.exclusive(name).queue(f.short()));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &waiter).await?;
    f.outlive(f.short()).await?;
    Ok((holder, waiter))
}

pub(super) async fn an_expired_holder_is_not_shown(f: &Fixture<'_>) -> Result<()> {
    let holder = expired(f, "a").await?;
    assert_eq!(owners(f.store(), &holder).await?, []);
    Ok(())
}

pub(super) async fn an_expired_holder_is_gone_when_it_renews(f: &Fixture<'_>) -> Result<()> {
    let holder = expired(f, "a").await?;
    assert_eq!(renewed(f.store(), &holder).await?, Renewed::Gone);
    assert_eq!(owners(f.store(), &holder).await?, []);
    granted(f.store(), &f.exclusive("a")).await?;
    Ok(())
}

pub(super) async fn an_expired_holder_has_nothing_to_release(f: &Fixture<'_>) -> Result<()> {
    let holder = expired(f, "a").await?;
    assert!(!release(f.store(), &holder).await?);
    let next = f.exclusive("a");
    granted(f.store(), &next).await?;
    assert!(!release(f.store(), &holder).await?);
    assert_eq!(holders(f.store(), &next).await?, [next.lease.owner]);
    Ok(())
}

pub(super) async fn an_expired_holder_keeps_nobody_out(f: &Fixture<'_>) -> Result<()> {
    let dead = expired(f, "a").await?;
    let next = f.exclusive("a");
    granted(f.store(), &next).await?;
    assert_eq!(owners(f.store(), &dead).await?, [next.lease.owner]);
    assert_eq!(renewed(f.store(), &dead).await?, Renewed::Gone);

    expired(f, "b").await?;
    granted(f.store(), &f.queueing("b")).await?;
    Ok(())
}

pub(super) async fn an_expired_holder_among_others_frees_its_part(f: &Fixture<'_>) -> Result<()> {
    let dead = LeaseRequest::exclusive(f.key("a"), f.short()).weighing(2, 3);
    let alive = f.exclusive("a").weighing(1, 3);
    granted(f.store(), &dead).await?;
    granted(f.store(), &alive).await?;
    f.outlive(f.short()).await?;
    let next = f.exclusive("a").weighing(2, 3);
    granted(f.store(), &next).await?;
    assert_eq!(
        holders(f.store(), &next).await?,
        [alive.lease.owner, next.lease.owner]
    );
    Ok(())
}

pub(super) async fn an_expired_waiter_is_not_shown(f: &Fixture<'_>) -> Result<()> {
    let (holder, _) = expired_waiter(f, "a").await?;
    assert_eq!(owners(f.store(), &holder).await?, [holder.lease.owner]);
    Ok(())
}

pub(super) async fn an_expired_waiter_is_gone_when_it_renews(f: &Fixture<'_>) -> Result<()> {
    let (holder, waiter) = expired_waiter(f, "a").await?;
    assert_eq!(renewed(f.store(), &waiter).await?, Renewed::Gone);
    assert_eq!(owners(f.store(), &holder).await?, [holder.lease.owner]);
    Ok(())
}

pub(super) async fn an_expired_waiter_has_nothing_to_release(f: &Fixture<'_>) -> Result<()> {
    let (holder, waiter) = expired_waiter(f, "a").await?;
    assert!(!release(f.store(), &waiter).await?);
    assert_eq!(owners(f.store(), &holder).await?, [holder.lease.owner]);
    Ok(())
}

pub(super) async fn an_expired_waiter_is_not_counted(f: &Fixture<'_>) -> Result<()> {
    expired_waiter(f, "a").await?;
    assert_eq!(waiting(f.store(), &f.queueing("a")).await?.ahead, 1);
    Ok(())
}

pub(super) async fn a_renewed_lease_outlives_its_first_ttl(f: &Fixture<'_>) -> Result<()> {
    // The renewal may come too late on a machine that is busy; then another lease is tried.
    eventually("a holder renews in time", async || {
        let name = format!("a/{:032x}", rand::random::<u128>());
        let mut holder = LeaseRequest::exclusive(f.key(&name), f.short());
        granted(f.store(), &holder).await?;
        holder.ttl = LONG;
        if renewed(f.store(), &holder).await? == Renewed::Gone {
            return Ok(None);
        }
        f.outlive(f.short()).await?;
        assert!(matches!(
            renewed(f.store(), &holder).await?,
            Renewed::Granted(_)
        ));
        busy(f.store(), &f.exclusive(&name)).await?;
        Ok(Some(()))
    })
    .await
}

pub(super) async fn a_renewed_lease_expires_with_its_last_ttl(f: &Fixture<'_>) -> Result<()> {
    let mut holder = f.exclusive("a");
    granted(f.store(), &holder).await?;
    holder.ttl = f.short();
    assert!(matches!(
        renewed(f.store(), &holder).await?,
        Renewed::Granted(_)
    ));
    f.outlive(f.short()).await?;
    granted(f.store(), &f.exclusive("a")).await?;
    Ok(())
}

pub(super) async fn others_asking_do_not_keep_a_dead_holder_alive(f: &Fixture<'_>) -> Result<()> {
    let dead = LeaseRequest::exclusive(f.key("a"), f.short());
    granted(f.store(), &dead).await?;
    eventually("the lease expires in spite of those who try", async || {
        let attempt = f.exclusive("a");
        if let Acquired::Granted(_) = f.store().acquire_lease(&attempt).await? {
            return Ok(Some(()));
        }
        // On a bad network a copy of the request may still get in.
        release(f.store(), &attempt).await?;
        Ok(None)
    })
    .await
}

pub(super) async fn holder_and_waiters_dead_together_leave_a_free_resource(
    f: &Fixture<'_>,
) -> Result<()> {
    for _ in 0..4 {
        let mortal = LeaseRequest::exclusive(f.key("a"), f.short()).queue(f.short());
        f.store().acquire_lease(&mortal).await?;
    }
    f.outlive(f.short()).await?;
    let next = f.exclusive("a");
    granted(f.store(), &next).await?;
    assert_eq!(owners(f.store(), &next).await?, [next.lease.owner]);
    Ok(())
}

pub(super) async fn a_grant_that_is_found_by_asking_again_lasts_for_its_ttl(
    f: &Fixture<'_>,
) -> Result<()> {
    // The hand-over has to come within it, also on a busy machine.
    let waits = f.short().max(Duration::from_secs(2));
    let (holder, waiter) = (f.exclusive("a"), f.exclusive("a").queue(waits));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &waiter).await?;
    assert!(release(f.store(), &holder).await?);
    let token = granted(f.store(), &waiter).await?;
    f.outlive(waits).await?;
    busy(f.store(), &f.exclusive("a")).await?;
    assert_eq!(renewed(f.store(), &waiter).await?, Renewed::Granted(token));
    Ok(())
}

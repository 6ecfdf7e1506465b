//! Fencing tokens: a later grant has the greater one, whatever happened in between.

use super::prelude::*;
use crate::store::FencingToken;

fn above(token: FencingToken, by: u64) -> FencingToken {
    FencingToken::new(u64::from(token) + by)
}

pub(super) async fn tokens_increase_from_grant_to_grant(f: &Fixture<'_>) -> Result<()> {
    let mut last = FencingToken::new(0);
    for round in 0..20 {
        let request = if round % 2 == 0 {
            f.exclusive("a")
        } else {
            f.queueing("a")
        };
        let token = granted(f.store(), &request).await?;
        assert!(token > last, "{token} follows {last}");
        last = token;
        assert!(release(f.store(), &request).await?);
    }
    Ok(())
}

pub(super) async fn tokens_increase_across_expiry(f: &Fixture<'_>) -> Result<()> {
    let first = granted(f.store(), &LeaseRequest::exclusive(f.key("a"), f.short())).await?;
    f.outlive(f.short()).await?;
    let second = granted(f.store(), &LeaseRequest::exclusive(f.key("a"), f.short())).await?;
    assert!(second > first, "{second} follows {first}");
    f.outlive(f.short()).await?;
    let third = granted(f.store(), &f.queueing("a")).await?;
    assert!(third > second, "{third} follows {second}");
    Ok(())
}

pub(super) async fn tokens_increase_when_the_client_starts_anew(f: &Fixture<'_>) -> Result<()> {
    let before = f.exclusive("a");
    let first = granted(f.store(), &before).await?;
    assert!(release(f.store(), &before).await?);
    let anew = f.made_anew().await;
    let second = granted(&*anew, &f.exclusive("a")).await?;
    assert!(second > first, "{second} follows {first}");
    Ok(())
}

pub(super) async fn tokens_are_in_the_order_of_arrival(f: &Fixture<'_>) -> Result<()> {
    let line: Vec<_> = (0..10).map(|_| f.queueing("a").weighing(1, 2)).collect();
    let mut last = FencingToken::new(0);
    for request in &line {
        let token = match f.store().acquire_lease(request).await? {
            Acquired::Granted(token) | Acquired::Waiting { token, .. } => token,
            Acquired::Busy => panic!("it queues"),
        };
        assert!(token > last, "{token} follows {last}");
        last = token;
    }
    Ok(())
}

pub(super) async fn a_grant_has_the_token_that_the_waiter_was_promised(
    f: &Fixture<'_>,
) -> Result<()> {
    let (holder, waiter) = (f.exclusive("a"), f.queueing("a"));
    let first = granted(f.store(), &holder).await?;
    let promised = waiting(f.store(), &waiter).await?.token;
    assert!(promised > first);
    assert!(release(f.store(), &holder).await?);
    assert_eq!(
        renewed(f.store(), &waiter).await?,
        Renewed::Granted(promised)
    );
    assert_eq!(
        contender(f.store(), &waiter)
            .await?
            .map(|contender| contender.token),
        Some(promised)
    );
    Ok(())
}

pub(super) async fn a_renewal_keeps_the_token(f: &Fixture<'_>) -> Result<()> {
    for request in [f.exclusive("a"), f.queueing("b")] {
        let token = granted(f.store(), &request).await?;
        for _ in 0..3 {
            assert_eq!(renewed(f.store(), &request).await?, Renewed::Granted(token));
        }
    }
    Ok(())
}

pub(super) async fn a_token_is_at_least_the_floor_and_so_are_those_that_follow(
    f: &Fixture<'_>,
) -> Result<()> {
    let first = f.exclusive("a");
    let floor = above(granted(f.store(), &first).await?, 1_000);
    assert!(release(f.store(), &first).await?);

    let second = f.exclusive("a").token_floor(floor);
    let raised = granted(f.store(), &second).await?;
    assert!(raised >= floor, "{raised} is below {floor}");
    assert!(release(f.store(), &second).await?);

    let third = granted(f.store(), &f.exclusive("a")).await?;
    assert!(third > raised, "{third} follows {raised}");
    Ok(())
}

pub(super) async fn a_floor_that_is_passed_already_changes_nothing(f: &Fixture<'_>) -> Result<()> {
    let first = f.exclusive("a");
    let mut token = granted(f.store(), &first).await?;
    assert!(release(f.store(), &first).await?);
    for floor in [0, 1] {
        let next = f.exclusive("a").token_floor(FencingToken::new(floor));
        let following = granted(f.store(), &next).await?;
        assert!(following > token, "{following} follows {token}");
        assert!(release(f.store(), &next).await?);
        token = following;
    }
    Ok(())
}

pub(super) async fn a_waiter_gets_the_floor_as_well(f: &Fixture<'_>) -> Result<()> {
    let (holder, behind) = (f.exclusive("a"), f.queueing("a"));
    let floor = above(granted(f.store(), &holder).await?, 1_000);
    let waiter = f.queueing("a").token_floor(floor);
    let promised = waiting(f.store(), &waiter).await?.token;
    assert!(promised >= floor, "{promised} is below {floor}");
    assert!(waiting(f.store(), &behind).await?.token > promised);
    Ok(())
}

pub(super) async fn a_holder_raises_its_token_by_asking_again_with_a_floor(
    f: &Fixture<'_>,
) -> Result<()> {
    for request in [f.exclusive("a"), f.queueing("b")] {
        let token = granted(f.store(), &request).await?;
        let floor = above(token, 1_000);
        let raised = granted(f.store(), &request.clone().token_floor(floor)).await?;
        assert!(raised >= floor, "{raised} is below {floor}");
        assert_eq!(
            renewed(f.store(), &request).await?,
            Renewed::Granted(raised)
        );
        assert_eq!(
            granted(f.store(), &request.token_floor(floor)).await?,
            raised,
            "it is at the floor already"
        );
    }
    Ok(())
}

/// Those behind got their numbers before; the grants that follow must outrank the raised one all the same.
pub(super) async fn a_raised_token_ranks_below_the_grants_that_follow(
    f: &Fixture<'_>,
) -> Result<()> {
    let (holder, first, second) = (f.queueing("a"), f.queueing("a"), f.queueing("a"));
    let floor = above(granted(f.store(), &holder).await?, 1_000);
    waiting(f.store(), &first).await?;
    waiting(f.store(), &second).await?;
    let mut last = granted(f.store(), &holder.clone().token_floor(floor)).await?;

    let mut previous = &holder;
    for next in [&first, &second] {
        assert!(release(f.store(), previous).await?);
        let Renewed::Granted(token) = renewed(f.store(), next).await? else {
            panic!("it is next")
        };
        assert!(token > last, "{token} follows {last}");
        (last, previous) = (token, next);
    }
    Ok(())
}

pub(super) async fn a_floor_at_one_resource_leaves_another_in_order(f: &Fixture<'_>) -> Result<()> {
    let (a, b) = (f.exclusive("a"), f.exclusive("b"));
    let floor = above(granted(f.store(), &a).await?, 1_000);
    granted(f.store(), &a.clone().token_floor(floor)).await?;
    let first = granted(f.store(), &b).await?;
    assert!(release(f.store(), &b).await?);
    assert!(granted(f.store(), &f.exclusive("b")).await? > first);
    Ok(())
}

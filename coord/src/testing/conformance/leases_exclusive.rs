//! Leases that take the whole resource: entering, renewing, releasing, inspecting.

use super::prelude::*;
use crate::store::{Contender, Renewal};

pub(super) async fn a_free_lease_is_granted_at_once(f: &Fixture<'_>) -> Result<()> {
    granted(f.store(), &f.exclusive("a")).await?;
    granted(f.store(), &f.queueing("b")).await?;
    Ok(())
}

pub(super) async fn a_held_lease_is_busy_for_one_who_does_not_queue(f: &Fixture<'_>) -> Result<()> {
    granted(f.store(), &f.exclusive("a")).await?;
    busy(f.store(), &f.exclusive("a")).await
}

pub(super) async fn a_held_lease_makes_one_who_queues_wait(f: &Fixture<'_>) -> Result<()> {
    let holder = f.exclusive("a");
    granted(f.store(), &holder).await?;
    let waiter = f.queueing("a");
    let place = waiting(f.store(), &waiter).await?;
    assert_eq!(place.ahead, 1);
    assert_eq!(holders(f.store(), &holder).await?, [holder.lease.owner]);
    assert_eq!(
        owners(f.store(), &holder).await?,
        [holder.lease.owner, waiter.lease.owner]
    );
    Ok(())
}

pub(super) async fn a_holder_who_asks_again_still_holds(f: &Fixture<'_>) -> Result<()> {
    for request in [f.exclusive("a"), f.queueing("b")] {
        let shorter = LeaseRequest {
            ttl: LONG / 4,
            ..request.clone()
        };
        let token = granted(f.store(), &shorter).await?;
        assert_eq!(granted(f.store(), &request).await?, token);
        assert_eq!(
            owners(f.store(), &request).await?,
            [request.lease.owner],
            "it is in line once"
        );
        let left = contender(f.store(), &request)
            .await?
            .map(|contender| contender.expires_in);
        assert!(
            left.is_some_and(|left| left > LONG / 2),
            "it lasts from the last time that it asked: {left:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_release_frees(f: &Fixture<'_>) -> Result<()> {
    for first in [f.exclusive("a"), f.queueing("b")] {
        granted(f.store(), &first).await?;
        assert!(release(f.store(), &first).await?);
        assert_eq!(owners(f.store(), &first).await?, []);
        let next = LeaseRequest::exclusive(first.lease.resource.clone(), LONG);
        granted(f.store(), &next).await?;
    }
    Ok(())
}

pub(super) async fn a_release_by_a_stranger_changes_nothing(f: &Fixture<'_>) -> Result<()> {
    let holder = f.exclusive("a");
    granted(f.store(), &holder).await?;
    assert!(!release(f.store(), &f.exclusive("a")).await?);
    assert!(!release(f.store(), &f.exclusive("never used")).await?);
    assert_eq!(holders(f.store(), &holder).await?, [holder.lease.owner]);
    busy(f.store(), &f.exclusive("a")).await
}

pub(super) async fn a_release_at_one_resource_leaves_the_same_owner_at_others(
    f: &Fixture<'_>,
) -> Result<()> {
    let first = f.exclusive("a");
    let mut others: Vec<_> = (0..100)
        .map(|index| f.exclusive(&format!("a/{index}")))
        .collect();
    granted(f.store(), &first).await?;
    for other in &mut others {
        other.lease.owner = first.lease.owner;
        granted(f.store(), other).await?;
    }
    assert!(release(f.store(), &first).await?);
    for other in &others {
        assert!(matches!(
            renewed(f.store(), other).await?,
            Renewed::Granted(_)
        ));
        assert!(release(f.store(), other).await?);
        assert_eq!(owners(f.store(), other).await?, []);
    }
    Ok(())
}

pub(super) async fn resources_do_not_touch_each_other(f: &Fixture<'_>) -> Result<()> {
    let names = ["a", "A", "aa", "a/", "a/a", "{a}", "{a}b", "a\0", "ключ"];
    for name in names {
        granted(f.store(), &f.queueing(name)).await?;
    }
    for name in names {
        assert_eq!(
            holders(f.store(), &f.exclusive(name)).await?.len(),
            1,
            "{name:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_stranger_renews_nothing(f: &Fixture<'_>) -> Result<()> {
    assert_eq!(renewed(f.store(), &f.exclusive("a")).await?, Renewed::Gone);
    let holder = f.exclusive("a");
    granted(f.store(), &holder).await?;
    assert_eq!(renewed(f.store(), &f.exclusive("a")).await?, Renewed::Gone);
    assert_eq!(owners(f.store(), &holder).await?, [holder.lease.owner]);
    Ok(())
}

pub(super) async fn a_renewal_after_the_release_finds_it_gone(f: &Fixture<'_>) -> Result<()> {
    let holder = f.exclusive("a");
    granted(f.store(), &holder).await?;
    assert!(release(f.store(), &holder).await?);
    assert_eq!(renewed(f.store(), &holder).await?, Renewed::Gone);
    assert_eq!(
        owners(f.store(), &holder).await?,
        [],
        "renewing must not bring it back"
    );
    granted(f.store(), &f.exclusive("a")).await?;
    assert_eq!(renewed(f.store(), &holder).await?, Renewed::Gone);
    Ok(())
}

pub(super) async fn a_renewal_tells_who_holds_and_who_waits(f: &Fixture<'_>) -> Result<()> {
    let (holder, first, second) = (f.queueing("a"), f.queueing("a"), f.queueing("a"));
    let token = granted(f.store(), &holder).await?;
    waiting(f.store(), &first).await?;
    waiting(f.store(), &second).await?;
    assert_eq!(renewed(f.store(), &holder).await?, Renewed::Granted(token));
    for (request, expected) in [(&first, 1), (&second, 2)] {
        let answer = renewed(f.store(), request).await?;
        assert!(
            matches!(answer, Renewed::Waiting { ahead, .. } if ahead == expected),
            "{answer:?}, not {expected} ahead"
        );
    }
    Ok(())
}

pub(super) async fn a_renewal_sets_the_deadline_from_now(f: &Fixture<'_>) -> Result<()> {
    let holder = LeaseRequest::exclusive(f.key("a"), LONG);
    granted(f.store(), &holder).await?;
    let longer = Renewal {
        ttl: 3 * LONG,
        ..holder.renewal()
    };
    assert!(f.store().renew_leases(&[longer]).await.remove(0).is_ok());
    let left = contender(f.store(), &holder)
        .await?
        .map(|contender| contender.expires_in);
    assert!(
        left.is_some_and(|left| left > 2 * LONG && left <= 3 * LONG),
        "{left:?}"
    );

    assert!(
        f.store()
            .renew_leases(&[holder.renewal()])
            .await
            .remove(0)
            .is_ok()
    );
    let left = contender(f.store(), &holder)
        .await?
        .map(|contender| contender.expires_in);
    assert!(
        left.is_some_and(|left| left <= LONG),
        "a shorter one counts as well: {left:?}"
    );
    Ok(())
}

pub(super) async fn renewals_are_answered_in_their_order(f: &Fixture<'_>) -> Result<()> {
    let (a, b, waiter, gone) = (
        f.exclusive("a"),
        f.exclusive("b"),
        f.queueing("a"),
        f.exclusive("c"),
    );
    let token_a = granted(f.store(), &a).await?;
    let token_b = granted(f.store(), &b).await?;
    waiting(f.store(), &waiter).await?;

    let batch = [
        gone.renewal(),
        b.renewal(),
        waiter.renewal(),
        a.renewal(),
        b.renewal(),
    ];
    let answers: Vec<_> = f
        .store()
        .renew_leases(&batch)
        .await
        .into_iter()
        .collect::<Result<_>>()?;
    let [first, second, third, fourth, fifth] = &answers[..] else {
        panic!("five renewals, but {answers:?}")
    };
    assert_eq!(
        [first, second, fourth, fifth].map(Clone::clone),
        [
            Renewed::Gone,
            Renewed::Granted(token_b),
            Renewed::Granted(token_a),
            Renewed::Granted(token_b),
        ]
    );
    assert!(
        matches!(third, Renewed::Waiting { ahead: 1, .. }),
        "{third:?}"
    );
    Ok(())
}

pub(super) async fn a_batch_of_no_renewals_has_no_answers(f: &Fixture<'_>) -> Result<()> {
    assert!(f.store().renew_leases(&[]).await.is_empty());
    Ok(())
}

pub(super) async fn a_large_batch_of_renewals_is_answered_whole(f: &Fixture<'_>) -> Result<()> {
    let mut batch = Vec::new();
    let mut tokens = Vec::new();
    for index in 0..150 {
        let request = f.exclusive(&format!("a/{index}"));
        tokens.push(Renewed::Granted(granted(f.store(), &request).await?));
        batch.push(request.renewal());
    }
    let answers: Vec<_> = f
        .store()
        .renew_leases(&batch)
        .await
        .into_iter()
        .collect::<Result<_>>()?;
    assert_eq!(answers, tokens);
    Ok(())
}

pub(super) async fn a_line_that_nobody_is_in_is_empty(f: &Fixture<'_>) -> Result<()> {
    assert_eq!(f.store().inspect_lease(&f.key("a")).await?, []);
    Ok(())
}

pub(super) async fn an_inspection_shows_everybody_in_order(f: &Fixture<'_>) -> Result<()> {
    let holder = f.exclusive("a").weighing(2, 3).label("first, \"quoted\"\n");
    let second = f.queueing("a").weighing(3, 3).label("");
    let third = f.queueing("a").weighing(1, 3).label("третий");
    let tokens = [
        granted(f.store(), &holder).await?,
        waiting(f.store(), &second).await?.token,
        waiting(f.store(), &third).await?.token,
    ];

    let line = f.store().inspect_lease(&holder.lease.resource).await?;
    assert_eq!(line.len(), 3, "{line:?}");
    for (index, request) in [&holder, &second, &third].into_iter().enumerate() {
        let there = &line[index];
        assert!(
            !there.expires_in.is_zero() && there.expires_in <= LONG,
            "{:?}",
            there.expires_in
        );
        let expected = Contender {
            owner: request.lease.owner,
            label: request.label.clone(),
            token: tokens[index],
            weight: request.weight,
            granted: index == 0,
            expires_in: there.expires_in,
        };
        assert_eq!(*there, expected);
    }
    Ok(())
}

pub(super) async fn a_lease_alone_is_shown_as_it_is(f: &Fixture<'_>) -> Result<()> {
    let holder = f.exclusive("a").label("worker-7");
    let token = granted(f.store(), &holder).await?;
    let there = contender(f.store(), &holder).await?.expect("it holds");
    assert_eq!(
        (&*there.label, there.token, there.weight, there.granted),
        ("worker-7", token, 1, true)
    );
    assert!(
        there.expires_in <= LONG && !there.expires_in.is_zero(),
        "{:?}",
        there.expires_in
    );
    Ok(())
}

/// Labels that look like what a store may write next to them.
pub(super) async fn a_label_is_never_taken_for_anything_else(f: &Fixture<'_>) -> Result<()> {
    let odd = [
        "7:7", "|1:1|", "+", "#-", "~", "w|1|1", "\n", "%3A", "granted",
    ];
    for (index, label) in odd.into_iter().enumerate() {
        let holder = f.exclusive(&format!("a/{index}")).label(label);
        let waiter = f.queueing(&format!("a/{index}")).label(label);
        let token = granted(f.store(), &holder).await?;
        assert_eq!(renewed(f.store(), &holder).await?, Renewed::Granted(token));
        let promised = waiting(f.store(), &waiter).await?.token;
        for (request, token) in [(&holder, token), (&waiter, promised)] {
            let there = contender(f.store(), request).await?.expect("it is in line");
            assert_eq!((&*there.label, there.token), (label, token));
        }
        assert!(release(f.store(), &holder).await?);
        assert_eq!(
            renewed(f.store(), &waiter).await?,
            Renewed::Granted(promised)
        );
        assert!(release(f.store(), &waiter).await?);
    }
    Ok(())
}

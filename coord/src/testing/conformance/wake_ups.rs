//! Wake-ups: hints, but on a healthy store they come, and a grant is never announced to who has none.
//!
//! A store without wake-ups of its own passes as well: its watches say "look" at intervals.

use super::prelude::*;
use crate::store::{Wake, Watch, Watched};

/// Far more than any store takes, and more than the intervals of polling.
const WOKEN_WITHIN: Duration = Duration::from_secs(30);

async fn woken(watch: &mut Watch) -> Wake {
    let woken = tokio::time::timeout(WOKEN_WITHIN, watch.changed()).await;
    woken.unwrap_or_else(|_| panic!("nothing woke the watch"))
}

/// Looks at each wake-up, until there is something to see.
async fn seen_when_woken<T>(
    watch: &mut Watch,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    loop {
        woken(watch).await;
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
    }
}

/// Waits for a grant as a client does: whatever wakes it, it asks.
async fn granted_when_woken(
    f: &Fixture<'_>,
    request: &LeaseRequest,
    mut place: Place,
) -> Result<()> {
    loop {
        let wake = woken(&mut place.wake).await;
        let Renewed::Granted(token) = renewed(f.store(), request).await? else {
            assert_eq!(
                wake,
                Wake::Look,
                "a grant was announced to one who has none"
            );
            continue;
        };
        if let Wake::Granted(announced) = wake {
            assert_eq!(announced, token);
        }
        return Ok(());
    }
}

pub(super) async fn a_put_wakes_who_watches_the_record(f: &Fixture<'_>) -> Result<()> {
    let mut watch = f.store().watch(&Watched::Record(f.key("a"))).await?;
    for text in ["one", "two"] {
        stored(f.store(), &PutRequest::new(f.key("a"), text)).await?;
        seen_when_woken(&mut watch, async || {
            Ok(value(f.store(), &f.key("a"))
                .await?
                .filter(|value| value == text))
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn a_delete_wakes_who_watches_the_record(f: &Fixture<'_>) -> Result<()> {
    stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    let mut watch = f.store().watch(&Watched::Record(f.key("a"))).await?;
    assert!(
        f.store()
            .delete_record(&DeleteRequest::new(f.key("a")))
            .await?
    );
    seen_when_woken(&mut watch, async || {
        Ok(value(f.store(), &f.key("a")).await?.is_none().then_some(()))
    })
    .await
}

/// Whoever found something in the way, and waits for it to change, must not miss the change.
pub(super) async fn a_put_that_watches_hears_of_what_comes_after_it(f: &Fixture<'_>) -> Result<()> {
    stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    for round in 0..3 {
        let next = format!("next {round}");
        let waits = PutRequest::new(f.key("a"), "mine").when(Condition::Absent);
        let (put, mut watch) = f.store().put_watched(&waits).await?;
        assert!(matches!(put, Put::Conflict(Some(_))), "{put:?}");
        stored(f.store(), &PutRequest::new(f.key("a"), next.clone())).await?;
        seen_when_woken(&mut watch, async || {
            Ok(value(f.store(), &f.key("a"))
                .await?
                .filter(|value| *value == next))
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn a_put_that_watches_puts(f: &Fixture<'_>) -> Result<()> {
    let request = PutRequest::new(f.key("a"), "one").when(Condition::Absent);
    let (put, _) = f.store().put_watched(&request).await?;
    assert!(matches!(put, Put::Stored(_)), "{put:?}");
    let (again, _) = f.store().put_watched(&request).await?;
    assert_eq!(again, put, "the same put is answered the same");
    assert_eq!(
        value(f.store(), &f.key("a")).await?.as_deref(),
        Some("one".as_bytes())
    );
    Ok(())
}

pub(super) async fn many_records_are_watched_one_after_another(f: &Fixture<'_>) -> Result<()> {
    let mut kept = f.store().watch(&Watched::Record(f.key("kept"))).await?;
    for number in 0..300 {
        f.store()
            .watch(&Watched::Record(f.key(&number.to_string())))
            .await?;
    }
    stored(f.store(), &PutRequest::new(f.key("kept"), "one")).await?;
    seen_when_woken(&mut kept, async || value(f.store(), &f.key("kept")).await).await?;
    Ok(())
}

pub(super) async fn an_append_wakes_who_watches_the_log(f: &Fixture<'_>) -> Result<()> {
    let mut watch = f.store().watch(&Watched::Log(f.key("a"))).await?;
    for len in 0..2 {
        let append = AppendRequest::new(f.key("a"), len, "entry");
        assert_eq!(f.store().append_log(&append).await?, Append::Appended);
        seen_when_woken(&mut watch, async || {
            Ok(f.store().read_log(&f.key("a"), len, 1).await?.pop())
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn a_release_wakes_who_watches_the_resource(f: &Fixture<'_>) -> Result<()> {
    let holder = f.exclusive("a");
    granted(f.store(), &holder).await?;
    let mut watch = f.store().watch(&Watched::Lease(f.key("a"))).await?;
    assert!(release(f.store(), &holder).await?);
    seen_when_woken(&mut watch, async || {
        Ok(owners(f.store(), &holder).await?.is_empty().then_some(()))
    })
    .await
}

pub(super) async fn a_change_between_the_watch_and_the_wait_is_not_missed(
    f: &Fixture<'_>,
) -> Result<()> {
    let mut watch = f.store().watch(&Watched::Record(f.key("a"))).await?;
    stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    // Whatever else goes on in between.
    f.outlive(f.short()).await?;
    assert_eq!(woken(&mut watch).await, Wake::Look);
    Ok(())
}

pub(super) async fn everybody_who_watches_is_woken(f: &Fixture<'_>) -> Result<()> {
    let mut watches = Vec::new();
    for _ in 0..5 {
        watches.push(f.store().watch(&Watched::Record(f.key("a"))).await?);
    }
    watches.remove(2);
    stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    for watch in &mut watches {
        woken(watch).await;
    }
    Ok(())
}

pub(super) async fn another_client_is_woken(f: &Fixture<'_>) -> Result<()> {
    let anew = f.made_anew().await;
    stored(f.store(), &PutRequest::new(f.key("b"), "one")).await?;
    if value(&*anew, &f.key("b")).await?.is_none() {
        return Ok(()); // Each client of this store is a world of its own.
    }
    let mut watch = anew.watch(&Watched::Record(f.key("a"))).await?;
    stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    seen_when_woken(&mut watch, async || value(&*anew, &f.key("a")).await).await?;
    Ok(())
}

pub(super) async fn a_waiter_at_another_client_is_woken(f: &Fixture<'_>) -> Result<()> {
    let anew = f.made_anew().await;
    let (holder, waiter) = (f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    let Acquired::Waiting { mut wake, .. } = anew.acquire_lease(&waiter).await? else {
        return Ok(()); // Each client of this store is a world of its own.
    };
    assert!(release(f.store(), &holder).await?);
    seen_when_woken(&mut wake, async || {
        Ok(matches!(renewed(&*anew, &waiter).await?, Renewed::Granted(_)).then_some(()))
    })
    .await
}

pub(super) async fn a_release_wakes_the_next_in_line(f: &Fixture<'_>) -> Result<()> {
    let (holder, first, second) = (f.exclusive("a"), f.queueing("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    let first_place = waiting(f.store(), &first).await?;
    let second_place = waiting(f.store(), &second).await?;
    assert!(release(f.store(), &holder).await?);
    granted_when_woken(f, &first, first_place).await?;
    assert!(release(f.store(), &first).await?);
    granted_when_woken(f, &second, second_place).await
}

pub(super) async fn one_release_wakes_all_whom_it_grants(f: &Fixture<'_>) -> Result<()> {
    let writer = f.queueing("a").weighing(10, 10);
    granted(f.store(), &writer).await?;
    let mut readers = Vec::new();
    for _ in 0..5 {
        let reader = f.queueing("a").weighing(1, 10);
        let place = waiting(f.store(), &reader).await?;
        readers.push((reader, place));
    }
    assert!(release(f.store(), &writer).await?);
    for (reader, place) in readers {
        granted_when_woken(f, &reader, place).await?;
    }
    Ok(())
}

pub(super) async fn a_waiter_that_leaves_wakes_whom_it_held_back(f: &Fixture<'_>) -> Result<()> {
    let (holder, heavy, light) = (
        f.queueing("a").weighing(1, 3),
        f.queueing("a").weighing(3, 3),
        f.queueing("a").weighing(1, 3),
    );
    granted(f.store(), &holder).await?;
    waiting(f.store(), &heavy).await?;
    let place = waiting(f.store(), &light).await?;
    assert!(release(f.store(), &heavy).await?);
    granted_when_woken(f, &light, place).await
}

pub(super) async fn one_who_asks_again_is_woken_by_the_new_watch(f: &Fixture<'_>) -> Result<()> {
    let (holder, waiter) = (f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    drop(waiting(f.store(), &waiter).await?);
    let place = waiting(f.store(), &waiter).await?;
    assert!(release(f.store(), &holder).await?);
    granted_when_woken(f, &waiter, place).await
}

/// As when a variable that keeps the watch is assigned anew: the old one is dropped last.
pub(super) async fn a_new_watch_outlives_the_one_that_it_replaces(f: &Fixture<'_>) -> Result<()> {
    let (holder, waiter) = (f.exclusive("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    let old = waiting(f.store(), &waiter).await?;
    let new = waiting(f.store(), &waiter).await?;
    drop(old);
    assert!(release(f.store(), &holder).await?);
    granted_when_woken(f, &waiter, new).await
}

pub(super) async fn a_dead_holder_is_found_by_looking_when_told(f: &Fixture<'_>) -> Result<()> {
    let dead = LeaseRequest::exclusive(f.key("a"), f.short());
    granted(f.store(), &dead).await?;
    let waiter = f.queueing("a");
    let Acquired::Waiting {
        mut wake,
        mut look_again_in,
        ..
    } = f.store().acquire_lease(&waiter).await?
    else {
        return Ok(()); // The holder was dead already.
    };
    loop {
        let hint = look_again_in.expect("the next in line is told when to look");
        assert!(hint <= f.short(), "{hint:?} is longer than the holder has");
        let _ = tokio::time::timeout(hint, wake.changed()).await;
        match renewed(f.store(), &waiter).await? {
            Renewed::Granted(_) => return Ok(()),
            Renewed::Waiting {
                look_again_in: next,
                ..
            } => look_again_in = next,
            Renewed::Gone => panic!("it has a place for long"),
        }
    }
}

pub(super) async fn a_watch_that_was_dropped_harms_nobody(f: &Fixture<'_>) -> Result<()> {
    let (holder, gone, next) = (f.exclusive("a"), f.queueing("a"), f.queueing("a"));
    granted(f.store(), &holder).await?;
    drop(waiting(f.store(), &gone).await?);
    let place = waiting(f.store(), &next).await?;
    drop(f.store().watch(&Watched::Lease(f.key("a"))).await?);
    assert!(release(f.store(), &holder).await?);
    assert_eq!(
        holders(f.store(), &gone).await?,
        [gone.lease.owner],
        "it is granted, woken or not"
    );
    assert!(release(f.store(), &gone).await?);
    granted_when_woken(f, &next, place).await
}

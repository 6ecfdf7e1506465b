//! Futures that are dropped: the operation is done or not done, sending it again tells which, and the store
//! goes on.

use std::pin::pin;

use super::prelude::*;
use crate::store::{Wake, Watched};
use crate::testing::Operation;

/// How often futures are polled before they are dropped: from never to more often than most need.
const POLLS: std::ops::Range<usize> = 0..8;

/// Polls a future up to a number of times, lets the runtime work in between, and drops it.
async fn dropped_after<T>(polls: usize, future: impl Future<Output = T>) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if futures_util::poll!(future.as_mut()).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub(super) async fn a_dropped_put_is_done_or_not_done(f: &Fixture<'_>) -> Result<()> {
    for polls in POLLS {
        let key = f.key(&format!("a/{polls}"));
        let put = PutRequest::new(&*key, "new").when(Condition::Absent);
        dropped_after(polls, f.store().put_record(&put)).await;
        let version = stored(f.store(), &put).await?;
        assert_eq!(
            f.store().get_record(&key).await?.map(|entry| entry.version),
            Some(version)
        );
        stored(
            f.store(),
            &PutRequest::new(&*key, "next").when(Condition::Version(version)),
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn a_dropped_delete_is_done_or_not_done(f: &Fixture<'_>) -> Result<()> {
    for polls in POLLS {
        let key = f.key(&format!("a/{polls}"));
        let version = stored(f.store(), &PutRequest::new(&*key, "one")).await?;
        let delete = DeleteRequest::new(&*key).when(Condition::Version(version));
        dropped_after(polls, f.store().delete_record(&delete)).await;
        assert!(f.store().delete_record(&delete).await?);
        assert_eq!(value(f.store(), &key).await?, None);
    }
    Ok(())
}

pub(super) async fn a_dropped_append_is_done_or_not_done(f: &Fixture<'_>) -> Result<()> {
    for (len, polls) in (0..).zip(POLLS) {
        let append = AppendRequest::new(f.key("a"), len, polls.to_string());
        dropped_after(polls, f.store().append_log(&append)).await;
        assert_eq!(f.store().append_log(&append).await?, Append::Appended);
    }
    let expected: Vec<_> = POLLS.map(|polls| polls.to_string()).collect();
    assert_eq!(f.store().read_log(&f.key("a"), 0, 100).await?, expected);
    Ok(())
}

pub(super) async fn a_dropped_acquire_leaves_nobody_behind_once_released(
    f: &Fixture<'_>,
) -> Result<()> {
    for polls in POLLS {
        for request in [f.exclusive("a"), f.queueing("a")] {
            dropped_after(polls, f.store().acquire_lease(&request)).await;
            release(f.store(), &request).await?;
            let next = f.exclusive("a");
            granted(f.store(), &next).await?;
            assert_eq!(owners(f.store(), &next).await?, [next.lease.owner]);
            assert!(release(f.store(), &next).await?);
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_place_in_line_is_left_by_releasing(f: &Fixture<'_>) -> Result<()> {
    let holder = f.exclusive("a");
    granted(f.store(), &holder).await?;
    for polls in POLLS {
        let waiter = f.queueing("a");
        dropped_after(polls, f.store().acquire_lease(&waiter)).await;
        release(f.store(), &waiter).await?;
        assert_eq!(owners(f.store(), &holder).await?, [holder.lease.owner]);
    }
    let next = f.queueing("a");
    waiting(f.store(), &next).await?;
    assert!(release(f.store(), &holder).await?);
    assert_eq!(holders(f.store(), &next).await?, [next.lease.owner]);
    Ok(())
}

pub(super) async fn a_dropped_acquire_can_be_sent_again(f: &Fixture<'_>) -> Result<()> {
    for polls in POLLS {
        let (holder, waiter) = (
            f.queueing(&format!("a/{polls}")),
            f.queueing(&format!("a/{polls}")),
        );
        dropped_after(polls, f.store().acquire_lease(&holder)).await;
        granted(f.store(), &holder).await?;
        dropped_after(polls, f.store().acquire_lease(&waiter)).await;
        assert_eq!(waiting(f.store(), &waiter).await?.ahead, 1);
        assert!(release(f.store(), &holder).await?);
        assert_eq!(holders(f.store(), &waiter).await?, [waiter.lease.owner]);
    }
    Ok(())
}

pub(super) async fn a_dropped_renewal_keeps_the_lease(f: &Fixture<'_>) -> Result<()> {
    let (holder, waiter) = (f.exclusive("a"), f.queueing("a"));
    let token = granted(f.store(), &holder).await?;
    waiting(f.store(), &waiter).await?;
    for polls in POLLS {
        let batch = [holder.renewal(), waiter.renewal()];
        dropped_after(polls, f.store().renew_leases(&batch)).await;
        assert_eq!(renewed(f.store(), &holder).await?, Renewed::Granted(token));
        assert!(matches!(
            renewed(f.store(), &waiter).await?,
            Renewed::Waiting { ahead: 1, .. }
        ));
    }
    Ok(())
}

pub(super) async fn a_dropped_release_is_finished_by_sending_it_again(
    f: &Fixture<'_>,
) -> Result<()> {
    for polls in POLLS {
        let (holder, next) = (
            f.exclusive(&format!("a/{polls}")),
            f.queueing(&format!("a/{polls}")),
        );
        granted(f.store(), &holder).await?;
        waiting(f.store(), &next).await?;
        dropped_after(polls, f.store().release_lease(&holder.lease)).await;
        assert!(release(f.store(), &holder).await?);
        assert_eq!(owners(f.store(), &next).await?, [next.lease.owner]);
        assert_eq!(holders(f.store(), &next).await?, [next.lease.owner]);
    }
    Ok(())
}

/// The process dies with the release half done: whoever comes next finishes it.
pub(super) async fn a_dropped_release_that_is_never_sent_again_blocks_nobody_for_long(
    f: &Fixture<'_>,
) -> Result<()> {
    for polls in POLLS {
        let holder = LeaseRequest::exclusive(f.key(&format!("a/{polls}")), f.short());
        let next = f.queueing(&format!("a/{polls}"));
        granted(f.store(), &holder).await?;
        f.store().acquire_lease(&next).await?;
        dropped_after(polls, f.store().release_lease(&holder.lease)).await;
        f.outlive(f.short()).await?;
        assert!(matches!(
            renewed(f.store(), &next).await?,
            Renewed::Granted(_)
        ));
    }
    Ok(())
}

pub(super) async fn a_dropped_expiry_can_be_asked_for_again(f: &Fixture<'_>) -> Result<()> {
    for polls in POLLS {
        let log = f.key(&format!("a/{polls}"));
        for len in 0..3 {
            assert_eq!(
                f.store()
                    .append_log(&AppendRequest::new(&*log, len, "entry"))
                    .await?,
                Append::Appended
            );
        }
        dropped_after(polls, f.store().expire_log(&log, f.short())).await;
        f.store().expire_log(&log, f.short()).await?;
    }
    f.outlive(f.short()).await?;
    for polls in POLLS {
        assert_eq!(
            f.store()
                .read_log(&f.key(&format!("a/{polls}")), 0, 10)
                .await?,
            [""; 0]
        );
    }
    Ok(())
}

pub(super) async fn a_grant_whose_future_is_dropped_at_the_reply_is_given_back(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    let request = f.queueing("a");
    let held = cut.hold_reply(Operation::Acquire);
    let task = tokio::spawn({
        let (cut, request) = (cut.clone(), request.clone());
        async move { cut.acquire_lease(&request).await.map(drop) }
    });
    held.reached().await;
    task.abort();
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(
        holders(f.store(), &request).await?,
        [request.lease.owner],
        "it was granted"
    );
    assert!(release(f.store(), &request).await?);
    granted(f.store(), &f.exclusive("a")).await?;
    Ok(())
}

pub(super) async fn a_wait_that_is_dropped_loses_no_wake_up(f: &Fixture<'_>) -> Result<()> {
    let mut watch = f.store().watch(&Watched::Record(f.key("a"))).await?;
    for polls in 0..3 {
        dropped_after(polls, watch.changed()).await;
    }
    stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    dropped_after(0, watch.changed()).await;
    let woken = tokio::time::timeout(Duration::from_secs(30), watch.changed()).await;
    assert_eq!(woken, Ok(Wake::Look));
    Ok(())
}

pub(super) async fn a_watch_that_is_dropped_while_it_starts_leaves_the_next_one_awake(
    f: &Fixture<'_>,
) -> Result<()> {
    for polls in POLLS {
        let key = f.key(&format!("a/{polls}"));
        let watched = Watched::Record(key.clone());
        dropped_after(polls, f.store().watch(&watched)).await;
        let mut watch = f.store().watch(&watched).await?;
        stored(f.store(), &PutRequest::new(&*key, "one")).await?;
        let woken = tokio::time::timeout(Duration::from_secs(30), watch.changed()).await;
        assert_eq!(woken, Ok(Wake::Look));
    }
    Ok(())
}

pub(super) async fn dropped_operations_leave_the_store_usable(f: &Fixture<'_>) -> Result<()> {
    let mut futures = Vec::new();
    for index in 0..50 {
        let (store, key) = (f.shared(), f.key(&format!("a/{index}")));
        futures.push(Box::pin(async move {
            // On a condition, because what was dropped may still arrive after the write that follows.
            let put = PutRequest::new(&*key, "one").when(Condition::Absent);
            store.put_record(&put).await?;
            store.get_record(&key).await
        }));
    }
    for future in &mut futures {
        let _ = futures_util::poll!(future);
    }
    drop(futures);
    for index in 0..50 {
        let key = f.key(&format!("a/{index}"));
        stored(f.store(), &PutRequest::new(&*key, "two")).await?;
        assert_eq!(value(f.store(), &key).await?, Some(Bytes::from("two")));
    }
    Ok(())
}

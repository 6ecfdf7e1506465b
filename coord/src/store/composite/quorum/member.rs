//! One of the stores of a quorum: what is asked of it, each within a limit.
//!
//! A member keeps a mark in its store from when it was taken in. A store that has come back empty has no mark. What
//! such a store does not have, it may have forgotten: it counts only for records that were copied to it since, and
//! gets its mark back when all have been. One that has come back with older data has its mark, and nothing that it
//! says tells it from one that was away; so that must not happen, and [`examine`](super::examine) looks whether it can.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::super::super::{
    Condition, Examination, ListRequest, Page, Put, PutRequest, Result, Store, Version, Watch,
    Watched,
};
use super::super::Away;
use super::ballot::Ballot;
use super::state::{Seen, State, coarse};
use crate::error::{StoreError, StoreErrorKind};

/// Where the mark is kept.
pub(super) const MARK: &str = "\u{0}quorum";
/// For how long nobody waits for a member that has kept others waiting, or has failed.
const NOT_WAITED_FOR: Duration = Duration::from_secs(1);

pub(super) struct Member {
    store: Arc<dyn Store>,
    limit: Duration,
    slow: Away,
    /// When it failed, if it has not answered since.
    failed: Mutex<Option<Instant>>,
    failures: AtomicU64,
    /// The mark that was last seen.
    marked: Mutex<Condition>,
}

/// How far a member is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// There is none: the store is new, or has lost its data.
    Missing,
    /// It is new together with all others.
    Founding,
    /// Everything is being copied to it.
    Joining,
    /// It is a member, and was not emptied since.
    Member,
}

/// The mark, and the version of its record.
pub(super) type Marked = (Mark, Condition);

pub(super) enum Promise {
    Given(Seen),
    /// To a later proposal.
    Refused(Seen),
}

impl Promise {
    /// What it is given or refused with.
    pub(super) fn seen(self) -> Seen {
        match self {
            Self::Given(seen) | Self::Refused(seen) => seen,
        }
    }
}

impl Mark {
    fn text(self) -> &'static str {
        match self {
            Self::Missing => "",
            Self::Founding => "founding",
            Self::Joining => "joining",
            Self::Member => "member",
        }
    }

    fn of(text: &[u8]) -> Self {
        [Self::Founding, Self::Joining, Self::Member]
            .into_iter()
            .find(|mark| mark.text().as_bytes() == text)
            .unwrap_or(Self::Missing)
    }
}

impl Member {
    pub(super) fn new(store: Arc<dyn Store>, limit: Duration) -> Self {
        Self {
            store,
            limit,
            slow: Away::default(),
            failed: Mutex::default(),
            failures: AtomicU64::new(0),
            marked: Mutex::new(Condition::Absent),
        }
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(super) fn shared(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// What it says of a record.
    pub(super) async fn look(&self, key: &str) -> Result<Seen> {
        let known = self.known_mark();
        let seen = self.record(key).await?;
        self.weigh(key, seen, known).await
    }

    async fn record(&self, key: &str) -> Result<Seen> {
        let entry = self.within("get", || self.store.get_record(key)).await?;
        Seen::of(entry.as_ref()).ok_or_else(foreign)
    }

    /// Asks for a promise not to accept anything older, if it still is as it was `seen`.
    pub(super) async fn promise(
        &self,
        key: &str,
        mut seen: Seen,
        ballot: Ballot,
    ) -> Result<Promise> {
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            if seen.state.promised >= ballot {
                break;
            }
            match self.try_promise(key, &seen, ballot).await? {
                Promise::Given(given) => return Ok(Promise::Given(given)),
                Promise::Refused(now) => seen = now,
            }
        }
        Ok(Promise::Refused(seen))
    }

    /// Asks for a promise once.
    pub(super) async fn try_promise(
        &self,
        key: &str,
        seen: &Seen,
        ballot: Ballot,
    ) -> Result<Promise> {
        let state = State {
            promised: ballot,
            ..seen.state.clone()
        };
        // Nobody waits for promises.
        let put = PutRequest::new(key, state.encode())
            .when(seen.unchanged.clone())
            .ttl(seen.kept_for.map(coarse))
            .listed()
            .quiet();
        let known = self.known_mark();
        let now = match self.within("put", || self.store.put_record(&put)).await? {
            Put::Stored(version) => Seen {
                state,
                unchanged: Condition::Version(version),
                kept_for: seen.kept_for,
                counts: true,
            },
            Put::Conflict(there) => Seen::of(there.as_ref()).ok_or_else(foreign)?,
        };
        let now = self.weigh(key, now, known).await?;
        Ok(if now.state.promised == ballot {
            Promise::Given(now)
        } else {
            Promise::Refused(now)
        })
    }

    /// Brings it what was proposed or decided, if it still is as it was seen. `false`: it is not.
    pub(super) async fn accept(
        &self,
        key: &str,
        unchanged: Condition,
        state: &State,
        quiet: bool,
    ) -> Result<bool> {
        let mut put = PutRequest::new(key, state.encode())
            .when(unchanged)
            .ttl(state.content.kept_for())
            .listed();
        put.quiet = quiet;
        let put = self.within("put", || self.store.put_record(&put)).await?;
        Ok(matches!(put, Put::Stored(_)))
    }

    /// A page of what it keeps, and whether what is not there counts.
    pub(super) async fn list(&self, request: &ListRequest) -> Result<(Page, bool)> {
        loop {
            let known = self.known_mark();
            let page = self
                .within("list", || self.store.list_records(request))
                .await?;
            let (mark, now) = self.mark().await?;
            if mark != Mark::Member || now == known {
                return Ok((page, mark == Mark::Member));
            }
        }
    }

    pub(super) async fn watch(&self, watched: &Watched) -> Result<Watch> {
        self.within("watch", || self.store.watch(watched)).await
    }

    pub(super) async fn examine(&self) -> Result<Examination> {
        self.within("examine", || self.store.examine()).await
    }

    pub(super) async fn mark(&self) -> Result<Marked> {
        let entry = self.within("get", || self.store.get_record(MARK)).await?;
        let (mark, unchanged) = match entry {
            Some(entry) => (Mark::of(&entry.value), Condition::Version(entry.version)),
            None => (Mark::Missing, Condition::Absent),
        };
        unchanged.clone_into(&mut lock(&self.marked));
        Ok((mark, unchanged))
    }

    fn known_mark(&self) -> Condition {
        lock(&self.marked).clone()
    }

    /// Replaces the mark, if it is unchanged.
    pub(super) async fn set_mark(
        &self,
        mark: Mark,
        unchanged: Condition,
    ) -> Result<Option<Version>> {
        let put = PutRequest::new(MARK, Bytes::from(mark.text())).when(unchanged);
        Ok(
            match self.within("put", || self.store.put_record(&put)).await? {
                Put::Stored(version) => Some(version),
                Put::Conflict(_) => None,
            },
        )
    }

    /// Whether it has kept others waiting lately.
    pub(super) fn is_slow(&self) -> bool {
        self.slow.is_away()
    }

    /// Notes that it was left behind. If it was not waited for, that says nothing of how slow it is now.
    pub(super) fn is_left_behind(&self) {
        if !self.is_slow() {
            self.slow.is_not_waited_for(NOT_WAITED_FOR);
        }
    }

    /// Notes that it has failed.
    pub(super) fn has_failed(&self) {
        *lock(&self.failed) = Some(Instant::now());
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has failed. It may do so with one thing, and answer others.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Whether it has failed and not answered since.
    pub(super) fn fails(&self) -> bool {
        lock(&self.failed).is_some()
    }

    /// Whether it has failed so lately that it cannot be expected to answer.
    pub(super) fn is_down(&self) -> bool {
        lock(&self.failed).is_some_and(|failed| failed.elapsed() < NOT_WAITED_FOR)
    }

    /// Notes that it answers, and says whether it had failed.
    pub(super) fn is_back(&self) -> bool {
        lock(&self.failed).take().is_some()
    }

    /// The absence of a record counts only if the store has not lost its data: if its mark, which is read after the
    /// record, is the one that was `known` before. Another one may have been set in between.
    async fn weigh(&self, key: &str, mut seen: Seen, mut known: Condition) -> Result<Seen> {
        while seen.state.accepted == Ballot::NONE {
            let (mark, now) = self.mark().await?;
            seen.counts = mark == Mark::Member;
            if !seen.counts || now == known {
                break;
            }
            known = now;
            seen = self.record(key).await?;
        }
        Ok(seen)
    }

    /// Asks twice, if the first failure allows it: a connection that broke is a new one by then.
    async fn within<T, F: Future<Output = Result<T>>>(
        &self,
        operation: &'static str,
        call: impl Fn() -> F,
    ) -> Result<T> {
        let twice = async {
            match call().await {
                Err(error) if error.is_retryable() => call().await,
                answer => answer,
            }
        };
        timeout(self.limit, twice).await.unwrap_or_else(|_| {
            Err(StoreError::new(
                StoreErrorKind::Unknown,
                operation,
                "one of the stores of a quorum did not answer within its limit",
            ))
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn foreign() -> StoreError {
    StoreError::new(
        StoreErrorKind::Rejected,
        "get",
        "something else than a quorum has written under this key; give the quorum stores of its own, or another \
         namespace",
    )
}

//! A lease as its holder sees it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use tokio::time::Instant;
use tracing::Span;

use super::Few;
use super::acquire::{Got, persist};
use super::holding::{AtWork, Ended, Holding, rest};
use super::keeper::{Keeper, Leaving};
use crate::clock::{Deadline, Moment};
use crate::context::LockName;
use crate::error::{Error, StoreError};
use crate::observe::{LockEvent, emit};
use crate::store::{FencingToken, Renewal, Renewed};

/// A held lock. While it is held, a background task renews it; dropping it gives it back in the background.
///
/// What is done under a lease should not go on when it is lost: watch [`lost`](Self::lost), or let
/// [`LockBuilder::run`](super::LockBuilder::run) or `#[locked]` do so. And what is written under it should
/// carry its [`token`](Self::token), so that the resource can refuse a holder that was paused for too long.
///
/// The task is on the runtime where the lease was got, or where [`is_held`](Self::is_held) or [`lost`](Self::lost) was
/// last asked: one that nobody drives renews nothing.
///
/// If the process dies, the store ends the lease after its ttl.
#[must_use = "the lock is given back when the lease is dropped"]
pub struct Lease {
    parts: Few<Part>,
    keeper: Arc<Keeper>,
    since: Instant,
    at_least_until: Option<Instant>,
    span: Span,
    given_back: AtomicBool,
}

/// The lease of one of the keys.
struct Part {
    holding: Arc<Holding>,
    token: FencingToken,
}

impl Lease {
    /// A lease of everything that was got, in the order in which the keys were given.
    pub(super) fn new(got: Few<Got>, keeper: Arc<Keeper>, at_least: Duration, span: Span) -> Self {
        let since = got.iter().map(|got| got.since).max();
        let since = since.unwrap_or_else(Instant::now);
        let at_least_until = (!at_least.is_zero()).then(|| since + at_least);
        if let Some(until) = at_least_until {
            got.iter().for_each(|got| got.holding.keep_until(until));
        }
        let parts = got
            .into_iter()
            .map(|got| Part {
                holding: got.holding,
                token: got.token,
            })
            .collect();
        Self {
            parts,
            keeper,
            since,
            at_least_until,
            span,
            given_back: AtomicBool::new(false),
        }
    }

    /// The fencing token: strictly greater than every earlier one of this key. With several keys, that of
    /// the key that was given first; see [`token_of`](Self::token_of) for the others.
    pub fn token(&self) -> FencingToken {
        self.parts
            .first()
            .map_or(FencingToken::new(0), |part| part.token)
    }

    /// The fencing token of one of the keys, as it was rendered.
    pub fn token_of(&self, key: &str) -> Option<FencingToken> {
        self.parts
            .iter()
            .find(|part| &*part.holding.key == key)
            .map(|part| part.token)
    }

    /// Whether it is held, as far as can be known without asking the store.
    ///
    /// The runtime that it was taken on may have ended, or stand still: from here on the current one renews it, if
    /// there is one.
    pub fn is_held(&self) -> bool {
        let is_held = self.has_not_ended();
        if is_held {
            for part in &self.parts {
                self.keeper.keep_here(&part.holding);
            }
        }
        is_held
    }

    fn has_not_ended(&self) -> bool {
        self.parts.iter().all(|part| part.holding.is_held())
    }

    /// Unless it has ended, keeps a shutdown from giving it back for as long as what this returns is there.
    pub(crate) fn at_work(&self) -> Option<Few<AtWork<'_>>> {
        self.parts
            .iter()
            .map(|part| part.holding.at_work())
            .collect()
    }

    /// Resolves when the lease is no longer held: the store has lost it, it could not be renewed in time, or
    /// this process was paused for longer than the ttl. Dropping the future changes nothing.
    pub async fn lost(&self) {
        match &*self.parts {
            [part] => lost(&part.holding, &self.keeper).await,
            parts => {
                select_all(
                    parts
                        .iter()
                        .map(|part| Box::pin(lost(&part.holding, &self.keeper))),
                )
                .await;
            }
        }
    }

    /// Gives the lease back, and says whether it was still held. One round trip.
    ///
    /// Dropping the future leaves the rest to the background.
    ///
    /// # Errors
    ///
    /// [`Error::LockLost`] if it was not held any more: what was done under it may have met with what
    /// another holder did. [`Error::Store`] if the store could not be reached until the lease had ended by
    /// itself.
    pub async fn release(self) -> Result<(), Error> {
        let _leaving = self.leave();
        self.give_back(Duration::MAX).await
    }

    /// The same lease without `at_least`, for when nothing was done under it.
    #[cfg(feature = "cli")]
    pub(crate) fn without_at_least(mut self) -> Self {
        self.at_least_until = None;
        self
    }

    /// Stops renewing it, because it is being given back until what this returns is dropped.
    pub(super) fn leave(&self) -> Few<Leaving<'_, Holding>> {
        let leave = |part: &Part| self.keeper.forget(&part.holding);
        self.parts.iter().map(leave).collect()
    }

    /// As [`release`](Self::release), with so much patience for a store that fails. It has to be [left](Self::leave) before.
    pub(super) async fn give_back(&self, patience: Duration) -> Result<(), Error> {
        let now = Moment::now();
        let give_back = |part| self.give_back_part(part, now, patience);
        let result = match &*self.parts {
            [part] => give_back(part).await,
            parts => worst(join_all(parts.iter().map(give_back)).await),
        };
        // If this is dropped before, a drop of the lease does all of it in the background.
        self.given_back.store(true, Ordering::Release);
        self.tell(matches!(result, Err(Error::LockLost { .. })), now);
        result
    }

    async fn give_back_part(
        &self,
        part: &Part,
        now: Moment,
        patience: Duration,
    ) -> Result<(), Error> {
        let holding = &*part.holding;
        let rest = rest(self.at_least_until, now);
        let lost = || Error::LockLost {
            template: holding.template(),
        };
        let Ended::Held(deadline) = holding.end(now) else {
            self.keeper.give_back_later(holding, rest);
            return Err(lost());
        };
        let until = deadline.within(patience, now);
        match self.end_in_store(holding, rest, until).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(lost()),
            Err(error) => {
                self.keeper.give_back_later(holding, rest);
                Err(error.into())
            }
        }
    }

    /// Whether it was still held.
    async fn end_in_store(
        &self,
        holding: &Holding,
        rest: Option<Duration>,
        until: Deadline,
    ) -> Result<bool, StoreError> {
        let store = &self.keeper.store;
        let Some(rest) = rest else {
            return persist(until, || store.release_lease(&holding.lease)).await;
        };
        let renewal = [Renewal {
            lease: holding.lease.clone(),
            ttl: rest,
            wait_ttl: rest,
        }];
        let renew = || async { store.renew_leases(&renewal).await.pop().transpose() };
        let renewed = persist(until, renew).await?;
        Ok(matches!(renewed, Some(Renewed::Granted(_))))
    }

    fn give_back_later(&self) {
        let now = Moment::now();
        let rest = rest(self.at_least_until, now);
        let mut was_lost = false;
        for part in &self.parts {
            // One whose release was begun, and not waited for, is not lost.
            was_lost |= matches!(part.holding.end(now), Ended::NotHeld);
            self.keeper.give_back_later(&part.holding, rest);
        }
        self.tell(was_lost, now);
    }

    fn tell(&self, was_lost: bool, now: Moment) {
        let held = now.instant().saturating_duration_since(self.since);
        let event = if was_lost {
            LockEvent::Lost { held }
        } else {
            LockEvent::Released { held }
        };
        self.span
            .record("outcome", if was_lost { "lost" } else { "released" });
        self.span.record("hold_seconds", held.as_secs_f64());
        self.span.in_scope(|| {
            for part in &self.parts {
                emit(part.holding.template(), event);
            }
        });
    }

    /// The resources, their keys and their names, for the context of a body.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Arc<str>, Arc<str>, LockName)> {
        self.parts.iter().map(|part| {
            (
                Arc::clone(&part.holding.lease.resource),
                Arc::clone(&part.holding.key),
                part.holding.name,
            )
        })
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// The template of the key whose lease is lost, or of the first.
    pub(super) fn lost_template(&self) -> &'static str {
        let lost = self
            .parts
            .iter()
            .find(|part| !part.holding.is_held())
            .or_else(|| self.parts.first());
        lost.map_or("", |part| part.holding.template())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !*self.given_back.get_mut() {
            self.give_back_later();
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("token", &self.token())
            .field("held", &self.has_not_ended())
            .finish_non_exhaustive()
    }
}

/// That one was lost says more than that another could not be given back.
fn worst(results: Vec<Result<(), Error>>) -> Result<(), Error> {
    let errors = results.into_iter().filter_map(Result::err);
    let worst = errors.min_by_key(|error| matches!(error, Error::Store(_)));
    worst.map_or(Ok(()), Err)
}

async fn lost(holding: &Holding, keeper: &Arc<Keeper>) {
    loop {
        let changed = holding.changed();
        if !holding.is_held() {
            return;
        }
        keeper.keep_here(holding);
        // A renewal is over by half of the time. If it is not, the keeper's task may be on a runtime that stands still, on
        // which somebody has asked about the lease; or late, on a thread that somebody blocks.
        holding.deadline().half().limit(changed).await;
    }
}

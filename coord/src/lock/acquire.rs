//! Getting one lease: ask, queue, be handed over to, and leave no trace when dropped on the way.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::holding::{Holding, Standing, Times};
use super::keeper::Keeper;
use crate::clock::{Deadline, Moment};
use crate::context::{LockName, WaitedFor, Waiting};
use crate::error::{Error, StoreError};
use crate::store::{Acquired, FencingToken, LeaseId, LeaseRequest, OwnerId, Wake, Watch};

/// How often a grant may come when its lease is over already. A ttl that is shorter than the way to the store is over
/// whenever it is got: that is what [`lost`](super::Lease::lost) is for.
pub(super) const LATE_AT_MOST: u32 = 3;
/// How long a place in line outlives a waiter that has died.
const WAIT_TTL: Duration = Duration::from_secs(5);
/// For how long a store that fails is tried again before the failure is told.
const PATIENCE: Duration = Duration::from_secs(3);
const FIRST_RETRY: Duration = Duration::from_millis(5);
const LONGEST_RETRY: Duration = Duration::from_millis(250);

/// What is asked for: one resource.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) resource: Arc<str>,
    pub(super) key: Arc<str>,
    pub(super) name: LockName,
    pub(super) weight: u32,
    pub(super) capacity: u32,
    pub(super) ttl: Duration,
    pub(super) renews: bool,
    pub(super) label: Arc<str>,
}

/// How long to queue.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// Not at all.
    Now,
    /// Up to a moment.
    Then(Instant),
    /// For as long as it takes.
    Forever,
}

/// A lease that was got: since when, and with how many requests.
pub(super) struct Got {
    pub(super) holding: Arc<Holding>,
    pub(super) token: FencingToken,
    pub(super) since: Instant,
    pub(super) attempts: u32,
}

/// Gets the lease, or `None` if it is not free in time. `started` is now, or so little ago that a deadline
/// may be counted from it.
///
/// All but the way of a lock that is free at once is on the heap: it carries no room for the rest.
pub(super) async fn acquire(
    keeper: &Arc<Keeper>,
    wanted: &Wanted,
    until: Until,
    started: Moment,
) -> Result<Option<Got>, Error> {
    let mut attempts = 0;
    loop {
        let asked = if attempts == 0 {
            started
        } else {
            Moment::now()
        };
        attempts += 1;
        let request = wanted.request(until);
        let holding = Arc::new(wanted.holding(&request, asked));
        let mut place = Place {
            keeper,
            holding,
            leaves: true,
            may_be_there: false,
        };
        let acquired = place.enter(&request, asked).await?;
        match acquired {
            Acquired::Granted(token) => {
                place.holding.granted(token, asked);
                let now = Moment::now();
                // It took so long that the lease may be over by now.
                if !place.holding.is_held_at(now) && attempts < LATE_AT_MOST {
                    Box::pin(place.leave()).await;
                    if until.is_over() {
                        return Ok(None);
                    }
                    continue;
                }
                place.be_kept()?;
                return Ok(Some(place.take(token, attempts, now.instant())));
            }
            Acquired::Waiting {
                look_again_in,
                wake,
                ..
            } => {
                place.holding.waits(asked, look_again_in);
                match Box::pin(place.wait(wake, until)).await? {
                    Waited::Got(token) => {
                        return Ok(Some(place.take(token, attempts + 1, Instant::now())));
                    }
                    Waited::TooLong => {
                        Box::pin(place.leave()).await;
                        return Ok(None);
                    }
                    Waited::OutOfLine => {}
                }
            }
            Acquired::Busy => {
                // An earlier copy of the request may still arrive, and then has to leave again.
                place.leaves = place.may_be_there;
                if let Until::Now = until {
                    return Ok(None);
                }
            }
        }
    }
}

/// Sends `operation` again while it fails with an error that allows it, until `until`. The operation keeps
/// its id, so that it takes effect once.
pub(crate) async fn persist<T, F, Fut>(until: Deadline, operation: F) -> Result<T, StoreError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, StoreError>>,
{
    let mut delay = FIRST_RETRY;
    loop {
        match operation().await {
            Err(error) if error.is_retryable() && until.remaining() > delay => {
                // On the heap, so that what succeeds at once carries no room for it.
                Box::pin(tokio::time::sleep(delay)).await;
            }
            result => return result,
        }
        delay = (delay * 2).min(LONGEST_RETRY);
    }
}

impl Until {
    /// Whether there is no time to ask again.
    pub(super) fn is_over(self) -> bool {
        match self {
            Self::Now => true,
            Self::Then(moment) => Instant::now() >= moment,
            Self::Forever => false,
        }
    }
}

impl Wanted {
    fn request(&self, until: Until) -> LeaseRequest {
        let wait_ttl = match until {
            Until::Now => None,
            _ => Some(self.wait_ttl()),
        };
        LeaseRequest {
            lease: LeaseId {
                resource: Arc::clone(&self.resource),
                owner: OwnerId::random(),
            },
            weight: self.weight,
            capacity: self.capacity,
            ttl: self.ttl,
            wait_ttl,
            token_floor: None,
            label: Arc::clone(&self.label),
        }
    }

    fn holding(&self, request: &LeaseRequest, asked: Moment) -> Holding {
        let times = Times {
            ttl: self.ttl,
            wait_ttl: self.wait_ttl(),
            renews: self.renews,
        };
        Holding::new(
            request.lease.clone(),
            Arc::clone(&self.key),
            self.name,
            times,
            asked,
        )
    }

    fn wait_ttl(&self) -> Duration {
        self.ttl.min(WAIT_TTL)
    }
}

enum Waited {
    Got(FencingToken),
    TooLong,
    OutOfLine,
}

/// A contender on its way to a lease. Dropped on the way, it leaves the line in the background.
struct Place<'a> {
    keeper: &'a Arc<Keeper>,
    holding: Arc<Holding>,
    leaves: bool,
    /// Whether a request was sent whose reply was lost.
    may_be_there: bool,
}

impl Place<'_> {
    /// Enters the line. A request that is sent again is the same one: if the first was done after all, the
    /// store counts from when that arrived, so deadlines are counted from when the first was sent.
    async fn enter(
        &mut self,
        request: &LeaseRequest,
        asked: Moment,
    ) -> Result<Acquired, StoreError> {
        match self.keeper.store.acquire_lease(request).await {
            Err(error) if error.is_retryable() => {
                debug!(%error, "asking again for a lock");
                self.may_be_there = true;
                let until = Deadline::of_lease(asked, PATIENCE);
                Box::pin(self.enter_again(request, until)).await
            }
            answer => answer,
        }
    }

    async fn enter_again(
        &self,
        request: &LeaseRequest,
        until: Deadline,
    ) -> Result<Acquired, StoreError> {
        tokio::time::sleep(FIRST_RETRY).await;
        persist(until, || self.keeper.store.acquire_lease(request)).await
    }

    /// Waits for the grant, renewed by the keeper.
    async fn wait(&self, mut wake: Watch, until: Until) -> Result<Waited, Error> {
        let holding = &self.holding;
        self.be_kept()?;
        let _waiting = Waiting::now(WaitedFor {
            store: holding.name.store,
            resource: Arc::clone(&holding.lease.resource),
            template: holding.name.template,
        });
        let too_long = sleep_until(until);
        tokio::pin!(too_long);
        loop {
            let changed = holding.changed();
            match holding.standing() {
                Standing::Held(token) => return Ok(Waited::Got(token)),
                Standing::Failed(error) => return Err(error.into()),
                Standing::Waiting => self.keeper.keep_here(holding),
                // Either the coordinator has shut down, or the store has forgotten us and we queue again.
                _ if self.keeper.is_shut_down() => return Err(Error::ShutDown),
                _ => return Ok(Waited::OutOfLine),
            }
            tokio::select! {
                biased;
                woken = wake.changed() => {
                    match woken {
                        Wake::Granted(token) => holding.handed(token),
                        Wake::Look => holding.look_now(),
                    }
                    self.keeper.look(holding);
                }
                () = changed => {}
                () = &mut too_long => return Ok(Waited::TooLong),
            }
        }
    }

    /// Hands the contender to the keeper.
    fn be_kept(&self) -> Result<(), Error> {
        if self.keeper.keep(&self.holding) {
            Ok(())
        } else {
            Err(Error::ShutDown)
        }
    }

    fn take(mut self, token: FencingToken, attempts: u32, since: Instant) -> Got {
        self.leaves = false;
        Got {
            holding: Arc::clone(&self.holding),
            token,
            since,
            attempts,
        }
    }

    /// Leaves the line and says so to the store, so that whoever comes next need not find out.
    async fn leave(mut self) {
        let keeper = self.keeper;
        let _leaving = keeper.forget(&self.holding);
        self.holding.end(Moment::now());
        self.leaves = self
            .keeper
            .store
            .release_lease(&self.holding.lease)
            .await
            .is_err();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.leaves {
            self.holding.end(Moment::now());
            self.keeper.abandon(&self.holding);
        }
    }
}

async fn sleep_until(until: Until) {
    match until {
        Until::Now => {}
        Until::Then(moment) => tokio::time::sleep_until(moment).await,
        Until::Forever => std::future::pending().await,
    }
}

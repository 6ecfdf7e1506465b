//! Asking for a lock: what, for how long, and how patiently.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, Span, field};

use super::Few;
use super::forms::{Semaphored, Whole};
use super::keeper::Keeper;
use super::request::{Request, Times};
use super::{Lease, run_held};
use crate::clock::Moment;
use crate::context::Context;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::Key;
use crate::observe::{LockEvent, emit};

/// A lock that can be asked for. Nothing happens until one of [`acquire`](Self::acquire),
/// [`try_acquire`](Self::try_acquire) and [`run`](Self::run) is awaited.
///
/// `Form` tells what else can be said: a [`Whole`] lock is exclusive, or one side of a read/write lock; of a
/// [`Semaphored`] one, several permits can be taken.
#[derive(Clone)]
#[must_use = "nothing is locked until `acquire`, `try_acquire` or `run` is awaited"]
pub struct LockBuilder<Form = Whole> {
    coordinator: Coordinator,
    targets: Result<Few<Target>, Error>,
    ttl: Duration,
    wait: Duration,
    at_least: Duration,
    renews: bool,
    label: Arc<str>,
    /// Where it is asked for.
    place: &'static Location<'static>,
    form: PhantomData<fn() -> Form>,
}

/// A key that was not free, and for how long it was waited for.
struct NotFree {
    template: &'static str,
    waited: Duration,
}

/// A request for locks that is under way. Dropped before it is over, it says so.
struct Asking<'a> {
    targets: &'a Result<Few<Target>, Error>,
    span: &'a Span,
    is_over: bool,
}

/// One resource to be locked.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// What it is: a lock, a semaphore, an election.
    pub(crate) kind: &'static str,
    pub(crate) resource: Arc<str>,
    pub(crate) key: Key,
    pub(crate) weight: u32,
    pub(crate) capacity: u32,
}

impl<Form> LockBuilder<Form> {
    /// One that is asked for where this is called.
    #[track_caller]
    pub(crate) fn new(coordinator: Coordinator, targets: Result<Few<Target>, Error>) -> Self {
        Self {
            ttl: coordinator.lock_ttl(),
            coordinator,
            targets,
            wait: Duration::MAX,
            at_least: Duration::ZERO,
            renews: true,
            label: Arc::default(),
            place: Location::caller(),
            form: PhantomData,
        }
    }

    /// Asked for at another place.
    pub(crate) fn at(mut self, place: &'static Location<'static>) -> Self {
        self.place = place;
        self
    }

    /// How long the store keeps the lease if this process dies. The default is the coordinator's, 30 seconds.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long to queue. The default is forever; zero is to try once.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Whether the lease is renewed while it is held. The default is `true`; without, it ends after its ttl.
    pub fn renew(mut self, renew: bool) -> Self {
        self.renews = renew;
        self
    }

    /// Keeps the lease for at least this long from when it was got, even if it is given back before: what a
    /// job needs that several hosts start by clocks that differ.
    pub fn at_least(mut self, at_least: Duration) -> Self {
        self.at_least = at_least;
        self
    }

    /// A name of this holder for people who look at the store.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = label.into();
        self
    }

    /// Gets the lease: at once if it is free (one round trip), otherwise when those who came before are done.
    ///
    /// Dropping the future leaves nothing behind: no lease and no place in the line. If the process dies
    /// while it waits, its place is skipped a few seconds later.
    ///
    /// # Errors
    ///
    /// [`Error::LockTimeout`] after `wait`, [`Error::WouldDeadlock`] inside the body of a lock of the same
    /// key, [`Error::InvalidKey`] and [`Error::InvalidOption`] for what cannot be asked, [`Error::Store`] if
    /// the store fails for longer than a few seconds.
    pub async fn acquire(self) -> Result<Lease, Error> {
        let span = self.span();
        // Pinned first, so that it is not moved into what instruments it.
        let got = pin!(self.get(&span, "timeout"));
        let got = got.instrument(span.clone()).await?;
        got.map_err(|NotFree { template, waited }| Error::LockTimeout { template, waited })
    }

    /// Gets the lease if it is free now, whatever was said of `wait`. Otherwise `None`, and nothing is left
    /// behind. One round trip.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), but for `LockTimeout` and `WouldDeadlock`.
    pub async fn try_acquire(mut self) -> Result<Option<Lease>, Error> {
        self.wait = Duration::ZERO;
        let span = self.span();
        let got = pin!(self.get(&span, "busy"));
        let got = got.instrument(span.clone()).await?;
        Ok(got.ok())
    }

    /// Gets the lease, runs `body`, and gives it back. If the lease is lost meanwhile, the body is dropped at
    /// its next await. If the store fails when the body is done, the lease is given back in the background after some
    /// seconds, and what the body has returned is not held up for longer.
    ///
    /// Dropping the future drops the body and gives the lease back. If the process dies, the store ends the
    /// lease after its ttl.
    ///
    /// # Errors
    ///
    /// The body's own, and those of [`acquire`](Self::acquire) and [`Error::LockLost`], converted.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let coord = coord::Coordinator::builder().build();
    /// let token = coord.lock("order:42").run(async |lease| Ok::<_, coord::Error>(lease.token())).await?;
    /// # let _ = token; Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    pub async fn run<Body, T, E>(self, body: Body) -> Result<T, E>
    where
        Body: AsyncFnOnce(&Lease) -> Result<T, E>,
        E: From<Error>,
    {
        let lease = self.acquire().await?;
        run_held(
            lease,
            |error| Err(error.into()),
            |lease| async move { body(&lease).await },
        )
        .await
    }

    /// The lease; or, within `Ok`, what was not free, which the span calls `not_free`.
    async fn get(
        &self,
        span: &Span,
        not_free: &'static str,
    ) -> Result<Result<Lease, NotFree>, Error> {
        let started = Moment::now();
        let mut asking = Asking {
            targets: &self.targets,
            span,
            is_over: false,
        };
        let asked = async {
            let request = self.request(started)?;
            let keeper = self.coordinator.service(Keeper::new)?;
            let got = request.acquire(&keeper).await?;
            Ok::<_, Error>((got, keeper))
        };
        let asked = asked.await;
        asking.is_over = true;
        let (got, keeper) = match asked {
            Ok((Ok(got), keeper)) => (got, keeper),
            Ok((Err(template), _)) => {
                let waited = started.elapsed();
                let event = if self.wait.is_zero() {
                    LockEvent::Refused
                } else {
                    LockEvent::TimedOut { waited }
                };
                asking.tell(not_free, event);
                return Ok(Err(NotFree { template, waited }));
            }
            Err(error) => {
                asking.tell("failed", LockEvent::Failed);
                return Err(error);
            }
        };
        let mut longest = Duration::ZERO;
        for got in &got {
            let waited = got.since.saturating_duration_since(started.instant());
            longest = longest.max(waited);
            let attempts = got.attempts;
            emit(
                got.holding.template(),
                LockEvent::Acquired { waited, attempts },
            );
        }
        // Each field once: some who collect spans take what is recorded twice for two.
        span.record("wait_seconds", longest.as_secs_f64());
        Ok(Ok(Lease::new(got, keeper, self.at_least, span.clone())))
    }

    fn request(&self, started: Moment) -> Result<Request, Error> {
        let times = Times {
            ttl: self.ttl,
            wait: self.wait,
            at_least: self.at_least,
            renews: self.renews,
        };
        Request::check(
            self.targets.as_ref().map_err(Clone::clone)?,
            times,
            &self.label,
            (self.place, self.coordinator.store_id()),
            started,
        )
    }

    fn span(&self) -> Span {
        // What stands in it is looked up only if somebody listens.
        tracing::info_span!(
            "coord.lock",
            template = template_of(&self.targets),
            correlation_id = Context::current().as_ref().map(Context::correlation_id),
            outcome = field::Empty,
            wait_seconds = field::Empty,
            hold_seconds = field::Empty,
        )
    }
}

impl Asking<'_> {
    /// Tells how it ended, of each key, since each that is got is counted too.
    fn tell(&self, outcome: &'static str, event: LockEvent) {
        self.span.record("outcome", outcome);
        match self.targets {
            Ok(targets) if !targets.is_empty() => {
                for target in targets {
                    emit(target.key.template(), event);
                }
            }
            targets => emit(template_of(targets), event),
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let span = self.span;
            span.in_scope(|| self.tell("cancelled", LockEvent::Cancelled));
        }
    }
}

/// The template of the first, or of the one that cannot be used.
fn template_of(targets: &Result<Few<Target>, Error>) -> &'static str {
    match targets {
        Ok(targets) => targets.first().map_or("", |target| target.key.template()),
        Err(error) => error.template().unwrap_or_default(),
    }
}

impl LockBuilder<Semaphored> {
    /// How many permits to take; one by default.
    pub fn permits(mut self, permits: u32) -> Self {
        for target in self.targets.iter_mut().flatten() {
            target.weight = permits;
        }
        self
    }
}

impl<Form> fmt::Debug for LockBuilder<Form> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockBuilder")
            .field("ttl", &self.ttl)
            .field("wait", &self.wait)
            .field("at_least", &self.at_least)
            .field("renew", &self.renews)
            .finish_non_exhaustive()
    }
}

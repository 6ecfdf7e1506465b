//! Not calling for a while what fails anyway.
//!
//! What holds:
//!
//! 1. All that decides is in one [`Cycle`] under one mutex. The gate beside it is a copy of what a call needs to
//!    know on its way past a breaker that is closed and has seen no failure: such a call takes no lock.
//! 2. Each transition begins a new generation. A result counts only in the generation that admitted it.
//! 3. A permit of a probe is given back exactly once: when its ticket is settled or dropped.
//! 4. A breaker cannot stay half open for good: when no probe has ended within the reset timeout after the
//!    last one was admitted, another is, in the same generation. So what is slower than the reset timeout, and
//!    succeeds, closes it.

// `cycle` is the state machine, `window` counts for its failure rate, `ticket` is one call on its way through;
// `guarded` is what `run` returns.

mod cycle;
mod guarded;
mod settings;
mod ticket;
mod window;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::cycle::{Cycle, Pass};
use self::guarded::Options;
use self::settings::Settings;
use super::start::Start;
use crate::error::Error;
use crate::observe::{BreakerEvent, BreakerLabel, emit};

pub(crate) use guarded::guard;
pub use guarded::{BreakerError, Guarded};
pub use settings::CircuitBreakerBuilder;
pub(super) use ticket::{Ticket, Verdict};

/// Stops calling something that fails, and tries it again after a while.
///
/// *Closed*, it lets every call through and counts failures. Five in a row, or what the builder says, and it is
/// *open*: calls are refused at once with [`BreakerError::Open`]. After the reset timeout, the next call makes it
/// *half open*: a few probes go through, and their results close it or open it again.
///
/// A clone is a handle to the same breaker. Use one for each downstream.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use coord::{BreakerError, CircuitBreaker};
///
/// let breaker = CircuitBreaker::builder().failure_threshold(2).reset_timeout(Duration::from_secs(60)).build();
/// for _ in 0..2 {
///     let failed = breaker.run(async || Err::<(), _>("down")).await;
///     assert_eq!(failed, Err(BreakerError::Inner("down")));
/// }
/// let refused = breaker.run(async || Ok::<_, &str>(())).await;
/// assert!(matches!(refused, Err(BreakerError::Open { .. })));
/// # });
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    label: BreakerLabel,
    gate: AtomicU64,
    cycle: Mutex<Cycle>,
    state: watch::Sender<BreakerState>,
}

/// Whether a breaker lets calls through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// All of them.
    Closed,
    /// None. After the reset timeout, the next call is a probe.
    Open,
    /// A few, to see whether the downstream is back.
    HalfOpen,
}

impl CircuitBreaker {
    /// A breaker of one's own. What is not said is as its method documents.
    pub fn builder() -> CircuitBreakerBuilder {
        CircuitBreakerBuilder::default()
    }

    /// Makes the call that `body` makes, unless the breaker is open. Await what this returns, or say first
    /// which errors [are failures](Guarded::is_failure).
    ///
    /// By default, each error is one, but for a [`coord::Error`](crate::Error) that only says that the caller
    /// was turned away, such as [`Error::LockTimeout`](crate::Error::LockTimeout): that counts neither as a
    /// failure nor as a success.
    ///
    /// # Errors
    ///
    /// [`BreakerError::Open`] without a call, and the body's own as [`BreakerError::Inner`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the call, which then counts as neither; a probe's permit is given back. A
    /// panic of the body counts as a failure. Breakers are per process and end with it.
    pub fn run<F, T, E>(
        &self,
        body: F,
    ) -> Guarded<
        '_,
        E,
        impl Start<Options<'_, E>, Future = impl Future<Output = Result<T, BreakerError<E>>>>,
    >
    where
        F: AsyncFnOnce() -> Result<T, E>,
        E: 'static,
    {
        Guarded {
            options: Options::of(self),
            start: move |options| guarded::run(options, body),
        }
    }

    /// The state that it is in. An open breaker whose reset timeout is over stays open until the next call.
    pub fn state(&self) -> BreakerState {
        *self.shared.state.borrow()
    }

    /// Follows the state.
    pub fn observe(&self) -> BreakerObserver {
        let mut states = self.shared.state.subscribe();
        states.mark_changed();
        BreakerObserver { states }
    }

    /// Lets a call through, or says why not.
    pub(super) fn admit(&self) -> Result<Ticket<'_>, Error> {
        Ticket::of(&self.shared).map_err(|retry_after| self.open_error(retry_after))
    }

    /// The error of ours that says that the breaker is open.
    fn open_error(&self, retry_after: Duration) -> Error {
        Error::CircuitOpen {
            name: self.shared.label.name(),
            retry_after,
        }
    }

    /// The error of a call that would be made now, if it would be refused.
    pub(super) fn refusal(&self) -> Option<Error> {
        let cycle = self.shared.cycle();
        let refusal = cycle.refusal(&self.shared.settings, Instant::now())?;
        Some(self.open_error(refusal))
    }
}

impl Shared {
    fn new(settings: Settings, name: &'static str) -> Self {
        let cycle = Cycle::new();
        Self {
            gate: AtomicU64::new(cycle.gate(&settings)),
            cycle: Mutex::new(cycle),
            settings,
            label: BreakerLabel::new(name),
            state: watch::Sender::new(BreakerState::Closed),
        }
    }

    /// Lets a call through that the gate does not, or says how long it will be before one is.
    fn admit(&self) -> Result<Pass, Duration> {
        self.with_cycle(|cycle, now| cycle.admit(&self.settings, now))
    }

    /// Takes note of how a call ended.
    fn settle(&self, pass: Pass, verdict: Verdict) {
        self.with_cycle(|cycle, now| cycle.settle(&self.settings, now, pass, verdict));
    }

    /// Does something with the cycle, and tells what has come of it.
    fn with_cycle<T>(&self, act: impl FnOnce(&mut Cycle, Instant) -> T) -> T {
        let now = Instant::now();
        let mut cycle = self.cycle();
        let before = cycle.state();
        let result = act(&mut cycle, now);
        self.gate
            .store(cycle.gate(&self.settings), Ordering::Release);
        let state = cycle.state();
        if state != before {
            // Told while the lock is held, so that transitions are told in their order.
            self.state.send_replace(state);
            emit(&self.label, BreakerEvent::from(state));
        }
        result
    }

    fn cycle(&self) -> MutexGuard<'_, Cycle> {
        self.cycle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<BreakerState> for BreakerEvent {
    fn from(state: BreakerState) -> Self {
        match state {
            BreakerState::Closed => Self::Closed,
            BreakerState::Open => Self::Open,
            BreakerState::HalfOpen => Self::HalfOpen,
        }
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.shared.label.name())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// Follows the state of a [`CircuitBreaker`], from [`CircuitBreaker::observe`].
#[derive(Debug)]
pub struct BreakerObserver {
    states: watch::Receiver<BreakerState>,
}

impl BreakerObserver {
    /// The state: at once the first time, and then whenever it has changed; `None` once nobody has the breaker
    /// any more. One that lasted for less than a moment may be missed. Dropping the future misses nothing.
    pub async fn changed(&mut self) -> Option<BreakerState> {
        self.states.changed().await.ok()?;
        Some(*self.states.borrow_and_update())
    }
}

//! What is told of retries and circuit breakers. Their series are labelled `name` with the name of the policy.

use std::sync::OnceLock;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::Event;
use super::series::{Counter, Gauge, Histogram, Label, Registry, Series};
use crate::context::Context;
use crate::metrics;

static RETRIES: Registry<RetrySeries> = Registry::new();
static BREAKERS: Registry<BreakerSeries> = Registry::new();

/// Why a call was not retried any more, though its error was worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// All retries of the policy are used.
    Retries,
    /// Another attempt could not have ended before the deadline, or the last one did not.
    Deadline,
    /// The budget has no retry left.
    Budget,
    /// The circuit breaker is open.
    Circuit,
}

impl GivenUp {
    const ALL: [Self; 4] = [Self::Retries, Self::Deadline, Self::Budget, Self::Circuit];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Retries => "retries",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
            Self::Circuit => "circuit_open",
        }
    }
}

/// Something that happened to a call under a retry policy. One that succeeds at once is not told of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RetryEvent {
    /// It succeeded, but not at once.
    Succeeded { attempts: u32 },
    /// It failed in a way that is not worth a retry.
    Failed { attempts: u32 },
    /// It failed, and is made again after `delay`.
    Again { attempts: u32, delay: Duration },
    /// It failed, and is not made again.
    GivenUp { attempts: u32, reason: GivenUp },
}

impl Event for RetryEvent {
    type Subject<'a> = &'a RetryLabel;

    fn tell(self, label: &RetryLabel) {
        let (name, series) = (label.name, label.series());
        match self {
            Self::Succeeded { attempts } => {
                series.attempts.record(f64::from(attempts));
                debug!(name, attempts, "succeeded after retries");
            }
            Self::Failed { attempts } => {
                series.attempts.record(f64::from(attempts));
                debug!(name, attempts, "failed, and is not worth a retry");
            }
            Self::Again { attempts, delay } => {
                debug!(name, attempts, ?delay, "failed, and is tried again");
            }
            Self::GivenUp { attempts, reason } => {
                series.attempts.record(f64::from(attempts));
                series.exhausted[reason as usize].increment();
                let reason = reason.as_str();
                warn!(name, attempts, reason, "failed, and is given up");
            }
        }
    }
}

/// The name of a retry policy, with its series once they were needed.
#[derive(Debug, Clone)]
pub(crate) struct RetryLabel {
    name: &'static str,
    series: OnceLock<&'static RetrySeries>,
}

impl RetryLabel {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            series: OnceLock::new(),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    fn series(&self) -> &RetrySeries {
        self.series.get_or_init(|| RETRIES.of(self.name))
    }
}

/// What is counted of the calls of one retry policy.
#[derive(Debug)]
struct RetrySeries {
    attempts: Histogram,
    /// One for each reason, in the order of [`GivenUp`].
    exhausted: [Counter; 4],
}

impl Series for RetrySeries {
    fn new(name: &'static str) -> Self {
        let label = Label::from_static_parts("name", name);
        let exhausted = GivenUp::ALL.map(|reason| {
            let reason = Label::from_static_parts("reason", reason.as_str());
            Counter::new(&metrics::RETRY_EXHAUSTED, &[label.clone(), reason])
        });
        Self {
            attempts: Histogram::new(&metrics::RETRY_ATTEMPTS, &[label]),
            exhausted,
        }
    }
}

/// What a circuit breaker has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakerEvent {
    Closed,
    Open,
    HalfOpen,
}

impl BreakerEvent {
    const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl Event for BreakerEvent {
    type Subject<'a> = &'a BreakerLabel;

    fn tell(self, label: &BreakerLabel) {
        let name = label.name;
        let context = Context::current();
        let correlation_id = context.as_ref().map(Context::correlation_id);
        label.series.transitions[self as usize].increment();
        label.set_state(self);
        match self {
            Self::Closed => info!(name, correlation_id, "circuit breaker closed"),
            Self::HalfOpen => info!(name, correlation_id, "circuit breaker half open"),
            Self::Open => warn!(name, correlation_id, "circuit breaker open"),
        }
    }
}

/// The name of a circuit breaker, with its series.
#[derive(Debug)]
pub(crate) struct BreakerLabel {
    name: &'static str,
    series: &'static BreakerSeries,
}

impl BreakerLabel {
    /// The label of a new breaker, which is closed.
    pub(crate) fn new(name: &'static str) -> Self {
        let series = BREAKERS.of(name);
        let label = Self { name, series };
        label.set_state(BreakerEvent::Closed);
        label
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// All states are set, so that a query for one never finds what it was before.
    fn set_state(&self, current: BreakerEvent) {
        for state in BreakerEvent::ALL {
            let is_current = f64::from(u8::from(state == current));
            self.series.states[state as usize].set(is_current);
        }
    }
}

/// What is told of the circuit breakers of one name.
#[derive(Debug)]
struct BreakerSeries {
    /// One for each state, in the order of [`BreakerEvent`]; so are the transitions.
    states: [Gauge; 3],
    transitions: [Counter; 3],
}

impl Series for BreakerSeries {
    fn new(name: &'static str) -> Self {
        let labels = |of: &'static str, state: BreakerEvent| {
            [
                Label::from_static_parts("name", name),
                Label::from_static_parts(of, state.as_str()),
            ]
        };
        Self {
            states: BreakerEvent::ALL
                .map(|state| Gauge::new(&metrics::BREAKER_STATE, &labels("state", state))),
            transitions: BreakerEvent::ALL
                .map(|state| Counter::new(&metrics::BREAKER_TRANSITIONS, &labels("to", state))),
        }
    }
}

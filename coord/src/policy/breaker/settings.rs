//! When a breaker opens and closes.

use std::sync::Arc;
use std::time::Duration;

use super::{CircuitBreaker, Shared};

/// What a breaker was built with.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Failures in a row that open it.
    pub(super) failures: Option<u32>,
    pub(super) rate: Option<Rate>,
    pub(super) reset_timeout: Duration,
    pub(super) probes: u32,
    /// Successes of probes that close it.
    pub(super) successes: u32,
}

/// A failure rate that opens a breaker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub(super) threshold: f64,
    pub(super) window: Duration,
    pub(super) minimum_calls: u32,
}

/// Puts a [`CircuitBreaker`] together.
#[derive(Debug, Clone)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct CircuitBreakerBuilder {
    name: &'static str,
    failures: Option<u32>,
    failure_rate: Option<f64>,
    window: Duration,
    minimum_calls: u32,
    reset_timeout: Duration,
    probes: u32,
    successes: u32,
}

impl Default for CircuitBreakerBuilder {
    fn default() -> Self {
        Self {
            name: "breaker",
            failures: None,
            failure_rate: None,
            window: Duration::from_secs(60),
            minimum_calls: 10,
            reset_timeout: Duration::from_secs(60),
            probes: 1,
            successes: 1,
        }
    }
}

impl CircuitBreakerBuilder {
    /// The name in metrics, events and [`Error::CircuitOpen`](crate::Error::CircuitOpen); `breaker` by default.
    /// Breakers that share one also share their series, and with that the gauge of their state.
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Opens after so many failures in a row; 5 by default, unless a
    /// [`failure_rate`](Self::failure_rate) is given. Zero counts as 1.
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.failures = Some(failures.max(1));
        self
    }

    /// Opens when at least this part of the calls in the [`window`](Self::window) failed: `0.5` is half of
    /// them. Together with [`failure_threshold`](Self::failure_threshold), whichever comes first counts. With what is
    /// not above zero, one failure is enough, once the window holds
    /// [`minimum_calls`](Self::minimum_calls); what is above 1 counts as 1.
    pub fn failure_rate(mut self, part: f64) -> Self {
        self.failure_rate = Some(part);
        self
    }

    /// How far back the failure rate looks; 1 minute by default. The window slides, in tenths of itself.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many calls the window must hold before the failure rate counts; 10 by default.
    pub fn minimum_calls(mut self, calls: u32) -> Self {
        self.minimum_calls = calls;
        self
    }

    /// How long an open breaker refuses all calls; 1 minute by default.
    pub fn reset_timeout(mut self, timeout: Duration) -> Self {
        self.reset_timeout = timeout;
        self
    }

    /// How many probes a half open breaker has under way; 1 by default, which zero counts as. While these do not end,
    /// one more is let through in each [`reset_timeout`](Self::reset_timeout); what comes late still counts.
    pub fn half_open_probes(mut self, probes: u32) -> Self {
        self.probes = probes.max(1);
        self
    }

    /// How many probes must succeed before it closes; 1 by default, which zero counts as. One that fails opens
    /// it again.
    pub fn success_threshold(mut self, successes: u32) -> Self {
        self.successes = successes.max(1);
        self
    }

    /// The breaker, closed.
    pub fn build(self) -> CircuitBreaker {
        let rate = self.failure_rate.map(|threshold| Rate {
            // What is no number is not above zero.
            threshold: if threshold > 0.0 {
                threshold.min(1.0)
            } else {
                0.0
            },
            window: self.window,
            minimum_calls: self.minimum_calls,
        });
        let settings = Settings {
            failures: self.failures.or(rate.is_none().then_some(5)),
            rate,
            reset_timeout: self.reset_timeout,
            probes: self.probes,
            successes: self.successes,
        };
        CircuitBreaker {
            shared: Arc::new(Shared::new(settings, self.name)),
        }
    }
}

//! The state machine of a breaker. It knows the time only as it is told.

use std::time::Duration;

use tokio::time::Instant;

use super::BreakerState;
use super::settings::Settings;
use super::ticket::Verdict;
use super::window::Window;

/// In a gate: the breaker is closed.
const CLOSED: u64 = 0b01;
/// In a gate: another success would change nothing.
const CLEAN: u64 = 0b10;
/// Where the generation stands in a gate.
const GENERATION: u32 = 2;

/// Where a breaker stands.
#[derive(Debug)]
pub(super) struct Cycle {
    generation: u64,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Closed {
        /// In a row.
        failures: u32,
        /// Made for the first result.
        window: Option<Window>,
    },
    Open {
        /// When it was opened.
        since: Instant,
    },
    HalfOpen {
        /// Probes under way.
        probes: u32,
        successes: u32,
        /// When the last one was admitted.
        since: Instant,
    },
}

/// That a call was admitted, and into what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    /// The gate as it was.
    pub(super) gate: u64,
}

impl Pass {
    /// A pass through a gate that stands open to all, or `None` if the cycle has to be asked.
    pub(super) fn through(gate: u64) -> Option<Self> {
        (gate & CLOSED != 0).then_some(Self { gate })
    }

    /// Whether a success of this call would change nothing, now that the gate is `gate`.
    pub(super) fn is_clean(self, gate: u64) -> bool {
        gate == self.gate | CLEAN | CLOSED
    }

    pub(super) fn is_probe(self) -> bool {
        self.gate & CLOSED == 0
    }

    fn generation(self) -> u64 {
        self.gate >> GENERATION
    }
}

impl Cycle {
    pub(super) fn new() -> Self {
        Self {
            generation: 0,
            phase: Phase::closed(),
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// What a call needs to know to go past without the lock.
    pub(super) fn gate(&self, settings: &Settings) -> u64 {
        let flags = match self.phase {
            Phase::Closed { failures: 0, .. } if settings.rate.is_none() => CLOSED | CLEAN,
            Phase::Closed { .. } => CLOSED,
            Phase::Open { .. } | Phase::HalfOpen { .. } => 0,
        };
        self.generation << GENERATION | flags
    }

    /// How long a call would have to wait that is refused now.
    pub(super) fn refusal(&self, settings: &Settings, now: Instant) -> Option<Duration> {
        let since = match self.phase {
            Phase::Open { since } => since,
            Phase::HalfOpen { probes, since, .. } if probes >= settings.probes => since,
            Phase::Closed { .. } | Phase::HalfOpen { .. } => return None,
        };
        let passed = now.saturating_duration_since(since);
        settings
            .reset_timeout
            .checked_sub(passed)
            .filter(|left| !left.is_zero())
    }

    /// Lets a call through, or says how long it will be before one is.
    pub(super) fn admit(&mut self, settings: &Settings, now: Instant) -> Result<Pass, Duration> {
        if let Some(refusal) = self.refusal(settings, now) {
            return Err(refusal);
        }
        match &mut self.phase {
            Phase::Closed { .. } => {}
            // There may be more under way than are allowed at once: those that are late are not waited for, and yet
            // they count when they end, since what is always slow would never close it otherwise.
            Phase::HalfOpen { probes, since, .. } => {
                *probes = probes.saturating_add(1);
                *since = now;
            }
            Phase::Open { .. } => self.enter(Phase::HalfOpen {
                probes: 1,
                successes: 0,
                since: now,
            }),
        }
        Ok(Pass {
            gate: self.gate(settings),
        })
    }

    /// Takes note of how an admitted call ended.
    pub(super) fn settle(
        &mut self,
        settings: &Settings,
        now: Instant,
        pass: Pass,
        verdict: Verdict,
    ) {
        if pass.generation() != self.generation {
            return;
        }
        match &mut self.phase {
            Phase::Closed { failures, window } => {
                if Self::opens(settings, failures, window, verdict, now) {
                    self.enter(Phase::Open { since: now });
                }
            }
            Phase::HalfOpen {
                probes, successes, ..
            } => {
                *probes = probes.saturating_sub(1);
                *successes += u32::from(verdict == Verdict::Success);
                if verdict == Verdict::Failure {
                    self.enter(Phase::Open { since: now });
                } else if *successes >= settings.successes {
                    self.enter(Phase::closed());
                }
            }
            // Nobody was admitted in this generation.
            Phase::Open { .. } => {}
        }
    }

    /// Counts a result of a closed breaker, and says whether that opens it.
    fn opens(
        settings: &Settings,
        failures: &mut u32,
        window: &mut Option<Window>,
        verdict: Verdict,
        now: Instant,
    ) -> bool {
        let failed = match verdict {
            Verdict::Neutral => return false,
            Verdict::Success => false,
            Verdict::Failure => true,
        };
        *failures = if failed {
            failures.saturating_add(1)
        } else {
            0
        };
        let too_many = settings.failures.is_some_and(|most| *failures >= most);
        let too_often = settings.rate.is_some_and(|rate| {
            let window = window.get_or_insert_with(|| Window::new(rate.window, now));
            window.count(failed, now);
            let failing = window.failure_rate(rate.minimum_calls);
            failing.is_some_and(|part| part > 0.0 && part >= rate.threshold)
        });
        too_many || too_often
    }

    fn enter(&mut self, phase: Phase) {
        self.generation += 1;
        self.phase = phase;
    }
}

impl Phase {
    fn closed() -> Self {
        Self::Closed {
            failures: 0,
            window: None,
        }
    }
}

//! One call on its way through a breaker.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Shared;
use super::cycle::Pass;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Verdict {
    Success,
    Failure,
    /// In a way that says nothing of what was called.
    Neutral,
}

/// A call that was admitted. Dropping it gives its permit back: as a failure if the call panicked, otherwise
/// as if it had not been made.
#[must_use = "dropping a ticket means that the call was not made"]
pub(in crate::policy) struct Ticket<'a> {
    breaker: &'a Shared,
    pass: Pass,
    /// What dropping it says.
    dropped: Verdict,
    settled: bool,
}

impl<'a> Ticket<'a> {
    /// Lets a call through, or says how long it will be before one is.
    #[inline]
    pub(super) fn of(breaker: &'a Shared) -> Result<Self, Duration> {
        let pass = match Pass::through(breaker.gate.load(Ordering::Acquire)) {
            Some(pass) => pass,
            None => breaker.admit()?,
        };
        Ok(Self {
            breaker,
            pass,
            dropped: Verdict::Neutral,
            settled: false,
        })
    }

    /// Polls the call. If the ticket is dropped meanwhile, the call has panicked.
    #[inline]
    pub(in crate::policy) fn poll<F: Future>(
        &mut self,
        call: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        self.dropped = Verdict::Failure;
        let polled = call.poll(cx);
        self.dropped = Verdict::Neutral;
        polled
    }

    /// Says how the call ended. Only the first word counts, and dropping the ticket is one.
    #[inline]
    pub(in crate::policy) fn settle(&mut self, verdict: Verdict) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let Self { breaker, pass, .. } = *self;
        let changes_nothing = !pass.is_probe()
            && match verdict {
                Verdict::Success => pass.is_clean(breaker.gate.load(Ordering::Acquire)),
                Verdict::Neutral => true,
                Verdict::Failure => false,
            };
        if !changes_nothing {
            breaker.settle(pass, verdict);
        }
    }
}

impl Drop for Ticket<'_> {
    #[inline]
    fn drop(&mut self) {
        self.settle(self.dropped);
    }
}

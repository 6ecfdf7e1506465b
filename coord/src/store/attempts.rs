//! Attempts at what all want who ask for it, such as a connection: one at a time, and they share what comes of it, so that
//! nobody waits for several.
//!
//! Whoever has the turn may be on a runtime that nobody drives any more. So the turn is waited for only as long as an
//! attempt takes at the most, and then there is another one.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::StoreError;
use crate::store::Result;

type Turn = Arc<tokio::sync::Mutex<()>>;

#[derive(Default)]
pub(super) struct Attempts(Mutex<State>);

#[derive(Default)]
struct State {
    turn: Turn,
    failures: u64,
    /// Why the last one has failed.
    failure: Option<StoreError>,
}

impl Attempts {
    /// What is there already once it is one's turn, or comes of an attempt that takes no longer than so.
    pub(super) async fn share<T>(
        &self,
        takes: Duration,
        there: impl Fn() -> Option<T>,
        attempt: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let before = self.state().failures;
        let _taken = loop {
            let turn = Arc::clone(&self.state().turn);
            let taken = tokio::time::timeout(takes, Arc::clone(&turn).lock_owned()).await;
            if let Some(there) = there() {
                return Ok(there);
            }
            if let Some(failure) = self.failure_since(before) {
                return Err(failure);
            }
            match taken {
                Ok(taken) => break taken,
                Err(_) => self.pass_over(&turn),
            }
        };
        let attempted = attempt.await;
        if let Err(failure) = &attempted {
            let mut state = self.state();
            state.failures += 1;
            state.failure = Some(failure.clone());
        }
        attempted
    }

    fn failure_since(&self, before: u64) -> Option<StoreError> {
        let state = self.state();
        state.failure.clone().filter(|_| state.failures != before)
    }

    fn pass_over(&self, turn: &Turn) {
        let mut state = self.state();
        if Arc::ptr_eq(&state.turn, turn) {
            state.turn = Turn::default();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

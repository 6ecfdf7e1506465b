//! Where the server notes what a release has done, so that one whose reply was lost can be told from one that
//! came too late.
//!
//! 1. A request to release takes a receipt that no other request has, and gives it back when its reply is
//!    there. So receipts are as many as requests have been under way at one time, and a request overwrites
//!    nothing that somebody may still want to know.
//! 2. The receipt of a request whose reply was lost stays out of use for as long as the server keeps it. Whoever
//!    releases again looks at all that are out of use.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the server keeps a receipt; the script says the same.
const LASTS: Duration = Duration::from_secs(30);
/// How many receipts of lost replies are kept. Beyond, the oldest is used again.
const KEPT_AT_MOST: usize = 256;

#[derive(Debug)]
pub(super) struct Receipts {
    prefix: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    made: u32,
    free: Vec<u32>,
    /// Those whose reply was lost, and when they were given up.
    lost: VecDeque<(Instant, u32)>,
}

impl Receipts {
    pub(super) fn new(prefix: String) -> Self {
        Self {
            prefix,
            state: Mutex::default(),
        }
    }

    /// A receipt for one request.
    pub(super) fn take(&self) -> Receipt<'_> {
        let number = self.state().take();
        Receipt {
            receipts: self,
            number,
            is_settled: false,
        }
    }

    /// The names of those that may tell of a release whose reply was not seen.
    pub(super) fn unsettled(&self) -> Vec<String> {
        let state = self.state();
        (0..state.made)
            .filter(|number| !state.free.contains(number))
            .map(|number| self.name(number))
            .collect()
    }

    fn name(&self, number: u32) -> String {
        format!("{}:{number}", self.prefix)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> u32 {
        if let Some((since, _)) = self.lost.front()
            && (self.lost.len() > KEPT_AT_MOST || since.elapsed() > LASTS)
            && let Some((_, number)) = self.lost.pop_front()
        {
            return number;
        }
        self.free.pop().unwrap_or_else(|| {
            self.made += 1;
            self.made - 1
        })
    }
}

/// The receipt of a request that is under way.
pub(super) struct Receipt<'a> {
    receipts: &'a Receipts,
    number: u32,
    is_settled: bool,
}

impl Receipt<'_> {
    pub(super) fn name(&self) -> String {
        self.receipts.name(self.number)
    }

    /// The reply is there.
    pub(super) fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Receipt<'_> {
    fn drop(&mut self) {
        let mut state = self.receipts.state();
        if self.is_settled {
            state.free.push(self.number);
        } else {
            state.lost.push_back((Instant::now(), self.number));
        }
    }
}

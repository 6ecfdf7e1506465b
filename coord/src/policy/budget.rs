//! A bound on how much load retries add.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Parts of a retry: deposits are exact to a millionth.
const RETRY: u64 = 1_000_000;
/// How many retries can be saved up by default.
const DEFAULT_BURST: u32 = 100;
/// How many retries a second are always allowed by default.
const DEFAULT_RESERVE: u32 = 10;

/// How many retries all who share this handle may make: a part of the number of their calls, and a few per
/// second in any case.
///
/// When a downstream fails, each caller retries, and together they multiply its load. A budget of `0.2`
/// bounds that: for five calls there is one retry. A call whose retry is not in the budget returns its error.
/// Share one budget among all calls of one downstream; a clone is the same budget.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use coord::RetryPolicy;
/// use coord::policy::RetryBudget;
///
/// let budget = RetryBudget::new(0.2);
/// let answer = RetryPolicy::fast().run(async || Ok::<_, std::io::Error>(42)).with_budget(&budget).await?;
/// # assert_eq!(answer, 42); Ok::<(), std::io::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct RetryBudget {
    shared: Arc<Shared>,
}

struct Shared {
    deposit: u64,
    capacity: u64,
    /// Retries per second.
    reserve: u32,
    account: Mutex<Account>,
}

struct Account {
    /// What calls have paid in, in parts of a retry.
    saved: u64,
    /// What time has paid in, in parts of a retry, at most what it pays in a second.
    reserved: u64,
    /// Up to when time has paid.
    paid: Option<Instant>,
}

impl RetryBudget {
    /// A budget of so many retries for each call, such as `0.2`, and of 10 a second in any case. Up to 100
    /// can be saved up. What is not a number from zero up counts as zero.
    pub fn new(retries_per_call: f64) -> Self {
        Self::with(scaled(retries_per_call), DEFAULT_BURST, DEFAULT_RESERVE)
    }

    /// As many retries a second in any case; zero for none. Said before the budget is shared: what this returns is
    /// another budget, with nothing saved up.
    pub fn reserve(self, retries_per_second: u32) -> Self {
        let burst = u32::try_from(self.shared.capacity / RETRY).unwrap_or(u32::MAX);
        Self::with(self.shared.deposit, burst, retries_per_second)
    }

    /// How many retries can be saved up. Another budget as well.
    pub fn burst(self, retries: u32) -> Self {
        Self::with(self.shared.deposit, retries, self.shared.reserve)
    }

    fn with(deposit: u64, burst: u32, reserve: u32) -> Self {
        let account = Account {
            saved: 0,
            reserved: u64::from(reserve) * RETRY,
            paid: None,
        };
        Self {
            shared: Arc::new(Shared {
                deposit,
                capacity: u64::from(burst) * RETRY,
                reserve,
                account: Mutex::new(account),
            }),
        }
    }

    /// A call is made.
    pub(super) fn deposit(&self) {
        let mut account = self.account();
        let saved = account.saved.saturating_add(self.shared.deposit);
        account.saved = saved.min(self.shared.capacity);
    }

    /// Takes a retry, if there is one.
    pub(super) fn withdraw(&self) -> bool {
        let mut account = self.account();
        account.receive(self.shared.reserve);
        // What expires first is spent first.
        let pot = if account.reserved >= RETRY {
            &mut account.reserved
        } else {
            &mut account.saved
        };
        let left = pot.checked_sub(RETRY);
        if let Some(left) = left {
            *pot = left;
        }
        left.is_some()
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        let account = self.shared.account.lock();
        account.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// Takes in what time pays.
    fn receive(&mut self, reserve: u32) {
        let now = Instant::now();
        let since = self
            .paid
            .replace(now)
            .map_or(Duration::ZERO, |paid| now.saturating_duration_since(paid));
        let most = u64::from(reserve) * RETRY;
        let paid = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        let paid = paid.saturating_mul(u64::from(reserve));
        self.reserved = self.reserved.saturating_add(paid).min(most);
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn scaled(retries: f64) -> u64 {
    // The cast saturates, and takes what is no number, or below zero, for zero.
    (retries * RETRY as f64).round() as u64
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("reserve", &self.shared.reserve)
            .finish_non_exhaustive()
    }
}

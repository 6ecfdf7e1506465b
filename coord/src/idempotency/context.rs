//! What the body of an idempotent call can know of its call.

use std::fmt;
use std::sync::Arc;

use super::fingerprint::bits_of;
use crate::store::FencingToken;

/// What the body of an idempotent call can know of its call.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let coord = coord::Coordinator::builder().build();
/// use coord::IdempotencyContext;
///
/// let paid: String = coord
///     .idempotency("payment:123")
///     .run_with(async |ctx: &IdempotencyContext| {
///         // If this process dies here, whoever takes over sends the provider the same key.
///         Ok::<_, coord::Error>(format!("charged once under {}", ctx.downstream_key("charge")))
///     })
///     .await?;
/// # assert!(paid.len() > 32); Ok::<(), coord::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct IdempotencyContext {
    record: Arc<str>,
    attempt: u32,
    token: FencingToken,
}

impl IdempotencyContext {
    pub(super) fn new(record: Arc<str>, attempt: u32, token: FencingToken) -> Self {
        Self {
            record,
            attempt,
            token,
        }
    }

    /// Which run of the body this is for the key, as far as is known: 1 for the first, more for one that took
    /// over from a run that it saw die or fail. A run whose record had already ended is not counted.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// A number for whatever the body writes to, so that it can refuse a run that was taken over and does not
    /// know it yet.
    ///
    /// It is greater than that of every run which this call has seen in the store. It is also no smaller than
    /// the time at which the run began, in microseconds since 1970 by this process's clock. So it grows from a
    /// run that died to one which took over, as long as the clocks of the two processes differ by less than
    /// `lease`.
    pub fn token(&self) -> FencingToken {
        self.token
    }

    /// A key for a call that the body makes to somebody else, such as a payment provider, who then does once
    /// what is asked for twice: 32 hexadecimal digits, the same for every run of this key in this namespace,
    /// and another one for each `label` and each key.
    pub fn downstream_key(&self, label: &str) -> String {
        let pieces = [self.record.as_bytes(), label.as_bytes()];
        format!("{:032x}", bits_of(pieces))
    }
}

/// Keys may be confidential.
impl fmt::Debug for IdempotencyContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyContext")
            .field("attempt", &self.attempt)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

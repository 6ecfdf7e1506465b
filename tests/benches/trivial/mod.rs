//! A saga of three steps that do nothing but have an output.

use std::sync::atomic::{AtomicU64, Ordering};

use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("trivial:<number>")]
#[derive(Serialize, Deserialize)]
pub(crate) struct Trivial {
    pub(crate) number: u64,
}

#[saga]
impl Trivial {
    #[step]
    async fn first(&self) -> Result<u64, String> {
        std::future::ready(Ok(self.number)).await
    }

    #[step]
    async fn second(&self, first: &u64) -> Result<u64, String> {
        std::future::ready(Ok(first + 1)).await
    }

    #[step]
    async fn third(&self, second: &u64) -> Result<u64, String> {
        std::future::ready(Ok(second + 1)).await
    }
}

/// A number that was never used.
pub(crate) fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

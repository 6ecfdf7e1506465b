//! A batch of renewals of which several are asked, each for a part.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use super::{Renewal, Renewed, Result};
use crate::error::{StoreError, StoreErrorKind};

/// How long each of several may take: all are answered together, and one that is slow must not lose the leases of the
/// others. Alone, it may take its time.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    all: usize,
    limit: Duration,
}

impl Parts {
    /// Parts of this batch.
    pub(super) fn of<'a>(renewals: impl ExactSizeIterator<Item = &'a Renewal>) -> Self {
        Self {
            all: renewals.len(),
            limit: renewals.map(|one| one.ttl).min().unwrap_or_default() / 2,
        }
    }

    /// The answers to a part of so many renewals; or for each, that `who` has not answered in time.
    pub(super) async fn ask(
        self,
        count: usize,
        who: &str,
        renew: impl Future<Output = Vec<Result<Renewed>>>,
    ) -> Vec<Result<Renewed>> {
        if count == self.all {
            return renew.await;
        }
        let asked = timeout(self.limit, renew).await;
        asked.unwrap_or_else(|_| vec![Err(too_slow(who)); count])
    }
}

fn too_slow(who: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unknown,
        "renew",
        format!("{who} has not answered in time; send it again"),
    )
}

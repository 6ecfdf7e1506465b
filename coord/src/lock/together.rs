//! Getting several leases, all or none.
//!
//! First all at once, without queueing: if they are free, that takes one round trip. Otherwise one after the
//! other in the order of the resources' names, which all processes share, so that no two wait for each other.

use std::sync::Arc;

use futures_util::future::join_all;
use smallvec::smallvec;

use super::Few;
use super::acquire::{Got, LATE_AT_MOST, Until, Wanted, acquire as acquire_one};
use super::keeper::Keeper;
use crate::clock::Moment;
use crate::error::Error;

/// The leases in the order of `wanted`; or, within `Ok`, the template of one that was not free.
pub(super) async fn acquire(
    keeper: &Arc<Keeper>,
    wanted: &[Wanted],
    until: Until,
    started: Moment,
) -> Result<Result<Few<Got>, &'static str>, Error> {
    match all_at_once(keeper, wanted, started).await? {
        Err(_) if !matches!(until, Until::Now) => one_by_one(keeper, wanted, until).await,
        outcome => Ok(outcome),
    }
}

async fn all_at_once(
    keeper: &Arc<Keeper>,
    wanted: &[Wanted],
    started: Moment,
) -> Result<Result<Few<Got>, &'static str>, Error> {
    let mut so_far = SoFar {
        keeper,
        got: Few::with_capacity(wanted.len()),
    };
    let mut busy = None;
    let mut failed = None;
    // Each is guarded from when it is got: the others may still be under way when this is dropped.
    let tries = wanted.iter().map(|one| async move {
        let got = acquire_one(keeper, one, Until::Now, started).await?;
        Ok(got.map(|got| SoFar {
            keeper,
            got: smallvec![got],
        }))
    });
    for (one, result) in wanted.iter().zip(join_all(tries).await) {
        match result {
            Ok(Some(one)) => so_far.got.extend(one.take()),
            Ok(None) => busy = busy.or(Some(one.name.template)),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match (failed, busy) {
        (None, None) => match so_far.lost() {
            None => Ok(Ok(so_far.take())),
            Some(lost) => {
                so_far.give_back().await;
                Ok(Err(wanted[lost].name.template))
            }
        },
        (Some(error), _) => Err(error),
        (None, Some(template)) => {
            so_far.give_back().await;
            Ok(Err(template))
        }
    }
}

async fn one_by_one(
    keeper: &Arc<Keeper>,
    wanted: &[Wanted],
    until: Until,
) -> Result<Result<Few<Got>, &'static str>, Error> {
    let mut in_order: Vec<usize> = (0..wanted.len()).collect();
    in_order.sort_unstable_by(|a, b| wanted[*a].resource.cmp(&wanted[*b].resource));
    let mut rounds = 0;
    let so_far = loop {
        rounds += 1;
        let mut so_far = SoFar {
            keeper,
            got: Few::with_capacity(wanted.len()),
        };
        for index in &in_order {
            let Some(got) = acquire_one(keeper, &wanted[*index], until, Moment::now()).await?
            else {
                so_far.give_back().await;
                return Ok(Err(wanted[*index].name.template));
            };
            so_far.got.push(got);
        }
        let Some(lost) = so_far.lost().filter(|_| rounds < LATE_AT_MOST) else {
            break so_far;
        };
        so_far.give_back().await;
        if until.is_over() {
            return Ok(Err(wanted[in_order[lost]].name.template));
        }
    };
    let mut as_given: Vec<_> = in_order.into_iter().zip(so_far.take()).collect();
    as_given.sort_unstable_by_key(|(index, _)| *index);
    Ok(Ok(as_given.into_iter().map(|(_, got)| got).collect()))
}

/// The leases that were got before it is known whether all can be. Dropped, they are given back.
struct SoFar<'a> {
    keeper: &'a Arc<Keeper>,
    got: Few<Got>,
}

impl SoFar<'_> {
    /// One that was lost while the others were got.
    fn lost(&self) -> Option<usize> {
        self.got.iter().position(|got| !got.holding.is_held())
    }

    fn take(mut self) -> Few<Got> {
        std::mem::take(&mut self.got)
    }

    /// Gives them back now, so that others need not wait for the background.
    async fn give_back(mut self) {
        let releases = self.got.iter().map(|got| async {
            let _leaving = self.keeper.forget(&got.holding);
            got.holding.end(Moment::now());
            self.keeper
                .store
                .release_lease(&got.holding.lease)
                .await
                .is_ok()
        });
        let released = join_all(releases).await;
        let mut released = released.into_iter();
        self.got.retain(|_| released.next() != Some(true));
    }
}

impl Drop for SoFar<'_> {
    fn drop(&mut self) {
        for got in &self.got {
            got.holding.end(Moment::now());
            self.keeper.abandon(&got.holding);
        }
    }
}

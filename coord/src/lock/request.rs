//! A request for one or several locks, checked before anything is sent.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use smallvec::smallvec;

use super::Few;
use super::acquire::{self, Got, Until, Wanted};
use super::builder::Target;
use super::keeper::Keeper;
use super::{order, together};
use crate::clock::Moment;
use crate::context::{Context, LockName, StoreId};
use crate::error::Error;
use crate::store::LARGEST_TTL;

/// What the builder was told of times.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) ttl: Duration,
    pub(super) wait: Duration,
    pub(super) at_least: Duration,
    pub(super) renews: bool,
}

/// A request that makes sense.
pub(super) struct Request {
    /// In the order in which they were given.
    wanted: Few<Wanted>,
    until: Until,
    started: Moment,
}

impl Request {
    pub(super) fn check(
        targets: &[Target],
        times: Times,
        label: &Arc<str>,
        (place, store): (&'static Location<'static>, StoreId),
        started: Moment,
    ) -> Result<Self, Error> {
        check_duration("ttl", times.ttl)?;
        if times.ttl.is_zero() {
            return Err(Error::invalid_option(
                "ttl",
                "it is zero; give the time after which a holder counts as dead",
            ));
        }
        check_duration("at_least", times.at_least)?;
        if targets.is_empty() {
            return Err(Error::invalid_option(
                "keys",
                "there is none; give at least one key to lock",
            ));
        }
        let until = match times.wait {
            Duration::ZERO => Until::Now,
            wait => started
                .instant()
                .checked_add(wait)
                .map_or(Until::Forever, Until::Then),
        };
        let mut wanted = Few::with_capacity(targets.len());
        for target in targets {
            check_weight(target)?;
            let name = LockName {
                kind: target.kind,
                template: target.key.template(),
                place,
                store,
            };
            if !matches!(until, Until::Now)
                && Context::holds_or(store, &target.resource, |outer| order::nested(outer, name))
            {
                return Err(Error::WouldDeadlock {
                    template: name.template,
                });
            }
            wanted.push(Wanted {
                resource: Arc::clone(&target.resource),
                key: target.key.text(),
                name,
                weight: target.weight,
                capacity: target.capacity,
                ttl: times.ttl,
                renews: times.renews,
                label: Arc::clone(label),
            });
        }
        Ok(Self {
            wanted,
            until,
            started,
        })
    }

    /// The leases in the order of the keys; or, within `Ok`, the template of one that was not free.
    pub(super) async fn acquire(
        &self,
        keeper: &Arc<Keeper>,
    ) -> Result<Result<Few<Got>, &'static str>, Error> {
        match &*self.wanted {
            [one] => {
                let got = acquire::acquire(keeper, one, self.until, self.started).await?;
                Ok(got.map(|got| smallvec![got]).ok_or(one.name.template))
            }
            several => {
                // On the heap, so that a single lock carries no room for it.
                Box::pin(together::acquire(keeper, several, self.until, self.started)).await
            }
        }
    }
}

fn check_duration(option: &'static str, duration: Duration) -> Result<(), Error> {
    if duration > LARGEST_TTL {
        return Err(Error::invalid_option(
            option,
            format!("{duration:?} is over 366 days; is the unit right?"),
        ));
    }
    Ok(())
}

fn check_weight(target: &Target) -> Result<(), Error> {
    let Target {
        weight, capacity, ..
    } = *target;
    if weight == 0 || weight > capacity {
        let problem =
            format!("{weight} of {capacity} can never be had; take at least one and at most all");
        return Err(Error::invalid_option("permits", problem));
    }
    Ok(())
}

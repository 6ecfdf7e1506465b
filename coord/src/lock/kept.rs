//! How the keeper keeps leases.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::acquire::persist;
use super::holding::Holding;
use super::keeper::{Care, Keeper, Kept};
use crate::clock::{Deadline, Moment};
use crate::store::{LeaseId, OwnerId, Renewal, Store};

/// The end of a lease, in the background.
pub(crate) struct Job {
    lease: LeaseId,
    kind: JobKind,
    /// Past this the store has ended the lease by itself.
    until: Deadline,
}

#[derive(Clone, Copy)]
enum JobKind {
    Release,
    KeepFor(Duration),
}

impl Keeper {
    /// Gives it back in the background, and lets it last for `rest` if there is one.
    pub(super) fn give_back_later(self: &Arc<Self>, holding: &Holding, rest: Option<Duration>) {
        let kind = rest.map_or(JobKind::Release, JobKind::KeepFor);
        self.finish_later(holding, holding.job(kind));
    }

    /// Releases in the background, because the caller's future was dropped.
    pub(super) fn abandon(self: &Arc<Self>, holding: &Holding) {
        self.give_back_later(holding, None);
    }
}

impl Holding {
    fn job(&self, kind: JobKind) -> Job {
        Job {
            lease: self.lease.clone(),
            kind,
            until: Deadline::of_lease(Moment::now(), self.ttl.max(self.wait_ttl)),
        }
    }
}

impl Kept for Holding {
    type Renewal = Renewal;
    type Job = Job;

    fn owner(&self) -> OwnerId {
        self.lease.owner
    }

    fn first_look(&self) -> Instant {
        self.first_look()
    }

    fn care(&self, now: Moment) -> Care<Renewal> {
        self.care(now)
    }

    fn moves(&self) {
        self.moves();
    }

    fn left_alone(&self) {
        self.left_alone();
    }

    fn shut_down(&self) -> Option<Job> {
        let (at_work, rest) = self.shut_down();
        (!at_work).then(|| Job {
            lease: self.lease.clone(),
            kind: rest.map_or(JobKind::Release, JobKind::KeepFor),
            until: self.deadline(),
        })
    }

    async fn renew(store: Arc<dyn Store>, batch: Vec<(Arc<Self>, Renewal)>) {
        let (holdings, renewals): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let sent = Moment::now();
        let answers = store.renew_leases(&renewals).await;
        for (holding, answer) in holdings.iter().zip(answers) {
            holding.renewed(sent, answer);
        }
    }

    async fn carry_out(store: Arc<dyn Store>, job: Job) {
        let Job { lease, kind, until } = job;
        match kind {
            JobKind::Release => {
                let _ = persist(until, || store.release_lease(&lease)).await;
            }
            JobKind::KeepFor(rest) => {
                let renewal = [Renewal {
                    lease,
                    ttl: rest,
                    wait_ttl: rest,
                }];
                let renew = || async {
                    let answer = store.renew_leases(&renewal).await.pop();
                    answer.transpose()
                };
                let _ = persist(until, renew).await;
            }
        }
    }
}

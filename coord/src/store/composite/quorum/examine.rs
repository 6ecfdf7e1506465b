//! What the servers of the stores say of themselves, and whether one of them can come back with older data than it had.
//! That cannot be told from a store that was away, so it is told before it happens.

use super::super::super::{Durability, Examination, Result};
use super::Inner;
use super::member::Member;

const LOSES_LATEST: &str = "when its server crashes, it can lack the last of what it acknowledged and keep the rest, or \
                            it does not tell: in a quorum, two can then hold one lease with the same token; have it \
                            write everything to its disk before it answers (`appendfsync always`, `Synchronous::Full`), \
                            or keep nothing (`appendonly no`, `save \"\"`)";

impl Inner {
    /// What all say that answer, each with the place of its store.
    pub(super) async fn examination(&self) -> Examination {
        let mut together = Examination::unknown();
        for (index, (member, found)) in self.members.iter().zip(self.examined().await).enumerate() {
            let name = member.store().name();
            let of_it = |warning: &str| format!("store {index}, `{name}`: {warning}");
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    together = together.warn(of_it(&error.to_string()));
                    continue;
                }
            };
            for warning in &found.warnings {
                together = together.warn(of_it(warning));
            }
            if loses_latest(member, &found) {
                together = together.warn(of_it(LOSES_LATEST)).loses_latest(true);
            }
        }
        together
    }

    /// Looks in the background, and warns of each that may not be in a quorum.
    pub(super) fn examine_later(&self) {
        let Some(inner) = self.this.upgrade() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let task = runtime.spawn(async move { inner.warn().await });
        self.examiner.keep(task.abort_handle());
    }

    async fn warn(&self) {
        for (index, (member, found)) in self.members.iter().zip(self.examined().await).enumerate() {
            // One that does not answer now has said nothing that is worth a warning.
            if found.is_ok_and(|found| loses_latest(member, &found)) {
                let name = member.store().name();
                tracing::warn!(index, name, "a store of a quorum: {LOSES_LATEST}");
            }
        }
    }

    async fn examined(&self) -> Vec<Result<Examination>> {
        futures_util::future::join_all(self.members.iter().map(Member::examine)).await
    }
}

/// Whether it can come back with older data than it had, as far as can be told.
fn loses_latest(member: &Member, found: &Examination) -> bool {
    let by_default = member.store().capabilities().durability == Durability::AsConfigured;
    found.loses_latest.unwrap_or(by_default)
}

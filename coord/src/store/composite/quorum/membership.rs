//! Taking stores in: all of them together when a quorum is new, and one that has come back empty when everything has
//! been copied to it.
//!
//! 1. A quorum is founded when none of its stores has a mark, and all answer: each is first marked as a founder, and
//!    when all are, as a member. One that is marked as a founder has forgotten nothing, so anybody may go on from there
//!    with those, if they are a majority.
//! 2. A store without a mark, beside a majority that has one, is new or was emptied. It is marked as joining, then
//!    everything that the others keep is copied to it, then it is marked as a member if the first mark is still there,
//!    so that one that was emptied again in between stays out.
//! 3. If a majority has lost its marks and another has not, what was decided may be gone, and nothing is granted:
//!    somebody has to say that it shall begin anew, by emptying all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::super::{Condition, ListRequest, Result};
use super::Inner;
use super::ask::Attempt;
use super::decide::{Aim, Verdict};
use super::member::{Mark, Marked, Member};
use super::state::{Content, Seen};
use crate::error::{StoreError, StoreErrorKind};

/// How long after a store is found to lack something it is repaired, so that one repair does for much.
const REPAIRED_AFTER: Duration = Duration::from_secs(1);
const PAGE: usize = 200;
/// How often a record is settled before the store that does not get it is given up.
const TRIES: usize = 5;

/// What [`Quorum::repair`](super::Quorum::repair) has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Repaired {
    /// How many records were looked at.
    pub records: u64,
    /// How many of them some store lacked, or had in an earlier state.
    pub brought_up_to_date: u64,
    /// How many stores count again that had come back empty.
    pub stores_taken_in: usize,
    /// How many stores did not answer, or still lack something.
    pub stores_left_out: usize,
}

/// What each store has said of its mark.
struct Marks(Vec<Result<Marked>>);

impl Marks {
    fn count(&self, mark: Mark) -> usize {
        let is_that = |answer: &&Result<Marked>| matches!(answer, Ok((found, _)) if *found == mark);
        self.0.iter().filter(is_that).count()
    }

    /// How many have lost what they knew, if the quorum was founded.
    fn forgotten(&self) -> usize {
        self.count(Mark::Missing) + self.count(Mark::Joining)
    }

    fn answered(&self) -> usize {
        self.0.iter().filter(|answer| answer.is_ok()).count()
    }

    fn error(&self) -> Option<&StoreError> {
        self.0.iter().find_map(|answer| answer.as_ref().err())
    }
}

impl Inner {
    /// Returns when the quorum is known to be founded.
    pub(super) async fn founded(&self) -> Result<()> {
        if self.is_founded.load(Ordering::Acquire) {
            return Ok(());
        }
        self.find_out().await
    }

    /// Looks at the marks, and founds the quorum if there are none, or goes on where that was left.
    pub(super) async fn find_out(&self) -> Result<()> {
        let mut marks = self.marks().await;
        if marks.count(Mark::Member) > 0 && marks.forgotten() > 0 {
            // They were not read at one moment: a store may have been marked since it was asked, and then all were.
            marks = self.marks().await;
        }
        let members = marks.count(Mark::Member);
        if members >= self.majority() {
            self.is_known_to_be_founded();
            if members < marks.answered() {
                self.repair_later();
            }
            return Ok(());
        }
        if let Some(error) = marks.error() {
            let problem = if marks.answered() < self.majority() {
                "fewer than a majority of the stores of a quorum have answered; it goes on when more are back"
            } else {
                "fewer than a majority of the stores of a quorum are known to keep their data; when it is used for \
                 the first time, all must answer"
            };
            let kind = StoreErrorKind::NotApplied;
            return Err(StoreError::new(kind, "found", problem).with_source(error.clone()));
        }
        if members > 0 && members + marks.count(Mark::Founding) < self.majority() {
            return Err(StoreError::new(
                StoreErrorKind::Denied,
                "found",
                "a majority of the stores of a quorum has lost its data, so what was decided may be gone; bring it \
                 back, or empty all of them to begin anew",
            ));
        }
        self.found(marks).await
    }

    /// Marks all stores, or those that have forgotten nothing since all were marked as founders.
    async fn found(&self, marks: Marks) -> Result<()> {
        let all_are_new = marks.count(Mark::Member) == 0;
        let mut founders = Vec::new();
        for (member, answer) in self.members.iter().zip(marks.0) {
            let (mark, unchanged) = answer?;
            let unchanged = match mark {
                Mark::Founding => unchanged,
                Mark::Missing | Mark::Joining if all_are_new => {
                    match member.set_mark(Mark::Founding, unchanged).await? {
                        Some(version) => Condition::Version(version),
                        // Another process is at it as well. If it has gone further, the next look tells.
                        None => match member.mark().await? {
                            (Mark::Founding, unchanged) => unchanged,
                            _ => continue,
                        },
                    }
                }
                Mark::Member | Mark::Missing | Mark::Joining => continue,
            };
            founders.push((member, unchanged));
        }
        // A mark may have been set so late that the quorum was founded meanwhile, and the store emptied. Then it is
        // no founder's.
        let marks = self.marks().await;
        if marks.count(Mark::Member) >= self.majority() {
            founders.clear();
        } else if let Some(error) = marks.error() {
            return Err(error.clone());
        }
        for (member, unchanged) in founders {
            member.set_mark(Mark::Member, unchanged).await?;
        }
        let members = self.marks().await.count(Mark::Member);
        if members < self.majority() {
            return Err(StoreError::new(
                StoreErrorKind::NotApplied,
                "found",
                "the stores of a quorum changed while it was founded; try again",
            ));
        }
        self.is_known_to_be_founded();
        if members < self.members.len() {
            self.repair_later();
        }
        Ok(())
    }

    fn is_known_to_be_founded(&self) {
        if !self.is_founded.swap(true, Ordering::AcqRel) {
            self.examine_later();
        }
    }

    async fn marks(&self) -> Marks {
        Marks(futures_util::future::join_all(self.members.iter().map(Member::mark)).await)
    }

    /// Brings every store up to date, and takes those in that had come back empty.
    pub(super) async fn repair(&self) -> Result<Repaired> {
        self.find_out().await?;
        let mut repaired = Repaired::default();
        let mut joining = Vec::new();
        for (index, answer) in self.marks().await.0.into_iter().enumerate() {
            let begun = match answer {
                Ok((Mark::Member, _)) => continue,
                Ok((Mark::Joining | Mark::Founding, unchanged)) => Ok(Some(unchanged)),
                Ok((Mark::Missing, unchanged)) => {
                    let version = self.members[index].set_mark(Mark::Joining, unchanged).await;
                    version.map(|version| version.map(Condition::Version))
                }
                Err(error) => Err(error),
            };
            match begun {
                Ok(Some(unchanged)) => joining.push((index, unchanged)),
                Ok(None) | Err(_) => repaired.stores_left_out += 1,
            }
        }
        let lacking = self.settle_all(&mut repaired).await?;
        for (index, unchanged) in joining {
            if lacking[index] {
                repaired.stores_left_out += 1;
                continue;
            }
            match self.members[index].set_mark(Mark::Member, unchanged).await {
                Ok(Some(_)) => repaired.stores_taken_in += 1,
                Ok(None) | Err(_) => repaired.stores_left_out += 1,
            }
        }
        Ok(repaired)
    }

    /// Makes all stores have every record as it was decided, and says which still lack some.
    async fn settle_all(&self, repaired: &mut Repaired) -> Result<Vec<bool>> {
        let mut lacking = vec![false; self.members.len()];
        let mut request = ListRequest::new("").limit(PAGE);
        loop {
            let merged = self.merge(&request).await?;
            for key in merged.keys() {
                repaired.records += 1;
                if self.settle(key, &mut lacking).await? {
                    repaired.brought_up_to_date += 1;
                }
            }
            match merged.goes_on_behind() {
                Some(last) => request = request.after(last),
                None => return Ok(lacking),
            }
        }
    }

    /// Makes all stores have one record as it was decided, and says whether some did not.
    async fn settle(&self, key: &str, lacking: &mut [bool]) -> Result<bool> {
        for tries in 0..TRIES {
            let looks = self.each(|member| Box::pin(member.look(key)));
            let answers = futures_util::future::join_all(
                looks
                    .into_iter()
                    .map(|(index, look)| async move { (index, look.await) }),
            )
            .await;
            let words = answers
                .iter()
                .filter_map(|(_, answer)| answer.as_ref().ok());
            let decided = match self.verdict(words.clone()) {
                Verdict::Decided(_) => words.clone().map(|seen| seen.state.accepted).max(),
                Verdict::Split | Verdict::TooFew => None,
            };
            let lacks = |answer: &Result<Seen>| match answer {
                Ok(seen) => Some(seen.state.accepted) != decided,
                Err(_) => true,
            };
            if !answers.iter().any(|(_, answer)| lacks(answer)) {
                return Ok(tries > 0);
            }
            let only_silent_ones_lack = answers
                .iter()
                .all(|(_, answer)| answer.is_err() || !lacks(answer));
            if only_silent_ones_lack || tries == TRIES - 1 {
                for (index, answer) in &answers {
                    lacking[*index] |= lacks(answer);
                }
                return Ok(tries > 0);
            }
            self.rewrite(key).await?;
        }
        Ok(true)
    }

    /// Decides again on what is decided, so that all get it.
    async fn rewrite(&self, key: &str) -> Result<()> {
        let attempt = Attempt::at("repair", key, self.limit).quiet(true);
        let as_it_is = |content: &Content| (Some(content.clone()), ());
        self.change(attempt, Aim::Write, as_it_is).await
    }

    /// Repairs in the background, after a while, unless that is under way.
    pub(super) fn repair_later(&self) {
        let Some(inner) = self.this.upgrade() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.is_repairing.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = runtime.spawn(Repairing(inner).run());
        self.repairer.keep(task.abort_handle());
    }
}

/// The repair in the background. However it ends, also before its first turn, it is over.
struct Repairing(Arc<Inner>);

impl Repairing {
    async fn run(self) {
        tokio::time::sleep(REPAIRED_AFTER).await;
        // What cannot be done now is begun again when the store is next found to lack something.
        let _ = self.0.repair().await;
    }
}

impl Drop for Repairing {
    fn drop(&mut self) {
        self.0.is_repairing.store(false, Ordering::Release);
    }
}

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

use futures_util::FutureExt;
use tokio::time::Instant;

use super::super::super::{Condition, ListRequest, Result};
use super::Inner;
use super::ask::{Attempt, Words};
use super::decide::{Aim, are_alike, counting};
use super::member::{Mark, Marked, Member};
use super::owed::Debt;
use super::state::{Content, Seen};
use crate::error::{StoreError, StoreErrorKind};

/// How long after a store is found to lack something it is repaired, so that one repair does for much.
const REPAIRED_AFTER: Duration = Duration::from_secs(1);
/// How long it can take until a store that fails is asked again whether it is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const PAGE: usize = 200;
/// How often a record is settled before the store that does not get it is given up.
const TRIES: u32 = 5;

/// What [`Quorum::repair`](super::Quorum::repair) has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Repaired {
    /// How many records were looked at.
    pub records: u64,
    /// How many of them some store lacked, or had in an earlier state, and all that answer have now.
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
                self.owe(Debt::Everything);
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
            self.owe(Debt::Everything);
        }
        Ok(())
    }

    /// What processes have not brought to a store that have ended meanwhile, whoever begins brings to it.
    fn is_known_to_be_founded(&self) {
        if !self.is_founded.swap(true, Ordering::AcqRel) {
            self.examine_later();
            self.owe(Debt::Everything);
        }
    }

    async fn marks(&self) -> Marks {
        let marks = futures_util::future::join_all(self.members.iter().map(Member::mark)).await;
        for (index, answer) in marks.iter().enumerate() {
            self.note_answer(index, answer);
        }
        Marks(marks)
    }

    /// Brings every store up to date, and takes those in that had come back empty.
    pub(super) async fn repair(&self) -> Result<Repaired> {
        let _turn = self.repairs.lock().await;
        self.find_out().await?;
        let marks = self.marks().await;
        let owed = self.owed.noted(&Debt::Everything);
        let mut repaired = Repaired::default();
        let mut lacking = vec![false; self.members.len()];
        let mut joining = Vec::new();
        for (index, answer) in marks.0.into_iter().enumerate() {
            let begun = match answer {
                Ok((Mark::Member, _)) => continue,
                Ok((Mark::Joining | Mark::Founding, unchanged)) => Ok(Some(unchanged)),
                Ok((Mark::Missing, unchanged)) => {
                    let version = self.members[index].set_mark(Mark::Joining, unchanged).await;
                    self.note_answer(index, &version);
                    version.map(|version| version.map(Condition::Version))
                }
                Err(error) => Err(error),
            };
            match begun {
                Ok(Some(unchanged)) => joining.push((index, unchanged)),
                Ok(None) | Err(_) => lacking[index] = true,
            }
        }
        self.settle_all(&mut repaired, &mut lacking).await?;
        for (index, unchanged) in joining {
            if lacking[index] {
                continue;
            }
            let marked = self.members[index].set_mark(Mark::Member, unchanged).await;
            self.note_answer(index, &marked);
            match marked {
                Ok(Some(_)) => repaired.stores_taken_in += 1,
                Ok(None) | Err(_) => lacking[index] = true,
            }
        }
        repaired.stores_left_out = lacking.iter().filter(|lacks| **lacks).count();
        // Those that fail are owed everything when they are back.
        let mut left_out = lacking.iter().zip(&self.members);
        let owes = left_out.any(|(lacks, member)| *lacks && !member.fails());
        if let Some(owed) = owed.filter(|_| !owes) {
            self.owed.settled(&Debt::Everything, owed);
        }
        Ok(repaired)
    }

    /// Makes all stores have every record as it was decided, and notes which still lack some.
    async fn settle_all(&self, repaired: &mut Repaired, lacking: &mut [bool]) -> Result<()> {
        let mut request = ListRequest::new("").limit(PAGE);
        loop {
            let mut attempt = Attempt::at("repair", "", self.limit).patient();
            let merged = self.merge(&request, &mut attempt).await?;
            for (key, is_alike) in merged.keys(self.members.len()) {
                repaired.records += 1;
                if !is_alike && self.settle(key, lacking).await? {
                    repaired.brought_up_to_date += 1;
                }
            }
            match merged.goes_on_behind() {
                Some(last) => request = request.after(last),
                None => return Ok(()),
            }
        }
    }

    /// Makes all stores have one record as it was decided, and says whether it has brought it to some. Notes who still
    /// lacks it.
    async fn settle(&self, key: &str, lacking: &mut [bool]) -> Result<bool> {
        let (mut tries, mut has_paused) = (0, true);
        let (words, is_settled) = loop {
            let began = Instant::now();
            let mut attempt = Attempt::at("repair", key, self.limit).patient();
            let looks = self.each(|member| member.look(key).boxed());
            let enough = |words: &Words| self.nearly(counting(words));
            let words = self.gather(looks, enough, &mut attempt).await;
            // That none of these has the record says nothing if those are among them that have forgotten.
            let is_settled = self.is_majority(&words) && are_alike(&words);
            if is_settled || tries == TRIES {
                break (words, is_settled);
            }
            if !has_paused {
                // Other processes may be about the same. If one of them was left alone, this one finds it done.
                self.pause(tries, began.elapsed()).await;
                has_paused = true;
                continue;
            }
            has_paused = false;
            let failures = self.failures();
            self.rewrite(key).await?;
            // What a store does not take now, it does not take at once either.
            tries = if self.failures() > failures {
                TRIES
            } else {
                tries + 1
            };
        };
        let latest = words.iter().map(|(_, seen)| seen.state.accepted).max();
        for (index, lacks) in lacking.iter_mut().enumerate() {
            let has_it = |(heard, seen): &(usize, Seen)| {
                *heard == index && Some(seen.state.accepted) == latest
            };
            *lacks |= !words.iter().any(has_it);
        }
        Ok(is_settled && tries > 0)
    }

    /// Decides again on what is decided, so that all get it.
    async fn rewrite(&self, key: &str) -> Result<()> {
        let attempt = Attempt::at("repair", key, self.limit).quiet(true).patient();
        let as_it_is = |content: &Content| (Some(content.clone()), ());
        self.change(attempt, Aim::Write, as_it_is).await
    }

    /// Brings to all stores what some may lack.
    async fn settle_what_is_owed(&self) -> Result<()> {
        if self.some_fail() {
            // Operations may never hear from one that is back, if it is slower than the others. It is owed everything.
            self.marks().await;
        }
        for (debt, noted) in self.owed.all() {
            match &debt {
                Debt::Everything => drop(self.repair().await?),
                Debt::Record(key) => {
                    let _turn = self.repairs.lock().await;
                    self.settle(key, &mut vec![false; self.members.len()])
                        .await?;
                    self.owed.settled(&debt, noted);
                }
            }
        }
        Ok(())
    }

    fn some_fail(&self) -> bool {
        self.members.iter().any(Member::fails)
    }

    fn failures(&self) -> u64 {
        self.members.iter().map(Member::failures).sum()
    }

    /// Notes that some store may lack something, and brings it to all in the background.
    pub(super) fn owe(&self, debt: Debt) {
        self.owed.note(debt);
        self.repair_later();
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
        let mut pause = REPAIRED_AFTER;
        loop {
            tokio::time::sleep(pause).await;
            let failures = self.0.failures();
            let settled = self.0.settle_what_is_owed().await;
            let some_fail = self.0.some_fail();
            if !some_fail && self.0.owed.is_empty() {
                return;
            }
            // Whatever failed may fail again, and the others have work besides.
            pause = if some_fail || settled.is_err() || self.0.failures() > failures {
                LONGEST_PAUSE.min(2 * pause)
            } else {
                REPAIRED_AFTER
            };
        }
    }
}

impl Drop for Repairing {
    fn drop(&mut self) {
        self.0.is_repairing.store(false, Ordering::Release);
    }
}

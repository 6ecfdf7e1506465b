//! How members decide on a record: as the acceptors of a register of Lamport's Paxos do, one register for each key.
//!
//! 1. A proposal has a ballot, greater than all that were seen. A member that has promised a ballot accepts no
//!    smaller one. Whatever it keeps is replaced only if nobody has replaced it since, by its store's own versions, so
//!    a store need know nothing of this.
//! 2. What a majority has accepted under one ballot is decided. Every majority that promises a later ballot has one in
//!    it that tells of it, and what is proposed then starts from it.
//! 3. So one order of all writes explains all answers, whichever members answer, as long as every majority of them has
//!    one that keeps what was decided.
//! 4. What fewer have accepted than could have been a majority, together with all that did not answer, was never
//!    decided, and is dropped. That is how a deleted record stays deleted when a store comes back that had it.
//! 5. What a majority says alike, it has decided, so reading it takes no writing.
//! 6. A record expires when the first of those members that tell of it says so. Each counts from when it was written,
//!    so that is not before its owner believes; and it is decided, as a deletion is, before anybody is told.
//! 7. Ballots follow the time, so that one that is made after a record was forgotten is greater than those that the
//!    record had, even if one member still has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::super::super::Result;
use super::Inner;
use super::member::{Member, Promise};
use super::state::{Ballot, Content, Seen, State};
use crate::error::{StoreError, StoreErrorKind};

/// How often it is looked again at a record that is just being written, before taking part.
const LOOKS: u32 = 3;
/// The least time for which those that are slower than a majority are waited for.
const LINGER: Duration = Duration::from_millis(10);
/// How many limits of a single call an operation takes at the most.
const LIMITS: u32 = 5;

/// What an operation makes of what is there: something else, or nothing, and its answer.
pub(super) type Change<T> = (Option<Content>, T);

/// Whether enough members have answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Enough {
    No,
    /// Yes, though more would be welcome.
    Nearly,
    Yes,
}

/// What members say together.
pub(super) enum Verdict {
    /// This is decided.
    Decided(Content),
    /// It is being written, or some have missed a write.
    Split,
    /// Fewer than a majority have answered.
    TooFew,
}

/// What of an operation is known while it is under way.
struct Attempt {
    operation: &'static str,
    deadline: Instant,
    /// Whether a proposal was sent that may be decided.
    proposed: bool,
    last_error: Option<StoreError>,
}

/// A member's word, by its index.
type Words = Vec<(usize, Seen)>;

impl Inner {
    /// Reads what is decided on a record.
    pub(super) async fn read(&self, key: &str) -> Result<Content> {
        let change = |content: &Content| (None, content.clone());
        self.change("get", key, Known::Enough, false, change).await
    }

    /// Lets members decide on what `change` makes of a record. It may be called several times. What is said to be
    /// `known` saves a request if it is so.
    pub(super) async fn change<T>(
        &self,
        operation: &'static str,
        key: &str,
        known: Known,
        quiet: bool,
        change: impl Fn(&Content) -> Change<T> + Send + Sync,
    ) -> Result<T>
    where
        T: Send,
    {
        let mut attempt = Attempt {
            operation,
            deadline: Instant::now() + self.limit() * LIMITS,
            proposed: false,
            last_error: None,
        };
        let mut first = known == Known::Absent;
        for look in 1.. {
            self.founded().await?;
            // One that was made of what is not there is a promise already.
            let ballot = self.clock.ballot(Ballot::NONE);
            let (words, promised) = if std::mem::take(&mut first) {
                self.promises_of_nothing(key, ballot, &mut attempt).await
            } else {
                let agreed = if known == Known::Enough {
                    Enough::Yes
                } else {
                    Enough::Nearly
                };
                (self.looks(key, agreed, &mut attempt).await, Vec::new())
            };
            let has_forgotten = self.is_emptied(words.iter().chain(&promised));
            if has_forgotten {
                self.repair_later();
            }
            match self.verdict(words.iter().chain(&promised).map(|(_, seen)| seen)) {
                Verdict::Decided(content) if !content.is_over() => {
                    if let (None, answer) = change(&content) {
                        return Ok(answer);
                    }
                }
                Verdict::Split if look < LOOKS && promised.is_empty() => {
                    pause(look).await;
                    continue;
                }
                Verdict::TooFew => {
                    if has_forgotten {
                        self.find_out().await?;
                        if Instant::now() < attempt.deadline && look < 2 * LOOKS {
                            pause(look).await;
                            continue;
                        }
                    }
                    return Err(attempt.too_few());
                }
                _ => {}
            }
            let outcome = self
                .propose(key, ballot, words, promised, quiet, &change, &mut attempt)
                .await?;
            if let Some(answer) = outcome {
                return Ok(answer);
            }
            if Instant::now() >= attempt.deadline {
                break;
            }
            pause(look).await;
        }
        Err(attempt.too_busy())
    }

    /// Gets the promises of a majority and has it accept. `None`: somebody else was at it.
    #[expect(clippy::too_many_arguments, reason = "it is one part of `change`")]
    async fn propose<T: Send>(
        &self,
        key: &str,
        ballot: Ballot,
        words: Words,
        promised: Words,
        quiet: bool,
        change: &(impl Fn(&Content) -> Change<T> + Send + Sync),
        attempt: &mut Attempt,
    ) -> Result<Option<T>> {
        let (ballot, promised) = if words.is_empty() && self.is_majority(&promised) {
            (ballot, promised)
        } else {
            let mut known: Words = words.into_iter().chain(promised).collect();
            for index in 0..self.members.len() {
                // Of those who were not heard, what they have shows when it is replaced.
                if known.iter().all(|(heard, _)| *heard != index) {
                    known.push((index, Seen::nothing()));
                }
            }
            let highest = known.iter().map(|(_, seen)| seen.state.promised).max();
            let ballot = self.clock.ballot(highest.unwrap_or_default());
            match self.promises(key, known, ballot, attempt).await? {
                Some(promised) => (ballot, promised),
                None => return Ok(None),
            }
        };
        let (counting, others): (Words, Words) =
            promised.into_iter().partition(|(_, seen)| seen.counts);
        let there = self.possibly_decided(&counting);
        let there = if there.is_over() {
            there.expired()
        } else {
            there
        };
        let (next, answer) = change(&there);
        let state = State {
            promised: ballot,
            accepted: ballot,
            content: next.unwrap_or(there),
        };
        if !self.accepts(key, counting, &state, quiet, attempt).await? {
            return Ok(None);
        }
        if !others.is_empty() {
            self.copies(key, others, &state).await;
        }
        Ok(Some(answer))
    }

    /// What members say, or those of them that answer. Whether it is enough that a majority `agreed`, depends on whether
    /// all are to be written.
    async fn looks(&self, key: &str, agreed: Enough, attempt: &mut Attempt) -> Words {
        let looks = self.each(|member| member.look(key).boxed());
        let enough = |answers: &Words| match self.verdict(answers.iter().map(|(_, seen)| seen)) {
            Verdict::Decided(_) => agreed,
            Verdict::Split => Enough::Nearly,
            Verdict::TooFew => Enough::No,
        };
        self.gather(looks, enough, attempt).await
    }

    /// Promises of those that have nothing of the record, behind what the others say.
    async fn promises_of_nothing(
        &self,
        key: &str,
        ballot: Ballot,
        attempt: &mut Attempt,
    ) -> (Words, Words) {
        let calls = self.each(|member| {
            async move {
                Ok(
                    match member.try_promise(key, &Seen::nothing(), ballot).await? {
                        Promise::Given(seen) => (true, seen),
                        Promise::Refused(seen) => (false, seen),
                    },
                )
            }
            .boxed()
        });
        let enough = |answers: &Vec<(usize, (bool, Seen))>| {
            let counting = answers.iter().filter(|(_, (_, seen))| seen.counts);
            if counting.count() >= self.majority() {
                Enough::Nearly
            } else {
                Enough::No
            }
        };
        let (mut words, mut promised) = (Words::new(), Words::new());
        for (index, (given, seen)) in self.gather(calls, enough, attempt).await {
            if given { &mut promised } else { &mut words }.push((index, seen));
        }
        (words, promised)
    }

    /// The promises of a majority, and of more. `None`: too many have promised something later.
    async fn promises(
        &self,
        key: &str,
        words: Words,
        ballot: Ballot,
        attempt: &mut Attempt,
    ) -> Result<Option<Words>> {
        let calls = self.each_of(words, |member, seen| {
            async move { member.promise(key, seen, ballot).await }.boxed()
        });
        let enough = |answers: &Vec<(usize, Promise)>| {
            let given = |answer: &&(usize, Promise)| matches!(&answer.1, Promise::Given(seen) if seen.counts);
            if answers.iter().filter(given).count() >= self.majority() {
                Enough::Nearly
            } else {
                Enough::No
            }
        };
        let answers = self.gather(calls, enough, attempt).await;
        let (mut given, mut refused) = (Words::new(), Words::new());
        for (index, promise) in answers {
            match promise {
                Promise::Given(seen) => given.push((index, seen)),
                Promise::Refused(seen) => refused.push((index, seen)),
            }
        }
        if self.is_majority(&given) {
            return Ok(Some(given));
        }
        let counting = given.iter().chain(&refused).filter(|(_, seen)| seen.counts);
        if counting.count() >= self.majority() {
            return Ok(None);
        }
        Err(attempt.too_few())
    }

    /// Whether a majority has accepted. `false`: too many have promised something later.
    async fn accepts(
        &self,
        key: &str,
        promised: Words,
        state: &State,
        quiet: bool,
        attempt: &mut Attempt,
    ) -> Result<bool> {
        attempt.proposed = true;
        let calls = self.each_of(promised, |member, seen| {
            member.accept(key, seen.unchanged, state, quiet).boxed()
        });
        let accepted = |answers: &Vec<(usize, bool)>| {
            answers.iter().filter(|(_, accepted)| *accepted).count() >= self.majority()
        };
        let enough = |answers: &Vec<(usize, bool)>| {
            if accepted(answers) {
                Enough::Nearly
            } else {
                Enough::No
            }
        };
        let answers = self.gather(calls, enough, attempt).await;
        if accepted(&answers) {
            return Ok(true);
        }
        if answers.len() >= self.majority() {
            return Ok(false);
        }
        Err(attempt.too_few())
    }

    /// Brings what is decided to those whose word does not count without it.
    async fn copies(&self, key: &str, others: Words, state: &State) {
        let calls = self.each_of(others, |member, seen| {
            member.accept(key, seen.unchanged, state, true).boxed()
        });
        self.gather(calls, |_| Enough::Nearly, &mut Attempt::unminded())
            .await;
    }

    /// What members say together, if they are a majority.
    pub(super) fn verdict<'a>(&self, words: impl Iterator<Item = &'a Seen>) -> Verdict {
        let mut counting: Vec<&Seen> = words.filter(|seen| seen.counts).collect();
        if counting.len() < self.majority() {
            return Verdict::TooFew;
        }
        counting.sort_unstable_by_key(|seen| seen.state.accepted);
        let alike = counting.chunk_by(|one, other| one.state.accepted == other.state.accepted);
        for group in alike {
            if group.len() >= self.majority() {
                return Verdict::Decided(earliest(group.iter().copied()));
            }
        }
        Verdict::Split
    }

    /// Of what those have accepted who have promised, the latest that may be decided.
    fn possibly_decided(&self, counting: &Words) -> Content {
        let unheard = self.members.len() - counting.len();
        let mut ballots: Vec<Ballot> = counting
            .iter()
            .map(|(_, seen)| seen.state.accepted)
            .collect();
        ballots.sort_unstable_by(|one, other| other.cmp(one));
        for (index, ballot) in ballots.iter().enumerate() {
            let is_last_of_its_kind = ballots.get(index + 1) != Some(ballot);
            if is_last_of_its_kind && index + 1 + unheard >= self.majority() {
                let with_it = counting.iter().map(|(_, seen)| seen);
                return earliest(with_it.filter(|seen| seen.state.accepted == *ballot));
            }
        }
        Content::default()
    }

    pub(super) fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }

    fn is_majority(&self, words: &Words) -> bool {
        words.iter().filter(|(_, seen)| seen.counts).count() >= self.majority()
    }

    /// Whether some have answered whose word does not count.
    fn is_emptied<'a>(&self, mut words: impl Iterator<Item = &'a (usize, Seen)>) -> bool {
        words.any(|(_, seen)| !seen.counts)
    }

    /// A call to each member.
    pub(super) fn each<'a, T>(
        &'a self,
        call: impl Fn(&'a Member) -> BoxFuture<'a, Result<T>>,
    ) -> Vec<(usize, BoxFuture<'a, Result<T>>)> {
        let calls = self.members.iter().enumerate();
        calls.map(|(index, member)| (index, call(member))).collect()
    }

    fn each_of<'a, T>(
        &'a self,
        words: Words,
        call: impl Fn(&'a Member, Seen) -> BoxFuture<'a, Result<T>>,
    ) -> Vec<(usize, BoxFuture<'a, Result<T>>)> {
        let calls = words.into_iter();
        calls
            .map(|(index, seen)| (index, call(&self.members[index], seen)))
            .collect()
    }

    /// The answers of all that answer.
    pub(super) async fn all_who_answer<'a, T: Send + 'a>(
        &'a self,
        call: impl Fn(&'a Member) -> BoxFuture<'a, Result<T>>,
    ) -> Vec<T> {
        let enough = |answers: &Vec<(usize, T)>| {
            if answers.len() >= self.majority() {
                Enough::Nearly
            } else {
                Enough::No
            }
        };
        let answers = self
            .gather(self.each(call), enough, &mut Attempt::unminded())
            .await;
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Collects answers until all are in, or enough, and then for as long again as that has taken.
    async fn gather<T: Send>(
        &self,
        calls: Vec<(usize, BoxFuture<'_, Result<T>>)>,
        enough: impl Fn(&Vec<(usize, T)>) -> Enough,
        attempt: &mut Attempt,
    ) -> Vec<(usize, T)> {
        let began = Instant::now();
        let mut outstanding: Vec<usize> = calls.iter().map(|(index, _)| *index).collect();
        let mut calls: FuturesUnordered<_> = calls
            .into_iter()
            .map(|(index, call)| call.map(move |answer| (index, answer)))
            .collect();
        let mut answers = Vec::new();
        let mut linger = None;
        loop {
            let next = match (enough(&answers), linger) {
                (Enough::Yes, _) => break,
                (Enough::No, _) => calls.next().await,
                (Enough::Nearly, None) => {
                    let until = Instant::now() + began.elapsed().max(LINGER);
                    linger = Some(until);
                    continue;
                }
                (Enough::Nearly, Some(until)) => {
                    let waits = outstanding
                        .iter()
                        .any(|index| !self.members[*index].is_slow());
                    let until = if waits { until } else { Instant::now() };
                    match tokio::time::timeout_at(until, calls.next()).await {
                        Ok(next) => next,
                        Err(_) => {
                            for index in outstanding {
                                self.members[index].is_left_behind();
                            }
                            break;
                        }
                    }
                }
            };
            let Some((index, answer)) = next else { break };
            outstanding.retain(|other| *other != index);
            match answer {
                Ok(answer) => {
                    if self.members[index].is_back() {
                        self.repair_later();
                    }
                    answers.push((index, answer));
                }
                Err(error) => {
                    self.members[index].has_failed();
                    attempt.last_error = Some(error);
                }
            }
        }
        answers
    }
}

/// What is known of a record before anybody is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    /// Nothing, and what a majority says is all that is asked.
    Enough,
    /// Most likely there is none.
    Absent,
}

/// Of members that have accepted the same, what expires first.
fn earliest<'a>(alike: impl Iterator<Item = &'a Seen>) -> Content {
    let by_time = |seen: &&Seen| {
        let live = seen.state.content.live.as_ref();
        live.and_then(|live| live.expires_in)
            .unwrap_or(Duration::MAX)
    };
    alike
        .min_by_key(by_time)
        .map(|seen| seen.state.content.clone())
        .unwrap_or_default()
}

/// A little while, different for each, so that those who are in each other's way do not meet again.
async fn pause(attempt: u32) {
    let at_most = 1_u64 << attempt.min(5);
    let microseconds = rand::random::<u64>() % (at_most * 1_000) + 100;
    tokio::time::sleep(Duration::from_micros(microseconds)).await;
}

impl Attempt {
    /// Of what nobody is told if it fails.
    fn unminded() -> Self {
        Self {
            operation: "",
            deadline: Instant::now(),
            proposed: false,
            last_error: None,
        }
    }

    fn too_few(&self) -> StoreError {
        let error = StoreError::new(
            match &self.last_error {
                _ if self.proposed => StoreErrorKind::Unknown,
                Some(error) if !error.is_retryable() => error.kind(),
                _ => StoreErrorKind::NotApplied,
            },
            self.operation,
            "fewer than a majority of the stores of a quorum have answered and keep their data; it goes on when \
             more are back",
        );
        match &self.last_error {
            Some(source) => error.with_source(source.clone()),
            None => error,
        }
    }

    fn too_busy(&self) -> StoreError {
        let kind = if self.proposed {
            StoreErrorKind::Unknown
        } else {
            StoreErrorKind::NotApplied
        };
        let problem = "other processes kept changing the same record; try again";
        StoreError::new(kind, self.operation, problem)
    }
}

/// Makes ballots that follow the time.
#[derive(Debug)]
pub(super) struct BallotClock {
    started: Instant,
    at: Duration,
    last: AtomicU64,
}

impl BallotClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            at: since_epoch(),
            last: AtomicU64::new(0),
        })
    }

    /// A ballot greater than `seen` and all that were made here.
    fn ballot(&self, seen: Ballot) -> Ballot {
        // The standard clock can be set back; tokio's stops while the machine sleeps.
        let now = since_epoch().max(self.at + self.started.elapsed());
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let at_least = now.max(seen.round.saturating_add(1));
        let before = self.last.fetch_max(at_least, Ordering::Relaxed);
        Ballot {
            round: at_least.max(before),
            by: rand::random(),
        }
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

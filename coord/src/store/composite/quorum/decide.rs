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
//!    decided, and is dropped. That is how a deleted record stays deleted when a store comes back that had it. So those
//!    that are merely slow are waited for while it depends on them. A deletion is not dropped: those that have it no more
//!    may have forgotten it.
//! 5. What a majority says alike, it has decided, so reading it takes no writing.
//! 6. A record expires when the first of those members that tell of it says so. Each counts from when it was written,
//!    so that is not before its owner believes; and it is decided, as a deletion is, before anybody is told.
//! 7. Ballots follow the time, so that one that is made after a record was forgotten is greater than those that the
//!    record had, even if one member still has it.

use std::cmp::Reverse;
use std::time::Duration;

use futures_util::{FutureExt, TryFutureExt};
use tokio::time::Instant;

use super::super::super::Result;
use super::Inner;
use super::ask::{Attempt, Enough, Words};
use super::ballot::Ballot;
use super::member::Promise;
use super::owed::{Bringing, Debt};
use super::state::{Content, Seen, State};

/// How often it is looked again at a record that is just being written, before taking part.
const LOOKS: u32 = 3;
/// What a try is taken to have taken at least.
const SHORTEST_TRY: Duration = Duration::from_millis(1);

/// What an operation makes of what is there: something else, or nothing, and its answer.
pub(super) type Change<T> = (Option<Content>, T);

/// What members say together.
pub(super) enum Verdict {
    /// This is decided.
    Decided(Content),
    /// It is being written, or some have missed a write.
    Split,
    /// Fewer than a majority have answered.
    TooFew,
}

impl Inner {
    /// Reads what is decided on a record.
    pub(super) async fn read(&self, key: &str) -> Result<Content> {
        let attempt = Attempt::at("get", key, self.limit);
        let as_it_is = |content: &Content| (None, content.clone());
        self.change(attempt, Aim::Read, as_it_is).await
    }

    /// Lets members decide on what `change` makes of a record. It may be called several times.
    pub(super) async fn change<T: Send>(
        &self,
        mut attempt: Attempt<'_>,
        mut aim: Aim,
        change: impl Fn(&Content) -> Change<T> + Send + Sync,
    ) -> Result<T> {
        for look in 1.. {
            let began = Instant::now();
            self.founded().await?;
            let ballot = self.clock.ballot(Ballot::NONE);
            let words = self.words(aim, ballot, &mut attempt).await;
            // What some have promised by the way is gone on with, and not asked for again.
            let goes_on = aim == Aim::Create;
            aim = aim.again();
            match self.verdict(words.iter().map(|(_, seen)| seen)) {
                Verdict::Decided(content) if !content.is_over() => {
                    if let (None, answer) = change(&content) {
                        return Ok(answer);
                    }
                }
                Verdict::Split if look < LOOKS && !goes_on => {
                    self.pause(look, began.elapsed()).await;
                    continue;
                }
                Verdict::TooFew => {
                    self.too_few(look, &words, &attempt).await?;
                    self.pause(look, began.elapsed()).await;
                    continue;
                }
                Verdict::Decided(_) | Verdict::Split => {}
            }
            if let Some(answer) = self.propose(ballot, words, &change, &mut attempt).await? {
                return Ok(answer);
            }
            if attempt.is_over() {
                break;
            }
            self.pause(look, began.elapsed()).await;
        }
        Err(attempt.too_busy())
    }

    /// What members say, or those of them that answer. Of a record that is about to be created, those who have none
    /// promise `ballot` by the way.
    async fn words(&self, aim: Aim, ballot: Ballot, attempt: &mut Attempt<'_>) -> Words {
        let key = attempt.key;
        let calls = match aim {
            Aim::Read | Aim::Write => self.each(|member| member.look(key).boxed()),
            Aim::Create => self.each(|member| {
                let promise =
                    async move { member.try_promise(key, &Seen::nothing(), ballot).await };
                promise.map_ok(Promise::seen).boxed()
            }),
        };
        let enough = |words: &Words| match self.verdict(words.iter().map(|(_, seen)| seen)) {
            // Who writes wants to know of all.
            Verdict::Decided(_) if aim == Aim::Read => Enough::Yes,
            Verdict::Decided(_) | Verdict::Split => Enough::Nearly,
            Verdict::TooFew => Enough::No,
        };
        let words = self.gather(calls, enough, attempt).await;
        self.notice(key, &words);
        words
    }

    /// Notes what some of those lack that have said this of a record.
    fn notice(&self, key: &str, words: &Words) {
        if words.iter().any(|(_, seen)| !seen.counts) {
            self.owe(Debt::Everything);
        } else if !are_alike(words) {
            self.owe(Debt::Record(key.to_owned()));
        } else if !self.owed.is_empty() {
            self.repair_later();
        }
    }

    /// Whether it is worth asking again when too few have answered: perhaps all stores are new.
    async fn too_few(&self, look: u32, words: &Words, attempt: &Attempt<'_>) -> Result<()> {
        let all_count = words.iter().all(|(_, seen)| seen.counts);
        if all_count || attempt.is_over() || look >= 2 * LOOKS {
            return Err(attempt.too_few());
        }
        self.find_out().await.map_err(|error| attempt.failed(error))
    }

    /// Gets the promises of a majority and has it accept. `None`: somebody else was at it, or one of them has just failed.
    async fn propose<T: Send>(
        &self,
        ballot: Ballot,
        words: Words,
        change: &(impl Fn(&Content) -> Change<T> + Send + Sync),
        attempt: &mut Attempt<'_>,
    ) -> Result<Option<T>> {
        let Some((ballot, promised)) = self.promises(ballot, words, attempt).await? else {
            return Ok(None);
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
        let mut brought = Bringing::of(self, attempt.key);
        if !self.accepts(counting, &state, attempt, &mut brought).await {
            return Ok(None);
        }
        if !others.is_empty() {
            self.copies(others, &state, attempt, &mut brought).await;
        }
        Ok(Some(answer))
    }

    /// The promises of a majority, and of as many more as what was decided may depend on: of `ballot`, if those whose
    /// words are known have promised it, or of a greater one. `None`: too many have promised something later.
    async fn promises(
        &self,
        ballot: Ballot,
        mut words: Words,
        attempt: &mut Attempt<'_>,
    ) -> Result<Option<(Ballot, Words)>> {
        let is_promised = |(_, seen): &(usize, Seen)| seen.state.promised == ballot;
        if words.iter().all(is_promised) && self.is_majority(&words) {
            return Ok(Some((ballot, words)));
        }
        for index in 0..self.members.len() {
            // What those have who were not heard, they say when it is to be replaced.
            if words.iter().all(|(heard, _)| *heard != index) {
                words.push((index, Seen::nothing()));
            }
        }
        let highest = words.iter().map(|(_, seen)| seen.state.promised).max();
        let ballot = self.clock.ballot(highest.unwrap_or_default());
        let key = attempt.key;
        let calls = self.each_of(words, |member, seen| {
            async move { member.promise(key, seen, ballot).await }.boxed()
        });
        let enough = |answers: &Vec<(usize, Promise)>| {
            let given = answers.iter().filter_map(|(_, promise)| match promise {
                Promise::Given(seen) if seen.counts => Some(seen),
                _ => None,
            });
            self.know_enough(&given.collect::<Vec<_>>())
        };
        let (mut given, mut refused) = (Words::new(), Words::new());
        for (index, promise) in self.gather(calls, enough, attempt).await {
            match promise {
                Promise::Given(seen) => given.push((index, seen)),
                Promise::Refused(seen) => refused.push((index, seen)),
            }
        }
        if self.is_majority(&given) {
            return Ok(Some((ballot, given)));
        }
        given.append(&mut refused);
        if self.is_majority(&given) {
            return Ok(None);
        }
        Err(attempt.too_few())
    }

    /// Whether a majority has accepted. `false`: too many have promised something later, or have failed since they promised.
    /// Others may be there in their place.
    async fn accepts(
        &self,
        promised: Words,
        state: &State,
        attempt: &mut Attempt<'_>,
        brought: &mut Bringing<'_>,
    ) -> bool {
        attempt.proposed = true;
        let (key, quiet) = (attempt.key, attempt.quiet);
        let calls = self.each_of(promised, |member, seen| {
            member.accept(key, seen.unchanged, state, quiet).boxed()
        });
        let accepted = |answers: &Vec<(usize, bool)>| {
            let accepted = answers.iter().filter(|(_, accepted)| *accepted);
            accepted.count()
        };
        let enough = |answers: &Vec<(usize, bool)>| self.nearly(accepted(answers));
        let answers = self.gather(calls, enough, attempt).await;
        brought.answered(&answers);
        accepted(&answers) >= self.majority()
    }

    /// Brings what is decided to those whose word does not count without it.
    async fn copies(
        &self,
        others: Words,
        state: &State,
        attempt: &mut Attempt<'_>,
        brought: &mut Bringing<'_>,
    ) {
        let key = attempt.key;
        let calls = self.each_of(others, |member, seen| {
            member.accept(key, seen.unchanged, state, true).boxed()
        });
        let answers = self.gather(calls, |_| Enough::Nearly, attempt).await;
        brought.answered(&answers);
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
        let promised: Vec<_> = counting.iter().map(|(_, seen)| seen).collect();
        let (ballot, _) = self.latest_possible(&promised);
        let with_it = promised.into_iter();
        earliest(with_it.filter(|seen| seen.state.accepted == ballot))
    }

    /// The ballot of the latest that may be decided, of what those have accepted who have promised, and how many have
    /// accepted that or something later.
    fn latest_possible(&self, promised: &[&Seen]) -> (Ballot, usize) {
        let unheard = self.members.len() - promised.len();
        let mut accepted: Vec<&State> = promised.iter().map(|seen| &seen.state).collect();
        accepted.sort_unstable_by_key(|state| Reverse(state.accepted));
        for (index, state) in accepted.iter().enumerate() {
            let next = accepted.get(index + 1).map(|state| state.accepted);
            let may_be_decided = index + 1 + unheard >= self.majority();
            let is_deletion = state.content.live.is_none() || state.content.is_over();
            if next != Some(state.accepted) && (may_be_decided || is_deletion) {
                return (state.accepted, index + 1);
            }
        }
        (Ballot::NONE, 0)
    }

    /// Whether those who have promised are a majority, and whoever has not cannot change what may be decided.
    fn know_enough(&self, promised: &[&Seen]) -> Enough {
        let (_, have_it) = self.latest_possible(promised);
        match self.nearly(promised.len()) {
            Enough::Nearly if have_it < self.majority() => Enough::Barely,
            enough => enough,
        }
    }

    /// A while, different for each, so that those who are in each other's way do not meet again: with each try it can be
    /// twice as long, beginning with twice what one has taken.
    pub(super) async fn pause(&self, tries: u32, one_took: Duration) {
        let at_most = one_took.max(SHORTEST_TRY) * (1 << tries.min(5));
        let part = rand::random::<f64>();
        tokio::time::sleep(at_most.min(self.limit).mul_f64(part)).await;
    }

    pub(super) fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }

    pub(super) fn is_majority(&self, words: &Words) -> bool {
        counting(words) >= self.majority()
    }

    /// Whether so many are a majority, beyond which more would be welcome.
    pub(super) fn nearly(&self, answers: usize) -> Enough {
        if answers >= self.majority() {
            Enough::Nearly
        } else {
            Enough::No
        }
    }
}

/// What an operation is about to do, which tells what to ask for first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// To answer from what a majority says.
    Read,
    /// To replace what is there.
    Write,
    /// To write where there is nothing, most likely.
    Create,
}

impl Aim {
    /// What to ask for when it has not been enough.
    fn again(self) -> Self {
        match self {
            Self::Read => Self::Read,
            Self::Write | Self::Create => Self::Write,
        }
    }
}

/// How many of these are words that count.
pub(super) fn counting(words: &Words) -> usize {
    words.iter().filter(|(_, seen)| seen.counts).count()
}

/// Whether these say that they have accepted the same.
pub(super) fn are_alike(words: &Words) -> bool {
    let mut accepted = words.iter().map(|(_, seen)| seen.state.accepted);
    let first = accepted.next();
    accepted.all(|ballot| Some(ballot) == first)
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

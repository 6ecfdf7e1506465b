//! Asking members, all at the same time, for as long as it takes until enough have answered.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::super::super::Result;
use super::Inner;
use super::member::Member;
use super::owed::Debt;
use super::state::Seen;
use crate::error::{StoreError, StoreErrorKind};

/// The least time for which those that are slower than a majority are waited for.
const LINGER: Duration = Duration::from_millis(10);
/// How many limits of a single call may have passed when an operation is begun again.
const LIMITS: u32 = 5;

/// Whether enough members have answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Enough {
    No,
    /// Yes, if no other can answer.
    Barely,
    /// Yes, though more would be welcome.
    Nearly,
    Yes,
}

/// What of an operation is known while it is under way.
pub(super) struct Attempt<'a> {
    operation: &'static str,
    pub(super) key: &'a str,
    /// Whether nobody need be woken.
    pub(super) quiet: bool,
    /// Whether slow members are waited for as well.
    patient: bool,
    /// Whether a proposal was sent that may be decided.
    pub(super) proposed: bool,
    until: Instant,
    last_error: Option<StoreError>,
}

/// A member's word, by its index.
pub(super) type Words = Vec<(usize, Seen)>;

impl Inner {
    /// A call to each member.
    pub(super) fn each<'a, T>(
        &'a self,
        call: impl Fn(&'a Member) -> BoxFuture<'a, Result<T>>,
    ) -> Vec<(usize, BoxFuture<'a, Result<T>>)> {
        let calls = self.members.iter().enumerate();
        calls.map(|(index, member)| (index, call(member))).collect()
    }

    pub(super) fn each_of<'a, T>(
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
        let enough = |answers: &Vec<(usize, T)>| self.nearly(answers.len());
        // Whoever does not answer is of no consequence here.
        let mut attempt = Attempt::at("ask", "", self.limit);
        let answers = self.gather(self.each(call), enough, &mut attempt).await;
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Collects answers until all are in, or enough, and then for as long again as that has taken.
    pub(super) async fn gather<T: Send>(
        &self,
        calls: Vec<(usize, BoxFuture<'_, Result<T>>)>,
        enough: impl Fn(&Vec<(usize, T)>) -> Enough,
        attempt: &mut Attempt<'_>,
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
            let all_are =
                |is: fn(&Member) -> bool| outstanding.iter().all(|index| is(&self.members[*index]));
            let until = match enough(&answers) {
                Enough::Yes => break,
                Enough::No => None,
                Enough::Nearly if !attempt.patient => {
                    let until =
                        *linger.get_or_insert_with(|| Instant::now() + began.elapsed().max(LINGER));
                    Some(if all_are(Member::is_slow) {
                        Instant::now()
                    } else {
                        until
                    })
                }
                Enough::Barely | Enough::Nearly => all_are(Member::is_down).then(Instant::now),
            };
            let next = match until {
                None => calls.next().await,
                Some(until) => {
                    let Ok(next) = timeout_at(until, calls.next()).await else {
                        for index in outstanding {
                            self.members[index].is_left_behind();
                        }
                        break;
                    };
                    next
                }
            };
            let Some((index, answer)) = next else { break };
            outstanding.retain(|other| *other != index);
            self.note_answer(index, &answer);
            match answer {
                Ok(answer) => answers.push((index, answer)),
                Err(error) => attempt.last_error = Some(error),
            }
        }
        answers
    }

    /// Notes whether a member answers. One that does so again may lack anything.
    pub(super) fn note_answer<T>(&self, index: usize, answer: &Result<T>) {
        let member = &self.members[index];
        match answer {
            Ok(_) if member.is_back() => self.owe(Debt::Everything),
            Ok(_) => {}
            Err(_) => {
                member.has_failed();
                self.repair_later();
            }
        }
    }
}

impl<'a> Attempt<'a> {
    /// An operation on a record, of calls that each take up to `limit`.
    pub(super) fn at(operation: &'static str, key: &'a str, limit: Duration) -> Self {
        Self {
            operation,
            key,
            quiet: false,
            patient: false,
            proposed: false,
            until: Instant::now() + limit * LIMITS,
            last_error: None,
        }
    }

    pub(super) fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// Waits for all members that can answer, however slow they are.
    pub(super) fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// Whether it has taken so long that it is not begun again.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    pub(super) fn too_few(&self) -> StoreError {
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

    /// What fails with `error` when a proposal may have been sent, which can be decided all the same.
    pub(super) fn failed(&self, error: StoreError) -> StoreError {
        if !self.proposed {
            return error;
        }
        let problem = "it was proposed to the stores of a quorum, and then too few of them could say whether it is decided";
        StoreError::new(StoreErrorKind::Unknown, self.operation, problem).with_source(error)
    }

    pub(super) fn too_busy(&self) -> StoreError {
        let kind = if self.proposed {
            StoreErrorKind::Unknown
        } else {
            StoreErrorKind::NotApplied
        };
        let problem = "other processes kept changing the same record; try again";
        StoreError::new(kind, self.operation, problem)
    }
}

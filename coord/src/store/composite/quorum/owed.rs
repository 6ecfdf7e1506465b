//! What some store may lack of what was decided, as far as this process knows. It is brought to all in the background.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Inner;

/// How many records are remembered one by one. More of them are everything.
const RECORDS_AT_MOST: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Debt {
    Everything,
    Record(String),
}

/// A moment at which something was noted. What is noted again meanwhile is not struck off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Noted(u64);

#[derive(Default)]
pub(super) struct Owed(Mutex<Debts>);

#[derive(Default)]
struct Debts {
    latest: u64,
    noted: BTreeMap<Debt, Noted>,
}

impl Owed {
    fn debts(&self) -> MutexGuard<'_, Debts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, debt: Debt) {
        let mut debts = self.debts();
        debts.latest += 1;
        let noted = Noted(debts.latest);
        let fits = debts.noted.len() < RECORDS_AT_MOST || debts.noted.contains_key(&debt);
        debts
            .noted
            .insert(if fits { debt } else { Debt::Everything }, noted);
    }

    /// Whatever is owed, everything first.
    pub(super) fn all(&self) -> Vec<(Debt, Noted)> {
        let debts = self.debts();
        let all = debts.noted.iter();
        all.map(|(debt, noted)| (debt.clone(), *noted)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.debts().noted.is_empty()
    }

    pub(super) fn noted(&self, debt: &Debt) -> Option<Noted> {
        self.debts().noted.get(debt).copied()
    }

    /// Strikes off what was not noted again since.
    pub(super) fn settled(&self, debt: &Debt, noted: Noted) {
        let mut debts = self.debts();
        if debts.noted.get(debt) == Some(&noted) {
            debts.noted.remove(debt);
        }
    }
}

/// A proposal on its way to members. Those that have not taken it when this is dropped, for whatever reason, may lack it.
pub(super) struct Bringing<'a> {
    inner: &'a Inner,
    key: &'a str,
    taken: Vec<bool>,
}

impl<'a> Bringing<'a> {
    pub(super) fn of(inner: &'a Inner, key: &'a str) -> Self {
        let taken = vec![false; inner.members.len()];
        Self { inner, key, taken }
    }

    /// Notes who has taken it, of those who have answered.
    pub(super) fn answered(&mut self, answers: &[(usize, bool)]) {
        for (index, taken) in answers {
            self.taken[*index] |= *taken;
        }
    }
}

impl Drop for Bringing<'_> {
    fn drop(&mut self) {
        let mut members = self.inner.members.iter().zip(&self.taken);
        // Those that fail are brought everything when they are back.
        if members.any(|(member, taken)| !taken && !member.fails()) {
            self.inner.owe(Debt::Record(self.key.to_owned()));
        }
    }
}

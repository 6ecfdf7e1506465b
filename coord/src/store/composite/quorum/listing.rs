//! Listings: what the members list, put together.

use std::collections::BTreeMap;

use futures_util::FutureExt;

use super::super::super::{ListRequest, Page, Result};
use super::Inner;
use super::ask::Attempt;
use super::decide::Verdict;
use super::state::{Content, Live, Seen};
use crate::error::{StoreError, StoreErrorKind};

const SMALLEST_PAGE: usize = 50;
const LARGEST_PAGE: usize = 500;

/// A part of what members keep, by key.
pub(super) struct Merged {
    /// Of each key, what those say of it that have it.
    found: BTreeMap<String, Vec<Seen>>,
    /// How many members were asked whose word counts.
    asked: usize,
    /// Up to where it goes, if there is more.
    bound: Option<String>,
}

impl Merged {
    /// The keys, each with whether so many members say the same of it.
    pub(super) fn keys(&self, members: usize) -> impl Iterator<Item = (&String, bool)> {
        self.found.iter().map(move |(key, words)| {
            let mut accepted = words.iter().map(|seen| seen.state.accepted);
            let first = accepted.next();
            let is_alike = words.len() == members && accepted.all(|ballot| Some(ballot) == first);
            (key, is_alike)
        })
    }

    pub(super) fn goes_on_behind(&self) -> Option<String> {
        self.bound.clone()
    }
}

impl Inner {
    /// Those that `takes` takes of what there is.
    pub(super) async fn list(
        &self,
        request: &ListRequest,
        takes: fn(&Live) -> bool,
    ) -> Result<Page> {
        let mut entries = Vec::new();
        let page_of = request
            .limit
            .saturating_add(1)
            .clamp(SMALLEST_PAGE, LARGEST_PAGE);
        let mut part = request.clone().limit(page_of);
        loop {
            let mut attempt = Attempt::at("list", "", self.limit);
            let merged = self.merge(&part, &mut attempt).await?;
            for (key, words) in &merged.found {
                let content = self.content(key, words, merged.asked).await?;
                let Some(entry) = content
                    .live
                    .as_ref()
                    .filter(|live| takes(live))
                    .and(content.entry())
                else {
                    continue;
                };
                if entries.len() >= request.limit {
                    let next = entries.last().map(|(key, _): &(String, _)| key.clone());
                    return Ok(Page { entries, next });
                }
                entries.push((key.clone(), entry));
            }
            match merged.bound {
                Some(bound) => part = part.after(bound),
                None => {
                    return Ok(Page {
                        entries,
                        next: None,
                    });
                }
            }
        }
    }

    /// What is decided on a listed record.
    async fn content(&self, key: &str, words: &[Seen], asked: usize) -> Result<Content> {
        // Those who do not list it have nothing.
        let nothing = Seen::nothing();
        let absent = std::iter::repeat_n(&nothing, asked.saturating_sub(words.len()));
        match self.verdict(words.iter().chain(absent)) {
            Verdict::Decided(content) if !content.is_over() => Ok(content),
            _ => self.read(key).await,
        }
    }

    /// A page of what a majority of the members keeps.
    pub(super) async fn merge(
        &self,
        request: &ListRequest,
        attempt: &mut Attempt<'_>,
    ) -> Result<Merged> {
        self.founded().await?;
        let mut pages = self.pages(request, attempt).await;
        if pages.len() < self.majority() {
            self.find_out().await?;
            pages = self.pages(request, attempt).await;
        }
        let asked = pages.len();
        if asked < self.majority() {
            return Err(StoreError::new(
                StoreErrorKind::NotApplied,
                "list",
                "fewer than a majority of the stores of a quorum have answered and keep their data; it goes on when \
                 more are back",
            ));
        }
        let bound = pages.iter().filter_map(|page| page.next.clone()).min();
        let mut found: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        for page in pages {
            for (key, entry) in page.entries {
                let is_within = bound.as_ref().is_none_or(|bound| key <= *bound);
                // What somebody else has written there is none of ours.
                if let Some(seen) = Seen::of(Some(&entry)).filter(|_| is_within) {
                    found.entry(key).or_default().push(seen);
                }
            }
        }
        Ok(Merged {
            found,
            asked,
            bound,
        })
    }

    /// What those list whose word counts. Those whose word does not count may be the first to answer.
    async fn pages(&self, request: &ListRequest, attempt: &mut Attempt<'_>) -> Vec<Page> {
        let calls = self.each(|member| member.list(request).boxed());
        let counts = |(_, (page, counts)): (usize, (Page, bool))| counts.then_some(page);
        let enough = |answers: &Vec<(usize, (Page, bool))>| {
            self.nearly(answers.iter().filter(|(_, (_, counts))| *counts).count())
        };
        let answers = self.gather(calls, enough, attempt).await;
        answers.into_iter().filter_map(counts).collect()
    }
}

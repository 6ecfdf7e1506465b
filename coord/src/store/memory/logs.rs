//! Logs in memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use bytes::Bytes;
use tokio::time::Instant;

use super::Watchers;
use crate::store::{Append, AppendRequest, OperationId};

#[derive(Debug, Default)]
pub(super) struct LogShard {
    logs: HashMap<String, Log>,
    due: BinaryHeap<Reverse<(Instant, String)>>,
    pub(super) watchers: Watchers,
}

#[derive(Debug, Default)]
struct Log {
    entries: Vec<(OperationId, Bytes)>,
    gone_at: Option<Instant>,
}

impl LogShard {
    pub(super) fn append(&mut self, request: &AppendRequest, now: Instant) -> Append {
        self.drop_expired(&request.log, now);
        let len = self
            .logs
            .get(&request.log)
            .map_or(0, |log| log.entries.len());
        let expected = usize::try_from(request.expected_len).unwrap_or(usize::MAX);
        if len != expected {
            let there = self
                .logs
                .get(&request.log)
                .and_then(|log| log.entries.get(expected));
            return match there {
                Some((operation, _)) if *operation == request.operation => Append::Appended,
                _ => Append::Conflict { len: len as u64 },
            };
        }
        let log = self.logs.entry(request.log.clone()).or_default();
        log.entries.push((request.operation, request.entry.clone()));
        self.watchers.wake(&request.log);
        Append::Appended
    }

    pub(super) fn read(&mut self, log: &str, from: u64, limit: usize, now: Instant) -> Vec<Bytes> {
        self.drop_expired(log, now);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let entries = self.logs.get(log).map_or(&[][..], |log| &log.entries);
        entries
            .iter()
            .skip(from)
            .take(limit)
            .map(|(_, entry)| entry.clone())
            .collect()
    }

    pub(super) fn expire(&mut self, name: &str, gone_at: Instant) {
        if let Some(log) = self.logs.get_mut(name) {
            log.gone_at = Some(gone_at);
            self.due.push(Reverse((gone_at, name.to_owned())));
        }
    }

    /// Drops `log` if it has expired, and one other that has.
    fn drop_expired(&mut self, log: &str, now: Instant) {
        if self.due.peek().is_some_and(|Reverse((at, _))| *at <= now)
            && let Some(Reverse((_, name))) = self.due.pop()
        {
            self.drop_if_expired(&name, now);
        }
        self.drop_if_expired(log, now);
    }

    fn drop_if_expired(&mut self, log: &str, now: Instant) {
        if self
            .logs
            .get(log)
            .is_some_and(|log| log.gone_at.is_some_and(|at| at <= now))
        {
            self.logs.remove(log);
        }
    }
}

//! Logs in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rapidhash::fast::RapidHashMap;
use tokio::time::Instant;

use super::Watchers;
use super::due::{Due, Look};
use crate::store::{Append, AppendRequest, OperationId};

#[derive(Debug, Default)]
pub(super) struct LogShard {
    logs: RapidHashMap<Arc<str>, Log>,
    due: Due,
    pub(super) watchers: Watchers,
}

#[derive(Debug, Default)]
struct Log {
    entries: Vec<(OperationId, Bytes)>,
    gone_at: Option<Instant>,
    look: Look,
}

impl LogShard {
    pub(super) fn append(&mut self, request: &AppendRequest, now: Instant) -> Append {
        self.drop_expired(&request.log, now);
        let expected = usize::try_from(request.expected_len).unwrap_or(usize::MAX);
        let entry = || (request.operation, request.entry.clone());
        match self.logs.get_mut(&*request.log) {
            Some(log) if log.entries.len() == expected => log.entries.push(entry()),
            None if expected == 0 => {
                let log = Log {
                    entries: vec![entry()],
                    ..Log::default()
                };
                self.logs.insert(request.log.as_str().into(), log);
            }
            there => {
                let entries = there.map_or(&[][..], |log| &log.entries);
                return match entries.get(expected) {
                    Some((operation, _)) if *operation == request.operation => Append::Appended,
                    _ => Append::Conflict {
                        len: entries.len() as u64,
                    },
                };
            }
        }
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

    pub(super) fn expire(&mut self, name: &str, ttl: Duration, now: Instant) {
        self.drop_expired(name, now);
        if let Some(log) = self.logs.get_mut(name) {
            let gone_at = now + ttl;
            log.gone_at = Some(gone_at);
            self.due.push(now, gone_at, &name.into(), &mut log.look);
        }
    }

    /// Drops `log` if it has expired, and one other that has.
    fn drop_expired(&mut self, log: &str, now: Instant) {
        if let Some(name) = self.due.pop(now) {
            self.look(&name, now);
        }
        self.drop_if_expired(log, now);
    }

    /// Its time has come, unless it was put off.
    fn look(&mut self, name: &Arc<str>, now: Instant) {
        if let Some(log) = self.logs.get_mut(name)
            && log.look.has_come(now)
            && let Some(gone_at) = log.gone_at.filter(|at| *at > now)
        {
            self.due.push(now, gone_at, name, &mut log.look);
        }
        self.drop_if_expired(name, now);
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

//! Lines in which some of this process wait, as they were read, and as the server has told since of who has left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::keys;
use super::line::Line;
use super::link::Link;
use super::watchers::{Command, Heard};
use super::wire::Event;
use crate::store::{OwnerId, Wake, WakeSender, Watch};

#[derive(Default)]
pub(super) struct Lines(Mutex<HashMap<String, Known>>);

#[derive(Default)]
struct Known {
    line: Line,
    /// Whether tokens have changed since it was read.
    is_stale: bool,
    waiting: Vec<(OwnerId, WakeSender)>,
}

impl Lines {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has one who waits be told when it is granted, until the watch is dropped. The server tells of all that has happened
    /// since the line was read.
    pub(super) fn wait(link: &Arc<Link>, path: &str, owner: OwnerId, line: Line) -> Watch {
        let (sender, watch) = Watch::channel();
        let mut all = link.lines.all();
        if !all.contains_key(path) {
            link.tell(Command::Watch {
                heard: Heard::Leavers(path.to_owned()),
                from: line.revision.saturating_add(1),
                wake: None,
                created: None,
            });
        }
        let known = all.entry(path.to_owned()).or_default();
        known.take_in(line);
        known.waiting.push((owner, sender));
        known.tell();
        drop(all);
        watch.keeping(InLine {
            link: Arc::downgrade(link),
            path: path.to_owned(),
            owner,
        })
    }

    /// A line was read.
    pub(super) fn read(&self, path: &str, line: &Line) {
        if let Some(known) = self.all().get_mut(path) {
            known.take_in(line.clone());
            known.tell();
        }
    }

    pub(super) fn waits(&self, path: &str, owner: OwnerId) -> bool {
        self.all()
            .get(path)
            .is_some_and(|known| known.waiting.iter().any(|(waiting, _)| *waiting == owner))
    }

    /// The server tells who has left.
    pub(super) fn left(&self, path: &str, events: &[Event]) {
        let mut all = self.all();
        let Some(known) = all.get_mut(path) else {
            return;
        };
        for kv in events.iter().filter_map(|event| event.kv.as_ref()) {
            if keys::is_member(path, &kv.key) {
                known.line.remove(&kv.key, kv.mod_revision);
            } else {
                // A mark that goes says that others have been given later tokens.
                known.is_stale |= kv.mod_revision > known.line.revision;
            }
            known.line.revision = known.line.revision.max(kv.mod_revision);
        }
        known.tell();
    }

    /// Something may have been missed.
    pub(super) fn look_again(&self, path: &str) {
        if let Some(known) = self.all().get(path) {
            known
                .waiting
                .iter()
                .for_each(|(_, sender)| sender.wake(Wake::Look));
        }
    }
}

impl Known {
    fn take_in(&mut self, line: Line) {
        if line.revision >= self.line.revision {
            self.line = line;
            self.is_stale = false;
        }
    }

    /// Tells those who hold now, and those of whom nothing is known to look.
    fn tell(&self) {
        for (owner, sender) in &self.waiting {
            match self.line.place(*owner) {
                _ if self.is_stale => sender.wake(Wake::Look),
                Some(place) if place.granted => sender.wake(Wake::Granted(place.token)),
                Some(_) => {}
                None => sender.wake(Wake::Look),
            }
        }
    }
}

/// Takes one who waits out when its watch is dropped.
struct InLine {
    link: Weak<Link>,
    path: String,
    owner: OwnerId,
}

impl Drop for InLine {
    fn drop(&mut self) {
        let Some(link) = self.link.upgrade() else {
            return;
        };
        let mut all = link.lines.all();
        let Some(known) = all.get_mut(&self.path) else {
            return;
        };
        let at = known
            .waiting
            .iter()
            .position(|(owner, sender)| *owner == self.owner && !sender.is_watched());
        let at = at.or_else(|| {
            known
                .waiting
                .iter()
                .position(|(owner, _)| *owner == self.owner)
        });
        if let Some(at) = at {
            known.waiting.swap_remove(at);
        }
        if known.waiting.is_empty() {
            all.remove(&self.path);
            link.tell(Command::Unwatch(Heard::Leavers(self.path.clone())));
        }
    }
}

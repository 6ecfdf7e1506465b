//! What is watched, by whom, and what becomes of what the server tells of it.

use std::collections::HashMap;

use tokio::sync::{mpsc, oneshot};

use super::failure::{self, Refusal};
use super::link::Link;
use super::wire::{
    self, WatchAsks, WatchCancelRequest, WatchCreateRequest, WatchRequest, WatchResponse,
};
use crate::store::{Wake, WakeSender};

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Heard {
    /// Those who leave a line.
    Leavers(String),
    /// The key of a record.
    Record(String),
    /// All below a line or a log.
    Below(String),
}

pub(super) enum Command {
    Watch {
        heard: Heard,
        /// From which revision on; 0 is from now on.
        from: i64,
        /// Who is to be woken, besides those in a line.
        wake: Option<WakeSender>,
        created: Option<oneshot::Sender<()>>,
    },
    Unwatch(Heard),
}

/// What the server was asked to tell of.
struct Watcher {
    id: i64,
    from: i64,
    wakes: Vec<WakeSender>,
    /// How many want to hear of it.
    count: usize,
    is_created: bool,
    /// Whether it was refused, and has not been created since.
    was_refused: bool,
    /// Up to which revision of it all was told.
    told: i64,
    /// Whether something may have been missed before it was created.
    looks: bool,
    created: Vec<oneshot::Sender<()>>,
}

impl Watcher {
    fn new(from: i64, wake: Option<WakeSender>, created: Option<oneshot::Sender<()>>) -> Self {
        Self {
            id: 0,
            from,
            wakes: wake.into_iter().collect(),
            count: 1,
            is_created: false,
            was_refused: false,
            told: 0,
            looks: false,
            created: created.into_iter().collect(),
        }
    }

    /// One more wants to hear of the same.
    fn join(&mut self, from: i64, wake: Option<WakeSender>, created: Option<oneshot::Sender<()>>) {
        self.count += 1;
        if self.is_created {
            created.into_iter().for_each(acknowledge);
            if let Some(wake) = wake.as_ref().filter(|_| from > 0 && from <= self.told) {
                wake.wake(Wake::Look);
            }
        } else {
            self.created.extend(created);
            // It was asked for from another revision on.
            self.looks |= from > 0;
        }
        self.wakes.extend(wake);
    }
}

#[derive(Default)]
pub(super) struct Watchers {
    all: HashMap<Heard, Watcher>,
    by_id: HashMap<i64, Heard>,
    last_id: i64,
}

pub(super) type Asks = mpsc::UnboundedSender<WatchRequest>;

/// Why a stream is of no use any more.
pub(super) enum Ended {
    /// Another server has to be asked.
    Broken,
    /// Another token is needed.
    Refused,
}

impl Watchers {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn take(&mut self, command: Command, asks: Option<&Asks>) {
        match command {
            Command::Watch {
                heard,
                from,
                wake,
                created,
            } => {
                if let Some(watcher) = self.all.get_mut(&heard) {
                    watcher.join(from, wake, created);
                    return;
                }
                self.all
                    .insert(heard.clone(), Watcher::new(from, wake, created));
                if let Some(asks) = asks {
                    self.ask(&heard, asks);
                }
            }
            Command::Unwatch(heard) => self.leave(&heard, asks),
        }
    }

    fn leave(&mut self, heard: &Heard, asks: Option<&Asks>) {
        let Some(watcher) = self.all.get_mut(heard) else {
            return;
        };
        watcher.count -= 1;
        watcher.wakes.retain(WakeSender::is_watched);
        if watcher.count > 0 {
            return;
        }
        let id = watcher.id;
        self.all.remove(heard);
        self.by_id.remove(&id);
        if let Some(asks) = asks {
            let cancel = WatchCancelRequest { watch_id: id };
            let _ = asks.send(WatchRequest {
                asks: Some(WatchAsks::Cancel(cancel)),
            });
        }
    }

    fn ask(&mut self, heard: &Heard, asks: &Asks) {
        let Some(watcher) = self.all.get_mut(heard) else {
            return;
        };
        self.by_id.remove(&watcher.id);
        self.last_id += 1;
        watcher.id = self.last_id;
        watcher.is_created = false;
        self.by_id.insert(watcher.id, heard.clone());
        let (key, range_end, filters) = match heard {
            Heard::Leavers(line) => (line, wire::end_of(line), vec![0]),
            Heard::Record(key) => (key, bytes::Bytes::new(), Vec::new()),
            Heard::Below(prefix) => (prefix, wire::end_of(prefix), Vec::new()),
        };
        let create = WatchCreateRequest {
            key: wire::bytes(key),
            range_end,
            start_revision: watcher.from,
            filters,
            watch_id: watcher.id,
        };
        // If nobody takes it, the stream has ended, and there will be another.
        let _ = asks.send(WatchRequest {
            asks: Some(WatchAsks::Create(create)),
        });
    }

    /// Asks for all of them, over another stream.
    pub(super) fn ask_again(&mut self, asks: &Asks) {
        let all: Vec<_> = self.all.keys().cloned().collect();
        for heard in all {
            self.ask(&heard, asks);
        }
    }

    /// The stream has ended.
    pub(super) fn have_missed(&mut self) {
        for watcher in self.all.values_mut() {
            watcher.is_created = false;
            watcher.looks = true;
            watcher.from = 0;
        }
    }

    /// Takes in what the server tells.
    pub(super) fn hear(
        &mut self,
        link: &Link,
        told: &WatchResponse,
        asks: &Asks,
    ) -> std::result::Result<(), Ended> {
        if told.canceled {
            return self.end(told, link.has_user(), asks);
        }
        let Some(heard) = self.by_id.get(&told.watch_id) else {
            // Nobody wants to hear of it any more.
            return Ok(());
        };
        let Some(watcher) = self.all.get_mut(heard) else {
            return Ok(());
        };
        if told.created {
            watcher.is_created = true;
            watcher.was_refused = false;
            watcher.created.drain(..).for_each(acknowledge);
            if std::mem::take(&mut watcher.looks) {
                watcher.look(link, heard);
            }
        }
        let revisions = told.events.iter().filter_map(|event| event.kv.as_ref());
        if let Some(last) = revisions.map(|kv| kv.mod_revision).max() {
            watcher.told = watcher.told.max(last);
            match heard {
                Heard::Leavers(line) => link.lines.left(line, &told.events),
                heard => watcher.look(link, heard),
            }
        }
        Ok(())
    }

    /// The server tells no more of a watch, or of none that was asked for.
    fn end(
        &mut self,
        told: &WatchResponse,
        has_user: bool,
        asks: &Asks,
    ) -> std::result::Result<(), Ended> {
        let heard = self.by_id.get(&told.watch_id).cloned();
        if let Some(heard) = heard.as_ref().filter(|_| told.compact_revision > 0) {
            if let Some(watcher) = self.all.get_mut(heard) {
                watcher.from = 0;
                watcher.looks = true;
            }
            self.ask(heard, asks);
            return Ok(());
        }
        match failure::of_reason(&told.cancel_reason, has_user) {
            // We have ended it.
            _ if heard.is_none() && told.watch_id > 0 => Ok(()),
            Refusal::Token => Err(Ended::Refused),
            Refusal::Final(..) if has_user && self.are_refused_first() => Err(Ended::Refused),
            Refusal::Final(..) => {
                self.all.retain(|_, watcher| watcher.is_created);
                self.by_id.retain(|_, heard| self.all.contains_key(heard));
                Ok(())
            }
            _ => Err(Ended::Broken),
        }
    }

    /// Whether some of those that are asked for are refused for the first time. Servers before 3.4.22 and 3.5.8 refuse for a
    /// token that they do not know any more as for a right that the user does not have; later ones do not say what they refuse.
    fn are_refused_first(&mut self) -> bool {
        let asked = self.all.values_mut().filter(|watcher| !watcher.is_created);
        asked.fold(false, |first, watcher| {
            first | !std::mem::replace(&mut watcher.was_refused, true)
        })
    }
}

impl Watcher {
    fn look(&self, link: &Link, heard: &Heard) {
        if let Heard::Leavers(line) = heard {
            link.lines.look_again(line);
        }
        self.wakes.iter().for_each(|wake| wake.wake(Wake::Look));
    }
}

fn acknowledge(created: oneshot::Sender<()>) {
    // Whoever has gone does not want to know.
    let _ = created.send(());
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::store::Watch;

    /// A watch to which another of this process is added, from revision 5 on.
    fn told_from_5(watcher: impl FnOnce(&mut Watcher)) -> (Watchers, Watch) {
        let heard = Heard::Record("a".to_owned());
        let (wake, watch) = Watch::channel();
        let mut watchers = Watchers::default();
        let watch_from = |from, wake| Command::Watch {
            heard: heard.clone(),
            from,
            wake,
            created: None,
        };
        watchers.take(watch_from(0, None), None);
        watchers.all.get_mut(&heard).map(watcher).unwrap();
        watchers.take(watch_from(5, Some(wake)), None);
        (watchers, watch)
    }

    #[test]
    fn one_who_joins_looks_for_what_was_told_to_others_before() {
        let created_and_told = |told| {
            move |watcher: &mut Watcher| {
                watcher.is_created = true;
                watcher.told = told;
            }
        };
        let (_watchers, mut watch) = told_from_5(created_and_told(5));
        assert_eq!(watch.changed().now_or_never(), Some(Wake::Look));
        let (_watchers, mut watch) = told_from_5(created_and_told(4));
        assert_eq!(watch.changed().now_or_never(), None);
        let (watchers, _watch) = told_from_5(|_| {});
        assert!(watchers.all.values().all(|watcher| watcher.looks));
    }
}

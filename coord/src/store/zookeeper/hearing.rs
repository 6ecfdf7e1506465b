//! Wake-ups. The server tells once of each thing that is watched, and only that something has happened.
//!
//! What is watched is watched again before whoever waits is woken: both go over one connection, so what they find
//! when they look is no older than the new watch.

use std::sync::{Arc, Weak};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Mutex, mpsc};

use super::connection::{Connection, News};
use super::link::Link;
use super::wire::{Request, Stat};
use super::{failure, leases, path};
use crate::store::{Result, Watch};

/// Takes in what the server tells.
pub(super) async fn run(link: Weak<Link>, news: Arc<Mutex<mpsc::UnboundedReceiver<News>>>) {
    let mut news = news.lock().await;
    if let Some(link) = link.upgrade() {
        // A task before this may have ended, with its runtime, while it looked at something.
        link.wakes.look_again();
    }
    let mut looking = FuturesUnordered::new();
    loop {
        tokio::select! {
            heard = news.recv() => {
                let (Some(heard), Some(link)) = (heard, link.upgrade()) else { return };
                match heard {
                    News::Lost => link.wakes.look_again(),
                    News::Changed(path) => looking.push(changed(link, path)),
                }
            }
            Some(()) = looking.next() => {}
        }
    }
}

async fn changed(link: Arc<Link>, changed: String) {
    let channel = link.address.root.log_of(&changed).unwrap_or(&changed);
    let is_line = link.address.root.is_line(channel);
    if is_line && link.lines.anybody_waits_at(channel) {
        // On failure, the connection is lost, and everybody looks again.
        let _ = leases::look_at(&link, channel).await;
    }
    if link.wakes.is_watched(channel) {
        if link.address.root.log_of(channel).is_some() {
            let _ = watch_log(&link, channel).await;
        } else if let Some(connection) = link.working() {
            let _ = connection.send(&[exists(channel)]);
        }
    }
    // Nobody may watch it any more; then it is forgotten.
    link.wakes.changed(channel);
}

/// A watch of a record or a line, by its path.
pub(super) async fn watch(link: &Link, path: &str) -> Result<Watch> {
    let watch = link.wakes.watch(&path.into());
    let [reply] = link.ask("watch", &[exists(path)]).await?;
    match reply.stat().map_err(failure::of_reply("watch"))? {
        Ok(_) | Err(super::wire::Code::NO_NODE) => Ok(watch),
        Err(code) => Err(failure::of_code("watch", code)),
    }
}

/// A watch of a log, by its path.
pub(super) async fn log(link: &Link, path: &str) -> Result<Watch> {
    let watch = link.wakes.watch(&path.into());
    watch_log(link, path).await?;
    Ok(watch)
}

/// The server is asked to tell of the entry that would be the next one, and of the end of the log.
async fn watch_log(link: &Link, log: &str) -> Result<()> {
    loop {
        let [reply] = link.ask("watch", &[exists(log)]).await?;
        let stat = reply.stat().map_err(failure::of_reply("watch"))?;
        let len = stat.as_ref().map_or(0, |stat: &Stat| stat.children);
        let next = [exists(&path::entry(log, len.into()))];
        let [reply] = link.ask("watch", &next).await?;
        // Otherwise it was appended in between.
        if reply.stat().map_err(failure::of_reply("watch"))?.is_err() {
            return Ok(());
        }
    }
}

pub(super) fn exists(path: &str) -> Request {
    Request::Exists {
        path: path.to_owned(),
        watch: true,
    }
}

/// Has a new connection watch what one before it did. Whoever waits is woken then, and looks.
pub(super) fn watch_again(link: &Link, connection: &Connection) {
    let watched: Vec<_> = link
        .wakes
        .channels()
        .iter()
        .filter_map(|channel| match link.address.root.log_of(channel) {
            // Which entry is the next one is found out by telling oneself of a change.
            Some(_) => {
                link.tell(News::Changed(channel.to_string()));
                None
            }
            None => Some(exists(channel)),
        })
        .collect();
    let _ = connection.send(&watched);
}

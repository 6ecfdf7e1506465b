//! Wake-ups: one stream, over which the server tells of all that is watched.
//!
//! When the stream breaks, another is made, and what was watched is watched again; whoever waits looks then. The same
//! goes for a watch that begins before what the server still knows, because its history was compacted.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::http::uri::PathAndQuery;
use futures_util::stream;
use tokio::sync::{mpsc, oneshot};
use tonic::client::Grpc;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::failure;
use super::link::Link;
use super::login;
use super::wire::{
    self, WatchAsks, WatchCancelRequest, WatchCreateRequest, WatchRequest, WatchResponse,
};
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{Result, Wake, WakeSender, Watch};

const WATCH: &str = "/etcdserverpb.Watch/Watch";
/// How long to wait before another stream is made.
const PAUSE: Duration = Duration::from_millis(100);

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
            looks: false,
            created: created.into_iter().collect(),
        }
    }

    /// One more wants to hear of the same.
    fn join(&mut self, wake: Option<WakeSender>, created: Option<oneshot::Sender<()>>) {
        self.count += 1;
        self.wakes.extend(wake);
        if self.is_created {
            created.into_iter().for_each(acknowledge);
        } else {
            self.created.extend(created);
        }
    }
}

#[derive(Default)]
struct Watchers {
    all: HashMap<Heard, Watcher>,
    by_id: HashMap<i64, Heard>,
    last_id: i64,
}

type Asks = mpsc::UnboundedSender<WatchRequest>;

/// Takes in what the server tells.
pub(super) async fn run(link: Weak<Link>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut watchers = Watchers::default();
    loop {
        while watchers.all.is_empty() {
            match commands.recv().await {
                Some(command) => watchers.take(command, None),
                None => return,
            }
        }
        let Some(strong) = link.upgrade() else { return };
        let (asks, asked) = mpsc::unbounded_channel();
        watchers.ask_again(&asks);
        let opened = open(&strong, asked).await;
        drop(strong);
        match opened {
            Ok((stream, number)) => {
                let _ = serve(&link, stream, &asks, &mut watchers, &mut commands).await;
                if let Some(link) = link.upgrade() {
                    link.give_up(number, true);
                }
            }
            Err(()) => tokio::time::sleep(PAUSE).await,
        }
        // What happens until there is another stream is not told.
        watchers.have_missed();
    }
}

/// The server answers only once it was asked for something.
async fn open(
    link: &Link,
    asked: mpsc::UnboundedReceiver<WatchRequest>,
) -> std::result::Result<(Streaming<WatchResponse>, u64), ()> {
    let connecting = tokio::time::timeout(link.response_timeout, link.channel("watch"));
    let (channel, number) = connecting.await.map_err(drop)?.map_err(drop)?;
    let asks = stream::unfold(asked, async |mut asked| {
        asked.recv().await.map(|ask| (ask, asked))
    });
    let token = link.login.token();
    let opening = async {
        let mut grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
        grpc.ready()
            .await
            .map_err(|_| Status::unavailable("the connection is broken"))?;
        let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
        let request = login::sign(Request::new(Box::pin(asks)), token.as_ref());
        grpc.streaming(request, PathAndQuery::from_static(WATCH), codec)
            .await
    };
    match tokio::time::timeout(link.response_timeout, opening).await {
        Ok(Ok(response)) => Ok((response.into_inner(), number)),
        Ok(Err(status)) => {
            let refusal = failure::of_status(&status, link.has_user());
            if matches!(refusal, failure::Refusal::Token) {
                link.login.forget(token.as_ref());
            }
            link.give_up(number, true);
            Err(())
        }
        Err(_) => {
            link.give_up(number, true);
            Err(())
        }
    }
}

/// Until the stream ends.
async fn serve(
    link: &Weak<Link>,
    mut stream: Streaming<WatchResponse>,
    asks: &Asks,
    watchers: &mut Watchers,
    commands: &mut mpsc::UnboundedReceiver<Command>,
) -> Option<()> {
    loop {
        tokio::select! {
            command = commands.recv() => watchers.take(command?, Some(asks)),
            told = stream.message() => {
                let told = told.ok()??;
                watchers.hear(&*link.upgrade()?, &told, asks)?;
            }
        }
    }
}

impl Watchers {
    fn take(&mut self, command: Command, asks: Option<&Asks>) {
        match command {
            Command::Watch {
                heard,
                from,
                wake,
                created,
            } => {
                if let Some(watcher) = self.all.get_mut(&heard) {
                    watcher.join(wake, created);
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

    fn ask_again(&mut self, asks: &Asks) {
        let all: Vec<_> = self.all.keys().cloned().collect();
        for heard in all {
            self.ask(&heard, asks);
        }
    }

    fn have_missed(&mut self) {
        for watcher in self.all.values_mut() {
            watcher.is_created = false;
            watcher.looks = true;
            watcher.from = 0;
        }
    }

    /// None, if another server has to be asked.
    fn hear(&mut self, link: &Link, told: &WatchResponse, asks: &Asks) -> Option<()> {
        let Some(heard) = self.by_id.get(&told.watch_id).cloned() else {
            // Nobody wants to hear of it any more. What a server without a leader says is of no watch.
            return (!told.canceled || told.watch_id > 0).then_some(());
        };
        let watcher = self.all.get_mut(&heard)?;
        if told.canceled {
            if told.compact_revision > 0 {
                watcher.from = 0;
                watcher.looks = true;
                self.ask(&heard, asks);
                return Some(());
            }
            if told.cancel_reason.contains("permission denied") {
                self.all.remove(&heard);
                self.by_id.remove(&told.watch_id);
                return Some(());
            }
            return None;
        }
        if told.created {
            watcher.is_created = true;
            watcher.created.drain(..).for_each(acknowledge);
            if std::mem::take(&mut watcher.looks) {
                watcher.look(link, &heard);
            }
        }
        if !told.events.is_empty() {
            match &heard {
                Heard::Leavers(line) => link.lines.left(line, &told.events),
                heard => watcher.look(link, heard),
            }
        }
        Some(())
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

/// A watch of a record, by its key.
pub(super) async fn record(link: &Arc<Link>, key: &str) -> Result<Watch> {
    watch(link, Heard::Record(key.to_owned())).await
}

/// A watch of a line or a log, by its prefix.
pub(super) async fn below(link: &Arc<Link>, prefix: &str) -> Result<Watch> {
    watch(link, Heard::Below(prefix.to_owned())).await
}

/// A watch of all that happens to a record from a revision on, which nobody has to wait for.
pub(super) fn record_from(link: &Arc<Link>, key: &str, from: i64) -> Watch {
    let (wake, watch) = Watch::channel();
    let heard = Heard::Record(key.to_owned());
    link.tell(Command::Watch {
        heard: heard.clone(),
        from,
        wake: Some(wake),
        created: None,
    });
    watch.keeping(Hearing {
        link: Arc::downgrade(link),
        heard,
    })
}

async fn watch(link: &Arc<Link>, heard: Heard) -> Result<Watch> {
    let (wake, watch) = Watch::channel();
    let (sender, created) = oneshot::channel();
    link.tell(Command::Watch {
        heard: heard.clone(),
        from: 0,
        wake: Some(wake),
        created: Some(sender),
    });
    let watch = watch.keeping(Hearing {
        link: Arc::downgrade(link),
        heard,
    });
    match tokio::time::timeout(link.response_timeout, created).await {
        Ok(Ok(())) => Ok(watch),
        Ok(Err(_)) => Err(StoreError::new(
            StoreErrorKind::Denied,
            "watch",
            "the server does not let us watch our keys; grant the user the whole prefix",
        )),
        Err(_) => Err(failure::of_connecting("watch")),
    }
}

/// Ends a watch when it is dropped.
struct Hearing {
    link: Weak<Link>,
    heard: Heard,
}

impl Drop for Hearing {
    fn drop(&mut self) {
        if let Some(link) = self.link.upgrade() {
            link.tell(Command::Unwatch(self.heard.clone()));
        }
    }
}

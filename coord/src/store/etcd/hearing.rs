//! Wake-ups: one stream, over which the server tells of all that is watched.
//!
//! When the stream breaks, another is made, and what was watched is watched again; whoever waits looks then. The same
//! goes for a watch that begins before what the server still knows, because its history was compacted; and for the task
//! that listens, which ends with its runtime: whatever is asked next begins another one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ::http::uri::PathAndQuery;
use futures_util::stream;
use tokio::sync::{Mutex, mpsc, oneshot};
use tonic::client::Grpc;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::failure::{self, Refusal};
use super::link::Link;
use super::login::{self, Token};
use super::watchers::{Asks, Command, Ended, Heard, Watchers};
use super::wire::{WatchRequest, WatchResponse};
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{Result, Watch};

const WATCH: &str = "/etcdserverpb.Watch/Watch";
/// How long to wait before another stream is made.
const PAUSE: Duration = Duration::from_millis(100);

/// A stream, over which connection it goes, and the token with which it was asked for.
struct Opened {
    stream: Streaming<WatchResponse>,
    number: u64,
    token: Option<Token>,
}

/// What is watched, and what else is to be. It outlasts the task that listens.
pub(super) struct Listening {
    watchers: Watchers,
    commands: mpsc::UnboundedReceiver<Command>,
}

impl Listening {
    pub(super) fn to(commands: mpsc::UnboundedReceiver<Command>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            watchers: Watchers::default(),
            commands,
        }))
    }
}

/// Takes in what the server tells.
pub(super) async fn run(link: Weak<Link>, listening: Arc<Mutex<Listening>>) {
    let mut listening = listening.lock().await;
    let Listening { watchers, commands } = &mut *listening;
    // Of what the task before this has watched, if there was one.
    watchers.have_missed();
    loop {
        while watchers.is_empty() {
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
        if let Ok(Opened {
            stream,
            number,
            token,
        }) = opened
        {
            let ended = serve(&link, stream, &asks, watchers, commands).await;
            let Some(link) = link.upgrade() else { return };
            let is_refused = matches!(ended, Ended::Refused);
            if is_refused {
                link.login.forget(token.as_ref());
            }
            link.give_up(number, !is_refused);
        }
        tokio::time::sleep(PAUSE).await;
        // What happens until there is another stream is not told.
        watchers.have_missed();
    }
}

/// The server answers only once it was asked for something.
async fn open(
    link: &Link,
    asked: mpsc::UnboundedReceiver<WatchRequest>,
) -> std::result::Result<Opened, ()> {
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
        Ok(Ok(response)) => Ok(Opened {
            stream: response.into_inner(),
            number,
            token,
        }),
        Ok(Err(status)) => {
            let refusal = failure::of_status(&status, link.has_user());
            let is_refused = matches!(refusal, Refusal::Token);
            if is_refused {
                link.login.forget(token.as_ref());
            }
            link.give_up(number, !is_refused);
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
) -> Ended {
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => watchers.take(command, Some(asks)),
                None => return Ended::Broken,
            },
            told = stream.message() => {
                let (Ok(Some(told)), Some(link)) = (told, link.upgrade()) else {
                    return Ended::Broken;
                };
                if let Err(ended) = watchers.hear(&link, &told, asks) {
                    return ended;
                }
            }
        }
    }
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
    link.listen();
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

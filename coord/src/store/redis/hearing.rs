//! What a node of a cluster tells those who wait: messages of sharded channels, which are sent where their slot is.
//!
//! 1. The connection is used for nothing else. A node that loses a slot ends the subscriptions to the slot's channels, unasked,
//!    and the client library takes that for the answer to what was sent last. Here it can only be taken for that to another
//!    subscription, and is seen not to be it; the connection is given up then.
//! 2. What is subscribed to is what the node says, in the order in which it says it.
//! 3. Whoever gets a subscription looks again, since there may have been messages before, and so does whoever loses one. To
//!    look is to subscribe: see [`cluster`](super::cluster).
//! 4. Channels that nobody watches any more are given up together, once they are as many as the others. Nobody
//!    subscribes meanwhile.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use redis::aio::MultiplexedConnection;
use redis::{Client, Pipeline, PushInfo, PushKind, RedisError, Value};
use tokio::sync::RwLock;

use super::connection::Dialling;
use super::listening::deliver;
use super::partitions;
use crate::store::wakes::Wakes;

/// How many channels there are before any is given up.
const FEW: usize = 64;

/// The wake-ups of each partition.
pub(super) struct AllWakes {
    /// What the name of a channel ends with on which this process's waiters are woken.
    own: String,
    of: Vec<Arc<Wakes>>,
}

impl AllWakes {
    pub(super) fn new(process: u128) -> Self {
        Self {
            own: format!("}}coord:wake:{process:032x}"),
            of: (0..partitions::PARTITIONS)
                .map(|_| Arc::default())
                .collect(),
        }
    }

    pub(super) fn of(&self, partition: usize) -> &Arc<Wakes> {
        &self.of[partition]
    }

    /// Everybody looks again.
    pub(super) fn look_again(&self) {
        for wakes in &self.of {
            wakes.look_again();
        }
    }

    fn of_channel(&self, channel: &str) -> Option<&Arc<Wakes>> {
        Some(self.of(partitions::of_channel(channel)?))
    }

    fn is_own(&self, channel: &str) -> bool {
        channel.ends_with(&self.own)
    }

    /// Whoever waits for messages of `channel` looks again.
    pub(super) fn changed(&self, channel: &str) {
        let Some(wakes) = self.of_channel(channel) else {
            return;
        };
        if self.is_own(channel) {
            wakes.look_again();
        } else {
            wakes.changed(channel);
        }
    }

    fn is_watched(&self, channel: &str) -> bool {
        let is_watched = |wakes: &Arc<Wakes>| wakes.is_watched(channel);
        self.is_own(channel) || self.of_channel(channel).is_some_and(is_watched)
    }
}

type Channels = Arc<Mutex<HashSet<Arc<str>>>>;

/// The connection to a node by which it tells.
pub(super) struct Hearing {
    multiplexed: MultiplexedConnection,
    channels: Channels,
    broken: Arc<AtomicBool>,
    /// With how many channels to look for those that nobody watches.
    look_at: AtomicUsize,
    /// Held alone by the one that gives channels up.
    giving_up: RwLock<()>,
}

impl Hearing {
    /// `broken` is set, and everybody looks again, when the connection ends.
    pub(super) async fn connect(
        client: &Client,
        dialling: &Dialling,
        wakes: &Arc<AllWakes>,
        broken: &Arc<AtomicBool>,
    ) -> Result<Self, RedisError> {
        let channels = Channels::default();
        let listener = Listener {
            wakes: Arc::downgrade(wakes),
            channels: Arc::clone(&channels),
            needs_replicas: dialling.min_replicas > 0,
            broken: Arc::clone(broken),
        };
        let hear = move |push: &_| listener.hear(push);
        Ok(Self {
            multiplexed: dialling.open_bare(client, hear).await?,
            channels,
            broken: Arc::clone(broken),
            look_at: AtomicUsize::new(FEW),
            giving_up: RwLock::default(),
        })
    }

    /// Subscribes to `channel`.
    pub(super) async fn hear(
        &self,
        channel: &Arc<str>,
        wakes: &AllWakes,
    ) -> Result<(), RedisError> {
        self.tidy(wakes).await?;
        let _nobody_gives_up = self.giving_up.read().await;
        if self.is_heard(channel) {
            return Ok(());
        }
        let mut subscribe = redis::cmd("SSUBSCRIBE");
        subscribe.arg(&**channel);
        let mut multiplexed = self.multiplexed.clone();
        let reply = multiplexed.send_packed_command(&subscribe).await?;
        match reply.extract_error()? {
            Value::Push { kind, data } if is_of(&kind, &data, channel) => Ok(()),
            _ => {
                self.broken.store(true, Ordering::SeqCst);
                let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                Err(lost.into())
            }
        }
    }

    fn is_heard(&self, channel: &Arc<str>) -> bool {
        let channels = self.channels.lock();
        channels
            .unwrap_or_else(PoisonError::into_inner)
            .contains(channel)
    }

    /// Gives up what nobody watches any more, if there may be much of it.
    async fn tidy(&self, wakes: &AllWakes) -> Result<(), RedisError> {
        if self.count() < self.look_at.load(Ordering::SeqCst) {
            return Ok(());
        }
        let _alone = self.giving_up.write().await;
        if self.count() < self.look_at.load(Ordering::SeqCst) {
            return Ok(());
        }
        let unwatched = self.take_unwatched(wakes);
        // If this is dropped, the node goes on to tell of channels that nobody here knows.
        let mut unsubscribe = Pipeline::new();
        for channel in &unwatched {
            unsubscribe.cmd("SUNSUBSCRIBE").arg(&**channel);
        }
        self.look_at.store(2 * self.count() + FEW, Ordering::SeqCst);
        if !unwatched.is_empty() {
            let count = unsubscribe.len();
            let mut multiplexed = self.multiplexed.clone();
            multiplexed
                .send_packed_commands(&unsubscribe, 0, count)
                .await?;
        }
        Ok(())
    }

    fn take_unwatched(&self, wakes: &AllWakes) -> Vec<Arc<str>> {
        let channels = self.channels.lock();
        channels
            .unwrap_or_else(PoisonError::into_inner)
            .extract_if(|channel| !wakes.is_watched(channel))
            .collect()
    }

    fn count(&self) -> usize {
        let channels = self.channels.lock();
        channels.unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Whether this is the confirmation of a subscription to `channel`.
fn is_of(kind: &PushKind, data: &[Value], channel: &str) -> bool {
    let named =
        matches!(data.first(), Some(Value::BulkString(named)) if named == channel.as_bytes());
    *kind == PushKind::SSubscribe && named
}

struct Listener {
    wakes: Weak<AllWakes>,
    channels: Channels,
    needs_replicas: bool,
    broken: Arc<AtomicBool>,
}

impl Listener {
    fn hear(&self, push: &PushInfo) {
        let Some(wakes) = self.wakes.upgrade() else {
            return;
        };
        if push.kind == PushKind::Disconnection {
            self.broken.store(true, Ordering::SeqCst);
            wakes.look_again();
            return;
        }
        let Some(Value::BulkString(channel)) = push.data.first() else {
            return;
        };
        let Ok(channel) = std::str::from_utf8(channel) else {
            return;
        };
        match push.kind {
            PushKind::SSubscribe => {
                self.channels().insert(channel.into());
                wakes.changed(channel);
            }
            PushKind::SUnsubscribe => {
                self.channels().remove(channel);
                wakes.changed(channel);
            }
            PushKind::SMessage => {
                if let (Some(of), Some(Value::BulkString(message))) =
                    (wakes.of_channel(channel), push.data.get(1))
                {
                    let is_own = wakes.is_own(channel);
                    let channel = channel.as_bytes();
                    deliver(of, is_own, channel, message, self.needs_replicas);
                }
            }
            _ => {}
        }
    }

    fn channels(&self) -> std::sync::MutexGuard<'_, HashSet<Arc<str>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

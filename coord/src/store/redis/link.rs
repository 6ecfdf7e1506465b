//! The way to the server, and what this process keeps for what is sent there: one link for a server, and in a cluster one
//! for each partition.
//!
//! 1. A connection is of no use before its handshake is done: scripts loaded, the epoch of tokens learnt from
//!    a server that is a primary, messages subscribed to. So nothing is ever sent with the epoch of another
//!    server, and who looks again through a new connection is woken by whatever happens after.
//! 2. In a cluster, neither a connection nor the map of the cluster tells which server answers. There the scripts look
//!    whether the epoch is that of their server, and watchers are subscribed to where they are told of their record: see
//!    [`cluster`](super::cluster).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[cfg(feature = "redis-cluster")]
use futures_util::future;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError};
use tracing::debug;

#[cfg(feature = "redis-cluster")]
use super::cluster::Part;
use super::connection::{Connection, Dialling, Kept, warn_of_eviction};
use super::failure;
use super::leases::{AcquireCall, ReleaseCall};
use super::listening::Listener;
use super::logs::AppendCall;
use super::names::{Name, Names};
use super::past::Past;
use super::receipts::Receipts;
use super::records::PutCall;
use super::script::{Form, Script};
use super::servers::{Primary, Servers};
use super::subscriptions::Subscriptions;
use crate::store::batch::Batcher;
use crate::store::wakes::Wakes;
use crate::store::{Result, Watch};

pub(super) struct Link {
    pub(super) names: Names,
    pub(super) receipts: Receipts,
    pub(super) past: Arc<Past>,
    pub(super) wakes: Arc<Wakes>,
    pub(super) acquiring: Batcher<AcquireCall>,
    pub(super) releasing: Batcher<ReleaseCall>,
    pub(super) putting: Batcher<PutCall>,
    pub(super) appending: Batcher<AppendCall>,
    route: Route,
}

enum Route {
    Alone(Box<Alone>),
    #[cfg(feature = "redis-cluster")]
    Part(Part),
}

/// The way to one server, or to one at a time.
struct Alone {
    servers: Servers,
    dialling: Dialling,
    kept: Kept,
    /// The greatest epoch that any connection has seen.
    seen_epoch: AtomicU64,
}

impl Link {
    /// A link to a server that has everything.
    pub(super) fn alone(servers: Servers, dialling: Dialling) -> Arc<Self> {
        let route = Route::Alone(Box::new(Alone {
            servers,
            dialling,
            kept: Kept::default(),
            seen_epoch: AtomicU64::new(0),
        }));
        let names = Names::new("", rand::random());
        Self::new(names, Arc::default(), Arc::default(), route)
    }

    /// A link to a part of a cluster.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn part(names: Names, past: Arc<Past>, part: Part) -> Arc<Self> {
        let wakes = Arc::clone(part.wakes());
        Self::new(names, past, wakes, Route::Part(part))
    }

    fn new(names: Names, past: Arc<Past>, wakes: Arc<Wakes>, route: Route) -> Arc<Self> {
        Arc::new(Self {
            receipts: Receipts::new(names.receipts.clone()),
            names,
            past,
            wakes,
            acquiring: Batcher::new(),
            releasing: Batcher::new(),
            putting: Batcher::new(),
            appending: Batcher::new(),
            route,
        })
    }

    /// The scripts' form.
    pub(super) fn form(&self) -> Form {
        match &self.route {
            Route::Alone(_) => Form::Alone,
            #[cfg(feature = "redis-cluster")]
            Route::Part(_) => Form::Cluster,
        }
    }

    /// Whether calls of one kind are put together. In a cluster they seldom belong to the same partition, and would wait for
    /// each other's nodes.
    pub(super) fn batches(&self) -> bool {
        self.form() == Form::Alone
    }

    /// Whether replicas must have what is written.
    pub(super) fn waits_for_replicas(&self) -> bool {
        match &self.route {
            Route::Alone(alone) => alone.dialling.min_replicas > 0,
            #[cfg(feature = "redis-cluster")]
            Route::Part(part) => part.waits_for_replicas(),
        }
    }

    /// The connection, made if there is none that works.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<Connection>> {
        match &self.route {
            Route::Alone(alone) => self.current_of(alone).await,
            #[cfg(feature = "redis-cluster")]
            Route::Part(part) => part.current().await,
        }
    }

    async fn current_of(self: &Arc<Self>, alone: &Alone) -> Result<Arc<Connection>> {
        if let Some(connection) = alone.kept.working() {
            return Ok(connection);
        }
        let connect = async {
            let primary = alone.servers.primary().await?;
            let connected = self.connect_to(alone, &primary).await;
            let connected = connected.map_err(|error| failure::of_connecting(&error))?;
            connected.ok_or_else(failure::of_few_sentinels)
        };
        let (connection, is_new) = alone
            .kept
            .get(alone.dialling.timeout.saturating_mul(4), Box::pin(connect))
            .await?;
        if is_new {
            self.wakes.look_again();
        }
        Ok(connection)
    }

    /// `None` if the server may be the primary no more.
    async fn connect_to(
        self: &Arc<Self>,
        alone: &Alone,
        primary: &Primary,
    ) -> std::result::Result<Option<Connection>, RedisError> {
        let client = &primary.client;
        let broken = Arc::new(AtomicBool::new(false));
        let listener = Listener {
            wakes: Arc::downgrade(&self.wakes),
            channel: Arc::clone(&self.names.channel),
            needs_replicas: alone.dialling.min_replicas > 0,
            broken: Arc::clone(&broken),
        };
        let hear = move |push: &_| listener.hear(push);
        let mut connection = alone.dialling.open(client, Form::Alone, hear).await?;
        let seen = &alone.seen_epoch;
        let is_sure = primary.is_sure;
        let epoch = self.learn_epoch(&mut connection, seen, is_sure).await?;
        if epoch == 0 {
            return Ok(None);
        }
        let channels = self.wakes.channels();
        let own = [Arc::clone(&self.names.channel)];
        subscribe_all(&mut connection, own.iter().chain(&channels)).await?;
        warn_of_eviction(&mut connection).await;
        let acknowledging = alone.dialling.acknowledging(client).await?;
        debug!(epoch, "connected to Redis");
        Ok(Some(Connection {
            multiplexed: connection,
            form: Form::Alone,
            epoch: AtomicU64::new(epoch),
            broken,
            subscriptions: Subscriptions::new(channels),
            acknowledging,
            #[cfg(feature = "redis-cluster")]
            hearing: None,
        }))
    }

    /// The server's epoch; 0 if it may be the primary no more.
    async fn learn_epoch(
        &self,
        connection: &mut MultiplexedConnection,
        seen: &AtomicU64,
        is_sure: bool,
    ) -> std::result::Result<u64, RedisError> {
        let learn = self.lineage(seen.load(Ordering::SeqCst), is_sure);
        let epoch = learn.query_async(connection).await?;
        seen.fetch_max(epoch, Ordering::SeqCst);
        Ok(epoch)
    }

    /// `is_sure`: the server is the primary.
    fn lineage(&self, seen: u64, is_sure: bool) -> Cmd {
        let mut command = self.form().call(Script::Lineage, 1, 2);
        command
            .arg(&self.names.tokens)
            .arg(seen)
            .arg(u8::from(is_sure));
        command
    }

    /// The epoch for tokens that are asked for through `connection`; 0 if it is not known yet.
    pub(super) fn epoch(&self, connection: &Connection) -> u64 {
        match &self.route {
            Route::Alone(_) => connection.epoch(),
            #[cfg(feature = "redis-cluster")]
            Route::Part(part) => {
                let _ = connection;
                part.seen_epoch.load(Ordering::SeqCst)
            }
        }
    }

    /// Learns the epoch again, because the server says that it is not the one we know. A server that may be the primary no
    /// more is left, so that the next connection is made to the one that is.
    pub(super) async fn relearn(
        &self,
        operation: &'static str,
        connection: &Connection,
    ) -> Result<()> {
        match &self.route {
            Route::Alone(alone) => {
                let mut multiplexed = connection.multiplexed.clone();
                let is_sure = alone.servers.is_one();
                let seen = &alone.seen_epoch;
                let learnt = self.learn_epoch(&mut multiplexed, seen, is_sure).await;
                let epoch = learnt.map_err(|error| connection.failed(operation, &error))?;
                connection.epoch.store(epoch, Ordering::SeqCst);
                if epoch == 0 {
                    connection.broken.store(true, Ordering::SeqCst);
                }
            }
            #[cfg(feature = "redis-cluster")]
            Route::Part(part) => {
                let seen = part.seen_epoch.load(Ordering::SeqCst);
                let mut epoch = part.send(operation, &self.lineage(seen, false)).await?;
                if epoch == 0 {
                    part.make_sure(operation).await?;
                    epoch = part.send(operation, &self.lineage(seen, true)).await?;
                }
                part.seen_epoch.fetch_max(epoch, Ordering::SeqCst);
            }
        }
        Ok(())
    }

    /// Sends a command and reads its reply.
    pub(super) async fn send<T: FromRedisValue>(
        self: &Arc<Self>,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T> {
        match &self.route {
            Route::Alone(alone) => {
                let connection = self.current_of(alone).await?;
                connection.send(operation, command).await
            }
            #[cfg(feature = "redis-cluster")]
            Route::Part(part) => part.send(operation, command).await,
        }
    }

    /// The same, through this connection, if there is a choice.
    pub(super) async fn send_through<T: FromRedisValue>(
        &self,
        connection: &Connection,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T> {
        match &self.route {
            Route::Alone(_) => connection.send(operation, command).await,
            #[cfg(feature = "redis-cluster")]
            Route::Part(part) => part.send(operation, command).await,
        }
    }

    /// Sends a command that looks at what `channel` tells of. If that is watched, the watchers hear of whatever happens after.
    pub(super) async fn look<T: FromRedisValue>(
        self: &Arc<Self>,
        channel: Name<'_>,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T> {
        match &self.route {
            Route::Alone(_) => {
                let _ = channel;
                self.send(operation, command).await
            }
            #[cfg(feature = "redis-cluster")]
            Route::Part(part) => part.look(channel.text(), operation, command).await,
        }
    }

    /// A watch of `channel`.
    pub(super) async fn watch(self: &Arc<Self>, channel: Name<'_>) -> Result<Watch> {
        let channel: Arc<str> = channel.text().into();
        let watch = self.wakes.watch(&channel);
        match &self.route {
            Route::Alone(alone) => {
                let connection = self.current_of(alone).await?;
                connection.tidy(&self.wakes).await?;
                connection.subscribe(&channel).await?;
            }
            #[cfg(feature = "redis-cluster")]
            Route::Part(part) => part.hear(&channel).await?,
        }
        Ok(watch)
    }

    /// A watch of `channel`, and the reply to a command after which everything is heard.
    pub(super) async fn watch_and_send<T: FromRedisValue>(
        self: &Arc<Self>,
        channel: Name<'_>,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<(Watch, T)> {
        let channel: Arc<str> = channel.text().into();
        let watch = self.wakes.watch(&channel);
        match &self.route {
            Route::Alone(alone) => {
                let connection = self.current_of(alone).await?;
                connection.tidy(&self.wakes).await?;
                let reply = connection
                    .subscribe_and_send(&channel, operation, command)
                    .await?;
                Ok((watch, reply))
            }
            #[cfg(feature = "redis-cluster")]
            Route::Part(part) => {
                let (reply, heard) =
                    future::join(part.send(operation, command), part.hear(&channel)).await;
                let watch = match heard {
                    Ok(()) => watch,
                    Err(_) => Watch::any_of([watch, Watch::polling()]),
                };
                Ok((watch, reply?))
            }
        }
    }

    /// Sees to it that waiters of this process are told of their grants. If not all were until now, they look again.
    #[cfg_attr(
        not(feature = "redis-cluster"),
        expect(clippy::unused_async, reason = "there is nothing to be done")
    )]
    pub(super) async fn hear_grants(&self) -> Result<()> {
        match &self.route {
            // Its connection has subscribed before anything else.
            Route::Alone(_) => Ok(()),
            #[cfg(feature = "redis-cluster")]
            Route::Part(part) => part.hear(&self.names.channel).await,
        }
    }
}

/// In one round trip: others wait for the connection, and the channels can be many.
async fn subscribe_all(
    connection: &mut MultiplexedConnection,
    channels: impl Iterator<Item = &Arc<str>>,
) -> std::result::Result<(), RedisError> {
    let mut subscribe = Pipeline::new();
    for channel in channels {
        subscribe.cmd("SUBSCRIBE").arg(&**channel);
    }
    let count = subscribe.len();
    let answers = connection
        .send_packed_commands(&subscribe, 0, count)
        .await?;
    answers
        .into_iter()
        .try_for_each(|answer| answer.extract_error().map(drop))
}

//! The connection: one at a time, made anew when it breaks.
//!
//! 1. A connection is of no use before its handshake is done: scripts loaded, the epoch of tokens learnt from
//!    a server that is a primary, messages subscribed to. So nothing is ever sent with the epoch of another
//!    server, and who looks again through a new connection is woken by whatever happens after.
//! 2. The client library neither reconnects nor resends by itself here. What was under way when a connection
//!    broke is reported as perhaps done.
//! 3. A connection that gave a sign of being no good (no answer in time, or an answer that only a replica
//!    gives) is not used again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, PushInfo, PushKind, RedisError,
    ServerErrorKind, Value,
};
use tokio::sync::Mutex;
use tracing::{debug, warn};

use super::failure;
use super::leases::{self, AcquireCall, ReleaseCall};
use super::past::Past;
use super::receipts::Receipts;
use super::records::PutCall;
use super::replicas::Replicas;
use super::script::Script;
use super::servers::Servers;
use super::subscriptions::Subscriptions;
use crate::store::batch::Batcher;
use crate::store::standing::parse_owner;
use crate::store::wakes::Wakes;
use crate::store::{FencingToken, OwnerId, Result, Watch};

/// The key under which the tokens of everything in this database are counted.
pub(super) const TOKENS: &str = "{coord}:tokens";

pub(super) struct Link {
    servers: Servers,
    response_timeout: Duration,
    /// Those who must have what was written, if that is asked for.
    pub(super) replicas: Option<Replicas>,
    /// The channel on which this process's waiters are woken.
    pub(super) channel: String,
    pub(super) receipts: Receipts,
    pub(super) past: Past,
    pub(super) wakes: Arc<Wakes>,
    pub(super) acquiring: Batcher<AcquireCall>,
    pub(super) releasing: Batcher<ReleaseCall>,
    pub(super) putting: Batcher<PutCall>,
    current: RwLock<Option<Arc<Connection>>>,
    connecting: Mutex<()>,
    /// The greatest epoch that any connection has seen.
    seen_epoch: AtomicU64,
}

/// A connection whose handshake is done.
pub(super) struct Connection {
    multiplexed: MultiplexedConnection,
    epoch: AtomicU64,
    broken: Arc<AtomicBool>,
    subscriptions: Subscriptions,
    /// Another one to the same server, for waiting for its replicas.
    pub(super) acknowledging: Option<MultiplexedConnection>,
}

impl Link {
    pub(super) fn new(
        servers: Servers,
        response_timeout: Duration,
        replicas: Option<Replicas>,
    ) -> Arc<Self> {
        let id: u128 = rand::random();
        Arc::new(Self {
            servers,
            response_timeout,
            replicas,
            channel: format!("coord:wake:{id:032x}"),
            receipts: Receipts::new(format!("{{coord}}:receipt:{id:032x}")),
            past: Past::default(),
            wakes: Arc::default(),
            acquiring: Batcher::new(),
            releasing: Batcher::new(),
            putting: Batcher::new(),
            current: RwLock::default(),
            connecting: Mutex::default(),
            seen_epoch: AtomicU64::new(0),
        })
    }

    /// The connection, made if there is none that works.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<Connection>> {
        if let Some(connection) = self.working() {
            return Ok(connection);
        }
        let _connecting = self.connecting.lock().await;
        if let Some(connection) = self.working() {
            return Ok(connection);
        }
        let client = self.servers.primary().await?;
        let connected = self.connect_to(&client).await;
        let connection = Arc::new(connected.map_err(|error| failure::of_connecting(&error))?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::clone(&connection));
        self.wakes.look_again();
        Ok(connection)
    }

    fn working(&self) -> Option<Arc<Connection>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current
            .as_ref()
            .filter(|connection| !connection.is_broken())
            .cloned()
    }

    async fn connect_to(
        self: &Arc<Self>,
        client: &Client,
    ) -> std::result::Result<Connection, RedisError> {
        let broken = Arc::new(AtomicBool::new(false));
        let listener = Listener {
            wakes: Arc::downgrade(&self.wakes),
            channel: self.channel.clone(),
            broken: Arc::clone(&broken),
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.response_timeout))
            .set_response_timeout(Some(self.response_timeout))
            .set_push_sender(move |push| {
                listener.hear(&push);
                Ok::<_, std::convert::Infallible>(())
            });
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let () = Script::load_all().query_async(&mut connection).await?;
        let epoch = learn_epoch(&mut connection, self.seen_epoch.load(Ordering::SeqCst)).await?;
        self.seen_epoch.fetch_max(epoch, Ordering::SeqCst);
        connection.subscribe(&self.channel).await?;
        let channels = self.wakes.channels();
        for channel in &channels {
            connection.subscribe(&**channel).await?;
        }
        warn_of_eviction(&mut connection).await;
        let acknowledging = match &self.replicas {
            Some(replicas) => Some(replicas.connect(client).await?),
            None => None,
        };
        debug!(epoch, "connected to Redis");
        Ok(Connection {
            multiplexed: connection,
            epoch: AtomicU64::new(epoch),
            broken,
            subscriptions: Subscriptions::new(channels),
            acknowledging,
        })
    }

    /// Learns the epoch again, because the server says that it is not the one we know.
    pub(super) async fn relearn(
        &self,
        operation: &'static str,
        connection: &Connection,
    ) -> Result<()> {
        let seen = self.seen_epoch.load(Ordering::SeqCst);
        let learnt = learn_epoch(&mut connection.multiplexed.clone(), seen).await;
        let epoch = learnt.map_err(|error| connection.failed(operation, &error))?;
        self.seen_epoch.fetch_max(epoch, Ordering::SeqCst);
        connection.epoch.store(epoch, Ordering::SeqCst);
        Ok(())
    }

    /// Sends a command and reads its reply.
    pub(super) async fn send<T: FromRedisValue>(
        self: &Arc<Self>,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T> {
        let connection = self.current().await?;
        connection.send(operation, command).await
    }

    /// A watch of `channel`.
    pub(super) async fn watch(self: &Arc<Self>, channel: String) -> Result<Watch> {
        let channel: Arc<str> = channel.into();
        let watch = self.wakes.watch(&channel);
        let connection = self.current().await?;
        connection.tidy(&self.wakes).await?;
        connection.subscribe(&channel).await?;
        Ok(watch)
    }

    /// A watch of `channel`, and the reply to a command that is sent behind the subscription.
    pub(super) async fn watch_and_send<T: FromRedisValue>(
        self: &Arc<Self>,
        channel: String,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<(Watch, T)> {
        let channel: Arc<str> = channel.into();
        let watch = self.wakes.watch(&channel);
        let connection = self.current().await?;
        connection.tidy(&self.wakes).await?;
        let reply = connection
            .subscribe_and_send(&channel, operation, command)
            .await?;
        Ok((watch, reply))
    }
}

impl Connection {
    /// The epoch of the tokens that this server gives out.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    async fn subscribe(&self, channel: &Arc<str>) -> Result<()> {
        let send = async |subscribe: Option<Cmd>| match subscribe {
            Some(subscribe) => self.send("watch", &subscribe).await,
            None => Ok(()),
        };
        self.subscriptions.with(channel, send).await
    }

    async fn subscribe_and_send<T: FromRedisValue>(
        &self,
        channel: &Arc<str>,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T> {
        let send = async |subscribe: Option<Cmd>| {
            let Some(subscribe) = subscribe else {
                return self.send(operation, command).await;
            };
            let mut both = Pipeline::with_capacity(2);
            both.add_command(subscribe).add_command(command.clone());
            let reply = self.send_all(operation, &both).await?.pop();
            let reply = reply
                .ok_or_else(|| failure::of_reply(operation))?
                .extract_error();
            if is_unknown_script(&reply) {
                return self.send(operation, command).await;
            }
            let value = reply.map_err(|error| self.failed(operation, &error))?;
            T::from_redis_value(value).map_err(|_| failure::of_reply(operation))
        };
        self.subscriptions.with(channel, send).await
    }

    async fn tidy(&self, wakes: &Wakes) -> Result<()> {
        let mut connection = self.multiplexed.clone();
        let tidied = self.subscriptions.tidy(wakes, &mut connection).await;
        tidied.map_err(|error| self.failed("watch", &error))
    }

    pub(super) async fn send<T: FromRedisValue>(
        &self,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T> {
        let mut connection = self.multiplexed.clone();
        let mut reply = ask(&mut connection, command).await;
        if is_unknown_script(&reply) {
            let loaded: std::result::Result<(), _> =
                Script::load_all().query_async(&mut connection).await;
            loaded.map_err(|error| self.failed(operation, &error))?;
            reply = ask(&mut connection, command).await;
        }
        let value = reply.map_err(|error| self.failed(operation, &error))?;
        T::from_redis_value(value).map_err(|_| failure::of_reply(operation))
    }

    /// Sends several commands in one round trip. The replies are as they came, errors among them.
    pub(super) async fn send_all(
        &self,
        operation: &'static str,
        commands: &Pipeline,
    ) -> Result<Vec<Value>> {
        let mut connection = self.multiplexed.clone();
        let count = commands.len();
        connection
            .send_packed_commands(commands, 0, count)
            .await
            .map_err(|error| self.failed(operation, &error))
    }

    pub(super) fn failed(
        &self,
        operation: &'static str,
        error: &RedisError,
    ) -> crate::error::StoreError {
        let is_no_good = error.is_io_error() || error.is_connection_dropped() || error.is_timeout();
        let is_replica = error.kind() == redis::ErrorKind::Server(ServerErrorKind::ReadOnly);
        if is_no_good || is_replica || error.is_unrecoverable_error() {
            self.broken.store(true, Ordering::SeqCst);
        }
        failure::of_operation(operation, error)
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }
}

/// The reply to a command. One that is an error is a value to the client library, until it is asked.
async fn ask(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
) -> std::result::Result<Value, RedisError> {
    connection
        .send_packed_command(command)
        .await?
        .extract_error()
}

fn is_unknown_script(reply: &std::result::Result<Value, RedisError>) -> bool {
    reply
        .as_ref()
        .is_err_and(|error| error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript))
}

async fn learn_epoch(
    connection: &mut MultiplexedConnection,
    seen: u64,
) -> std::result::Result<u64, RedisError> {
    Script::Lineage
        .call(1, 1)
        .arg(TOKENS)
        .arg(seen)
        .query_async(connection)
        .await
}

/// A server that may throw keys away gives leases away. It is only a warning: the setting may be hidden.
async fn warn_of_eviction(connection: &mut MultiplexedConnection) {
    let policy: std::result::Result<std::collections::HashMap<String, String>, _> =
        redis::cmd("CONFIG")
            .arg("GET")
            .arg("maxmemory-policy")
            .query_async(connection)
            .await;
    if let Ok(policy) = policy
        && let Some(policy) = policy
            .get("maxmemory-policy")
            .filter(|policy| *policy != "noeviction")
    {
        warn!(%policy, "this Redis may evict leases and records: set `maxmemory-policy noeviction`");
    }
}

/// Takes in what the server sends unasked.
struct Listener {
    wakes: Weak<Wakes>,
    channel: String,
    broken: Arc<AtomicBool>,
}

impl Listener {
    fn hear(&self, push: &PushInfo) {
        let Some(wakes) = self.wakes.upgrade() else {
            return;
        };
        match push.kind {
            PushKind::Message => {
                if let [Value::BulkString(channel), Value::BulkString(message)] = &*push.data {
                    self.deliver(&wakes, channel, message);
                }
            }
            PushKind::Disconnection => {
                self.broken.store(true, Ordering::SeqCst);
                wakes.look_again();
            }
            _ => {}
        }
    }

    fn deliver(&self, wakes: &Wakes, channel: &[u8], message: &[u8]) {
        if channel != self.channel.as_bytes() {
            if let Ok(channel) = std::str::from_utf8(channel) {
                wakes.changed(channel);
            }
        } else if let Some((owner, token)) = parse_grant(message) {
            wakes.granted(owner, token);
        }
    }
}

/// A grant is the owner's 16 bytes, and the token.
fn parse_grant(message: &[u8]) -> Option<(OwnerId, FencingToken)> {
    let (owner, token) = message.split_at_checked(16)?;
    Some((
        parse_owner(owner)?,
        leases::parse_token(std::str::from_utf8(token).ok()?)?,
    ))
}

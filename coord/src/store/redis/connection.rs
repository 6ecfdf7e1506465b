//! A connection to one server.
//!
//! The client library neither reconnects nor resends by itself here. What was under way when a connection broke is reported
//! as perhaps done. A connection that gave a sign of being no good (no answer in time, or an answer that only a replica
//! gives) is not used again.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, PushInfo, RedisError,
    ServerErrorKind, Value,
};
use tracing::warn;

use super::failure;
#[cfg(feature = "redis-cluster")]
use super::hearing::Hearing;
use super::replicas::Acknowledging;
use super::script::Form;
use super::subscriptions::Subscriptions;
use crate::error::StoreError;
use crate::store::Result;
use crate::store::attempts::Attempts;
use crate::store::wakes::Wakes;

/// A connection whose handshake is done.
pub(super) struct Connection {
    pub(super) multiplexed: MultiplexedConnection,
    pub(super) form: Form,
    pub(super) epoch: AtomicU64,
    pub(super) broken: Arc<AtomicBool>,
    pub(super) subscriptions: Subscriptions,
    /// A second one to the same server, for waiting for its replicas.
    pub(super) acknowledging: Option<Acknowledging>,
    /// A third one, for what a node of a cluster tells.
    #[cfg(feature = "redis-cluster")]
    pub(super) hearing: Option<Hearing>,
}

/// How connections are made.
pub(super) struct Dialling {
    /// How long to wait for each answer.
    pub(super) timeout: Duration,
    /// How many replicas must have what was written before it counts as done.
    pub(super) min_replicas: usize,
}

impl Dialling {
    /// A connection whose scripts are loaded, and which tells `hear` what the server sends unasked.
    pub(super) async fn open(
        &self,
        client: &Client,
        form: Form,
        hear: impl Fn(&PushInfo) + Send + Sync + 'static,
    ) -> std::result::Result<MultiplexedConnection, RedisError> {
        let mut connection = self.open_bare(client, hear).await?;
        let () = form.load_all().query_async(&mut connection).await?;
        Ok(connection)
    }

    /// One that nothing has been sent through.
    pub(super) async fn open_bare(
        &self,
        client: &Client,
        hear: impl Fn(&PushInfo) + Send + Sync + 'static,
    ) -> std::result::Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_push_sender(move |push| {
                hear(&push);
                Ok::<_, std::convert::Infallible>(())
            });
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// The connection that waits for replicas, if any are asked for.
    pub(super) async fn acknowledging(
        &self,
        client: &Client,
    ) -> std::result::Result<Option<Acknowledging>, RedisError> {
        match self.min_replicas {
            0 => Ok(None),
            wanted => Acknowledging::connect(client, wanted, self.timeout)
                .await
                .map(Some),
        }
    }
}

/// A place for a connection, which is made when there is none that works.
#[derive(Default)]
pub(super) struct Kept {
    current: RwLock<Option<Arc<Connection>>>,
    connecting: Attempts,
}

impl Kept {
    /// The connection, and whether `connect` has just made it, which takes no longer than so.
    pub(super) async fn get(
        &self,
        takes: Duration,
        connect: impl Future<Output = Result<Connection>>,
    ) -> Result<(Arc<Connection>, bool)> {
        let there = || Some((self.working()?, false));
        let attempt = async {
            let connection = Arc::new(connect.await?);
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            // If another attempt is done, this one may be of long ago.
            if let Some(working) = current.as_ref().filter(|other| !other.is_broken()) {
                return Ok((Arc::clone(working), false));
            }
            *current = Some(Arc::clone(&connection));
            Ok((connection, true))
        };
        self.connecting.share(takes, there, attempt).await
    }

    pub(super) fn working(&self) -> Option<Arc<Connection>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current
            .as_ref()
            .filter(|connection| !connection.is_broken())
            .cloned()
    }
}

impl Connection {
    /// The epoch of the tokens that this server gives out, if it is alone.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    pub(super) async fn subscribe(&self, channel: &Arc<str>) -> Result<()> {
        let send = async |subscribe: Option<Cmd>| match subscribe {
            Some(subscribe) => self.send("watch", &subscribe).await,
            None => Ok(()),
        };
        self.subscriptions.with(channel, send).await
    }

    pub(super) async fn subscribe_and_send<T: FromRedisValue>(
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

    pub(super) async fn tidy(&self, wakes: &Wakes) -> Result<()> {
        let mut connection = self.multiplexed.clone();
        let tidied = self.subscriptions.tidy(wakes, &mut connection).await;
        tidied.map_err(|error| self.failed("watch", &error))
    }

    pub(super) async fn send<T: FromRedisValue>(
        &self,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T> {
        let reply = self.ask(command).await;
        let value = reply.map_err(|error| self.failed(operation, &error))?;
        T::from_redis_value(value).map_err(|_| failure::of_reply(operation))
    }

    /// The reply to a command, for which the server is told the scripts if it has forgotten them.
    pub(super) async fn ask(&self, command: &Cmd) -> std::result::Result<Value, RedisError> {
        let mut connection = self.multiplexed.clone();
        let reply = ask(&mut connection, command).await;
        if !is_unknown_script(&reply) {
            return reply;
        }
        Box::pin(self.load_scripts()).await?;
        ask(&mut connection, command).await
    }

    pub(super) async fn load_scripts(&self) -> std::result::Result<(), RedisError> {
        let mut connection = self.multiplexed.clone();
        self.form.load_all().query_async(&mut connection).await
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

    /// The same, of calls of scripts that may be called again: all are, if the server has forgotten the scripts.
    pub(super) async fn call_all(
        &self,
        operation: &'static str,
        calls: &Pipeline,
    ) -> Result<Vec<Value>> {
        let replies = self.send_all(operation, calls).await?;
        let is_unknown = |reply: &Value| match reply {
            Value::ServerError(error) => error.kind() == Some(ServerErrorKind::NoScript),
            _ => false,
        };
        if !replies.iter().any(is_unknown) {
            return Ok(replies);
        }
        let loaded = self.load_scripts().await;
        loaded.map_err(|error| self.failed(operation, &error))?;
        self.send_all(operation, calls).await
    }

    pub(super) fn failed(&self, operation: &'static str, error: &RedisError) -> StoreError {
        let is_no_good = error.is_io_error() || error.is_connection_dropped() || error.is_timeout();
        if is_no_good || failure::is_of_replica(error) || error.is_unrecoverable_error() {
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

/// A server that may throw keys away gives leases away. It is only a warning: the setting may be hidden.
pub(super) async fn warn_of_eviction(connection: &mut MultiplexedConnection) {
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

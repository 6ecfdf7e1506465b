//! Waiting until replicas have what was written.
//!
//! The server answers `WAIT` when enough replicas have everything that was written before, and answers nothing else on that
//! connection meanwhile. So the waiting is done on a connection of its own, and one `WAIT` serves all who wait by then.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Value};

use super::failure;
use super::link::{Connection, Link};
use crate::error::{StoreError, StoreErrorKind};
use crate::store::Result;
use crate::store::batch::{Batcher, Call};

/// How many batches may be ahead on the connection that waits, and one's own.
const AHEAD: u32 = 4;

/// How many replicas must have what was written before it counts as done.
pub(super) struct Replicas {
    wanted: usize,
    timeout: Duration,
    waiting: Batcher<WaitCall>,
}

impl Replicas {
    /// `None` if none are wanted. `timeout` is for their acknowledgement.
    pub(super) fn wanted(wanted: usize, timeout: Duration) -> Option<Self> {
        (wanted > 0).then(|| Self {
            wanted,
            timeout,
            waiting: Batcher::new(),
        })
    }

    /// The connection that waits.
    pub(super) async fn connect(
        &self,
        client: &Client,
    ) -> std::result::Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout * AHEAD));
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

/// Does `operation`, and if `wrote` says of its answer that something was written, waits until enough replicas have it.
pub(super) async fn replicated<T>(
    link: &Arc<Link>,
    name: &'static str,
    operation: impl Future<Output = Result<T>>,
    wrote: impl FnOnce(&T) -> bool,
) -> Result<T> {
    let Some(replicas) = &link.replicas else {
        return operation.await;
    };
    let before = link.current().await?;
    let answer = operation.await?;
    if wrote(&answer) {
        acknowledged(link, replicas, name, &before).await?;
    }
    Ok(answer)
}

async fn acknowledged(
    link: &Arc<Link>,
    replicas: &Replicas,
    name: &'static str,
    before: &Arc<Connection>,
) -> Result<()> {
    let (connection, acknowledged) = replicas.waiting.call(link, WaitCall).await?;
    if !Arc::ptr_eq(before, &connection) {
        // Whatever that server's replicas have, it was perhaps another server that was written to.
        return Err(failure::of_change(name));
    }
    if acknowledged < replicas.wanted {
        return Err(StoreError::new(
            StoreErrorKind::Unknown,
            name,
            format!(
                "{acknowledged} of {} replicas have acknowledged it, so a failover could lose it; check that they run and follow",
                replicas.wanted
            ),
        ));
    }
    Ok(())
}

/// Waiting for everything that was written before it is sent. The answer is where, and how many replicas have it.
pub(super) struct WaitCall;

impl Call for WaitCall {
    type Link = Link;
    const OPERATION: &'static str = "wait";
    type Answer = (Arc<Connection>, usize);

    async fn send(link: &Arc<Link>, calls: &[Self]) -> Result<Vec<Result<Self::Answer>>> {
        let connection = link.current().await?;
        let acknowledged = match (&link.replicas, &connection.acknowledging) {
            (Some(replicas), Some(waits)) => ask(&connection, waits.clone(), replicas).await?,
            _ => 0,
        };
        let answer = || Ok((Arc::clone(&connection), acknowledged));
        Ok(calls.iter().map(|_| answer()).collect())
    }
}

/// A command before it, whichever, has the server wait for what others have written as well.
async fn ask(
    connection: &Connection,
    mut waits: MultiplexedConnection,
    replicas: &Replicas,
) -> Result<usize> {
    let mut commands = Pipeline::with_capacity(2);
    commands.cmd("PING").ignore();
    commands
        .cmd("WAIT")
        .arg(replicas.wanted)
        .arg(super::milliseconds(replicas.timeout));
    let replies: std::result::Result<Vec<Value>, _> = commands.query_async(&mut waits).await;
    match replies
        .map_err(|error| connection.failed("wait", &error))?
        .pop()
    {
        Some(Value::Int(acknowledged)) => Ok(usize::try_from(acknowledged).unwrap_or(0)),
        _ => Err(failure::of_reply("wait")),
    }
}

//! Waiting until replicas have what was written.
//!
//! The server answers `WAIT` when enough replicas have everything that this connection wrote before, and answers nothing else
//! on it meanwhile. So the waiting is done on a connection of its own, and one `WAIT` serves all who wait by then. Since Redis
//! 7.2 it is answered at once on a connection that has written nothing. So something is written first, behind all that
//! others have written.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Value};

use super::connection::Connection;
use super::failure;
use super::link::Link;
use super::names::Mark;
use crate::error::{StoreError, StoreErrorKind};
use crate::store::Result;
use crate::store::batch::{Batcher, Call};

/// How many batches may be ahead on the connection that waits, and one's own.
const AHEAD: u32 = 4;

/// The connection that waits for the replicas of a server.
pub(super) struct Acknowledging {
    wanted: usize,
    timeout: Duration,
    multiplexed: MultiplexedConnection,
    waiting: Batcher<WaitCall>,
}

impl Acknowledging {
    /// `wanted` replicas must have what was written; `timeout` is for their acknowledgement.
    pub(super) async fn connect(
        client: &Client,
        wanted: usize,
        timeout: Duration,
    ) -> std::result::Result<Self, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout * AHEAD));
        let multiplexed = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok(Self {
            wanted,
            timeout,
            multiplexed,
            waiting: Batcher::new(),
        })
    }
}

/// Does `operation`, and if `wrote` says of its answer that something was written, waits until enough replicas have it.
pub(super) async fn replicated<T>(
    link: &Arc<Link>,
    name: &'static str,
    operation: impl Future<Output = Result<T>>,
    wrote: impl FnOnce(&T) -> bool,
) -> Result<T> {
    if !link.waits_for_replicas() {
        return operation.await;
    }
    let before = link.current().await?;
    let answer = operation.await?;
    if wrote(&answer) {
        // Whatever another server's replicas have, it was perhaps not the one that was written to.
        let is_same = matches!(link.current().await, Ok(after) if Arc::ptr_eq(&before, &after));
        if !is_same {
            return Err(failure::of_change(name));
        }
        acknowledged(&before, name, link.names.mark()).await?;
    }
    Ok(answer)
}

/// Waits until enough replicas have what was written through this connection, to the slot of `mark`.
pub(super) async fn acknowledged(
    connection: &Arc<Connection>,
    name: &'static str,
    mark: Mark,
) -> Result<()> {
    let Some(acknowledging) = &connection.acknowledging else {
        return Ok(());
    };
    let wait = WaitCall(mark);
    let acknowledged = acknowledging.waiting.call(connection, wait).await?;
    if acknowledged < acknowledging.wanted {
        return Err(StoreError::new(
            StoreErrorKind::Unknown,
            name,
            format!(
                "{acknowledged} of {} replicas have acknowledged it, so a failover could lose it; check that they run and follow",
                acknowledging.wanted
            ),
        ));
    }
    Ok(())
}

/// Waiting for everything that was written before it is sent. The answer is how many replicas have it.
pub(super) struct WaitCall(Mark);

impl Call for WaitCall {
    type Link = Connection;
    const OPERATION: &'static str = "wait";
    type Answer = usize;

    async fn send(connection: &Arc<Connection>, calls: &[Self]) -> Result<Vec<Result<usize>>> {
        let acknowledged = match (&connection.acknowledging, calls) {
            (Some(acknowledging), [Self(mark), ..]) => ask(connection, acknowledging, mark).await?,
            _ => 0,
        };
        Ok(calls.iter().map(|_| Ok(acknowledged)).collect())
    }
}

/// Whatever fails here, what is waited for was written.
async fn ask(connection: &Connection, acknowledging: &Acknowledging, mark: &Mark) -> Result<usize> {
    let mut commands = Pipeline::with_capacity(3);
    mark.write(&mut commands);
    commands
        .cmd("WAIT")
        .arg(acknowledging.wanted)
        .arg(super::milliseconds(acknowledging.timeout));
    let mut waits = acknowledging.multiplexed.clone();
    let replies: std::result::Result<Vec<Value>, _> = commands.query_async(&mut waits).await;
    let failed = |error| failure::of_acknowledging(connection.failed("wait", &error));
    match replies.map_err(failed)?.pop() {
        Some(Value::Int(acknowledged)) => Ok(usize::try_from(acknowledged).unwrap_or(0)),
        _ => Err(failure::of_acknowledging(failure::of_reply("wait"))),
    }
}

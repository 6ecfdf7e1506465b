//! Redis Cluster: finding the node that has a slot, and following it.
//!
//! # Routing
//!
//! 1. Each partition has a slot, and a master that has it, as far as is known. What is sent there is served, or refused with
//!    the node that has the slot now (`MOVED`, which is remembered), or that has the keys while the slot is being moved
//!    (`ASK`, which is not). While keys of a resource are on both nodes, none serves them (`TRYAGAIN`); so all keys that a
//!    script may touch are named to the node. All this is sent again, until the response timeout has passed.
//! 2. What was perhaps done is not sent again here: whoever asked is told so, as on a server alone. So what is refused in the
//!    end was surely not done.
//! 3. A node that cannot be reached, or cannot serve, has the others asked who took over: see [`topology`](super::topology).
//!
//! # Tokens
//!
//! The tokens of a partition are counted beside its leases, in the same slot, so that one script sees both. They move along
//! with the slot, and are copied to replicas as the leases are. With them stands the lineage of the server that counted, which
//! no other server has and which changes when a replica is promoted or a server starts again. Clients are told of none of
//! this, so each script that grants something looks: if the lineage is not that of its server, an epoch begins that is above
//! the one that stands there, above all that this client has seen, and not before the server's time. Therefore:
//!
//! - after a failover that lost writes, the new master's tokens are above all that the old one gave out, those among them which
//!   it goes on giving out while it does not know that it is none any more;
//! - one that does not know so and is told by a client of a greater epoch does not begin another one, unless a majority of
//!   the nodes calls it the master;
//! - after a move of the slot, the first grant begins an epoch above what came along; if it comes back, the same;
//! - in a slot whose move was broken off by a failover, whichever half of the keys is served, its tokens are new.
//!
//! What remains: a master that began an epoch, was succeeded before its replica had the record of that, and whose clock was
//! ahead of its successor's by more than the time between. Clocks that differ by less than `cluster-node-timeout` rule it
//! out, for failovers that nobody orders by hand.
//!
//! # Wake-ups
//!
//! Messages are those of sharded channels, which only the node of their slot sends. Who is woken looks again, and whoever
//! looks is first, or at the same time, subscribed where it looks. So nobody has to follow a slot for those who wait: a
//! node that loses it ends their subscriptions, they look, and are redirected.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::future::{join, join_all};
use redis::{
    Cmd, ConnectionInfo, ErrorKind, FromRedisValue, Pipeline, RedisError, ServerErrorKind, Value,
};
use tokio::time::Instant;

use super::connection::{Connection, Dialling};
use super::failure;
use super::hearing::AllWakes;
use super::names::Mark;
use super::nodes::{Node, Nodes};
use super::partitions;
use super::replicas::acknowledged;
use super::tls::Certificates;
use super::topology::{self, Address};
use crate::error::{Error, StoreError};
use crate::store::Result;
use crate::store::wakes::Wakes;

/// How long to wait before something is sent again, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(100)];
/// How often in a row one is redirected without a pause.
const REDIRECTIONS: u32 = 2;

pub(super) struct Cluster {
    nodes: Nodes,
    timeout: Duration,
    process: u128,
    wakes: Arc<AllWakes>,
}

/// What a node is asked.
#[derive(Clone, Copy)]
enum Request<'a> {
    /// Nothing, but to be there.
    Connect,
    Command(&'a Cmd),
    Hear(&'a Arc<str>),
}

/// Why a request was not served.
enum Refusal {
    Moved(Address),
    Ask(Address),
    /// It may be served later, by the same node.
    Later(StoreError),
    /// It may be served by another node.
    Elsewhere(StoreError),
    Final(StoreError),
}

impl Cluster {
    /// A cluster of which these nodes are a part. `node` is how to connect to one, but for its address.
    pub(super) fn new(
        seeds: Vec<Address>,
        node: ConnectionInfo,
        certificates: Certificates,
        dialling: Dialling,
    ) -> Self {
        let process = rand::random();
        let wakes = Arc::new(AllWakes::new(process));
        Self {
            timeout: dialling.timeout,
            nodes: Nodes::new(seeds, node, certificates, dialling, Arc::clone(&wakes)),
            process,
            wakes,
        }
    }

    /// The id of this process to others.
    pub(super) fn process(&self) -> u128 {
        self.process
    }

    pub(super) fn waits_for_replicas(&self) -> bool {
        self.nodes.wait_for_replicas()
    }

    /// Connects to all masters, of which some may be away.
    pub(super) async fn connect(&self) -> std::result::Result<(), Error> {
        self.nodes.refresh(0).await?;
        let masters = self.nodes.all();
        let connected = masters.iter().map(|master| self.nodes.connection(master));
        let connected = join_all(connected).await;
        let mut failure = failure::of_unserved("connect");
        for connected in connected {
            match connected {
                Ok(_) => return Ok(()),
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    }

    /// The connection to the master of a partition.
    async fn current(&self, partition: usize) -> Result<Arc<Connection>> {
        self.ask(partition, "connect", Request::Connect).await?;
        match self.nodes.master(partition) {
            Some(master) => self.nodes.connection(&master).await,
            None => Err(failure::of_unserved("connect")),
        }
    }

    /// Asks whichever node has the partition's slot, again and again until the response timeout has passed.
    async fn ask(
        &self,
        partition: usize,
        operation: &'static str,
        request: Request<'_>,
    ) -> Result<Value> {
        let mut patience = Patience::new(self.timeout);
        let mut asking = None;
        loop {
            let generation = self.nodes.generation();
            let master = self.nodes.master(partition);
            let asked = match asking.take() {
                // What is seldom does not make each operation larger.
                Some(address) => {
                    let mark = Mark::of(partitions::tag(partition));
                    Box::pin(self.ask_importer(operation, &address, request, mark)).await
                }
                None => self.ask_master(master.as_ref(), operation, request).await,
            };
            let refusal = match asked {
                Ok(reply) => return Ok(reply),
                Err(refusal) => refusal,
            };
            let (goes_on, error) = match refusal {
                Refusal::Moved(address) => {
                    self.nodes.moved(partition, &address)?;
                    (patience.redirected().await, None)
                }
                Refusal::Ask(address) => {
                    asking = Some(address);
                    (patience.redirected().await, None)
                }
                Refusal::Later(error) => (patience.pause().await, Some(error)),
                Refusal::Elsewhere(error) => {
                    let goes_on = if self.another_is_named(partition, master, generation).await {
                        patience.redirected().await
                    } else {
                        patience.pause().await
                    };
                    (goes_on, Some(error))
                }
                Refusal::Final(error) => (false, Some(error)),
            };
            if !goes_on {
                return Err(error.unwrap_or_else(|| failure::of_redirections(operation)));
            }
        }
    }

    /// Asks the cluster who has the partition's slot, unless that was done since the map had this generation. Says whether it
    /// is another node than the one that was asked. If nobody tells, the one that is known stays.
    async fn another_is_named(
        &self,
        partition: usize,
        asked: Option<Arc<Node>>,
        generation: u64,
    ) -> bool {
        let _ = Box::pin(self.nodes.refresh(generation)).await;
        match (asked, self.nodes.master(partition)) {
            (Some(asked), Some(master)) => !Arc::ptr_eq(&asked, &master),
            (asked, master) => asked.is_none() && master.is_some(),
        }
    }

    async fn ask_master(
        &self,
        master: Option<&Arc<Node>>,
        operation: &'static str,
        request: Request<'_>,
    ) -> std::result::Result<Value, Refusal> {
        let Some(node) = master else {
            return Err(Refusal::Elsewhere(failure::of_unserved(operation)));
        };
        let connection = self
            .nodes
            .connection(node)
            .await
            .map_err(Refusal::connecting)?;
        let refusal = |error| Refusal::of(operation, &error, node, &connection);
        match (request, &connection.hearing) {
            (Request::Command(command), _) => connection.ask(command).await.map_err(refusal),
            (Request::Hear(channel), Some(hearing)) => {
                let heard = Box::pin(hearing.hear(channel, &self.wakes)).await;
                heard.map_err(|error| refusal(error).of_hearing())?;
                Ok(Value::Nil)
            }
            _ => Ok(Value::Nil),
        }
    }

    /// Asks the node that a slot is being moved to. Replicas that must have what was written are that node's.
    async fn ask_importer(
        &self,
        operation: &'static str,
        address: &Address,
        request: Request<'_>,
        mark: Mark,
    ) -> std::result::Result<Value, Refusal> {
        // Nobody is ever told to subscribe there.
        let Request::Command(command) = request else {
            return Err(Refusal::Elsewhere(failure::of_redirections(operation)));
        };
        let node = self.nodes.node(address).map_err(Refusal::Final)?;
        let connection = self
            .nodes
            .connection(&node)
            .await
            .map_err(Refusal::connecting)?;
        let mut both = Pipeline::with_capacity(2);
        both.cmd("ASKING");
        both.add_command(command.clone());
        let replies = connection.send_all(operation, &both).await;
        let reply = replies.map_err(Refusal::Final)?.pop();
        let reply = reply
            .ok_or_else(|| Refusal::Final(failure::of_reply(operation)))?
            .extract_error();
        if reply.as_ref().is_err_and(is_unknown_script) {
            let loaded = connection.load_scripts().await;
            loaded.map_err(|error| Refusal::Final(connection.failed(operation, &error)))?;
        }
        let reply = reply.map_err(|error| Refusal::of(operation, &error, &node, &connection))?;
        let acknowledged = acknowledged(&connection, operation, mark).await;
        acknowledged.map_err(Refusal::Final)?;
        Ok(reply)
    }
}

impl Refusal {
    fn connecting(error: StoreError) -> Self {
        if error.is_retryable() {
            Self::Elsewhere(error)
        } else {
            Self::Final(error)
        }
    }

    /// Nothing is done twice by subscribing twice.
    fn of_hearing(self) -> Self {
        match self {
            Self::Final(error) if error.is_retryable() => Self::Elsewhere(error),
            other => other,
        }
    }

    /// What the answer of `node` means.
    fn of(
        operation: &'static str,
        error: &RedisError,
        node: &Node,
        connection: &Connection,
    ) -> Self {
        let failed = connection.failed(operation, error);
        let ErrorKind::Server(kind) = error.kind() else {
            return Self::Final(failed);
        };
        let redirection = topology::redirection(error, &node.address.0);
        match (kind, redirection) {
            (ServerErrorKind::Moved, Some(to)) => Self::Moved(to),
            (ServerErrorKind::Ask, Some(to)) => Self::Ask(to),
            (ServerErrorKind::TryAgain | ServerErrorKind::NoScript, _) => Self::Later(failed),
            (ServerErrorKind::ResponseError, _) if is_half_moved(error) => {
                Self::Later(failure::of_half(operation))
            }
            (
                ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::ReadOnly,
                _,
            ) => Self::Elsewhere(failed),
            _ => Self::Final(failed),
        }
    }
}

/// Whether a script came upon a key that it had itself deleted before, in a slot that is being moved away: it may not make it
/// again. All that it does can be done again, and is completed then.
fn is_half_moved(error: &RedisError) -> bool {
    error
        .detail()
        .is_some_and(|detail| detail.contains("non local key"))
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// How long something is sent again.
struct Patience {
    ends: Instant,
    pause: Duration,
    redirections: u32,
    is_last: bool,
}

impl Patience {
    fn new(lasts: Duration) -> Self {
        Self {
            ends: Instant::now() + lasts,
            pause: PAUSES[0],
            redirections: 0,
            is_last: false,
        }
    }

    /// Waits a little, longer each time. `false`: it has been long enough.
    async fn pause(&mut self) -> bool {
        if self.is_over() {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSES[1]);
        true
    }

    fn is_over(&self) -> bool {
        Instant::now() + self.pause >= self.ends
    }

    /// Waits only if nodes keep naming others. Once it has been long enough, there is one more attempt.
    async fn redirected(&mut self) -> bool {
        self.redirections += 1;
        if self.is_over() {
            return !std::mem::replace(&mut self.is_last, true);
        }
        self.redirections <= REDIRECTIONS || self.pause().await
    }
}

/// One partition of a cluster.
pub(super) struct Part {
    cluster: Arc<Cluster>,
    number: usize,
    /// The greatest epoch that tokens of this partition have had, as far as is known.
    pub(super) seen_epoch: AtomicU64,
}

impl Part {
    pub(super) fn new(cluster: Arc<Cluster>, number: usize) -> Self {
        Self {
            cluster,
            number,
            seen_epoch: AtomicU64::new(0),
        }
    }

    pub(super) fn wakes(&self) -> &Arc<Wakes> {
        self.cluster.wakes.of(self.number)
    }

    pub(super) fn waits_for_replicas(&self) -> bool {
        self.cluster.waits_for_replicas()
    }

    /// Asks the cluster who is the master.
    pub(super) async fn make_sure(&self, operation: &'static str) -> Result<()> {
        let nodes = &self.cluster.nodes;
        if Box::pin(nodes.refresh(nodes.generation())).await? {
            Ok(())
        } else {
            Err(failure::of_minority(operation))
        }
    }

    pub(super) async fn current(&self) -> Result<Arc<Connection>> {
        self.cluster.current(self.number).await
    }

    pub(super) async fn send<T: FromRedisValue>(
        &self,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T> {
        let command = Request::Command(command);
        let value = self.cluster.ask(self.number, operation, command).await?;
        T::from_redis_value(value).map_err(|_| failure::of_reply(operation))
    }

    /// Sends what looks at something. If that is watched, it is subscribed to at the same time.
    pub(super) async fn look<T: FromRedisValue>(
        &self,
        channel: String,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T> {
        if !self.wakes().is_watched(&channel) {
            return self.send(operation, command).await;
        }
        let channel = channel.into();
        let (reply, heard) = join(self.send(operation, command), self.hear(&channel)).await;
        heard?;
        reply
    }

    /// Subscribes to a channel, if that is not done yet.
    pub(super) async fn hear(&self, channel: &Arc<str>) -> Result<()> {
        let hear = Request::Hear(channel);
        self.cluster.ask(self.number, "watch", hear).await?;
        Ok(())
    }
}

//! The nodes of a cluster: which of them is the master of what, as far as is known, and the connections to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, ConnectionInfo, PushInfo, PushKind, RedisError, Value};
use tracing::debug;

use super::connection::{Connection, Dialling, Kept, warn_of_eviction};
use super::failure;
use super::hearing::{AllWakes, Hearing};
use super::script::Form;
use super::subscriptions::Subscriptions;
use super::tls::Certificates;
use super::topology::{self, Address};
use crate::store::Result;
use crate::store::attempts::Attempts;

/// How many nodes are asked for the map of the cluster.
const ASKED_AT_MOST: usize = 8;

pub(super) struct Nodes {
    seeds: Vec<Address>,
    /// How to connect to a node, but for its address.
    info: ConnectionInfo,
    certificates: Certificates,
    dialling: Dialling,
    wakes: Arc<AllWakes>,
    map: RwLock<Map>,
    known: Mutex<HashMap<Address, Arc<Node>>>,
    refreshing: Attempts,
}

/// The masters of partitions, as far as is known.
struct Map {
    masters: Vec<Option<Arc<Node>>>,
    /// How often the cluster was asked.
    generation: u64,
    /// Whether a majority of those that were asked has answered.
    is_of_majority: bool,
}

pub(super) struct Node {
    pub(super) address: Address,
    client: Client,
    kept: Kept,
}

impl Nodes {
    /// Those of a cluster of which `seeds` are a part. `info` is how to connect to one, but for its address.
    pub(super) fn new(
        seeds: Vec<Address>,
        info: ConnectionInfo,
        certificates: Certificates,
        dialling: Dialling,
        wakes: Arc<AllWakes>,
    ) -> Self {
        Self {
            seeds,
            info,
            certificates,
            dialling,
            wakes,
            map: RwLock::new(Map {
                masters: Vec::new(),
                generation: 0,
                is_of_majority: false,
            }),
            known: Mutex::default(),
            refreshing: Attempts::default(),
        }
    }

    pub(super) fn wait_for_replicas(&self) -> bool {
        self.dialling.min_replicas > 0
    }

    /// All that are known to be masters.
    pub(super) fn all(&self) -> Vec<Arc<Node>> {
        self.known().values().cloned().collect()
    }

    /// How often the nodes were asked who has what.
    pub(super) fn generation(&self) -> u64 {
        self.map().generation
    }

    /// Asks the nodes who is the master of what, unless that was done since the map had this generation. Says whether it was
    /// a majority that answered.
    pub(super) async fn refresh(&self, generation: u64) -> Result<bool> {
        let there = || (self.generation() != generation).then(|| self.map().is_of_majority);
        let takes = self.dialling.timeout.saturating_mul(2);
        let attempt = self.ask_again(generation);
        self.refreshing.share(takes, there, attempt).await
    }

    async fn ask_again(&self, generation: u64) -> Result<bool> {
        let clients = self.to_be_asked()?;
        let topology = topology::ask(clients, self.dialling.timeout).await;
        // If another attempt is done, this one may be of long ago.
        if self.generation() != generation {
            return Ok(self.map().is_of_majority);
        }
        // Whoever waits for this does not ask once more, even if nobody has answered.
        self.change(|map| {
            map.generation = generation + 1;
            map.is_of_majority = false;
        });
        let topology = topology.map_err(|error| failure::of_cluster(error.as_ref()))?;
        let node =
            |address: Option<Address>| address.map(|address| self.node(&address)).transpose();
        let masters = topology.masters.into_iter().map(node);
        let masters = masters.collect::<Result<Vec<_>>>()?;
        debug!("asked the cluster who has what");
        let is_master =
            |node: &Arc<Node>| masters.iter().flatten().any(|one| Arc::ptr_eq(one, node));
        let before = self.known().len();
        self.known().retain(|_, node| is_master(node));
        let some_left = self.known().len() < before;
        self.change(|map| {
            map.masters = masters;
            map.is_of_majority = topology.is_of_majority;
        });
        if some_left {
            // What they would have told is not heard any more.
            self.wakes.look_again();
        }
        Ok(topology.is_of_majority)
    }

    /// Some of the nodes that are known, and some of those that the URL names.
    fn to_be_asked(&self) -> Result<Vec<(Address, Client)>> {
        let mut addresses: Vec<_> = self.known().keys().cloned().collect();
        for known in (ASKED_AT_MOST / 2..addresses.len()).rev() {
            let one = rand::random_range(0..=known);
            addresses.swap_remove(one);
        }
        for seed in &self.seeds {
            if addresses.len() < ASKED_AT_MOST && !addresses.contains(seed) {
                addresses.push(seed.clone());
            }
        }
        addresses
            .into_iter()
            .map(|address| Ok((address.clone(), self.client(&address)?)))
            .collect()
    }

    fn map(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Map)) {
        change(&mut self.map.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Address, Arc<Node>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn master(&self, partition: usize) -> Option<Arc<Node>> {
        self.map().masters.get(partition)?.clone()
    }

    /// A node has told that the slot of a partition is elsewhere.
    pub(super) fn moved(&self, partition: usize, to: &Address) -> Result<()> {
        let to = self.node(to)?;
        self.change(|map| {
            if let Some(master) = map.masters.get_mut(partition) {
                *master = Some(to);
            }
        });
        Ok(())
    }

    pub(super) fn node(&self, address: &Address) -> Result<Arc<Node>> {
        if let Some(node) = self.known().get(address) {
            return Ok(Arc::clone(node));
        }
        let node = Arc::new(Node {
            address: address.clone(),
            client: self.client(address)?,
            kept: Kept::default(),
        });
        let mut nodes = self.known();
        Ok(Arc::clone(nodes.entry(address.clone()).or_insert(node)))
    }

    fn client(&self, (host, port): &Address) -> Result<Client> {
        let (host, port) = (host.clone(), *port);
        let addr = match self.info.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        let client = self.certificates.client(self.info.clone().set_addr(addr));
        client.map_err(|_| failure::of_cluster(None))
    }

    pub(super) async fn connection(&self, node: &Node) -> Result<Arc<Connection>> {
        if let Some(connection) = node.kept.working() {
            return Ok(connection);
        }
        let connect = async {
            let connected =
                tokio::time::timeout(self.dialling.timeout, self.connect_to(&node.client));
            let connected = connected.await;
            connected.unwrap_or_else(|_| Err(failure::of_hanging()))
        };
        let (connection, is_new) = node
            .kept
            .get(self.dialling.timeout.saturating_mul(2), Box::pin(connect))
            .await?;
        if is_new {
            self.wakes.look_again();
        }
        Ok(connection)
    }

    async fn connect_to(&self, client: &Client) -> Result<Connection> {
        let failed = |error| failure::of_connecting(&error);
        let broken = Arc::new(AtomicBool::new(false));
        let (wakes, is_broken) = (Arc::downgrade(&self.wakes), Arc::clone(&broken));
        let hear = move |push: &PushInfo| {
            if push.kind == PushKind::Disconnection {
                is_broken.store(true, Ordering::SeqCst);
                if let Some(wakes) = wakes.upgrade() {
                    wakes.look_again();
                }
            }
        };
        let dialling = &self.dialling;
        let connection = dialling.open(client, Form::Cluster, hear).await;
        let mut connection = connection.map_err(failed)?;
        if !has_sharded_channels(&mut connection)
            .await
            .map_err(failed)?
        {
            return Err(failure::of_version());
        }
        warn_of_eviction(&mut connection).await;
        let acknowledging = dialling.acknowledging(client).await.map_err(failed)?;
        let hearing = Hearing::connect(client, dialling, &self.wakes, &broken).await;
        Ok(Connection {
            multiplexed: connection,
            form: Form::Cluster,
            epoch: AtomicU64::new(0),
            acknowledging,
            hearing: Some(hearing.map_err(failed)?),
            broken,
            subscriptions: Subscriptions::new(Vec::new()),
        })
    }
}

/// Redis 6 has none.
async fn has_sharded_channels(
    connection: &mut MultiplexedConnection,
) -> std::result::Result<bool, RedisError> {
    let mut command = redis::cmd("COMMAND");
    command.arg("INFO").arg("SSUBSCRIBE");
    let told: Vec<Value> = command.query_async(connection).await?;
    Ok(!matches!(&told[..], [] | [Value::Nil]))
}

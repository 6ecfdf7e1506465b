//! Redis Clusters of a test's own.

use futures_util::future::join_all;
use tokio::sync::OnceCell;

use super::RedisServer;
use crate::wait::until;

/// The environment variable by which `tests/run` hands its cluster to the tests.
const URL: &str = "COORD_TEST_REDIS_CLUSTER";
/// After how many milliseconds a node counts as down, if there is another to take over; and if there is none, so that
/// none is taken for down because the machine is busy.
const TIMEOUTS: [u32; 2] = [1_500, 5_000];
const SLOTS: usize = 16_384;
/// How many keys are moved to another node at once.
const KEYS_AT_ONCE: usize = 50;

/// Masters that share the slots evenly, and replicas that take over within some seconds.
#[derive(Debug)]
pub struct RedisCluster {
    masters: usize,
    /// The masters, and then a replica of each, and so on.
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts so many masters, with so many replicas each. Returns when all know of all.
    pub async fn start(masters: usize, replicas: usize) -> Self {
        Self::with(masters, replicas, None).await
    }

    /// The same, with a password.
    pub async fn start_with_password(masters: usize, password: &str) -> Self {
        Self::with(masters, 0, Some(password)).await
    }

    async fn with(masters: usize, replicas: usize, password: Option<&str>) -> Self {
        let nodes = join_all((0..masters * (1 + replicas)).map(|_| {
            let timeout = TIMEOUTS[usize::from(replicas == 0)];
            let mut builder = RedisServer::builder().cluster_node(timeout);
            if let Some(password) = password {
                builder = builder.password(password);
            }
            builder.start()
        }))
        .await;
        let cluster = Self { masters, nodes };
        cluster.join().await;
        cluster.replicate().await;
        cluster
    }

    /// All nodes meet the first one, and hear of each other.
    async fn join(&self) {
        for (number, node) in self.nodes.iter().enumerate() {
            let epoch = (number + 1).to_string();
            node.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        }
        for (number, master) in self.masters().iter().enumerate() {
            let share = |number: usize| number * SLOTS / self.masters;
            let first = share(number).to_string();
            let last = (share(number + 1) - 1).to_string();
            master
                .cli(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                .await;
        }
        for node in &self.nodes[1..] {
            let (port, bus) = (node.port().to_string(), node.bus_port().to_string());
            let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, &bus];
            self.nodes[0].cli(&meet).await;
        }
        for node in &self.nodes {
            until("the nodes to know each other", async || {
                let all = field(node, "cluster_known_nodes").await? == self.nodes.len().to_string();
                let up = field(node, "cluster_state").await? == "ok";
                (all && up).then_some(())
            })
            .await;
        }
    }

    async fn replicate(&self) {
        for (number, replica) in self.nodes.iter().enumerate().skip(self.masters) {
            let master = id(&self.nodes[number % self.masters]).await;
            replica.cli(&["CLUSTER", "REPLICATE", &master]).await;
        }
        for replica in &self.nodes[self.masters..] {
            replica.wait_until_replica_synced().await;
        }
        let replicas = self.nodes.len() - self.masters;
        for node in &self.nodes {
            until("the nodes to know of the replicas", async || {
                let nodes = node.cli(&["CLUSTER", "NODES"]).await.text().into_owned();
                let known = nodes.lines().filter(|line| line.contains("slave ")).count();
                (known == replicas).then_some(())
            })
            .await;
        }
    }

    /// The URL, which names all nodes.
    pub fn url(&self) -> String {
        self.url_as("")
    }

    /// The URL for a user, which is written as `user:password@`.
    pub fn url_as(&self, user: &str) -> String {
        let hosts = self.nodes.iter().map(|node| node.addr().to_string());
        let hosts = hosts.collect::<Vec<_>>().join(",");
        format!("redis+cluster://{user}{hosts}")
    }

    /// Those that were started as masters.
    pub fn masters(&self) -> &[RedisServer] {
        &self.nodes[..self.masters]
    }

    /// Those that were started as replicas, in the order of their masters.
    pub fn replicas(&self) -> &[RedisServer] {
        &self.nodes[self.masters..]
    }

    /// All of them.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The number, among those that were started as masters, of the one that has a key whose name contains `part`.
    pub async fn master_with(&self, part: &str) -> usize {
        until("a key to be there", async || {
            for (number, master) in self.masters().iter().enumerate() {
                if keys(master).await.iter().any(|key| key.contains(part)) {
                    return Some(number);
                }
            }
            None
        })
        .await
    }

    /// Returns when `replica` is a master, the others know, and all slots are served.
    pub async fn until_promoted(&self, replica: &RedisServer) {
        until("the replica to be promoted", async || {
            let role = replica.try_cli(&["ROLE"]).await.ok()?;
            (role.array().first()?.text() == "master").then_some(())
        })
        .await;
        for node in &self.nodes {
            until("the cluster to serve", async || {
                // One that is down need not know.
                let Some(state) = field(node, "cluster_state").await else {
                    return Some(());
                };
                (state == "ok").then_some(())
            })
            .await;
        }
    }

    /// The slots of a node that have keys in them.
    pub async fn slots_in_use(&self, node: &RedisServer) -> Vec<u16> {
        let mut slots = Vec::new();
        for key in keys(node).await {
            let slot = node.cli(&["CLUSTER", "KEYSLOT", &key]).await;
            slots.push(u16::try_from(slot.int()).expect("a slot"));
        }
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Moves a slot with all of its keys, as `redis-cli --cluster reshard` does.
    pub async fn move_slot(&self, slot: u16, from: &RedisServer, to: &RedisServer) {
        self.begin_move(slot, from, to).await;
        self.move_keys(slot, from, to).await;
        self.end_move(slot, from, to).await;
    }

    /// Begins to move a slot.
    pub async fn begin_move(&self, slot: u16, from: &RedisServer, to: &RedisServer) {
        let slot = slot.to_string();
        let source = id(from).await;
        to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source])
            .await;
        let target = id(to).await;
        from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target])
            .await;
    }

    /// Moves the keys that a slot has.
    pub async fn move_keys(&self, slot: u16, from: &RedisServer, to: &RedisServer) {
        let (slot, count) = (slot.to_string(), KEYS_AT_ONCE.to_string());
        let port = to.port().to_string();
        loop {
            let keys = from.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, &count]).await;
            let keys: Vec<_> = keys
                .array()
                .iter()
                .map(|key| key.text().into_owned())
                .collect();
            if keys.is_empty() {
                return;
            }
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            migrate.extend(keys.iter().map(String::as_str));
            from.cli(&migrate).await;
        }
    }

    /// Ends the move of a slot whose keys have been moved.
    pub async fn end_move(&self, slot: u16, from: &RedisServer, to: &RedisServer) {
        let (slot, target) = (slot.to_string(), id(to).await);
        for node in [to, from] {
            node.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &target])
                .await;
        }
    }
}

/// One field of `CLUSTER INFO`. `None` if the node does not answer.
async fn field(node: &RedisServer, name: &str) -> Option<String> {
    let info = node.try_cli(&["CLUSTER", "INFO"]).await.ok()?;
    let info = info.text().into_owned();
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned());
    info.lines().find_map(value)
}

async fn id(node: &RedisServer) -> String {
    node.cli(&["CLUSTER", "MYID"]).await.text().into_owned()
}

/// `None`, as it were, if the node does not answer.
async fn keys(node: &RedisServer) -> Vec<String> {
    let Ok(keys) = node.try_cli(&["KEYS", "*"]).await else {
        return Vec::new();
    };
    let keys = keys.array().iter().map(|key| key.text().into_owned());
    keys.collect()
}

/// The URL of a cluster of three masters that tests share, as [`shared_redis`](crate::shared_redis) is.
pub async fn shared_redis_cluster() -> String {
    static OF_THIS_PROCESS: OnceCell<RedisCluster> = OnceCell::const_new();
    if let Ok(url) = std::env::var(URL) {
        return url;
    }
    // Never dropped: the process ends, and the servers with it.
    let start = || RedisCluster::start(3, 0);
    OF_THIS_PROCESS.get_or_init(start).await.url()
}

//! What sagas cost: three steps that do nothing but have an output, with 1 and 32 sagas at a time; and a saga of
//! 1,000 steps beside one of 10.
//!
//! In memory the peer is `steno` with its own store in memory, which drops all that it is given; its sagas share
//! one graph. On Redis the floor is what such a saga cannot do without: 6 round trips of one small script, all on
//! one connection.
//!
//! `cargo bench -p coord-tests --bench sagas`, with `-- memory`, `-- redis` or `-- long` for one of them.

mod trivial;

use std::sync::Arc;
use std::time::{Duration, Instant};

use coord::store::{MemoryStore, RedisStore};
use coord::{Coordinator, saga};
use coord_tests::Proxy;
use coord_tests::bench::{Contestant, compare, median};
use coord_tests::redis::RedisServer;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use steno::{
    ActionContext, ActionError, ActionRegistry, DagBuilder, Node, SagaDag, SagaId, SagaName,
    SagaType, SecClient,
};

use self::trivial::{Trivial, fresh};

/// Short, so that what was stored goes away while others are measured.
const RETENTION: Duration = Duration::from_secs(2);
const AT_ONCE: [usize; 2] = [1, 32];

#[saga("long:<number>")]
#[derive(Serialize, Deserialize)]
struct Long {
    number: u64,
    items: Vec<u64>,
}

#[saga]
impl Long {
    #[step(each = items)]
    async fn step(&self, item: &u64) -> Result<u64, String> {
        std::future::ready(Ok(item + self.number)).await
    }
}

fn main() {
    let wanted: Vec<_> = std::env::args().collect();
    let names = ["memory", "redis", "long"];
    let all = !wanted.iter().any(|name| names.contains(&&**name));
    let runs = |name: &str| all || wanted.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        if runs("memory") {
            in_memory().await;
        }
        if runs("redis") {
            on_redis().await;
        }
        if runs("long") {
            long().await;
        }
    });
}

async fn in_memory() {
    for tasks in AT_ONCE {
        println!("\nthree trivial steps in memory, {tasks} at a time");
        let (steno, coord) = (Steno::new(), coordinator(MemoryStore::new()));
        let contestants = vec![
            Contestant::new("steno", move |_| steno.clone().cycle()),
            Contestant::new("coord", move |_| cycle(coord.clone())),
        ];
        compare(tasks, contestants).await;
    }
}

async fn on_redis() {
    let server = RedisServer::start().await;
    let coord = coordinator(RedisStore::connect(&server.url()).await.expect("a store"));
    let floor = Floor::connect(&server.url()).await;
    for tasks in AT_ONCE {
        println!("\nthree trivial steps on Redis, {tasks} at a time, one connection");
        let (floor, coord) = (floor.clone(), coord.clone());
        let contestants = vec![
            Contestant::new("6 scripts (floor)", move |_| floor.clone().cycle()),
            Contestant::new("coord", move |_| cycle(coord.clone())),
        ];
        compare(tasks, contestants).await;
    }
}

/// What a saga of 10 and one of 1,000 steps cost, on Redis.
async fn long() {
    const ROUNDS: usize = 7;
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let measured = coordinator(RedisStore::connect(&server.url()).await.expect("a store"));
    let counted = coordinator(RedisStore::connect(&proxy.url()).await.expect("a store"));
    println!("\na saga of many steps on Redis");
    for steps in [10, 1_000] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            run_long(&measured, steps).await;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        run_long(&counted, steps).await;
        // What cleans up behind the one before is gone, or is counted along.
        tokio::time::sleep(Duration::from_millis(50)).await;
        proxy.reset_counts();
        let sent = received_by(&server).await;
        run_long(&counted, steps).await;
        println!(
            "  {steps:>5} steps {:>9.2} ms {:>8} requests {:>9} bytes sent",
            median(times),
            proxy.requests(),
            received_by(&server).await - sent,
        );
    }
}

async fn run_long(coord: &Coordinator, steps: u64) {
    let long = Long {
        number: fresh(),
        items: (0..steps).collect(),
    };
    let done = long.run_with(coord).await.expect("a saga that ends well");
    assert_eq!(done.step.len() as u64, steps);
}

async fn received_by(server: &RedisServer) -> u64 {
    let received = server.info("total_net_input_bytes").await;
    received.parse().expect("a number")
}

fn coordinator(store: impl coord::store::Store) -> Coordinator {
    let builder = Coordinator::builder().store(store);
    builder.saga_retention(RETENTION).build()
}

async fn cycle(coord: Coordinator) {
    let number = fresh();
    let done = Trivial { number }.run_with(&coord).await;
    assert_eq!(done.expect("a saga that ends well").third, number + 2);
}

/// `steno`, with what its sagas have in common.
#[derive(Clone)]
struct Steno {
    sec: Arc<SecClient>,
    dag: Arc<SagaDag>,
    actions: Arc<ActionRegistry<Steps>>,
}

#[derive(Debug)]
struct Steps;

impl SagaType for Steps {
    type ExecContextType = ();
}

async fn first(context: ActionContext<Steps>) -> Result<u64, ActionError> {
    std::future::ready(context.saga_params()).await
}

async fn second(context: ActionContext<Steps>) -> Result<u64, ActionError> {
    let first: u64 = std::future::ready(context.lookup("first")).await?;
    Ok(first + 1)
}

async fn third(context: ActionContext<Steps>) -> Result<u64, ActionError> {
    let second: u64 = std::future::ready(context.lookup("second")).await?;
    Ok(second + 1)
}

impl Steno {
    fn new() -> Self {
        let mut actions = ActionRegistry::new();
        let mut dag = DagBuilder::new(SagaName::new("trivial"));
        let steps = [
            steno::new_action_noop_undo("first", first),
            steno::new_action_noop_undo("second", second),
            steno::new_action_noop_undo("third", third),
        ];
        for (step, name) in steps.into_iter().zip(["first", "second", "third"]) {
            dag.append(Node::action(name, name, &*step));
            actions.register(step);
        }
        let dag = dag.build().expect("a graph");
        let log = slog::Logger::root(slog::Discard, slog::o!());
        Self {
            sec: Arc::new(steno::sec(log, Arc::new(steno::InMemorySecStore::new()))),
            dag: Arc::new(SagaDag::new(dag, 1_u64.into())),
            actions: Arc::new(actions),
        }
    }

    async fn cycle(self) {
        let id = SagaId::new_v4();
        let created = self
            .sec
            .saga_create(id, Arc::new(()), self.dag, self.actions);
        let ended = created.await.expect("a saga");
        self.sec.saga_start(id).await.expect("a start");
        let done = ended.await.kind.expect("a saga that ends well");
        let third = done.lookup_node_output::<u64>("third");
        assert_eq!(third.expect("an output"), 3);
    }
}

/// One small script, six times.
#[derive(Clone)]
struct Floor {
    connection: MultiplexedConnection,
    append: String,
}

impl Floor {
    const APPEND: &str = "if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end \
        redis.call('RPUSH', KEYS[1], ARGV[2]) \
        if ARGV[1] == '5' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end return 1";

    async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a client");
        let connection = client.get_multiplexed_async_connection().await;
        let mut connection = connection.expect("a connection");
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(Self::APPEND);
        let append = load.query_async(&mut connection).await.expect("a script");
        Self { connection, append }
    }

    async fn cycle(mut self) {
        let key = format!("floor:{}", fresh());
        for length in 0..6 {
            let mut append = redis::cmd("EVALSHA");
            append.arg(&self.append).arg(1).arg(&key).arg(length);
            append.arg(
                "an event of some length, as it is stored of a step, with its output and a time",
            );
            append.arg(u64::try_from(RETENTION.as_millis()).expect("a short time"));
            let done: i64 = append
                .query_async(&mut self.connection)
                .await
                .expect("an append");
            assert_eq!(done, 1);
        }
    }
}

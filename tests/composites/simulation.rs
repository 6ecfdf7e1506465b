//! Processes that share a quorum, while its stores go down, hang, answer late or not at all, and lose their data.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coord::store::{Append, AppendRequest, Condition, Put, PutRequest, Quorum, Store};
use coord::testing::{Fault, FaultStore, Rule};
use coord::{Coordinator, Lease};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::server::Server;
use crate::{another, get, some};

/// How long the stores are troubled.
const TROUBLE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(3);

/// What all processes and the one who makes trouble share.
struct World {
    servers: Vec<Server>,
    /// Between each process and each server.
    links: Mutex<Vec<FaultStore>>,
    fence: Fence,
    /// What was acknowledged.
    results: Mutex<Vec<(String, String)>>,
    added: Mutex<u64>,
    entries: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

/// Sends the same until it is answered. The trouble ends, and then everything is.
macro_rules! until_known {
    ($send:expr) => {{
        let mut times = 0;
        loop {
            match $send.await {
                Ok(answer) => break answer,
                Err(error) => assert!(error.is_retryable() && times < 10_000, "{error:?}"),
            }
            times += 1;
            sleep(Duration::from_millis(30)).await;
        }
    }};
}

/// What a lock protects: it takes no smaller token than the greatest that it has seen.
#[derive(Default)]
struct Fence {
    state: Mutex<(u64, u32)>,
    /// Whether stores may lose so much that two can hold at once.
    overlaps: AtomicBool,
}

impl Fence {
    /// Somebody was granted the lease, and will use it: the token must be greater than that of all who were granted it
    /// before, so that those are refused from now on.
    fn enter(&self, lease: &Lease) {
        let token = u64::from(lease.token());
        let mut state = lock(&self.state);
        assert!(token > state.0, "{token} was granted after {}", state.0);
        let overlaps = self.overlaps.load(Ordering::SeqCst);
        assert!(state.1 == 0 || overlaps, "two hold the lease");
        *state = (token, state.1 + 1);
    }

    fn leave(&self) {
        lock(&self.state).1 -= 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    fn new(stores: usize) -> Arc<Self> {
        Arc::new(Self {
            servers: (0..stores).map(|_| Server::new()).collect(),
            links: Mutex::default(),
            fence: Fence::default(),
            results: Mutex::default(),
            added: Mutex::default(),
            entries: Mutex::default(),
            is_over: AtomicBool::new(false),
        })
    }

    /// The quorum of another process, over links that cut, delay and lose.
    fn process(&self, random: &mut StdRng) -> Quorum {
        let links: Vec<_> = self.servers.iter().cloned().map(FaultStore::new).collect();
        for link in &links {
            for fault in [Fault::BeforeSend, Fault::AfterSend, Fault::AfterApply] {
                link.inject(Rule::on_everything().one_in(60, random.random()), fault);
            }
            for (one_in, milliseconds) in [(3, 2), (9, 15), (50, 900)] {
                let delay = Fault::Delay(Duration::from_millis(milliseconds));
                link.inject(Rule::on_everything().one_in(one_in, random.random()), delay);
            }
        }
        lock(&self.links).extend(links.iter().cloned());
        Quorum::of(links)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Locks, holds for a while, and gives back, again and again.
    async fn contend(self: Arc<Self>, quorum: Quorum, mut random: StdRng) {
        let coord = Coordinator::builder().store(quorum).build();
        while !self.is_over() {
            let lock = coord.lock("resource").ttl(TTL).wait(Duration::from_secs(5));
            let Ok(lease) = lock.acquire().await else {
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            self.fence.enter(&lease);
            let work = Duration::from_millis(random.random_range(0..4_000));
            tokio::select! {
                biased;
                () = lease.lost() => {}
                () = sleep(work) => {}
            }
            self.fence.leave();
            let _ = lease.release().await;
        }
        coord.shutdown().await;
    }

    /// Writes results, adds to a number, and appends to a log, each until it is known to be done.
    async fn write(self: Arc<Self>, quorum: Quorum, writer: usize) {
        let mut number = 0;
        while !self.is_over() {
            number += 1;
            let (key, value) = (format!("result/{writer}/{number}"), format!("of {writer}"));
            let request = PutRequest::new(&*key, value.clone())
                .when(Condition::Absent)
                .listed();
            let answer = until_known!(quorum.put_record(&request));
            assert!(
                matches!(answer, Put::Stored(_)),
                "nobody else writes {key}: {answer:?}"
            );
            lock(&self.results).push((key, value));
            self.add(&quorum).await;
            self.append(&quorum, format!("{writer}/{number}")).await;
            sleep(Duration::from_millis(300)).await;
        }
    }

    async fn add(&self, quorum: &Quorum) {
        loop {
            let there = until_known!(quorum.get_record("sum"));
            let text = there
                .as_ref()
                .map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
            let sum: u64 = text.map_or(0, |text| text.parse().expect("a number"));
            let condition =
                there.map_or(Condition::Absent, |entry| Condition::Version(entry.version));
            let request = PutRequest::new("sum", (sum + 1).to_string()).when(condition);
            if let Put::Stored(_) = until_known!(quorum.put_record(&request)) {
                *lock(&self.added) += 1;
                return;
            }
        }
    }

    async fn append(&self, quorum: &Quorum, entry: String) {
        let mut len = 0;
        loop {
            let request = AppendRequest::new("log", len, entry.clone());
            match until_known!(quorum.append_log(&request)) {
                Append::Appended => {
                    lock(&self.entries).push(entry);
                    return;
                }
                Append::Conflict { len: now } => {
                    assert_ne!(now, len, "a conflict at the length that the log has");
                    len = now;
                }
            }
        }
    }

    /// Takes stores away and brings them back, so that a majority always keeps its data.
    async fn make_trouble(self: Arc<Self>, mut random: StdRng, loses_everything: bool) {
        let begun = tokio::time::Instant::now();
        let healer = another(&self.servers);
        let minority = (self.servers.len() - 1) / 2;
        while begun.elapsed() < TROUBLE {
            let mut victims: Vec<_> = self.servers.iter().collect();
            victims.shuffle(&mut random);
            victims.truncate(random.random_range(0..=minority));
            for victim in &victims {
                if random.random() {
                    victim.goes_down();
                } else {
                    victim.hangs();
                }
            }
            sleep(Duration::from_millis(random.random_range(10..6_000))).await;
            let links = lock(&self.links).clone();
            for link in links {
                // What is on the way to one that hangs never arrives.
                let _ = tokio::time::timeout(Duration::from_millis(5), link.deliver()).await;
            }
            let emptied = random.random_range(0..3) == 0;
            for victim in victims {
                if emptied {
                    victim.comes_back_empty();
                } else {
                    victim.comes_back();
                }
            }
            if loses_everything && random.random_range(0..4) == 0 {
                for server in &self.servers {
                    server.comes_back_empty();
                }
            }
            sleep(Duration::from_millis(random.random_range(0..1_000))).await;
            if emptied {
                until_known!(healer.repair());
            }
        }
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Whatever was acknowledged is there, once, and whichever stores answer.
    async fn check(&self) {
        let quorum = another(&self.servers);
        quorum.repair().await.expect("all stores are there");
        let (results, added) = (lock(&self.results).clone(), *lock(&self.added));
        let mut entries = lock(&self.entries).clone();
        entries.sort_unstable();
        for (away, server) in self.servers.iter().enumerate() {
            server.goes_down();
            for (key, value) in &results {
                assert_eq!(
                    get(&quorum, key).await.unwrap().as_ref(),
                    Some(value),
                    "without {away}"
                );
            }
            let sum = get(&quorum, "sum").await.unwrap();
            assert_eq!(sum, some(&added.to_string()));
            let log = quorum.read_log("log", 0, usize::MAX).await.unwrap();
            let mut log: Vec<_> = log
                .iter()
                .map(|entry| String::from_utf8_lossy(entry).into_owned())
                .collect();
            log.sort_unstable();
            assert_eq!(log, entries);
            server.comes_back();
        }
    }
}

async fn simulate(seed: u64, stores: usize, loses_everything: bool) {
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::new(stores);
    world
        .fence
        .overlaps
        .store(loses_everything, Ordering::SeqCst);
    assert_eq!(
        get(&another(&world.servers), "founded").await.unwrap(),
        None
    );
    let mut tasks = JoinSet::new();
    for index in 0..3 {
        let (contender, writer) = (world.process(&mut random), world.process(&mut random));
        let own = StdRng::seed_from_u64(random.random());
        tasks.spawn(Arc::clone(&world).contend(contender, own));
        if !loses_everything {
            tasks.spawn(Arc::clone(&world).write(writer, index));
        }
    }
    let own = StdRng::seed_from_u64(random.random());
    tasks.spawn(Arc::clone(&world).make_trouble(own, loses_everything));
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap_or_else(|problem| panic!("with seed {seed}: {problem}"));
    }
    if !loses_everything {
        assert!(!lock(&world.results).is_empty(), "something gets done");
        world.check().await;
    }
    assert!(lock(&world.fence.state).0 > 0, "somebody got in");
}

#[tokio::test(start_paused = true)]
async fn one_of_three_stores_is_always_in_trouble() {
    for _ in 0..2 {
        simulate(rand::random(), 3, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_of_five_stores_are_always_in_trouble() {
    for _ in 0..3 {
        simulate(rand::random(), 5, false).await;
    }
}

/// Then two can hold at once, but the later one has the greater token, and what the lock protects refuses the other.
#[tokio::test(start_paused = true)]
async fn stores_that_lose_everything_give_no_two_tokens_that_a_fence_accepts() {
    for _ in 0..2 {
        simulate(rand::random(), 3, true).await;
    }
}

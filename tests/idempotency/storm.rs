//! Many processes call many keys, while they are killed and paused at random.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coord::store::{PutRequest, RedisStore, Store};
use coord_tests::{RedisServer, Worker, until};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::processes::worker;

const NAMESPACE: &str = "storm";
/// Short, so that a worker that was killed holds the others up for no longer.
const LEASE: Duration = Duration::from_millis(400);
const WORKERS: usize = 4;
const KEYS: usize = 2_000;
/// How often each key is called, by all workers together.
const CALLS: usize = 20;
/// How often somebody is killed or paused, in turns.
const ACCIDENTS: usize = 12;

/// What the callers of each key were told.
#[derive(Default)]
struct Told {
    values: HashMap<String, String>,
    returned: usize,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let got = line
            .strip_prefix("got ")
            .and_then(|got| got.split_once(' '));
        let (key, value) = got.unwrap_or_else(|| panic!("the worker wrote {line:?}"));
        let first = self
            .values
            .entry(key.to_owned())
            .or_insert_with(|| value.to_owned());
        assert_eq!(first, value, "the callers of {key} saw two values");
        self.returned += 1;
    }
}

enum Accident {
    Kill,
    Pause,
    Resume,
}

/// Hears out one worker, and lets happen to it what is ordered.
async fn attend(
    mut worker: Worker,
    mut orders: mpsc::UnboundedReceiver<Accident>,
    told: Arc<Mutex<Told>>,
) {
    worker.send_line(&format!("storm {KEYS} {}", CALLS / WORKERS));
    loop {
        tokio::select! {
            Some(accident) = orders.recv() => match accident {
                Accident::Kill => worker.kill(),
                Accident::Pause => worker.pause(),
                Accident::Resume => worker.resume(),
            },
            line = worker.next_line() => match line.as_deref() {
                None | Some("done") => return,
                Some(line) => told.lock().unwrap().hear(line),
            },
        }
    }
}

struct Crew {
    url: String,
    told: Arc<Mutex<Told>>,
    orders: Vec<mpsc::UnboundedSender<Accident>>,
    attending: JoinSet<()>,
}

impl Crew {
    async fn hire(&mut self) {
        let worker = worker(&self.url, NAMESPACE, LEASE).await;
        let (orders, ordered) = mpsc::unbounded_channel();
        self.orders.push(orders);
        self.attending
            .spawn(attend(worker, ordered, Arc::clone(&self.told)));
    }

    /// Takes out any that still works.
    fn pick(&mut self) -> mpsc::UnboundedSender<Accident> {
        self.orders.retain(|orders| !orders.is_closed());
        let any = rand::random_range(0..self.orders.len());
        self.orders.swap_remove(any)
    }
}

/// Returns when a lease that began before has ended by the server's clock.
async fn until_a_lease_has_ended(store: &RedisStore) {
    let hourglass = PutRequest::new("hourglass", "").ttl(LEASE + Duration::from_millis(100));
    store.put_record(&hourglass).await.expect("a put");
    until("the hourglass", async || {
        let left = store.get_record("hourglass").await.expect("an answer");
        left.is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_callers_of_a_key_see_one_value_while_processes_are_killed_and_paused() {
    let server = RedisServer::start().await;
    let store = RedisStore::connect(&server.url()).await.expect("a server");
    let mut crew = Crew {
        url: server.url(),
        told: Arc::default(),
        orders: Vec::new(),
        attending: JoinSet::new(),
    };
    for _ in 0..WORKERS {
        crew.hire().await;
    }
    for number in 0..ACCIDENTS {
        // The first ones come while most keys are new.
        let milestone = KEYS * CALLS / WORKERS * number * number / (ACCIDENTS * ACCIDENTS);
        until("calls to return", async || {
            (crew.told.lock().unwrap().returned >= milestone).then_some(())
        })
        .await;
        let victim = crew.pick();
        if number % 2 == 0 {
            let _ = victim.send(Accident::Kill);
            crew.hire().await;
        } else {
            let _ = victim.send(Accident::Pause);
            until_a_lease_has_ended(&store).await;
            let _ = victim.send(Accident::Resume);
            crew.orders.push(victim);
        }
    }
    while let Some(attended) = crew.attending.join_next().await {
        attended.expect("a worker whose callers agree");
    }
    let told = crew.told.lock().unwrap();
    assert_eq!(told.values.len(), KEYS, "every key has a value");
    assert!(told.returned >= KEYS * CALLS / 2, "{}", told.returned);
}

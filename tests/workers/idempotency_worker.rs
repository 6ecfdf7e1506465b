//! A process that makes idempotent calls as it is told, and tells what becomes of them.
//!
//! Arguments: the store's URL, the namespace, and the lease of its calls in milliseconds. Commands, a line each,
//! and what is said to them:
//!
//! | command | |
//! |---|---|
//! | `call <key>` | `body <attempt>` when the body begins; at the end `executed <value>`, `replayed <value>` or `failed <error>` |
//! | `go on` | lets the body go on |
//! | `many <key> <count>` | so many calls at once, whose bodies do not wait to go on; then `ran <count> <value>`: how many bodies began, and the value that all got |
//! | `storm <keys> <calls>` | so many calls of each of so many keys, whose bodies do not wait; `got <key> <value>` for each call that returns, then `done` |
//!
//! A value is 64 random bits: each body has one of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coord::{Coordinator, Error, IdempotencyContext, Outcome};
use coord_tests::store_at;
use coord_tests::worker::{Commands, say};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// How many calls of a storm are under way at once.
const AT_ONCE: usize = 64;

#[derive(Clone)]
struct Caller {
    coord: Coordinator,
    lease: Duration,
}

impl Caller {
    /// A call whose body waits to go on.
    async fn call(self, key: String, go_on: Arc<Notify>) {
        let call = self.coord.idempotency(key).lease(self.lease);
        let outcome = call.outcome_with(async |ctx: &IdempotencyContext| {
            say(format_args!("body {}", ctx.attempt()));
            go_on.notified().await;
            Ok::<_, Error>(rand::random::<u64>())
        });
        match outcome.await {
            Ok(Outcome::Executed(value)) => say(format_args!("executed {value}")),
            Ok(Outcome::Replayed(value)) => say(format_args!("replayed {value}")),
            Err(error) => say(format_args!("failed {error}")),
        }
    }

    /// A call whose body does not wait.
    async fn get(&self, key: &str, ran: &AtomicU64) -> Result<u64, Error> {
        let call = self.coord.idempotency(key).lease(self.lease);
        call.run(async || {
            ran.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(rand::random())
        })
        .await
    }

    async fn many(&self, key: &str, count: usize) {
        let ran = Arc::new(AtomicU64::new(0));
        let mut calls = JoinSet::new();
        for _ in 0..count {
            let (caller, key, ran) = (self.clone(), key.to_owned(), Arc::clone(&ran));
            calls.spawn(async move { caller.get(&key, &ran).await.expect("a value") });
        }
        let mut values = calls.join_all().await;
        values.dedup();
        let [value] = values[..] else {
            panic!("one key has {} values", values.len());
        };
        say(format_args!("ran {} {value}", ran.load(Ordering::SeqCst)));
    }

    /// Goes round the keys, beginning somewhere, so that processes meet.
    async fn storm(&self, keys: usize, calls: usize) {
        let ran = Arc::new(AtomicU64::new(0));
        let begin: usize = rand::random_range(0..keys);
        let mut under_way = JoinSet::new();
        for number in 0..keys * calls {
            if under_way.len() >= AT_ONCE {
                under_way.join_next().await;
            }
            let (caller, ran) = (self.clone(), Arc::clone(&ran));
            let key = format!("s{}", (begin + number) % keys);
            under_way.spawn(async move {
                // One that was paused for too long has lost its turn; nothing is told of it.
                if let Ok(value) = caller.get(&key, &ran).await {
                    say(format_args!("got {key} {value}"));
                }
            });
        }
        under_way.join_all().await;
        say("done");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, namespace, lease] = &*arguments else {
        panic!("a URL, a namespace and a lease");
    };
    let store = store_at(url).await;
    let caller = Caller {
        coord: Coordinator::builder()
            .store(store)
            .namespace(namespace)
            .build(),
        lease: Duration::from_millis(lease.parse().expect("a lease in milliseconds")),
    };

    let mut commands = Commands::listen();
    let go_on = Arc::new(Notify::new());
    say("ready");
    loop {
        let command = commands.next().await;
        match &*command.split(' ').collect::<Vec<_>>() {
            ["call", key] => {
                let call = caller.clone().call((*key).to_owned(), Arc::clone(&go_on));
                tokio::spawn(call);
            }
            ["many", key, count] => {
                caller.many(key, count.parse().expect("a count")).await;
            }
            ["storm", keys, calls] => {
                let [keys, calls] = [keys, calls].map(|count| count.parse().expect("a count"));
                caller.storm(keys, calls).await;
            }
            _ => go_on.notify_one(),
        }
    }
}

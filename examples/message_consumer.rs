//! Consumers of a queue that delivers at least once, in any order, to any of them.
//!
//! `cargo run --example message_consumer`
//!
//! Three consumers get each message, one of them twice, and one of them fails at its first attempt. Every
//! message has its effect once.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use coord::{Coordinator, Outcome};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize)]
struct Message {
    id: u32,
    account: &'static str,
    amount: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Booked {
    balance: i64,
}

/// The books, and how often each message was attempted.
#[derive(Default)]
struct Books {
    balances: BTreeMap<&'static str, i64>,
    attempts: BTreeMap<u32, u32>,
}

type Shared = Arc<Mutex<Books>>;

fn books(shared: &Shared) -> std::sync::MutexGuard<'_, Books> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The queue gives a message again until somebody has acknowledged it, which is what `Ok` stands for here.
async fn consume(
    coord: &Coordinator,
    shared: &Shared,
    message: &Message,
) -> Result<Outcome<Booked>, coord::Error> {
    let call = coord
        .idempotency(coord::key!("message:<message.id>"))
        .fingerprint(message);
    call.outcome(async || {
        // Others of this consumer's kind are running now; none of them is in here for this message.
        tokio::task::yield_now().await;
        let mut books = books(shared);
        let attempt = books.attempts.entry(message.id).or_default();
        *attempt += 1;
        if message.id == 3 && *attempt == 1 {
            // What went wrong is not a result: the next delivery tries again.
            return Err(coord::Error::NotInstalled);
        }
        let balance = books.balances.entry(message.account).or_default();
        *balance += message.amount;
        Ok(Booked { balance: *balance })
    })
    .await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coord = Coordinator::connect("memory:").await?;
    let shared = Shared::default();
    let messages: Vec<_> = (1..=5)
        .map(|id| Message {
            id,
            account: if id % 2 == 0 { "rent" } else { "food" },
            amount: 100,
        })
        .collect();

    let mut consumers = Vec::new();
    for consumer in 1..=3 {
        let (coord, shared, messages) = (coord.clone(), Arc::clone(&shared), messages.clone());
        consumers.push(tokio::spawn(async move {
            let mut executed = 0;
            for message in messages.iter().chain(messages.iter().rev()) {
                match consume(&coord, &shared, message).await {
                    Ok(outcome) => executed += u32::from(!outcome.is_replayed()),
                    Err(error) => println!("consumer {consumer}, message {}: {error}", message.id),
                }
            }
            println!("consumer {consumer} executed {executed} messages");
            executed
        }));
    }
    let mut executed = 0;
    for consumer in consumers {
        executed += consumer.await?;
    }

    coord.shutdown().await;
    let books = books(&shared);
    assert_eq!(executed, 5, "each message was executed by one consumer");
    assert_eq!(
        books.balances,
        BTreeMap::from([("food", 300), ("rent", 200)])
    );
    assert_eq!(books.attempts[&3], 2, "the one that failed was tried again");
    println!("30 deliveries of 5 messages: {:?}", books.balances);
    Ok(())
}

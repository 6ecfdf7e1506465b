//! A process that dies in the middle of a saga, and the next one that finishes it.
//!
//! `COORD_URL=redis://127.0.0.1:6379 cargo run --example crash`, twice: with a store that outlives the process,
//! the first start really kills itself, and the second one recovers what it left.
//!
//! `cargo run --example crash`: a store in memory dies with its process, so this program plays both of them, each
//! with a runtime of its own, over one store. Dropping the first runtime stands in for its death.

use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{env, process};

use coord::saga::{SagaFilter, SagaState};
use coord::store::{MemoryStore, Store};
use coord::{Coordinator, StepContext, saga};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// How long a process counts as alive after it was last heard of.
const ALIVE_FOR: Duration = Duration::from_secs(2);

#[saga("crash:<number>")]
#[derive(Serialize, Deserialize)]
struct Order {
    number: u64,
}

#[saga(name = "crash-example")]
impl Order {
    #[step]
    async fn reserve(&self, ctx: &StepContext) -> Result<String, String> {
        work(&format!("reserve: attempt {}", ctx.attempt())).await;
        Ok(format!("cup for order {}", self.number))
    }

    /// Dies after it has had its effect and before that is stored. So it is run again, under the same key.
    #[step]
    async fn charge(&self, ctx: &StepContext, #[dep] death: &Death) -> Result<String, String> {
        let (attempt, key) = (ctx.attempt(), ctx.idempotency_key());
        work(&format!("charge:  attempt {attempt}, key {key}")).await;
        if attempt == 1 {
            death.comes().await;
        }
        Ok("charged".to_owned())
    }

    #[step]
    async fn ship(&self, reserve: &str, charge: &str) -> Result<String, String> {
        work("ship").await;
        Ok(format!("{reserve}: {charge} and shipped"))
    }
}

/// How a process dies.
#[derive(Clone)]
enum Death {
    /// At once, without a word to anybody.
    Real,
    /// Whoever waits for this takes its runtime away.
    Played(Arc<Notify>),
}

impl Death {
    async fn comes(&self) {
        match self {
            Self::Real => {
                say("dies here; start it again");
                process::abort();
            }
            Self::Played(comes) => {
                say("the first process dies here");
                comes.notify_one();
                pending::<()>().await;
            }
        }
    }
}

/// What a process does, whether it is the first or not.
async fn live(store: Arc<dyn Store>, death: Death) -> Result<(), Box<dyn Error + Send + Sync>> {
    let coord = Coordinator::builder()
        .store_arc(store)
        .lock_ttl(ALIVE_FOR)
        .provide(death)
        .build();
    let left_behind = left_behind(&coord).await?;
    // From here on, whatever a dead process has left is gone on with in the background.
    coord.recovery().every(ALIVE_FOR / 4).spawn()?;

    let number = if let Some(number) = left_behind {
        say(&format!("order {number} was left behind"));
        number
    } else {
        let number = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        say(&format!("order {} begins", number.as_secs()));
        number.as_secs()
    };
    // This waits for the end of a saga that is there already.
    let done = Order { number }.run_with(&coord).await?;
    say(&done.ship);
    coord.shutdown().await;
    Ok(())
}

/// The order that a process before this one has begun and not finished.
async fn left_behind(coord: &Coordinator) -> Result<Option<u64>, coord::Error> {
    let running = SagaFilter::new()
        .name("crash-example")
        .state(SagaState::Running);
    let page = coord.sagas().list(running).await?;
    // The id is the name and the key.
    Ok(page.sagas.first().and_then(|saga| {
        let (_, number) = saga.id.rsplit_once(':')?;
        number.parse().ok()
    }))
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let url = env::var("COORD_URL").unwrap_or_else(|_| "memory:".to_owned());
    if url.starts_with("memory:") {
        return play_both();
    }
    Runtime::new()?.block_on(async {
        let store = Arc::clone(Coordinator::connect(&url).await?.store());
        live(store, Death::Real).await
    })
}

/// Two processes in one, because a store in memory would die with the first.
fn play_both() -> Result<(), Box<dyn Error + Send + Sync>> {
    println!(
        "No COORD_URL names a store that outlives a process: this one plays both, over one memory."
    );
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let dies = Arc::new(Notify::new());

    let first = Runtime::new()?;
    first.spawn(live(Arc::clone(&store), Death::Played(Arc::clone(&dies))));
    first.block_on(dies.notified());
    // All its tasks are gone, and nothing is given back.
    drop(first);

    say("the second process starts");
    Runtime::new()?.block_on(live(store, Death::Played(dies)))
}

/// What a step does elsewhere.
async fn work(what: &str) {
    say(what);
    tokio::time::sleep(Duration::from_millis(200)).await;
}

fn say(what: &str) {
    println!("  [{}] {what}", process::id());
}

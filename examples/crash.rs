//! A process that dies in the middle of a saga, and the next one that finishes it.
//!
//! `cargo run --example crash`, twice: the first start kills itself, and the second one recovers what it left. What
//! they both know is in a file in the folder for temporary files, or in the store that `COORD_URL` names:
//!
//! `COORD_URL=redis://127.0.0.1:6379 cargo run --example crash`

use std::error::Error;
use std::time::{Duration, SystemTime};
use std::{env, process};

use coord::saga::{SagaFilter, SagaState};
use coord::{Coordinator, StepContext, saga, store};
use serde::{Deserialize, Serialize};

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
    async fn charge(&self, ctx: &StepContext) -> Result<String, String> {
        let (attempt, key) = (ctx.attempt(), ctx.idempotency_key());
        work(&format!("charge:  attempt {attempt}, key {key}")).await;
        if attempt == 1 {
            say("dies here; start it again");
            process::abort();
        }
        Ok("charged".to_owned())
    }

    #[step]
    async fn ship(&self, reserve: &str, charge: &str) -> Result<String, String> {
        work("ship").await;
        Ok(format!("{reserve}: {charge} and shipped"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("COORD_URL").unwrap_or_else(|_| in_a_file());
    let coord = Coordinator::builder()
        .store(store::connect(&url).await?)
        .lock_ttl(ALIVE_FOR)
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

fn in_a_file() -> String {
    let path = env::temp_dir().join("coord-crash.db");
    format!("sqlite:{}", path.display())
}

/// What a step does elsewhere.
async fn work(what: &str) {
    say(what);
    tokio::time::sleep(Duration::from_millis(200)).await;
}

fn say(what: &str) {
    println!("  [{}] {what}", process::id());
}

//! A store as a plain key-value store: seven operations that every store has, one's own too.
//!
//! `cargo run --example key_value`; with `COORD_URL=redis://127.0.0.1:6379`, on Redis.
//!
//! There is no line, no renewal and no fencing in these: for locks use `Coordinator::lock`.

use std::error::Error;
use std::time::Duration;

use coord::store::{self, StoreExt};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("COORD_URL").unwrap_or_else(|_| "memory:".to_owned());
    let store = store::connect(&url).await?;
    // New in each run, in case the store outlives it.
    let key = format!("example/{}", std::process::id());

    assert!(store.try_acquire(&key, "worker-1", MINUTE).await?);
    assert!(!store.try_acquire(&key, "worker-2", MINUTE).await?, "taken");
    assert!(!store.release(&key, "worker-2").await?, "not its own");
    assert!(store.release(&key, "worker-1").await?);
    println!("acquired by one, released by its owner");

    assert!(!store.exists(&key).await?);
    assert!(store.try_set(&key, "first", MINUTE).await?);
    assert!(
        !store.try_set(&key, "second", MINUTE).await?,
        "there is one"
    );
    store.set(&key, "third", MINUTE).await?;
    assert_eq!(store.get(&key).await?.as_deref(), Some(&b"third"[..]));
    println!("set, set if there is none, and read");

    assert!(
        !store.compare_and_delete(&key, "first").await?,
        "another value"
    );
    assert!(store.compare_and_delete(&key, "third").await?);
    assert_eq!(store.get(&key).await?, None);
    println!("deleted by its value");
    Ok(())
}

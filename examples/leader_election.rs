//! One leader among several candidates, and a next one at once when it steps down.
//!
//! `cargo run --example leader_election`
//!
//! A leader that dies is replaced after its ttl. One that was paused and does not know it yet has a smaller token than
//! its successor, so whatever takes orders from leaders can refuse it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use coord::Coordinator;
use coord::store::MemoryStore;
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(MemoryStore::new());
    let node = || Coordinator::builder().store(store.clone()).build();
    let stand = |name: &'static str| {
        node()
            .election("scheduler")
            .candidate(name)
            .ttl(Duration::from_secs(10))
    };

    let (elected, mut news) = mpsc::unbounded_channel();
    let mut candidates = Vec::new();
    for name in ["node-1", "node-2", "node-3"] {
        let (election, elected) = (stand(name), elected.clone());
        candidates.push(tokio::spawn(async move {
            let leadership = election.campaign().await?;
            let _ = elected.send((name, leadership));
            Ok::<_, coord::Error>(())
        }));
        // They stand in this order, and so they are elected.
        tokio::task::yield_now().await;
    }

    // Anybody can follow who leads, without standing.
    let mut observer = node().election("scheduler").observe();
    let (name, first) = news.recv().await.ok_or("nobody was elected")?;
    let seen = observer.changed().await?.ok_or("nobody leads")?;
    assert_eq!((name, &*seen.name), ("node-1", "node-1"));
    println!("{name} leads, with token {}", first.token());

    let first_token = first.token();
    first.resign().await?;
    let (name, second) = news.recv().await.ok_or("nobody was elected")?;
    assert_eq!(name, "node-2");
    assert!(second.token() > first_token);
    let seen = observer.changed().await?.ok_or("nobody leads")?;
    assert_eq!(&*seen.name, "node-2");
    println!(
        "{name} leads after it stepped down, with token {}",
        second.token()
    );

    // This one is dropped without a word, as leaders that panic are.
    drop(second);
    let (name, third) = news.recv().await.ok_or("nobody was elected")?;
    assert_eq!(name, "node-3");
    println!("{name} leads at last, with token {}", third.token());
    third.resign().await?;
    for candidate in candidates {
        candidate.await??;
    }
    assert!(stand("node-4").leader().await?.is_none());
    Ok(())
}

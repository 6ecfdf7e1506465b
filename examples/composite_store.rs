//! Stores made of stores: a majority that goes on when one is lost, and keys that go their own ways.
//!
//! `cargo run --example composite_store`
//!
//! Three servers are played by stores in memory, one of which fails whatever it is asked.

use std::error::Error;

use coord::Coordinator;
use coord::store::{MemoryStore, Quorum, Routed, StoreExt};
use coord::testing::{Fault, FaultStore, Rule};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let servers = [(); 3].map(|()| FaultStore::new(MemoryStore::new()));
    let [one, two, _] = &servers;
    let quick = MemoryStore::new();
    // What is short-lived goes to a store of its own, and everything else to the majority.
    let store = Routed::new(Quorum::of(servers.clone())).route("shop/lock/quick", quick);
    let coord = Coordinator::builder()
        .store(store)
        .namespace("shop")
        .build();

    let held = coord.lock("order:42").acquire().await?;
    let token = held.token();
    held.release().await?;
    println!("three servers: token {token}");

    one.inject(Rule::on_everything(), Fault::BeforeSend);
    let held = coord.lock("order:42").acquire().await?;
    assert!(held.token() > token, "tokens go on growing");
    println!("two servers:   token {}", held.token());
    let paid = coord.idempotency("payment:42");
    assert_eq!(paid.run(async || Ok::<_, coord::Error>(999)).await?, 999);

    // With one of three there is no majority. Nothing is granted, rather than twice.
    two.inject(Rule::on_everything(), Fault::BeforeSend);
    assert!(coord.store().set("plain", "value", None).await.is_err());
    println!("one server:    nothing is granted");
    let quick = coord.lock("quick:7").acquire().await?;
    quick.release().await?;
    println!("               but what goes to a store of its own goes on");

    one.heal();
    two.heal();
    held.release().await?;
    let paid = coord.idempotency("payment:42");
    let again = paid.run(async || Ok::<_, coord::Error>(1)).await?;
    assert_eq!(again, 999, "what a majority has is kept");
    println!("three servers: the payment is replayed");
    coord.shutdown().await;
    Ok(())
}

//! Three trivial steps on PostgreSQL: as a saga of coord, and as a workflow of `dbos`, in one run, on one server that
//! waits for the disk, each in a schema of its own and with as many connections as it opens by itself.
//!
//! `cargo run --release --bin dbos` in this folder.

#[path = "../../../trivial/mod.rs"]
mod trivial;

use std::time::Duration;

use coord::Coordinator;
use coord::store::PostgresStore;
use coord_tests::PostgresServer;
use coord_tests::bench::{Contestant, compare};
use dbos::{Config, DBOS, step};

use self::trivial::{Trivial, fresh};

const RETENTION: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() {
    let server = PostgresServer::builder().durable().start().await;
    let store = PostgresStore::connect(&server.url()).await;
    let coord = Coordinator::builder().store(store.expect("a store"));
    let coord = coord.saga_retention(RETENTION).build();
    let peer = DBOS::new(Config {
        app_version: Some("1".to_owned()),
        ..Config::new("comparison", server.url())
    });
    let workflow = peer.register_workflow("trivial", |number: u64| async move {
        let first = step("first", || async move { Ok::<_, dbos::Error>(number) }).await?;
        let second = step("second", || async move { Ok::<_, dbos::Error>(first + 1) }).await?;
        step("third", || async move { Ok::<_, dbos::Error>(second + 1) }).await
    });
    let workflow = workflow.expect("a workflow");
    peer.launch().await.expect("a launch");
    for tasks in [1, 32] {
        println!("\nthree trivial steps on PostgreSQL, {tasks} at a time");
        let (coord, workflow) = (coord.clone(), workflow.clone());
        let contestants = vec![
            Contestant::new("dbos", move |_| {
                let workflow = workflow.clone();
                async move {
                    workflow.run(fresh()).await.expect("a workflow that ends");
                }
            }),
            Contestant::new("coord", move |_| {
                let coord = coord.clone();
                async move {
                    let saga = Trivial { number: fresh() };
                    saga.run_with(&coord).await.expect("a saga that ends");
                }
            }),
        ];
        compare(tasks, contestants).await;
    }
}

//! A process that makes an idempotent call in a transaction, and ends it as it is told.
//!
//! Arguments: the server's URL, the key, and the table for the effect. It says `executed` or `replayed`, and then takes
//! one command:
//!
//! | command | |
//! |---|---|
//! | `commit` | `committed` |
//! | `stand` | `stands`, with the transaction open |

use coord::store::PostgresStore;
use coord::{Coordinator, Outcome};
use coord_tests::postgres::client_of;
use coord_tests::worker::{Commands, say};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, key, table] = &*arguments else {
        panic!("a URL, a key and a table");
    };
    let store = PostgresStore::connect(url).await.expect("a server");
    let coord = Coordinator::builder().store(store).build();
    let mut commands = Commands::listen();
    let mut client = client_of(url).await;
    let mut tx = client.transaction().await.expect("a transaction");
    let outcome = coord
        .idempotency(key.as_str())
        .outcome_in(&mut tx, async |tx| {
            let insert = format!("INSERT INTO {table} VALUES (7) RETURNING effect");
            let row = tx.query_one(&insert, &[]).await?;
            Ok::<i64, Box<dyn std::error::Error>>(row.get(0))
        })
        .await
        .expect("a call that succeeds");
    say(match outcome {
        Outcome::Executed(_) => "executed",
        Outcome::Replayed(_) => "replayed",
    });
    match &*commands.next().await {
        "commit" => {
            tx.commit().await.expect("a commit");
            say("committed");
        }
        _ => say("stands"),
    }
    std::future::pending::<()>().await;
}

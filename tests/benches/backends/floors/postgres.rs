//! Two upserts of a row that commit, prepared, on a connection of each task's own.

use std::sync::Arc;

use coord_tests::PostgresServer;

use super::{Connections, Floor};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS floor (key text PRIMARY KEY, value bigint)";
const UPSERT: &str =
    "INSERT INTO floor VALUES ($1, 1) ON CONFLICT (key) DO UPDATE SET value = floor.value + 1";

pub(crate) async fn floor(server: &PostgresServer, connections: usize) -> Floor {
    let mut all = Vec::new();
    for _ in 0..connections {
        let client = server.client().await;
        client.batch_execute(TABLE).await.expect("a table");
        let upsert = client.prepare(UPSERT).await.expect("a statement");
        all.push((client, upsert));
    }
    let connections = Connections::new(all);
    super::floor(move |key| {
        let connections = Arc::clone(&connections);
        async move {
            let (client, upsert) = connections.next();
            for _ in 0..2 {
                client.execute(upsert, &[&key]).await.expect("a commit");
            }
        }
    })
}

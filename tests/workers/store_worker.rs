//! A process that writes into a store without pause, from many tasks, until it is killed, and tells what was
//! acknowledged.
//!
//! Arguments: the store's URL, and a prefix for all names. A line for each thing, after the store has answered:
//!
//! | line | |
//! |---|---|
//! | `put <key>` | the record has its key for its value |
//! | `log <log> <length>` | the log has so many entries |
//! | `token <token>` | of a lease of the resource `<prefix>/lease`, which was given back |

use std::sync::Arc;
use std::time::Duration;

use coord::store::{
    Acquired, Append, AppendRequest, LeaseRequest, PutRequest, Renewed, Result, Store,
};
use coord_tests::store_at;
use coord_tests::worker::{Commands, say};

const TASKS: usize = 6;
/// Longer than any test: whoever comes after a kill waits for no lease.
const TTL: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, prefix] = &*arguments else {
        panic!("a URL and a prefix");
    };
    let store = store_at(url).await;
    let _ends_with_the_test = Commands::listen();
    for task in 0..TASKS {
        let (store, prefix) = (Arc::clone(&store), prefix.clone());
        tokio::spawn(async move {
            work(&*store, &prefix, task)
                .await
                .expect("the store answers");
        });
    }
    std::future::pending::<()>().await;
}

async fn work(store: &dyn Store, prefix: &str, task: usize) -> Result<()> {
    for round in 0_u64.. {
        let key = format!("{prefix}/{task}/{round}");
        store
            .put_record(&PutRequest::new(&*key, key.clone()))
            .await?;
        say(format_args!("put {key}"));

        let log = format!("{prefix}/log/{task}");
        let append = AppendRequest::new(&*log, round, round.to_string());
        assert_eq!(store.append_log(&append).await?, Append::Appended);
        say(format_args!("log {log} {}", round + 1));

        let request = LeaseRequest::exclusive(format!("{prefix}/lease"), TTL).queue(TTL);
        let token = enter(store, &request).await?;
        store.release_lease(&request.lease).await?;
        say(format_args!("token {token}"));
    }
    Ok(())
}

async fn enter(store: &dyn Store, request: &LeaseRequest) -> Result<u64> {
    let mut wake = match store.acquire_lease(request).await? {
        Acquired::Granted(token) => return Ok(token.into()),
        Acquired::Waiting { wake, .. } => wake,
        Acquired::Busy => panic!("it queues"),
    };
    loop {
        let _ = tokio::time::timeout(TTL / 4, wake.changed()).await;
        match store.renew_leases(&[request.renewal()]).await.remove(0)? {
            Renewed::Granted(token) => return Ok(token.into()),
            Renewed::Waiting { .. } => {}
            Renewed::Gone => panic!("it renews"),
        }
    }
}

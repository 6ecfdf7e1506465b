//! A process that adds to the counter in a file, one by one, each time under the lock.
//!
//! Arguments: the store's URL, the namespace, the counter's file, and the count to stop at. It says
//! `done` and the count when the counter has got there.

mod counter;

use std::path::Path;
use std::time::Duration;

use coord::{Coordinator, Error};

use coord_tests::store_at;
use coord_tests::worker::{Commands, say};

use counter::Counter;

/// Short, so that a worker that was killed holds the others up for no longer.
const TTL: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, namespace, file, goal] = &*arguments else {
        panic!("a URL, a namespace, a file and a goal");
    };
    let goal: u64 = goal.parse().expect("a goal");
    let counter = Counter::at(Path::new(file));
    let store = store_at(url).await;
    let coord = Coordinator::builder()
        .store(store)
        .namespace(namespace)
        .lock_ttl(TTL)
        .build();
    let _ends_with_the_test = Commands::listen();
    while !added_one(&coord, &counter, goal).await {}
    say(format_args!("done {}", counter.look().count));
}

/// Adds one, or finds that the goal is reached.
async fn added_one(coord: &Coordinator, counter: &Counter, goal: u64) -> bool {
    let added = coord.lock("counter").run(async |lease| {
        let token = lease.token().into();
        let Some(count) = counter.read(token) else {
            return Ok(false);
        };
        if count >= goal {
            return Ok(true);
        }
        // Between the look and the write somebody else may come, if the lock is not what it should be.
        tokio::task::yield_now().await;
        counter.write(token, count + 1);
        Ok::<_, Error>(false)
    });
    // A lease that was lost is one that was paused, and a new one is asked for.
    added.await.unwrap_or(false)
}

//! A process that takes locks as it is told, and tells what becomes of them.
//!
//! Arguments: the store's URL, the namespace, and the ttl of its locks in milliseconds. Commands, a line each,
//! and what is said to them:
//!
//! | command | |
//! |---|---|
//! | `acquire <key>` | `held <token>` |
//! | `release` | of the lock acquired before: `released` or `lost` |
//! | `run <key>` | `body <token>`; when the body goes, `dropped`; at the end, `ok` or `lost` |
//! | `go on` | lets the body go on, which says `goes on` |

use std::sync::Arc;
use std::time::Duration;

use coord::{Coordinator, Error, Lease};
use coord_tests::store_at;
use coord_tests::worker::{Commands, say};
use tokio::sync::Notify;

/// Says when the body is dropped.
struct Farewell;

impl Drop for Farewell {
    fn drop(&mut self) {
        say("dropped");
    }
}

fn token(lease: &Lease) -> u64 {
    lease.token().into()
}

fn outcome(outcome: &Result<(), Error>) -> &'static str {
    match outcome {
        Ok(()) => "released",
        Err(Error::LockLost { .. }) => "lost",
        Err(_) => "failed",
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, namespace, ttl] = &*arguments else {
        panic!("a URL, a namespace and a ttl");
    };
    let ttl = Duration::from_millis(ttl.parse().expect("a ttl in milliseconds"));
    let store = store_at(url).await;
    let coord = Coordinator::builder()
        .store(store)
        .namespace(namespace)
        .lock_ttl(ttl)
        .build();

    let mut commands = Commands::listen();
    let go_on = Arc::new(Notify::new());
    let mut held = None;
    say("ready");
    loop {
        let command = commands.next().await;
        match command.split_once(' ') {
            Some(("acquire", key)) => {
                let lease = coord.lock(key).acquire().await.expect("a lock");
                say(format_args!("held {}", token(&lease)));
                held = Some(lease);
            }
            Some(("run", key)) => {
                let (lock, go_on) = (coord.lock(key), Arc::clone(&go_on));
                tokio::spawn(async move {
                    let done = lock.run(async |lease| {
                        let _farewell = Farewell;
                        say(format_args!("body {}", token(lease)));
                        go_on.notified().await;
                        say("goes on");
                        Ok(())
                    });
                    say(outcome(&done.await));
                });
            }
            Some(("go", _)) => go_on.notify_one(),
            _ => {
                let lease: Lease = held.take().expect("a lock that was acquired");
                say(outcome(&lease.release().await));
            }
        }
    }
}

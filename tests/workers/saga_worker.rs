//! A process that places orders as it is told, and goes on with those of processes that died.
//!
//! Arguments: the store's URL, the namespace, the socket of the services, the ttl of its membership in milliseconds,
//! and how many of a hundred attempts of its steps fail. Commands, a line each, and what is said to them:
//!
//! | command | |
//! |---|---|
//! | `place <order>` | `began <order>` when its first step is run, here or in a process that goes on with it; `ended <order>` at its end; `again <order>` if it could not be started |
//! | `stand <order>` | `stands` in its third step; when it is let go on, `goes on`; `ended <how>` at its end |
//! | `go on` | lets go on what stands |

mod order;

use std::time::Duration;

use coord::{Coordinator, SagaError};
use coord_tests::store_at;
use coord_tests::worker::{Commands, say};
use order::{FleetOrder, Services, process};

/// What the steps tell goes to the test.
fn tell(line: String) {
    say(line);
}

async fn place(coord: Coordinator, order: u64) {
    let placed = FleetOrder {
        order,
        stands: false,
    };
    match placed.run_with(&coord).await {
        Ok(_) | Err(SagaError::Compensated { .. }) => say(format_args!("ended {order}")),
        // A store that was out of reach for too long, as it is for one who was paused.
        Err(SagaError::Coordination(_)) => say(format_args!("again {order}")),
        Err(error) => say(format_args!("failed {order}: {error}")),
    }
}

async fn stand(coord: Coordinator, order: u64) {
    let placed = FleetOrder {
        order,
        stands: true,
    };
    match placed.run_with(&coord).await {
        Ok(_) => say("ended well"),
        Err(error) => say(format_args!("ended with {error}")),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, namespace, services, ttl, failing] = &*arguments else {
        panic!("a URL, a namespace, a socket, a ttl and how many fail");
    };
    let ttl = Duration::from_millis(ttl.parse().expect("a ttl in milliseconds"));
    let failing = failing.parse().expect("how many of a hundred fail");
    let builder = Coordinator::builder()
        .store(store_at(url).await)
        .namespace(namespace)
        .lock_ttl(ttl);
    let mut services = Services::at(services, failing);
    services.tell = tell;
    let coord = process(builder, services.clone());

    let mut commands = Commands::listen();
    say("ready");
    loop {
        let command = commands.next().await;
        let (verb, order) = command.split_once(' ').unwrap_or_default();
        match (verb, order.parse()) {
            ("place", Ok(order)) => drop(tokio::spawn(place(coord.clone(), order))),
            ("stand", Ok(order)) => drop(tokio::spawn(stand(coord.clone(), order))),
            _ => services.go_on.notify_one(),
        }
    }
}

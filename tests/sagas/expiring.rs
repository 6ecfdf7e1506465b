//! Logs that are to disappear although the saga has ended without a look at them: of a saga of one step there is none,
//! until somebody else appends to it.

use std::time::Duration;

use coord::saga::{SagaHandle, SagaState};
use coord::testing::{FaultStore, Held, Operation, Rule};
use coord::{Coordinator, saga};
use coord_tests::fleet::Fleet;
use serde::{Deserialize, Serialize};

use crate::running::faulty;
use crate::shop::{Does, Door, Shop, ShopError};

#[saga("letter:<id>")]
#[derive(Serialize, Deserialize)]
struct Letter {
    id: u64,
}

#[saga]
impl Letter {
    #[step]
    async fn send(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("send", 1).await
    }
}

/// A saga that stands in its only step, in one process, and another process.
struct Posted {
    door: Door,
    here: SagaHandle<Letter>,
    here_store: FaultStore,
    there: Coordinator,
    there_store: FaultStore,
}

impl Posted {
    async fn new() -> Self {
        let (fleet, shop, door) = (Fleet::on_memory(), Shop::default(), Door::default());
        shop.order("send", Does::Waits(door.clone()));
        let (here_store, here) = faulty(&fleet, &shop).await;
        let (there_store, there) = faulty(&fleet, &shop).await;
        let here = Letter { id: 1 }.start_with(&here).unwrap();
        door.reached().await;
        Self {
            door,
            here,
            here_store,
            there,
            there_store,
        }
    }

    async fn ends(&self) {
        self.door.open();
        assert_eq!(self.here.wait().await.unwrap().send, "send 1");
        assert_eq!(
            self.here.status().await.unwrap(),
            Some(SagaState::Completed)
        );
    }
}

/// Returns when a log is told to disappear.
async fn told(expires: &Held) {
    let told = tokio::time::timeout(Duration::from_secs(60), expires.reached());
    told.await.expect("a log that is told");
}

#[tokio::test(start_paused = true)]
async fn of_one_that_was_cancelled_elsewhere_in_its_last_step() {
    let posted = Posted::new().await;
    let handle = Letter { id: 1 }.start_with(&posted.there).unwrap();
    assert!(handle.cancel().await.unwrap());
    let expires = posted.here_store.hold(Rule::on(Operation::Expire));
    posted.ends().await;
    told(&expires).await;
}

#[tokio::test(start_paused = true)]
async fn of_one_that_ended_while_it_was_cancelled_elsewhere() {
    let posted = Posted::new().await;
    let handle = Letter { id: 1 }.start_with(&posted.there).unwrap();
    let held = posted.there_store.hold(Rule::on(Operation::Append));
    let ends = async {
        held.reached().await;
        posted.ends().await;
        held.release();
    };
    let (cancelled, ()) = tokio::join!(handle.cancel(), ends);
    cancelled.unwrap();
    assert_eq!(posted.there_store.count(Operation::Expire), 1);
}

#[tokio::test(start_paused = true)]
async fn of_one_that_ended_while_it_was_abandoned() {
    let posted = Posted::new().await;
    let held = posted.there_store.hold_reply(Rule::on(Operation::Append));
    let sagas = posted.there.sagas();
    let ends = async {
        held.reached().await;
        posted.ends().await;
        held.release();
    };
    let (abandoned, ()) = tokio::join!(sagas.abandon(posted.here.id(), "lost"), ends);
    assert!(!abandoned.unwrap(), "it has ended");
    assert_eq!(posted.there_store.count(Operation::Expire), 1);
}

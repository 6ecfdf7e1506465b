//! Sagas that are to be undone, by somebody or for a failure, and what is under way in them.

#![allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "an output is given as what it is"
)]

use std::time::Duration;

use coord::__private::{run_saga, start_saga};
use coord::saga::HistoryKind;
use coord::{Coordinator, SagaError, saga};
use coord_tests::fleet::Fleet;
use coord_tests::until;
use serde::{Deserialize, Serialize};

use crate::running::{dies, faulty, stands_in};
use crate::shop::{Does, Door, Pivoted, Shop, ShopError, order, process};

/// Nobody knows whether it was done, so that it could not be undone.
pub(crate) async fn a_step_that_was_cut_off_is_made_again_before_a_cancelled_saga_is_undone(
    fleet: &Fleet,
) {
    let shop = Shop::default();
    let (store, dead) = faulty(fleet, &shop).await;
    let (_door, handle) = stands_in(&dead, &shop, "charge").await;
    assert!(handle.cancel().await.unwrap());
    dies(&store);
    let ended = run_saga(Some(&process(fleet, &shop).await), order()).await;
    assert!(matches!(ended, Err(SagaError::Cancelled)), "{ended:?}");
    let undone = ["reserve", "charge", "charge", "refund", "release"];
    assert_eq!(shop.asked(), undone);
}

pub(crate) async fn a_pivot_that_was_cut_off_is_made_again_in_a_cancelled_saga_and_passed(
    fleet: &Fleet,
) {
    let shop = Shop::default();
    let (store, dead) = faulty(fleet, &shop).await;
    let door = Door::default();
    shop.order("charge", Does::Waits(door.clone()));
    let pivoted = || Pivoted("7".to_owned());
    let handle = start_saga(Some(&dead), pivoted()).unwrap();
    door.reached().await;
    assert!(handle.cancel().await.unwrap());
    dies(&store);
    let done = run_saga(Some(&process(fleet, &shop).await), pivoted()).await;
    done.expect("there is no way back");
    assert_eq!(shop.asked(), ["reserve", "charge", "charge", "ship"]);
}

/// What is retried after an hour beside what stands at a door, and fails then.
#[saga("pair:<id>")]
#[derive(Serialize, Deserialize)]
struct Pair {
    id: u64,
}

#[saga]
impl Pair {
    #[step(parallel)]
    async fn pay(&self, #[dep] shop: &Shop) -> Result<u64, ShopError> {
        let _ = shop.does("ask to pay", 1).await;
        shop.does("pay", 1).await.map(|_| 1)
    }

    #[step(parallel, compensate = unbook, retry(max_retries = 100, initial_delay = "1h", max_delay = "1h"))]
    async fn book(&self, #[dep] shop: &Shop) -> Result<u64, ShopError> {
        shop.does("book", 1).await.map(|_| 1)
    }

    async fn unbook(&self, book: &u64, #[dep] shop: &Shop) -> Result<(), ShopError> {
        let _ = book;
        shop.does("unbook", 1).await.map(drop)
    }
}

const PAIR: Pair = Pair { id: 1 };

/// Returns when an attempt of this step has failed.
async fn fails(coord: &Coordinator, step: &str) {
    fails_in(coord, "Pair/pair:1", step).await;
}

async fn fails_in(coord: &Coordinator, id: &str, step: &str) {
    until("it to have failed", async || {
        let history = coord.sagas().history(id).await.unwrap()?;
        let mut events = history.events.iter();
        let found = |event: &coord::saga::HistoryEvent| {
            event.kind == HistoryKind::Failed && event.step == step
        };
        events.any(found).then_some(())
    })
    .await;
}

fn count(shop: &Shop, what: &str) -> usize {
    shop.asked().iter().filter(|asked| *asked == what).count()
}

#[track_caller]
fn assert_not_paid<T>(ended: &Result<T, SagaError>) {
    match ended {
        Err(SagaError::Compensated { step, .. }) => assert_eq!(step, "pay"),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it is done"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_that_is_due_again_later_is_not_when_its_group_has_failed() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    let door = Door::default();
    shop.order("ask to pay", Does::Waits(door.clone()));
    shop.order("pay", Does::FailsForGood);
    shop.order("book", Does::Fails(1));
    let started = PAIR.start_with(&coord).unwrap();
    fails(&coord, "book").await;
    door.open();
    assert_not_paid(&started.wait().await);
    assert_eq!(shop.asked(), ["ask to pay", "book", "pay"]);
}

#[tokio::test(start_paused = true)]
async fn what_has_failed_for_good_in_a_group_is_not_made_again_after_a_crash() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, dead) = faulty(&fleet, &shop).await;
    let door = Door::default();
    shop.order("book", Does::Waits(door.clone()));
    shop.order("pay", Does::Fails(1));
    let _started = PAIR.start_with(&dead).unwrap();
    door.reached().await;
    fails(&process(&fleet, &shop).await, "pay").await;
    dies(&store);
    assert_not_paid(&PAIR.run_with(&process(&fleet, &shop).await).await);
    assert_eq!(count(&shop, "pay"), 1);
    assert_eq!(shop.asked()[3..], ["book", "unbook"]);
}

/// It has failed, so that there is nothing to find out.
#[tokio::test(start_paused = true)]
async fn a_step_that_is_due_again_later_is_not_in_a_cancelled_saga_after_a_crash() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, dead) = faulty(&fleet, &shop).await;
    shop.order("book", Does::Fails(1));
    let started = PAIR.start_with(&dead).unwrap();
    fails(&dead, "book").await;
    let there = PAIR.start_with(&process(&fleet, &shop).await).unwrap();
    assert!(there.cancel().await.unwrap());
    dies(&store);
    drop(started);
    let ended = there.wait().await.map(drop);
    assert!(matches!(ended, Err(SagaError::Cancelled)), "{ended:?}");
    assert_eq!(count(&shop, "book"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_cancelled_elsewhere_is_not_tried_to_the_last() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (here, there) = (process(&fleet, &shop).await, process(&fleet, &shop).await);
    shop.order("book", Does::Fails(usize::MAX));
    let started = PAIR.start_with(&here).unwrap();
    fails(&here, "book").await;
    let cancels = PAIR.start_with(&there).unwrap();
    assert!(cancels.cancel().await.unwrap());
    let ended = started.wait().await.map(drop);
    assert!(matches!(ended, Err(SagaError::Cancelled)), "{ended:?}");
    assert_eq!(count(&shop, "book"), 2);
}

/// A step alone, which is retried after an hour.
#[saga("single:<id>")]
#[derive(Serialize, Deserialize)]
struct Single {
    id: u64,
}

#[saga]
impl Single {
    #[step(retry(max_retries = 100, initial_delay = "1h", max_delay = "1h"))]
    async fn book(&self, #[dep] shop: &Shop) -> Result<u64, ShopError> {
        let _ = shop.does("ask to book", 1).await;
        shop.does("book", 1).await.map(|_| 1)
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_alone_is_not_tried_to_the_last_either() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (here, there) = (process(&fleet, &shop).await, process(&fleet, &shop).await);
    let door = Door::default();
    shop.order("ask to book", Does::Waits(door.clone()));
    shop.order("book", Does::Fails(usize::MAX));
    let started = Single { id: 1 }.start_with(&here).unwrap();
    door.reached().await;
    let cancels = Single { id: 1 }.start_with(&there).unwrap();
    assert!(cancels.cancel().await.unwrap());
    door.open();
    let ended = started.wait().await.map(drop);
    assert!(matches!(ended, Err(SagaError::Cancelled)), "{ended:?}");
    assert_eq!(count(&shop, "book"), 1);
}

pub(crate) async fn a_saga_that_is_cancelled_as_soon_as_it_is_started_is_undone(fleet: &Fleet) {
    let shop = Shop::default();
    let door = Door::default();
    shop.order("charge", Does::Waits(door.clone()));
    let handle = start_saga(Some(&process(fleet, &shop).await), order()).unwrap();
    assert!(handle.cancel().await.unwrap(), "it is on its way");
    door.open();
    let ended = handle.wait().await;
    assert!(matches!(ended, Err(SagaError::Cancelled)), "{ended:?}");
    assert_eq!(count(&shop, "ship"), 0);
    let (charged, refunded) = (count(&shop, "charge"), count(&shop, "refund"));
    assert_eq!(charged, refunded, "{:?}", shop.asked());
}

/// A step that is retried after an hour or half a minute, and what undoes it whatever its outcome.
macro_rules! booking {
    ($saga:ident, $key:literal, $delay:literal) => {
        #[saga($key)]
        #[derive(Serialize, Deserialize)]
        struct $saga {
            id: u64,
        }

        #[saga]
        impl $saga {
            #[step(compensate = unbook, retry(max_retries = 100, initial_delay = $delay, max_delay = $delay))]
            async fn book(&self, #[dep] shop: &Shop) -> Result<u64, ShopError> {
                shop.does("book", 1).await.map(|_| 1)
            }

            async fn unbook(&self, book: Option<&u64>, #[dep] shop: &Shop) -> Result<(), ShopError> {
                let what = book.map_or("unbook perhaps", |_| "unbook");
                shop.does(what, 1).await.map(drop)
            }
        }
    };
}

booking!(Hourly, "hourly:<id>", "1h");
booking!(Brief, "brief:<id>", "30s");

#[tokio::test(start_paused = true)]
async fn what_undoes_a_step_does_not_wait_until_the_step_was_due_again() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    shop.order("book", Does::Fails(1));
    let started = Hourly { id: 1 }.start_with(&coord).unwrap();
    fails_in(&coord, started.id(), "book").await;
    assert!(started.cancel().await.unwrap());
    let ended = tokio::time::timeout(Duration::from_secs(60), started.wait()).await;
    let ended = ended.expect("nothing to wait for").map(drop);
    assert!(matches!(ended, Err(SagaError::Cancelled)), "{ended:?}");
    assert_eq!(shop.asked(), ["book", "unbook perhaps"]);
}

/// The clock by which times are stored does not go on with the one that is paused, so it looks as if the attempt that was
/// cut off had not been due yet.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_cut_off_is_made_again_though_the_next_clock_is_behind() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, dead) = faulty(&fleet, &shop).await;
    shop.order("book", Does::Fails(1));
    let started = Brief { id: 1 }.start_with(&dead).unwrap();
    fails_in(&dead, started.id(), "book").await;
    let door = Door::default();
    shop.order("book", Does::Waits(door.clone()));
    door.reached().await;
    assert!(started.cancel().await.unwrap());
    dies(&store);
    let ended = Brief { id: 1 }
        .run_with(&process(&fleet, &shop).await)
        .await;
    let ended = ended.map(drop);
    assert!(matches!(ended, Err(SagaError::Cancelled)), "{ended:?}");
    assert_eq!(shop.asked(), ["book", "book", "book", "unbook"]);
}

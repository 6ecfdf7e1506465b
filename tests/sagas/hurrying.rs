//! Attempts that were put off, and that an operator wants made at once.

#![allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "an output is given as what it is"
)]

use std::time::Duration;

use coord::saga::HistoryKind;
use coord::{Coordinator, SagaError, saga};
use coord_tests::fleet::Fleet;
use coord_tests::until;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use crate::shop::{Does, Shop, ShopError, process};

const ID: &str = "Slow/slow:1";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What fails is tried again after an hour, forwards and backwards.
#[saga("slow:<id>")]
#[derive(Serialize, Deserialize)]
struct Slow {
    id: u64,
}

#[saga]
impl Slow {
    #[step(compensate = unbook, retry(max_retries = 100, initial_delay = "1h", max_delay = "1h"))]
    async fn book(&self, #[dep] shop: &Shop) -> Result<u64, ShopError> {
        shop.does("book", 1).await.map(|_| 1)
    }

    async fn unbook(&self, book: &u64, #[dep] shop: &Shop) -> Result<(), ShopError> {
        let _ = book;
        shop.does("unbook", 1).await.map(drop)
    }

    #[step(retry(max_retries = 0))]
    async fn pay(&self, #[dep] shop: &Shop) -> Result<(), ShopError> {
        shop.does("pay", 1).await.map(drop)
    }
}

const SLOW: Slow = Slow { id: 1 };

/// Returns when so many attempts have failed.
async fn have_failed(coord: &Coordinator, kind: HistoryKind, attempts: usize) {
    until("attempts to have failed", async || {
        let history = coord.sagas().history(ID).await.unwrap()?;
        let failed = history.events.iter().filter(|event| event.kind == kind);
        (failed.count() == attempts).then_some(())
    })
    .await;
}

async fn is_hurried(coord: &Coordinator) -> bool {
    coord.sagas().retry_now(ID).await.unwrap()
}

pub(crate) async fn what_was_put_off_is_tried_when_somebody_wants_it(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("book", Does::Fails(1));
    let (here, operator) = (process(fleet, &shop).await, fleet.process().await);
    let started = SLOW.start_with(&here).unwrap();
    have_failed(&operator, HistoryKind::Failed, 1).await;
    assert!(is_hurried(&operator).await);
    started.wait().await.unwrap();
    assert_eq!(shop.asked(), ["book", "book", "pay"]);
    assert!(!is_hurried(&operator).await, "it has ended");
}

#[tokio::test(start_paused = true)]
async fn one_attempt_is_hurried_and_the_next_is_put_off_again() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    shop.order("book", Does::Fails(2));
    let coord = process(&fleet, &shop).await;
    let began = Instant::now();
    let started = SLOW.start_with(&coord).unwrap();
    have_failed(&coord, HistoryKind::Failed, 1).await;
    assert!(is_hurried(&coord).await);
    have_failed(&coord, HistoryKind::Failed, 2).await;
    assert!(timeout(HOUR / 2, started.wait()).await.is_err());
    assert_eq!(shop.asked(), ["book", "book"]);
    assert!(is_hurried(&coord).await);
    started.wait().await.unwrap();
    assert_eq!(shop.asked(), ["book", "book", "book", "pay"]);
    assert!(began.elapsed() < HOUR);
}

#[tokio::test(start_paused = true)]
async fn what_undoes_a_step_is_hurried_too() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    shop.order("pay", Does::Fails(1));
    shop.order("unbook", Does::Fails(1));
    let coord = process(&fleet, &shop).await;
    let began = Instant::now();
    let started = SLOW.start_with(&coord).unwrap();
    have_failed(&coord, HistoryKind::UndoFailed, 1).await;
    assert!(is_hurried(&coord).await);
    let ended = started.wait().await.map(drop);
    assert!(
        matches!(ended, Err(SagaError::Compensated { .. })),
        "{ended:?}"
    );
    assert_eq!(shop.asked(), ["book", "pay", "unbook", "unbook"]);
    assert!(began.elapsed() < HOUR);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_under_way_cannot_be_hurried() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    assert!(!is_hurried(&coord).await, "there is none");
    shop.order("pay", Does::Fails(1));
    shop.order("unbook", Does::FailsForGood);
    let ended = SLOW.run_with(&coord).await.map(drop);
    assert!(matches!(ended, Err(SagaError::Stuck { .. })), "{ended:?}");
    assert!(!is_hurried(&coord).await, "it is stuck");
}

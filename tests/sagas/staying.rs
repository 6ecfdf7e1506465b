//! Sagas that stay with those who can end them, and do end. On a clock that goes on by itself when everybody waits for it.

#![allow(clippy::ptr_arg, reason = "an output is given as what it is")]

use std::time::Duration;

use coord::__private::run_saga;
use coord::saga::SagaState;
use coord::testing::{Fault, FaultStore, Operation, Rule};
use coord::{Coordinator, Error, SagaError, saga};
use coord_tests::PATIENCE;
use coord_tests::fleet::Fleet;
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::running::{dies, faulty, stands_in};
use crate::shop::{Does, Door, Shop, ShopError, process};

/// Two steps, of which one is left out, or has no items, or cannot be asked about.
#[saga("parcel:<id>")]
#[derive(Serialize, Deserialize)]
struct Parcel {
    id: u64,
    is_paid: bool,
    labels: Vec<String>,
}

#[saga]
impl Parcel {
    #[step(compensate = unpack)]
    async fn pack(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("pack", 1).await
    }

    async fn unpack(&self, pack: &String, #[dep] shop: &Shop) -> Result<(), ShopError> {
        shop.does(&format!("un{}", &pack[..4]), 1).await.map(drop)
    }

    #[step(pivot, when = is_to_be_paid)]
    async fn charge(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("charge", 1).await
    }

    fn is_to_be_paid(&self) -> bool {
        assert!(self.id > 0, "there is no such parcel");
        !self.is_paid
    }

    #[step]
    async fn send(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("send", 1).await
    }
}

fn parcel(id: u64) -> Parcel {
    Parcel {
        id,
        is_paid: true,
        labels: Vec::new(),
    }
}

/// The pivot is a step for each of no items.
#[saga("labels:<id>")]
#[derive(Serialize, Deserialize)]
struct Labels {
    id: u64,
    labels: Vec<String>,
}

#[saga]
impl Labels {
    #[step(compensate = unpack)]
    async fn pack(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("pack", 1).await
    }

    async fn unpack(&self, pack: &String, #[dep] shop: &Shop) -> Result<(), ShopError> {
        shop.does(&format!("un{}", &pack[..4]), 1).await.map(drop)
    }

    #[step(pivot, each = labels)]
    async fn print(&self, item: &String, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does(item, 1).await
    }

    #[step]
    async fn send(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("send", 1).await
    }
}

/// A pivot for each of perhaps no items, and a step behind it that cannot be asked about.
#[saga("delivery:<id>")]
#[derive(Serialize, Deserialize)]
struct Delivery {
    id: u64,
    labels: Vec<String>,
}

#[saga]
impl Delivery {
    #[step(compensate = unpack)]
    async fn pack(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("pack", 1).await
    }

    async fn unpack(&self, pack: &String, #[dep] shop: &Shop) -> Result<(), ShopError> {
        shop.does(&format!("un{}", &pack[..4]), 1).await.map(drop)
    }

    #[step(pivot, each = labels)]
    async fn print(&self, item: &String, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does(item, 1).await
    }

    #[step(when = is_awaited)]
    async fn tell(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("tell", 1).await
    }

    fn is_awaited(&self) -> bool {
        assert!(self.id > 9, "nobody is known to wait");
        true
    }
}

/// A step that panics when it is cut off.
#[saga("bomb:<id>")]
#[derive(Serialize, Deserialize)]
struct Bomb {
    id: u64,
}

struct Explodes;

impl Drop for Explodes {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "it was dropped");
    }
}

#[saga]
impl Bomb {
    #[step(timeout = "1s")]
    async fn tick(&self) -> Result<String, String> {
        let _explodes = Explodes;
        std::future::pending().await
    }
}

/// A saga that runs itself.
#[saga("snake:<id>")]
#[derive(Serialize, Deserialize)]
struct Snake {
    id: u64,
}

#[saga]
impl Snake {
    #[step]
    async fn bite(&self) -> Result<String, String> {
        let itself = Snake { id: self.id }.run();
        match Box::pin(itself).await {
            Err(SagaError::Coordination(Error::WouldDeadlock { .. })) => Ok("no".to_owned()),
            other => Err(format!("{:?}", other.map(|done| done.bite))),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_behind_the_pivot_is_tried_again_without_being_told_to() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    shop.order("send", Does::Fails(2));
    let done = Parcel {
        is_paid: false,
        ..parcel(1)
    };
    done.run_with(&coord).await.unwrap();
    assert_eq!(shop.asked(), ["pack", "charge", "send", "send", "send"]);
}

#[tokio::test(start_paused = true)]
async fn a_pivot_that_is_left_out_is_passed_all_the_same() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    shop.order("send", Does::Fails(usize::MAX));
    let error = parcel(1).run_with(&coord).await.unwrap_err();
    assert!(matches!(error, SagaError::Stuck { .. }), "{error:?}");
    let labels = Labels {
        id: 1,
        labels: Vec::new(),
    };
    let error = labels.run_with(&coord).await.unwrap_err();
    assert!(matches!(error, SagaError::Stuck { .. }), "{error:?}");
    let asked = shop.asked();
    assert!(!asked.iter().any(|what| what == "unpack"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_panics_fails_the_saga() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    for _ in 0..2 {
        let error = parcel(0).run_with(&coord).await.unwrap_err();
        assert!(
            matches!(&error, SagaError::Compensated { step, source }
                if step == "charge" && source.to_string().contains("there is no such parcel")),
            "{error:?}"
        );
    }
    assert_eq!(shop.asked(), ["pack", "unpack"]);
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_panics_behind_the_pivot_leaves_the_saga_stuck() {
    for labels in [vec!["label".to_owned()], Vec::new()] {
        let (fleet, shop) = (Fleet::on_memory(), Shop::default());
        let coord = process(&fleet, &shop).await;
        let packed = [vec!["pack".to_owned()], labels.clone()].concat();
        let error = Delivery { id: 1, labels }.run_with(&coord).await;
        let error = error.unwrap_err();
        assert!(
            matches!(&error, SagaError::Stuck { step, source }
                if step == "tell" && source.to_string().contains("nobody is known to wait")),
            "{error:?}"
        );
        assert_eq!(shop.asked(), packed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_panics_when_it_is_cut_off_has_failed() {
    let coord = Fleet::on_memory().process().await;
    let error = Bomb { id: 1 }.run_with(&coord).await.unwrap_err();
    assert!(
        matches!(&error, SagaError::Compensated { source, .. }
            if source.to_string().contains("it was dropped")),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_would_wait_for_itself_is_told_so() {
    let coord = Fleet::on_memory().process().await;
    let done = Snake { id: 1 }.run_with(&coord).await.unwrap();
    assert_eq!(done.bite, "no");
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_kept_for_ever_ends() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = fleet.builder().await.provide(shop.clone());
    let coord = coord.saga_retention(Duration::MAX).build();
    for _ in 0..2 {
        parcel(1).run_with(&coord).await.unwrap();
    }
    assert_eq!(shop.asked(), ["pack", "send"]);
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_cancelled_where_it_runs_stays_there() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    let (door, handle) = stands_in(&coord, &shop, "charge").await;
    assert!(handle.cancel().await.unwrap());
    door.open();
    let error = handle.wait().await.unwrap_err();
    assert!(matches!(error, SagaError::Cancelled), "{error:?}");
    let history = coord.sagas().history(handle.id()).await.unwrap().unwrap();
    assert_eq!(history.summary.takeovers, 0);
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_cannot_be_looked_at_keeps_nobody_from_the_sagas_of_others() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    for id in ["7", "8", "9"] {
        let (store, dead) = faulty(&fleet, &shop).await;
        let door = Door::default();
        shop.order("charge", Does::Waits(door.clone()));
        let order = crate::shop::Order {
            id: id.to_owned(),
            total: 1,
        };
        let _handle = coord::__private::start_saga(Some(&dead), order).unwrap();
        door.reached().await;
        dies(&store);
    }
    fleet.let_pass(Duration::from_secs(3)).await;
    let store = FaultStore::new(fleet.own_store().await);
    let heir = Coordinator::builder().store(store.clone());
    let heir = heir.namespace(fleet.namespace()).provide(shop.clone());
    let heir = heir.build();
    let one = Rule::on(Operation::Inspect).skipping(1).times(1);
    store.inject(one, Fault::BeforeSend);
    let recovered = heir.recover().await.unwrap();
    assert_eq!((recovered.resumed, recovered.failed), (2, 1));
    assert_eq!(heir.recover().await.unwrap().resumed, 1);
}

/// Real runtimes, of which one ends under a saga.
#[test]
fn a_saga_whose_runtime_has_ended_is_recovered_in_its_own_process() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let first = runtime();
    let coord = first.block_on(async {
        let coord = process(&fleet, &shop).await;
        let (_door, handle) = stands_in(&coord, &shop, "charge").await;
        assert_eq!(handle.status().await.unwrap(), Some(SagaState::Running));
        coord
    });
    drop(first);
    runtime().block_on(async {
        assert_eq!(coord.recover().await.unwrap().resumed, 1);
        coord::__private::run_saga(Some(&coord), crate::shop::order())
            .await
            .unwrap();
    });
    assert_eq!(shop.asked(), ["reserve", "charge", "charge", "ship"]);
}

/// Nobody drives it any more, so that the saga does not see that it is to end.
#[test]
fn a_shutdown_does_not_wait_for_ever_for_a_saga_whose_runtime_stands_still() {
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let still = runtime();
    let coord = still.block_on(async {
        let coord = process(&fleet, &shop).await;
        let (_door, handle) = stands_in(&coord, &shop, "charge").await;
        assert_eq!(handle.status().await.unwrap(), Some(SagaState::Running));
        coord
    });
    let mut paused = Builder::new_current_thread();
    let paused = paused.enable_all().start_paused(true).build().unwrap();
    paused.block_on(async {
        let shutdown = tokio::time::timeout(PATIENCE, coord.shutdown());
        shutdown.await.expect("the end of the shutdown");
    });
    runtime().block_on(async {
        let other = process(&fleet, &shop).await;
        assert_eq!(other.recover().await.unwrap().resumed, 1);
        run_saga(Some(&other), crate::shop::order()).await.unwrap();
    });
    drop(still);
    assert_eq!(shop.asked(), ["reserve", "charge", "charge", "ship"]);
}

/// One saga has ended on it just before.
#[test]
fn what_sagas_leave_behind_is_seen_to_though_a_runtime_stands_still() {
    let runtime = |is_paused| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime
            .enable_all()
            .start_paused(is_paused)
            .build()
            .unwrap()
    };
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let runs = async |coord: &Coordinator, id: &str| {
        let (id, total) = (id.to_owned(), 1);
        let order = crate::shop::Order { id, total };
        coord::__private::run_saga(Some(coord), order)
            .await
            .unwrap();
    };
    let still = runtime(false);
    let (store, coord) = still.block_on(async {
        let (store, coord) = faulty(&fleet, &shop).await;
        runs(&coord, "7").await;
        (store, coord)
    });
    runtime(true).block_on(async {
        for id in ["8", "9"] {
            runs(&coord, id).await;
            fleet.let_pass(Duration::from_secs(1)).await;
        }
        let told = store.operations();
        let told = told
            .iter()
            .filter(|seen| seen.operation == Operation::Expire);
        assert_eq!(told.count(), 3, "each log is to disappear");
    });
    drop(still);
}

//! Coordinators that shut down while a step uses them. What fails for that is no failure of the saga.

#![allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "an output is given as what it is"
)]

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coord::__private::run_saga;
use coord::saga::{ClosureSaga, SagaState};
use coord::testing::{Effects, Fault, Operation, Rule, crash_everywhere_during};
use coord::{Coordinator, Error, SagaError, saga};
use coord_tests::PATIENCE;
use coord_tests::fleet::Fleet;
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::closures;
use crate::running::faulty;
use crate::shop::{Does, Door, Shop, ShopError, order};

/// What steps need the coordinator for. That is told to shut down in the middle of one of these uses.
#[derive(Clone, Default)]
struct Printer {
    uses_before: Arc<AtomicUsize>,
}

impl Printer {
    fn stops_with_use(number: usize) -> Self {
        let uses_before = Arc::new(AtomicUsize::new(number));
        Self { uses_before }
    }

    async fn prints(&self, coord: &Coordinator) -> Result<u64, Error> {
        let left = self.uses_before.load(Ordering::SeqCst);
        self.uses_before
            .store(left.saturating_sub(1), Ordering::SeqCst);
        if left == 1 {
            // It has begun, and nobody else has had a turn since.
            assert!(coord.shutdown().now_or_never().is_none());
        }
        coord.lock("printer").run(async |_| Ok(1)).await
    }
}

/// It is printed before it is sent.
#[saga("postcard:<id>")]
#[derive(Serialize, Deserialize)]
struct Postcard {
    id: u64,
}

#[saga]
impl Postcard {
    #[step(compensate = unpay)]
    async fn pay(&self, #[dep] shop: &Shop) -> Result<u64, ShopError> {
        shop.does("pay", 1).await.map(|_| 1)
    }

    async fn unpay(&self, pay: &u64, #[dep] shop: &Shop) -> Result<(), ShopError> {
        let _ = pay;
        shop.does("unpay", 1).await.map(drop)
    }

    #[step(compensate = unprint, retry(max_retries = 0))]
    async fn print(&self, #[dep] shop: &Shop, #[dep] printer: &Printer) -> Result<u64, String> {
        let _ = shop.does("print", 1).await;
        uses(printer).await
    }

    async fn unprint(
        &self,
        print: &u64,
        #[dep] shop: &Shop,
        #[dep] printer: &Printer,
    ) -> Result<u64, String> {
        let _ = shop.does("unprint", 1).await;
        uses(printer).await.map(|printed| printed + print)
    }

    #[step]
    async fn send(&self, #[dep] shop: &Shop) -> Result<u64, ShopError> {
        shop.does("send", 1).await.map(|_| 1)
    }
}

async fn uses(printer: &Printer) -> Result<u64, String> {
    let coord = Coordinator::current().map_err(|error| error.to_string())?;
    let printed = printer.prints(&coord).await;
    printed.map_err(|error| error.to_string())
}

async fn process(fleet: &Fleet, shop: &Shop, printer: &Printer) -> Coordinator {
    let builder = fleet.builder().await.provide(shop.clone());
    builder.provide(printer.clone()).build()
}

fn is_shut_down<T>(ended: &Result<T, SagaError>) -> bool {
    matches!(ended, Err(SagaError::Coordination(Error::ShutDown)))
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_for_want_of_the_coordinator_is_made_again_elsewhere() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let printer = Printer::stops_with_use(1);
    let one = process(&fleet, &shop, &printer).await;
    let ended = Postcard { id: 1 }.run_with(&one).await;
    assert!(is_shut_down(&ended), "{ended:?}");
    one.shutdown().await;
    let other = process(&fleet, &shop, &printer).await;
    let done = Postcard { id: 1 }.run_with(&other).await;
    done.expect("nothing has failed");
    assert_eq!(shop.asked(), ["pay", "print", "print", "send"]);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_fails_for_want_of_the_coordinator_is_made_again_elsewhere() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let printer = Printer::stops_with_use(2);
    let one = process(&fleet, &shop, &printer).await;
    shop.order("send", Does::FailsForGood);
    let ended = Postcard { id: 1 }.run_with(&one).await;
    assert!(is_shut_down(&ended), "{ended:?}");
    one.shutdown().await;
    let other = process(&fleet, &shop, &printer).await;
    let ended = Postcard { id: 1 }.run_with(&other).await;
    assert!(
        matches!(&ended, Err(SagaError::Compensated { step, .. }) if step == "send"),
        "{ended:?}"
    );
    assert_eq!(shop.asked()[3..], ["unprint", "unprint", "unpay"]);
}

async fn postcard(
    coord: &Coordinator,
    shop: &Shop,
    printer: &Printer,
    way: Way,
) -> Result<u64, SagaError> {
    let body = async |saga: &ClosureSaga| {
        let undo = async |_: String| shop.does("unpay", 1).await.map(drop);
        let pay = saga.step("pay", async || shop.does("pay", 1).await);
        pay.compensate(undo).await?;
        if way == Way::OutsideOfSteps {
            return Ok(printer.prints(coord).await?);
        }
        let print = saga.step("print", async || printer.prints(coord).await);
        match print.await {
            Err(_) if way == Way::AllTheSame => Ok(0),
            printed => printed,
        }
    };
    coord.saga("postcard:1").run(body).await
}

/// How the body of a saga uses the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    InAStep,
    OutsideOfSteps,
    /// It goes on if the step fails.
    AllTheSame,
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_fails_for_want_of_the_coordinator_is_run_again_elsewhere() {
    for way in [Way::InAStep, Way::OutsideOfSteps, Way::AllTheSame] {
        let (fleet, shop) = (Fleet::on_memory(), Shop::default());
        let printer = Printer::stops_with_use(2);
        let busy = Shop::default();
        let one = process(&fleet, &busy, &printer).await;
        // Something else is under way, so that a shutdown takes its time.
        let door = Door::default();
        busy.order("send", Does::Waits(door.clone()));
        let _sends = Postcard { id: 1 }.start_with(&one).unwrap();
        door.reached().await;
        let ended = postcard(&one, &shop, &printer, way).await;
        assert!(is_shut_down(&ended), "{way:?}: {ended:?}");
        one.shutdown().await;
        let other = process(&fleet, &shop, &printer).await;
        let history = other.sagas().history("closures/postcard:1").await.unwrap();
        assert_eq!(history.unwrap().summary.state, SagaState::Running);
        assert_eq!(postcard(&other, &shop, &printer, way).await.unwrap(), 1);
        // The end of the payment is stored with the beginning of what comes next.
        let paid = if way == Way::OutsideOfSteps { 2 } else { 1 };
        assert_eq!(shop.asked(), vec!["pay"; paid], "{way:?}");
    }
}

/// Nobody polls the one that has the saga.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_another_of_its_process_ends_with_the_coordinator() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop, &Printer::default()).await;
    let door = Door::default();
    shop.order("one", Does::Waits(door.clone()));
    let mut first = pin!(closures::runs(&coord, &shop));
    tokio::select! {
        ended = &mut first => panic!("{ended:?}"),
        () = door.reached() => {}
    }
    let second = timeout(Duration::from_secs(60), closures::runs(&coord, &shop));
    let (second, ()) = tokio::join!(second, coord.shutdown());
    let ended = second.expect("it ends");
    assert!(is_shut_down(&ended), "{ended:?}");
    assert!(is_shut_down(&first.await));
}

/// A step that needs the coordinator, between two that do not.
async fn prints_everywhere(coord: &Coordinator, effects: &Effects) -> Result<u64, SagaError> {
    let body = async |saga: &ClosureSaga| {
        for step in ["pay", "print", "send"] {
            let does = async || {
                if step == "print" {
                    let printed = coord.lock("printer").run(async |_| Ok::<_, Error>(()));
                    printed.await?;
                }
                effects.record(step).await;
                Ok::<_, Error>(1)
            };
            let undo = async |_: u64| {
                effects.record("undo").await;
                Ok::<_, Error>(())
            };
            saga.step(step, does).compensate(undo).await?;
        }
        Ok(1)
    };
    coord.saga("postcard:2").run(body).await
}

#[test]
fn nothing_is_undone_wherever_the_coordinator_is_shut_down() {
    let ended = crash_everywhere_during(prints_everywhere)
        .shut_down()
        .check(|end| {
            assert_eq!(*end.result.as_ref().unwrap(), 1);
            assert_eq!(end.effects.times("undo"), 0);
            assert_eq!(end.sagas[0].summary.state, SagaState::Completed);
        });
    assert!(ended >= 30, "{ended}");
}

#[test]
fn a_check_that_fails_tells_where_the_process_was_shut_down() {
    let failed = std::panic::catch_unwind(|| {
        crash_everywhere_during(prints_everywhere)
            .shut_down()
            .check(|end| assert!(end.crashes.is_empty(), "it was shut down"))
    });
    let told = *failed.unwrap_err().downcast::<String>().unwrap();
    assert!(
        told.contains("shut down before operation 1 of its store, "),
        "{told}"
    );
}

/// What has ended is listed until others see to it.
#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_store_that_stands_still() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, coord) = faulty(&fleet, &shop).await;
    run_saga(Some(&coord), order()).await.unwrap();
    let hour = Duration::from_secs(60 * 60);
    for operation in [Operation::Expire, Operation::Delete] {
        store.inject(Rule::on(operation), Fault::Delay(hour));
    }
    let shutdown = tokio::time::timeout(PATIENCE, coord.shutdown());
    shutdown.await.expect("the end of the shutdown");
    assert_eq!(store.count(Operation::Expire), 1);
}

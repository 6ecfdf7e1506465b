//! Sagas that are waited for by somebody whose lock they want. They run in tasks of their own, and are not inside of it.

use std::time::Duration;

use coord::lock::LockBuilder;
use coord::saga::ClosureSaga;
use coord::{Coordinator, Error, SagaError, saga};
use coord_tests::fleet::Fleet;
use serde::{Deserialize, Serialize};

use crate::shop::{Does, Door, Shop, ShopError, process};

/// For what would never end.
const LONG: Duration = Duration::from_secs(60);

/// Its step wants the lock `account`, and its compensation `ledger`.
#[saga("withdrawal:<id>")]
#[derive(Serialize, Deserialize)]
struct Withdraw {
    id: u64,
}

#[saga]
impl Withdraw {
    #[step(compensate = note)]
    async fn pay(&self, #[dep] shop: &Shop) -> Result<String, Error> {
        let _lease = Coordinator::current()?.lock("account").acquire().await?;
        Ok(shop.does("pay", 1).await.unwrap_or_default())
    }

    async fn note(&self, #[dep] shop: &Shop) -> Result<(), Error> {
        let _lease = Coordinator::current()?.lock("ledger").acquire().await?;
        shop.does("note", 1).await.ok();
        Ok(())
    }

    #[step]
    async fn send(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("send", 1).await
    }
}

/// Its step runs the other one.
#[saga("transfer:<id>")]
#[derive(Serialize, Deserialize)]
struct Transfer {
    id: u64,
}

#[saga]
impl Transfer {
    #[step]
    async fn withdraw(&self) -> Result<String, SagaError> {
        Ok(Withdraw { id: self.id }.run().await?.pay)
    }
}

/// Two that run each other.
#[saga("hen:<id>")]
#[derive(Serialize, Deserialize)]
struct Hen {
    id: u64,
}

#[saga]
impl Hen {
    #[step]
    async fn hatch(&self) -> Result<(), SagaError> {
        let egg = Egg { id: self.id }.run();
        Box::pin(egg).await.map(drop)
    }
}

#[saga("egg:<id>")]
#[derive(Serialize, Deserialize)]
struct Egg {
    id: u64,
}

#[saga]
impl Egg {
    #[step]
    async fn lay(&self) -> Result<String, String> {
        let hen = Hen { id: self.id }.run();
        match Box::pin(hen).await {
            Err(refused) if would_deadlock(&refused) => Ok("from elsewhere".to_owned()),
            other => Err(format!("{:?}", other.map(drop))),
        }
    }
}

fn would_deadlock(error: &SagaError) -> bool {
    matches!(error, SagaError::Coordination(Error::WouldDeadlock { .. }))
}

/// What comes of `body` inside of a lock.
async fn inside<T>(lock: LockBuilder, body: impl Future<Output = T>) -> T {
    let locked = lock.run(async |_| Ok::<_, Error>(body.await));
    let ended = tokio::time::timeout(LONG, Box::pin(locked)).await;
    ended.expect("it ends").unwrap()
}

pub(crate) async fn a_lock_that_a_step_wants_is_not_waited_for_inside_of_it(fleet: &Fleet) {
    let coord = process(fleet, &Shop::default()).await;
    let refused = inside(coord.lock("account"), Withdraw { id: 1 }.run_with(&coord)).await;
    let refused = refused.map(drop).unwrap_err();
    assert!(would_deadlock(&refused), "{refused:?}");
    let done = Withdraw { id: 1 }.run_with(&coord).await.unwrap();
    assert_eq!(done.pay, "pay 1", "it went on when the lock was free");
}

pub(crate) async fn one_who_comes_when_the_step_queues_already_is_told_too(fleet: &Fleet) {
    let coord = process(fleet, &Shop::default()).await;
    let line = fleet.line("lock", "account");
    let waits = inside(coord.lock("account"), async {
        let started = Withdraw { id: 1 }.start_with(&coord).unwrap();
        line.until(1, 1).await;
        (started.wait().await.map(drop).unwrap_err(), started)
    });
    let (refused, started) = waits.await;
    assert!(would_deadlock(&refused), "{refused:?}");
    assert_eq!(started.wait().await.unwrap().pay, "pay 1");
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_a_compensation_wants_counts_too() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    shop.order("send", Does::FailsForGood);
    let refused = inside(coord.lock("ledger"), Withdraw { id: 1 }.run_with(&coord)).await;
    let refused = refused.map(drop).unwrap_err();
    assert!(would_deadlock(&refused), "{refused:?}");
    let undone = Withdraw { id: 1 }.run_with(&coord).await;
    assert!(matches!(undone, Err(SagaError::Compensated { .. })));
    assert_eq!(shop.asked(), ["pay", "send", "note"]);
}

#[tokio::test(start_paused = true)]
async fn one_who_starts_it_and_does_not_wait_holds_it_up_and_no_more() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    let line = fleet.line("lock", "account");
    let started = inside(coord.lock("account"), async {
        let started = Withdraw { id: 1 }.start_with(&coord).unwrap();
        tokio::select! {
            biased;
            ended = started.wait() => panic!("{:?}", ended.map(drop)),
            () = std::future::ready(()) => {}
        }
        line.until(1, 1).await;
        started
    });
    assert_eq!(started.await.wait().await.unwrap().pay, "pay 1");
}

#[tokio::test(start_paused = true)]
async fn one_who_holds_something_else_waits_until_it_ends() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    let line = fleet.line("lock", "account");
    let lease = coord.lock("account").acquire().await.unwrap();
    let waits = inside(coord.lock("other"), Withdraw { id: 1 }.run_with(&coord));
    let frees = async {
        line.until(1, 1).await;
        lease.release().await.unwrap();
    };
    let (done, ()) = tokio::join!(waits, frees);
    assert_eq!(done.unwrap().pay, "pay 1");
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_told_when_a_step_queues_behind_it() {
    let fleet = Fleet::on_memory();
    let coord = process(&fleet, &Shop::default()).await;
    let read = coord.rw_lock("catalog").read();
    let refused = inside(read, Write { id: 1 }.run_with(&coord)).await;
    let refused = refused.map(drop).unwrap_err();
    assert!(would_deadlock(&refused), "{refused:?}");
    Write { id: 1 }.run_with(&coord).await.unwrap();
}

#[saga("write:<id>")]
#[derive(Serialize, Deserialize)]
struct Write {
    id: u64,
}

#[saga]
impl Write {
    #[step]
    async fn write(&self) -> Result<(), Error> {
        let coord = Coordinator::current()?;
        coord.rw_lock("catalog").write().acquire().await.map(drop)
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_a_saga_within_a_saga_wants_is_told_to_its_holder_alone() {
    let fleet = Fleet::on_memory();
    let coord = process(&fleet, &Shop::default()).await;
    let refused = inside(coord.lock("account"), Transfer { id: 1 }.run_with(&coord)).await;
    let refused = refused.map(drop).unwrap_err();
    assert!(would_deadlock(&refused), "{refused:?}");
    let done = Transfer { id: 1 }.run_with(&coord).await.unwrap();
    assert_eq!(done.withdraw, "pay 1");
}

#[tokio::test(start_paused = true)]
async fn sagas_that_wait_for_each_other_are_told() {
    let fleet = Fleet::on_memory();
    let coord = process(&fleet, &Shop::default()).await;
    let hen = tokio::time::timeout(LONG, Hen { id: 1 }.run_with(&coord)).await;
    hen.expect("it ends").map(drop).unwrap();
    let egg = Egg { id: 1 }.run_with(&coord).await.unwrap();
    assert_eq!(egg.lay, "from elsewhere");
}

/// The second call waits for the first, which runs the body.
#[tokio::test(start_paused = true)]
async fn a_saga_of_closures_that_another_call_has_is_no_different() {
    let (fleet, shop, door) = (Fleet::on_memory(), Shop::default(), Door::default());
    let coord = process(&fleet, &shop).await;
    shop.order("begin", Does::Waits(door.clone()));
    let saga = async || {
        let body = async |saga: &ClosureSaga| {
            let pay = async || {
                shop.does("begin", 1).await.ok();
                coord.lock("account").acquire().await.map(drop)
            };
            saga.step("pay", pay).await
        };
        coord.saga("withdrawal").run(body).await
    };
    let second = async {
        door.reached().await;
        inside(coord.lock("account"), async {
            door.open();
            saga().await
        })
        .await
    };
    let (first, second) = tokio::join!(saga(), second);
    first.unwrap();
    let refused = second.unwrap_err();
    assert!(would_deadlock(&refused), "{refused:?}");
}

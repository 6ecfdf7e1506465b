//! A saga whose steps are given at run time, for tests: what a step does is looked up in the shop.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coord::__private::{
    Call, Dependency, Error, Failed, Finished, InputCodec, Key, Saga, SagaInput, Step, StepResult,
    Stored,
};
use coord::{Coordinator, RetryPolicy, StepContext};
use coord_tests::fleet::Fleet;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// What a step does.
#[derive(Clone)]
pub(crate) enum Does {
    /// Fails so often.
    Fails(usize),
    /// Fails in a way that no other attempt will mend.
    FailsForGood,
    /// Panics so often.
    Panics(usize),
    /// Never ends.
    Hangs,
    /// Puts out more than can be stored.
    TooMuch,
    /// Tells that it is there, and waits.
    Waits(Door),
}

/// Tells that somebody stands before it, and lets one in when it is told to.
#[derive(Clone, Default)]
pub(crate) struct Door {
    reached: Arc<Notify>,
    opened: Arc<Notify>,
}

impl Door {
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(crate) fn open(&self) {
        self.opened.notify_one();
    }
}

/// The fake services: they write down what was asked of them, and misbehave on demand.
#[derive(Clone, Default)]
pub(crate) struct Shop {
    asked: Arc<Mutex<Vec<String>>>,
    keys: Arc<Mutex<Vec<String>>>,
    orders: Arc<Mutex<HashMap<String, Does>>>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct ShopError(pub(crate) String);

impl ShopError {
    pub(crate) fn is_transient(&self) -> bool {
        !self.0.starts_with("never")
    }
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Shop {
    pub(crate) fn order(&self, what: &str, does: Does) -> &Self {
        self.orders.lock().unwrap().insert(what.to_owned(), does);
        self
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    pub(crate) async fn serves(&self, what: &str, ctx: &StepContext) -> Result<String, ShopError> {
        let key = ctx.idempotency_key().to_owned();
        self.keys.lock().unwrap().push(key);
        self.does(what, ctx.attempt()).await
    }

    /// Does what was ordered, and tells of which attempt.
    pub(crate) async fn does(&self, what: &str, attempt: u32) -> Result<String, ShopError> {
        self.asked.lock().unwrap().push(what.to_owned());
        let does = {
            let mut orders = self.orders.lock().unwrap();
            let does = orders.get(what).cloned();
            match orders.get_mut(what) {
                Some(Does::Fails(left) | Does::Panics(left)) if *left > 1 => *left -= 1,
                Some(Does::Fails(_) | Does::Panics(_) | Does::Waits(_)) => {
                    orders.remove(what);
                }
                _ => {}
            }
            does
        };
        match does {
            None => {}
            Some(Does::Fails(_)) => return Err(ShopError(format!("no {what} today"))),
            Some(Does::FailsForGood) => return Err(ShopError(format!("never any {what}"))),
            Some(Does::Panics(_)) => panic!("{what} went wrong"),
            Some(Does::Hangs) => std::future::pending().await,
            Some(Does::TooMuch) => return Ok("x".repeat(2 << 20)),
            Some(Does::Waits(door)) => {
                door.reached.notify_one();
                door.opened.notified().await;
            }
        }
        Ok(format!("{what} {attempt}"))
    }
}

/// Three steps and what undoes them. Behind the key, the input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) total: u64,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Ordered {
    pub(crate) reserve: String,
    pub(crate) charge: String,
    pub(crate) ship: String,
}

macro_rules! does {
    ($what:literal) => {
        |_: &Self, call: Call<'_>| {
            Box::pin(async move {
                call.finish(
                    coord::__private::StepResult::into_result,
                    call.dep::<$crate::shop::Shop>()?
                        .serves($what, call.context())
                        .await,
                )
            })
        }
    };
}

pub(crate) use does;

pub(crate) type Returned = Result<String, ShopError>;

pub(crate) fn retries() -> RetryPolicy {
    let delay = Duration::from_millis(20);
    let policy = RetryPolicy::builder().max_retries(2);
    policy.initial_delay(delay).max_delay(delay).build()
}

impl Saga for Order {
    const NAME: &'static str = "Order";
    type Outputs = Ordered;

    fn codec() -> InputCodec<Self> {
        SagaInput::codec()
    }

    fn key(&self) -> Result<Key, Error> {
        Key::new(self.id.as_str())
    }

    fn steps() -> Vec<Step<Self>> {
        vec![
            Step::new(
                <Returned as StepResult>::into_result,
                "reserve",
                does!("reserve"),
            )
            .needs([Dependency::of::<Shop>()])
            .retry(&retries())
            .timeout(Duration::from_secs(1))
            .undo_unknown(|_, call| Box::pin(release(call))),
            Step::new(
                <Returned as StepResult>::into_result,
                "charge",
                does!("charge"),
            )
            .retry(&retries())
            .timeout(Duration::from_secs(120))
            .undo(|_, call| Box::pin(refund(call))),
            Step::new(<Returned as StepResult>::into_result, "ship", does!("ship"))
                .timeout(Duration::from_secs(1))
                .undo(does!("unship")),
        ]
    }

    fn outputs(finished: &Finished<'_>) -> Result<Ordered, Error> {
        Ok(Ordered {
            reserve: finished.take(<Returned as StepResult>::read, 0)?,
            charge: finished.take(<Returned as StepResult>::read, 1)?,
            ship: finished.take(<Returned as StepResult>::read, 2)?,
        })
    }
}

async fn release(call: Call<'_>) -> Result<Stored, Failed> {
    let known = call
        .undone_if_known(<Returned as StepResult>::read)?
        .is_some();
    let what = if known { "release" } else { "release unknown" };
    call.finish(
        StepResult::into_result,
        call.dep::<Shop>()?.serves(what, call.context()).await,
    )
}

async fn refund(call: Call<'_>) -> Result<Stored, Failed> {
    call.undone(<Returned as StepResult>::read)?;
    let returned = call.dep::<Shop>()?.serves("refund", call.context());
    call.finish(StepResult::into_result, returned.await)
}

coord::__private::inventory::submit! { coord::__private::Registered::of::<Order>() }

/// Three steps, the second of which is the pivot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pivoted(pub(crate) String);

impl Saga for Pivoted {
    const NAME: &'static str = "Pivoted";
    type Outputs = ();

    fn codec() -> InputCodec<Self> {
        SagaInput::codec()
    }

    fn key(&self) -> Result<Key, Error> {
        Key::new(self.0.as_str())
    }

    fn steps() -> Vec<Step<Self>> {
        vec![
            Step::new(
                <Returned as StepResult>::into_result,
                "reserve",
                does!("reserve"),
            )
            .undo(does!("release")),
            Step::new(
                <Returned as StepResult>::into_result,
                "charge",
                does!("charge"),
            )
            .pivot(),
            Step::new(<Returned as StepResult>::into_result, "ship", does!("ship"))
                .retry(&retries()),
        ]
    }

    fn outputs(_: &Finished<'_>) -> Result<(), Error> {
        Ok(())
    }
}

coord::__private::inventory::submit! { coord::__private::Registered::of::<Pivoted>() }

/// As many steps as there are items.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Long(pub(crate) usize);

impl Saga for Long {
    const NAME: &'static str = "Long";
    type Outputs = Vec<String>;

    fn codec() -> InputCodec<Self> {
        SagaInput::codec()
    }

    fn key(&self) -> Result<Key, Error> {
        Key::new("long")
    }

    fn steps() -> Vec<Step<Self>> {
        vec![
            Step::new(<Returned as StepResult>::into_result, "each", does!("each"))
                .each(|long| long.0)
                .undo(does!("undo each")),
            Step::new(<Returned as StepResult>::into_result, "last", does!("last")),
        ]
    }

    fn outputs(finished: &Finished<'_>) -> Result<Vec<String>, Error> {
        finished.take_all(<Returned as StepResult>::read, 0)
    }
}

coord::__private::inventory::submit! { coord::__private::Registered::of::<Long>() }

pub(crate) fn order() -> Order {
    Order {
        id: "7".to_owned(),
        total: 100,
    }
}

/// A process with a shop.
pub(crate) async fn process(fleet: &Fleet, shop: &Shop) -> Coordinator {
    let builder = fleet.builder().await.provide(shop.clone());
    builder.lock_ttl(Duration::from_secs(2)).build()
}

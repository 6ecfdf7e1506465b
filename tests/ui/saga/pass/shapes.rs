//! What a saga can look like, without a warning.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code, unreachable_pub, clippy::option_option)]

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use coord as renamed;
use coord::{StepContext, saga};
use serde::{Deserialize, Serialize};

pub(crate) struct Stock;
pub(crate) struct Gateway;

pub(crate) trait Mail: Send + Sync {
    fn send(&self, text: &str);
}

#[derive(Debug)]
pub(crate) struct ShopError;

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shop is closed")
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Item(String);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reservation(u64);

/// Shown as `..` among the outputs.
#[derive(Serialize, Deserialize)]
pub(crate) struct Charge(u64);

/// An order: documentation and other attributes stay.
#[saga("order:<order_id>")]
#[derive(Clone, Serialize, Deserialize)]
#[must_use]
pub(crate) struct PlaceOrder {
    order_id: u64,
    items: Vec<Item>,
    gift: bool,
}

type ShopResult<T> = Result<T, ShopError>;

/// The steps of an order.
#[saga]
#[allow(clippy::unused_async)]
impl PlaceOrder {
    const LIMIT: usize = 100;

    /// Reserves all items.
    #[step(compensate = release, retry = "fast", timeout = "10s")]
    #[must_use = "documentation and other attributes stay"]
    async fn reserve(&self, #[dep] stock: &Stock) -> Result<Reservation, ShopError> {
        let _ = (stock, self.items.len().min(Self::LIMIT));
        Ok(Reservation(self.order_id))
    }

    async fn release(
        &self,
        reserve: &Reservation,
        ctx: &StepContext,
        #[dep] stock: &Stock,
        #[dep] mail: &Arc<dyn Mail>,
    ) -> Result<(), ShopError> {
        let _ = (stock, reserve.0, ctx.attempt());
        mail.send("released");
        Ok(())
    }

    /// The context stands anywhere.
    #[step(compensate = refund, id = "pay", retry = retries())]
    async fn charge(
        &self,
        #[dep] gateway: &Gateway,
        ctx: &StepContext,
        reserve: &Reservation,
    ) -> ShopResult<Charge> {
        let _ = (gateway, ctx.idempotency_key());
        Ok(Charge(reserve.0))
    }

    /// Called also if it is not known whether the step was done.
    async fn refund(&self, charge: Option<&Charge>, #[dep] gateway: &Gateway) -> ShopResult<()> {
        let _ = (gateway, charge.map(|charge| charge.0));
        Ok(())
    }

    #[step(when = is_gift, retry("fast", max_retries = 3, jitter = "full", if = |error| !error.to_string().is_empty()))]
    async fn wrap(&self) -> Result<Option<String>, ShopError> {
        Ok(None)
    }

    fn is_gift(&self, reserve: &Reservation) -> bool {
        self.gift && reserve.0 > 0
    }

    #[step(each = items, parallel)]
    async fn pack(&self, item: &Item, wrap: Option<&Option<String>>) -> Result<String, ShopError> {
        let _ = wrap;
        Ok(item.0.clone())
    }

    #[step(parallel)]
    async fn label<'a>(
        &'a self,
        context: &'a coord::StepContext,
    ) -> Result<Cow<'static, str>, ShopError> {
        let _ = context.saga_id();
        Ok(Cow::Borrowed("fragile"))
    }

    /// A `Result<(), E>` is a step like any other.
    #[step(pivot)]
    async fn ship(&self, pack: &[String], label: &str) -> Result<(), ShopError> {
        let _ = (pack, label);
        Ok(())
    }

    #[step]
    fn tell(&self, _ship: &()) -> impl Future<Output = Result<Self, ShopError>> + Send {
        std::future::ready(Ok(self.clone()))
    }
}

fn retries() -> coord::RetryPolicy {
    coord::RetryPolicy::builder().max_retries(2).build()
}

/// Methods are called by hand as they are written, and outputs have names and types.
pub(crate) async fn by_hand(order: &PlaceOrder) -> Result<Reservation, ShopError> {
    order.reserve(&Stock).await
}

pub(crate) fn outputs(
    done: PlaceOrderOutputs,
) -> (Charge, Option<Option<String>>, Vec<String>, PlaceOrder) {
    let _: String = format!("{done:?}");
    let () = done.ship;
    (done.charge, done.wrap, done.pack, done.tell)
}

/// A saga of a generic struct is one for each type, with a name of its own.
#[saga("import:<id>:<self.id>")]
#[derive(Serialize, Deserialize)]
pub(crate) struct Import<T, const N: usize = 1>
where
    T: Send,
{
    id: u64,
    #[serde(skip)]
    kind: PhantomData<T>,
}

#[saga(name = "import-items")]
impl Import<Item> {
    #[step]
    async fn load(&self) -> Result<u64, ShopError> {
        load(self).await
    }
}

#[saga(name = "import-reservations", crate = ::coord)]
impl Import<Reservation, 2> {
    #[step]
    async fn load(&self) -> Result<String, ShopError> {
        Ok(load(self).await?.to_string())
    }
}

async fn load<T: Send, const N: usize>(import: &Import<T, N>) -> Result<u64, ShopError> {
    std::future::ready(Ok(import.id)).await
}

pub(crate) fn outputs_of_a_generic_struct(
    items: &ImportOutputs<Item>,
    reservations: &ImportOutputs<Reservation, 2>,
) -> (u64, usize) {
    (items.load, reservations.load.len())
}

/// Without fields, and as a tuple.
#[saga("nightly")]
#[derive(Serialize, Deserialize)]
struct Nightly;

#[saga]
impl Nightly {
    #[step]
    async fn sweep(&self) -> Result<u8, ShopError> {
        std::future::ready(Ok(1)).await
    }
}

#[saga("night:<self.0>")]
#[derive(Serialize, Deserialize)]
struct Night(u64);

#[saga]
impl Night {
    #[step]
    async fn r#match(&self) -> Result<(), ShopError> {
        std::future::ready(Ok(())).await
    }

    #[step]
    async fn other(&self, r#match: &()) -> Result<(), ShopError> {
        let () = r#match;
        std::future::ready(Ok(())).await
    }
}

/// In a place where the names that are used are others'.
mod hygiene {
    use serde::{Deserialize, Serialize};

    pub(crate) struct Vec;
    pub(crate) struct Option;
    pub(crate) struct Ok;
    pub(crate) struct Box;

    #[coord::saga("key:<key>:<saga>")]
    #[derive(Serialize, Deserialize)]
    pub struct Strange {
        pub key: u64,
        pub saga: u64,
    }

    #[coord::saga]
    impl Strange {
        #[step]
        pub async fn call(&self) -> Result<u64, String> {
            std::future::ready(Result::Ok(self.key + self.saga)).await
        }

        #[step(compensate = finished)]
        pub async fn saga(&self, call: &u64) -> Result<u64, String> {
            std::future::ready(Result::Ok(*call)).await
        }

        pub async fn finished(&self, saga: &u64, call: &u64) -> Result<u64, String> {
            std::future::ready(Result::Ok(*call + *saga)).await
        }
    }
}

/// Constants of the saga in what its steps put out, and attributes under another path.
#[renamed::saga("plan:<id>")]
#[derive(Serialize, Deserialize)]
struct Plan {
    id: u64,
}

#[renamed::saga]
impl Plan {
    const DAYS: usize = 2;

    #[renamed::step]
    async fn draw(&self) -> Result<[u64; Self::DAYS], ShopError> {
        std::future::ready(Ok([self.id; Self::DAYS])).await
    }

    #[renamed::step]
    async fn check(
        &self,
        draw: &[u64; Self::DAYS],
        #[renamed::dep] stock: &Stock,
    ) -> Result<[u64; Self::DAYS + 1 - 1], ShopError> {
        let _ = stock;
        std::future::ready(Ok(*draw)).await
    }
}

macro_rules! saga_with_a_body {
    ($name:ident, $body:block) => {
        #[saga("made:<id>")]
        #[derive(Serialize, Deserialize)]
        struct $name {
            id: u64,
        }

        #[saga]
        #[allow(clippy::unused_async)]
        impl $name {
            #[step]
            async fn go(&self) -> Result<u64, ShopError> $body
        }
    };
}

saga_with_a_body!(Made, { Ok(1) });

#[test]
fn does_what_it_says() {
    let strange = hygiene::Strange { key: 1, saga: 2 };
    let _ = (strange.call(), strange.finished(&1, &2));
    let _ = (Nightly.sweep(), Night(1).r#match());
}

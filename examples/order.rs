//! An order of three steps: one that is completed, and one that is undone.
//!
//! `cargo run --example order`
//!
//! The gateway charges the first card and says that it timed out. It is asked again under the same key, and
//! charges once. The second order cannot be shipped: it is paid back, and its cup is free again.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use coord::store::SqliteStore;
use coord::{Coordinator, SagaError, StepContext, saga};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// The input: it is stored when the saga starts.
#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    item: String,
    cents: u64,
    address: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Reservation {
    shelf: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Charge {
    id: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Shipment {
    label: String,
}

#[saga]
impl PlaceOrder {
    #[step(compensate = release_stock)]
    async fn reserve_stock(
        &self,
        ctx: &StepContext,
        #[dep] shop: &Shop,
    ) -> Result<Reservation, String> {
        shop.reserve(ctx.idempotency_key(), &self.item).await
    }

    async fn release_stock(
        &self,
        reserve_stock: &Reservation,
        #[dep] shop: &Shop,
    ) -> Result<(), String> {
        shop.release(self.order_id, &reserve_stock.shelf).await;
        Ok(())
    }

    /// The key is the same for every attempt, in whatever process. That of `refund` is another.
    #[step(compensate = refund, retry = "fast", timeout = "10s")]
    async fn charge(&self, ctx: &StepContext, #[dep] shop: &Shop) -> Result<Charge, String> {
        shop.charge(ctx.idempotency_key(), ctx.attempt(), self.cents)
            .await
    }

    /// Called with `None` if it is not known whether the card is charged.
    async fn refund(&self, charge: Option<&Charge>, #[dep] shop: &Shop) -> Result<(), String> {
        shop.refund(self.order_id, charge).await;
        Ok(())
    }

    /// Each parameter that is named after an earlier step is given what that step put out.
    #[step]
    async fn ship(
        &self,
        reserve_stock: &Reservation,
        charge: &Charge,
        ctx: &StepContext,
        #[dep] shop: &Shop,
    ) -> Result<Shipment, String> {
        if self.address.is_empty() {
            return Err("there is no address to ship to".to_owned());
        }
        let what = [
            &*self.item,
            "from",
            &reserve_stock.shelf,
            "paid by",
            &charge.id,
        ]
        .join(" ");
        shop.ship(ctx.idempotency_key(), &what, &self.address).await
    }
}

/// The services of others. They do once what is asked for under one key, as real ones do.
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    reserved: HashMap<String, String>,
    charged: HashMap<String, u64>,
    shipped: HashMap<String, String>,
    refunded: Vec<u64>,
    released: Vec<u64>,
}

impl Shop {
    async fn reserve(&self, key: &str, item: &str) -> Result<Reservation, String> {
        let shelf = "shelf 3".to_owned();
        self.0
            .lock()
            .await
            .reserved
            .insert(key.to_owned(), item.to_owned());
        println!("  reserved a {item}");
        Ok(Reservation { shelf })
    }

    async fn release(&self, order: u64, shelf: &str) {
        self.0.lock().await.released.push(order);
        println!("  undone: what was reserved on {shelf} is free again");
    }

    async fn charge(&self, key: &str, attempt: u32, cents: u64) -> Result<Charge, String> {
        let mut books = self.0.lock().await;
        let is_first = books.charged.is_empty();
        books.charged.insert(key.to_owned(), cents);
        println!("  asked to charge {cents} cents, attempt {attempt}, key {key}");
        if is_first {
            return Err("the gateway did not answer in time".to_owned());
        }
        let id = format!("charge-{}", books.charged.len());
        Ok(Charge { id })
    }

    async fn refund(&self, order: u64, charge: Option<&Charge>) {
        self.0.lock().await.refunded.push(order);
        match charge {
            Some(charge) => println!("  undone: {} is paid back", charge.id),
            None => println!("  undone: the charge of order {order}, if there was one"),
        }
    }

    async fn ship(&self, key: &str, what: &str, address: &str) -> Result<Shipment, String> {
        let label = format!("{what} to {address}");
        let mut books = self.0.lock().await;
        books.shipped.insert(key.to_owned(), label.clone());
        println!("  shipped: {label}");
        Ok(Shipment { label })
    }
}

fn order(order_id: u64, address: &str) -> PlaceOrder {
    PlaceOrder {
        order_id,
        item: "cup".to_owned(),
        cents: 999,
        address: address.to_owned(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The shop is in memory, so this file ends with it. A service keeps its own.
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("coord.db")).await?;
    let shop = Shop::default();
    let coord = Coordinator::builder()
        .store(store)
        .provide(shop.clone())
        .build();
    coord.install()?;
    println!("{}", PlaceOrder::diagram());

    println!("order 1:");
    let done = order(1, "12 Elm Street").run().await?;
    assert_eq!(
        shop.0.lock().await.charged.len(),
        1,
        "two attempts, one charge"
    );

    let again = order(1, "12 Elm Street").run().await?;
    assert_eq!(again.ship.label, done.ship.label, "nothing runs again");

    println!("order 2:");
    let failed = order(2, "").run().await;
    let Err(failure @ SagaError::Compensated { .. }) = failed else {
        return Err("an order without an address must be undone".into());
    };
    println!("  {failure}");
    let books = shop.0.lock().await;
    assert_eq!((&*books.refunded, &*books.released), (&[2][..], &[2][..]));
    assert_eq!(books.shipped.len(), 1);

    coord.shutdown().await;
    Ok(())
}

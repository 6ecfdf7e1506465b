//! A saga inside a lock, with a payment that is made once.
//!
//! `cargo run --example saga_in_lock`
//!
//! Orders of one account take turns, those of others do not wait for them. An order takes its goods, and pays
//! through a function that other code calls too: whoever asks for it, and however often, an order is paid once.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use coord::store::SqliteStore;
use coord::{Coordinator, SagaError, idempotent, locked, saga};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Payment {
    order: u64,
    cents: u64,
}

/// One process in the fleet at a time, per account. The saga is durable, and the lock is not: if the lease is lost,
/// or this process dies, the saga goes on in the background without it. So the lock keeps orders from getting in
/// each other's way, and what must never happen twice is held by the keys of the saga and of the payment.
#[locked("account:<account>", ttl = "10s", wait = "1m")]
async fn check_out(account: &str, order: u64, cents: u64) -> Result<Payment, SagaError> {
    let account = account.to_owned();
    let done = CheckOut {
        account,
        order,
        cents,
    };
    Ok(done.run().await?.payment)
}

#[saga("check-out:<order>")]
#[derive(Serialize, Deserialize)]
struct CheckOut {
    account: String,
    order: u64,
    cents: u64,
}

#[saga]
impl CheckOut {
    #[step(compensate = put_back)]
    async fn goods(&self, #[dep] shop: &Shop) -> Result<(), String> {
        shop.enters(&self.account).await;
        // The work itself. Nobody else is at work for this account, in any process.
        tokio::time::sleep(Duration::from_millis(50)).await;
        println!("  order {} has its goods", self.order);
        Ok(())
    }

    async fn put_back(&self, _goods: &(), #[dep] shop: &Shop) -> Result<(), String> {
        shop.leaves(&self.account).await;
        Ok(())
    }

    #[step]
    async fn payment(&self, _goods: &(), #[dep] shop: &Shop) -> Result<Payment, coord::Error> {
        let payment = pay(shop, self.order, self.cents).await?;
        shop.leaves(&self.account).await;
        Ok(payment)
    }
}

/// Runs once for each order, whether the saga asks or somebody else.
#[idempotent("payment:<order>", ttl = "24h", fingerprint(cents), context = ctx)]
async fn pay(shop: &Shop, order: u64, cents: u64) -> Result<Payment, coord::Error> {
    println!(
        "  order {order} is paid, key {}",
        ctx.downstream_key("charge")
    );
    let payment = Payment { order, cents };
    shop.0.lock().await.payments.push(payment.clone());
    Ok(payment)
}

#[derive(Clone, Default)]
struct Shop(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    payments: Vec<Payment>,
    /// The accounts for which somebody is at work.
    busy: Vec<String>,
    /// How often somebody got in another's way.
    collisions: u32,
}

impl Shop {
    async fn enters(&self, account: &str) {
        let mut books = self.0.lock().await;
        books.collisions += u32::from(books.busy.iter().any(|busy| busy == account));
        books.busy.push(account.to_owned());
    }

    async fn leaves(&self, account: &str) {
        self.0.lock().await.busy.retain(|busy| busy != account);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let shop = Shop::default();
    // The shop is in memory, so this file ends with it. A service keeps its own.
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("coord.db")).await?;
    let coord = Coordinator::builder()
        .store(store)
        .provide(shop.clone())
        .build();
    coord.install()?;

    println!("two orders of Ada, one of them asked for twice, and one of Ben:");
    let (one, again, two, three) = tokio::try_join!(
        check_out("Ada", 1, 500),
        check_out("Ada", 1, 500),
        check_out("Ada", 2, 700),
        check_out("Ben", 3, 900),
    )?;
    assert_eq!(one, again, "the order was placed once");

    let replayed = pay(&shop, 2, 700).await?;
    assert_eq!(two, replayed, "and paid once, whoever asks");

    coord.shutdown().await;
    let books = shop.0.lock().await;
    let paid: u64 = books.payments.iter().map(|payment| payment.cents).sum();
    assert_eq!(paid, one.cents + two.cents + three.cents);
    assert_eq!(books.collisions, 0, "orders of one account took turns");
    println!("{paid} cents for {} orders", books.payments.len());
    Ok(())
}

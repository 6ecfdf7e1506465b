//! A payment that is asked for again and again, and made once.
//!
//! `cargo run --example payment`
//!
//! A customer presses the button twice, a proxy sends the request again, and the first process dies before it
//! has told anybody that the card is charged. The provider sees one charge.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

use coord::{Coordinator, idempotent};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Payment {
    order: u64,
    cents: u64,
    charge: String,
}

/// A provider that does once what is asked for under one key, as real ones do.
#[derive(Default)]
struct Provider {
    charges: Mutex<HashMap<String, u64>>,
}

impl Provider {
    fn charge(&self, key: &str, cents: u64) -> String {
        let mut charges = self.charges.lock().unwrap_or_else(PoisonError::into_inner);
        charges.insert(key.to_owned(), cents);
        format!("charge-{}", &key[..8])
    }

    fn charged(&self) -> u64 {
        let charges = self.charges.lock().unwrap_or_else(PoisonError::into_inner);
        charges.values().sum()
    }
}

/// Runs once for each order. The amount belongs to the request: another one under the same order is a mistake.
#[idempotent("payment:<order>", ttl = "24h", fingerprint(cents), context = ctx)]
async fn pay(provider: &Provider, order: u64, cents: u64) -> Result<Payment, coord::Error> {
    // If this process dies behind the next line, whoever takes over sends the same key, and nobody is charged
    // twice.
    let charge = provider.charge(&ctx.downstream_key("charge"), cents);
    Ok(Payment {
        order,
        cents,
        charge,
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coord = Coordinator::connect("memory:").await?;
    coord.install()?;
    let provider = Provider::default();

    let (first, second) = tokio::try_join!(pay(&provider, 42, 999), pay(&provider, 42, 999))?;
    println!("paid: {first:?}");
    assert_eq!(first, second, "both calls get the one payment");

    let again = pay(&provider, 42, 999).await?;
    assert_eq!(first, again, "a later call replays it");

    // The process that was to pay order 43 dies: its body is gone after it has charged the card.
    let dies = coord
        .idempotency("payment:43")
        .run_with(async |ctx: &coord::IdempotencyContext| {
            provider.charge(&ctx.downstream_key("charge"), 500);
            Err::<Payment, _>(coord::Error::ShutDown)
        });
    assert!(dies.await.is_err());
    pay(&provider, 43, 500).await?;

    let other = pay(&provider, 42, 1).await;
    let Err(mistake @ coord::Error::FingerprintMismatch { .. }) = other else {
        return Err("another amount under the same order must be refused".into());
    };
    println!("refused: {mistake}");

    assert_eq!(provider.charged(), 999 + 500, "each order was charged once");
    println!("charged: {} cents for two orders", provider.charged());
    coord.shutdown().await;
    Ok(())
}

//! The payment provider, who is somebody else: what it is asked for twice under one key, it does once.

use serde::{Deserialize, Serialize};

use crate::answer::ShopError;
use crate::order::Services;

/// What the provider has in its books of one key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    /// What it was for, as it was told.
    pub(crate) purpose: String,
    pub(crate) cents: u64,
    /// How often it was asked for.
    pub(crate) asked: u32,
    pub(crate) refunded: bool,
}

/// Charges once for each key.
pub(crate) async fn charge(
    services: &Services,
    key: &str,
    purpose: &str,
    cents: u64,
) -> Result<Charge, ShopError> {
    let id = format!("charge-{:.6}", digits(key));
    let charge = |charge: &mut Option<Charge>| {
        let charge = charge.get_or_insert_with(|| Charge {
            id: id.clone(),
            purpose: purpose.to_owned(),
            cents,
            asked: 0,
            refunded: false,
        });
        charge.asked += 1;
        charge.clone()
    };
    services.books.change(&name(key), None, charge).await
}

/// Pays back what was charged under a key, if anything was.
pub(crate) async fn refund(services: &Services, key: &str) -> Result<(), ShopError> {
    let refund = |charge: &mut Option<Charge>| {
        if let Some(charge) = charge {
            charge.refunded = true;
        }
    };
    services.books.change(&name(key), None, refund).await
}

fn name(key: &str) -> String {
    format!("charge/{key}")
}

/// The letters and digits of a key: for people, who need not tell all keys apart.
fn digits(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).collect()
}

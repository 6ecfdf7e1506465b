//! Lint levels hold for what is generated beside what they stand on, without a warning.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code)]

use coord::{Error, saga};
use serde::{Deserialize, Serialize};

#[deprecated]
pub(crate) struct OldStock;

#[deprecated]
#[derive(Serialize, Deserialize)]
pub(crate) struct OldReceipt;

/// On the struct, whose key reads a field.
#[saga("order:<order_id>:<old_id>")]
#[allow(deprecated)]
#[derive(Serialize, Deserialize)]
pub(crate) struct PlaceOrder {
    order_id: u64,
    #[deprecated]
    old_id: u64,
}

/// On the impl. What is expected need not be in what is generated.
#[saga]
#[expect(deprecated, clippy::unused_async, reason = "not all have moved")]
impl PlaceOrder {
    #[step]
    async fn charge(&self, #[dep] _stock: &OldStock) -> Result<OldReceipt, Error> {
        let _ = self.old_id;
        Ok(OldReceipt)
    }

    #[deprecated]
    #[step]
    async fn ship(&self) -> Result<u64, Error> {
        Ok(self.order_id)
    }
}

#[saga("return:<id>")]
#[derive(Serialize, Deserialize)]
pub(crate) struct Return {
    id: u64,
}

#[saga]
impl Return {
    #![allow(deprecated, clippy::unused_async)]

    #[step]
    async fn refund(&self, #[dep] _stock: &OldStock) -> Result<u64, Error> {
        Ok(self.id)
    }
}

#[saga("notice:<id>")]
#[derive(Serialize, Deserialize)]
pub(crate) struct Notice {
    id: u64,
}

/// On the methods.
#[saga]
impl Notice {
    #[allow(deprecated)]
    #[step(compensate = take_back)]
    async fn send(&self) -> Result<OldReceipt, Error> {
        std::future::ready(Ok(OldReceipt)).await
    }

    #[expect(deprecated)]
    async fn take_back(&self, _send: &OldReceipt, #[dep] _stock: &OldStock) -> Result<(), Error> {
        std::future::ready(Ok(())).await
    }
}

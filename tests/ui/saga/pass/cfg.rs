//! What a saga can leave to `cfg`, without a warning.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code)]

use coord::{Error, StepContext, saga};
use serde::{Deserialize, Serialize};

pub(crate) struct Stock;

/// Parameters that are not there, of types that are not there.
#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
pub(crate) struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
}

#[saga]
#[allow(clippy::unused_async)]
impl PlaceOrder {
    #[step(compensate = release)]
    async fn reserve(
        &self,
        #[cfg(target_os = "none")]
        #[dep]
        stock: &Missing,
        #[cfg(not(target_os = "none"))]
        #[dep]
        stock: &Stock,
    ) -> Result<u64, Error> {
        let Stock = stock;
        Ok(self.order_id)
    }

    #[cfg(target_os = "none")]
    async fn release(&self, reserve: &u64) -> Result<(), Error> {
        missing(*reserve).await
    }

    #[cfg(not(target_os = "none"))]
    async fn release(&self, reserve: &u64) -> Result<(), Error> {
        let _ = (self.order_id, reserve);
        Ok(())
    }

    #[step(when = is_large)]
    async fn wrap(
        &self,
        #[cfg(target_os = "none")] reserve: &u64,
        #[cfg(not(target_os = "none"))] ctx: &StepContext,
    ) -> Result<u32, Error> {
        let _ = self.order_id;
        Ok(ctx.attempt())
    }

    fn is_large(&self, #[cfg(target_os = "none")] reserve: &u64) -> bool {
        self.items.len() > 1
    }

    #[step(each = items)]
    async fn pack(&self, #[cfg(target_os = "none")] item: &String) -> Result<u64, Error> {
        Ok(self.order_id)
    }
}

/// Steps that are not there, in an impl for each case.
#[saga("notice:<order_id>")]
#[derive(Serialize, Deserialize)]
pub(crate) struct Notice {
    order_id: u64,
}

#[cfg(target_os = "none")]
#[saga]
impl Notice {
    #[step]
    async fn print(&self) -> Result<u64, Error> {
        missing(self.order_id).await
    }
}

#[saga]
#[cfg(not(target_os = "none"))]
#[allow(clippy::unused_async)]
impl Notice {
    #[step]
    async fn send(&self) -> Result<u64, Error> {
        Ok(self.order_id)
    }
}

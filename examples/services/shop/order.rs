//! An order: a saga of five steps, two of them side by side.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use coord::{IdempotencyContext, StepContext, saga};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{self, ShopError};
use crate::books::Books;
use crate::input::Form;
use crate::provider::{self, Charge};
use crate::server::App;
use crate::stock;

/// What steps ask for.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) books: Books,
    /// Who this is, for people.
    pub(crate) process: String,
    /// How long a step takes.
    pub(crate) step: Duration,
}

impl Services {
    /// Half of a step: the effect of one is in its middle, so that whoever kills the process can hit both sides of it.
    pub(crate) async fn work(&self) {
        tokio::time::sleep(self.step / 2).await;
    }
}

/// What happens to an order on its way, as its customer has chosen: this is for showing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Luck {
    Well,
    GatewayIsBusy,
    CarrierRefuses,
}

#[saga("order:<number>")]
#[derive(Serialize, Deserialize)]
pub(crate) struct PlaceOrder {
    pub(crate) number: u64,
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    pub(crate) cents: u64,
    pub(crate) customer: String,
    luck: Luck,
}

#[saga]
impl PlaceOrder {
    #[step(compensate = put_back)]
    async fn reserve(&self, #[dep] services: &Services) -> Result<u32, ShopError> {
        let left = stock::reserve(services, &self.sku, self.number, self.quantity).await?;
        services.work().await;
        Ok(left)
    }

    async fn put_back(&self, _reserve: &u32, #[dep] services: &Services) -> Result<(), ShopError> {
        stock::put_back(services, &self.sku, self.number).await
    }

    /// The key is the same for every attempt, in whatever process: the card is charged once.
    #[step(compensate = refund, retry = "fast", timeout = "2m")]
    async fn charge(
        &self,
        ctx: &StepContext,
        #[dep] services: &Services,
    ) -> Result<(String, Charge), ShopError> {
        services.work().await;
        if self.luck == Luck::GatewayIsBusy && ctx.attempt() <= 2 {
            return Err(ShopError::Refused("The gateway is busy."));
        }
        let key = ctx.idempotency_key();
        let purpose = purpose(self.number);
        let charge = provider::charge(services, key, &purpose, self.cents).await?;
        services.work().await;
        Ok((key.to_owned(), charge))
    }

    async fn refund(
        &self,
        charge: &(String, Charge),
        #[dep] services: &Services,
    ) -> Result<(), ShopError> {
        services.work().await;
        provider::refund(services, &charge.0).await?;
        services.work().await;
        Ok(())
    }

    #[step(parallel, compensate = unpack)]
    async fn pack(&self, #[dep] services: &Services) -> Result<String, ShopError> {
        services.work().await;
        services.work().await;
        Ok(format!("a box with {} of {}", self.quantity, self.sku))
    }

    async fn unpack(&self, _pack: &String, #[dep] services: &Services) -> Result<(), ShopError> {
        services.work().await;
        services.work().await;
        Ok(())
    }

    #[step(parallel)]
    async fn invoice(
        &self,
        charge: &(String, Charge),
        #[dep] services: &Services,
    ) -> Result<String, ShopError> {
        services.work().await;
        Ok(format!("invoice {}, paid by {}", self.number, charge.1.id))
    }

    #[step]
    async fn ship(&self, pack: &String, #[dep] services: &Services) -> Result<String, ShopError> {
        services.work().await;
        services.work().await;
        if self.luck == Luck::CarrierRefuses {
            return Err(ShopError::Refused("The carrier refuses the parcel."));
        }
        Ok(format!("{pack} is on its way to {}", self.customer))
    }
}

/// The steps in the order in which they run, those that run side by side together; and what undoes them.
pub(crate) const STEPS: &[&[(&str, Option<&str>)]] = &[
    &[("reserve", Some("put back"))],
    &[("charge", Some("refund"))],
    &[("pack", Some("unpack")), ("invoice", None)],
    &[("ship", None)],
];

/// What the provider is told that an order's charge is for.
pub(crate) fn purpose(number: u64) -> String {
    format!("order {number}")
}

/// `POST /api/orders`: begins an order, and answers at once. Sent twice under one key, it begins one.
pub(crate) async fn place(
    State(app): State<Arc<App>>,
    Extension(call): Extension<IdempotencyContext>,
    body: Bytes,
) -> Result<Response, ShopError> {
    let form = Form::read(&body)?;
    let item = form.item()?;
    let quantity = form.quantity()?;
    let customer = form.customer()?;
    let luck = form.luck()?;
    let number = next_number(&app, &call.downstream_key("order")).await?;
    let order = PlaceOrder {
        number,
        sku: item.sku.to_owned(),
        quantity,
        cents: item.cents * u64::from(quantity),
        customer,
        luck,
    };
    order.start_with(&app.coord).map_err(|error| match error {
        coord::SagaError::Coordination(error) => error.into(),
        _ => ShopError::Refused("The order was not begun."),
    })?;
    Ok(answer::json(
        StatusCode::ACCEPTED,
        &json!({ "order": number }),
    ))
}

/// The number of a request's order: a new one, unless it has one.
async fn next_number(app: &App, request: &str) -> Result<u64, ShopError> {
    let lock = app.coord.lock(NUMBERS).label(app.services.process.as_str());
    lock.run(async |_lease| {
        let books = &app.services.books;
        let name = format!("number/{request}");
        if let Some(known) = books.get(&name).await? {
            return Ok(known);
        }
        let next = |last: &mut Option<u64>| {
            let number = last.unwrap_or(1000) + 1;
            *last = Some(number);
            number
        };
        let number = books.change("last-number", None, next).await?;
        let keep = |known: &mut Option<u64>| *known.get_or_insert(number);
        books.change(&name, None, keep).await
    })
    .await
}

/// The key of the lock under which orders are numbered.
pub(crate) const NUMBERS: &str = "order-numbers";

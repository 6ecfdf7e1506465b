//! A payment over HTTP: a request that can be repeated until it is answered, and pays once.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use coord::IdempotencyContext;
use serde_json::json;

use crate::answer::{self, ShopError};
use crate::input::Form;
use crate::provider;
use crate::server::App;

/// `POST /api/payments`
pub(crate) async fn pay(
    State(app): State<Arc<App>>,
    Extension(call): Extension<IdempotencyContext>,
    body: Bytes,
) -> Result<Response, ShopError> {
    let form = Form::read(&body)?;
    let (invoice, cents) = (form.invoice()?, form.cents()?);
    let services = &app.services;
    services.work().await;
    // If this process dies behind the next line, whoever takes over tells the provider the same key.
    let key = call.downstream_key("charge");
    let purpose = format!("invoice {invoice}");
    let charge = provider::charge(services, &key, &purpose, cents).await?;
    services.work().await;
    let paid = json!({ "charge": charge.id, "invoice": invoice, "cents": charge.cents });
    Ok(answer::json(StatusCode::CREATED, &paid))
}

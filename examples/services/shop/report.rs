//! The nightly report: every process wants to write it, and one does.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use coord::locked;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{self, ShopError};
use crate::order::Services;
use crate::provider::Charge;
use crate::server::{App, milliseconds};

/// Nights are short here.
const NIGHT: Duration = Duration::from_secs(60);

/// The key of its lock.
pub(crate) const KEY: &str = "report:nightly";
const NAME: &str = "report";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Which one it is.
    pub(crate) number: u64,
    /// In milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) by: String,
    pub(crate) charges: usize,
    pub(crate) cents: u64,
}

/// Whoever comes while another is at it, or within ten seconds of its start, has nothing to do.
#[locked("report:nightly", skip, ttl = "10s", at_least = "10s")]
async fn write(services: &Services) -> Result<Option<Report>, ShopError> {
    services.work().await;
    let charges: Vec<Charge> = services.books.list("charge/").await?;
    let kept = charges.iter().filter(|charge| !charge.refunded);
    let report = Report {
        number: 0,
        at: milliseconds(),
        by: services.process.clone(),
        charges: kept.clone().count(),
        cents: kept.map(|charge| charge.cents).sum(),
    };
    let next = |last: &mut Option<Report>| {
        let number = last.as_ref().map_or(0, |last| last.number) + 1;
        let next = Report {
            number,
            ..report.clone()
        };
        last.insert(next).clone()
    };
    Ok(Some(services.books.change(NAME, None, next).await?))
}

/// The latest one.
pub(crate) async fn latest(services: &Services) -> Result<Option<Report>, ShopError> {
    services.books.get(NAME).await
}

/// Wants to write one every night, for as long as it is polled.
pub(crate) async fn every_night(services: Services) {
    loop {
        tokio::time::sleep(NIGHT).await;
        // The next night is another chance.
        let _ = write(&services).await;
    }
}

/// `POST /api/report`
pub(crate) async fn now(State(app): State<Arc<App>>) -> Result<Response, ShopError> {
    let written = write(&app.services).await?;
    Ok(answer::json(
        StatusCode::OK,
        &json!({ "written": written.map(|report| report.number) }),
    ))
}

//! Notes on idempotent requests, for the page: which keys came, how they were answered, and how often again.
//!
//! What decides is the record that the layer keeps. These are the shop's own, taken at the door.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::answer::ShopError;
use crate::books::Books;
use crate::server::{App, milliseconds};

/// For how long answers are kept, and so the notes on them.
pub(crate) const KEPT: Duration = Duration::from_secs(60 * 60);
/// One that is under way, and of which nothing more is heard, has died with its process.
const UNDER_WAY: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) key: String,
    pub(crate) route: String,
    /// The status of the stored answer; `None` while it is under way.
    pub(crate) answer: Option<u16>,
    /// The status of a refusal: it is not kept, and the request can be corrected under its key.
    pub(crate) refused: Option<u16>,
    pub(crate) replays: u32,
    /// How often the key was used for another request.
    pub(crate) mismatches: u32,
    /// In milliseconds since 1970.
    pub(crate) began: u64,
}

/// Takes note of what passes through the layer inside.
pub(crate) async fn note(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let books = &app.services.books;
    let Some(key) = key_in(request.headers()) else {
        return next.run(request).await;
    };
    let route = request.uri().path().to_owned();
    let name = format!("call{route}/{key}");
    let come = |call: &mut Option<Call>| {
        let call = call.get_or_insert_with(|| Call {
            key: key.clone(),
            route: route.clone(),
            answer: None,
            refused: None,
            replays: 0,
            mismatches: 0,
            began: milliseconds(),
        });
        call.refused = None;
    };
    // Without a note the page shows less, and nothing else is different.
    let _ = books.change(&name, Some(UNDER_WAY), come).await;
    let response = next.run(request).await;
    let status = response.status();
    let replayed = response.headers().contains_key("idempotent-replayed");
    let gone = |call: &mut Option<Call>| {
        if let Some(call) = call {
            match status {
                _ if replayed => call.replays += 1,
                StatusCode::UNPROCESSABLE_ENTITY => call.mismatches += 1,
                status if status.is_success() => call.answer = Some(status.as_u16()),
                status => call.refused = Some(status.as_u16()),
            }
        }
    };
    let kept = if status.is_success() || status == StatusCode::UNPROCESSABLE_ENTITY {
        KEPT
    } else {
        UNDER_WAY
    };
    let _ = books.change(&name, Some(kept), gone).await;
    response
}

/// The latest ones, newest first.
pub(crate) async fn latest(books: &Books, count: usize) -> Result<Vec<Call>, ShopError> {
    let mut calls: Vec<Call> = books.list("call/").await?;
    calls.sort_by_key(|call| std::cmp::Reverse(call.began));
    calls.truncate(count);
    Ok(calls)
}

/// A key that the layer would accept, roughly: others it refuses, and there is nothing to note.
fn key_in(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("idempotency-key")?.to_str().ok()?;
    let key = text.strip_prefix('"')?.strip_suffix('"')?;
    let is_good = (1..=255).contains(&key.len()) && !key.contains(['"', '\\']);
    is_good.then(|| key.to_owned())
}

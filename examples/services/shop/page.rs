//! The page itself, and what keeps other sites from using it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::answer;
use crate::server::App;

const HTML: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/app.js");
const GRAPH: &str = include_str!("page/graph.js");
const ICON: &str = include_str!("page/icon.svg");

/// Everything comes from here, and nobody may frame it.
const POLICY: &str =
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(async || file("text/html; charset=utf-8", HTML)))
        .route("/style.css", get(async || file("text/css", STYLE)))
        .route("/app.js", get(async || file("text/javascript", SCRIPT)))
        .route("/graph.js", get(async || file("text/javascript", GRAPH)))
        .route("/icon.svg", get(async || file("image/svg+xml", ICON)))
}

pub(crate) async fn not_found() -> Response {
    let problem =
        json!({ "title": "Not Found", "status": 404, "detail": "There is nothing here." });
    answer::json(StatusCode::NOT_FOUND, &problem)
}

/// Refuses what another site's page wants done here, and tells browsers what this one may load.
pub(crate) async fn protect(request: Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site");
    let is_foreign = site.is_some_and(|site| site != "same-origin" && site != "none");
    if is_foreign && request.method() != Method::GET {
        let problem = json!({ "title": "Forbidden", "status": 403, "detail": "Only the shop's own page may do this." });
        return answer::json(StatusCode::FORBIDDEN, &problem);
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

//! What goes wrong in the shop, and what its users are told of it.

use std::fmt;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use coord::StoreError;
use serde::Serialize;

/// What goes wrong. Its text is for the user of the page, so it has no key, no URL and no password in it.
#[derive(Debug)]
pub(crate) enum ShopError {
    /// Something that was filled in.
    Input {
        /// The name of the field; empty, if it is the request as a whole.
        field: &'static str,
        problem: String,
    },
    /// There is less of it than was asked for.
    SoldOut {
        item: String,
        left: u32,
    },
    /// Somebody else said no.
    Refused(&'static str),
    /// What is in the store is not the shop's.
    Unreadable,
    Coordination(coord::Error),
}

impl ShopError {
    pub(crate) fn input(field: &'static str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::Input { field, problem }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Input { .. } => StatusCode::BAD_REQUEST,
            Self::SoldOut { .. } | Self::Refused(_) => StatusCode::CONFLICT,
            Self::Unreadable => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Coordination(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input { problem, .. } => f.write_str(problem),
            Self::SoldOut { item, left: 0 } => write!(f, "There is no {item} left."),
            Self::SoldOut { item, left } => write!(f, "Of {item} there are only {left} left."),
            Self::Refused(reason) => f.write_str(reason),
            Self::Unreadable => f.write_str(
                "What is stored cannot be read: another program uses this namespace. Choose one in SHOP_NAMESPACE.",
            ),
            Self::Coordination(coord::Error::Store(_)) => {
                f.write_str("The store does not answer. Try again in a moment.")
            }
            Self::Coordination(error) => write!(f, "Not now: {error}."),
        }
    }
}

impl From<coord::Error> for ShopError {
    fn from(error: coord::Error) -> Self {
        Self::Coordination(error)
    }
}

impl From<StoreError> for ShopError {
    fn from(error: StoreError) -> Self {
        Self::Coordination(error.into())
    }
}

impl IntoResponse for ShopError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Problem<'a> {
            title: &'a str,
            status: u16,
            detail: String,
            #[serde(skip_serializing_if = "str::is_empty")]
            field: &'a str,
        }
        let status = self.status();
        let field = match &self {
            Self::Input { field, .. } => field,
            _ => "",
        };
        let problem = Problem {
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.to_string(),
            field,
        };
        let mut response = json(status, &problem);
        let kind = header::HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    match serde_json::to_string(value) {
        Ok(text) => (status, kind, text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

//! What a request is answered when neither the handler nor the store has an answer for it.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::body::{ResponseBody, whole};
use crate::error::Error;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
/// When to try again if there is no better guess.
const SOON: Duration = Duration::from_secs(1);

/// A problem as RFC 9457 has it.
#[derive(Debug)]
pub(super) struct Problem {
    name: &'static str,
    title: &'static str,
    status: StatusCode,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    error: Option<Box<Error>>,
}

/// Its body.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    fn new(
        status: StatusCode,
        name: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            name,
            title,
            status,
            detail: detail.into(),
            retry_after: None,
            error: None,
        }
    }

    pub(super) fn missing_key() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "key-missing",
            "Idempotency-Key is missing",
            "This request must have an Idempotency-Key header: a string in double quotes that is new for each \
             new request, and the same when a request is repeated.",
        )
    }

    pub(super) fn malformed_key(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "key-malformed",
            "Idempotency-Key is malformed",
            detail,
        )
    }

    pub(super) fn request_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request-too-large",
            "The request is too large",
            format!("With an Idempotency-Key, a request may have a body of {limit} bytes."),
        )
    }

    /// It is over a limit that is not ours.
    pub(super) fn request_over_a_limit() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request-too-large",
            "The request is too large",
            "Its body is over the limit of this service. Nothing has been done.",
        )
    }

    pub(super) fn unreadable_request() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "request-unreadable",
            "The request could not be read",
            "Its body ended too early or is malformed. Nothing has been done.",
        )
    }

    /// What an error of ours is to a client. What only concerns the operator is not in it.
    pub(super) fn of(error: Error) -> Self {
        let problem = match &error {
            Error::InProgress { retry_after, .. } => Self::new(
                StatusCode::CONFLICT,
                "request-in-progress",
                "A request with this Idempotency-Key is in progress",
                "The first request with this key is not done. Repeat this one later to get its result.",
            )
            .retry_after(*retry_after),
            Error::FingerprintMismatch { .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "Idempotency-Key was used for another request",
                "A request with this key had another method, path or body. Use a new key for a new request.",
            ),
            // Not 409, after which clients repeat the request.
            Error::ResultTooLarge { .. } => Self::new(
                StatusCode::GONE,
                "result-too-large",
                "The result was too large to be kept",
                "The first request with this key was carried out. Its result is not there any more, and it is not \
                 carried out again.",
            ),
            Error::Store(_) | Error::ShutDown | Error::LockLost { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily-unavailable",
                "The service is temporarily unavailable",
                "It is not known whether the request was carried out. Repeat it with the same Idempotency-Key.",
            )
            .retry_after(SOON),
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal-error",
                "The service cannot handle this request",
                "Repeating the request does not help.",
            ),
        };
        Self {
            error: Some(Box::new(error)),
            ..problem
        }
    }

    fn retry_after(self, time: Duration) -> Self {
        Self {
            retry_after: Some(time),
            ..self
        }
    }

    pub(super) fn into_response(self) -> Response<ResponseBody> {
        let document = Document {
            r#type: format!("urn:problem-type:idempotency:{}", self.name),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        // Writing text and a number cannot fail.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(whole(Bytes::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        if let Some(time) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(time)));
        }
        if let Some(error) = self.error {
            response.extensions_mut().insert(*error);
        }
        response
    }
}

/// Rounded up, and never zero, which would be to try again at once.
fn whole_seconds(time: Duration) -> u64 {
    let rounded_up = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    rounded_up.max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::whole_seconds;

    #[test]
    fn times_are_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (29_500, 30)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}

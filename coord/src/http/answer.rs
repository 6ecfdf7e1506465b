//! An answer, and what of it is stored: one line of JSON with the status and the headers, then the body as it
//! is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, HeaderValue, SET_COOKIE, TE, TRAILER};
use http::header::{PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use serde::{Deserialize, Serialize};

use super::body::{BoxError, Read, ResponseBody, Whole, passed_on, read, whole};
use super::problem::Problem;
use crate::error::Error;
use crate::idempotency::{Codec, State};
use crate::store::MAX_VALUE_BYTES;

/// The most bytes of an answer that is stored, with its headers. The record around it needs some too.
const LARGEST_STORED: usize = MAX_VALUE_BYTES - 64 * 1024;
/// What the record around an answer needs, where the store takes less than others.
const AROUND: usize = 4 * 1024;

static REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Headers that are never stored: they are for one client, or about one connection.
const NEVER_STORED: [HeaderName; 11] = [
    SET_COOKIE,
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether an answer of this status is a result, which is stored and replayed: the default of
/// [`store_when`](super::IdempotencyLayer::store_when).
///
/// Successes, redirections and most of the client's errors are: a declined card stays declined under its key,
/// and a corrected request is a new one, with a new key. These are not, so that the same request with the same
/// key runs the handler again: the server's errors (5xx), and what asks for another try - 401, 408, 409, 423,
/// 425 and 429.
pub fn is_final(status: StatusCode) -> bool {
    let comes_again = matches!(status.as_u16(), 401 | 408 | 409 | 423 | 425 | 429);
    !status.is_informational() && !status.is_server_error() && !comes_again
}

/// What a guarded request is answered.
pub(super) enum Answer<E> {
    /// By the handler, as a result. `head` is what is stored before the body.
    Executed {
        response: Response<Whole>,
        head: Vec<u8>,
    },
    /// By the handler, as a result that is too large to be stored.
    TooLarge {
        response: Response<ResponseBody>,
        at_least: u64,
    },
    /// By the handler, and it is no result.
    Passing(Response<ResponseBody>),
    /// By the handler, and what should say whether it is a result has panicked.
    Unjudged(Box<dyn Any + Send>),
    /// By the handler's failure.
    Failed(E),
    /// By what was stored.
    Replayed(Response<Bytes>),
    /// By us.
    Refused(Error),
}

impl<E> Answer<E> {
    /// What the handler's response is, given what says whether its status makes it a result, and how much a store
    /// keeps.
    pub(super) async fn of<B>(
        response: Response<B>,
        is_result: impl FnOnce(StatusCode) -> bool + Send,
        max_body: usize,
        largest_value: usize,
    ) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let status = response.status();
        // The handler has done its work. What panics behind it is no reason to run it again.
        let is_result = match catch_unwind(AssertUnwindSafe(|| is_result(status))) {
            Ok(is_result) => is_result,
            Err(panic) => return Self::Unjudged(panic),
        };
        // An upgraded connection is nothing that can be stored.
        if !is_result || response.status().is_informational() {
            return Self::Passing(response.map(passed_on));
        }
        let (parts, body) = response.into_parts();
        let head = Head::of(parts.status, &parts.headers).line();
        let largest = LARGEST_STORED.min(largest_value.saturating_sub(AROUND));
        let limit = max_body.min(largest.saturating_sub(head.len()));
        match read(body, limit).await {
            Read::Whole(body) if head.len() <= largest => Self::Executed {
                response: Response::from_parts(parts, body),
                head,
            },
            Read::Whole(body) => Self::TooLarge {
                at_least: length(head.len()).saturating_add(length(body.bytes.len())),
                response: Response::from_parts(parts, body.into_body()),
            },
            Read::TooLarge { body, at_least } => Self::TooLarge {
                response: Response::from_parts(parts, body),
                at_least,
            },
            // The client gets no answer either, and tries again.
            Read::Broken { body, .. } => Self::Passing(Response::from_parts(parts, body)),
        }
    }

    pub(super) fn into_response(self) -> Result<Response<ResponseBody>, E> {
        match self {
            Self::Executed { response, .. } => Ok(response.map(Whole::into_body)),
            Self::TooLarge { response, .. } | Self::Passing(response) => Ok(response),
            Self::Unjudged(panic) => resume_unwind(panic),
            Self::Failed(error) => Err(error),
            Self::Replayed(mut response) => {
                let headers = response.headers_mut();
                headers.insert(&REPLAYED, HeaderValue::from_static("true"));
                Ok(response.map(whole))
            }
            Self::Refused(error) => Ok(Problem::of(error).into_response()),
        }
    }

    /// How it is stored.
    pub(super) fn codec() -> Codec<Self> {
        Codec {
            name: "http",
            state_of: |answer| match answer {
                Self::Executed { .. } => Some(State::Value),
                Self::TooLarge { .. } => Some(State::TooLarge),
                Self::Unjudged(_) => Some(State::NotSerializable),
                _ => None,
            },
            encode: |answer, record| {
                match answer {
                    Self::Executed { response, head } => {
                        record.extend_from_slice(head);
                        record.extend_from_slice(&response.body().bytes);
                    }
                    Self::TooLarge { at_least, .. } => {
                        record.extend_from_slice(at_least.to_string().as_bytes());
                    }
                    Self::Unjudged(_) => {
                        record.extend_from_slice(b"`store_when` panicked");
                    }
                    _ => {}
                }
                Ok(())
            },
            decode: |_, stored| decoded(stored).map(Self::Replayed),
            type_name: |_| "http::Response",
        }
    }
}

/// What is stored before the body.
#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "s")]
    status: u16,
    /// Each byte of a value as one character, since a value need not be UTF-8.
    #[serde(rename = "h")]
    headers: Vec<(String, String)>,
}

impl Head {
    fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let named_by_connection: Vec<_> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        let is_stored = |name: &HeaderName| {
            let is_named = |other: &&str| name.as_str().eq_ignore_ascii_case(other);
            !NEVER_STORED.contains(name) && !named_by_connection.iter().any(is_named)
        };
        let headers = headers
            .iter()
            .filter(|(name, _)| is_stored(name))
            .map(|(name, value)| {
                let value = value.as_bytes().iter().copied().map(char::from);
                (name.as_str().to_owned(), value.collect())
            })
            .collect();
        Self {
            status: status.as_u16(),
            headers,
        }
    }

    fn line(&self) -> Vec<u8> {
        // Writing texts and numbers cannot fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

fn decoded(stored: &[u8]) -> Result<Response<Bytes>, String> {
    let end = stored.iter().position(|byte| *byte == b'\n');
    let (head, body) = stored.split_at(end.ok_or("its head does not end")?);
    let head: Head = serde_json::from_slice(head).map_err(|problem| problem.to_string())?;
    let mut response = Response::new(Bytes::copy_from_slice(&body[1..]));
    *response.status_mut() = StatusCode::from_u16(head.status).map_err(|_| "it has no status")?;
    for (name, value) in head.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
        let value = value
            .ok()
            .and_then(|value| HeaderValue::try_from(value).ok());
        let (Ok(name), Some(value)) = (name, value) else {
            return Err("it has a malformed header".to_owned());
        };
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::{HeaderValue, Response};
    use http_body_util::{BodyExt, Full};

    use super::{Answer, LARGEST_STORED};
    use crate::store::MAX_VALUE_BYTES;

    /// Larger than a server sends, but not than a service makes.
    #[tokio::test]
    async fn headers_that_no_store_keeps_are_too_large() {
        for (length, is_kept) in [(1000, true), (LARGEST_STORED, false)] {
            let mut response = Response::new(Full::new(Bytes::from_static(b"said")));
            let value = HeaderValue::try_from("x".repeat(length)).unwrap();
            response.headers_mut().insert("x-large", value);
            let answer =
                Answer::<Infallible>::of(response, |_| true, usize::MAX, MAX_VALUE_BYTES).await;
            assert_eq!(matches!(answer, Answer::Executed { .. }), is_kept);
            let Ok(response) = answer.into_response();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "said");
        }
    }
}

//! Reading a body up to a limit.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, LengthLimitError, StreamBody};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer: the handler's own, or what was stored.
pub type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

/// What came of reading a body.
pub(super) enum Read {
    Whole(Whole),
    /// It has more bytes than the limit. Nothing is lost: this body is as the one that was read.
    TooLarge {
        body: ResponseBody,
        at_least: u64,
    },
    /// It failed on the way. This body fails at the same place.
    Broken {
        body: ResponseBody,
        /// Whether it is too large for a limit that was put around it before.
        is_over_a_limit: bool,
    },
}

/// A body that was read to its end.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

impl Whole {
    /// A body as the one that was read.
    pub(super) fn into_body(self) -> ResponseBody {
        match self.trailers {
            None => whole(self.bytes),
            Some(trailers) => {
                let trailers = stream::iter([Ok(Frame::trailers(trailers))]);
                continued(vec![self.bytes], trailers)
            }
        }
    }
}

pub(super) fn whole(bytes: Bytes) -> ResponseBody {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub(super) fn passed_on<B>(body: B) -> ResponseBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// Reads a body, no further than one frame over the limit.
pub(super) async fn read<B>(body: B, limit: usize) -> Read
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut body = passed_on(body);
    let mut begun = Vec::new();
    let mut trailers: Option<HeaderMap> = None;
    let mut length = 0;
    loop {
        let at_least = body.size_hint().lower().saturating_add(length);
        if at_least > limit {
            let body = continued(begun, BodyStream::new(body));
            return Read::TooLarge { body, at_least };
        }
        match body.frame().await {
            None => {
                let bytes = joined(begun);
                return Read::Whole(Whole { bytes, trailers });
            }
            Some(Err(error)) => {
                let is_over_a_limit = is_over_a_limit(&*error);
                let failure = stream::iter([Err(error)]);
                let body = continued(begun, failure);
                return Read::Broken {
                    body,
                    is_over_a_limit,
                };
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    length += u64::try_from(data.len()).unwrap_or(u64::MAX);
                    begun.push(data);
                }
                Err(frame) => {
                    if let Ok(more) = frame.into_trailers() {
                        trailers.get_or_insert_default().extend(more);
                    }
                }
            },
        }
    }
}

/// Whether `http_body_util::Limited`, which is also what limits bodies in tower and axum, is behind an error.
fn is_over_a_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(<dyn std::error::Error>::is::<LengthLimitError>)
}

fn continued(
    begun: Vec<Bytes>,
    rest: impl stream::Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + 'static,
) -> ResponseBody {
    let begun = begun.into_iter().map(|data| Ok(Frame::data(data)));
    StreamBody::new(stream::iter(begun).chain(rest)).boxed_unsync()
}

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        1 => pieces.pop().unwrap_or_default(),
        _ => pieces.concat().into(),
    }
}

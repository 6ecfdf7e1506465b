//! Reading a body up to a limit.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer: the handler's own, or what was stored.
pub type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

/// What came of reading a body.
pub(super) enum Read {
    /// All of it, but for trailers.
    Whole(Bytes),
    /// It has more bytes than the limit. Nothing is lost: this body is as the one that was read.
    TooLarge { body: ResponseBody, at_least: u64 },
    /// It failed on the way. This body fails at the same place.
    Broken(ResponseBody),
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
    let mut length = 0;
    loop {
        let at_least = body.size_hint().lower().saturating_add(length);
        if at_least > limit {
            let body = continued(begun, BodyStream::new(body));
            return Read::TooLarge { body, at_least };
        }
        match body.frame().await {
            None => return Read::Whole(joined(begun)),
            Some(Err(error)) => {
                let failure = stream::iter([Err(error)]);
                return Read::Broken(continued(begun, failure));
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    length += u64::try_from(data.len()).unwrap_or(u64::MAX);
                    begun.push(data);
                }
            }
        }
    }
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

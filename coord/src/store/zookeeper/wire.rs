//! What goes over the wire: requests as the server reads them, and its replies.
//!
//! Everything is big-endian. Texts and bytes have their length in front, lists their number of elements, and each
//! message its length.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The longest reply that is taken. The server bounds what it is sent, and not what it sends.
pub(super) const LONGEST_REPLY: usize = 256 * 1024 * 1024;

/// Numbers of messages that answer none of ours.
pub(super) const EVENT: i32 = -1;
pub(super) const PONG: i32 = -2;
pub(super) const AUTHENTICATED: i32 = -4;

const PING: i32 = 11;
const AUTHENTICATE: i32 = 100;
const CLOSE: i32 = -11;
const MULTI: i32 = 14;

/// Permissions: all of them.
const ALL: i32 = 0x1f;

/// A change of one node.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Create {
        path: String,
        data: Bytes,
    },
    Delete {
        path: String,
    },
    SetData {
        path: String,
        data: Bytes,
    },
    /// No change: all of them fail unless the node is there, with this version if one is given.
    Check {
        path: String,
        version: Option<i32>,
    },
}

/// A request.
#[derive(Debug, Clone)]
pub(super) enum Request {
    /// All of these, or none.
    Multi(Vec<Change>),
    Create {
        path: String,
        data: Bytes,
    },
    Delete {
        path: String,
    },
    SetData {
        path: String,
        data: Bytes,
        version: Option<i32>,
    },
    Get {
        path: String,
        watch: bool,
    },
    Exists {
        path: String,
        watch: bool,
    },
    Children {
        path: String,
    },
    /// Whatever is asked after this sees all that was done before it.
    Sync {
        path: String,
    },
}

/// Who may use the nodes that are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Everybody,
    /// Those who have authenticated as we have.
    Ourselves,
}

/// What is known of a node besides its data.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stat {
    /// The transaction that has last changed it.
    pub(super) changed: u64,
    /// When it was created, in milliseconds of the leader's clock.
    pub(super) created_at: u64,
    /// When it was last changed.
    pub(super) changed_at: u64,
    pub(super) version: i32,
    pub(super) children: u32,
}

/// Why a request was refused, by the protocol's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub(super) i32);

impl Code {
    pub(super) const NO_NODE: Self = Self(-101);
    pub(super) const NO_AUTH: Self = Self(-102);
    pub(super) const BAD_VERSION: Self = Self(-103);
    pub(super) const NODE_EXISTS: Self = Self(-110);
    pub(super) const NOT_EMPTY: Self = Self(-111);
    pub(super) const SESSION_EXPIRED: Self = Self(-112);
    pub(super) const AUTH_FAILED: Self = Self(-115);
    pub(super) const SESSION_MOVED: Self = Self(-118);
    pub(super) const QUOTA_EXCEEDED: Self = Self(-125);
    pub(super) const THROTTLED: Self = Self(-127);
}

/// A message that is not of the form it should have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Malformed;

pub(super) type Read<T> = Result<T, Malformed>;

/// An answer, not yet read.
#[derive(Debug)]
pub(super) struct Reply {
    /// The transaction, or the last one before a question.
    pub(super) transaction: u64,
    pub(super) outcome: Result<Bytes, Code>,
}

/// What became of a transaction of several changes.
pub(super) enum Done {
    /// What is known now of the nodes, where it is told.
    All(Vec<Option<Stat>>),
    /// None is done, because of the one at this place.
    None(usize, Code),
}

impl Reply {
    /// Reads the answer to [`Request::Multi`].
    pub(super) fn done(self) -> Read<Done> {
        let mut body = match self.outcome {
            Ok(body) => body,
            Err(code) => return Ok(Done::None(usize::MAX, code)),
        };
        let mut stats = Vec::new();
        loop {
            let kind = int(&mut body)?;
            let is_end = boolean(&mut body)?;
            int(&mut body)?;
            match kind {
                _ if is_end => return Ok(Done::All(stats)),
                -1 => {
                    let code = Code(int(&mut body)?);
                    if code.0 != 0 {
                        return Ok(Done::None(stats.len(), code));
                    }
                    stats.push(None);
                }
                1 => {
                    text(&mut body)?;
                    stats.push(None);
                }
                5 => stats.push(Some(stat(&mut body)?)),
                2 | 13 => stats.push(None),
                _ => return Err(Malformed),
            }
        }
    }

    /// Reads the answer to [`Request::Get`].
    pub(super) fn data(self) -> Read<Result<(Bytes, Stat), Code>> {
        self.read(|body| Ok((bytes(body)?.unwrap_or_default(), stat(body)?)))
    }

    /// Reads the answer to [`Request::Create`].
    pub(super) fn created(self) -> Read<Result<Stat, Code>> {
        self.read(|body| {
            text(body)?;
            stat(body)
        })
    }

    /// Reads the answer to [`Request::SetData`] and [`Request::Exists`].
    pub(super) fn stat(self) -> Read<Result<Stat, Code>> {
        self.read(stat)
    }

    /// Reads the answer to [`Request::Children`].
    pub(super) fn children(self) -> Read<Result<(Vec<String>, Stat), Code>> {
        self.read(|body| {
            let count = usize::try_from(int(body)?).unwrap_or(0);
            // Each has at least its length.
            if count > body.len() / 4 {
                return Err(Malformed);
            }
            let names = (0..count).map(|_| text(body)).collect::<Read<_>>()?;
            Ok((names, stat(body)?))
        })
    }

    fn read<T>(self, read: impl FnOnce(&mut Bytes) -> Read<T>) -> Read<Result<T, Code>> {
        match self.outcome {
            Ok(mut body) => read(&mut body).map(Ok),
            Err(code) => Ok(Err(code)),
        }
    }
}

/// Puts a request behind what is to be sent.
pub(super) fn put_request(to: &mut BytesMut, number: i32, request: &Request, access: Access) {
    put_message(to, |to| {
        to.put_i32(number);
        match request {
            Request::Multi(changes) => {
                to.put_i32(MULTI);
                for change in changes {
                    to.put_i32(change.kind());
                    to.put_u8(0);
                    to.put_i32(-1);
                    put_change(to, change, access);
                }
                to.put_i32(-1);
                to.put_u8(1);
                to.put_i32(-1);
            }
            Request::Create { path, data } => {
                to.put_i32(15);
                put_create(to, path, data, access);
            }
            Request::Delete { path } => {
                to.put_i32(2);
                put_text(to, path);
                to.put_i32(-1);
            }
            Request::SetData {
                path,
                data,
                version,
            } => {
                to.put_i32(5);
                put_text(to, path);
                put_bytes(to, data);
                to.put_i32(version.unwrap_or(-1));
            }
            Request::Get { path, watch } => put_question(to, 4, path, Some(*watch)),
            Request::Exists { path, watch } => put_question(to, 3, path, Some(*watch)),
            Request::Children { path } => put_question(to, 12, path, Some(false)),
            Request::Sync { path } => put_question(to, 9, path, None),
        }
    });
}

impl Change {
    fn kind(&self) -> i32 {
        match self {
            Self::Create { .. } => 1,
            Self::Delete { .. } => 2,
            Self::SetData { .. } => 5,
            Self::Check { .. } => 13,
        }
    }
}

fn put_change(to: &mut BytesMut, change: &Change, access: Access) {
    match change {
        Change::Create { path, data } => put_create(to, path, data, access),
        Change::Delete { path } => {
            put_text(to, path);
            to.put_i32(-1);
        }
        Change::SetData { path, data } => {
            put_text(to, path);
            put_bytes(to, data);
            to.put_i32(-1);
        }
        Change::Check { path, version } => {
            put_text(to, path);
            to.put_i32(version.unwrap_or(-1));
        }
    }
}

fn put_create(to: &mut BytesMut, path: &str, data: &[u8], access: Access) {
    put_text(to, path);
    put_bytes(to, data);
    let (scheme, id) = match access {
        Access::Everybody => ("world", "anyone"),
        Access::Ourselves => ("auth", ""),
    };
    to.put_i32(1);
    to.put_i32(ALL);
    put_text(to, scheme);
    put_text(to, id);
    to.put_i32(0);
}

fn put_question(to: &mut BytesMut, kind: i32, path: &str, watch: Option<bool>) {
    to.put_i32(kind);
    put_text(to, path);
    if let Some(watch) = watch {
        to.put_u8(u8::from(watch));
    }
}

pub(super) fn put_ping(to: &mut BytesMut) {
    put_message(to, |to| {
        to.put_i32(PONG);
        to.put_i32(PING);
    });
}

pub(super) fn put_close(to: &mut BytesMut) {
    put_message(to, |to| {
        to.put_i32(0);
        to.put_i32(CLOSE);
    });
}

pub(super) fn put_digest(to: &mut BytesMut, user_and_password: &str) {
    put_message(to, |to| {
        to.put_i32(AUTHENTICATED);
        to.put_i32(AUTHENTICATE);
        to.put_i32(0);
        put_text(to, "digest");
        put_bytes(to, user_and_password.as_bytes());
    });
}

/// A session with the server, by which a later connection goes on with it.
#[derive(Clone, Default)]
pub(super) struct Session {
    pub(super) id: i64,
    pub(super) password: Bytes,
    /// After how many milliseconds without a word from us it ends.
    pub(super) lasts: i32,
}

/// Asks for a session: a new one, or one that there was.
pub(super) fn put_hello(to: &mut BytesMut, lasts: i32, before: &Session) {
    put_message(to, |to| {
        to.put_i32(0);
        // Not what was last seen: questions are asked behind a `sync`.
        to.put_i64(0);
        to.put_i32(lasts);
        to.put_i64(before.id);
        if before.password.is_empty() {
            put_bytes(to, &[0; 16]);
        } else {
            put_bytes(to, &before.password);
        }
        to.put_u8(0);
    });
}

/// The session that was granted; none, if the one that was asked for has ended.
pub(super) fn read_hello(mut body: Bytes) -> Read<Option<Session>> {
    int(&mut body)?;
    let lasts = int(&mut body)?;
    let id = long(&mut body)?;
    let password = bytes(&mut body)?.unwrap_or_default();
    Ok((lasts > 0).then_some(Session {
        id,
        password,
        lasts,
    }))
}

/// The number of a message, and the rest of it.
pub(super) fn read_reply(mut body: Bytes) -> Read<(i32, Reply)> {
    let number = int(&mut body)?;
    let transaction = long(&mut body)?.cast_unsigned();
    let code = int(&mut body)?;
    let outcome = if code == 0 { Ok(body) } else { Err(Code(code)) };
    Ok((
        number,
        Reply {
            transaction,
            outcome,
        },
    ))
}

/// The path that a watch was woken by. None, if it is of the session.
pub(super) fn read_event(mut body: Bytes) -> Read<Option<String>> {
    let kind = int(&mut body)?;
    int(&mut body)?;
    let path = text(&mut body)?;
    Ok((kind > 0).then_some(path))
}

fn put_message(to: &mut BytesMut, put: impl FnOnce(&mut BytesMut)) {
    let at = to.len();
    to.put_i32(0);
    put(to);
    let len = u32::try_from(to.len() - at - 4).unwrap_or(u32::MAX);
    to[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

fn put_text(to: &mut BytesMut, text: &str) {
    put_bytes(to, text.as_bytes());
}

fn put_bytes(to: &mut BytesMut, bytes: &[u8]) {
    to.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    to.put_slice(bytes);
}

fn int(from: &mut Bytes) -> Read<i32> {
    from.try_get_i32().map_err(|_| Malformed)
}

fn long(from: &mut Bytes) -> Read<i64> {
    from.try_get_i64().map_err(|_| Malformed)
}

fn boolean(from: &mut Bytes) -> Read<bool> {
    from.try_get_u8()
        .map(|byte| byte != 0)
        .map_err(|_| Malformed)
}

fn bytes(from: &mut Bytes) -> Read<Option<Bytes>> {
    let len = int(from)?;
    let Ok(len) = usize::try_from(len) else {
        return Ok(None);
    };
    if len > from.len() {
        return Err(Malformed);
    }
    Ok(Some(from.split_to(len)))
}

fn text(from: &mut Bytes) -> Read<String> {
    let bytes = bytes(from)?.unwrap_or_default();
    String::from_utf8(bytes.into()).map_err(|_| Malformed)
}

fn stat(from: &mut Bytes) -> Read<Stat> {
    long(from)?;
    let changed = long(from)?.cast_unsigned();
    let created_at = long(from)?.cast_unsigned();
    let changed_at = long(from)?.cast_unsigned();
    let version = int(from)?;
    int(from)?;
    int(from)?;
    long(from)?;
    int(from)?;
    let children = u32::try_from(int(from)?).unwrap_or(0);
    long(from)?;
    Ok(Stat {
        changed,
        created_at,
        changed_at,
        version,
        children,
    })
}

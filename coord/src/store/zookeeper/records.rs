//! Records: a cell each, whose mark is the operation that wrote it last.
//!
//! A record that is deleted stays as a cell that says so, until it is swept: the operations that wrote it can then
//! still be recognised when they come again.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::cell::{self, Cell, Mark};
use super::clock::{Time, milliseconds, until};
use super::hearing;
use super::link::{self, Changed, Link};
use super::wire::{Change, Malformed, Request, Stat};
use super::{TRIES, failure};
use crate::store::{Condition, DeleteRequest, Entry, Put, PutRequest, Result, Version, Watch};

/// How many operations before the last are remembered.
const REMEMBERED: usize = 16;
/// A value up to this may go along with another one, or be read back, for nothing.
const SMALL: usize = 4 * 1024;

const IS_THERE: u8 = 1;
const IS_LISTED: u8 = 2;

/// What stands in front of a record's value.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    pub(super) mark: Mark,
    /// Whether there is a record, and not only what is left of it.
    pub(super) is_there: bool,
    /// Whether it has a node among those that are listed.
    pub(super) is_listed: bool,
    /// How long it is there after it was written, in milliseconds.
    ttl: Option<u64>,
    /// When it ends, if that is known.
    ends_at: Option<Time>,
    /// The marks before, the last one in front.
    before: Vec<Mark>,
}

/// A record as it was read.
pub(super) struct Record {
    pub(super) header: Header,
    value: Bytes,
    pub(super) written_at: Time,
}

impl Record {
    pub(super) fn parse(cell: Cell) -> Option<Self> {
        let mut content = cell.content;
        let flags = content.try_get_u8().ok()?;
        let ttl = content.try_get_u64().ok()?;
        let count = content.try_get_u8().ok()?;
        let before = (0..count)
            .map(|_| content.try_get_u128().ok())
            .collect::<Option<_>>()?;
        Some(Self {
            header: Header {
                mark: cell.mark,
                is_there: flags & IS_THERE != 0,
                is_listed: flags & IS_LISTED != 0,
                ttl: (ttl > 0).then_some(ttl),
                ends_at: (ttl > 0).then(|| cell.stat.changed_at.saturating_add(ttl)),
                before,
            },
            value: content,
            written_at: cell.stat.changed_at,
        })
    }

    /// When it ends, or has.
    pub(super) fn ends_at(&self) -> Option<Time> {
        if self.header.is_there {
            self.header.ends_at
        } else {
            Some(self.written_at)
        }
    }

    /// What is there now.
    async fn entry(&self, link: &Link) -> Result<Option<Entry>> {
        if !self.header.is_there {
            return Ok(None);
        }
        let expires_in = match self.header.ends_at {
            None => None,
            Some(end) => {
                // What is known here of the time may be from before it was written.
                let now = link.now().await?.max(self.written_at);
                if end <= now {
                    return Ok(None);
                }
                Some(until(end, now))
            }
        };
        Ok(Some(Entry {
            value: self.value.clone(),
            version: Version::from_bits(self.header.mark),
            expires_in,
        }))
    }
}

impl Header {
    /// Whether this operation has written the record, lately.
    fn knows(&self, operation: Mark) -> bool {
        self.mark == operation || self.before.contains(&operation)
    }

    /// Whether it is there for sure, if nobody has written it since.
    fn lives(&self, link: &Link) -> bool {
        let is_ahead = |end| link.clock.now().is_some_and(|now| now < end);
        self.is_there && self.ends_at.is_none_or(is_ahead)
    }

    /// What follows on it.
    fn next(current: Option<&Self>, mark: Mark) -> Self {
        let mut before = Vec::new();
        if let Some(current) = current {
            before.push(current.mark);
            before.extend(&current.before);
            before.truncate(REMEMBERED);
        }
        Self {
            mark,
            before,
            ..Self::default()
        }
    }

    fn content(&self, value: &[u8]) -> Bytes {
        let mut content = BytesMut::with_capacity(10 + 16 * self.before.len() + value.len());
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        content.put_u8(flag(self.is_there, IS_THERE) | flag(self.is_listed, IS_LISTED));
        content.put_u64(self.ttl.unwrap_or(0));
        content.put_u8(u8::try_from(self.before.len()).unwrap_or(0));
        self.before.iter().for_each(|mark| content.put_u128(*mark));
        content.put_slice(value);
        content.freeze()
    }
}

pub(super) async fn get(link: &Link, key: &str) -> Result<Option<Entry>> {
    let path = link.address.root.record(key);
    let record = parse("get", link::get_latest(link, "get", &path).await?)?;
    match record {
        Some(record) => {
            link.keep_header(&path, record.header.clone());
            record.entry(link).await
        }
        None => Ok(None),
    }
}

/// The entry of a record that was read.
pub(super) async fn entry_of(link: &Link, cell: Cell) -> Result<Option<Entry>> {
    match parse("list", Some(cell))? {
        Some(record) => record.entry(link).await,
        None => Ok(None),
    }
}

pub(super) async fn put(link: &Link, request: &PutRequest) -> Result<Put> {
    Writing::put(link, request, false).run().await
}

/// Puts the one and then the other, in one transaction if what is known suffices for both.
pub(super) async fn put_after(
    link: &Link,
    first: &PutRequest,
    request: &PutRequest,
) -> Result<Put> {
    let (first, second) = (
        Writing::put(link, first, false),
        Writing::put(link, request, false),
    );
    let mut read = None;
    if first.is_small()
        && first.path != second.path
        && let (Some(one), Some(other)) = (first.known(), second.known())
    {
        let (one, mut changes) = first.changes(one.as_ref());
        let (other, more) = second.changes(other.as_ref());
        changes.extend(more);
        let behind = second.is_small().then(|| link::get(&second.path));
        match link.change("put", changes, behind).await? {
            (Changed::Done { stat, .. }, _) => {
                first.keep(one, stat);
                second.keep(other, stat);
                return Ok(second.stored());
            }
            (Changed::Refused(_), replies) => {
                if let Some(reply) = replies.into_iter().next() {
                    read = Some(link::cell("put", reply)?);
                }
            }
        }
    }
    match first.run().await? {
        Put::Stored(_) => second.go_on(read).await,
        conflict @ Put::Conflict(_) => Ok(conflict),
    }
}

/// Puts, and then watches, in one round trip.
pub(super) async fn put_watched(link: &Link, request: &PutRequest) -> Result<(Put, Watch)> {
    let path = link.address.root.record(&request.key);
    let watch = link.wakes.watch(&path.as_str().into());
    let put = Writing::put(link, request, true).run().await?;
    Ok((put, watch))
}

pub(super) async fn delete(link: &Link, request: &DeleteRequest) -> Result<bool> {
    let writing = Writing {
        link,
        operation: "delete",
        path: link.address.root.record(&request.key),
        key: &request.key,
        mark: request.operation.to_bits(),
        condition: &request.condition,
        value: None,
        watches: false,
    };
    Ok(matches!(writing.run().await?, Put::Stored(_)))
}

/// A conditional write under way.
struct Writing<'a> {
    link: &'a Link,
    operation: &'static str,
    path: String,
    key: &'a str,
    mark: Mark,
    condition: &'a Condition,
    /// None is to delete.
    value: Option<&'a PutRequest>,
    watches: bool,
}

impl<'a> Writing<'a> {
    fn put(link: &'a Link, request: &'a PutRequest, watches: bool) -> Self {
        Self {
            link,
            operation: "put",
            path: link.address.root.record(&request.key),
            key: &request.key,
            mark: request.operation.to_bits(),
            condition: &request.condition,
            value: Some(request),
            watches,
        }
    }

    /// Whether its value may go along with another one, or be read back, for nothing.
    fn is_small(&self) -> bool {
        self.value.is_none_or(|put| put.value.len() <= SMALL)
    }

    /// What is known to be there, where that suffices for writing.
    #[allow(clippy::option_option, reason = "nothing there is known too")]
    fn known(&self) -> Option<Option<Header>> {
        match (self.condition, self.value) {
            (Condition::Version(version), _) => {
                let header = self.link.header(&self.path);
                header
                    .filter(|header| header.mark == version.to_bits() && header.lives(self.link))
                    .map(Some)
            }
            (Condition::Any, Some(_)) => {
                let header = self.link.header(&self.path);
                Some(header).filter(|header| {
                    let is_done = |header: &Header| header.knows(self.mark);
                    !header.as_ref().is_some_and(is_done)
                })
            }
            (Condition::Absent, Some(_)) => Some(None),
            _ => None,
        }
    }

    /// Writes at once where what is known suffices, and otherwise looks first.
    async fn run(&self) -> Result<Put> {
        let mut read = None;
        if let Some(known) = self.known() {
            match self.write(known.as_ref()).await? {
                Written::Done => return Ok(self.stored()),
                Written::Changed => {}
                Written::Read(there) => read = Some(there),
            }
        }
        self.go_on(read).await
    }

    /// Writes on what was read, or is there now.
    #[allow(
        clippy::option_option,
        reason = "that nothing is there can be read too"
    )]
    async fn go_on(&self, mut read: Option<Option<Cell>>) -> Result<Put> {
        for _ in 0..TRIES {
            let there = match read.take() {
                Some(there) => there,
                None => self.look().await?,
            };
            let there = parse(self.operation, there)?;
            let mut entry = None;
            if let Some(record) = &there {
                if record.header.knows(self.mark) {
                    return Ok(self.stored());
                }
                self.link.keep_header(&self.path, record.header.clone());
                entry = record.entry(self.link).await?;
            }
            let is_in_vain = self.value.is_none() && entry.is_none();
            if is_in_vain || !self.condition.holds(entry.as_ref()) {
                return Ok(Put::Conflict(entry));
            }
            match self
                .write(there.as_ref().map(|there| &there.header))
                .await?
            {
                Written::Done => return Ok(self.stored()),
                Written::Changed => {}
                Written::Read(there) => read = Some(there),
            }
        }
        Err(failure::of_contention(self.operation))
    }

    fn stored(&self) -> Put {
        Put::Stored(Version::from_bits(self.mark))
    }

    async fn look(&self) -> Result<Option<Cell>> {
        let mut asked = vec![Request::Sync {
            path: self.path.clone(),
        }];
        asked.extend(looking(&self.path, self.watches, true));
        let replies = self.link.ask_all(self.operation, &asked).await?;
        match replies.into_iter().next_back() {
            Some(reply) => link::cell(self.operation, reply),
            None => Ok(None),
        }
    }

    /// What writes on what is there, and what stands in front of the record then.
    fn changes(&self, there: Option<&Header>) -> (Header, Vec<Change>) {
        let mut header = Header::next(there, self.mark);
        let was_listed = there.is_some_and(|there| there.is_listed);
        if let Some(put) = self.value {
            header.is_there = true;
            header.ttl = put.ttl.map(milliseconds);
            header.is_listed = put.listed || was_listed;
        }
        let value = self.value.map_or(&[][..], |put| &put.value);
        let content = header.content(value);
        let mut changes = match there {
            Some(there) => cell::replace(&self.path, there.mark, self.mark, &content).to_vec(),
            None => cell::create(&self.path, self.mark, &content).to_vec(),
        };
        let listed = || self.link.address.root.listed(self.key);
        match (was_listed, header.is_listed) {
            (false, true) => changes.push(Change::Create {
                path: listed(),
                data: Bytes::new(),
            }),
            (true, false) => changes.push(Change::Delete { path: listed() }),
            _ => {}
        }
        (header, changes)
    }

    /// It is written, as the server says.
    fn keep(&self, mut header: Header, stat: Stat) {
        header.ends_at = header.ttl.map(|ttl| stat.changed_at.saturating_add(ttl));
        self.link.keep_header(&self.path, header);
    }

    /// Writes on what is there.
    async fn write(&self, there: Option<&Header>) -> Result<Written> {
        let (header, changes) = self.changes(there);
        let reads = there.is_none() && self.is_small();
        let behind = looking(&self.path, self.watches, reads);
        let changed = self.link.change(self.operation, changes, behind).await?;
        match changed {
            (Changed::Done { stat, .. }, _) => {
                self.keep(header, stat);
                Ok(Written::Done)
            }
            (Changed::Refused(_), replies) => {
                match replies.into_iter().next_back().filter(|_| reads) {
                    Some(reply) => Ok(Written::Read(link::cell(self.operation, reply)?)),
                    None => Ok(Written::Changed),
                }
            }
        }
    }
}

/// Watches and reads, in this order: what happens in between is in what is read, or told.
fn looking(path: &str, watches: bool, reads: bool) -> Vec<Request> {
    let watch = watches.then(|| hearing::exists(path));
    watch
        .into_iter()
        .chain(reads.then(|| link::get(path)))
        .collect()
}

enum Written {
    Done,
    /// Something else is there.
    Changed,
    /// Something else is there: this.
    Read(Option<Cell>),
}

pub(super) fn parse(operation: &'static str, cell: Option<Cell>) -> Result<Option<Record>> {
    let Some(cell) = cell else { return Ok(None) };
    let record = Record::parse(cell);
    record
        .map(Some)
        .ok_or_else(|| failure::of_reply(operation)(Malformed))
}

#[cfg(test)]
mod tests {
    use super::looking;
    use crate::store::zookeeper::wire::Request;

    #[test]
    fn what_is_watched_is_read_behind_the_watch() {
        let requests = looking("/a", true, true);
        assert!(
            matches!(
                &*requests,
                [Request::Exists { watch: true, .. }, Request::Get { .. }]
            ),
            "what happens between the two would be missed"
        );
    }
}

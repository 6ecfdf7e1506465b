//! A cell: a node that is written whole, on condition that nobody else has since it was read.
//!
//! The server compares numbers of versions, which begin anew when a node is deleted and created again, so that a late
//! write could meet another node than it was meant for. So each write of a cell has a mark of 128 random bits, which
//! is a node below the cell, and stands in front of its data as well. To write is to delete the mark that was read, create
//! one's own, and set the data, all in one transaction; it fails if the mark that was read is no longer there. No mark
//! ever comes again.

use bytes::{BufMut, Bytes, BytesMut};

use super::path;
use super::wire::{Change, Stat};

pub(super) type Mark = u128;

/// A cell as it was read.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) mark: Mark,
    pub(super) content: Bytes,
    pub(super) stat: Stat,
}

impl Cell {
    /// None, if it is none.
    pub(super) fn read(mut data: Bytes, stat: Stat) -> Option<Self> {
        if data.len() < 16 {
            return None;
        }
        let mark = Mark::from_be_bytes(data.split_to(16)[..].try_into().ok()?);
        Some(Self {
            mark,
            content: data,
            stat,
        })
    }
}

/// The first fails if there is one, or no folder. The last tells when, which creating does not.
pub(super) fn create(cell: &str, mark: Mark, content: &[u8]) -> [Change; 3] {
    [
        Change::Create {
            path: cell.to_owned(),
            data: Bytes::new(),
        },
        Change::Create {
            path: path::mark(cell, mark),
            data: Bytes::new(),
        },
        Change::SetData {
            path: cell.to_owned(),
            data: data(mark, content),
        },
    ]
}

/// The first fails if it has changed; the last tells when.
pub(super) fn replace(cell: &str, read: Mark, mark: Mark, content: &[u8]) -> [Change; 3] {
    [
        Change::Delete {
            path: path::mark(cell, read),
        },
        Change::Create {
            path: path::mark(cell, mark),
            data: Bytes::new(),
        },
        Change::SetData {
            path: cell.to_owned(),
            data: data(mark, content),
        },
    ]
}

/// The first fails if it has changed.
pub(super) fn remove(cell: &str, read: Mark) -> [Change; 2] {
    [
        Change::Delete {
            path: path::mark(cell, read),
        },
        Change::Delete {
            path: cell.to_owned(),
        },
    ]
}

fn data(mark: Mark, content: &[u8]) -> Bytes {
    let mut data = BytesMut::with_capacity(16 + content.len());
    data.put_u128(mark);
    data.put_slice(content);
    data.freeze()
}

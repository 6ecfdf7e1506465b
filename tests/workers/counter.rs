//! A resource that checks fencing tokens: a file with a count.
//!
//! It remembers the greatest token that it was shown, by readers and writers alike, and refuses smaller ones.
//! Each of its operations is atomic, by a lock on the file.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// The file, opened by one process.
pub(crate) struct Counter(File);

/// What stands in the file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Record {
    pub(crate) count: u64,
    /// The greatest token that was shown.
    pub(crate) token: u64,
    /// How many writes were accepted.
    pub(crate) accepted: u64,
    /// How often a token was too small.
    pub(crate) refused: u64,
    /// The process that showed the greatest token.
    pub(crate) process: u64,
}

const FIELD: usize = 21;

impl Counter {
    /// The file at `path`, made if it is not there.
    pub(crate) fn at(path: &Path) -> Self {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        Self(file.expect("the counter's file"))
    }

    /// The count, for one who has this token; `None` if it is refused.
    pub(crate) fn read(&self, token: u64) -> Option<u64> {
        self.update(token, |_| {}).map(|record| record.count)
    }

    /// Sets the count, and says whether the token was accepted.
    pub(crate) fn write(&self, token: u64, count: u64) -> bool {
        let written = self.update(token, |record| {
            record.count = count;
            record.accepted += 1;
        });
        written.is_some()
    }

    /// What stands there now.
    pub(crate) fn look(&self) -> Record {
        self.alone(|| self.load())
    }

    /// Runs `work` while no process is inside of an operation.
    pub(crate) fn alone<T>(&self, work: impl FnOnce() -> T) -> T {
        flock(&self.0, FlockOperation::LockExclusive).expect("the file's lock");
        let done = work();
        flock(&self.0, FlockOperation::Unlock).expect("the file's lock");
        done
    }

    fn update(&self, token: u64, change: impl FnOnce(&mut Record)) -> Option<Record> {
        self.alone(|| {
            let mut record = self.load();
            let accepted = token >= record.token;
            if accepted {
                record.token = token;
                record.process = std::process::id().into();
                change(&mut record);
            } else {
                record.refused += 1;
            }
            self.store(record);
            accepted.then_some(record)
        })
    }

    fn load(&self) -> Record {
        let mut text = [b' '; 5 * FIELD];
        let length = self.0.read_at(&mut text, 0).expect("the file");
        let text = std::str::from_utf8(&text[..length]).expect("numbers");
        let mut fields = text
            .split_whitespace()
            .map(|field| field.parse().expect("a number"));
        let mut next = || fields.next().unwrap_or(0);
        Record {
            count: next(),
            token: next(),
            accepted: next(),
            refused: next(),
            process: next(),
        }
    }

    /// In one piece, so that a process which is killed leaves no half of it.
    fn store(&self, record: Record) {
        let Record {
            count,
            token,
            accepted,
            refused,
            process,
        } = record;
        let text = format!("{count:20} {token:20} {accepted:20} {refused:20} {process:20} ");
        self.0.write_all_at(text.as_bytes(), 0).expect("the file");
    }
}

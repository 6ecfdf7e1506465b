//! The thread that reads. In WAL mode reading waits for no writer; what is committed before it begins is seen.

use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::clock::{HostClock, Time};
use super::failure;
use super::file::{File, patiently};
use super::queue::{Queue, Work, queue};
use crate::store::Result;

/// Does its work with what it is given, and answers.
type Job = Box<dyn FnOnce(std::result::Result<&View<'_>, &Trouble>) + Send>;

/// The database as it is at one moment.
pub(super) struct View<'a> {
    pub(super) connection: &'a Connection,
    pub(super) now: Time,
}

/// Why there is nothing to look at.
enum Trouble {
    MovedFile,
    Begin(rusqlite::Error),
}

/// The end at which tasks ask.
pub(super) struct Reader(Queue<Job>);

impl Reader {
    /// Starts the thread. It ends, and closes its connection, when this is dropped.
    pub(super) fn start(
        file: File,
        connection: Connection,
        clock: HostClock,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, work) = queue();
        let thread = thread::Builder::new()
            .name("coord-sqlite-read".to_owned())
            .spawn(move || run(&work, &file, &connection, clock))?;
        Ok((Self(jobs), thread))
    }

    /// Looks at the database.
    pub(super) async fn call<T, F>(&self, operation: &'static str, look: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&View<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.0.push(Box::new(move |view| {
            let seen = match view {
                Ok(view) => look(view).map_err(|error| failure::of_operation(operation, &error)),
                Err(Trouble::MovedFile) => Err(failure::of_moved_file(operation)),
                Err(Trouble::Begin(error)) => Err(failure::of_operation(operation, error)),
            };
            // A caller that was dropped does not take its answer.
            let _ = reply.send(seen);
        }));
        answer
            .await
            .unwrap_or_else(|_| Err(failure::of_ended_thread(operation)))
    }
}

fn run(work: &Work<Job>, file: &File, connection: &Connection, clock: HostClock) {
    while let Some(jobs) = work.take(None) {
        let begun = if file.is_in_place() {
            begin(connection, file, clock).map_err(Trouble::Begin)
        } else {
            Err(Trouble::MovedFile)
        };
        let view = begun.map(|now| View { connection, now });
        for job in jobs {
            job(view.as_ref());
        }
        if !connection.is_autocommit() {
            // Nothing was written, so nothing can fail that matters.
            let _ = connection
                .prepare_cached("COMMIT")
                .and_then(|mut end| end.execute([]));
        }
    }
}

/// Begins a transaction, and looks, so that it is the state of now that is seen. Returns the time, which is from before
/// that: what is renewed in between is not taken for expired.
fn begin(connection: &Connection, file: &File, clock: HostClock) -> rusqlite::Result<Time> {
    patiently(file.busy_timeout(), || {
        if connection.is_autocommit() {
            connection.prepare_cached("BEGIN")?.execute([])?;
        }
        let now = clock.now();
        connection
            .prepare_cached("SELECT one FROM host")?
            .query_row([], |_| Ok(now))
    })
}

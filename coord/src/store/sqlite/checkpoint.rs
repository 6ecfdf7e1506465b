//! Keeping the log short that SQLite writes ahead of the database.
//!
//! It is begun anew by one who writes at a moment when all of it is in the database, and nobody reads in it. Where several
//! processes read and write without a pause, that moment does not come by itself. So whoever finds the log too long has
//! the others wait: nobody writes meanwhile, those who read in it are done soon, and those who begin to read when all of it
//! is in the database do not look into it.

use std::time::Duration;

use rusqlite::Connection;

use super::file::File;

/// How many bytes are too long.
const TOO_LONG: u64 = 64 * 1024 * 1024;
/// How long others are waited for: so many pauses.
const PAUSES: i32 = 500;
const PAUSE: Duration = Duration::from_micros(200);

/// How long the log is.
#[derive(Default)]
pub(super) struct LogLength {
    /// The bytes that it had when it could not be begun anew, because somebody stands still who reads in it.
    stuck_at: u64,
}

impl LogLength {
    /// Has the log begun anew if it is too long.
    pub(super) fn limit(&mut self, file: &File, connection: &Connection) {
        let bytes = file.log_bytes();
        if bytes < TOO_LONG {
            self.stuck_at = 0;
        } else if bytes >= self.stuck_at + TOO_LONG && !run(connection) {
            self.stuck_at = bytes;
        }
    }
}

/// Writes all of the log into the database, so that whoever writes next begins it anew. Says whether that was possible.
pub(super) fn run(connection: &Connection) -> bool {
    let run = || {
        connection.busy_handler(Some(pause))?;
        let is_left: bool =
            connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get(0))?;
        Ok::<_, rusqlite::Error>(!is_left)
    };
    let is_done = run().unwrap_or(false);
    // From here on nobody is waited for by SQLite itself. It cannot fail.
    let _ = connection.busy_timeout(Duration::ZERO);
    is_done
}

fn pause(pauses: i32) -> bool {
    std::thread::sleep(PAUSE);
    pauses < PAUSES
}

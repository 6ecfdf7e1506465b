//! Databases in files, sockets and folders.

use std::path::PathBuf;

use crate::leash::folder_of_the_process;
use crate::names::unique;

/// The file that all tests of this process share, each under names of its own.
pub fn shared_sqlite() -> PathBuf {
    folder_of_the_process().join("shared.db")
}

/// A file that no other test uses, removed when the test process is gone. There is none yet under this path.
pub fn new_sqlite() -> PathBuf {
    folder_of_the_process()
        .join(unique("own"))
        .with_extension("db")
}

/// The path of a socket that no other test uses, removed when the test process is gone. Nobody listens there yet.
pub fn new_socket() -> PathBuf {
    folder_of_the_process().join(unique("socket"))
}

/// The path of a folder that no other test uses, removed when the test process is gone. There is none yet.
pub fn new_folder() -> PathBuf {
    folder_of_the_process().join(unique("folder"))
}

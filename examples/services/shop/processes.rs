//! Which processes of the shop there are: each tells that it is there, and is forgotten soon after it stops.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::ShopError;
use crate::books::Books;

const TELL_EVERY: Duration = Duration::from_secs(1);
const FORGET_AFTER: Duration = Duration::from_millis(2500);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) port: u16,
    /// Since when, in milliseconds since 1970.
    pub(crate) since: u64,
}

/// Tells that a process is there, for as long as it is polled.
pub(crate) async fn tell(books: Books, process: Process) {
    let name = format!("process/{:05}-{}", process.port, process.id);
    loop {
        let tell = |there: &mut Option<Process>| *there = Some(process.clone());
        // If it cannot be told now, it is in a moment.
        let _ = books.change(&name, Some(FORGET_AFTER), tell).await;
        tokio::time::sleep(TELL_EVERY).await;
    }
}

/// Those that are there, in the order of their ports.
pub(crate) async fn all(books: &Books) -> Result<Vec<Process>, ShopError> {
    books.list("process/").await
}

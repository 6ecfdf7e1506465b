//! What there is to say of the server behind a store.

use std::borrow::Cow;
use std::time::SystemTime;

/// What a store tells of the server behind it, for people who look: [`Store::examine`](super::Store::examine).
///
/// ```
/// use coord::store::{MemoryStore, Store};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// for warning in MemoryStore::new().examine().await?.warnings {
///     println!("warning: {warning}");
/// }
/// # Ok::<(), coord::StoreError>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examination {
    /// The server's name and version.
    pub server: Option<String>,
    /// The time by the clock that decides when something expires, at some moment of the call.
    pub time: Option<SystemTime>,
    /// Settings that take from what the store promises, each with what to do. They carry no secret.
    pub warnings: Vec<Cow<'static, str>>,
    /// Whether a crash of the server can take the last of what it acknowledged and leave the rest, by its settings. To
    /// have lost everything is something else: it shows.
    pub loses_latest: Option<bool>,
}

impl Examination {
    /// Nothing is known of the server.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// The server's name and version.
    pub fn server(mut self, server: impl Into<String>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// The time by its clock.
    pub fn time(mut self, time: impl Into<Option<SystemTime>>) -> Self {
        self.time = time.into();
        self
    }

    /// One more warning.
    pub fn warn(mut self, warning: impl Into<Cow<'static, str>>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// Whether a crash can take the last of what was acknowledged and leave the rest.
    pub fn loses_latest(mut self, loses: impl Into<Option<bool>>) -> Self {
        self.loses_latest = loses.into();
        self
    }
}

//! Looking at locks: what is held, by whom, and who waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::forms::ALL;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::{IntoKey, Key};
use crate::store::{Contender, FencingToken, OwnerId, ScanRequest, Scanned};

/// How many lines are asked for at once.
const AT_ONCE: usize = 64;

/// The locks that are held or waited for, from [`Coordinator::locks`].
#[derive(Debug, Clone)]
pub struct Locks {
    coordinator: Coordinator,
}

/// Which locks to list.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is listed until it is given to `Locks::list`"]
pub struct LockFilter {
    kind: Option<LockKind>,
    prefix: String,
    after: Option<String>,
}

/// Some locks of a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LockPage {
    /// In no order. It can be empty although there are more.
    pub locks: Vec<LockSummary>,
    /// Where the list goes on: what to give to [`LockFilter::after`]. `None` if there is no more.
    pub next: Option<String>,
}

/// A lock that somebody holds or waits for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LockSummary {
    /// What it is.
    pub kind: LockKind,
    /// Its key.
    pub key: String,
    /// Everybody in line, in the order of arrival: first those who hold.
    pub line: Vec<LockContender>,
}

/// One who holds a lock, or waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockContender {
    /// What tells this attempt from all others.
    pub owner: OwnerId,
    /// Its name for people, from [`LockBuilder::label`](super::LockBuilder::label); may be empty.
    pub label: Arc<str>,
    /// Its fencing token, or, while it waits, the one that it will have if nothing happens to the store.
    pub token: FencingToken,
    /// What it takes.
    pub claim: LockClaim,
    /// Whether it holds, or waits.
    pub holds: bool,
    /// How long it stays if it is not renewed.
    pub expires_in: Duration,
}

/// What there is of locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockKind {
    /// A lock, or one side of a read/write lock.
    Lock,
    /// A semaphore.
    Semaphore,
    /// An election.
    Election,
}

/// How much of a lock somebody takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockClaim {
    /// All of it.
    Exclusive,
    /// The reader's side, together with others.
    Shared,
    /// So many permits of a semaphore.
    Permits(u32),
}

impl LockKind {
    const ALL: [Self; 3] = [Self::Lock, Self::Semaphore, Self::Election];

    /// Its name, which is part of names in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Semaphore => "semaphore",
            Self::Election => "election",
        }
    }

    fn claim(self, weight: u32) -> LockClaim {
        match self {
            Self::Semaphore => LockClaim::Permits(weight),
            Self::Lock if weight < ALL => LockClaim::Shared,
            Self::Lock | Self::Election => LockClaim::Exclusive,
        }
    }
}

impl fmt::Display for LockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Coordinator {
    /// The locks that are held or waited for in this namespace, to look at.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use coord::lock::LockFilter;
    /// # let coord = coord::Coordinator::connect("memory:").await?;
    ///
    /// let lease = coord.lock("order:42").label("host-7").acquire().await?;
    /// for lock in coord.locks().list(LockFilter::new()).await?.locks {
    ///     for one in lock.line.iter().filter(|one| one.holds) {
    ///         println!("{} is held by {} with the token {}", lock.key, one.label, one.token);
    ///         # assert_eq!((&*lock.key, &*one.label, one.token), ("order:42", "host-7", lease.token()));
    ///     }
    /// }
    /// # Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    pub fn locks(&self) -> Locks {
        Locks {
            coordinator: self.clone(),
        }
    }
}

impl LockFilter {
    /// All locks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of this kind.
    pub fn kind(mut self, kind: LockKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Those whose keys begin so.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Goes on where a page ended: [`LockPage::next`].
    pub fn after(mut self, next: impl Into<Option<String>>) -> Self {
        self.after = next.into();
        self
    }
}

impl Locks {
    /// Lists locks, with everybody in line: a scan of the store's names ([`Store::scan`](crate::store::Store::scan)),
    /// and a question for each name that is found. It changes nothing, and dropping the future leaves nothing behind.
    ///
    /// What comes or goes meanwhile may be in it or not, and a lock can come on two pages.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails, or cannot tell what it has.
    pub async fn list(&self, filter: LockFilter) -> Result<LockPage, Error> {
        let begins = match filter.kind {
            Some(kind) => self.coordinator.prefix(kind.name()) + &filter.prefix,
            None => self.coordinator.everything(),
        };
        let request = ScanRequest::new(Scanned::Leases, begins).cursor(filter.after);
        let page = self.coordinator.store().scan(&request).await?;
        let names: Vec<_> = page
            .names
            .iter()
            .filter_map(|name| self.read(name))
            .collect();
        let wanted = names
            .iter()
            .filter(|(_, key)| key.starts_with(&filter.prefix));
        let wanted: Vec<_> = wanted.collect();
        let mut locks = Vec::new();
        for some in wanted.chunks(AT_ONCE) {
            let lines = some.iter().map(|(kind, key)| self.line(*kind, key));
            locks.extend(try_join_all(lines).await?.into_iter().flatten());
        }
        Ok(LockPage {
            locks,
            next: page.next,
        })
    }

    /// Who holds one lock, and who waits for it; `None` if nobody does either. One round trip.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`]; [`Error::Store`] if the store fails.
    pub async fn get(
        &self,
        kind: LockKind,
        key: impl IntoKey,
    ) -> Result<Option<LockSummary>, Error> {
        self.line(kind, key.into_key()?.as_str()).await
    }

    async fn line(&self, kind: LockKind, key: &str) -> Result<Option<LockSummary>, Error> {
        let name = self.coordinator.name(kind.name(), &Key::new(key)?);
        let line = self.coordinator.store().inspect_lease(&name).await?;
        let contender = |one: Contender| LockContender {
            owner: one.owner,
            label: one.label,
            token: one.token,
            claim: kind.claim(one.weight),
            holds: one.granted,
            expires_in: one.expires_in,
        };
        Ok((!line.is_empty()).then(|| LockSummary {
            kind,
            key: key.to_owned(),
            line: line.into_iter().map(contender).collect(),
        }))
    }

    /// The kind and the key of a name in the store. What cannot be a key's is none of ours.
    fn read(&self, name: &str) -> Option<(LockKind, String)> {
        LockKind::ALL.into_iter().find_map(|kind| {
            let key = name.strip_prefix(&self.coordinator.prefix(kind.name()))?;
            Key::new(key).ok().map(|_| (kind, key.to_owned()))
        })
    }
}

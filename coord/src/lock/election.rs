//! Leader election: a lock that is held for long, and whose holder others want to know.

use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use smallvec::smallvec;

use super::builder::{LockBuilder, Target};
use super::forms::Whole;
use super::lease::Lease;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::{IntoKey, Key};
use crate::store::{Contender, FencingToken, Watched};

/// How long an observer trusts that nothing has changed, at the most.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(10);

impl Coordinator {
    /// An election: of all candidates, one leads at a time.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let coord = coord::Coordinator::builder().build();
    /// let election = coord.election("scheduler").candidate("node-7");
    /// let leadership = election.campaign().await?;
    /// assert_eq!(&*election.leader().await?.expect("somebody leads").name, "node-7");
    /// leadership.resign().await?;
    /// # Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn election(&self, key: impl IntoKey) -> Election {
        Election {
            coordinator: self.clone(),
            key: key.into_key(),
            name: own_name(),
            ttl: self.lock_ttl(),
            place: Location::caller(),
        }
    }
}

/// An election, from [`Coordinator::election`].
#[derive(Debug, Clone)]
#[must_use = "nobody stands until `campaign` is awaited"]
pub struct Election {
    coordinator: Coordinator,
    key: Result<Key, Error>,
    name: Arc<str>,
    ttl: Duration,
    place: &'static Location<'static>,
}

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// The candidate's name.
    pub name: Arc<str>,
    /// The fencing token of its leadership. A later leader has a greater one.
    pub token: FencingToken,
}

impl Election {
    /// The name under which this candidate stands. The default is random, new for each process.
    pub fn candidate(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// How long a leader that has died is still taken for one. The default is the coordinator's lock ttl.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Stands for election, and returns when elected. Candidates are elected in the order in which they
    /// stood. Dropping the future withdraws the candidate.
    ///
    /// # Errors
    ///
    /// As [`LockBuilder::acquire`].
    pub async fn campaign(&self) -> Result<Leadership, Error> {
        let lease = self.lock()?.acquire().await?;
        Ok(Leadership {
            lease,
            election: self.clone(),
        })
    }

    /// Leads if nobody else does or stands before.
    ///
    /// # Errors
    ///
    /// As [`LockBuilder::try_acquire`].
    pub async fn try_lead(&self) -> Result<Option<Leadership>, Error> {
        let lease = self.lock()?.try_acquire().await?;
        Ok(lease.map(|lease| Leadership {
            lease,
            election: self.clone(),
        }))
    }

    /// Who leads now.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] and [`Error::Store`].
    pub async fn leader(&self) -> Result<Option<Leader>, Error> {
        Ok(self.look().await?.map(|contender| Leader {
            name: contender.label,
            token: contender.token,
        }))
    }

    /// Follows who leads, whether or not one stands.
    pub fn observe(&self) -> Observer {
        Observer {
            election: self.clone(),
            last: None,
            told: false,
        }
    }

    fn lock(&self) -> Result<LockBuilder<Whole>, Error> {
        let target = Target::new(&self.coordinator, "election", self.key.clone()?, 1, 1);
        Ok(
            LockBuilder::new(self.coordinator.clone(), Ok(smallvec![target]))
                .at(self.place)
                .ttl(self.ttl)
                .label(Arc::clone(&self.name)),
        )
    }

    fn resource(&self) -> Result<Arc<str>, Error> {
        Ok(self
            .coordinator
            .name("election", self.key.as_ref().map_err(Clone::clone)?))
    }

    async fn look(&self) -> Result<Option<Contender>, Error> {
        let contenders = self
            .coordinator
            .store()
            .inspect_lease(&self.resource()?)
            .await?;
        Ok(contenders.into_iter().find(|contender| contender.granted))
    }
}

/// Being the leader: a [`Lease`]. Dropping it resigns in the background.
#[derive(Debug)]
#[must_use = "leadership ends when it is dropped"]
pub struct Leadership {
    lease: Lease,
    election: Election,
}

impl Leadership {
    /// Steps down, and says whether one still led. Dropping the future leaves the rest to the background.
    ///
    /// # Errors
    ///
    /// As [`Lease::release`].
    pub async fn resign(self) -> Result<(), Error> {
        self.lease.release().await
    }

    /// The same as [`resign`](Self::resign), as of every lease.
    ///
    /// # Errors
    ///
    /// As [`Lease::release`].
    pub async fn release(self) -> Result<(), Error> {
        self.resign().await
    }

    /// Follows who leads.
    pub fn observe(&self) -> Observer {
        self.election.observe()
    }
}

impl Deref for Leadership {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        &self.lease
    }
}

/// Follows who leads.
#[derive(Debug)]
pub struct Observer {
    election: Election,
    /// What was told last, and whether anything was.
    last: Option<Leader>,
    told: bool,
}

impl Observer {
    /// Who leads: at once the first time, and then whenever it has changed. A leader that led for less than a
    /// moment may be missed. Dropping the future misses nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] and [`Error::Store`]; it can be called again.
    pub async fn changed(&mut self) -> Result<Option<Leader>, Error> {
        let watched = Watched::Lease(self.election.resource()?.to_string());
        // The watch is started before the look, so that no change falls between them.
        let mut watch = self.election.coordinator.store().watch(&watched).await?;
        loop {
            let contender = self.election.look().await?;
            let expires_in = contender
                .as_ref()
                .map_or(LOOK_AT_LEAST_EVERY, |contender| contender.expires_in);
            let leader = contender.map(|contender| Leader {
                name: contender.label,
                token: contender.token,
            });
            if !self.told || self.last != leader {
                self.told = true;
                self.last.clone_from(&leader);
                return Ok(leader);
            }
            // The death of a leader is told by nobody: look again when its lease can have ended.
            let at_the_latest = expires_in.clamp(Duration::from_millis(1), LOOK_AT_LEAST_EVERY);
            let _ = tokio::time::timeout(at_the_latest, watch.changed()).await;
        }
    }
}

fn own_name() -> Arc<str> {
    static NAME: std::sync::OnceLock<Arc<str>> = std::sync::OnceLock::new();
    Arc::clone(NAME.get_or_init(|| format!("{:032x}", rand::random::<u128>()).into()))
}

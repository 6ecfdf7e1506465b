//! By which link a key, a resource or a log is reached.

use std::sync::Arc;
#[cfg(feature = "redis-cluster")]
use std::sync::OnceLock;

#[cfg(feature = "redis-cluster")]
use super::cluster::{Cluster, Part};
use super::link::Link;
#[cfg(feature = "redis-cluster")]
use super::names::Names;
#[cfg(feature = "redis-cluster")]
use super::partitions::{self, PARTITIONS};
#[cfg(feature = "redis-cluster")]
use super::past::Past;

/// All links of a store.
pub(super) enum Links {
    /// Of one that is on a server.
    One(Arc<Link>),
    /// Of one that is on a cluster.
    #[cfg(feature = "redis-cluster")]
    Parts(Parts),
}

impl Links {
    /// The link for this name.
    pub(super) fn of(&self, name: &str) -> &Arc<Link> {
        match self {
            Self::One(link) => {
                let _ = name;
                link
            }
            #[cfg(feature = "redis-cluster")]
            Self::Parts(parts) => parts.link(partitions::of(name)),
        }
    }

    /// Some of the links, others each time: all, if it is one.
    pub(super) fn some(&self) -> Vec<Arc<Link>> {
        match self {
            Self::One(link) => vec![Arc::clone(link)],
            #[cfg(feature = "redis-cluster")]
            Self::Parts(parts) => {
                let number = || rand::random_range(0..PARTITIONS);
                let numbers = std::iter::repeat_with(number).take(PARTITIONS.div_ceil(16));
                numbers
                    .map(|number| Arc::clone(parts.link(number)))
                    .collect()
            }
        }
    }

    /// Whether replicas must have what is written.
    pub(super) fn wait_for_replicas(&self) -> bool {
        match self {
            Self::One(link) => link.waits_for_replicas(),
            #[cfg(feature = "redis-cluster")]
            Self::Parts(parts) => parts.cluster.waits_for_replicas(),
        }
    }
}

/// The links to the partitions of a cluster, each made when it is first needed.
#[cfg(feature = "redis-cluster")]
pub(super) struct Parts {
    cluster: Arc<Cluster>,
    past: Arc<Past>,
    links: Vec<OnceLock<Arc<Link>>>,
}

#[cfg(feature = "redis-cluster")]
impl Parts {
    pub(super) fn of(cluster: Arc<Cluster>) -> Self {
        Self {
            cluster,
            past: Arc::default(),
            links: (0..PARTITIONS).map(|_| OnceLock::new()).collect(),
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Link>> {
        (0..PARTITIONS)
            .map(|number| Arc::clone(self.link(number)))
            .collect()
    }

    fn link(&self, number: usize) -> &Arc<Link> {
        self.links[number].get_or_init(|| {
            let names = Names::new(partitions::tag(number), self.cluster.process());
            let part = Part::new(Arc::clone(&self.cluster), number);
            Link::part(names, Arc::clone(&self.past), part)
        })
    }
}

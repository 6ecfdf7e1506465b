//! In which order the locks of this process are taken, and whether two orders contradict each other.
//!
//! Two calls that each hold what the other one waits for wait forever. That takes an unlucky moment, but that it can
//! happen shows long before: one of them takes `a` and then `b`, the other `b` and then `a`. What is recorded is which
//! template was asked for inside the body of which, as edges of a graph; a cycle in it is a deadlock that may come.
//!
//! 1. Nothing is done, and no memory touched, for a lock that is asked for outside of any other.
//! 2. What can be recorded is bounded by the program: its templates, and a limit besides.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use rapidhash::fast::RapidHashMap;

use crate::context::LockName;
use crate::key::TEXT_TEMPLATE;
use crate::observe::{LockOrderEvent, emit};

/// The most edges that are recorded.
const MOST_EDGES: usize = 1024;

/// What users lock, as opposed to what is locked for them.
const KINDS: [&str; 3] = ["lock", "semaphore", "election"];

/// That of the process, once there is an edge.
static GRAPH: RwLock<Option<Graph>> = RwLock::new(None);

/// The order in which locks were taken, from [`lock_order`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LockOrder {
    /// Which lock was asked for inside the body of which, in the order of the outer ones' templates.
    pub edges: Vec<LockEdge>,
    /// Orders that contradict each other, each found once, in the order in which they were found.
    pub cycles: Vec<LockCycle>,
    /// Whether all edges were recorded. After some thousand different ones, no more are.
    pub is_complete: bool,
}

/// A lock that was asked for inside the body of another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockEdge {
    /// The one that was held.
    pub outer: LockSite,
    /// The one that was asked for.
    pub inner: LockSite,
    /// How often.
    pub count: u64,
}

/// A lock and a place where it is asked for: the first one that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockSite {
    /// What it is: `lock` (a read/write lock too), `semaphore` or `election`.
    pub kind: &'static str,
    /// The template of its key.
    pub template: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line there: of the attribute, or of the call that made the lock's builder.
    pub line: u32,
}

/// Edges that lead from a lock back to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockCycle {
    /// The edges: each begins with what the one before ends with, and the first with what the last ends with. One
    /// alone is a lock inside another of its own template.
    pub edges: Vec<LockEdge>,
}

/// Which locks this process has asked for inside the bodies of which others, in whatever coordinator, and where that
/// could deadlock.
///
/// A body is that of `#[locked]` or [`LockBuilder::run`](super::LockBuilder::run); what is held as a
/// [`Lease`](super::Lease) is not seen. Recorded is who waits: [`try_acquire`](super::LockBuilder::try_acquire) and
/// `skip` cannot deadlock. Keys are known by their templates, so those that are given as text are left out, and a
/// lock inside one of its own template counts as a cycle, as two transfers between two accounts are; ask for such
/// keys together, with `lock_all` or several templates in one attribute.
///
/// A cycle is told when it first shows: by an event, by `coord_lock_order_cycles_total`, and here. It is a possibility: if
/// both orders only come under a third lock, it never happens.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use coord::{Coordinator, Error, locked};
///
/// #[locked("account:<id>")]
/// async fn close(id: u64) -> Result<(), Error> { audit(7).await }
///
/// #[locked("audit:<day>")]
/// async fn audit(day: u64) -> Result<(), Error> { Ok(()) }
///
/// #[locked("audit:<day>")]
/// async fn review(day: u64) -> Result<(), Error> { freeze(1).await }
///
/// #[locked("account:<id>")]
/// async fn freeze(id: u64) -> Result<(), Error> { Ok(()) }
///
/// let coord = Coordinator::builder().build();
/// // One after the other, so that nothing happens; but two processes at one time could wait for each other.
/// coord.scope(async { close(1).await?; review(7).await }).await?;
///
/// let order = coord::lock_order();
/// assert_eq!(order.edges.len(), 2);
/// assert!(order.cycles[0].to_string().contains("`account:<id>`"));
/// # Ok::<(), Error>(()) }).unwrap();
/// ```
pub fn lock_order() -> LockOrder {
    let graph = GRAPH.read().unwrap_or_else(PoisonError::into_inner);
    graph.as_ref().map_or_else(
        || LockOrder {
            is_complete: true,
            ..LockOrder::default()
        },
        Graph::snapshot,
    )
}

/// A kind of lock and a template.
type Node = (&'static str, &'static str);

#[derive(Default)]
struct Graph {
    edges: RapidHashMap<(Node, Node), Seen>,
    cycles: Vec<LockCycle>,
    is_full: bool,
}

/// What is known of an edge.
struct Seen {
    outer: &'static Location<'static>,
    inner: &'static Location<'static>,
    count: AtomicU64,
}

/// `inner` is about to be waited for, inside the body of `outer`.
pub(super) fn nested(outer: LockName, inner: LockName) {
    let is_seen = |lock: &LockName| KINDS.contains(&lock.kind) && lock.template != TEXT_TEMPLATE;
    if ![outer, inner].iter().all(is_seen) {
        return;
    }
    let edge = (node(outer), node(inner));
    let is_known = {
        let graph = GRAPH.read().unwrap_or_else(PoisonError::into_inner);
        graph.as_ref().is_some_and(|graph| graph.count(edge))
    };
    if is_known {
        return;
    }
    let cycle = {
        let mut graph = GRAPH.write().unwrap_or_else(PoisonError::into_inner);
        graph
            .get_or_insert_default()
            .add(edge, outer.place, inner.place)
    };
    if let Some(cycle) = cycle {
        emit(inner.template, LockOrderEvent { cycle: &cycle });
    }
}

fn node(lock: LockName) -> Node {
    (lock.kind, lock.template)
}

impl Graph {
    /// Counts an edge if it is known, or if no more can be.
    fn count(&self, edge: (Node, Node)) -> bool {
        if let Some(seen) = self.edges.get(&edge) {
            seen.count.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        self.is_full
    }

    /// Adds an edge, and gives the cycle that it closes.
    fn add(
        &mut self,
        edge: (Node, Node),
        outer: &'static Location<'static>,
        inner: &'static Location<'static>,
    ) -> Option<LockCycle> {
        if self.count(edge) {
            return None;
        }
        if self.edges.len() == MOST_EDGES {
            self.is_full = true;
            return None;
        }
        let closed = self.path(edge.1, edge.0);
        let count = AtomicU64::new(1);
        self.edges.insert(
            edge,
            Seen {
                outer,
                inner,
                count,
            },
        );
        let edges = std::iter::once(edge).chain(closed?);
        let cycle = LockCycle {
            edges: edges.filter_map(|edge| self.edge(edge)).collect(),
        };
        self.cycles.push(cycle.clone());
        Some(cycle)
    }

    /// The shortest way along edges, which has none if both are the same.
    fn path(&self, from: Node, to: Node) -> Option<Vec<(Node, Node)>> {
        // How each node is reached.
        let mut reached = RapidHashMap::<Node, Node>::default();
        let mut next = VecDeque::from([from]);
        while let Some(node) = next.pop_front() {
            if node == to {
                let mut path = Vec::new();
                let mut end = to;
                while end != from {
                    let start = *reached.get(&end)?;
                    path.push((start, end));
                    end = start;
                }
                path.reverse();
                return Some(path);
            }
            for (_, inner) in self.edges.keys().filter(|(outer, _)| *outer == node) {
                if *inner != from && !reached.contains_key(inner) {
                    reached.insert(*inner, node);
                    next.push_back(*inner);
                }
            }
        }
        None
    }

    fn edge(&self, edge: (Node, Node)) -> Option<LockEdge> {
        self.edges.get(&edge).map(|seen| LockEdge {
            outer: site(edge.0, seen.outer),
            inner: site(edge.1, seen.inner),
            count: seen.count.load(Ordering::Relaxed),
        })
    }

    fn snapshot(&self) -> LockOrder {
        let mut edges: Vec<_> = self
            .edges
            .keys()
            .filter_map(|edge| self.edge(*edge))
            .collect();
        edges.sort_unstable_by_key(|edge| {
            let [outer, inner] = [edge.outer, edge.inner].map(|site| (site.template, site.kind));
            (outer, inner)
        });
        LockOrder {
            edges,
            cycles: self.cycles.clone(),
            is_complete: !self.is_full,
        }
    }
}

fn site((kind, template): Node, place: &Location<'static>) -> LockSite {
    LockSite {
        kind,
        template,
        file: place.file(),
        line: place.line(),
    }
}

impl fmt::Display for LockSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            template,
            file,
            line,
        } = self;
        write!(f, "{kind} `{template}` ({file}:{line})")
    }
}

impl fmt::Display for LockEdge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} inside {}", self.inner, self.outer)
    }
}

impl fmt::Display for LockCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, edge) in self.edges.iter().enumerate() {
            let before = if index == 0 { "" } else { ", and " };
            write!(f, "{before}{edge}")?;
        }
        Ok(())
    }
}

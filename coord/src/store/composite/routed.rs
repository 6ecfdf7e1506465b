//! Several stores, each for keys of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};

use super::super::{
    Acquired, Append, AppendRequest, Capabilities, Contender, DeleteRequest, Entry, Examination,
    IntoStore, LeaseId, LeaseRequest, ListRequest, Page, Put, PutRequest, Renewal, Renewed, Result,
    ScanPage, ScanRequest, Store, Watch, Watched,
};
use super::together;
use crate::store::renewing::Parts;
use crate::store::{defaults, scan};

const SMALLEST_PAGE: usize = 50;

/// Several stores, each for the keys, resources and logs that begin with its prefix; the longest prefix decides, and
/// one store takes what no prefix fits.
///
/// Prefixes are compared with names as stores see them, which begin with the coordinator's namespace and the kind of
/// thing: `shop/lock/order:42`. Of each operation, one store is asked, and whatever fails there fails; the
/// others go on. A listing that reaches across prefixes asks each store that can have some of it, and fails if
/// one of them does. A batch of renewals is split, and each part fails by itself; of several, also one
/// whose store has not answered within half of the shortest ttl, since the others' leases cannot wait.
///
/// All processes must have the same prefixes. Changing them does not move what is stored.
///
/// What it guarantees is what the store of the key does; [`capabilities`](Store::capabilities) tells what is true
/// of all.
///
/// # Examples
///
/// Locks in memory, everything else in a file:
///
/// ```
/// use coord::Coordinator;
/// use coord::store::{MemoryStore, Routed};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let file = MemoryStore::new();
/// let store = Routed::new(file).route("shop/lock/", MemoryStore::new());
/// let coord = Coordinator::builder().store(store).namespace("shop").build();
/// coord.lock("order:42").acquire().await?.release().await?;
/// # Ok::<(), coord::Error>(()) }).unwrap();
/// ```
pub struct Routed {
    /// Longer prefixes first; the last one is empty.
    routes: Vec<Route>,
}

struct Route {
    prefix: String,
    store: Arc<dyn Store>,
}

impl Routed {
    /// Everything goes to `rest`, until there are routes.
    pub fn new(rest: impl IntoStore) -> Self {
        let rest = Route {
            prefix: String::new(),
            store: rest.into_store(),
        };
        Self { routes: vec![rest] }
    }

    /// What begins with `prefix` goes to `store`. The same prefix again replaces the store.
    pub fn route(mut self, prefix: impl Into<String>, store: impl IntoStore) -> Self {
        let (prefix, store) = (prefix.into(), store.into_store());
        self.routes.retain(|route| route.prefix != prefix);
        self.routes.push(Route { prefix, store });
        self.routes
            .sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        self
    }

    fn index_of(&self, name: &str) -> usize {
        let fits = |route: &Route| name.starts_with(&route.prefix);
        // The empty prefix fits everything.
        self.routes.iter().position(fits).unwrap_or(0)
    }

    fn store_of(&self, name: &str) -> &dyn Store {
        &*self.routes[self.index_of(name)].store
    }

    /// Those routes that can have keys that begin with `prefix`.
    fn routes_under(&self, prefix: &str) -> impl Iterator<Item = usize> {
        let own = self.index_of(prefix);
        (0..self.routes.len())
            .filter(move |index| *index == own || self.routes[*index].prefix.starts_with(prefix))
    }

    /// A page of what belongs to one route, up to where it goes if there is more.
    async fn page_of(&self, index: usize, request: &ListRequest) -> Result<Page> {
        let Route { prefix, store } = &self.routes[index];
        let mut request = request.clone();
        if prefix.len() > request.prefix.len() {
            request.prefix.clone_from(prefix);
        }
        let mut page = store.list_records(&request).await?;
        // The store may have others that do not go through here, and those of another route.
        page.entries.retain(|(key, _)| self.index_of(key) == index);
        Ok(page)
    }

    async fn scan_route(&self, index: usize, mut request: ScanRequest) -> Result<ScanPage> {
        let Route { prefix, store } = &self.routes[index];
        if prefix.len() > request.prefix.len() {
            request.prefix.clone_from(prefix);
        }
        let mut page = store.scan(&request).await?;
        page.names.retain(|name| self.index_of(name) == index);
        Ok(page)
    }
}

impl fmt::Debug for Routed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routed")
            .field("routes", &self.routes.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Routed {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        self.store_of(key).get_record(key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        self.store_of(&request.key).put_record(request).await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        self.store_of(&request.key).delete_record(request).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        let mut entries = Vec::new();
        let page_of = request.limit.saturating_add(1).max(SMALLEST_PAGE);
        let mut part = request.clone().limit(page_of);
        loop {
            let pages = self.routes_under(&request.prefix);
            let pages = try_join_all(pages.map(|index| self.page_of(index, &part))).await?;
            // Behind the end of the shortest page, another store may have something that comes first.
            let bound = pages.iter().filter_map(|page| page.next.clone()).min();
            let found = pages.into_iter().flat_map(|page| page.entries);
            let mut found: Vec<_> = found
                .filter(|(key, _)| bound.as_ref().is_none_or(|bound| key <= bound))
                .collect();
            found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            entries.append(&mut found);
            if entries.len() > request.limit {
                entries.truncate(request.limit);
                let next = entries.last().map(|(key, _)| key.clone());
                return Ok(Page { entries, next });
            }
            match bound {
                Some(bound) => part = part.after(bound),
                None => {
                    return Ok(Page {
                        entries,
                        next: None,
                    });
                }
            }
        }
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        self.store_of(&request.lease.resource)
            .acquire_lease(request)
            .await
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        let mut parts: Vec<Vec<(usize, Renewal)>> = vec![Vec::new(); self.routes.len()];
        for (place, renewal) in renewals.iter().enumerate() {
            parts[self.index_of(&renewal.lease.resource)].push((place, renewal.clone()));
        }
        let limits = Parts::of(renewals.iter());
        let parts = parts
            .into_iter()
            .zip(&self.routes)
            .filter(|(part, _)| !part.is_empty());
        let answers = join_all(parts.map(|(part, route)| async move {
            let (places, renewals): (Vec<_>, Vec<_>) = part.into_iter().unzip();
            let asked = route.store.renew_leases(&renewals);
            let answers = limits.ask(renewals.len(), "the store of this prefix", asked);
            let answers = answers.await;
            places.into_iter().zip(answers).collect::<Vec<_>>()
        }))
        .await;
        let mut answers: Vec<_> = answers.into_iter().flatten().collect();
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        self.store_of(&lease.resource).release_lease(lease).await
    }

    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        self.store_of(resource).inspect_lease(resource).await
    }

    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        self.store_of(&request.log).append_log(request).await
    }

    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        self.store_of(log).read_log(log, from, limit).await
    }

    async fn expire_log(&self, log: &str, ttl: Duration) -> Result<()> {
        self.store_of(log).expire_log(log, ttl).await
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        let (Watched::Record(name) | Watched::Lease(name) | Watched::Log(name)) = watched;
        self.store_of(name).watch(watched).await
    }

    async fn put_watched(&self, request: &PutRequest) -> Result<(Put, Watch)> {
        self.store_of(&request.key).put_watched(request).await
    }

    async fn put_after(&self, first: &PutRequest, request: &PutRequest) -> Result<Put> {
        if self.index_of(&first.key) == self.index_of(&request.key) {
            return self.store_of(&request.key).put_after(first, request).await;
        }
        defaults::records::put_after(self, first, request).await
    }

    /// One route after the other.
    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let (index, cursor) = match request.cursor.as_deref().map(|at| at.split_once(' ')) {
            None => (0, None),
            Some(Some((index, cursor))) => {
                let index = index.parse().map_err(|_| scan::foreign_cursor())?;
                (index, Some(cursor.to_owned()).filter(|at| !at.is_empty()))
            }
            Some(None) => return Err(scan::foreign_cursor()),
        };
        let mut routes = self.routes_under(&request.prefix).filter(|at| *at >= index);
        let Some(index) = routes.next() else {
            return Ok(ScanPage::default());
        };
        let mut page = self
            .scan_route(index, request.clone().cursor(cursor))
            .await?;
        page.next = match page.next {
            Some(next) => Some(format!("{index} {next}")),
            None => routes.next().map(|index| format!("{index} ")),
        };
        Ok(page)
    }

    async fn examine(&self) -> Result<Examination> {
        let all = self.routes.iter().map(|route| route.store.examine());
        let mut together = Examination::unknown();
        for (route, found) in self.routes.iter().zip(try_join_all(all).await?) {
            if found.loses_latest == Some(true) {
                together = together.loses_latest(true);
            }
            for warning in found.warnings {
                together = together.warn(format!("`{}`: {warning}", route.prefix));
            }
        }
        Ok(together)
    }

    fn name(&self) -> &'static str {
        "routed"
    }

    fn capabilities(&self) -> Capabilities {
        together(self.routes.iter().map(|route| route.store.capabilities()))
    }
}

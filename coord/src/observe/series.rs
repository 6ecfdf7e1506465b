//! The series of a template: their names and labels are put together once, and looked up in whatever
//! recorder there is at each use, so that one installed late misses nothing from then on.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use metrics::{Key, Label, Level, Metadata, with_recorder};

static METADATA: Metadata<'static> = Metadata::new("coord", Level::INFO, Some("coord"));
static LOCKS: Registry<LockSeries> = Registry::new();

/// The series of one kind, by template.
pub(super) struct Registry<S>(LazyLock<RwLock<HashMap<&'static str, Arc<S>>>>);

impl<S> Registry<S> {
    pub(super) const fn new() -> Self {
        Self(LazyLock::new(RwLock::default))
    }

    /// The series of `template`, put together by `make` if it is the first time.
    pub(super) fn of(
        &self,
        template: &'static str,
        make: impl FnOnce(&'static str) -> S,
    ) -> Arc<S> {
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(template)
            .cloned();
        known.unwrap_or_else(|| {
            let series = Arc::new(make(template));
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(template).or_insert(series))
        })
    }
}

/// A number that only grows.
pub(super) struct Counter(Key);

/// A distribution.
pub(super) struct Histogram(Key);

/// What is counted of the locks of one template.
pub(super) struct LockSeries {
    pub(super) acquired: Counter,
    pub(super) failed: Counter,
    pub(super) released: Counter,
    pub(super) timeout: Counter,
    pub(super) lost: Counter,
    pub(super) acquisition_seconds: Histogram,
    pub(super) held_seconds: Histogram,
    pub(super) contention_attempts: Histogram,
}

impl LockSeries {
    pub(super) fn of(template: &'static str) -> Arc<Self> {
        LOCKS.of(template, Self::new)
    }

    fn new(template: &'static str) -> Self {
        Self {
            acquired: Counter::new("coord_lock_acquired_total", template),
            failed: Counter::new("coord_lock_failed_total", template),
            released: Counter::new("coord_lock_released_total", template),
            timeout: Counter::new("coord_lock_timeout_total", template),
            lost: Counter::new("coord_lock_lost_total", template),
            acquisition_seconds: Histogram::new(
                "coord_lock_acquisition_duration_seconds",
                template,
            ),
            held_seconds: Histogram::new("coord_lock_held_duration_seconds", template),
            contention_attempts: Histogram::new("coord_lock_contention_attempts", template),
        }
    }
}

impl Counter {
    /// A rate over a counter misses the first event unless the counter was seen at zero before.
    pub(super) fn new(name: &'static str, template: &'static str) -> Self {
        let counter = Self(key(name, template));
        counter.add(0);
        counter
    }

    pub(super) fn increment(&self) {
        self.add(1);
    }

    fn add(&self, by: u64) {
        with_recorder(|recorder| recorder.register_counter(&self.0, &METADATA)).increment(by);
    }
}

impl Histogram {
    pub(super) fn new(name: &'static str, template: &'static str) -> Self {
        Self(key(name, template))
    }

    pub(super) fn record(&self, value: f64) {
        with_recorder(|recorder| recorder.register_histogram(&self.0, &METADATA)).record(value);
    }
}

fn key(name: &'static str, template: &'static str) -> Key {
    Key::from_parts(name, vec![Label::new("template", template)])
}

//! What series are made of. Their names and labels are put together once, and looked up in whatever recorder
//! there is at each use, so that one installed late misses nothing from then on.

use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, PoisonError, RwLock};

pub(super) use metrics::Label;
use metrics::{Key, Level, Metadata, with_recorder};
use rapidhash::fast::RapidHashMap;

use crate::metrics::Metric;

static METADATA: Metadata<'static> = Metadata::new("coord", Level::INFO, Some("coord"));

/// Whether there is a recorder, so that what costs something to find out is worth it.
pub(crate) fn is_anybody_listening() -> bool {
    // What takes the place of a recorder has no fields. One without fields that was installed is at no real address.
    with_recorder(|recorder| {
        size_of_val(recorder) > 0 || ptr::from_ref(recorder).addr() == align_of_val(recorder)
    })
}

/// The series of one template or policy.
pub(super) trait Series {
    fn new(name: &'static str) -> Self;

    /// Those that are shown at zero, so that a recorder which comes later has them too.
    fn counters(&self) -> Vec<&Counter> {
        Vec::new()
    }
}

/// Series by the template or policy that they are about. Like these, they stay for as long as the process runs.
pub(super) struct Registry<S: 'static>(
    LazyLock<RwLock<RapidHashMap<&'static str, &'static Registered<S>>>>,
);

struct Registered<S> {
    series: S,
    /// Whether there was a recorder to show them to.
    is_shown: AtomicBool,
}

/// A number that only grows.
#[derive(Debug)]
pub(super) struct Counter(Key);

/// A number that is what it was last set to.
#[derive(Debug)]
pub(super) struct Gauge(Key);

/// A distribution.
#[derive(Debug)]
pub(super) struct Histogram(Key);

impl<S: Series> Registry<S> {
    pub(super) const fn new() -> Self {
        Self(LazyLock::new(RwLock::default))
    }

    pub(super) fn of(&self, name: &'static str) -> &'static S {
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .copied();
        let found = known.unwrap_or_else(|| {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            all.entry(name).or_insert_with(|| {
                Box::leak(Box::new(Registered {
                    series: S::new(name),
                    is_shown: AtomicBool::new(is_anybody_listening()),
                }))
            })
        });
        if !found.is_shown.load(Ordering::Relaxed) && is_anybody_listening() {
            found.is_shown.store(true, Ordering::Relaxed);
            found.series.counters().into_iter().for_each(Counter::show);
        }
        &found.series
    }
}

impl Counter {
    /// A rate over a counter misses the first event unless the counter was seen at zero before, so it is.
    pub(super) fn new(metric: &Metric, labels: &[Label]) -> Self {
        let counter = Self(key(metric, labels));
        counter.show();
        counter
    }

    fn show(&self) {
        self.add(0);
    }

    pub(super) fn increment(&self) {
        self.add(1);
    }

    fn add(&self, by: u64) {
        with_recorder(|recorder| recorder.register_counter(&self.0, &METADATA)).increment(by);
    }
}

impl Gauge {
    pub(super) fn new(metric: &Metric, labels: &[Label]) -> Self {
        Self(key(metric, labels))
    }

    pub(super) fn set(&self, value: f64) {
        with_recorder(|recorder| recorder.register_gauge(&self.0, &METADATA)).set(value);
    }
}

impl Histogram {
    pub(super) fn new(metric: &Metric, labels: &[Label]) -> Self {
        Self(key(metric, labels))
    }

    /// One that is there before anything is recorded, as far as the recorder shows such.
    pub(super) fn shown(metric: &Metric, labels: &[Label]) -> Self {
        let histogram = Self::new(metric, labels);
        let _ = with_recorder(|recorder| recorder.register_histogram(&histogram.0, &METADATA));
        histogram
    }

    pub(super) fn record(&self, value: f64) {
        with_recorder(|recorder| recorder.register_histogram(&self.0, &METADATA)).record(value);
    }
}

fn key(metric: &Metric, labels: &[Label]) -> Key {
    Key::from_parts(metric.name, labels.to_vec())
}

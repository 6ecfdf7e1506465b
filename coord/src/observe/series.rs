//! What series are made of. Their names and labels are put together once, and looked up in whatever recorder
//! there is at each use, so that one installed late misses nothing from then on.

use std::ptr;
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
}

/// Series by the template or policy that they are about. Like these, they stay for as long as the process runs.
pub(super) struct Registry<S: 'static>(LazyLock<RwLock<RapidHashMap<&'static str, &'static S>>>);

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
        known.unwrap_or_else(|| {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            all.entry(name)
                .or_insert_with(|| Box::leak(Box::new(S::new(name))))
        })
    }

    /// The same, if anybody listens. So series are first shown, at zero, when there is somebody to see them.
    pub(super) fn heard(&self, name: &'static str) -> Option<&'static S> {
        is_anybody_listening().then(|| self.of(name))
    }
}

impl Counter {
    /// A rate over a counter misses the first event unless the counter was seen at zero before, so it is.
    pub(super) fn new(metric: &Metric, labels: &[Label]) -> Self {
        let counter = Self(key(metric, labels));
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

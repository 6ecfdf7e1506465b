//! What is told of the operations of stores.

use std::sync::OnceLock;
use std::time::Duration;

use super::Event;
use super::series::{Histogram, Label, Registry, Series};
use crate::metrics;

static STORES: Registry<StoreSeries> = Registry::new();

/// What a store is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StoreOperation {
    Get,
    Put,
    Delete,
    List,
    Acquire,
    Renew,
    Release,
    Inspect,
    Append,
    Read,
    Expire,
    Scan,
    Watch,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StoreOutcome {
    /// It was answered; a conflict is an answer too.
    Ok,
    /// It was surely not done.
    Failed,
    /// It may or may not have been done.
    Unknown,
    /// Its caller went away first.
    Cancelled,
}

/// An operation has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreEvent {
    pub(crate) operation: StoreOperation,
    pub(crate) outcome: StoreOutcome,
    pub(crate) took: Duration,
}

impl Event for StoreEvent {
    /// The name of the store's kind.
    type Subject<'a> = &'static str;

    fn tell(self, store: &'static str) {
        STORES
            .of(store)
            .operation(self.operation)
            .of(self.outcome)
            .record(self.took.as_secs_f64());
    }
}

impl StoreOperation {
    /// How many there are.
    const COUNT: usize = Self::Watch as usize + 1;

    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Acquire => "acquire",
            Self::Renew => "renew",
            Self::Release => "release",
            Self::Inspect => "inspect",
            Self::Append => "append",
            Self::Read => "read",
            Self::Expire => "expire",
            Self::Scan => "scan",
            Self::Watch => "watch",
        }
    }
}

/// What is measured of the stores of one kind: each operation from its first use on.
struct StoreSeries {
    store: &'static str,
    operations: [OnceLock<OperationSeries>; StoreOperation::COUNT],
}

/// One for each outcome.
struct OperationSeries {
    ok: Histogram,
    failed: Histogram,
    unknown: Histogram,
    cancelled: Histogram,
}

impl Series for StoreSeries {
    fn new(store: &'static str) -> Self {
        Self {
            store,
            operations: [const { OnceLock::new() }; StoreOperation::COUNT],
        }
    }
}

impl StoreSeries {
    fn operation(&self, operation: StoreOperation) -> &OperationSeries {
        self.operations[operation as usize]
            .get_or_init(|| OperationSeries::new(self.store, operation))
    }
}

impl OperationSeries {
    fn new(store: &'static str, operation: StoreOperation) -> Self {
        let of = |outcome| {
            let labels = &[
                Label::from_static_parts("store", store),
                Label::from_static_parts("operation", operation.name()),
                Label::from_static_parts("outcome", outcome),
            ];
            Histogram::shown(&metrics::STORE_OPERATION_SECONDS, labels)
        };
        Self {
            ok: of("ok"),
            failed: of("failed"),
            unknown: of("unknown"),
            cancelled: of("cancelled"),
        }
    }

    fn of(&self, outcome: StoreOutcome) -> &Histogram {
        match outcome {
            StoreOutcome::Ok => &self.ok,
            StoreOutcome::Failed => &self.failed,
            StoreOutcome::Unknown => &self.unknown,
            StoreOutcome::Cancelled => &self.cancelled,
        }
    }
}

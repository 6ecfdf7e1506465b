//! What the page shows: orders as graphs of steps, locks, idempotent requests, stock.

use std::collections::HashMap;
use std::time::SystemTime;

use coord::saga::{HistoryEvent, HistoryKind, SagaFilter, SagaHistory, SagaState, SagaSummary};
use serde::Serialize;

use crate::answer::ShopError;
use crate::calls::{self, Call};
use crate::order::{self, PlaceOrder, STEPS, Services};
use crate::processes::{self, Process};
use crate::provider::Charge;
use crate::report::{self, Report};
use crate::server::App;
use crate::stock::{self, CATALOG, Shelf};

/// How many orders are shown.
const ORDERS: usize = 5;
/// How many requests are shown.
const CALLS: usize = 6;

#[derive(Serialize)]
pub(crate) struct View {
    /// The process that serves the page.
    process: Process,
    store: String,
    processes: Vec<Process>,
    stock: Vec<Stock>,
    locks: Vec<Lock>,
    calls: Vec<Call>,
    orders: Vec<Order>,
    report: Option<Report>,
    /// What was charged and not paid back, in cents.
    income: u64,
}

#[derive(Serialize)]
struct Stock {
    sku: &'static str,
    cents: u64,
    left: u32,
}

#[derive(Serialize)]
struct Lock {
    key: String,
    holders: Vec<String>,
    waiting: Vec<String>,
}

#[derive(Serialize)]
struct Order {
    number: u64,
    sku: String,
    quantity: u32,
    cents: u64,
    customer: String,
    state: &'static str,
    /// In milliseconds since 1970.
    began: u64,
    takeovers: u64,
    /// Why it was undone, or is stuck.
    failure: Option<String>,
    /// How often the provider was asked to charge, and how often it did.
    asked: u32,
    charges: usize,
    refunded: bool,
    /// Those that run side by side stand together.
    groups: Vec<Vec<Step>>,
}

#[derive(Serialize)]
struct Step {
    id: &'static str,
    undo: Option<&'static str>,
    state: &'static str,
    failures: u32,
    error: Option<String>,
}

pub(crate) async fn look(app: &App) -> Result<View, ShopError> {
    let services = &app.services;
    let charges: Vec<Charge> = services.books.list("charge/").await?;
    let kept = charges.iter().filter(|charge| !charge.refunded);
    Ok(View {
        process: app.process.clone(),
        store: app.store.clone(),
        processes: processes::all(&services.books).await?,
        stock: shelves(services).await?,
        locks: locks(app).await?,
        calls: calls::latest(&services.books, CALLS).await?,
        income: kept.map(|charge| charge.cents).sum(),
        orders: orders(app, &charges).await?,
        report: report::latest(services).await?,
    })
}

async fn shelves(services: &Services) -> Result<Vec<Stock>, ShopError> {
    let shelves: Vec<Shelf> = services.books.list("shelf/").await?;
    let left = |sku| shelves.iter().find(|shelf| shelf.sku == sku);
    Ok(CATALOG
        .iter()
        .map(|item| Stock {
            sku: item.sku,
            cents: item.cents,
            left: left(item.sku).map_or_else(|| Shelf::of(item).left, |shelf| shelf.left),
        })
        .collect())
}

/// The shop knows which locks it has, and asks the store who is in line for each.
async fn locks(app: &App) -> Result<Vec<Lock>, ShopError> {
    let mut keys = vec![report::KEY.to_owned(), order::NUMBERS.to_owned()];
    for item in &CATALOG {
        keys.push(stock::key(item.sku)?.as_str().to_owned());
    }
    let mut locks = Vec::new();
    for key in keys {
        let resource = format!("{}/lock/{key}", app.namespace);
        let line = app.coord.store().inspect_lease(&resource).await?;
        let named = |granted: bool| {
            let those = line.iter().filter(|one| one.granted == granted);
            let name = |label: &str| match label {
                "" => "a process".to_owned(),
                label => label.to_owned(),
            };
            those.map(|one| name(&one.label)).collect()
        };
        locks.push(Lock {
            holders: named(true),
            waiting: named(false),
            key,
        });
    }
    Ok(locks)
}

async fn orders(app: &App, charges: &[Charge]) -> Result<Vec<Order>, ShopError> {
    let filter = SagaFilter::new().name("PlaceOrder").limit(1000);
    let mut sagas = app.coord.sagas().list(filter).await?.sagas;
    sagas.sort_by_key(|saga| std::cmp::Reverse(saga.began));
    let mut orders = Vec::new();
    for saga in sagas.iter().take(ORDERS) {
        // One that has gone meanwhile is not shown.
        if let Some(history) = app.coord.sagas().history(&saga.id).await? {
            orders.extend(Order::of(&history, charges));
        }
    }
    Ok(orders)
}

impl Order {
    fn of(history: &SagaHistory, charges: &[Charge]) -> Option<Self> {
        let order: PlaceOrder = serde_json::from_str(&history.input).ok()?;
        let purpose = order::purpose(order.number);
        let charges = charges.iter().filter(|charge| charge.purpose == purpose);
        let summary = &history.summary;
        let failure = summary.failure.as_ref();
        Some(Self {
            number: order.number,
            sku: order.sku,
            quantity: order.quantity,
            cents: order.cents,
            customer: order.customer,
            state: state_of(history),
            began: since_1970(summary.began),
            takeovers: summary.takeovers,
            failure: failure
                .map(|(step, error)| format!("{step}: {error}"))
                .or_else(|| cause(&history.events)),
            asked: charges.clone().map(|charge| charge.asked).sum(),
            charges: charges.clone().count(),
            refunded: charges.clone().any(|charge| charge.refunded),
            groups: groups(history),
        })
    }
}

fn state_of(history: &SagaHistory) -> &'static str {
    match history.summary.state {
        SagaState::Running if is_unwinding(&history.events) => "undoing",
        SagaState::Running => "running",
        SagaState::Completed => "completed",
        SagaState::Compensated => "undone",
        SagaState::Stuck => "stuck",
        _ => "abandoned",
    }
}

fn is_unwinding(events: &[HistoryEvent]) -> bool {
    let mut kinds = events.iter().map(|event| event.kind);
    kinds.any(|kind| kind == HistoryKind::Unwinding)
}

/// The step that failed for good, and what it failed with.
fn cause(events: &[HistoryEvent]) -> Option<String> {
    let mut failures = events
        .iter()
        .rev()
        .filter(|event| event.kind == HistoryKind::Failed && event.retry_after.is_none());
    let event = failures.next()?;
    Some(format!("{}: {}", event.step, event.error.as_deref()?))
}

/// Where each step stands, told by what happened in order.
fn groups(history: &SagaHistory) -> Vec<Vec<Step>> {
    let step = |&(id, undo): &(&'static str, _)| Step {
        id,
        undo,
        state: "waiting",
        failures: 0,
        error: None,
    };
    let mut groups: Vec<Vec<Step>> = STEPS
        .iter()
        .map(|group| group.iter().map(step).collect())
        .collect();
    let mut steps: HashMap<&str, &mut Step> = groups
        .iter_mut()
        .flatten()
        .map(|step| (step.id, step))
        .collect();
    for event in &history.events {
        if let Some(step) = steps.get_mut(&*event.step) {
            step.learn(event);
        }
    }
    if is_unwinding(&history.events) {
        show_undoing(&mut groups, &history.summary);
    }
    groups
}

impl Step {
    fn learn(&mut self, event: &HistoryEvent) {
        self.state = match event.kind {
            HistoryKind::Started => "running",
            HistoryKind::Done => "done",
            HistoryKind::Skipped => "skipped",
            HistoryKind::Failed if event.retry_after.is_some() => "retrying",
            HistoryKind::Failed | HistoryKind::UndoFailed => "failed",
            HistoryKind::Undone => "undone",
            _ => self.state,
        };
        if matches!(event.kind, HistoryKind::Failed | HistoryKind::UndoFailed) {
            self.failures += 1;
            self.error.clone_from(&event.error);
        }
    }
}

/// What is done and has something to undo it is undone from the end: the last of those is being undone.
fn show_undoing(groups: &mut [Vec<Step>], summary: &SagaSummary) {
    if summary.state != SagaState::Running {
        return;
    }
    let is_left = |step: &&mut Step| step.undo.is_some() && step.state == "done";
    let group = groups
        .iter_mut()
        .rev()
        .map(|group| group.iter_mut().filter(is_left).collect::<Vec<_>>())
        .find(|left| !left.is_empty());
    for step in group.into_iter().flatten() {
        step.state = "undoing";
    }
}

fn since_1970(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

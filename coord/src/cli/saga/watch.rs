//! Showing what happens to a saga, as it happens.

use std::time::Duration;

use super::answers::Event;
use super::found;
use crate::cli::failure::{NO, Outcome};
use crate::cli::output::Output;
use crate::cli::signals::Signals;
use crate::coordinator::Coordinator;
use crate::saga::SagaState;
use crate::store::Watch;

/// The store is not asked more often for no reason.
const AT_LEAST: Duration = Duration::from_millis(50);

pub(super) async fn run(
    coordinator: &Coordinator,
    output: Output,
    id: &str,
    every: Duration,
) -> Outcome<u8> {
    let mut signals = Signals::hear()?;
    tokio::select! {
        ended = follow(coordinator, output, id, every.max(AT_LEAST)) => ended,
        signal = signals.next() => Ok(signal.exit_code()),
    }
}

async fn follow(
    coordinator: &Coordinator,
    output: Output,
    id: &str,
    every: Duration,
) -> Outcome<u8> {
    // If there is none, that is found next.
    let mut changes = coordinator
        .sagas()
        .watch(id)
        .await?
        .unwrap_or_else(Watch::polling);
    let mut shown = 0;
    let mut was = None;
    loop {
        let saga = found(coordinator, id).await?;
        let all = saga.events.len();
        for event in saga.events.into_iter().skip(shown) {
            output.item(&Event::from(event), |event| {
                let cells = event.cells();
                cells.join("  ").trim_end().to_owned()
            })?;
        }
        shown = all.max(shown);
        let state = saga.summary.state;
        if was.replace(state) != Some(state) {
            tell(output, state)?;
        }
        if state.is_final() {
            let is_done = state == SagaState::Completed;
            return Ok(if is_done { 0 } else { NO });
        }
        let _ = tokio::time::timeout(every, changes.changed()).await;
    }
}

fn tell(output: Output, state: SagaState) -> Outcome {
    let state = super::answers::state(state);
    output.item(&serde_json::json!({ "state": state }), |_| {
        format!("it is {state}")
    })
}

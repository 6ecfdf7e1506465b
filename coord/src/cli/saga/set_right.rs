//! Letting sagas go on, and giving them up.

use serde::Serialize;

use super::answers::state;
use super::found;
use crate::cli::confirm::confirm;
use crate::cli::failure::{Failure, NO, Outcome};
use crate::cli::output::Output;
use crate::cli::show;
use crate::coordinator::Coordinator;
use crate::saga::SagaState;

#[derive(Serialize)]
struct Done {
    id: String,
    done: &'static str,
}

/// What the ids of sagas of closures begin with.
const CLOSURES: &str = "closures/";

/// Who goes on with a saga that may.
fn left_to(id: &str) -> &'static str {
    if id.starts_with(CLOSURES) {
        "goes on when the service runs the saga of this key again"
    } else {
        "goes on in the next process of the service that knows it and looks for orphans"
    }
}

pub(super) async fn resume(coordinator: &Coordinator, output: Output, id: String) -> Outcome {
    if found(coordinator, &id).await?.summary.state == SagaState::Running {
        return retry_now(coordinator, output, id).await;
    }
    stuck(coordinator, &id).await?;
    if !coordinator.sagas().resume(&id).await? {
        return Err(has_changed(&id));
    }
    let says = left_to(&id);
    done(output, id, "resumed", says)
}

async fn retry_now(coordinator: &Coordinator, output: Output, id: String) -> Outcome {
    if !coordinator.sagas().retry_now(&id).await? {
        return Err(has_changed(&id));
    }
    let says = "waits no longer, if its next attempt was put off";
    done(output, id, "hurried", says)
}

pub(super) async fn skip(
    coordinator: &Coordinator,
    output: Output,
    id: String,
    reason: &str,
    yes: bool,
) -> Outcome {
    check(reason)?;
    stuck(coordinator, &id).await?;
    let shown = show::text(&id);
    confirm(
        &format!("Take the compensation of `{shown}` that has failed for made?"),
        yes,
    )?;
    if !coordinator.sagas().skip(&id, reason).await? {
        return Err(has_changed(&id));
    }
    let says = left_to(&id);
    done(output, id, "skipped", says)
}

pub(super) async fn abandon(
    coordinator: &Coordinator,
    output: Output,
    id: String,
    reason: &str,
    yes: bool,
) -> Outcome {
    check(reason)?;
    let saga = found(coordinator, &id).await?.summary;
    if saga.state.is_final() {
        return Err(not_so(&id, saga.state, "so there is nothing to give up"));
    }
    let shown = show::text(&id);
    confirm(
        &format!("Give `{shown}` up as it is, with nothing more done or undone?"),
        yes,
    )?;
    if !coordinator.sagas().abandon(&id, reason).await? {
        return Err(has_changed(&id));
    }
    done(output, id, "abandoned", "is abandoned")
}

fn check(reason: &str) -> Outcome {
    if reason.trim().is_empty() {
        return Err(Failure::new(
            crate::cli::failure::USAGE,
            "the reason is empty; say why, for those who look at the history",
        ));
    }
    Ok(())
}

async fn stuck(coordinator: &Coordinator, id: &str) -> Outcome {
    match found(coordinator, id).await?.summary.state {
        SagaState::Stuck => Ok(()),
        state => Err(not_so(
            id,
            state,
            "and only one that is stuck can be set right",
        )),
    }
}

fn not_so(id: &str, is: SagaState, so: &str) -> Failure {
    let id = show::text(id);
    Failure::new(NO, format!("`{id}` is {}, {so}", state(is)))
}

fn has_changed(id: &str) -> Failure {
    let id = show::text(id);
    let problem = format!("somebody else has changed `{id}` meanwhile: look at it again");
    Failure::new(NO, problem)
}

fn done(output: Output, id: String, what: &'static str, says: &str) -> Outcome {
    output.answer(&Done { id, done: what }, |done| {
        format!("`{}` {says}.", show::text(&done.id))
    })
}

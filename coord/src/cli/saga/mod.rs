//! `coord saga`.

mod answers;
mod set_right;
mod watch;

use std::time::Duration;

use self::answers::{History, Saga};
use super::arguments::{self, Global};
use super::connection::{close, connect};
use super::failure::{Failure, NO, Outcome};
use super::output::{Output, table};
use super::progress::Progress;
use super::show;
use crate::coordinator::Coordinator;
use crate::saga::{SagaFilter, SagaHistory, SagaState};

pub(super) async fn run(global: &Global, output: Output, command: arguments::Saga) -> Outcome<u8> {
    let coordinator = connect(global).await?;
    let outcome = match command {
        arguments::Saga::List {
            name,
            state,
            older_than,
            limit,
        } => {
            let filter = filter(name, state, older_than);
            list(&coordinator, output, filter, limit).await.map(|()| 0)
        }
        arguments::Saga::Show { id } => show_one(&coordinator, output, &id).await.map(|()| 0),
        arguments::Saga::Resume { id } => set_right::resume(&coordinator, output, id)
            .await
            .map(|()| 0),
        arguments::Saga::Skip { id, reason, sure } => {
            set_right::skip(&coordinator, output, id, &reason, sure.yes)
                .await
                .map(|()| 0)
        }
        arguments::Saga::Abandon { id, reason, sure } => {
            set_right::abandon(&coordinator, output, id, &reason, sure.yes)
                .await
                .map(|()| 0)
        }
        arguments::Saga::Watch { id, every } => watch::run(&coordinator, output, &id, every).await,
    };
    close(&coordinator).await;
    outcome
}

fn filter(
    name: Option<String>,
    state: Option<arguments::SagaState>,
    older_than: Duration,
) -> SagaFilter {
    let mut filter = SagaFilter::new().older_than(older_than);
    if let Some(name) = name {
        filter = filter.name(name);
    }
    if let Some(state) = state {
        filter = filter.state(state.into());
    }
    filter
}

async fn list(
    coordinator: &Coordinator,
    output: Output,
    filter: SagaFilter,
    limit: usize,
) -> Outcome {
    let progress = Progress::of_unknown_length("sagas found");
    // One more than is shown, which tells whether there are more.
    let filter = filter.limit(limit.saturating_add(1));
    let found = coordinator.sagas().list(filter).await?.sagas;
    drop(progress);
    let answer = answers::List {
        more: found.len() > limit,
        sagas: found.into_iter().take(limit).map(Saga::from).collect(),
    };
    output.answer(&answer, shown)
}

async fn show_one(coordinator: &Coordinator, output: Output, id: &str) -> Outcome {
    let history = found(coordinator, id).await?;
    output.answer(&History::from(history), answers::history)
}

/// The saga, or a failure that says that there is none.
async fn found(coordinator: &Coordinator, id: &str) -> Outcome<SagaHistory> {
    let found = coordinator.sagas().history(id).await?;
    found.ok_or_else(|| {
        let id = show::text(id);
        let problem = if id.contains('/') {
            format!("there is no saga `{id}`")
        } else {
            format!(
                "there is no saga `{id}`: give its name and its key, as in `PlaceOrder/order:42`"
            )
        };
        Failure::new(NO, problem)
    })
}

impl From<arguments::SagaState> for SagaState {
    fn from(state: arguments::SagaState) -> Self {
        match state {
            arguments::SagaState::Running => Self::Running,
            arguments::SagaState::Stuck => Self::Stuck,
            arguments::SagaState::Completed => Self::Completed,
            arguments::SagaState::Compensated => Self::Compensated,
            arguments::SagaState::Abandoned => Self::Abandoned,
        }
    }
}

fn shown(answer: &answers::List) -> String {
    if answer.sagas.is_empty() {
        return "There are no sagas.".to_owned();
    }
    let rows = answer.sagas.iter().map(|saga| {
        vec![
            show::text(&saga.id).into_owned(),
            saga.state.to_owned(),
            saga.began.clone(),
            saga.takeovers.to_string(),
            saga.failure
                .as_ref()
                .map(answers::Failed::shown)
                .unwrap_or_default(),
        ]
    });
    let table = table(&["saga", "state", "began", "takeovers", "failure"], rows);
    if answer.more {
        format!("{table}\nThere are more: see `--limit`.")
    } else {
        table
    }
}

//! `coord locks`.

use serde::Serialize;

use super::arguments::{self, Global};
use super::connection::{close, connect};
use super::failure::Outcome;
use super::output::{Output, table};
use super::progress::Progress;
use super::show;
use crate::coordinator::Coordinator;
use crate::lock::{LockClaim, LockContender, LockFilter, LockKind, LockSummary};

#[derive(Serialize)]
struct Answer {
    locks: Vec<Lock>,
}

#[derive(Serialize)]
struct Lock {
    key: String,
    kind: &'static str,
    holders: Vec<Contender>,
    waiting: Vec<Contender>,
}

#[derive(Serialize)]
struct Contender {
    owner: String,
    label: String,
    token: String,
    claim: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    permits: Option<u32>,
    expires_in_seconds: f64,
    #[serde(skip)]
    expires_in: std::time::Duration,
}

pub(super) async fn run(global: &Global, output: Output, said: arguments::Locks) -> Outcome {
    let coordinator = connect(global).await?;
    let mut locks = list(&coordinator, &said).await?;
    close(&coordinator).await;
    if said.waiting {
        locks.retain(|lock| lock.line.iter().any(|one| !one.holds));
    }
    let answer = Answer {
        locks: locks.into_iter().map(Lock::from).collect(),
    };
    output.answer(&answer, shown)
}

/// All of them, in the order of their keys, each once.
async fn list(coordinator: &Coordinator, said: &arguments::Locks) -> Outcome<Vec<LockSummary>> {
    let mut filter = LockFilter::new().prefix(&said.prefix);
    if let Some(kind) = said.kind {
        filter = filter.kind(kind.into());
    }
    let progress = Progress::of_unknown_length("locks found");
    let mut locks = Vec::new();
    loop {
        let page = coordinator.locks().list(filter.clone()).await?;
        progress.add(page.locks.len());
        locks.extend(page.locks);
        match page.next {
            Some(next) => filter = filter.after(next),
            None => break,
        }
    }
    locks.sort_by(|one, other| {
        let place = |lock: &LockSummary| (lock.key.clone(), lock.kind.name());
        place(one).cmp(&place(other))
    });
    locks.dedup_by(|one, other| (one.kind, &one.key) == (other.kind, &other.key));
    Ok(locks)
}

impl From<arguments::Kind> for LockKind {
    fn from(kind: arguments::Kind) -> Self {
        match kind {
            arguments::Kind::Lock => Self::Lock,
            arguments::Kind::Semaphore => Self::Semaphore,
            arguments::Kind::Election => Self::Election,
        }
    }
}

impl From<LockSummary> for Lock {
    fn from(lock: LockSummary) -> Self {
        let (holders, waiting): (Vec<_>, Vec<_>) = lock.line.iter().partition(|one| one.holds);
        Self {
            key: lock.key,
            kind: lock.kind.name(),
            holders: holders.into_iter().map(Contender::from).collect(),
            waiting: waiting.into_iter().map(Contender::from).collect(),
        }
    }
}

impl From<&LockContender> for Contender {
    fn from(one: &LockContender) -> Self {
        let (claim, permits) = match one.claim {
            LockClaim::Exclusive => ("exclusive", None),
            LockClaim::Shared => ("shared", None),
            LockClaim::Permits(permits) => ("permits", Some(permits)),
        };
        Self {
            owner: show::owner(one.owner),
            label: one.label.to_string(),
            token: show::token(one.token),
            claim,
            permits,
            expires_in_seconds: show::seconds(one.expires_in),
            expires_in: one.expires_in,
        }
    }
}

fn shown(answer: &Answer) -> String {
    if answer.locks.is_empty() {
        return "Nothing is held.".to_owned();
    }
    let rows = answer.locks.iter().flat_map(|lock| {
        let holders = lock.holders.iter().map(|one| row(lock, one, "holds"));
        let waiting = lock.waiting.iter().map(|one| row(lock, one, "waits"));
        holders.chain(waiting)
    });
    table(
        &["key", "kind", "", "who", "takes", "token", "expires in"],
        rows,
    )
}

fn row(lock: &Lock, one: &Contender, stands: &str) -> Vec<String> {
    let who = if one.label.is_empty() {
        one.owner.chars().take(8).collect()
    } else {
        show::text(&one.label).into_owned()
    };
    let takes = match one.permits {
        Some(1) => "1 permit".to_owned(),
        Some(permits) => format!("{permits} permits"),
        None => one.claim.to_owned(),
    };
    vec![
        show::text(&lock.key).into_owned(),
        lock.kind.to_owned(),
        stands.to_owned(),
        who,
        takes,
        one.token.clone(),
        show::duration(one.expires_in),
    ]
}

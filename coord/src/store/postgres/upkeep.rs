//! What is done now and then in the background, while the store is open: the server is told what is still watched
//! here, and what has expired is swept out.
//!
//! What has expired is absent already; sweeping makes room. Of all processes one sweeps at a time. Whatever fails is
//! done the next time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::try_join_all;

use super::job::Job;
use super::link::Link;
use super::lock::Subject;
use super::statement::{Parameter, Statement};
use crate::store::Result;

/// How many rows of a kind, lines and logs go at a time.
const AT_MOST: i64 = 1_000;
/// How many times one after the other.
const ROUNDS: usize = 100;

pub(super) async fn run(link: Weak<Link>, every: Duration) {
    loop {
        // Not all at the same time.
        tokio::time::sleep(every.mul_f64(rand::random_range(0.5..1.0))).await;
        let Some(link) = link.upgrade() else {
            return;
        };
        let _ = renew_watchers(&link).await;
        let _ = sweep(&link).await;
    }
}

async fn renew_watchers(link: &Arc<Link>) -> Result<()> {
    let topics = link.wakes.channels();
    if topics.is_empty() {
        return Ok(());
    }
    let connection = link.hearing().await?;
    for topic in topics {
        link.tell_of(&connection, &topic).await?;
    }
    Ok(())
}

async fn sweep(link: &Arc<Link>) -> Result<()> {
    for _ in 0..ROUNDS {
        let rows = link
            .read("sweep", Statement::Sweep, &[Parameter::Number(AT_MOST)])
            .await?;
        let names = |column| {
            let names = rows.first().and_then(|row| row.try_get(column).ok());
            names.unwrap_or_else(Vec::<Vec<u8>>::new)
        };
        let (lines, logs) = (names(0), names(1));
        let more = rows.first().and_then(|row| row.try_get(2).ok());
        let lines = lines.into_iter().map(|line| {
            let lock = Subject::Lease.lock(link.schema.name(), &line);
            let parameters = [Parameter::Bytes(line.into()), Parameter::Base];
            Job::new("sweep", Statement::SweepLine, lock, parameters)
        });
        let logs = logs.into_iter().map(|log| {
            let lock = Subject::Log.lock(link.schema.name(), &log);
            let parameters = [Parameter::Bytes(log.into())];
            Job::new("sweep", Statement::SweepLog, lock, parameters)
        });
        // Together, so that many share a transaction, as all writes do.
        try_join_all(lines.chain(logs).map(|job| job.run(link))).await?;
        if more != Some(true) {
            return Ok(());
        }
    }
    Ok(())
}

//! What is done now and then in the background, while the store is open: the server is told what is still watched
//! here, and what has expired is swept out.
//!
//! What has expired is absent already; sweeping makes room. Of all processes one sweeps at a time. Whatever fails is
//! done the next time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::TryFutureExt as _;
use futures_util::stream::{self, TryStreamExt as _};

use super::job::Job;
use super::link::Link;
use super::lock::Subject;
use super::statement::{Parameter, Statement};
use crate::store::Result;

/// How many rows of a kind, lines and logs go at a time.
const AT_MOST: i64 = 1_000;
/// How many logs are taken out together.
const LOGS_TOGETHER: usize = 32;
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
        link.tell_again_of(&connection, &topic).await?;
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
        // Others may be in these lines, and wait for their locks: one at a time.
        for line in lines {
            let lock = Subject::Lease.lock(link.schema.name(), &line);
            let parameters = [Parameter::Bytes(line.into()), Parameter::Base];
            let job = Job::new("sweep", Statement::SweepLine, lock, parameters);
            job.run(link).await?;
        }
        let logs = logs.into_iter().map(|log| {
            let lock = Subject::Log.lock(link.schema.name(), &log);
            let parameters = [Parameter::Bytes(log.into())];
            Ok(Job::new("sweep", Statement::SweepLog, lock, parameters))
        });
        // Some share a transaction; not so many that other writes have to wait for long.
        stream::iter(logs)
            .try_for_each_concurrent(LOGS_TOGETHER, |job| job.run(link).map_ok(drop))
            .await?;
        if more != Some(true) {
            return Ok(());
        }
    }
    Ok(())
}

//! A write, alone or in a transaction with others.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};
use tokio_postgres::Row;

use super::connection::{Broken, Connection};
use super::failure;
use super::link::{self, Link};
use super::statement::{Parameter, Statement};
use crate::store::Result;
use crate::store::batch::Call;

/// How often a write is made again that failed because of what others did at the same time.
const TRIES: usize = 5;
/// The most bytes of a write that is put together with others, which have to wait for it.
const LARGEST_IN_COMPANY: usize = 64 * 1024;

/// One call of a function, behind the lock of what it writes.
pub(super) struct Job {
    pub(super) operation: &'static str,
    pub(super) statement: Statement,
    /// What it writes. Those of all in a transaction are taken in one order.
    pub(super) locks: SmallVec<[i64; 2]>,
    pub(super) parameters: Vec<Parameter>,
}

impl Job {
    /// The first parameter is the lock.
    pub(super) fn new(
        operation: &'static str,
        statement: Statement,
        lock: i64,
        parameters: impl IntoIterator<Item = Parameter>,
    ) -> Self {
        Self {
            operation,
            statement,
            locks: smallvec![lock],
            parameters: [Parameter::Number(lock)]
                .into_iter()
                .chain(parameters)
                .collect(),
        }
    }

    /// Writes behind this lock too.
    pub(super) fn also_locking(mut self, lock: i64) -> Self {
        self.locks.push(lock);
        self
    }

    /// Carries it out, and returns the row that the function does.
    pub(super) async fn run(self, link: &Arc<Link>) -> Result<Row> {
        let operation = self.operation;
        let is_large = self.bytes() > LARGEST_IN_COMPANY;
        if is_large {
            let mut answers = Self::send(link, &[self]).await?;
            return answers
                .pop()
                .unwrap_or_else(|| Err(failure::of_reply(operation)));
        }
        link.writing.call(link, self).await
    }

    fn bytes(&self) -> usize {
        let bytes = |parameter: &Parameter| match parameter {
            Parameter::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        self.parameters.iter().map(bytes).sum()
    }
}

impl Call for Job {
    type Link = Link;
    const OPERATION: &'static str = "write";
    type Answer = Row;

    async fn send(link: &Arc<Link>, jobs: &[Self]) -> Result<Vec<Result<Row>>> {
        let connection = link.writer().await?;
        if let [job] = jobs {
            return Ok(vec![alone(&connection, job).await]);
        }
        Ok(match connection.run_together(jobs).await {
            Ok(rows) => rows
                .into_iter()
                .zip(jobs)
                .map(|(row, job)| row.ok_or_else(|| failure::of_reply(job.operation)))
                .collect(),
            Err(Broken::Lost) => jobs
                .iter()
                .map(|job| Err(failure::of_loss(job.operation)))
                .collect(),
            // It is undone as a whole: each is made again, and only one that fails by itself does.
            Err(Broken::Refused(_)) => one_by_one(&connection, jobs).await,
        })
    }
}

/// All who wait for a connection wait for this: so nobody waits again for what another one has waited for in vain, be it
/// a lock, or the server.
async fn one_by_one(connection: &Connection, jobs: &[Job]) -> Vec<Result<Row>> {
    let mut answers = Vec::with_capacity(jobs.len());
    let mut withheld = Vec::new();
    for job in jobs {
        if connection.is_lost() {
            answers.push(Err(failure::of_loss(job.operation)));
            continue;
        }
        if job.locks.iter().any(|lock| withheld.contains(lock)) {
            answers.push(Err(failure::of_lock(job.operation)));
            continue;
        }
        let made = make(connection, job).await;
        if let (Err(Broken::Refused(error)), [lock]) = (&made, &*job.locks)
            && failure::is_of_lock(error)
        {
            withheld.push(*lock);
        }
        answers.push(answer(job, made));
    }
    answers
}

async fn alone(connection: &Connection, job: &Job) -> Result<Row> {
    answer(job, make(connection, job).await)
}

type Made = std::result::Result<Option<Row>, Broken>;

async fn make(connection: &Connection, job: &Job) -> Made {
    let mut tries = 1;
    loop {
        let asked = connection.ask(job.statement.alone(), &job.parameters).await;
        match asked {
            Err(Broken::Refused(error)) if tries < TRIES && failure::is_of_concurrency(&error) => {
                tries += 1;
            }
            asked => return asked.map(|mut rows| rows.pop()),
        }
    }
}

fn answer(job: &Job, made: Made) -> Result<Row> {
    made.map_err(|broken| link::failed(job.operation, &broken))?
        .ok_or_else(|| failure::of_reply(job.operation))
}

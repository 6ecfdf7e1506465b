//! One connection.
//!
//! Statements that are sent together travel together: the client library sends what it is given at once, and the server
//! answers in order.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, Error as PostgresError, Row, Socket};

use super::job::Job;
use super::schema::Schema;
use super::statement::{Parameter, Statement};

/// How long a lock is waited for. It is less than after which the server looks for transactions that wait for each
/// other, so that it is not a user's that is ended.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
/// After how long the server takes notice that this process is gone without a word.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that is given up has to be closed in good order.
const FAREWELL: Duration = Duration::from_secs(1);

/// A client, and what its connection ends soon without, also if the server still owes it an answer.
pub(super) struct Dialled {
    pub(super) client: Client,
    _open: oneshot::Sender<Infallible>,
}

pub(super) struct Connection {
    dialled: Dialled,
    /// In the order of their names.
    statements: Vec<tokio_postgres::Statement>,
    /// The least token that this server gives out.
    base: i64,
    response_timeout: Duration,
    lost: AtomicBool,
}

/// Why there is no answer.
pub(super) enum Broken {
    /// The server refused, and has undone whatever was begun.
    Refused(PostgresError),
    /// The connection broke, or the answer did not come in time.
    Lost,
}

impl Broken {
    fn of(error: PostgresError) -> Self {
        match error.as_db_error() {
            Some(refusal) if !super::failure::ends_the_session(refusal) => Self::Refused(error),
            _ => Self::Lost,
        }
    }
}

/// Connects, and has `hear` told of messages, and of the connection's end.
pub(super) async fn dial<T>(
    config: &Config,
    tls: T,
    mut hear: impl FnMut(Option<AsyncMessage>) + Send + 'static,
) -> Result<Dialled, PostgresError>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, mut connection) = config.connect(tls).await?;
    let (open, given_up) = oneshot::channel();
    tokio::spawn(async move {
        let drive = async {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                hear(Some(message));
            }
        };
        let end = async {
            let _ = given_up.await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            () = drive => {}
            () = end => {}
        }
        drop(connection);
        hear(None);
    });
    Ok(Dialled {
        client,
        _open: open,
    })
}

/// Sets what holds for the whole session, whatever the role's or the database's defaults are.
///
/// All that is asked has an index. A plan that was made for a few rows would read through all of them, and go on to when
/// there are many, until the server has counted them anew.
pub(super) async fn set_up(
    client: &Client,
    response_timeout: Duration,
) -> Result<(), PostgresError> {
    let settings = format!(
        "SET search_path = pg_catalog;
         SET default_transaction_isolation = 'read committed';
         SET default_transaction_deferrable = off;
         SET standard_conforming_strings = on;
         SET lock_timeout = {};
         SET statement_timeout = {};
         SET idle_in_transaction_session_timeout = {};
         SET jit = off;
         SET enable_seqscan = off;
         SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') = 'off'",
        LOCK_TIMEOUT.as_millis(),
        response_timeout.as_millis().max(1),
        IDLE_TIMEOUT.as_millis(),
    );
    client.batch_execute(&settings).await
}

impl Connection {
    /// Makes a connection of use: settings, tokens, statements.
    pub(super) async fn begin(
        dialled: Dialled,
        schema: &Schema,
        response_timeout: Duration,
    ) -> Result<Self, PostgresError> {
        let client = &dialled.client;
        set_up(client, response_timeout).await?;
        let attach = schema.qualify(r#"SELECT "coord".attach()"#);
        let base = client.query_one(&attach, &[]).await?.try_get(0)?;
        let texts: Vec<_> = Statement::texts(schema).collect();
        let statements = try_join_all(texts.iter().map(|text| client.prepare(text))).await?;
        Ok(Self {
            dialled,
            statements,
            base,
            response_timeout,
            lost: AtomicBool::new(false),
        })
    }

    /// Whether it is of no more use.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst) || self.client().is_closed()
    }

    /// Hears what is told on this channel.
    pub(super) async fn listen(&self, channel: &str) -> Result<(), Broken> {
        let listen = format!("LISTEN \"{channel}\"");
        self.in_time(self.client().batch_execute(&listen)).await
    }

    fn client(&self) -> &Client {
        &self.dialled.client
    }

    /// Asks one thing.
    pub(super) async fn ask(
        &self,
        statement: Statement,
        parameters: &[Parameter],
    ) -> Result<Vec<Row>, Broken> {
        self.in_time(self.query(statement, parameters)).await
    }

    /// Does several things in one transaction, in one round trip. Each has one row for its answer.
    pub(super) async fn run_together(&self, jobs: &[Job]) -> Result<Vec<Option<Row>>, Broken> {
        self.in_time(self.transact(jobs)).await
    }

    async fn query(
        &self,
        statement: Statement,
        parameters: &[Parameter],
    ) -> Result<Vec<Row>, PostgresError> {
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters
            .iter()
            .map(|parameter| match parameter {
                Parameter::Base => &self.base as &(dyn ToSql + Sync),
                other => other,
            })
            .collect();
        // The statements are in the order of their names.
        self.client()
            .query(&self.statements[statement as usize], &parameters)
            .await
    }

    async fn transact(&self, jobs: &[Job]) -> Result<Vec<Option<Row>>, PostgresError> {
        let mut locks: Vec<_> = jobs
            .iter()
            .flat_map(|job| job.locks.iter().copied())
            .collect();
        locks.sort_unstable();
        locks.dedup();
        let locks = [Parameter::Numbers(locks)];

        let begin = Sent::now(
            self.client()
                .batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"),
        )
        .await;
        let locked = Sent::now(self.query(Statement::LockAll, &locks)).await;
        let mut asked = Vec::with_capacity(jobs.len());
        for job in jobs {
            asked.push(Sent::now(self.query(job.statement, &job.parameters)).await);
        }
        let commit = Sent::now(self.client().batch_execute("COMMIT")).await;

        // All are awaited, so that nothing of it is under way when the next one begins.
        let mut outcome = begin.answer().await.and(locked.answer().await.map(drop));
        let mut rows = Vec::with_capacity(jobs.len());
        for asked in asked {
            match asked.answer().await {
                Ok(mut row) => rows.push(row.pop()),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        // To commit a transaction that failed is to roll it back, and no error.
        outcome.and(commit.answer().await).map(|()| rows)
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, PostgresError>>,
    ) -> Result<T, Broken> {
        let Ok(answer) = tokio::time::timeout(self.response_timeout, work).await else {
            self.lost.store(true, Ordering::SeqCst);
            return Err(Broken::Lost);
        };
        answer.map_err(Broken::of)
    }
}

/// A request that is on its way. If this is dropped, it is still answered, to nobody.
enum Sent<F: Future> {
    Answered(F::Output),
    Asked(Pin<Box<F>>),
}

impl<F: Future> Sent<F> {
    /// Sends it, and does not wait for the answer.
    async fn now(request: F) -> Self {
        let mut request = Box::pin(request);
        match futures_util::poll!(request.as_mut()) {
            Poll::Ready(answer) => Self::Answered(answer),
            Poll::Pending => Self::Asked(request),
        }
    }

    async fn answer(self) -> F::Output {
        match self {
            Self::Answered(answer) => answer,
            Self::Asked(request) => request.await,
        }
    }
}

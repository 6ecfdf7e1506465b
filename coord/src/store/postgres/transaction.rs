//! Records that are written in a user's own transaction, so that they are there if, and only if, what else the
//! transaction does is there.
//!
//! The lock of the record's key is taken first, and kept until the transaction ends. So whoever else wants the key in a
//! transaction waits for this one, and then sees what it has left: a result, or nothing.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_postgres::types::ToSql;

use super::link::Link;
use super::lock::Subject;
use super::{PostgresStore, failure, microseconds};
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{OperationId, Result};

/// What the function takes for not to wait, and for to wait as long as it takes.
const NOT_AT_ALL: i64 = -1;
const FOR_EVER: i64 = 0;

/// A user's transaction, in which coord writes along: see
/// [`IdempotencyBuilder::run_in`](crate::idempotency::IdempotencyBuilder::run_in).
///
/// It is implemented for `tokio_postgres::Transaction`, to which that of `deadpool-postgres` leads by `&mut *tx`. For
/// another client, write a type around its transaction: all that is asked is to run a statement.
///
/// ```
/// use coord::store::{PostgresParameter, PostgresTransaction};
/// # struct Client; struct Query;
/// # impl Client { fn scalar(&mut self, _: &str) -> Query { Query } }
/// # impl Query {
/// #     fn bind<T>(self, _: T) -> Self { self }
/// #     async fn fetch_one(self) -> Result<Vec<u8>, std::fmt::Error> { Ok(Vec::new()) }
/// # }
///
/// struct Mine<'a>(&'a mut Client);
///
/// impl PostgresTransaction for Mine<'_> {
///     type Error = std::fmt::Error;
///
///     async fn ask(&mut self, statement: &str, parameters: &[PostgresParameter<'_>]) -> Result<Vec<u8>, Self::Error> {
///         // With sqlx: `sqlx::query_scalar(statement)`.
///         let mut query = self.0.scalar(statement);
///         for parameter in parameters {
///             query = match parameter {
///                 PostgresParameter::Number(number) => query.bind(*number),
///                 PostgresParameter::Bytes(bytes) => query.bind(*bytes),
///             };
///         }
///         query.fetch_one().await
///     }
/// }
/// ```
pub trait PostgresTransaction: Send {
    /// How a statement fails.
    type Error: StdError + Send + Sync + 'static;

    /// Runs a statement with its parameters, `$1`, `$2` and so on, and returns the only column of its only row.
    fn ask(
        &mut self,
        statement: &str,
        parameters: &[PostgresParameter<'_>],
    ) -> impl Future<Output = std::result::Result<Vec<u8>, Self::Error>> + Send;
}

/// A parameter of a statement.
#[derive(Clone, Copy)]
pub enum PostgresParameter<'a> {
    /// Of type `bigint`.
    Number(i64),
    /// Of type `bytea`.
    Bytes(&'a [u8]),
}

/// Values may be confidential.
impl std::fmt::Debug for PostgresParameter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Number(_) => "Number",
            Self::Bytes(_) => "Bytes",
        })
    }
}

impl PostgresTransaction for tokio_postgres::Transaction<'_> {
    type Error = tokio_postgres::Error;

    async fn ask(
        &mut self,
        statement: &str,
        parameters: &[PostgresParameter<'_>],
    ) -> std::result::Result<Vec<u8>, Self::Error> {
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters
            .iter()
            .map(|parameter| match parameter {
                PostgresParameter::Number(number) => number as &(dyn ToSql + Sync),
                PostgresParameter::Bytes(bytes) => bytes,
            })
            .collect();
        self.query_one(statement, &parameters).await?.try_get(0)
    }
}

/// The record of a key, in a transaction.
pub(crate) struct Claim {
    link: Arc<Link>,
    key: String,
    lock: i64,
}

/// What there is of a record that was claimed.
pub(crate) enum Claimed {
    Nothing,
    Record(Bytes),
    /// Another transaction has it.
    Busy,
}

impl PostgresStore {
    /// The record of `key`, to be claimed in a transaction of this store's database.
    pub(crate) fn claim(&self, key: &str) -> Claim {
        Claim {
            lock: Subject::Record.lock(self.link.schema.name(), key.as_bytes()),
            link: Arc::clone(&self.link),
            key: key.to_owned(),
        }
    }
}

impl Claim {
    /// Keeps everybody else from the record until the transaction ends, and reads it. If it is somebody else's, waits
    /// for up to `wait`.
    pub(crate) async fn take<T: PostgresTransaction>(
        &self,
        transaction: &mut T,
        wait: Duration,
    ) -> Result<Claimed> {
        let wait = match wait.as_millis() {
            0 => NOT_AT_ALL,
            // The server counts milliseconds in 31 bits.
            wait => i32::try_from(wait).map_or(FOR_EVER, i64::from),
        };
        let parameters = [
            PostgresParameter::Number(self.lock),
            PostgresParameter::Bytes(self.key.as_bytes()),
            PostgresParameter::Number(wait),
        ];
        let claim = r#"SELECT "coord".record_claim($1, $2, $3)"#;
        let claimed = self.ask(transaction, claim, &parameters).await?;
        Ok(match claimed.split_first() {
            Some((0, _)) => Claimed::Nothing,
            Some((1, record)) => Claimed::Record(Bytes::copy_from_slice(record)),
            _ => Claimed::Busy,
        })
    }

    /// Writes the record, which is there once the transaction is committed, unless there is one by now: the same
    /// transaction may have written it, or another one, behind the rollback of a savepoint that has given the lock away.
    /// Says whether it was written.
    pub(crate) async fn write<T: PostgresTransaction>(
        &self,
        transaction: &mut T,
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool> {
        let operation = OperationId::random().to_bits().to_be_bytes();
        let parameters = [
            PostgresParameter::Number(self.lock),
            PostgresParameter::Bytes(self.key.as_bytes()),
            PostgresParameter::Bytes(value),
            PostgresParameter::Number(microseconds(ttl)),
            PostgresParameter::Bytes(&operation),
        ];
        let put = r#"SELECT CASE WHEN r_stored THEN '\x01'::bytea ELSE '\x00'::bytea END
            FROM "coord".record_put($1, $2, $3, 1::smallint, NULL, $4, $5, true, NULL, NULL)"#;
        Ok(self.ask(transaction, put, &parameters).await? == [1])
    }

    async fn ask<T: PostgresTransaction>(
        &self,
        transaction: &mut T,
        statement: &str,
        parameters: &[PostgresParameter<'_>],
    ) -> Result<Vec<u8>> {
        let statement = self.link.schema.qualify(statement);
        let answer = transaction.ask(&statement, parameters).await;
        answer.map_err(|error| failed(&error))
    }
}

/// The transaction is of no more use, whatever it was.
fn failed(error: &(dyn StdError + 'static)) -> StoreError {
    match error.downcast_ref::<tokio_postgres::Error>() {
        Some(error) => failure::of_transaction(error),
        None => StoreError::new(
            StoreErrorKind::NotApplied,
            "put",
            "the transaction has failed; roll it back, and begin anew",
        ),
    }
}

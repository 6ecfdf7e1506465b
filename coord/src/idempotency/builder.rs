//! Asking for an idempotent call: for how long its result is kept, and what to do while another one runs.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::Request;
use super::codec::Codec;
use super::context::IdempotencyContext;
use super::fingerprint::Fingerprint;
use super::outcome::Outcome;
#[cfg(feature = "postgres")]
use super::transactional::InTransaction;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::IntoKey;
#[cfg(feature = "postgres")]
use crate::store::PostgresTransaction;

/// How long a result is kept, unless the builder says otherwise.
const DEFAULT_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// An idempotent call that can be made. Nothing happens until [`run`](Self::run) or one of its kin is awaited.
///
/// `Errors` tells what becomes of an error that the body returns: it is [`Forgotten`], so that the next call
/// runs the body again, or [`Remembered`] as a result.
#[must_use = "nothing is run until `run` or `outcome` is awaited"]
pub struct IdempotencyBuilder<Errors = Forgotten> {
    request: Request,
    errors: PhantomData<fn() -> Errors>,
}

/// The body's errors are not stored.
#[derive(Debug, Clone, Copy)]
pub struct Forgotten;

/// The body's errors are results, and are replayed.
#[derive(Debug, Clone, Copy)]
pub struct Remembered;

impl Coordinator {
    /// A call that has its effect once for each key: the first runs a body and stores what it returns, and
    /// later ones return that, in whatever process that uses this store and namespace.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use std::time::Duration;
    /// # let coord = coord::Coordinator::builder().build();
    ///
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let pay = async || coord.idempotency("payment:123").ttl(day).run(async || {
    ///     // Talk to the payment provider, once.
    ///     Ok::<_, coord::Error>("receipt 7".to_owned())
    /// }).await;
    /// assert_eq!(pay().await?, "receipt 7");
    /// assert_eq!(pay().await?, "receipt 7", "replayed");
    /// # Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    pub fn idempotency(&self, key: impl IntoKey) -> IdempotencyBuilder {
        IdempotencyBuilder {
            request: Request::new(self.clone(), key.into_key()),
            errors: PhantomData,
        }
    }
}

impl Request {
    pub(crate) fn new(coordinator: Coordinator, key: Result<crate::key::Key, Error>) -> Self {
        Self {
            coordinator,
            key,
            ttl: DEFAULT_TTL,
            lease: None,
            wait: Duration::MAX,
            fingerprint: Ok(None),
        }
    }
}

impl<Errors> IdempotencyBuilder<Errors> {
    /// How long the result is kept and replayed, counted from when it is stored. The default is 24 hours.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.request.ttl = ttl;
        self
    }

    /// After how long another call takes over if this process dies in the body. While it lives, this is
    /// extended in the background. It may not be longer than `ttl`. The default is the coordinator's `lock_ttl`,
    /// 30 seconds, or `ttl` if that is shorter.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.request.lease = Some(lease);
        self
    }

    /// How long to wait for the result of a call that is running. The default is for as long as it takes; zero
    /// is not to wait.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.request.wait = wait;
        self
    }

    /// Does not wait for a call that is running, but fails with [`Error::InProgress`]. The same as a `wait` of
    /// zero.
    pub fn reject(self) -> Self {
        self.wait(Duration::ZERO)
    }

    /// What the call is about besides its key, such as the amount of a payment. A call with the same key and
    /// another fingerprint is a mistake of the caller's, and fails with [`Error::FingerprintMismatch`]. A call
    /// without one goes with every other.
    ///
    /// The fingerprint is a digest of what serde makes of the value. The order of a map's entries does not
    /// matter; that of a set's does.
    pub fn fingerprint(mut self, value: impl Serialize) -> Self {
        self.request.fingerprint = Fingerprint::of(&value).map(Some);
        self
    }

    fn with_errors<Other>(self) -> IdempotencyBuilder<Other> {
        IdempotencyBuilder {
            request: self.request,
            errors: PhantomData,
        }
    }
}

impl IdempotencyBuilder {
    /// Stores an error of the body as a result too, which is then replayed until the `ttl` ends.
    ///
    /// The body's error has to implement serde's traits. One that serde refuses, such as a variant with
    /// `#[serde(skip)]`, is not stored, and the next call runs the body: that is how a type says which of its
    /// errors pass.
    ///
    /// In a [transaction](IdempotencyBuilder::run_in), such an error has to be committed to be remembered.
    pub fn remember_errors(self) -> IdempotencyBuilder<Remembered> {
        self.with_errors()
    }
}

#[cfg(feature = "postgres")]
impl IdempotencyBuilder {
    /// The first half of [`run_in`](Self::run_in), for tasks that are spawned and handlers of requests, whose futures
    /// must be `Send`: replays the stored result, or says that the work is to be done. All that is said there holds.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     coord: coord::Coordinator,
    /// #     client: &mut tokio_postgres::Client,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use coord::idempotency::InTransaction;
    ///
    /// let mut tx = client.transaction().await?;
    /// let order: i64 = match coord.idempotency("order:cart-7").begin_in(&mut tx).await? {
    ///     InTransaction::Replayed(order) => order,
    ///     InTransaction::Ours(call) => {
    ///         let row = tx.query_one("INSERT INTO orders (cart) VALUES (7) RETURNING id", &[]).await?;
    ///         call.finish_in(&mut tx, row.get(0)).await?
    ///     }
    /// };
    /// tx.commit().await?;
    /// # let _ = order; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run_in`](Self::run_in).
    pub async fn begin_in<Transaction, T>(
        self,
        transaction: &mut Transaction,
    ) -> Result<InTransaction<T>, Error>
    where
        Transaction: PostgresTransaction,
        T: Serialize + DeserializeOwned,
    {
        self.request.begin_in(transaction).await
    }
}

/// The calls, which differ in what becomes of errors.
macro_rules! calls {
    ($errors:ident, $codec:ident, $rolls_back:literal, $($error:tt)*) => {
        impl IdempotencyBuilder<$errors> {
            /// Replays the stored result of this key, or runs `body` and stores what it returns. Two round trips
            /// for the first call, one for a replay.
            ///
            /// While another call of the key runs its body, this one waits for the result; if that call fails
            /// or its process dies, this one runs the body. The record is renewed while the body runs. If it is
            /// lost nevertheless, the body is dropped at its next await.
            ///
            /// Dropping the future drops the body and lets the next call run it; a result that is there already
            /// is still stored, in the background. So is one for which the store fails until `lease` is over, when
            /// this returns [`Error::Store`]. If the process dies, the next call runs the body after `lease`.
            ///
            /// # Errors
            ///
            /// The body's own; and, converted: [`Error::InProgress`] after `wait`,
            /// [`Error::FingerprintMismatch`], [`Error::LockLost`] if another call took over,
            /// [`Error::ResultTooLarge`], [`Error::ResultNotSerializable`] and [`Error::ResultShapeChanged`]
            /// for results that cannot be stored or replayed, [`Error::WouldDeadlock`] inside its own body,
            /// [`Error::InvalidKey`] and [`Error::InvalidOption`] for what cannot be asked,
            /// [`Error::ShutDown`] also while it waits, and [`Error::Store`] if the store fails for longer than a few
            /// seconds.
            pub async fn run<Body, T, E>(self, body: Body) -> Result<T, E>
            where
                Body: AsyncFnOnce() -> Result<T, E>,
                T: Serialize + DeserializeOwned,
                E: From<Error> $($error)*,
            {
                Ok(self.outcome(body).await?.into_inner())
            }

            /// As [`run`](Self::run), with a body that is told of its call.
            ///
            /// # Errors
            ///
            /// As [`run`](Self::run).
            pub async fn run_with<Body, T, E>(self, body: Body) -> Result<T, E>
            where
                Body: AsyncFnOnce(&IdempotencyContext) -> Result<T, E>,
                T: Serialize + DeserializeOwned,
                E: From<Error> $($error)*,
            {
                Ok(self.outcome_with(body).await?.into_inner())
            }

            /// As [`run`](Self::run), and tells whether the body ran.
            ///
            /// # Errors
            ///
            /// As [`run`](Self::run).
            pub async fn outcome<Body, T, E>(self, body: Body) -> Result<Outcome<T>, E>
            where
                Body: AsyncFnOnce() -> Result<T, E>,
                T: Serialize + DeserializeOwned,
                E: From<Error> $($error)*,
            {
                let failed = |error: Error| Err(error.into());
                let start = |_| async move { body().await };
                self.request.run(failed, Codec::$codec(), start).await.transpose()
            }

            /// As [`run_with`](Self::run_with), and tells whether the body ran.
            ///
            /// # Errors
            ///
            /// As [`run`](Self::run).
            pub async fn outcome_with<Body, T, E>(self, body: Body) -> Result<Outcome<T>, E>
            where
                Body: AsyncFnOnce(&IdempotencyContext) -> Result<T, E>,
                T: Serialize + DeserializeOwned,
                E: From<Error> $($error)*,
            {
                let failed = |error: Error| Err(error.into());
                let start = |context| async move { body(&context).await };
                self.request.run(failed, Codec::$codec(), start).await.transpose()
            }

            /// As [`run`](Self::run), in a transaction of the caller's: what the body writes and the record of
            /// its result are committed together, or neither is. So the body's effect is there exactly once,
            /// whatever dies on the way. Needs a coordinator on [`PostgresStore`](crate::store::PostgresStore), and a
            /// transaction of the same database. Two round trips for the first call, one for a replay.
            ///
            /// Another call of the key in a transaction waits, for up to `wait`, until this transaction ends; then it
            /// replays the result if that was committed, and runs its body if not. No other store operation
            /// of the key gets through meanwhile, so keep to one of `run` and `run_in` for a key. `lease` has
            /// no meaning here: nothing has to be renewed, and a process that dies takes its transaction
            /// with it.
            ///
            /// Nothing is committed here.
            #[doc = $rolls_back]
            /// If the future is dropped, roll back. The compiler cannot tell that the future is `Send`, as a spawned one
            /// must be: [`begin_in`](IdempotencyBuilder::begin_in) does the same without a closure.
            ///
            /// Transactions should be `READ COMMITTED`, as they are unless told otherwise. A stricter one sees the
            /// database as it was at its first statement, and fails if another one has committed a result of the key
            /// since: a call that had to wait fails at once, and one that did not runs its body, and fails when the result
            /// is written. Neither leaves anything behind.
            ///
            /// ```no_run
            /// # async fn example(
            /// #     coord: coord::Coordinator,
            /// #     client: &mut tokio_postgres::Client,
            /// # ) -> Result<(), Box<dyn std::error::Error>> {
            /// let mut tx = client.transaction().await?;
            /// let order: i64 = coord
            ///     .idempotency("order:cart-7")
            ///     .run_in(&mut tx, async |tx| {
            ///         let row = tx.query_one("INSERT INTO orders (cart) VALUES (7) RETURNING id", &[]).await?;
            ///         Ok::<i64, Box<dyn std::error::Error>>(row.get(0))
            ///     })
            ///     .await?;
            /// tx.commit().await?;
            /// # let _ = order; Ok(()) }
            /// ```
            ///
            /// # Errors
            ///
            /// As [`run`](Self::run), and [`Error::InvalidOption`] on another store. [`Error::InProgress`] also
            /// comes at once if a call by `run` is at it.
            #[cfg(feature = "postgres")]
            pub async fn run_in<Transaction, Body, T, E>(
                self,
                transaction: &mut Transaction,
                body: Body,
            ) -> Result<T, E>
            where
                Transaction: PostgresTransaction,
                Body: AsyncFnOnce(&mut Transaction) -> Result<T, E>,
                T: Serialize + DeserializeOwned,
                E: From<Error> $($error)*,
            {
                Ok(self.outcome_in(transaction, body).await?.into_inner())
            }

            /// As [`run_in`](Self::run_in), and tells whether the body ran.
            ///
            /// # Errors
            ///
            /// As [`run_in`](Self::run_in).
            #[cfg(feature = "postgres")]
            pub async fn outcome_in<Transaction, Body, T, E>(
                self,
                transaction: &mut Transaction,
                body: Body,
            ) -> Result<Outcome<T>, E>
            where
                Transaction: PostgresTransaction,
                Body: AsyncFnOnce(&mut Transaction) -> Result<T, E>,
                T: Serialize + DeserializeOwned,
                E: From<Error> $($error)*,
            {
                let failed = |error: Error| Err(error.into());
                let run = self.request.run_in(failed, Codec::$codec(), transaction, body);
                run.await.transpose()
            }
        }
    };
}

calls!(Forgotten, of_values, "If this returns an error, roll back.",);
calls!(
    Remembered,
    of_values_and_errors,
    "An error of the body is a result as a value is, so commit it, or it is not remembered; on one of ours, roll \
     back. What `E` makes of a [`coord::Error`](crate::Error) should tell them apart, such as a variant of its own: \
     `match &result { Err(MyError::Coord(_)) => tx.rollback().await?, _ => tx.commit().await? }`.",
    + Serialize + DeserializeOwned
);

impl<Errors> fmt::Debug for IdempotencyBuilder<Errors> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyBuilder")
            .field("ttl", &self.request.ttl)
            .field("lease", &self.request.lease)
            .field("wait", &self.request.wait)
            .finish_non_exhaustive()
    }
}

//! A call in a transaction of the caller's: its record and whatever the body writes are committed together, or
//! neither is.
//!
//! There is no record of a body that is running. What keeps others out is a lock of the transaction, which ends
//! with it, however it ends: so there is nothing to renew, to take over or to tidy up.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{Instrument, Span};

use super::call::{Call, Request, tell_failure};
use super::codec::Codec;
use super::outcome::Outcome;
use super::record::{Head, Known, State};
use crate::clock::Moment;
use crate::context::Context;
use crate::error::Error;
use crate::observe::{IdempotencyEvent, emit};
use crate::store::{Claim, Claimed, Entry, OwnerId, PostgresStore, PostgresTransaction, Version};

/// How a call in a transaction goes on: see [`IdempotencyBuilder::begin_in`](super::IdempotencyBuilder::begin_in).
#[derive(Debug)]
#[must_use = "a call that is ours has to be finished"]
pub enum InTransaction<T> {
    /// With the stored result.
    Replayed(T),
    /// With the work, and then [`finish_in`](CallInTransaction::finish_in).
    Ours(CallInTransaction<T>),
}

/// A call whose work is to be done in a transaction. Dropped, it leaves nothing behind but the transaction's lock.
#[must_use = "without a result the call is not finished"]
pub struct CallInTransaction<T> {
    mine: Box<Mine>,
    result: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> CallInTransaction<T> {
    /// Writes the result, which is there once the transaction is committed, and gives it back. One round trip. If this
    /// fails or is dropped, roll back.
    ///
    /// # Errors
    ///
    /// [`Error::ResultTooLarge`], [`Error::ResultNotSerializable`], and [`Error::Store`] if the transaction has failed.
    /// [`Error::LockLost`] if there is a result already: the key was begun twice in this transaction, or in a savepoint
    /// whose rollback let another transaction have it.
    pub async fn finish_in<Transaction: PostgresTransaction>(
        self,
        transaction: &mut Transaction,
        result: T,
    ) -> Result<T, Error> {
        let (span, template) = (self.mine.call.span.clone(), self.mine.call.template);
        let finish = self.mine.finish(codec(), transaction, Ok(result));
        let finished = finish.instrument(span.clone()).await;
        let Ok(result) = finished
            .inspect_err(|error| tell_failure(&span, template, error))?
            .into_inner();
        Ok(result)
    }
}

impl<T> fmt::Debug for CallInTransaction<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallInTransaction").finish_non_exhaustive()
    }
}

const fn codec<T: Serialize + DeserializeOwned>() -> Codec<Result<T, Infallible>> {
    Codec::of_values()
}

impl Request {
    /// Replays the result of the key, or runs the body and writes what it returns, all in `transaction`.
    pub(crate) async fn run_in<Output, Transaction, Body>(
        self,
        failed: fn(Error) -> Output,
        codec: Codec<Output>,
        transaction: &mut Transaction,
        body: Body,
    ) -> Outcome<Output>
    where
        Transaction: PostgresTransaction,
        Body: AsyncFnOnce(&mut Transaction) -> Output,
    {
        self.traced(failed, async |request, context, span| {
            match request.claim_in(context, span, codec, transaction).await? {
                Begun::Replayed(output) => Ok(Outcome::Replayed(output)),
                Begun::Ours(mine) => {
                    let scope = mine
                        .context
                        .clone()
                        .inside(mine.call.store, Arc::clone(&mine.call.name));
                    let output = scope.scope(Box::pin(body(transaction))).await;
                    mine.finish(codec, transaction, output).await
                }
            }
        })
        .await
    }

    /// The first half of it.
    pub(crate) async fn begin_in<T, Transaction>(
        self,
        transaction: &mut Transaction,
    ) -> Result<InTransaction<T>, Error>
    where
        T: Serialize + DeserializeOwned,
        Transaction: PostgresTransaction,
    {
        let context = Context::current();
        let span = self.span(context.as_ref());
        let claim = self.claim_in(context, &span, codec(), transaction);
        let claimed = claim.instrument(span.clone()).await;
        let tells = |error: &Error| tell_failure(&span, self.template(), error);
        Ok(match claimed.inspect_err(tells)? {
            Begun::Replayed(Ok(result)) => InTransaction::Replayed(result),
            Begun::Ours(mine) => InTransaction::Ours(CallInTransaction {
                mine,
                result: PhantomData,
            }),
        })
    }

    async fn claim_in<Output, Transaction: PostgresTransaction>(
        &self,
        context: Option<Context>,
        span: &Span,
        codec: Codec<Output>,
        transaction: &mut Transaction,
    ) -> Result<Begun<Output>, Error> {
        let claim = {
            let name = self
                .coordinator
                .name("idempotency", self.key.as_ref().map_err(Clone::clone)?);
            let native = self.coordinator.store().native();
            let store = native.and_then(|store| store.downcast_ref::<PostgresStore>());
            store.ok_or_else(no_postgres)?.claim(&name)
        };
        let call = self.check(context, span)?;
        match claim.take(transaction, call.wait).await? {
            Claimed::Nothing => Ok(Begun::Ours(Box::new(Mine::begin(call, claim)))),
            Claimed::Record(value) => {
                let entry = Entry {
                    value,
                    version: Version::from_bits(0),
                    expires_in: None,
                };
                call.found(&entry, codec).map(Begun::Replayed)
            }
            Claimed::Busy => Err(call.in_progress()),
        }
    }
}

enum Begun<Output> {
    Replayed(Output),
    Ours(Box<Mine>),
}

/// A call whose key the transaction has claimed.
struct Mine {
    call: Call,
    claim: Claim,
    head: Head<'static>,
    /// That of the body.
    context: Context,
    began: Moment,
}

impl Mine {
    fn begin(call: Call, claim: Claim) -> Self {
        let context = call.context_of_body();
        let known = Known::default();
        let head = Head::begin(OwnerId::random(), call.fingerprint, known, Some(&context));
        let attempt = head.attempt;
        call.span.record("attempt", attempt);
        emit(call.template, IdempotencyEvent::Miss { attempt });
        Self {
            call,
            claim,
            head,
            context,
            began: Moment::now(),
        }
    }

    /// Writes what the body has returned.
    async fn finish<Output, Transaction: PostgresTransaction>(
        self,
        codec: Codec<Output>,
        transaction: &mut Transaction,
        output: Output,
    ) -> Result<Outcome<Output>, Error> {
        let call = &self.call;
        let took = self.began.elapsed();
        let Some((state, record)) = self.record(codec, &output)? else {
            call.span.record("outcome", "failed");
            emit(call.template, IdempotencyEvent::Failed);
            return Ok(Outcome::Executed(output));
        };
        if !self.claim.write(transaction, &record, call.ttl).await? {
            return Err(call.lost());
        }
        call.tell_result(state, took);
        Ok(Outcome::Executed(output))
    }

    /// The record of a result; `None` if it is not to be stored. If it cannot be, nothing stands in its place: whoever
    /// gets the error rolls back what the body did.
    fn record<Output>(
        &self,
        codec: Codec<Output>,
        output: &Output,
    ) -> Result<Option<(State, Vec<u8>)>, Error> {
        let template = self.call.template;
        let Some(state) = (codec.state_of)(output) else {
            return Ok(None);
        };
        let type_name = (codec.type_name)(state);
        let correlation = Some(self.context.correlation_id());
        let mut record = self
            .head
            .end(correlation, codec.name, type_name)
            .start(state);
        match (codec.encode)(output, &mut record) {
            Ok(()) => {}
            // That is how a type says which of its errors are not to be remembered.
            Err(_) if state == State::Error => return Ok(None),
            Err(problem) => {
                let problem = problem.into();
                return Err(Error::ResultNotSerializable { template, problem });
            }
        }
        let bytes = u64::try_from(record.len()).unwrap_or(u64::MAX);
        let limit = self.call.largest_record();
        if bytes > limit {
            return Err(Error::ResultTooLarge {
                template,
                bytes,
                limit,
            });
        }
        Ok(Some((state, record)))
    }
}

impl Call {
    /// What there is already: a result, or the body of a call that is in no transaction and still running.
    fn found<Output>(&self, entry: &Entry, codec: Codec<Output>) -> Result<Output, Error> {
        if State::of_record(&entry.value) == Some(State::Running) {
            self.check_fingerprint(&self.read(entry)?.head)?;
            return Err(self.in_progress());
        }
        self.replay(entry, codec)
    }

    fn in_progress(&self) -> Error {
        Error::InProgress {
            template: self.template,
            retry_after: self.lease,
        }
    }
}

fn no_postgres() -> Error {
    Error::invalid_option(
        "run_in",
        "the coordinator's store is not PostgreSQL; connect it to the database that the transaction is of, or use `run`",
    )
}

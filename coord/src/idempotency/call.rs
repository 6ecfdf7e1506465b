//! One call: checked, then settled by what the store has, then replayed or executed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, Span, field};

use super::cache::Cache;
use super::codec::Codec;
use super::context::IdempotencyContext;
use super::fingerprint::Fingerprint;
use super::outcome::Outcome;
use super::record::{Record, State};
use super::running::Running;
use super::settle::{Settled, settle};
use crate::context::{Context, StoreId};
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::Key;
use crate::lock::Keeper;
use crate::observe::{IdempotencyEvent, emit};
use crate::store::{Entry, LARGEST_TTL};

/// What a builder was told, not checked yet.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) coordinator: Coordinator,
    pub(crate) key: Result<Key, Error>,
    pub(crate) ttl: Duration,
    pub(crate) lease: Option<Duration>,
    pub(crate) wait: Duration,
    pub(crate) fingerprint: Result<Option<Fingerprint>, Error>,
}

/// A call that makes sense, and what it needs.
pub(super) struct Call {
    pub(super) keeper: Arc<Keeper<Running>>,
    pub(super) cache: Option<Arc<Cache>>,
    /// Which store it is in.
    pub(super) store: StoreId,
    pub(super) name: Arc<str>,
    pub(super) template: &'static str,
    pub(super) ttl: Duration,
    pub(super) lease: Duration,
    pub(super) wait: Duration,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) context: Option<Context>,
    pub(super) span: Span,
}

impl Request {
    /// Replays the result of the key, or runs the body that `start` makes and stores what it returns. `failed`
    /// makes an error of ours into a return value.
    pub(crate) async fn run<Output, Start, Body>(
        self,
        failed: fn(Error) -> Output,
        codec: Codec<Output>,
        start: Start,
    ) -> Outcome<Output>
    where
        Start: FnOnce(IdempotencyContext) -> Body,
        Body: Future<Output = Output>,
    {
        self.traced(failed, async |request, context, span| {
            let call = request.check(context, span)?;
            match settle(&call).await? {
                Settled::Finished(entry) => call.replay(&entry, codec).map(Outcome::Replayed),
                Settled::Ours(mine) => mine.execute(codec, start).await,
            }
        })
        .await
    }

    /// Does the work of a call inside of its span, and makes an error of ours into a return value.
    pub(super) async fn traced<Output>(
        self,
        failed: fn(Error) -> Output,
        work: impl AsyncFnOnce(&Self, Option<Context>, &Span) -> Result<Outcome<Output>, Error>,
    ) -> Outcome<Output> {
        let context = Context::current();
        let span = self.span(context.as_ref());
        let work = work(&self, context, &span);
        let settled = work.instrument(span.clone()).await;
        settled.unwrap_or_else(|error| {
            tell_failure(&span, self.template(), &error);
            Outcome::Executed(failed(error))
        })
    }

    pub(super) fn check(&self, context: Option<Context>, span: &Span) -> Result<Call, Error> {
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let lease = match self.lease {
            Some(lease) => lease,
            None => self.coordinator.lock_ttl().min(self.ttl),
        };
        check_duration(
            "ttl",
            self.ttl,
            "it is zero; give the time for which a result is kept",
        )?;
        check_duration(
            "lease",
            lease,
            "it is zero; give the time after which a call counts as dead",
        )?;
        if lease > self.ttl {
            return Err(Error::invalid_option(
                "lease",
                "it is longer than `ttl`, for which the result is kept; make `ttl` the longer one",
            ));
        }
        let fingerprint = self.fingerprint.clone()?;
        let name = self.coordinator.name("idempotency", key);
        let template = key.template();
        if self.coordinator.is_inside(&name) {
            return Err(Error::WouldDeadlock { template });
        }
        let cache = match self.coordinator.idempotency_cache() {
            0 => None,
            size => Some(self.coordinator.service(|_| Cache::new(size))?),
        };
        Ok(Call {
            keeper: self.coordinator.service(Keeper::new)?,
            cache,
            store: self.coordinator.store_id(),
            name,
            template,
            ttl: self.ttl,
            lease,
            wait: self.wait,
            fingerprint,
            context,
            span: span.clone(),
        })
    }

    pub(super) fn template(&self) -> &'static str {
        match &self.key {
            Ok(key) => key.template(),
            Err(error) => error.template().unwrap_or_default(),
        }
    }

    pub(super) fn span(&self, context: Option<&Context>) -> Span {
        tracing::info_span!(
            "coord.idempotency",
            template = self.template(),
            correlation_id = context.map(Context::correlation_id),
            outcome = field::Empty,
            attempt = field::Empty,
            executed_by = field::Empty,
        )
    }
}

impl Call {
    /// The result that another run of the key has left.
    pub(super) fn replay<Output>(
        &self,
        entry: &Entry,
        codec: Codec<Output>,
    ) -> Result<Output, Error> {
        let template = self.template;
        let record = self.read(entry)?;
        self.check_fingerprint(&record.head)?;
        let text = || String::from_utf8_lossy(record.result).into_owned();
        match record.state {
            State::TooLarge => {
                return Err(Error::ResultTooLarge {
                    template,
                    bytes: text().parse().unwrap_or(0),
                    limit: self.largest_record(),
                });
            }
            State::NotSerializable => {
                return Err(Error::ResultNotSerializable {
                    template,
                    problem: text().into(),
                });
            }
            State::Running | State::Value | State::Error => {}
        }
        let shape_changed = |problem: String| Error::ResultShapeChanged {
            template,
            stored: record.head.result_type.to_string().into(),
            expected: (codec.type_name)(record.state),
            problem: problem.into(),
        };
        if record.head.codec != codec.name {
            let problem = format!("it is written as {}", record.head.codec);
            return Err(shape_changed(problem));
        }
        let output = (codec.decode)(record.state, record.result).map_err(shape_changed)?;
        self.span.record("outcome", "replayed");
        self.span
            .record("executed_by", record.head.correlation.as_deref());
        emit(template, IdempotencyEvent::Hit);
        Ok(output)
    }

    /// The most bytes of a record.
    pub(super) fn largest_record(&self) -> u64 {
        let largest = self.keeper.store.capabilities().largest_of_ours();
        u64::try_from(largest).unwrap_or(u64::MAX)
    }

    /// The context of the body: the caller's, or a new one, which the call's span then tells of.
    pub(super) fn context_of_body(&self) -> Context {
        self.context.clone().unwrap_or_else(|| {
            let context = Context::create();
            self.span.record("correlation_id", context.correlation_id());
            context
        })
    }

    /// Tells that the body has returned what is a result now.
    pub(super) fn tell_result(&self, state: State, took: Duration) {
        let (outcome, event) = match state {
            State::Error => ("failed", IdempotencyEvent::Failed),
            _ => ("executed", IdempotencyEvent::Executed { took }),
        };
        self.span.record("outcome", outcome);
        emit(self.template, event);
    }

    /// Reads a record that is there.
    pub(super) fn read<'e>(&self, entry: &'e Entry) -> Result<Record<'e>, Error> {
        Record::read(&entry.value).map_err(|problem| Error::ResultShapeChanged {
            template: self.template,
            stored: "(not a record)".into(),
            expected: "a record of an idempotent call",
            problem: problem.into(),
        })
    }

    pub(super) fn lost(&self) -> Error {
        Error::LockLost {
            template: self.template,
        }
    }
}

fn check_duration(
    option: &'static str,
    duration: Duration,
    if_zero: &'static str,
) -> Result<(), Error> {
    if duration.is_zero() {
        return Err(Error::invalid_option(option, if_zero));
    }
    if duration > LARGEST_TTL {
        return Err(Error::invalid_option(
            option,
            format!("{duration:?} is over 366 days; is the unit right?"),
        ));
    }
    Ok(())
}

/// Tells of an error of ours.
pub(super) fn tell_failure(span: &Span, template: &'static str, error: &Error) {
    span.record("outcome", outcome_of(error));
    span.in_scope(|| emit(template, IdempotencyEvent::Failed));
}

fn outcome_of(error: &Error) -> &'static str {
    match error {
        Error::InProgress { .. } => "in_progress",
        Error::FingerprintMismatch { .. } => "mismatch",
        Error::LockLost { .. } => "lost",
        _ => "failed",
    }
}

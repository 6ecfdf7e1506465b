//! Running the body under a record that is ours, and storing what it returns.
//!
//! Whatever happens on the way, the record does not stay behind: a body that fails, panics or is dropped
//! releases it, and a result that the caller did not stay for is stored in the background. So is that there is
//! none, if writing it panics.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;

use super::call::Call;
use super::codec::Codec;
use super::context::IdempotencyContext;
use super::outcome::Outcome;
use super::record::State;
use super::running::Running;
use crate::clock::Moment;
use crate::context::Context;
use crate::error::{Error, StoreError, StoreErrorKind};
use crate::lock::{Leaving, persist, while_held};
use crate::observe::{IdempotencyEvent, emit};
use crate::store::{Condition, Entry, Put, PutRequest};

/// A record that is ours, or that may be: its put is under way.
pub(super) struct Mine<'c> {
    call: &'c Call,
    running: Arc<Running>,
    /// That of the body.
    context: Option<Context>,
    left: Left,
}

/// What is to be done in the background if this is dropped.
enum Left {
    Nothing,
    Release,
    /// The body has run, and what it returned is being written: only a panic in that comes between.
    Entomb,
    Complete(PutRequest),
}

/// How storing a result ended.
enum Completed {
    Stored,
    /// Another run of the key has taken over, and may have finished.
    Superseded(Entry),
}

impl<'c> Mine<'c> {
    /// One whose put is about to be sent.
    pub(super) fn asking(call: &'c Call, running: Running) -> Self {
        Self {
            call,
            running: Arc::new(running),
            context: None,
            left: Left::Release,
        }
    }

    pub(super) fn running(&self) -> &Running {
        &self.running
    }

    /// The store has refused it: there is nothing to release.
    pub(super) fn forget(mut self) {
        self.left = Left::Nothing;
    }

    /// Releases the record, so that the next call begins at once.
    pub(super) async fn give_up(&mut self) {
        let keeper = &self.call.keeper;
        let _leaving = keeper.forget(&self.running);
        self.running.end();
        let request = self.running.release();
        if keeper.store.delete_record(&request).await.is_ok() {
            self.left = Left::Nothing;
        }
    }

    /// Runs the body and stores what it returns. If another run has taken over by then, its result counts if
    /// this call waits for others.
    pub(super) async fn execute<Output, Start, Body>(
        mut self,
        codec: Codec<Output>,
        start: Start,
    ) -> Result<Outcome<Output>, Error>
    where
        Start: FnOnce(IdempotencyContext) -> Body,
        Body: Future<Output = Output>,
    {
        let call = self.call;
        if !call.keeper.keep(&self.running) {
            return Err(Error::ShutDown);
        }
        let attempt = self.running.head().attempt;
        call.span.record("attempt", attempt);
        emit(call.template, IdempotencyEvent::Miss { attempt });
        let began = Moment::now();
        let ended = self.run_body(start).await;
        let (output, _leaving) = ended.ok_or_else(|| call.lost())?;
        let took = began.elapsed();

        let Some(state) = (codec.state_of)(&output) else {
            return Ok(self.release(output).await);
        };
        self.left = Left::Entomb;
        let mut record = self.finished(state, codec.name, (codec.type_name)(state));
        let bytes = match (codec.encode)(&output, &mut record) {
            Ok(()) => u64::try_from(record.len()).unwrap_or(u64::MAX),
            // That is how a type says which of its errors are not to be remembered.
            Err(_) if state == State::Error => return Ok(self.release(output).await),
            Err(problem) => return Err(Box::pin(self.not_storable(problem)).await),
        };
        let limit = call.largest_record();
        if bytes > limit {
            return Err(Box::pin(self.too_large(bytes, limit)).await);
        }
        match self.complete(record).await {
            Ok(Completed::Stored) => {}
            Ok(Completed::Superseded(winner)) => return call.winners_result(&winner, codec),
            // The store has said before that it would take so much, or has another reason.
            Err(Error::Store(refusal)) if refusal.kind() == StoreErrorKind::Rejected => {
                let problem = format!("the store refuses it: {refusal}");
                return Err(Box::pin(self.not_storable(problem)).await);
            }
            Err(error) => return Err(error),
        }
        call.tell_result(state, took);
        Ok(Outcome::Executed(output))
    }

    /// What the body returns, or `None` if the record was lost before. From when the body ends, the result is on its way, and
    /// a shutdown waits for that. It does not come in between: the body is at work until the keeper has forgotten the record.
    async fn run_body<Output, Start, Body>(
        &mut self,
        start: Start,
    ) -> Option<(Output, Leaving<'c, Running>)>
    where
        Start: FnOnce(IdempotencyContext) -> Body,
        Body: Future<Output = Output>,
    {
        let call = self.call;
        let context = call.context_of_body();
        self.context = Some(context.clone());
        let head = self.running.head();
        let inside =
            IdempotencyContext::new(Arc::clone(&call.name), head.attempt, head.fencing_token());
        // Boxed, since each future around it would have room for it, and calls within calls for each other.
        let mut body = Box::pin(
            context
                .inside(call.store, Arc::clone(&call.name))
                .scope(start(inside)),
        );
        let running = &*self.running;
        let lost = pin!(running.lost(&call.keeper));
        let leave = || call.keeper.forget(running);
        while_held(lost, || running.at_work(), leave, body.as_mut()).await
    }

    /// Stores a finished record in the place of the running one.
    ///
    /// A failure on the network is tried again until the lease's deadline. If the record has lapsed and nobody
    /// took it, the result is stored all the same.
    async fn complete(&mut self, record: Vec<u8>) -> Result<Completed, Error> {
        let call = self.call;
        let mut condition = self.running.end();
        let value = Bytes::from(record);
        loop {
            let was_absent = condition == Condition::Absent;
            let request = PutRequest::new(&*call.name, value.clone())
                .when(condition)
                .ttl(call.ttl);
            self.left = Left::Complete(request.clone());
            let sent = Moment::now();
            let store = &call.keeper.store;
            let put = persist(self.running.deadline(), || store.put_record(&request)).await;
            // What cannot be stored in time is left to the background, for as long again: the body has run.
            if !put.as_ref().is_err_and(StoreError::is_retryable) {
                self.left = Left::Nothing;
            }
            match put? {
                Put::Stored(_) => {
                    call.cache(&value, sent, Some(call.ttl));
                    return Ok(Completed::Stored);
                }
                Put::Conflict(Some(entry)) => match self.state_of_ours(&entry) {
                    None => return Ok(Completed::Superseded(entry)),
                    // A late copy of the put that began it has made it anew.
                    Some(State::Running) => condition = Condition::Value(entry.value),
                    // The answer to the put of our result got lost.
                    Some(_) => return Ok(Completed::Stored),
                },
                Put::Conflict(None) if was_absent => return Err(call.lost()),
                Put::Conflict(None) => condition = Condition::Absent,
            }
        }
    }

    /// The state of a record that stands in the way of our result, if it is of this very call.
    fn state_of_ours(&self, entry: &Entry) -> Option<State> {
        let record = self.call.read(entry).ok()?;
        (record.head.owner == self.running.head().owner).then_some(record.state)
    }

    /// Lets the next call run the body, since this one has failed with `output`.
    async fn release<Output>(&mut self, output: Output) -> Outcome<Output> {
        self.left = Left::Release;
        self.give_up().await;
        let call = self.call;
        call.span.record("outcome", "failed");
        emit(call.template, IdempotencyEvent::Failed);
        Outcome::Executed(output)
    }

    async fn too_large(&mut self, bytes: u64, limit: u64) -> Error {
        self.entomb(State::TooLarge, &bytes.to_string()).await;
        Error::ResultTooLarge {
            template: self.call.template,
            bytes,
            limit,
        }
    }

    async fn not_storable(&mut self, problem: String) -> Error {
        self.entomb(State::NotSerializable, &problem).await;
        Error::ResultNotSerializable {
            template: self.call.template,
            problem: problem.into(),
        }
    }

    /// Stores that the body has run and that there is no result, so that it is not run again.
    async fn entomb(&mut self, state: State, instead: &str) {
        let tombstone = self.tombstone(state, instead);
        // If that fails, the caller still has to know that the body has run, and why there is no result.
        let _ = self.complete(tombstone).await;
    }

    /// The record of a result that is not there.
    fn tombstone(&self, state: State, instead: &str) -> Vec<u8> {
        let mut record = self.finished(state, "", "");
        record.extend_from_slice(instead.as_bytes());
        record
    }

    /// The beginning of a finished record, to which the result is appended.
    fn finished(&self, state: State, codec: &'static str, result: &'static str) -> Vec<u8> {
        let correlation = self.context.as_ref().map(Context::correlation_id);
        let running = self.running.head();
        running.end(correlation, codec, result).start(state)
    }
}

impl Drop for Mine<'_> {
    fn drop(&mut self) {
        let (call, keeper) = (self.call, &self.call.keeper);
        match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Nothing => {}
            Left::Release => self.running.release_later(keeper),
            Left::Entomb => {
                let tombstone = self.tombstone(State::NotSerializable, "its `Serialize` panicked");
                let request = PutRequest::new(&*call.name, tombstone)
                    .when(self.running.end())
                    .ttl(call.ttl);
                self.running.complete_later(keeper, request);
            }
            Left::Complete(request) => self.running.complete_later(keeper, request),
        }
    }
}

impl Call {
    /// What a call returns whose record another run has taken over: that one's result if there is one and this
    /// call waits for others.
    fn winners_result<Output>(
        &self,
        winner: &Entry,
        codec: Codec<Output>,
    ) -> Result<Outcome<Output>, Error> {
        let is_finished = self.read(winner)?.state != State::Running;
        if self.wait.is_zero() || !is_finished {
            return Err(self.lost());
        }
        self.replay(winner, codec).map(Outcome::Replayed)
    }
}

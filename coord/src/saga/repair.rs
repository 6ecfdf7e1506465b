//! Setting right the sagas that cannot go on by themselves.

use bytes::Bytes;

use super::executor::Executor;
use super::head::{Head, SagaState, now};
use super::hurry::Hurry;
use super::inspect::{Sagas, unreadable};
use super::journal::shortened;
use super::log::{self, Event, Kind, Line};
use super::membership::{NOBODY, OWNED};
use super::recovery::resume;
use super::spot::log_name;
use crate::error::Error;
use crate::store::{Append, AppendRequest, Condition, Put, PutRequest, Version};

impl Sagas {
    /// Lets a saga that is stuck go on: with one more attempt at once of what has failed, and then as before. It
    /// says whether it was stuck. It goes on in this process if that knows the saga, and otherwise in the next
    /// one that does and looks for orphans. A saga of closures goes on when it is
    /// [run](super::SagaBuilder::run) again with its key, and is [`Running`](SagaState::Running) until then.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails, [`Error::ShutDown`].
    pub async fn resume(&self, id: &str) -> Result<bool, Error> {
        match self.find_stuck(id).await? {
            Some((head, name, version)) => self.let_go_on(head, &name, version).await,
            None => Ok(false),
        }
    }

    /// Has a saga that is under way wait no longer, if its next attempt was put off by a `retry` policy: whoever has it
    /// makes it at once. It says whether it is under way. If that attempt fails too, the next one is put off as ever. What
    /// is put off for a second or less, and what a saga of closures waits for, is not hurried.
    ///
    /// It is told through the store. A process that cannot reach the store just then, or takes the saga over just then, may
    /// not hear of it: ask again.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let coord = coord::Coordinator::builder().build();
    /// if !coord.sagas().retry_now("PlaceOrder/order:42").await? {
    ///     println!("it is not under way: it has ended, is stuck, or there is none");
    /// }
    /// # Ok::<(), coord::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn retry_now(&self, id: &str) -> Result<bool, Error> {
        let found = self.find(id).await?;
        let Some((head, ..)) = found.filter(|(head, ..)| head.state == SagaState::Running) else {
            return Ok(false);
        };
        let entries = self.log(&head).await?.len() as u64;
        let hurry = Hurry::of(&self.coordinator, &head.about, entries);
        self.coordinator.store().put_record(&hurry.put()).await?;
        Ok(true)
    }

    /// As [`resume`](Self::resume), and takes the compensation that has failed for made: somebody has undone the
    /// step by other means. The reason stands in the history.
    ///
    /// # Errors
    ///
    /// As [`resume`](Self::resume); and [`Error::InvalidOption`] if it is no compensation that has failed: a step
    /// has an output, which nobody else can know.
    pub async fn skip(&self, id: &str, reason: &str) -> Result<bool, Error> {
        let Some((head, name, version)) = self.find_stuck(id).await? else {
            return Ok(false);
        };
        let entries = self.log(&head).await?;
        match last_of(&entries)? {
            Some(failed) if failed.kind == Kind::UndoFailed => {
                let undone = Event {
                    error: Some(shortened(reason.to_owned())),
                    ..Event::of_run(Kind::Undone, (0, failed.item))
                };
                let request = self.entry(&head, &undone, &failed.step, entries.len() as u64);
                let appended = self.coordinator.store().append_log(&request).await?;
                if appended != Append::Appended {
                    // Somebody else has set it right meanwhile.
                    return Ok(false);
                }
            }
            // Somebody has skipped it, and got no further.
            Some(skipped) if skipped.kind == Kind::Undone => {}
            _ => {
                return Err(Error::invalid_option(
                    "skip",
                    "it is no compensation that has failed: resume the saga when the cause is mended, or abandon it",
                ));
            }
        }
        self.let_go_on(head, &name, version).await
    }

    /// Gives a saga up, as it is: nothing more is done or undone, and those who wait for it get the reason. It says
    /// whether it was stuck or under way. A step that is under way ends, and is not stored.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails.
    pub async fn abandon(&self, id: &str, reason: &str) -> Result<bool, Error> {
        let mut has_appended = false;
        loop {
            let Some((mut head, name, version)) = self.find(id).await? else {
                return Ok(false);
            };
            if head.state.is_final() {
                if has_appended || head.state == SagaState::Abandoned {
                    // It may have ended without a look at its log, or who gave it up may not have come to that.
                    let log = log_name(&self.coordinator, head.about.run);
                    let store = self.coordinator.store();
                    store.expire_log(&log, head.retention()).await?;
                }
                return Ok(false);
            }
            // Whoever has it stops with its next append.
            let takeover = Event::of_run(Kind::Takeover, (0, 0));
            let mut request = self.entry(&head, &takeover, "", 0);
            while let Append::Conflict { len } =
                self.coordinator.store().append_log(&request).await?
            {
                request = AppendRequest::new(request.log, len, request.entry);
            }
            has_appended = true;
            head.state = SagaState::Abandoned;
            head.about.ended = Some(now());
            head.about.failure = Some((String::new(), shortened(reason.to_owned())));
            let put = put(&head, &name, version).ttl(head.retention());
            let store = self.coordinator.store();
            if let Put::Stored(_) = store.put_record(&put).await? {
                let log = log_name(&self.coordinator, head.about.run);
                store.expire_log(&log, head.retention()).await?;
                return Ok(true);
            }
        }
    }

    async fn let_go_on(&self, mut head: Head, name: &str, version: Version) -> Result<bool, Error> {
        let executor = Executor::of(&self.coordinator)?;
        let store = self.coordinator.store();
        // First, for whoever looks for orphans: they leave it there for as long as the saga is stuck.
        let orphan = format!(
            "{}{NOBODY}/{:032x}",
            self.coordinator.prefix(OWNED),
            head.about.run
        );
        let list = PutRequest::new(orphan, name.as_bytes().to_vec()).listed();
        store.put_record(&list).await?;
        head.state = SagaState::Running;
        head.about.owner = None;
        if let Put::Conflict(_) = store.put_record(&put(&head, name, version)).await? {
            return Ok(false);
        }
        if let Err(problem) = resume(&self.coordinator, &executor, &head) {
            tracing::warn!(problem, "a saga is left to other processes");
        }
        Ok(true)
    }

    /// An event to be appended to a saga's log.
    fn entry(&self, head: &Head, event: &Event, step: &str, len: u64) -> AppendRequest {
        let mut entry = Vec::new();
        event.write(step, &mut entry);
        entry.push(b']');
        AppendRequest::new(log_name(&self.coordinator, head.about.run), len, entry)
    }

    async fn find_stuck(&self, id: &str) -> Result<Option<(Head, String, Version)>, Error> {
        let found = self.find(id).await?;
        Ok(found.filter(|(head, _, _)| head.state == SagaState::Stuck))
    }
}

/// The last that happened to a run of a step. What somebody wanted of the saga, and did not get, is passed over.
fn last_of(entries: &[Bytes]) -> Result<Option<Line<'_>>, Error> {
    for entry in entries.iter().rev() {
        let events = log::read(entry).map_err(unreadable)?;
        let of_a_step = |event: &Line<'_>| !matches!(event.kind, Kind::Takeover | Kind::Cancelled);
        if let Some(last) = events.into_iter().rfind(of_a_step) {
            return Ok(Some(last));
        }
    }
    Ok(None)
}

fn put(head: &Head, name: &str, version: Version) -> PutRequest {
    PutRequest::new(name, head.write())
        .when(Condition::Version(version))
        .listed()
}

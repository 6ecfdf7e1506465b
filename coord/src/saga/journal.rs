//! The journal: what an executor knows of a saga that it has, and the only one that writes to its log and head.
//!
//! 1. What is noted takes effect in memory at once, and in the store with the next [`flush`](Journal::flush) or
//!    [`finish`](Journal::finish). Nothing outside may depend on it before.
//! 2. An append names the length that is expected. Whoever takes the saga over appends a takeover, so the next
//!    append of the old executor conflicts. It then reads what came between: a takeover ends it, and anything
//!    else was meant for it.
//! 3. The end is a put of the head on condition of its version, which a takeover has changed. So has whoever was the first
//!    to append to the log of a saga that may end without a look at it: such a log would be left to nobody.
//! 4. After an error of the journal nothing in memory counts: it is dropped, and the saga read anew.
//! 5. An entry is no larger than a value may be. What is more is appended behind it, so a log ends between two
//!    events at the worst, and any such log can be gone on with.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::head::{Head, SagaState, now};
use super::leftovers::Leftover;
use super::log::{self, Event, Kind, Line};
use super::membership::{Member, Slot};
use super::spot::{Spot, log_name};
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{Append, AppendRequest, Condition, Entry, Put, PutRequest, Store, Version};

const FIRST_RETRY: Duration = Duration::from_millis(5);
const LONGEST_RETRY: Duration = Duration::from_secs(1);
/// How many bytes an entry has most often: with a step's end and the start of the next one.
const USUAL_ENTRY: usize = 192;
/// How many entries are read at once.
const PAGE: usize = 250;

/// What becomes of a saga by what happens to it.
pub(super) trait Fold: Send {
    /// The id of a step.
    fn id(&self, step: usize) -> &str;

    /// The number of the step that a line is about, or why there is none such.
    fn step(&mut self, line: &Line<'_>) -> Result<usize, String>;

    /// Takes an event in.
    fn apply(&mut self, event: Event);
}

pub(super) struct Journal<F> {
    store: Arc<dyn Store>,
    /// The most bytes of an entry, and of a head.
    pub(super) largest: usize,
    pub(super) member: Arc<Member>,
    pub(super) head_key: Arc<str>,
    pub(super) head: Head,
    version: Version,
    pub(super) log: String,
    len: u64,
    pub(super) fold: F,
    /// What may have been sent, and was not answered.
    sending: Option<AppendRequest>,
    /// Entries that take no more.
    full: VecDeque<Bytes>,
    pending: Vec<u8>,
    slot: Option<Slot>,
    /// A takeover was read behind which there is none of ours. A read that is cut off leaves that behind.
    is_taken_over: bool,
}

/// That an executor has a saga since a certain takeover.
pub(super) struct Ours {
    pub(super) member: Arc<Member>,
    run: u128,
    epoch: u64,
}

/// Why an executor leaves a saga that has not ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another one may have it, or this one may not be a member any more.
    Lost,
    /// What is stored cannot be gone on with.
    Incompatible(String),
    /// The store will never do what it was asked.
    Refused(StoreError),
}

impl<F: Fold> Journal<F> {
    /// The journal of a saga that is stored there, or is to be, as `head` of this version.
    pub(super) fn new(
        spot: &Spot,
        member: Arc<Member>,
        slot: Option<Slot>,
        (head, version): (Head, Version),
        fold: F,
    ) -> Self {
        Self {
            store: Arc::clone(spot.coordinator.store()),
            largest: spot.executor.largest,
            member,
            head_key: Arc::clone(&spot.head_key),
            log: log_name(&spot.coordinator, head.about.run),
            head,
            version,
            len: 0,
            fold,
            sending: None,
            full: VecDeque::new(),
            pending: Vec::new(),
            slot,
            is_taken_over: false,
        }
    }

    /// The store has the head, with this version.
    pub(super) fn stored_as(&mut self, version: Version) {
        self.version = version;
    }

    /// The place in the list of what this executor has.
    pub(super) fn keep_slot(&mut self, slot: Slot) {
        self.slot = Some(slot);
    }

    pub(super) fn give_up_slot(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.free();
        }
    }

    /// How many entries the log has.
    pub(super) fn entries(&self) -> u64 {
        self.len
    }

    /// The place in the list, which stays the saga's until it is freed.
    pub(super) fn take_slot(&mut self) -> Option<Slot> {
        self.slot.take()
    }

    /// Notes what happened.
    pub(super) fn note(&mut self, event: Event) {
        let id = match event.kind {
            Kind::Takeover | Kind::Cancelled => "",
            Kind::Unwinding if event.error.is_none() => "",
            _ => self.fold.id(event.step),
        };
        let before = self.pending.len();
        if before == 0 {
            self.pending.reserve(USUAL_ENTRY);
        }
        event.write(id, &mut self.pending);
        // With what closes it.
        if self.pending.len() >= self.largest && before > 0 {
            let mut next = self.pending.split_off(before);
            next[0] = b'[';
            self.pending.push(b']');
            let full = std::mem::replace(&mut self.pending, next);
            self.full.push_back(full.into());
        }
        self.fold.apply(event);
    }

    /// Puts what is noted and not stored into the head of a saga that begins, if it fits.
    pub(super) fn begin_head(&mut self) {
        if self.fits() {
            self.head.first = self.take_pending();
        }
    }

    /// Whether the head has room for what is noted and not stored.
    fn fits(&self) -> bool {
        const ROOM: usize = 4 * 1024;
        /// What is written around the texts of a step.
        const AROUND: usize = 8;
        let (head, about) = (&self.head, &self.head.about);
        let step = |(id, output): &(String, String)| id.len() + output.len() + AROUND;
        let texts = about.correlation.len() + about.steps.iter().map(step).sum::<usize>();
        let size = self.pending.len() + head.input.len() + head.first.len() + texts;
        self.sending.is_none() && self.full.is_empty() && size + ROOM <= self.largest
    }

    fn take_pending(&mut self) -> Bytes {
        let mut pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            pending.push(b']');
        }
        pending.into()
    }

    /// Stores what is noted. One round trip, if there is anything. If the future is dropped, the next flush sends the
    /// same again.
    pub(super) async fn flush(&mut self) -> Result<(), Stop> {
        let rest = self.take_pending();
        if !rest.is_empty() {
            self.full.push_back(rest);
        }
        loop {
            if self.sending.is_none() {
                let Some(entry) = self.full.pop_front() else {
                    return Ok(());
                };
                self.sending = Some(AppendRequest::new(&*self.log, self.len, entry));
            }
            let Some(request) = &self.sending else {
                return Ok(());
            };
            match insist(&self.member, || self.store.append_log(request)).await? {
                Append::Appended => {
                    self.sending = None;
                    self.len += 1;
                }
                Append::Conflict { .. } => {
                    let entry = request.entry.clone();
                    self.catch_up().await?;
                    self.sending = Some(AppendRequest::new(&*self.log, self.len, entry));
                }
            }
        }
    }

    /// Takes in what others have appended.
    async fn catch_up(&mut self) -> Result<(), Stop> {
        let before = self.len;
        self.read_on().await?;
        // A conflict without a reason is a log that lost something.
        if self.len == before {
            return Err(Stop::Lost);
        }
        Ok(())
    }

    /// Takes in what others may have appended.
    pub(super) async fn read_on(&mut self) -> Result<(), Stop> {
        self.read().await?;
        if self.is_taken_over {
            return Err(Stop::Lost);
        }
        Ok(())
    }

    /// Takes in the whole history.
    pub(super) async fn read_history(&mut self) -> Result<(), Stop> {
        self.apply_entry(&self.head.first.clone())?;
        self.read().await?;
        self.apply_entry(&self.head.last.clone())
    }

    /// Makes this executor the owner: the head first, then the log, which is the fence.
    pub(super) async fn own(&mut self) -> Result<(), Stop> {
        let head = &mut self.head;
        head.state = SagaState::Running;
        head.about.owner = Some(self.member.id.clone());
        head.about.epoch += 1;
        head.about.failure = None;
        head.last = Bytes::new();
        self.put_head(None).await?;
        // Those that were read are from before.
        self.is_taken_over = false;
        let mut entry = Vec::new();
        Event::of_run(Kind::Takeover, (0, 0)).write("", &mut entry);
        entry.push(b']');
        let entry = Bytes::from(entry);
        loop {
            let request = AppendRequest::new(&*self.log, self.len, entry.clone());
            match insist(&self.member, || self.store.append_log(&request)).await? {
                Append::Appended => break,
                // The old executor was quicker, and what it has done counts. Or somebody gives the saga up.
                Append::Conflict { .. } => self.catch_up().await?,
            }
        }
        self.len += 1;
        self.fold.apply(Event::of_run(Kind::Takeover, (0, 0)));
        Ok(())
    }

    /// Ends the saga. What is noted and not stored yet goes along. One round trip.
    pub(super) async fn finish(
        &mut self,
        state: SagaState,
        failure: Option<(String, String)>,
    ) -> Result<(), Stop> {
        if !self.fits() || state == SagaState::Stuck {
            self.flush().await?;
        }
        let last = self.take_pending();
        let head = &mut self.head;
        head.state = state;
        head.last = last;
        head.about.failure = failure.map(|(step, error)| (step, shortened(error)));
        let ttl = state.is_final().then(|| head.retention());
        if state.is_final() {
            head.about.ended = Some(now());
        } else {
            head.about.owner = None;
        }
        self.put_head(ttl).await
    }

    /// What a saga that has ended, or is stuck, leaves behind. If that is nothing but its place in the list, it is given back.
    pub(super) fn into_leftover(mut self) -> Option<Leftover> {
        if !self.head.state.is_final() || self.len == 0 {
            self.give_up_slot();
            return None;
        }
        Some(Leftover {
            retention: self.head.retention(),
            member: self.member,
            log: self.log,
            slot: self.slot,
        })
    }

    /// What makes it a saga that nobody has, as long as the head is as it is now.
    pub(super) fn disown(&self) -> PutRequest {
        disown(&self.head_key, self.head.clone(), self.version)
    }

    /// Leaves the saga, as it is stored, to whoever can go on with it; `orphan` lists it as one that nobody has.
    pub(super) async fn give_up(&mut self, orphan: &PutRequest) -> Result<(), Stop> {
        let head = &mut self.head;
        // An end that the store has refused may be noted there.
        head.state = SagaState::Running;
        head.last = Bytes::new();
        head.about.ended = None;
        head.about.failure = None;
        head.about.owner = None;
        self.put_head(None).await?;
        insist(&self.member, || self.store.put_record(orphan)).await?;
        // Until then it leads there if this process dies.
        self.give_up_slot();
        Ok(())
    }

    async fn put_head(&mut self, ttl: Option<Duration>) -> Result<(), Stop> {
        loop {
            let request = PutRequest::new(&*self.head_key, self.head.write())
                .when(Condition::Version(self.version))
                .ttl(ttl)
                .listed();
            match insist(&self.member, || self.store.put_record(&request)).await? {
                Put::Stored(version) => {
                    self.version = version;
                    return Ok(());
                }
                Put::Conflict(Some(there)) if self.is_ours(&there) => {
                    self.version = there.version;
                    self.read_on().await?;
                }
                Put::Conflict(_) => {
                    // Somebody else was quicker, and lists it.
                    self.give_up_slot();
                    return Err(Stop::Lost);
                }
            }
        }
    }

    /// Whether a head says that nobody has taken the saga over.
    fn is_ours(&self, there: &Entry) -> bool {
        let ours = Ours::of(&self.member, &self.head);
        Head::read(&there.value).is_ok_and(|there| ours.is(&there))
    }

    async fn read(&mut self) -> Result<(), Stop> {
        loop {
            let (from, log) = (self.len, &*self.log);
            let page = insist(&self.member, || self.store.read_log(log, from, PAGE)).await?;
            for entry in &page {
                self.apply_entry(entry)?;
                self.len += 1;
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    fn apply_entry(&mut self, entry: &Bytes) -> Result<(), Stop> {
        for line in log::read(entry).map_err(Stop::Incompatible)? {
            self.is_taken_over |= line.kind == Kind::Takeover;
            apply(&mut self.fold, line).map_err(Stop::Incompatible)?;
        }
        Ok(())
    }
}

impl Ours {
    /// What `member` has with this head.
    pub(super) fn of(member: &Arc<Member>, head: &Head) -> Self {
        Self {
            member: Arc::clone(member),
            run: head.about.run,
            epoch: head.about.epoch,
        }
    }

    /// What `member` has once it has taken over the saga with this head.
    pub(super) fn of_the_next(member: &Arc<Member>, head: &Head) -> Self {
        let mut ours = Self::of(member, head);
        ours.epoch += 1;
        ours
    }

    /// Whether a head says so.
    pub(super) fn is(&self, there: &Head) -> bool {
        let Head { state, about, .. } = there;
        let is_owned = about.owner.as_deref() == Some(&*self.member.id);
        let is_same = (about.run, about.epoch) == (self.run, self.epoch);
        *state == SagaState::Running && is_owned && is_same
    }

    /// Fails unless it is so still. One round trip.
    pub(super) async fn insist(&self, store: &dyn Store, head_key: &str) -> Result<(), Stop> {
        let there = insist(&self.member, || store.get_record(head_key)).await?;
        let head = there.and_then(|there| Head::read(&there.value).ok());
        if head.is_some_and(|head| self.is(&head)) {
            return Ok(());
        }
        Err(Stop::Lost)
    }
}

/// What makes the saga with this head, of this version, one that nobody has.
pub(super) fn disown(head_key: &str, mut head: Head, version: Version) -> PutRequest {
    head.about.owner = None;
    PutRequest::new(head_key, head.write())
        .when(Condition::Version(version))
        .listed()
}

/// Takes in a line of a log.
fn apply<F: Fold>(fold: &mut F, line: Line<'_>) -> Result<(), String> {
    let step = if line.step.is_empty() {
        0
    } else {
        fold.step(&line)?
    };
    fold.apply(Event {
        kind: line.kind,
        step,
        item: line.item,
        at: line.at,
        output: line.output.map(ToOwned::to_owned),
        error: line.error.map(Into::into),
        delay: line.delay,
    });
    Ok(())
}

/// Sends `operation` again until it is answered, for as long as this executor is a member. The operation keeps
/// its id, so it takes effect once. An operation that will never be done is not sent again.
pub(super) async fn insist<T, Sent>(
    member: &Member,
    operation: impl Fn() -> Sent,
) -> Result<T, Stop>
where
    Sent: Future<Output = Result<T, StoreError>>,
{
    let mut delay = FIRST_RETRY;
    loop {
        if !member.lease.is_held() {
            return Err(Stop::Lost);
        }
        match operation().await {
            Ok(answer) => return Ok(answer),
            Err(error)
                if matches!(
                    error.kind(),
                    StoreErrorKind::Rejected | StoreErrorKind::Unsupported
                ) =>
            {
                return Err(Stop::Refused(error));
            }
            Err(error) => tracing::debug!(%error, "asking again for a saga"),
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(LONGEST_RETRY);
    }
}

/// Errors are told in heads and logs, which have a size.
pub(super) fn shortened(mut error: String) -> String {
    const LONGEST: usize = 2000;
    if error.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| error.is_char_boundary(*end));
        error.truncate(end.unwrap_or(0));
        error.push('…');
    }
    error
}

//! Something that the writer is to do in a transaction, and to answer when that is committed.

use tokio::sync::oneshot;

use super::failure;
use super::writer::Scope;
use crate::store::Result;

pub(super) trait Job: Send {
    fn operation(&self) -> &'static str;
    /// Whether it is on the disk before it is answered.
    fn lasts(&self) -> bool;
    /// Whether somebody still waits for the answer.
    fn is_wanted(&self) -> bool;
    /// May be called again when what it did was undone.
    fn run(&mut self, scope: &mut Scope<'_>) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: Result<()>);
}

/// A job, and its answer.
pub(super) fn of<T, F>(
    operation: &'static str,
    lasts: bool,
    act: F,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnMut(&mut Scope<'_>) -> rusqlite::Result<T> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let call = Call {
        operation,
        lasts,
        act,
        answer: None,
        reply,
    };
    (Box::new(call), answer)
}

struct Call<T, F> {
    operation: &'static str,
    lasts: bool,
    act: F,
    answer: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnMut(&mut Scope<'_>) -> rusqlite::Result<T> + Send,
{
    fn operation(&self) -> &'static str {
        self.operation
    }

    fn lasts(&self) -> bool {
        self.lasts
    }

    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(&mut self, scope: &mut Scope<'_>) -> rusqlite::Result<()> {
        self.answer = Some((self.act)(scope)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Self {
            operation,
            answer,
            reply,
            ..
        } = *self;
        let answer =
            outcome.and_then(|()| answer.ok_or_else(|| failure::of_ended_thread(operation)));
        // A caller that was dropped does not take its answer.
        let _ = reply.send(answer);
    }
}

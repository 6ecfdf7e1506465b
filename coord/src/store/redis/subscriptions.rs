//! The channels that a connection is subscribed to.
//!
//! 1. Whoever wants to hear of a channel is registered with the wake-ups first, so that nothing is missed
//!    between the server's confirmation and the registration.
//! 2. Channels that nobody watches any more are given up together, once they are as many as the others. Nobody
//!    subscribes meanwhile: a subscription that is asked for behind the giving up is never undone by it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError};
use tokio::sync::RwLock;

use crate::store::wakes::Wakes;

/// How many channels there are before any is given up.
const FEW: usize = 64;

pub(super) struct Subscriptions {
    state: Mutex<State>,
    /// Held alone by the one that gives channels up.
    giving_up: RwLock<()>,
}

struct State {
    channels: HashSet<Arc<str>>,
    /// With how many channels to look for those that nobody watches.
    look_at: usize,
}

impl Subscriptions {
    /// Those of a connection that was subscribed to `channels` when it was made.
    pub(super) fn new(channels: Vec<Arc<str>>) -> Self {
        let state = State {
            look_at: look_at(channels.len()),
            channels: channels.into_iter().collect(),
        };
        Self {
            state: Mutex::new(state),
            giving_up: RwLock::default(),
        }
    }

    /// Calls `send` with what has to be sent in front of anything else to hear of `channel`, and takes note of it
    /// if that succeeds. Once for each connection: that another one has asked for the same channel does not
    /// tell that it got it.
    pub(super) async fn with<T, E>(
        &self,
        channel: &Arc<str>,
        send: impl AsyncFnOnce(Option<Cmd>) -> Result<T, E>,
    ) -> Result<T, E> {
        let _nobody_gives_up = self.giving_up.read().await;
        if self.state().channels.contains(channel) {
            return send(None).await;
        }
        let mut subscribe = redis::cmd("SUBSCRIBE");
        subscribe.arg(&**channel);
        let sent = send(Some(subscribe)).await?;
        self.state().channels.insert(Arc::clone(channel));
        Ok(sent)
    }

    /// Gives up what nobody watches any more, if there may be much of it.
    pub(super) async fn tidy(
        &self,
        wakes: &Wakes,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        if !self.state().is_large() {
            return Ok(());
        }
        let _alone = self.giving_up.write().await;
        let unwatched = self.state().take_unwatched(&wakes.channels());
        // If this is dropped, the server goes on to tell of channels that nobody here knows.
        let mut unsubscribe = Pipeline::new();
        for channel in &unwatched {
            unsubscribe.cmd("UNSUBSCRIBE").arg(&**channel);
        }
        if !unwatched.is_empty() {
            let count = unsubscribe.len();
            connection
                .send_packed_commands(&unsubscribe, 0, count)
                .await?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_large(&self) -> bool {
        self.channels.len() >= self.look_at
    }

    fn take_unwatched(&mut self, watched: &[Arc<str>]) -> Vec<Arc<str>> {
        if !self.is_large() {
            return Vec::new();
        }
        let watched: HashSet<_> = watched.iter().collect();
        let unwatched = self
            .channels
            .extract_if(|channel| !watched.contains(channel))
            .collect();
        self.look_at = look_at(self.channels.len());
        unwatched
    }
}

fn look_at(channels: usize) -> usize {
    2 * channels + FEW
}

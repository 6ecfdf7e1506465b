//! Holding an operation at a chosen point, for tests that need two things to happen in one order.

use std::fmt;

use tokio::sync::watch;

/// An operation that is to stop at a point, from [`FaultStore::hold`](super::FaultStore::hold). Dropping this
/// lets it go on, as [`release`](Held::release) does.
pub struct Held {
    reached: watch::Receiver<bool>,
    release: watch::Sender<bool>,
}

/// The operation's side.
#[derive(Debug, Clone)]
pub(in crate::testing) struct Gate {
    reached: watch::Sender<bool>,
    released: watch::Receiver<bool>,
}

/// A gate, and what opens it.
pub(in crate::testing) fn gate() -> (Gate, Held) {
    let (reached, is_reached) = watch::channel(false);
    let (release, released) = watch::channel(false);
    (
        Gate { reached, released },
        Held {
            reached: is_reached,
            release,
        },
    )
}

impl Held {
    /// Waits until an operation stands at the point.
    ///
    /// # Panics
    ///
    /// If no operation can get there any more, because the rule was taken away.
    pub async fn reached(&self) {
        let outcome = self
            .reached
            .clone()
            .wait_for(|reached| *reached)
            .await
            .map(drop);
        assert!(
            outcome.is_ok(),
            "nothing can reach this point any more: the rule was taken away"
        );
    }

    /// Lets the operation go on.
    pub fn release(self) {
        self.release.send_replace(true);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("reached", &*self.reached.borrow())
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// Stands at the point until let go.
    pub(in crate::testing) async fn pass(mut self) {
        self.reached.send_replace(true);
        // An error means that the other end was dropped, which lets go too.
        let _ = self.released.wait_for(|released| *released).await;
    }
}

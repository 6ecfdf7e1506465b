//! What fake services have done, and their effects as places to die at.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Side;
use crate::testing::fault::Gate;

/// What fake services have done, in order. It is a handle: clones are one record.
///
/// A fake service has one, as [`provide`](super::CrashTest::provide) is given it, and records an effect where the
/// real service would have it. There the process can be killed, too: before the effect, and after it.
#[derive(Clone, Default)]
pub struct Effects(Arc<Mutex<Record>>);

#[derive(Default)]
struct Record {
    happened: Vec<Effect>,
    /// How often an effect was asked for.
    asked: usize,
    death: Option<Death>,
}

struct Effect {
    name: String,
    key: Option<String>,
}

struct Death {
    number: usize,
    side: Side,
    gate: Gate,
}

impl Effects {
    /// An effect that happens each time it is asked for, as of a service that knows no idempotency keys. A process
    /// that dies before it has stored that the step is done asks for it again.
    pub async fn record(&self, name: impl Into<String>) {
        let name = name.into();
        self.happen(Effect { name, key: None }).await;
    }

    /// An effect that happens once for each key, whoever asks for it how often, as of a service that honours
    /// [idempotency keys](crate::StepContext::idempotency_key). It says whether it happened now.
    pub async fn record_once(&self, name: impl Into<String>, key: &str) -> bool {
        let (name, key) = (name.into(), Some(key.to_owned()));
        self.happen(Effect { name, key }).await
    }

    /// How often the effect of this name has happened.
    pub fn times(&self, name: &str) -> usize {
        let record = self.lock();
        record
            .happened
            .iter()
            .filter(|effect| effect.name == name)
            .count()
    }

    /// The names of all that have happened, in order.
    pub fn all(&self) -> Vec<String> {
        let record = self.lock();
        record
            .happened
            .iter()
            .map(|effect| effect.name.clone())
            .collect()
    }

    async fn happen(&self, effect: Effect) -> bool {
        let death = self.lock().ask();
        if let Some((Side::Before, gate)) = &death {
            gate.clone().pass().await;
        }
        let is_new = self.lock().add(effect);
        if let Some((Side::After, gate)) = death {
            gate.pass().await;
        }
        is_new
    }

    /// Whoever asks for the effect of this number, counted from 0, comes to the gate.
    pub(super) fn end_at(&self, number: usize, side: Side, gate: Gate) {
        self.lock().death = Some(Death { number, side, gate });
    }

    /// How often an effect was asked for.
    pub(super) fn asked(&self) -> usize {
        self.lock().asked
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Counts one more that is asked for, and gives where it is to stop.
    fn ask(&mut self) -> Option<(Side, Gate)> {
        let number = self.asked;
        self.asked += 1;
        let death = self.death.take_if(|death| death.number == number)?;
        Some((death.side, death.gate))
    }

    /// Whether it is new.
    fn add(&mut self, effect: Effect) -> bool {
        let is_known = |known: &Effect| known.name == effect.name && known.key == effect.key;
        if effect.key.is_some() && self.happened.iter().any(is_known) {
            return false;
        }
        self.happened.push(effect);
        true
    }
}

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

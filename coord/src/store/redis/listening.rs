//! What a server sends unasked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use redis::{PushInfo, PushKind, Value};

use super::leases;
use crate::store::standing::parse_owner;
use crate::store::wakes::Wakes;
use crate::store::{FencingToken, OwnerId, Wake};

/// Listens to a server that is alone.
pub(super) struct Listener {
    pub(super) wakes: Weak<Wakes>,
    /// The channel on which this process's waiters are woken.
    pub(super) channel: Arc<str>,
    /// Whether what was written counts only once replicas have it.
    pub(super) needs_replicas: bool,
    pub(super) broken: Arc<AtomicBool>,
}

impl Listener {
    pub(super) fn hear(&self, push: &PushInfo) {
        let Some(wakes) = self.wakes.upgrade() else {
            return;
        };
        match push.kind {
            PushKind::Message => {
                if let [Value::BulkString(channel), Value::BulkString(message)] = &*push.data {
                    let is_own = channel == self.channel.as_bytes();
                    deliver(&wakes, is_own, channel, message, self.needs_replicas);
                }
            }
            PushKind::Disconnection => {
                self.broken.store(true, Ordering::SeqCst);
                wakes.look_again();
            }
            _ => {}
        }
    }
}

/// Wakes those whom a message is for. On the process's own channel these are waiters, on another its watchers.
pub(super) fn deliver(
    wakes: &Wakes,
    is_own: bool,
    channel: &[u8],
    message: &[u8],
    needs_replicas: bool,
) {
    if !is_own {
        if let Ok(channel) = std::str::from_utf8(channel) {
            wakes.changed(channel);
        }
    } else if let Some((owner, token)) = parse_grant(message) {
        if needs_replicas {
            // The message came before any replica had the grant: it is the renewal that waits for them.
            wakes.wake(owner, Wake::Look);
        } else {
            wakes.granted(owner, token);
        }
    }
}

/// A grant is the owner's 16 bytes, and the token.
fn parse_grant(message: &[u8]) -> Option<(OwnerId, FencingToken)> {
    let (owner, token) = message.split_at_checked(16)?;
    Some((
        parse_owner(owner)?,
        leases::parse_token(std::str::from_utf8(token).ok()?)?,
    ))
}

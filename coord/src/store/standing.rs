//! Where a contender stands, as a server tells it.

use std::time::Duration;

use super::{Acquired, FencingToken, OwnerId, Renewed, Watch};

/// Where a contender stands.
pub(super) enum Standing {
    None,
    Granted(FencingToken),
    Waiting {
        token: FencingToken,
        ahead: u32,
        look_again_in: Option<Duration>,
    },
}

impl Standing {
    /// The answer to one who asked to enter. `wake` tells one who waits of a grant.
    pub(super) fn acquired(self, wake: impl FnOnce() -> Watch) -> Acquired {
        match self {
            Self::None => Acquired::Busy,
            Self::Granted(token) => Acquired::Granted(token),
            Self::Waiting {
                token,
                ahead,
                look_again_in,
            } => Acquired::Waiting {
                token,
                ahead,
                look_again_in,
                wake: wake(),
            },
        }
    }

    /// The answer to one who has renewed.
    pub(super) fn renewed(self) -> Renewed {
        match self {
            Self::None => Renewed::Gone,
            Self::Granted(token) => Renewed::Granted(token),
            Self::Waiting {
                ahead,
                look_again_in,
                ..
            } => Renewed::Waiting {
                ahead,
                look_again_in,
            },
        }
    }
}

/// An owner from its 16 bytes.
pub(super) fn parse_owner(bytes: &[u8]) -> Option<OwnerId> {
    Some(OwnerId::from_bits(u128::from_be_bytes(
        bytes.try_into().ok()?,
    )))
}

//! What a member keeps of a record: what it has promised, what it has accepted, and when.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{BufMut, Bytes};

use super::super::super::{Condition, Entry, LARGEST_TTL, OperationId, Version};
use super::ballot::Ballot;

/// How long a member remembers a record that was deleted or has expired. It bounds how far the clocks of
/// processes may be apart, and how long a store may be away, before a deletion can be forgotten.
pub(super) const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// The most bytes that stand beside a value.
pub(super) const BESIDE: usize = 512;

const MAGIC: &[u8; 4] = b"cq1\n";
/// How many operations on a record are remembered. One that is sent again after more others have been done is not known for
/// the same, so they must be more than others do meanwhile.
const RECENT: usize = 24;
const LIVE: u8 = 1;
const LISTED: u8 = 2;
const EXPIRES: u8 = 4;

/// A record's value, or that it has none, and what was done to it lately.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Content {
    pub(super) live: Option<Live>,
    recent: VecDeque<u128>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) value: Bytes,
    pub(super) version: Version,
    pub(super) listed: bool,
    pub(super) expires_in: Option<Duration>,
}

impl Content {
    /// What is to be seen of it.
    pub(super) fn entry(&self) -> Option<Entry> {
        self.live.as_ref().map(|live| Entry {
            value: live.value.clone(),
            version: live.version,
            expires_in: live.expires_in,
        })
    }

    /// Whether this operation was done.
    pub(super) fn has_seen(&self, operation: OperationId) -> bool {
        self.recent.contains(&operation.to_bits())
    }

    /// This content after an operation.
    pub(super) fn after(&self, operation: OperationId, live: Option<Live>) -> Self {
        let mut recent = self.recent.clone();
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(operation.to_bits());
        Self { live, recent }
    }

    /// This content when its time is over.
    pub(super) fn expired(&self) -> Self {
        Self {
            live: None,
            recent: self.recent.clone(),
        }
    }

    /// Whether its time is over, and nobody has said so yet.
    pub(super) fn is_over(&self) -> bool {
        self.live
            .as_ref()
            .is_some_and(|live| live.expires_in == Some(Duration::ZERO))
    }

    /// How long a member keeps it.
    pub(super) fn kept_for(&self) -> Option<Duration> {
        match &self.live {
            Some(live) => live
                .expires_in
                .map(|left| (left + REMEMBERED).min(LARGEST_TTL)),
            None => Some(REMEMBERED),
        }
    }
}

/// How long a promise is kept with what is there: as long as that, or up to a 64th of what is left to it longer, until
/// something is accepted. So there are few different times, for stores that keep something for each.
pub(super) fn coarse(kept_for: Duration) -> Duration {
    let (always, longest) = if kept_for > REMEMBERED {
        (REMEMBERED, LARGEST_TTL)
    } else {
        (Duration::ZERO, REMEMBERED)
    };
    let left = kept_for
        .saturating_sub(always)
        .as_nanos()
        .div_ceil(1_000_000);
    let left = u64::try_from(left).unwrap_or(u64::MAX);
    let step = (left / 128).next_power_of_two();
    let left = left.checked_next_multiple_of(step).unwrap_or(left);
    (always + Duration::from_millis(left)).min(longest)
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct State {
    pub(super) promised: Ballot,
    pub(super) accepted: Ballot,
    pub(super) content: Content,
}

impl State {
    pub(super) fn encode(&self) -> Bytes {
        let Content { live, recent } = &self.content;
        let mut bytes =
            Vec::with_capacity(BESIDE + live.as_ref().map_or(0, |live| live.value.len()));
        bytes.put_slice(MAGIC);
        for ballot in [self.promised, self.accepted] {
            bytes.put_u64(ballot.round);
            bytes.put_u64(ballot.by);
        }
        let flags = live.as_ref().map_or(0, |live| {
            LIVE | if live.listed { LISTED } else { 0 }
                | if live.expires_in.is_some() {
                    EXPIRES
                } else {
                    0
                }
        });
        bytes.put_u8(flags);
        bytes.put_u8(u8::try_from(recent.len()).unwrap_or(0));
        for operation in recent {
            bytes.put_u128(*operation);
        }
        if let Some(live) = live {
            bytes.put_u128(live.version.to_bits());
            bytes.put_slice(&live.value);
        }
        bytes.into()
    }

    /// Reads what a member keeps, or `None` if somebody else has written it.
    pub(super) fn decode(entry: &Entry) -> Option<Self> {
        let mut rest = Reader(entry.value.strip_prefix(MAGIC)?);
        let mut ballot = || {
            Some(Ballot {
                round: u64::try_from(rest.number(8)?).ok()?,
                by: u64::try_from(rest.number(8)?).ok()?,
            })
        };
        let (promised, accepted) = (ballot()?, ballot()?);
        let flags = rest.number(1)?;
        let recent = (0..rest.number(1)?)
            .map(|_| rest.number(16))
            .collect::<Option<_>>()?;
        let has = |flag: u8| flags & u128::from(flag) != 0;
        let live = if has(LIVE) {
            let version = Version::from_bits(rest.number(16)?);
            Some(Live {
                value: entry.value.slice_ref(rest.0),
                version,
                listed: has(LISTED),
                expires_in: has(EXPIRES).then(|| {
                    let kept_for = entry.expires_in.unwrap_or(Duration::MAX);
                    kept_for.saturating_sub(REMEMBERED)
                }),
            })
        } else {
            None
        };
        Some(Self {
            promised,
            accepted,
            content: Content { live, recent },
        })
    }
}

/// Takes big-endian numbers from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self, bytes: usize) -> Option<u128> {
        let (number, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(
            number
                .iter()
                .fold(0, |sum, byte| sum << 8 | u128::from(*byte)),
        )
    }
}

/// What a member says of a record.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) state: State,
    /// What is true of the member's own record as long as nobody has written it since.
    pub(super) unchanged: Condition,
    /// How long the member keeps it.
    pub(super) kept_for: Option<Duration>,
    /// Whether the member's word counts. That of one which may have forgotten something does not.
    pub(super) counts: bool,
}

impl Seen {
    /// Of a member that has nothing, as far as is known.
    pub(super) fn nothing() -> Self {
        Self {
            state: State::default(),
            unchanged: Condition::Absent,
            kept_for: Some(REMEMBERED),
            counts: true,
        }
    }

    /// What a member's own record says, or `None` if somebody else has written it.
    pub(super) fn of(entry: Option<&Entry>) -> Option<Self> {
        let Some(entry) = entry else {
            return Some(Self::nothing());
        };
        Some(Self {
            state: State::decode(entry)?,
            unchanged: Condition::Version(entry.version),
            kept_for: entry.expires_in,
            counts: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(value: &str, listed: bool, expires_in: Option<Duration>) -> Content {
        let operation = OperationId::random();
        let live = Live {
            value: Bytes::copy_from_slice(value.as_bytes()),
            version: operation.into(),
            listed,
            expires_in,
        };
        Content::default().after(operation, Some(live))
    }

    #[test]
    fn what_a_member_keeps_is_read_back_as_it_was() {
        let minute = Some(Duration::from_secs(60));
        for content in [
            Content::default(),
            content("", false, None),
            content("one", true, minute),
            content("one", true, minute).expired(),
        ] {
            let state = State {
                promised: Ballot {
                    round: 7,
                    by: u64::MAX,
                },
                accepted: Ballot { round: 5, by: 1 },
                content,
            };
            let entry = Entry {
                value: state.encode(),
                version: Version::from_bits(1),
                expires_in: state.content.kept_for(),
            };
            assert_eq!(State::decode(&entry).as_ref(), Some(&state));
        }
    }

    #[test]
    fn a_promise_is_kept_for_one_of_few_times_none_of_which_is_too_short() {
        let second = Duration::from_secs(1);
        for ttl in [second, 30 * second, LARGEST_TTL / 2] {
            let mut times = std::collections::BTreeSet::new();
            for part in 0..10_000 {
                let left = ttl * (20_000 - part) / 20_000;
                let kept = coarse(left + REMEMBERED);
                let longer = kept.checked_sub(left + REMEMBERED).expect("no shorter");
                assert!(
                    longer <= left / 64 + Duration::from_millis(1),
                    "{left:?}, {kept:?}"
                );
                times.insert(kept);
            }
            assert!(times.len() <= 130, "{}", times.len());
        }
        assert_eq!(coarse(REMEMBERED), REMEMBERED);
        assert_eq!(coarse(LARGEST_TTL), LARGEST_TTL);
    }

    #[test]
    fn what_stands_beside_a_value_is_bounded() {
        let mut content = content("", true, None);
        for _ in 0..100 {
            content = content.after(OperationId::random(), content.live.clone());
        }
        let state = State {
            content,
            ..State::default()
        };
        assert!(state.encode().len() <= BESIDE);
    }

    #[test]
    fn what_others_have_written_is_not_taken_for_a_members() {
        for value in ["", "cq1\n", "cq1\nshort", "{}"] {
            let entry = Entry {
                value: Bytes::from(value),
                version: Version::from_bits(1),
                expires_in: None,
            };
            assert!(State::decode(&entry).is_none(), "{value:?}");
        }
    }
}

//! The record that keeps a line: its text, and the tokens.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::super::line::Member;
use super::super::{
    Condition, FencingToken, LARGEST_TTL, OwnerId, Put, PutRequest, Result, Store, Version, lease,
};
use super::damaged;

/// How long the last token outlives those in line. Without it, the next one starts at the time. When half of it is
/// over, whoever is renewed writes the line again.
const TOKENS_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const MINUTE: Duration = Duration::from_secs(60);

/// What stands behind the name of the resource in the record's key.
const BEHIND: &str = "\u{0}line";

/// A line as it is stored. The members' remaining times are not part of it.
pub(super) struct StoredLine {
    pub(super) members: Vec<Member<Duration>>,
    last_token: u64,
    version: Option<Version>,
    expires_in: Duration,
}

impl StoredLine {
    pub(super) async fn read<S: Store + ?Sized>(store: &S, resource: &str) -> Result<Self> {
        let Some(entry) = store.get_record(&key(resource)).await? else {
            return Ok(Self {
                members: Vec::new(),
                last_token: lease::first_token(),
                version: None,
                expires_in: Duration::ZERO,
            });
        };
        let text = std::str::from_utf8(&entry.value).map_err(|_| damaged("acquire"))?;
        let (last_token, members) = parse(text).ok_or_else(|| damaged("acquire"))?;
        Ok(Self {
            members,
            last_token,
            version: Some(entry.version),
            expires_in: entry.expires_in.unwrap_or(Duration::MAX),
        })
    }

    /// Whether it stays for long enough after one who lasts for `ttl` from now on.
    pub(super) fn outlasts(&self, ttl: Duration) -> bool {
        self.expires_in >= ttl.saturating_add(TOKENS_KEPT / 2)
    }

    /// Writes `members` in place of what was read. `false`: somebody else has written in between.
    pub(super) async fn write<'m, S: Store + ?Sized>(
        &mut self,
        store: &S,
        resource: &str,
        members: impl Iterator<Item = &'m Member<Duration>> + Clone,
    ) -> Result<bool> {
        let longest = members.clone().map(|member| member.extra).max();
        let needed = longest.unwrap_or_default().saturating_add(TOKENS_KEPT);
        let kept = in_whole_hours(needed).max(whole_hours_left(self.expires_in));
        let condition = self.version.map_or(Condition::Absent, Condition::Version);
        let put = PutRequest::new(key(resource), format(self.last_token, members))
            .when(condition)
            .ttl(kept.min(LARGEST_TTL));
        Ok(match store.put_record(&put).await? {
            Put::Stored(version) => {
                self.version = Some(version);
                true
            }
            Put::Conflict(_) => false,
        })
    }

    pub(super) fn next_token(&mut self, floor: Option<FencingToken>) -> FencingToken {
        let floor = floor.map_or(0, u64::from);
        self.last_token = (self.last_token + 1).max(floor);
        FencingToken::new(self.last_token)
    }
}

/// No less than `time`. A store may have to keep an account of each different ttl.
fn in_whole_hours(time: Duration) -> Duration {
    hours(time.as_nanos().div_ceil(HOUR.as_nanos()))
}

/// What a line that ends in `time` stays for at least, whoever writes it: somebody in it may rely on that by now, with days
/// to spare. Rounded up, it would grow with each write, for a store may keep something a little longer than it was told to;
/// and without the minute, it would lose an hour with each.
fn whole_hours_left(time: Duration) -> Duration {
    hours(time.saturating_add(MINUTE).as_nanos() / HOUR.as_nanos())
}

fn hours(count: u128) -> Duration {
    HOUR * u32::try_from(count).unwrap_or(u32::MAX)
}

pub(super) fn key(resource: &str) -> String {
    [resource, BEHIND].concat()
}

pub(super) fn resource_of(key: &str) -> Option<&str> {
    key.strip_suffix(BEHIND)
}

fn format<'m>(last_token: u64, members: impl Iterator<Item = &'m Member<Duration>>) -> String {
    let mut text = last_token.to_string();
    for member in members {
        let state = if member.granted { "granted" } else { "waiting" };
        // Writing to a `String` cannot fail.
        let _ = write!(
            text,
            "\n{:032x} {} {} {} {state}",
            member.owner.to_bits(),
            member.token,
            member.weight,
            member.capacity
        );
    }
    text
}

fn parse(text: &str) -> Option<(u64, Vec<Member<Duration>>)> {
    let mut lines = text.lines();
    let last_token = lines.next()?.parse().ok()?;
    let members = lines.map(parse_member).collect::<Option<_>>()?;
    Some((last_token, members))
}

fn parse_member(line: &str) -> Option<Member<Duration>> {
    let mut words = line.split(' ');
    Some(Member {
        owner: OwnerId::from_bits(u128::from_str_radix(words.next()?, 16).ok()?),
        label: Arc::default(),
        token: FencingToken::new(words.next()?.parse().ok()?),
        weight: words.next()?.parse().ok()?,
        capacity: words.next()?.parse().ok()?,
        granted: words.next()? == "granted",
        extra: Duration::ZERO,
    })
}

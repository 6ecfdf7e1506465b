//! Things as people read them.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::store::{FencingToken, OwnerId};

/// Text of somebody else's, so that it cannot do anything to a terminal.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for one in text.chars() {
        if is_dangerous(one) {
            shown.extend(one.escape_unicode());
        } else {
            shown.push(one);
        }
    }
    Cow::Owned(shown)
}

/// What moves the cursor, or turns the direction of the text around it.
fn is_dangerous(one: char) -> bool {
    one.is_control()
        || matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}

/// A duration, coarse if it is long.
pub(super) fn duration(time: Duration) -> String {
    let shown = if time < Duration::from_secs(1) {
        Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(0))
    } else if time < Duration::from_secs(60 * 60) {
        Duration::from_secs(time.as_secs())
    } else {
        Duration::from_secs(time.as_secs() / 60 * 60)
    };
    humantime::format_duration(shown).to_string()
}

/// A short duration, exactly.
pub(super) fn precisely(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{:.2} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// A point in time, in UTC.
pub(super) fn time(time: SystemTime) -> String {
    // Years beyond 9999 cannot be written so.
    let latest = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    let shown = time.clamp(SystemTime::UNIX_EPOCH, latest);
    humantime::format_rfc3339_millis(shown).to_string()
}

/// A token, as text: programs that read numbers as floats would round it.
pub(super) fn token(token: FencingToken) -> String {
    u64::from(token).to_string()
}

pub(super) fn owner(owner: OwnerId) -> String {
    format!("{:032x}", owner.to_bits())
}

pub(super) fn seconds(time: Duration) -> f64 {
    // Whole milliseconds are what stores count in.
    (time.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(text("order:42 é😀"), "order:42 é😀");
        assert_eq!(text("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(text("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn any_time_can_be_shown() {
        let far = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1 << 40));
        assert_eq!(time(far.unwrap()), "9999-12-31T23:59:59.000Z");
        assert_eq!(time(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn durations_are_as_exact_as_they_need_to_be() {
        for (millis, shown) in [
            (0, "0s"),
            (12, "12ms"),
            (1_999, "1s"),
            (86_461_500, "1day 1m"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), shown);
        }
    }
}

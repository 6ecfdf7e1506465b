//! Passwords, which are never shown: neither those of URLs that were given, nor what looks like one.

use std::ffi::OsStr;
use std::sync::{OnceLock, PoisonError, RwLock};

/// What stands in their place.
const HIDDEN: &str = "***";
/// Shorter ones would be found in any text.
const SHORTEST: usize = 3;

static KNOWN: OnceLock<RwLock<Vec<String>>> = OnceLock::new();

/// Remembers the passwords of all URLs in an argument or a variable, before anything is said.
pub(super) fn learn(text: &OsStr) {
    let text = text.to_string_lossy();
    let mut found = Vec::new();
    if let Some((_, rest)) = text.split_once("://") {
        let before_query = rest.split('?').next().unwrap_or_default();
        if let Some((user, _)) = before_query.rsplit_once('@') {
            found.extend(user.split_once(':').map(|(_, password)| password));
            found.extend(user.rsplit_once(':').map(|(_, password)| password));
        }
        found.extend(passwords_of_query(rest));
    }
    let plain: Vec<_> = found.iter().map(|secret| unescaped(secret)).collect();
    let found = found.into_iter().map(str::to_owned).chain(plain);
    let known = KNOWN.get_or_init(RwLock::default);
    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
    known.extend(found.filter(|secret| secret.len() >= SHORTEST));
    // The longest first, since one can be part of another.
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
}

/// The text without passwords.
pub(super) fn concealed(text: &str) -> String {
    let mut text = text.to_owned();
    // These first, while they are whole: what stands before an `@` can be the half of one.
    if let Some(known) = KNOWN.get() {
        for secret in known.read().unwrap_or_else(PoisonError::into_inner).iter() {
            text = text.replace(secret, HIDDEN);
        }
    }
    without_users(&text)
}

/// A URL as it can be shown.
pub(super) fn url(url: &str) -> String {
    let (before, query) = match url.split_once('?') {
        Some((before, query)) if url.contains("://") => (before, Some(query)),
        _ => (url, None),
    };
    let mut shown = without_users(before);
    for (index, option) in query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .enumerate()
    {
        shown.push(if index == 0 { '?' } else { '&' });
        match option.split_once('=') {
            Some((name, _)) if is_secret(name) => shown.extend([name, "=", HIDDEN]),
            _ => shown.push_str(option),
        }
    }
    concealed(&shown)
}

fn passwords_of_query(rest: &str) -> Vec<&str> {
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let options = query.split('&').filter_map(|option| option.split_once('='));
    options
        .filter(|(name, _)| is_secret(name))
        .map(|(_, value)| value)
        .collect()
}

fn is_secret(option: &str) -> bool {
    option.to_ascii_lowercase().contains("pass")
}

/// Whatever stands between the scheme of a URL and its host.
fn without_users(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        shown.extend([before, "://"]);
        let end = behind.find(|one: char| one.is_whitespace() || "'\"`".contains(one));
        let (url, after) = behind.split_at(end.unwrap_or(behind.len()));
        match url.rsplit_once('@') {
            // What says how a URL is written has brackets there.
            Some((user, host)) if !user.starts_with('[') => {
                shown.extend([HIDDEN, "@", host]);
            }
            _ => shown.push_str(url),
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| behind.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = escaped.map_or(behind, |_| &behind[2..]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_is_secret() {
        for (given, shown) in [
            ("redis://host:6379/1", "redis://host:6379/1"),
            ("redis://user:secret@host:6379/1", "redis://***@host:6379/1"),
            ("redis://:se@cret@host", "redis://***@host"),
            (
                "redis+sentinel://a:1,b:2/main?sentinel_user=x&sentinel_password=word",
                "redis+sentinel://a:1,b:2/main?sentinel_user=x&sentinel_password=***",
            ),
            (
                "postgres://u:p%40ss@db/shop?sslmode=disable",
                "postgres://***@db/shop?sslmode=disable",
            ),
            ("sqlite:a@b.db", "sqlite:a@b.db"),
            (
                "write redis://[user:password@]host",
                "write redis://[user:password@]host",
            ),
        ] {
            assert_eq!(url(given), shown);
        }
    }

    #[test]
    fn a_password_is_found_wherever_it_stands() {
        learn(OsStr::new("--store=postgres://u:hun%40ter2@db/shop"));
        assert_eq!(
            concealed("no 'x://a:b@c' for hun%40ter2 or hun@ter2"),
            "no 'x://***@c' for *** or ***"
        );
        let sentinel = "redis+sentinel://a:1/main?sentinel_password=x@rest";
        learn(OsStr::new(sentinel));
        assert_eq!(
            concealed(&format!("no '{sentinel}'")),
            "no 'redis+sentinel://a:1/main?sentinel_password=***'"
        );
    }
}

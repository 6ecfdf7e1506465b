//! Durations as text: `"250ms"`, `"30s"`, `"1h 30m"`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;

/// The units, from large to small, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration that is taken for meant: a year. Longer ones are mistaken units.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// How a duration is written, for error messages.
const HOW: &str = "write a whole number and a unit, `ms`, `s`, `m`, `h` or `d`, as in `\"250ms\"`, `\"30s\"` \
                   or `\"1h 30m\"`";

/// Reads a duration, or says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(format!("the duration is empty; {HOW}"));
    }
    let mut total = 0_u64;
    let mut allowed = &UNITS[..];
    while !rest.is_empty() {
        let (number, unit, behind) = next_term(rest)?;
        let index = index_of(unit, allowed)?;
        total = number
            .checked_mul(allowed[index].1)
            .and_then(|term| total.checked_add(term))
            .ok_or_else(too_long)?;
        allowed = &allowed[index + 1..];
        rest = behind.trim_start();
    }
    let duration = Duration::from_millis(total);
    if duration > LONGEST {
        Err(too_long())
    } else {
        Ok(duration)
    }
}

/// Splits `30m 5s` into `30`, `m` and ` 5s`.
fn next_term(text: &str) -> Result<(u64, &str, &str), String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, behind) = text.split_at(digits);
    if number.is_empty() {
        return Err(format!(
            "`{text}` does not start with a whole number; {HOW}"
        ));
    }
    let letters = behind
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(behind.len());
    let (unit, behind) = behind.split_at(letters);
    if unit.is_empty() && behind.starts_with(['.', ',']) {
        return Err(format!(
            "`{text}` is not a whole number; use a smaller unit, as in `\"1500ms\"` for 1.5 s"
        ));
    }
    if unit.is_empty() {
        return Err(without_unit(number));
    }
    Ok((number.parse().map_err(|_| too_long())?, unit, behind))
}

fn index_of(unit: &str, allowed: &[(&str, u64)]) -> Result<usize, String> {
    if let Some(index) = allowed.iter().position(|(name, _)| *name == unit) {
        return Ok(index);
    }
    if UNITS.iter().any(|(name, _)| *name == unit) {
        return Err(format!(
            "`{unit}` is out of order: write each unit once, the largest first, as in `\"1h 30m\"`"
        ));
    }
    Err(format!("`{unit}` is not a unit; {HOW}"))
}

/// What to say about a number that stands alone.
pub(crate) fn without_unit(number: &str) -> String {
    format!("`{number}` has no unit; {HOW}")
}

fn too_long() -> String {
    "the duration is over 366 days; is the unit right?".to_owned()
}

/// An expression of type `Duration`.
pub(crate) fn to_tokens(duration: Duration) -> TokenStream {
    let seconds = duration.as_secs();
    let nanoseconds = duration.subsec_nanos();
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(text: &str) -> u128 {
        parse(text).unwrap().as_millis()
    }

    #[test]
    fn reads_every_unit_alone_and_together() {
        assert_eq!(milliseconds("250ms"), 250);
        assert_eq!(milliseconds("30s"), 30_000);
        assert_eq!(milliseconds("5m"), 300_000);
        assert_eq!(milliseconds("24h"), 86_400_000);
        assert_eq!(milliseconds("7d"), 7 * 86_400_000);
        assert_eq!(milliseconds("1h 30m"), 5_400_000);
        assert_eq!(milliseconds("1h30m"), 5_400_000);
        assert_eq!(milliseconds(" 1d 2h 3m 4s 5ms "), 93_784_005);
        assert_eq!(milliseconds("0s"), 0);
        assert_eq!(milliseconds("366d"), 366 * 86_400_000);
    }

    #[test]
    fn refuses_what_could_be_misread() {
        for (text, part) in [
            ("", "empty"),
            ("  ", "empty"),
            ("30", "no unit"),
            ("30 s", "no unit"),
            ("s", "does not start with a whole number"),
            ("-5s", "does not start with a whole number"),
            ("1.5s", "not a whole number"),
            ("1,5s", "not a whole number"),
            ("30sec", "`sec` is not a unit"),
            ("1w", "`w` is not a unit"),
            ("5M", "`M` is not a unit"),
            ("30m 1h", "out of order"),
            ("1h 1h", "out of order"),
            ("1h, 30m", "`, 30m` does not start with a whole number"),
            ("1h and", "does not start with a whole number"),
            ("367d", "over 366 days"),
            ("99999999999999999999s", "over 366 days"),
            ("18446744073709551615d", "over 366 days"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(part), "{text:?} gives {problem:?}");
        }
    }
}

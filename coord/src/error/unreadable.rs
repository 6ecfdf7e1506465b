//! What is told of JSON that cannot be read: what was expected, and where, but not what is there.

use serde_json::error::Category;

/// What is wrong with it, without what stands in it.
pub(crate) fn without_values(problem: &serde_json::Error) -> String {
    let text = problem.to_string();
    let names_a_field = ["missing field", "duplicate field"];
    if problem.classify() != Category::Data
        || names_a_field.iter().any(|begin| text.starts_with(begin))
    {
        return text;
    }
    // Behind the last of these nothing is quoted.
    match text.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => "its type refuses it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::Error as _;

    use super::without_values;

    #[derive(Debug)]
    struct Refused;

    impl<'de> Deserialize<'de> for Refused {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let text = String::deserialize(from)?;
            Err(D::Error::custom(format!("no such card: {text}")))
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Charge {
        #[allow(dead_code, reason = "it is only read")]
        amount: u64,
    }

    fn told<'a, T: std::fmt::Debug + Deserialize<'a>>(json: &'a str) -> String {
        without_values(&serde_json::from_str::<T>(json).unwrap_err())
    }

    #[test]
    fn what_is_expected_is_told_and_what_is_there_is_not() {
        let tellings = [
            (
                told::<u64>(r#""4111, expected 5""#),
                "expected u64 at line 1 column 18",
            ),
            (
                told::<Charge>("{}"),
                "missing field `amount` at line 1 column 2",
            ),
            (
                told::<Charge>(r#"{"4111": 1}"#),
                "expected `amount` at line 1 column 7",
            ),
            (told::<Refused>(r#""4111""#), "its type refuses it"),
            (told::<u64>("["), "expected u64 at line 1 column 0"),
            (
                told::<u64>("4111 x"),
                "trailing characters at line 1 column 6",
            ),
        ];
        for (told, expected) in tellings {
            assert_eq!(told, expected);
        }
    }
}

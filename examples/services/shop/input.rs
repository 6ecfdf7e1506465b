//! What users send, read and checked: whatever is wrong with it is told with the name of the field.

use serde_json::{Map, Value};

use crate::answer::ShopError;
use crate::order::Luck;
use crate::stock::{self, Item};

const LONGEST_NAME: usize = 60;
const MOST_OF_AN_ITEM: u32 = 20;
const MOST_CENTS: u64 = 1_000_000;

type Result<T> = std::result::Result<T, ShopError>;

/// A form as it was sent.
pub(crate) struct Form(Map<String, Value>);

impl Form {
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            _ => Err(ShopError::input(
                "",
                "The request's body must be one object in JSON.",
            )),
        }
    }

    pub(crate) fn item(&self) -> Result<&'static Item> {
        let name = self.text("item");
        stock::item(name).ok_or_else(|| {
            let known: Vec<_> = stock::CATALOG.iter().map(|item| item.sku).collect();
            ShopError::input(
                "item",
                format!("Choose one of these: {}.", known.join(", ")),
            )
        })
    }

    pub(crate) fn quantity(&self) -> Result<u32> {
        let given = self.0.get("quantity");
        // A form's fields are text, other clients send numbers.
        let number = given.and_then(Value::as_u64).or_else(|| {
            let text = given.and_then(Value::as_str)?;
            text.trim().parse().ok()
        });
        number
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (1..=MOST_OF_AN_ITEM).contains(number))
            .ok_or_else(|| {
                let problem =
                    format!("The quantity is a whole number from 1 to {MOST_OF_AN_ITEM}.");
                ShopError::input("quantity", problem)
            })
    }

    /// Who orders.
    pub(crate) fn customer(&self) -> Result<String> {
        self.short_text("customer", "Whose order is it? Give a name")
    }

    /// What is paid for.
    pub(crate) fn invoice(&self) -> Result<String> {
        self.short_text("invoice", "Which invoice is paid? Give its number")
    }

    pub(crate) fn luck(&self) -> Result<Luck> {
        match self.text("delivery") {
            "" | "well" => Ok(Luck::Well),
            "busy" => Ok(Luck::GatewayIsBusy),
            "refused" => Ok(Luck::CarrierRefuses),
            _ => Err(ShopError::input(
                "delivery",
                "Choose one of these: well, busy, refused.",
            )),
        }
    }

    /// An amount such as `12`, `12.5` or `12,50`.
    pub(crate) fn cents(&self) -> Result<u64> {
        let given = match self.0.get("amount") {
            Some(Value::Number(number)) => number.to_string(),
            _ => self.text("amount").replace(',', "."),
        };
        cents(&given)
            .filter(|cents| (1..=MOST_CENTS).contains(cents))
            .ok_or_else(|| {
                let problem = "The amount is one in euro from 0.01 to 10000, such as 12.50.";
                ShopError::input("amount", problem)
            })
    }

    fn short_text(&self, field: &'static str, question: &str) -> Result<String> {
        let text = self.text(field);
        let is_good = |text: &str| {
            let length = text.chars().count();
            (1..=LONGEST_NAME).contains(&length) && !text.chars().any(char::is_control)
        };
        if is_good(text) {
            Ok(text.to_owned())
        } else {
            let problem = format!("{question}, of 1 to {LONGEST_NAME} characters.");
            Err(ShopError::input(field, problem))
        }
    }

    fn text(&self, field: &str) -> &str {
        let text = self.0.get(field).and_then(Value::as_str);
        text.unwrap_or_default().trim()
    }
}

fn cents(text: &str) -> Option<u64> {
    let (euro, cents) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if euro.is_empty() || cents.len() > 2 || !is_number(euro) || !is_number(cents) {
        return None;
    }
    let cents: u64 = format!("{cents:0<2}").parse().ok()?;
    euro.parse::<u64>()
        .ok()?
        .checked_mul(100)?
        .checked_add(cents)
}

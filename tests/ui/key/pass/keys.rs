//! What `key!` and `#[derive(KeyPart)]` accept, and what they give.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code)]

use std::sync::Arc;

use coord::{Key, KeyPart, key};

#[derive(KeyPart)]
struct OrderId(u64);

#[derive(KeyPart)]
struct Sku {
    text: String,
}

#[derive(Clone, Copy, KeyPart)]
enum Region {
    Europe,
    r#Asia,
    Other(),
}

#[derive(KeyPart)]
struct Tagged<'a, T: ?Sized>(&'a T);

#[derive(KeyPart)]
struct Shared<T>(Arc<T>)
where
    T: Send;

#[derive(KeyPart)]
#[key_part(crate = renamed)]
struct Renamed(char);

extern crate coord as renamed;

struct Order {
    id: OrderId,
    lines: (u8, Sku),
}

impl OrderId {
    fn key(&self) -> Result<Key, coord::Error> {
        key!("order:<self>:<self.0>")
    }
}

fn text(key: Result<Key, coord::Error>) -> String {
    key.expect("it is short and not empty").to_string()
}

macro_rules! stock_key {
    ($sku:ident) => {{
        let region = Region::Europe;
        key!("stock:<region>")
    }};
    ($template:literal, $value:ident) => {
        key!($template)
    };
}

#[test]
fn does_what_it_says() {
    let order = Order {
        id: OrderId(7),
        lines: (
            1,
            Sku {
                text: "a:b".to_owned(),
            },
        ),
    };
    let (region, r#type) = (Region::r#Asia, "x");
    assert_eq!(text(key!("gateway")), "gateway");
    assert_eq!(
        text(key!("order:<order.id>:<order.lines.0>:<order.lines.1>")),
        "order:7:1:a%3Ab"
    );
    assert_eq!(text(key!("<region>-<type>-<r#type>")), "Asia-x-x");
    assert_eq!(text(key!("<<<region>>>", crate = renamed)), "<Asia>");
    assert_eq!(text(key!(r#""<region>""#)), "\"Asia\"");
    assert_eq!(
        text(key!("{<region>}:{a<region>}:{0}")),
        "{Asia}:{aAsia}:{0}"
    );
    assert_eq!(text(order.id.key()), "order:7:7");
    let (tagged, shared, renamed, other) = (
        Tagged("t"),
        Shared(Arc::new(3)),
        Renamed('ö'),
        Region::Other(),
    );
    assert_eq!(
        text(key!("<tagged>:<shared>:<renamed>:<other>")),
        "t:3:%C3%B6:Other"
    );
    assert_eq!(text(stock_key!(region)), "stock:Europe");
    let value = 3;
    assert_eq!(text(stock_key!("stock:<value>", value)), "stock:3");
    assert_eq!(
        key!("order:<value>").map(|key| key.template()).ok(),
        Some("order:<value>")
    );
    let value = [1, 2]
        .iter()
        .map(|n| text(key!("n:<n>")))
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(value, "n:1,n:2");
}

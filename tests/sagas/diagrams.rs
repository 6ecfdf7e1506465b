//! Definitions of sagas as diagrams, compared with files that can be looked at.

use std::path::Path;

use coord::saga;
use coord::saga::Diagram;
use serde::{Deserialize, Serialize};

macro_rules! nothing {
    () => {
        std::future::ready(Ok(())).await
    };
}

/// All that a step can have.
#[saga("order:<number>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    number: u64,
    parcel: Parcel,
    gift: bool,
}

#[derive(Serialize, Deserialize)]
struct Parcel {
    items: Vec<String>,
}

#[saga(name = "diagrams.PlaceOrder")]
impl PlaceOrder {
    #[step(each = parcel.items, compensate = release)]
    async fn reserve(&self, item: &str) -> Result<Option<usize>, String> {
        std::future::ready(Ok(item.len().into())).await
    }

    async fn release(&self, reserve: Option<&Option<usize>>) -> Result<(), String> {
        let _ = reserve;
        nothing!()
    }

    #[step(when = is_gift)]
    async fn wrap(&self) -> Result<(), String> {
        nothing!()
    }

    fn is_gift(&self) -> bool {
        self.gift
    }

    #[step(parallel, compensate = refund)]
    async fn charge(&self) -> Result<(), String> {
        nothing!()
    }

    async fn refund(&self, _charge: &()) -> Result<(), String> {
        nothing!()
    }

    #[step(parallel, when = is_gift, compensate = unbook)]
    async fn book(&self) -> Result<(), String> {
        nothing!()
    }

    async fn unbook(&self, _book: &()) -> Result<(), String> {
        nothing!()
    }

    #[step(pivot, id = "hand over to the \"carrier\"")]
    async fn hand_over(&self) -> Result<(), String> {
        nothing!()
    }

    #[step]
    async fn r#match(&self) -> Result<(), String> {
        nothing!()
    }
}

/// Steps and nothing else.
#[saga("mail:<number>")]
#[derive(Serialize, Deserialize)]
struct SendMail {
    number: u64,
}

#[saga(name = "diagrams.SendMail")]
impl SendMail {
    #[step]
    async fn render(&self) -> Result<String, String> {
        std::future::ready(Ok(self.number.to_string())).await
    }

    #[step]
    async fn send(&self, render: &String) -> Result<(), String> {
        let _ = render;
        nothing!()
    }
}

/// Compares with the file of this name, which `COORD_GOLDEN=write` writes anew.
fn assert_golden(name: &str, drawn: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sagas/diagrams");
    let path = folder.join(name);
    if std::env::var_os("COORD_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, drawn).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(drawn, golden, "{}", path.display());
}

fn assert_drawn(name: &str, diagram: &Diagram) {
    assert_golden(&format!("{name}.txt"), &diagram.to_string());
    assert_golden(&format!("{name}.mmd"), &diagram.mermaid());
}

#[test]
fn a_saga_with_everything_is_drawn() {
    assert_drawn("place_order", &PlaceOrder::diagram());
}

#[test]
fn a_plain_saga_is_drawn() {
    assert_drawn("send_mail", &SendMail::diagram());
}

#[test]
fn a_saga_whose_methods_have_no_names_is_drawn() {
    let diagram = Diagram::of::<crate::shop::Order>().to_string();
    assert!(diagram.contains("undone by its compensation"), "{diagram}");
}

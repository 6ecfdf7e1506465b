//! Idempotent functions that would answer each other's calls.

use coord::{Coordinator, Error, idempotent};

#[idempotent("colliding:<order>", ttl = "1h")]
async fn pay(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("colliding:<id>", ttl = "1h")]
async fn refund(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[test]
fn two_functions_with_keys_of_one_form_cannot_be_installed() {
    let (_, _) = (pay, refund);
    let refused = Coordinator::builder().build().install().unwrap_err();
    assert!(matches!(refused, Error::TemplateTaken { .. }), "{refused}");
    let told = refused.to_string();
    for part in [
        "colliding::pay (",
        "colliding::refund (",
        "colliding.rs:5",
        "colliding.rs:10",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

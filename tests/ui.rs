//! What the macros accept, and what they say about what they do not.
//!
//! The shapes that are accepted are compiled here too, so that the workspace's lints look at the generated
//! code as they would in a user's crate.

#[path = "ui/circuit_breaker/pass/options.rs"]
mod circuit_breaker_options;
#[path = "ui/idempotent/pass/options.rs"]
mod idempotent_options;
#[path = "ui/idempotent/pass/shapes.rs"]
mod idempotent_shapes;
#[path = "ui/key/pass/keys.rs"]
mod keys;
#[path = "ui/locked/pass/options.rs"]
mod options;
#[path = "ui/retry/pass/options.rs"]
mod retry_options;
#[path = "ui/saga/pass/shapes.rs"]
mod saga_shapes;
#[path = "ui/locked/pass/shapes.rs"]
mod shapes;

#[test]
fn macros_accept_and_refuse_as_documented() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/locked/pass/*.rs");
    cases.pass("ui/idempotent/pass/*.rs");
    cases.pass("ui/saga/pass/*.rs");
    cases.pass("ui/key/pass/*.rs");
    cases.pass("ui/retry/pass/*.rs");
    cases.pass("ui/circuit_breaker/pass/*.rs");
    cases.compile_fail("ui/locked/fail/*.rs");
    cases.compile_fail("ui/idempotent/fail/*.rs");
    cases.compile_fail("ui/saga/fail/*.rs");
    cases.compile_fail("ui/key/fail/*.rs");
    cases.compile_fail("ui/retry/fail/*.rs");
    cases.compile_fail("ui/circuit_breaker/fail/*.rs");
}

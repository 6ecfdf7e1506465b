//! What the macros accept, and what they say about what they do not.
//!
//! What is accepted is compiled here, so that the workspace's lints look at the generated code as they would in a
//! user's crate.

#[path = "circuit_breaker/pass/options.rs"]
mod circuit_breaker_options;
#[path = "idempotent/pass/options.rs"]
mod idempotent_options;
#[path = "idempotent/pass/shapes.rs"]
mod idempotent_shapes;
#[path = "key/pass/keys.rs"]
mod keys;
#[path = "retry/pass/longest_delays.rs"]
mod longest_delays;
#[path = "locked/pass/one_line.rs"]
mod one_line;
#[path = "locked/pass/options.rs"]
mod options;
#[path = "retry/pass/options.rs"]
mod retry_options;
#[path = "saga/pass/cfg.rs"]
mod saga_cfg;
#[path = "saga/pass/lints.rs"]
mod saga_lints;
#[path = "saga/pass/shapes.rs"]
mod saga_shapes;
#[path = "saga/pass/without_a_prelude.rs"]
mod saga_without_a_prelude;
#[path = "locked/pass/shapes.rs"]
mod shapes;
#[path = "locked/pass/without_a_prelude.rs"]
mod without_a_prelude;

#[test]
fn macros_refuse_as_documented() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("locked/fail/*.rs");
    cases.compile_fail("idempotent/fail/*.rs");
    cases.compile_fail("saga/fail/*.rs");
    cases.compile_fail("key/fail/*.rs");
    cases.compile_fail("retry/fail/*.rs");
    cases.compile_fail("circuit_breaker/fail/*.rs");
}

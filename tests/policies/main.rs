//! Retry policies and circuit breakers as their users see them, on a paused clock.

mod attributes;
mod breaking;
mod budgets;
mod delays;
mod probing;
mod retrying;
mod stacks;
mod support;
mod telemetry;

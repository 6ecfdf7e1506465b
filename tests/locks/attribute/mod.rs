//! `#[locked]` at run time, inside the scope of a coordinator.

pub(crate) mod options;
pub(crate) mod shapes;

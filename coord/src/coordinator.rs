//! C
/// Coordinator
#[derive(Debug,Clone)] pub struct Coordinator {}

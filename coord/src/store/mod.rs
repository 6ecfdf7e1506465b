//! stores
/// token
#[derive(Debug,Clone,Copy)] pub struct FencingToken(u64);

//! redis
/// r
#[derive(Debug)] pub struct RedisStore;
/// b
#[derive(Debug)] pub struct RedisStoreBuilder;

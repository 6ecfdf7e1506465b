//! The support library does what other tests rely on.

mod client;
mod proxy;
mod proxy_counts;
mod servers;
mod worker;

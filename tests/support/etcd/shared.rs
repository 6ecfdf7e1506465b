//! One server for all tests that need no server of their own.

use tokio::sync::OnceCell;

use super::EtcdServer;

/// The environment variable by which `tests/run` hands its server to the tests.
const URL: &str = "COORD_TEST_ETCD";

/// The URL of a server that tests share: of all test processes under `tests/run`, else of this one.
///
/// Only for tests that leave the server as it is: each in its own namespace (see [`unique`](crate::unique)).
pub async fn shared_etcd() -> String {
    static OF_THIS_PROCESS: OnceCell<EtcdServer> = OnceCell::const_new();
    match std::env::var(URL) {
        Ok(url) => url,
        // Never dropped: the process ends, and the server with it.
        Err(_) => OF_THIS_PROCESS.get_or_init(EtcdServer::start).await.url(),
    }
}

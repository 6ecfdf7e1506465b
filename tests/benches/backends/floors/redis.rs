//! `SET NX EX`, and a script that compares and deletes, all on one connection.

use super::Floor;
use crate::TTL;

const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

pub(crate) async fn floor(url: &str) -> Floor {
    let client = ::redis::Client::open(url).expect("a client");
    let connection = client.get_multiplexed_async_connection().await;
    let mut connection = connection.expect("a connection");
    let mut load = ::redis::cmd("SCRIPT");
    let hash = load.arg("LOAD").arg(RELEASE).query_async(&mut connection);
    let hash: String = hash.await.expect("a script");
    super::floor(move |key| {
        let (mut connection, hash) = (connection.clone(), hash.clone());
        async move {
            let mut set = ::redis::cmd("SET");
            set.arg(&key)
                .arg("owner")
                .arg("NX")
                .arg("EX")
                .arg(TTL.as_secs());
            let _: () = set.query_async(&mut connection).await.expect("a key");
            let mut release = ::redis::cmd("EVALSHA");
            release.arg(hash).arg(1).arg(&key).arg("owner");
            let _: i64 = release
                .query_async(&mut connection)
                .await
                .expect("a release");
        }
    })
}

//! Something between us and the server that gives our statements to whichever session is free.

use coord::StoreErrorKind;
use coord::store::{LeaseRequest, Store, StoreExt};
use coord_tests::PostgresServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::{LONG, connect, token};

const SET: &[u8] = b"default_transaction_isolation = 'read committed'";
/// As long, so that the message is still one.
const OTHER: &[u8] = b"default_transaction_isolation ='repeatable read'";

/// Carries everything to the server, but has it set another isolation than what is asked for: that went elsewhere.
async fn with_another_isolation(server: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", server)).await;
            tokio::spawn(carry(client, server.expect("a server")));
        }
    });
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

async fn carry(client: TcpStream, server: TcpStream) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async {
        // A message comes as it was sent, in one piece.
        let mut bytes = Vec::with_capacity(64 * 1024);
        while from_client.read_buf(&mut bytes).await? > 0 {
            if let Some(at) = bytes.windows(SET.len()).position(|part| part == SET) {
                bytes[at..at + SET.len()].copy_from_slice(OTHER);
            }
            to_server.write_all(&bytes).await?;
            bytes.clear();
        }
        Ok(0)
    };
    let answers = tokio::io::copy(&mut from_server, &mut to_client);
    // However it ends, both are closed.
    let _ = tokio::try_join!(requests, answers);
}

#[tokio::test]
async fn a_session_that_was_not_set_up_grants_nothing_and_says_why() {
    let server = PostgresServer::start().await;
    let store = connect(&server.url()).await;
    let pooled = connect(&with_another_isolation(server.port()).await).await;
    pooled
        .set("a", "one", LONG)
        .await
        .expect("it is the same server");
    let lease = LeaseRequest::exclusive("lock", LONG);
    let error = pooled.acquire_lease(&lease).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("session mode"), "{error}");
    token(&store, &lease).await;
}

/// Whoever hands over grants as well.
#[tokio::test]
async fn a_session_that_was_not_set_up_hands_nothing_over() {
    let server = PostgresServer::start().await;
    let store = connect(&server.url()).await;
    let pooled = connect(&with_another_isolation(server.port()).await).await;
    let (holder, waiter) = (
        LeaseRequest::exclusive("lock", LONG),
        LeaseRequest::exclusive("lock", LONG).queue(LONG),
    );
    token(&store, &holder).await;
    store.acquire_lease(&waiter).await.unwrap();
    let error = pooled.release_lease(&holder.lease).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    assert!(store.release_lease(&holder.lease).await.unwrap());
}

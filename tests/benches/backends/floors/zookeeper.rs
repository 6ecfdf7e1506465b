//! A node that is created and deleted again, on a connection of each task's own.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::{Connections, Floor};

pub(crate) async fn floor(server: SocketAddr, connections: usize) -> Floor {
    let mut all = Vec::new();
    for _ in 0..connections {
        all.push(Mutex::new(connect(server).await));
    }
    let connections = Connections::new(all);
    super::floor(move |key| {
        let connections = Arc::clone(&connections);
        async move { cycle(&mut *connections.next().lock().await, &key).await }
    })
}

async fn connect(server: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(server).await.expect("a server");
    stream.set_nodelay(true).expect("a connection");
    // Version, last transaction, timeout, session and its password.
    let mut hello = Vec::new();
    hello.extend(0_i32.to_be_bytes());
    hello.extend(0_i64.to_be_bytes());
    hello.extend(60_000_i32.to_be_bytes());
    hello.extend(0_i64.to_be_bytes());
    hello.extend(16_i32.to_be_bytes());
    hello.extend([0; 17]);
    ask(&mut stream, &hello).await;
    stream
}

async fn cycle(stream: &mut TcpStream, key: &str) {
    let path = format!("/floor-{key}");
    let mut create = Vec::new();
    create.extend(1_i32.to_be_bytes());
    create.extend(1_i32.to_be_bytes());
    put(&mut create, path.as_bytes());
    put(&mut create, b"value");
    create.extend(1_i32.to_be_bytes());
    create.extend(0x1f_i32.to_be_bytes());
    put(&mut create, b"world");
    put(&mut create, b"anyone");
    create.extend(0_i32.to_be_bytes());
    ask(stream, &create).await;
    let mut delete = Vec::new();
    delete.extend(2_i32.to_be_bytes());
    delete.extend(2_i32.to_be_bytes());
    put(&mut delete, path.as_bytes());
    delete.extend((-1_i32).to_be_bytes());
    ask(stream, &delete).await;
}

fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    let len = i32::try_from(bytes.len()).expect("a short text");
    to.extend(len.to_be_bytes());
    to.extend(bytes);
}

async fn ask(stream: &mut TcpStream, request: &[u8]) {
    let mut message = Vec::new();
    put(&mut message, request);
    stream.write_all(&message).await.expect("a request");
    let len = stream.read_u32().await.expect("an answer");
    let mut answer = vec![0; usize::try_from(len).expect("a short answer")];
    stream.read_exact(&mut answer).await.expect("an answer");
}

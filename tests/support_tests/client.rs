//! A Redis client that sends exactly what it is told and shows replies line by line.

use coord_tests::Proxy;
use coord_tests::resp::encode;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

pub(crate) struct Client(BufStream<TcpStream>);

impl Client {
    pub(crate) async fn of(proxy: &Proxy) -> Self {
        Self(BufStream::new(
            TcpStream::connect(proxy.addr()).await.unwrap(),
        ))
    }

    /// Sends commands in one piece, the words of each apart by spaces.
    pub(crate) async fn send(&mut self, commands: &[&str]) {
        let encoded = |command: &&str| encode(&command.split(' ').collect::<Vec<_>>());
        let bytes: Vec<u8> = commands.iter().flat_map(encoded).collect();
        // A connection that the proxy has cut shows at the next reply.
        let _ = self.0.write_all(&bytes).await;
        let _ = self.0.flush().await;
    }

    /// The next line; `None` when the connection is closed.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
        }
    }

    /// The lines of the replies, as many as given.
    pub(crate) async fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(self.line().await.expect("the connection to be open"));
        }
        lines
    }

    /// Sends one command whose reply is one line.
    pub(crate) async fn ask(&mut self, command: &str) -> Option<String> {
        self.send(&[command]).await;
        self.line().await
    }
}

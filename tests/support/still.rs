//! A server that takes connections and never says a word, as one that is stopped.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::sync::watch;

/// It is there as long as the runtime on which it was started.
#[derive(Debug)]
pub struct Still {
    addr: SocketAddr,
    taken: watch::Receiver<usize>,
}

impl Still {
    /// On a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port");
        let addr = listener.local_addr().expect("the port's number");
        let (takes, taken) = watch::channel(0);
        tokio::spawn(async move {
            let mut connections = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.push(connection);
                takes.send_replace(connections.len());
            }
        });
        Self { addr, taken }
    }

    /// The address for clients.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Resolves when it is connected to once more, from this call on.
    pub fn is_asked(&self) -> impl Future<Output = ()> + use<> {
        let mut taken = self.taken.clone();
        taken.mark_unchanged();
        async move { taken.changed().await.expect("a runtime that is there") }
    }
}

//! A proxy that knows nothing of what passes, and cuts connections or keeps requests when told to: for servers that do not
//! speak what [`Proxy`](crate::Proxy) understands.
//!
//! It runs on a thread of its own, as that one does. What a client sends at once counts as a request.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use crate::port::Port;

/// A proxy on a free port of 127.0.0.1. Dropping it closes its connections and its port.
#[derive(Debug)]
pub struct Wire {
    port: Port,
    next: Arc<Mutex<Next>>,
    refuses: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    /// Connections end when this changes.
    cuts: watch::Sender<u64>,
    /// What is kept goes on when this changes.
    let_go: watch::Sender<u64>,
    _open: oneshot::Sender<()>,
}

/// What becomes of the next request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    Passes,
    /// The connection is cut in its place.
    IsCut,
    /// It arrives, and the connection is cut in the place of the answer.
    LosesItsAnswer,
    /// It is kept, if it contains this.
    IsKept(Vec<u8>),
}

impl Wire {
    /// Stands before the server at `upstream`.
    pub fn start(upstream: SocketAddr) -> Self {
        let port = Port::claim().expect("a port for the proxy");
        let listener = std::net::TcpListener::bind(port.addr()).expect("the proxy's own port");
        listener
            .set_nonblocking(true)
            .expect("a listener for the proxy");
        let next = Arc::new(Mutex::new(Next::Passes));
        let (cuts, cut) = watch::channel(0);
        let (let_go, goes) = watch::channel(0);
        let (open, closed) = oneshot::channel::<()>();
        let state = Arc::clone(&next);
        let refuses = Arc::new(AtomicBool::new(false));
        let refused = Arc::clone(&refuses);
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        let connections = Arc::new(AtomicU64::new(0));
        let made = Arc::clone(&connections);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime for the proxy").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener for the proxy");
                let accept = async {
                    while let Ok((client, _)) = listener.accept().await {
                        if refused.load(Ordering::SeqCst) {
                            continue;
                        }
                        made.fetch_add(1, Ordering::SeqCst);
                        tokio::spawn(forward(
                            client,
                            upstream,
                            Arc::clone(&state),
                            Arc::clone(&counted),
                            cut.clone(),
                            goes.clone(),
                        ));
                    }
                };
                tokio::select! {
                    () = accept => {}
                    _ = closed => {}
                }
            });
        });
        Self {
            port,
            next,
            refuses,
            requests,
            connections,
            cuts,
            let_go,
            _open: open,
        }
    }

    /// The address for clients.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// How many requests have passed.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many connections have been made.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Closes all connections and lets no other through, or does so again.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
        if refuses {
            self.cut();
        }
    }

    /// Cuts the connection in place of the next request.
    pub fn cut_before_next(&self) {
        *locked(&self.next) = Next::IsCut;
    }

    /// Lets the next request pass, and cuts the connection in place of the answer.
    pub fn cut_after_next(&self) {
        *locked(&self.next) = Next::LosesItsAnswer;
    }

    /// Keeps the next request that contains this until it is let go. Nothing else passes over its connection any more, and
    /// nobody gets the answer.
    pub fn keep_next(&self, containing: &str) {
        *locked(&self.next) = Next::IsKept(containing.as_bytes().to_vec());
    }

    /// Whether what was to be kept has come.
    pub fn keeps(&self) -> bool {
        *locked(&self.next) == Next::Passes
    }

    /// Lets what is kept arrive.
    pub fn let_go(&self) {
        self.let_go.send_modify(|let_go| *let_go += 1);
    }

    /// Forgets what was asked for and has not happened.
    pub fn cancel_cuts(&self) {
        *locked(&self.next) = Next::Passes;
    }
}

async fn forward(
    client: TcpStream,
    upstream: SocketAddr,
    next: Arc<Mutex<Next>>,
    requests: Arc<AtomicU64>,
    mut cut: watch::Receiver<u64>,
    mut goes: watch::Receiver<u64>,
) -> io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut loses_its_answer = false;
    cut.mark_unchanged();
    goes.mark_unchanged();
    loop {
        tokio::select! {
            _ = cut.changed() => return Ok(()),
            length = from_client.read(&mut request) => {
                let length = length?;
                let fate = fate(&next, &request[..length]);
                if length == 0 || fate == Next::IsCut {
                    return Ok(());
                }
                requests.fetch_add(1, Ordering::SeqCst);
                if matches!(fate, Next::IsKept(_)) {
                    let _ = goes.changed().await;
                    to_server.write_all(&request[..length]).await?;
                    // Until the server ends it.
                    while from_server.read(&mut answer).await? > 0 {}
                    return Ok(());
                }
                loses_its_answer |= fate == Next::LosesItsAnswer;
                to_server.write_all(&request[..length]).await?;
            }
            length = from_server.read(&mut answer) => {
                let length = length?;
                if length == 0 || loses_its_answer {
                    return Ok(());
                }
                to_client.write_all(&answer[..length]).await?;
            }
        }
    }
}

/// What becomes of a request.
fn fate(next: &Mutex<Next>, request: &[u8]) -> Next {
    let mut next = locked(next);
    match &*next {
        Next::IsKept(part) if !request.windows(part.len()).any(|window| window == part) => {
            Next::Passes
        }
        _ => std::mem::replace(&mut *next, Next::Passes),
    }
}

fn locked(next: &Mutex<Next>) -> MutexGuard<'_, Next> {
    next.lock().unwrap_or_else(PoisonError::into_inner)
}

//! A proxy between Redis clients and a server, which counts what passes and misbehaves when told to.
//!
//! It runs on a thread of its own, so neither a blocked test nor a paused tokio clock holds it up, and every
//! command and reply that arrives after a method has returned is treated as that method says.
//!
//! Invariants:
//!
//! 1. Bytes pass in whole commands and whole replies, in the order they came.
//! 2. Whatever is done to a command or reply is decided once, under one lock, when all of it has arrived. A delay
//!    comes after the decision.
//! 3. A connection on which a reply got lost delivers no further ones, since the client would take each for
//!    the answer to another command. It is cut when the swallowing ends.

mod acceptor;
mod counts;
mod link;
mod state;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::port::Port;
use crate::redis::{Endpoint, RedisServer};
use acceptor::Order;
use state::{Cut, Moment, State};

/// A proxy on a free port of 127.0.0.1. Dropping it closes its connections and its port.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    password: Option<String>,
    state: Shared,
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

type Shared = Arc<Mutex<State>>;

/// The state, also after a test has panicked while it held the lock.
fn locked(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Stands before the server at `upstream`, which need not run yet.
    pub fn start(upstream: SocketAddr) -> Self {
        let port = Port::claim().expect("a port for the proxy");
        let state = Arc::new(Mutex::new(State::new(upstream)));
        let (orders, received) = mpsc::unbounded_channel();
        let thread = {
            let state = Arc::clone(&state);
            thread::Builder::new()
                .name("proxy".to_owned())
                .spawn(move || acceptor::run(state, received))
        };
        let thread = thread.expect("a thread for the proxy");
        let proxy = Self {
            port,
            password: None,
            state,
            orders: Some(orders),
            thread: Some(thread),
        };
        proxy.accept();
        proxy
    }

    /// Stands before `server`; the URL has the server's password.
    pub fn before(server: &RedisServer) -> Self {
        let mut proxy = Self::start(server.addr());
        proxy.password = server.password().map(ToOwned::to_owned);
        proxy
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        Endpoint {
            addr: self.addr(),
            password: self.password.clone(),
        }
        .url()
    }

    /// The address for clients.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Sends connections that are made from now on to another server.
    pub fn redirect(&self, upstream: SocketAddr) {
        self.state().upstream = upstream;
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.state().cut_all();
    }

    /// Refuses new connections. Those that are open stay.
    pub fn refuse(&self) {
        self.order(Order::Refuse);
    }

    /// Accepts new connections again.
    pub fn accept(&self) {
        self.refuse();
        let listener = std::net::TcpListener::bind(self.addr()).expect("the proxy's own port");
        self.order(|done| Order::Accept(listener, done));
    }

    /// Holds up everything, in each direction, for this long; so a round trip takes twice as long.
    pub fn delay(&self, each_way: Duration) {
        self.state().delay = each_way;
    }

    /// Lets commands reach the server and drops what the server sends. Ending this cuts the connections
    /// on which something got lost, or is yet to be answered.
    pub fn swallow_replies(&self, swallow: bool) {
        let mut state = self.state();
        state.swallow_replies = swallow;
        if !swallow {
            state.cut_lossy();
        }
    }

    /// Drops commands. Ending this cuts the connections on which something got lost.
    pub fn swallow_requests(&self, swallow: bool) {
        let mut state = self.state();
        state.swallow_requests = swallow;
        if !swallow {
            state.cut_lossy();
        }
    }

    /// Drops messages of subscriptions and other pushes, and only these: wake-ups get lost.
    pub fn swallow_pushes(&self, swallow: bool) {
        self.state().swallow_pushes = swallow;
    }

    /// Cuts the connection in place of forwarding a command, for the next `times` commands that match.
    ///
    /// A command matches when its name is `pattern` in any case, or when its bytes contain `pattern`.
    pub fn cut_before_next(&self, pattern: &str, times: usize) {
        self.state()
            .cuts
            .push(Cut::new(pattern, Moment::BeforeCommand, times));
    }

    /// Forwards a command and cuts the connection in place of its reply, for the next `times` commands that match
    /// as for [`cut_before_next`](Self::cut_before_next). So the server has executed the command.
    pub fn cut_after_next(&self, pattern: &str, times: usize) {
        self.state()
            .cuts
            .push(Cut::new(pattern, Moment::BeforeReply, times));
    }

    /// Forgets the cuts that were asked for and have not happened.
    pub fn cancel_cuts(&self) {
        self.state().cuts.clear();
    }

    /// Resolves when a command that matches arrives at the proxy, counted from this call rather than from the first
    /// poll. It matches as for [`cut_before_next`](Self::cut_before_next), and whatever becomes of it counts.
    pub fn until_request(&self, pattern: &str) -> impl Future<Output = ()> + Send + use<> {
        let (seen, arrived) = oneshot::channel();
        self.state().watches.push((pattern.to_owned(), seen));
        async move {
            arrived
                .await
                .expect("the proxy was dropped before the request came");
        }
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.state().connections()
    }

    /// How many connections were cut because of a command that passed.
    pub fn cuts(&self) -> u64 {
        self.state().counts.cuts
    }

    /// How many commands have arrived, those that connecting takes (`HELLO`, `CLIENT SETINFO`) included.
    pub fn requests(&self) -> u64 {
        self.state().counts.requests()
    }

    /// How many commands with this name have arrived. The case of `name` does not matter.
    pub fn requests_of(&self, name: &str) -> u64 {
        self.state()
            .counts
            .by_name
            .get(&name.to_uppercase())
            .copied()
            .unwrap_or(0)
    }

    /// How many commands have arrived, by name in upper case.
    pub fn requests_by_name(&self) -> BTreeMap<String, u64> {
        self.state().counts.by_name.clone()
    }

    /// How many times a client had to wait for the server: commands count once together when they are sent before
    /// the server has answered any of them. The sum over all connections. Pushes are not answers, confirmations
    /// of subscriptions are.
    pub fn round_trips(&self) -> u64 {
        self.state().counts.round_trips
    }

    /// Counts from zero again. A command that has arrived and is not answered yet is not counted again.
    pub fn reset_counts(&self) {
        self.state().counts = counts::Counts::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Has the proxy's thread carry out an order, and returns when it has.
    fn order(&self, order: impl FnOnce(std::sync::mpsc::Sender<()>) -> Order) {
        let (done, carried_out) = std::sync::mpsc::channel();
        let orders = self.orders.as_ref().expect("a proxy that was not dropped");
        orders.send(order(done)).expect("the proxy's thread");
        carried_out.recv().expect("the proxy's thread");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The thread ends when it can get no more orders.
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

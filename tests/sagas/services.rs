//! The services that carry out orders: in the process of the test, behind a socket, so that they outlive whoever
//! asks, and that it makes no difference to them where sagas are stored.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use coord_tests::new_socket;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::order::Services;

type Orders = Arc<Mutex<HashMap<u64, AtServices>>>;

/// Services that serve until this is dropped.
pub(crate) struct ServiceHost {
    path: PathBuf,
    orders: Orders,
    _serving: JoinSet<()>,
}

/// What the services know of one order.
#[derive(Default)]
struct AtServices {
    token: u64,
    keys: HashSet<String>,
    done: Vec<String>,
}

impl ServiceHost {
    pub(crate) fn start() -> Self {
        let path = new_socket();
        let orders = Orders::default();
        let listener = UnixListener::bind(&path).expect("a socket");
        let mut serving = JoinSet::new();
        serving.spawn(serve_all(listener, Arc::clone(&orders)));
        Self {
            path,
            orders,
            _serving: serving,
        }
    }

    /// Where a process finds them.
    pub(crate) fn path(&self) -> &str {
        self.path.to_str().expect("a path that is text")
    }

    /// The services as the process of the test uses them.
    pub(crate) fn services(&self) -> Services {
        Services::at(self.path(), 0)
    }

    /// How much was done for all orders.
    pub(crate) fn done_in_all(&self) -> usize {
        let orders = self.orders.lock().unwrap();
        orders.values().map(|at| at.done.len()).sum()
    }

    /// What was done for an order, in order.
    pub(crate) fn done_for(&self, order: u64) -> Vec<String> {
        let orders = self.orders.lock().unwrap();
        orders
            .get(&order)
            .map_or_else(Vec::new, |at| at.done.clone())
    }
}

async fn serve_all(listener: UnixListener, orders: Orders) {
    let mut asked = JoinSet::new();
    loop {
        tokio::select! {
            Ok((asks, _)) = listener.accept() => {
                asked.spawn(serve(asks, Arc::clone(&orders)));
            }
            Some(_) = asked.join_next() => {}
        }
    }
}

/// Serves one who asks, who may be gone before it is done.
async fn serve(mut asks: UnixStream, orders: Orders) {
    let mut question = String::new();
    if asks.read_to_string(&mut question).await.is_err() {
        return;
    }
    // One who died while asking has asked for nothing.
    let Some(question) = question.strip_suffix('\n') else {
        return;
    };
    let answer = {
        let mut orders = orders.lock().unwrap();
        answer(&mut orders, question)
    };
    let _ = asks.write_all(answer.as_bytes()).await;
}

fn answer(orders: &mut HashMap<u64, AtServices>, question: &str) -> &'static str {
    let parts: Vec<_> = question.split('\t').collect();
    let [order, token, key, what, after] = parts[..] else {
        panic!("asked for {question:?}");
    };
    let order = order.parse().expect("an order");
    let token = token.parse().expect("a token");
    orders
        .entry(order)
        .or_default()
        .serve(token, key, what, after)
}

impl AtServices {
    /// Does once what is asked under one key, and refuses a token that is smaller than one it was shown, as real
    /// services should.
    fn serve(&mut self, token: u64, key: &str, what: &str, after: &str) -> &'static str {
        if token < self.token {
            return "stale";
        }
        self.token = token;
        if !self.keys.insert(key.to_owned()) {
            return "done before";
        }
        if !after.is_empty() && !self.done.iter().any(|done| done == after) {
            return "nothing to undo";
        }
        self.done.push(what.to_owned());
        "done"
    }
}

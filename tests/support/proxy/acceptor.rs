//! The proxy's thread: takes connections and orders.

use std::io;
use std::sync::{Arc, mpsc::Sender};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Shared, link, locked};
use crate::port::close;

/// What the owner of the proxy wants; the sender is told when it is so.
pub(super) enum Order {
    /// Close the port.
    Refuse(Sender<()>),
    /// Take connections from here.
    Accept(std::net::TcpListener, Sender<()>),
}

/// Runs until the senders of orders are gone.
pub(super) fn run(state: Shared, orders: UnboundedReceiver<Order>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for the proxy")
        .block_on(serve(state, orders));
}

async fn serve(state: Shared, mut orders: UnboundedReceiver<Order>) {
    let mut listener = None;
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => {
                let done = match order {
                    None => {
                        stop(listener.as_ref());
                        return;
                    }
                    Some(Order::Refuse(done)) => {
                        stop(listener.take().as_ref());
                        done
                    }
                    Some(Order::Accept(bound, done)) => {
                        listener = Some(listening(bound).expect("a listener for the proxy"));
                        done
                    }
                };
                let _ = done.send(());
            }
            Ok(client) = next(listener.as_ref()) => {
                let upstream = locked(&state).upstream;
                // The task first runs after it has been entered, since this thread runs both.
                let entry = locked(&state).reserve();
                let task = tokio::spawn(link::run(client, upstream, entry, Arc::clone(&state)));
                locked(&state).enter(entry, task.abort_handle());
            }
        }
    }
}

fn stop(listener: Option<&TcpListener>) {
    if let Some(listener) = listener {
        close(listener).expect("the proxy's listener to close");
    }
}

fn listening(bound: std::net::TcpListener) -> io::Result<TcpListener> {
    bound.set_nonblocking(true)?;
    TcpListener::from_std(bound)
}

async fn next(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}

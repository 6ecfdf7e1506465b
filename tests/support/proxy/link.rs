//! One connection: two directions, each read, decided about, held up and written.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::state::{Fate, LinkId};
use super::{Shared, locked};
use crate::resp::{Parsed, Value, parse_command, parse_reply};

/// How a direction ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The sender closed it; what was sent before has been delivered.
    Closed,
    /// The connection is to be cut.
    Cut,
}

/// Forwards between `client` and the server until either closes or the connection is cut.
pub(super) async fn run(client: TcpStream, upstream: SocketAddr, id: LinkId, state: Shared) {
    // An error ends the connection as a cut does; a server that is not there as one that was.
    let _ = forward(client, upstream, id, &state).await;
    locked(&state).leave(id);
}

async fn forward(
    client: TcpStream,
    upstream: SocketAddr,
    id: LinkId,
    state: &Shared,
) -> io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();

    let commands = direction(
        from_client,
        to_server,
        state,
        parse_command,
        |command, bytes| locked(state).on_command(id, command, bytes),
    );
    let replies = direction(from_server, to_client, state, parse_reply, |reply, _| {
        locked(state).on_reply(id, reply)
    });
    tokio::pin!(replies);
    tokio::select! {
        _ = &mut replies => {}
        end = commands => if end == End::Closed {
            // The server closes its side when it has executed what it got.
            replies.await;
        },
    }
    Ok(())
}

/// Carries everything from one side to the other.
async fn direction(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    state: &Shared,
    parse: impl Fn(&[u8]) -> Parsed,
    decide: impl FnMut(&Value, &[u8]) -> Fate,
) -> End {
    let (queue, queued) = unbounded_channel();
    let delay = || locked(state).delay;
    let (end, ()) = tokio::join!(read(from, queue, delay, parse, decide), write(to, queued));
    end
}

/// Bytes to be written, not before their time.
type Due = (Instant, Vec<u8>);

async fn read(
    mut from: OwnedReadHalf,
    queue: UnboundedSender<Due>,
    delay: impl Fn() -> Duration,
    parse: impl Fn(&[u8]) -> Parsed,
    mut decide: impl FnMut(&Value, &[u8]) -> Fate,
) -> End {
    let mut received = Vec::with_capacity(16 * 1024);
    loop {
        match from.read_buf(&mut received).await {
            Ok(0) | Err(_) => return End::Closed,
            Ok(_) => {}
        }
        let mut out = Vec::new();
        let mut taken = 0;
        let mut cut = false;
        while !cut {
            let (value, length) = match parse(&received[taken..]) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => break,
                Err(malformed) => {
                    eprintln!("the proxy cuts a connection: {malformed}");
                    return End::Cut;
                }
            };
            let bytes = &received[taken..taken + length];
            match decide(&value, bytes) {
                Fate::Forward => out.extend_from_slice(bytes),
                Fate::Swallow => {}
                Fate::Cut => cut = true,
            }
            taken += length;
        }
        received.drain(..taken);
        if !out.is_empty() {
            // A writer that is gone could not write any more: the other side has closed.
            let _ = queue.send((Instant::now() + delay(), out));
        }
        if cut {
            return End::Cut;
        }
    }
}

/// Writes what is queued, then closes.
async fn write(mut to: OwnedWriteHalf, mut queued: UnboundedReceiver<Due>) {
    while let Some((due, bytes)) = queued.recv().await {
        tokio::time::sleep_until(due).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

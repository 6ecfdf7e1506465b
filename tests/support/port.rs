//! Ports that stay a test's own while nothing listens on them.
//!
//! A server that is restarted must find its port free. So ports come from below the range that the system
//! hands out to outgoing connections, where a client that keeps trying to connect could be given the very
//! port it is trying (and so be connected to itself), and each is claimed by a locked file, so that tests
//! running at the same time, in whatever process, keep off it.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;

use rustix::fs::{FlockOperation, flock};
use rustix::net::{Shutdown, shutdown};

use crate::names::random;

const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A port of 127.0.0.1 that nobody else uses until this is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _claim: File,
}

impl Port {
    /// Claims a free port.
    pub(crate) fn claim() -> io::Result<Self> {
        let claims = std::env::temp_dir().join("coord-test-ports");
        fs::create_dir_all(&claims)?;
        let start = u16::try_from(random() % u64::from(COUNT)).unwrap_or(0);
        for step in 0..COUNT {
            let number = FIRST + (start + step) % COUNT;
            let claim = File::create(claims.join(number.to_string()))?;
            if flock(&claim, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            let port = Self {
                number,
                _claim: claim,
            };
            if port.is_free() {
                return Ok(port);
            }
        }
        Err(io::Error::other(format!(
            "no free port from {FIRST} to {}",
            FIRST + COUNT - 1
        )))
    }

    /// Whether one can listen here.
    fn is_free(&self) -> bool {
        TcpListener::bind(self.addr()).is_ok_and(|listener| close(listener).is_ok())
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

/// Stops listening.
///
/// A process that is being started at this moment has copies of all that this one has open, so dropping a
/// listener is not enough: it would listen on until the copy is gone.
pub(crate) fn close(listener: impl AsFd) -> io::Result<()> {
    Ok(shutdown(listener, Shutdown::Read)?)
}

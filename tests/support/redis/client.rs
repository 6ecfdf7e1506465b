//! A client that sends one command over a connection of its own.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::resp::{Value, encode, parse_reply};
use crate::wait::{PATIENCE, blocking};

const CONNECT: Duration = Duration::from_secs(1);

/// Where a server is, and what it takes to be let in.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) addr: SocketAddr,
    pub(crate) password: Option<String>,
}

impl Endpoint {
    pub(crate) fn url(&self) -> String {
        let mut url = "redis://".to_owned();
        if let Some(password) = &self.password {
            url.push(':');
            for byte in password.bytes() {
                if byte.is_ascii_alphanumeric() {
                    url.push(char::from(byte));
                } else {
                    let _ = write!(url, "%{byte:02X}");
                }
            }
            url.push('@');
        }
        let _ = write!(url, "{}", self.addr);
        url
    }

    /// The reply to a command. An error reply is an error of kind `Other`.
    pub(crate) async fn ask(&self, words: &[&str]) -> io::Result<Value> {
        let endpoint = self.clone();
        let command = encode(words);
        blocking(move || endpoint.ask_now(&command)).await
    }

    fn ask_now(&self, command: &[u8]) -> io::Result<Value> {
        let mut stream = TcpStream::connect_timeout(&self.addr, CONNECT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        if let Some(password) = &self.password {
            exchange(&mut stream, &encode(&["AUTH", password]))?;
        }
        exchange(&mut stream, command)
    }
}

fn exchange(stream: &mut TcpStream, command: &[u8]) -> io::Result<Value> {
    stream.write_all(command)?;
    let mut received = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(&chunk[..length]);
        match parse_reply(&received) {
            Ok(Some((Value::Error(error), _))) => return Err(io::Error::other(error)),
            Ok(Some((value, _))) => return Ok(value),
            Ok(None) => {}
            Err(malformed) => return Err(io::Error::other(malformed.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_escaped_in_the_url() {
        let endpoint = Endpoint {
            addr: SocketAddr::from(([127, 0, 0, 1], 7)),
            password: Some("a@b:c/d".to_owned()),
        };
        assert_eq!(endpoint.url(), "redis://:a%40b%3Ac%2Fd@127.0.0.1:7");
    }
}

//! Starting the shop again whenever it dies, as a service manager would.

use std::env;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::CANNOT_START;
use crate::settings::Settings;

/// One that dies sooner than this is started again only after this.
const SOON: Duration = Duration::from_millis(500);

/// Returns when the shop has ended by itself, or cannot start.
pub(crate) fn run(settings: &Settings) -> Result<(), String> {
    let port = match settings.port {
        0 => free_port()?,
        port => port,
    };
    let program = env::current_exe().map_err(|error| format!("cannot find itself: {error}"))?;
    println!("the shop is at http://127.0.0.1:{port}");
    loop {
        let begun = Instant::now();
        let mut child = Command::new(&program)
            .args(["--supervised", &port.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start itself: {error}"))?;
        let id = child.id();
        // While this is open, the child knows that it is looked after. It must outlive the wait, which would close it.
        let leash = child.stdin.take();
        let ended = child
            .wait()
            .map_err(|error| format!("cannot wait for process {id}: {error}"))?;
        drop(leash);
        if ended.success() {
            return Ok(());
        }
        if ended.code() == Some(i32::from(CANNOT_START)) {
            return Err("it cannot start, for the reason above".to_owned());
        }
        println!("process {id} died ({ended}); the next one is started");
        if begun.elapsed() < SOON {
            thread::sleep(SOON);
        }
    }
}

fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|addr| addr.port())
        .map_err(|error| format!("there is no free port: {error}"))
}

//! A worker that says what it is told, and starts a server when told so.

use coord_tests::RedisServer;
use coord_tests::worker::{Commands, say};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut commands = Commands::listen();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    say(format_args!("ready {}", arguments.join(" ")));
    let mut servers = Vec::new();
    loop {
        let command = commands.next().await;
        if command == "server" {
            let server = RedisServer::start().await;
            say(format_args!("server {}", server.addr()));
            say(format_args!("folder {}", server.folder().display()));
            servers.push(server);
        } else {
            say(format_args!("heard {command}"));
        }
    }
}

//! Several servers that hold the same data.

use super::{ZookeeperServer, ZookeeperServerBuilder};
use crate::port::Port;

/// Three servers, of which two have to be there.
#[derive(Debug)]
pub struct ZookeeperEnsemble {
    servers: Vec<ZookeeperServer>,
    /// On which they talk to each other.
    _ports: Vec<Port>,
}

impl ZookeeperEnsemble {
    /// Starts them. Returns when all of them answer.
    pub async fn start() -> Self {
        let ports: Vec<_> = (0..6).map(|_| Port::claim().expect("a port")).collect();
        let members = ports.chunks(2).enumerate().map(|(index, ports)| {
            let [peers, votes] = [ports[0].number(), ports[1].number()];
            format!("server.{}=127.0.0.1:{peers}:{votes}\n", index + 1)
        });
        let members: String = members.collect();
        let builder = |number| ZookeeperServerBuilder {
            member: Some(number),
            ..ZookeeperServerBuilder::default()
        };
        let servers: Vec<_> = (1..=3)
            .map(|number| {
                let lines = format!("initLimit=20\nsyncLimit=8\n{members}");
                builder(number).line(lines).make()
            })
            .collect();
        servers.iter().for_each(ZookeeperServer::launch);
        for server in &servers {
            server.until_it_serves().await;
        }
        Self {
            servers,
            _ports: ports,
        }
    }

    /// The URL to connect to any of them.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self
            .servers
            .iter()
            .map(|server| server.addr().to_string())
            .collect();
        format!("zk://{}", hosts.join(","))
    }

    /// The one that leads.
    pub async fn leader(&self) -> &ZookeeperServer {
        for server in &self.servers {
            let status = server.status().await.unwrap_or_default();
            if status.contains("Mode: leader") {
                return server;
            }
        }
        panic!("nobody leads")
    }

    /// All of them.
    pub fn servers(&self) -> &[ZookeeperServer] {
        &self.servers
    }
}

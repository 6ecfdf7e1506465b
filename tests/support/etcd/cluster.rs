//! Several servers that hold the same data.

use super::{EtcdServer, EtcdServerBuilder};
use crate::port::Port;
use crate::wait::until;

/// Three servers, of which two have to be there.
#[derive(Debug)]
pub struct EtcdCluster {
    servers: Vec<EtcdServer>,
}

impl EtcdCluster {
    /// Starts them. Returns when all of them answer.
    pub async fn start() -> Self {
        let ports: Vec<_> = (0..3).map(|_| Port::claim().expect("a port")).collect();
        let members: Vec<_> = ports
            .iter()
            .enumerate()
            .map(|(index, port)| format!("member{index}=http://127.0.0.1:{}", port.number()))
            .collect();
        let members = members.join(",");
        let servers: Vec<_> = ports
            .into_iter()
            .enumerate()
            .map(|(index, port)| {
                EtcdServerBuilder {
                    member: Some((format!("member{index}"), members.clone())),
                    ..EtcdServerBuilder::default()
                }
                .make(port)
            })
            .collect();
        servers.iter().for_each(EtcdServer::launch);
        for server in &servers {
            server.until_it_serves().await;
        }
        Self { servers }
    }

    /// The URL to connect to any of them.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self
            .servers
            .iter()
            .map(|server| server.addr().to_string())
            .collect();
        format!("etcd://{}", hosts.join(","))
    }

    /// The one that leads.
    pub async fn leader(&self) -> &EtcdServer {
        until("one of the servers to lead", async || {
            for server in &self.servers {
                if server.leads().await {
                    return Some(server);
                }
            }
            None
        })
        .await
    }

    /// All of them.
    pub fn servers(&self) -> &[EtcdServer] {
        &self.servers
    }
}

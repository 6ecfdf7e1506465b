//! Two transactions that put one key, all on one connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

use super::Floor;

#[derive(Clone, PartialEq, Message)]
struct Txn {
    #[prost(message, repeated, tag = "2")]
    success: Vec<Operation>,
}

#[derive(Clone, PartialEq, Message)]
struct Operation {
    #[prost(message, optional, tag = "2")]
    put: Option<Put>,
}

#[derive(Clone, PartialEq, Message)]
struct Put {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(bool, tag = "2")]
    succeeded: bool,
}

pub(crate) async fn floor(server: SocketAddr) -> Floor {
    let endpoint = Endpoint::from_shared(format!("http://{server}")).expect("an address");
    let channel = endpoint.connect().await.expect("a connection");
    super::floor(move |key| {
        let mut client = Grpc::new(channel.clone());
        async move {
            for _ in 0..2 {
                client.ready().await.expect("a connection");
                let path = PathAndQuery::from_static("/etcdserverpb.KV/Txn");
                let codec = ProstCodec::<Txn, Answer>::default();
                let put = Request::new(put(&key));
                let answer = client.unary(put, path, codec).await.expect("an answer");
                assert!(answer.into_inner().succeeded);
            }
        }
    })
}

fn put(key: &str) -> Txn {
    let put = Put {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::from_static(b"owner"),
    };
    Txn {
        success: vec![Operation { put: Some(put) }],
    }
}

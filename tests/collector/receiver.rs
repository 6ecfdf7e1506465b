//! A receiver of OTLP over HTTP, which writes down what it is sent.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A collector on a port of its own. Dropping it ends it.
pub(crate) struct Collector {
    port: u16,
    received: Arc<Mutex<Received>>,
    server: JoinHandle<std::io::Result<()>>,
}

/// A span as it came.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: Vec<u8>,
    pub(crate) id: Vec<u8>,
    pub(crate) parent: Vec<u8>,
    begun: u64,
    fields: Vec<KeyValue>,
}

#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    /// As they were sent last.
    metrics: Vec<Metric>,
}

type Shared = Arc<Mutex<Received>>;

impl Collector {
    pub(crate) async fn start() -> Self {
        let received = Shared::default();
        let app = Router::new()
            .route("/v1/traces", post(take_spans))
            .route("/v1/metrics", post(take_metrics))
            .with_state(Arc::clone(&received));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            port: listener.local_addr().unwrap().port(),
            received,
            server: tokio::spawn(async move { axum::serve(listener, app).await }),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// In the order in which they began.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans = self.received.lock().unwrap().spans.clone();
        spans.sort_by_key(|span| span.begun);
        spans
    }

    pub(crate) fn metrics(&self) -> Vec<Metric> {
        self.received.lock().unwrap().metrics.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Span {
    /// Whether no field came twice.
    pub(crate) fn has_each_field_once(&self) -> bool {
        let names: BTreeSet<_> = self.fields.iter().map(|field| &field.key).collect();
        names.len() == self.fields.len()
    }

    /// A field, as text.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let found = self.fields.iter().find(|field| field.key == name)?;
        Some(text(found))
    }
}

/// Labels in the order of their names.
pub(crate) fn labels(labels: &[KeyValue]) -> String {
    let mut labels: Vec<_> = labels
        .iter()
        .map(|label| format!("{}={}", label.key, text(label)))
        .collect();
    labels.sort_unstable();
    labels.join(" ")
}

fn text(field: &KeyValue) -> String {
    match field.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => format!("{other:?}"),
    }
}

async fn take_spans(State(received): State<Shared>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let scopes = request
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).map(|span| Span {
        name: span.name,
        trace: span.trace_id,
        id: span.span_id,
        parent: span.parent_span_id,
        begun: span.start_time_unix_nano,
        fields: span.attributes,
    });
    received.lock().unwrap().spans.extend(spans);
    StatusCode::OK
}

async fn take_metrics(State(received): State<Shared>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportMetricsServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let scopes = request
        .resource_metrics
        .into_iter()
        .flat_map(|resource| resource.scope_metrics);
    received.lock().unwrap().metrics = scopes.flat_map(|scope| scope.metrics).collect();
    StatusCode::OK
}

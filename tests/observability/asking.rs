//! Every query and every rule, asked of a Prometheus that scrapes the example.

use axum::body::Bytes;
use axum::http::Request;
use coord_tests::prometheus::PrometheusServer;
use coord_tests::{Worker, until};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::{alerts, file, panels};

/// Prometheus, and what it looks at.
struct Watched {
    server: PrometheusServer,
    _example: Worker,
}

impl Watched {
    async fn start() -> Self {
        let mut example = Worker::spawn(env!("CARGO_BIN_EXE_metrics_endpoint"), ["127.0.0.1:0"]);
        let address = example.expect_line("http://").await;
        let address = address.trim_end_matches("/metrics");
        let configuration = crate::CONFIGURATION
            .replace("127.0.0.1:9464", address)
            .replace("15s", "200ms")
            .replace("alerts.yml", file("alerts.yml").to_str().unwrap());
        Self {
            server: PrometheusServer::start(&configuration).await,
            _example: example,
        }
    }

    /// What the server answers, which must be an answer.
    async fn get(&self, path: &str) -> Value {
        let connection = TcpStream::connect(self.server.address()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(connection))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = Request::get(path).header("host", self.server.address());
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_eq!(answer["status"], "success", "{path}: {status} {answer}");
        answer["data"].clone()
    }

    /// The values of an expression, and `None` while there are none.
    async fn values(&self, expression: &str) -> Option<Vec<String>> {
        let data = self
            .get(&format!("/api/v1/query?query={}", encoded(expression)))
            .await;
        let series = data["result"].as_array().unwrap();
        let values = series
            .iter()
            .map(|series| series["value"][1].as_str().unwrap().to_owned());
        (!series.is_empty()).then(|| values.collect())
    }

    /// Returns when an expression has a value that is a number; a quantile of nothing is none.
    async fn until_it_has_data(&self, expression: &str) {
        until(&format!("data of {expression}"), async || {
            let values = self.values(expression).await?;
            values.iter().any(|value| value != "NaN").then_some(())
        })
        .await;
    }
}

/// Text as it can stand in a query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A query as Grafana asks it, with everything chosen.
fn as_asked(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "10s")
        .replace("$__range", "1m")
        .replace("$template", ".*")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_dashboard_and_of_the_alerts_has_data_and_what_is_wrong_is_told() {
    let watched = Watched::start().await;
    for row in panels::rows() {
        for panel in row.panels {
            for query in panel.queries {
                watched
                    .until_it_has_data(&as_asked(&query.expression))
                    .await;
            }
        }
    }
    for alert in alerts::alerts() {
        watched.until_it_has_data(&alert.value).await;
    }
    let rules = until("all rules to be evaluated", async || {
        let data = watched.get("/api/v1/rules").await;
        let rules = data["groups"][0]["rules"].as_array().unwrap().clone();
        rules
            .iter()
            .all(|rule| rule["health"] != "unknown")
            .then_some(rules)
    })
    .await;
    assert_eq!(rules.len(), alerts::alerts().len());
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    // The example has a saga that is stuck, locks that are lost, and two orders of locks.
    for name in ["CoordSagaStuck", "CoordLockLost", "CoordLockOrderCycle"] {
        until(&format!("{name} to fire"), async || {
            let data = watched.get("/api/v1/alerts").await;
            let alerts = data["alerts"].as_array().unwrap();
            let fires = alerts
                .iter()
                .any(|alert| alert["labels"]["alertname"] == name && alert["state"] == "firing");
            fires.then_some(())
        })
        .await;
    }
}

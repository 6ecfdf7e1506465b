//! The dashboard, the alerts and the configuration in `examples/observability`: made here of the metrics' own names, and
//! asked of a real Prometheus.
//!
//! `COORD_GOLDEN=write cargo test -p coord-tests --test observability` writes the files anew.

mod alerts;
mod asking;
mod dashboard;
mod panels;

use std::fs;
use std::path::PathBuf;

use coord::metrics::{self, Kind};

/// What is scraped, as one would write it for the example.
const CONFIGURATION: &str = "\
# For `cargo run --example metrics_endpoint`; run `prometheus --config.file=prometheus.yml` in this folder.
global:
  scrape_interval: 15s
  evaluation_interval: 15s
rule_files:
  - alerts.yml
scrape_configs:
  - job_name: coord
    static_configs:
      - targets: [\"127.0.0.1:9464\"]
";

fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/observability");
    folder.join(name)
}

#[track_caller]
fn check(name: &str, text: &str) {
    let file = file(name);
    if std::env::var_os("COORD_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&file, text).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        text,
        written,
        "{} is not what the metrics make of it",
        file.display()
    );
}

#[test]
fn the_files_are_as_checked_in() {
    check("dashboard.json", &dashboard::text(&panels::rows()));
    check("alerts.yml", &alerts::text(&alerts::alerts()));
    check("prometheus.yml", CONFIGURATION);
}

/// Every metric is looked at, and everything that is looked at is a metric.
#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let rows = panels::rows();
    let panels = rows.iter().flat_map(|row| &row.panels);
    let queries = panels.flat_map(|panel| &panel.queries);
    let all: Vec<_> = queries.map(|query| query.expression.as_str()).collect();
    for metric in metrics::ALL {
        let is_shown = all.iter().any(|query| query.contains(metric.name));
        assert!(is_shown, "{} is on no panel", metric.name);
    }
    let alerts: Vec<_> = alerts::alerts()
        .iter()
        .map(alerts::Alert::expression)
        .collect();
    for query in all.into_iter().chain(alerts.iter().map(String::as_str)) {
        for name in names(query) {
            assert!(is_a_series(name), "{name} is no metric: {query}");
        }
    }
}

/// What begins with `coord_` in a query.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("coord_"))
}

fn is_a_series(name: &str) -> bool {
    metrics::ALL
        .iter()
        .any(|metric| match name.strip_prefix(metric.name) {
            Some("") => metric.kind != Kind::Histogram,
            Some("_bucket" | "_sum" | "_count") => metric.kind == Kind::Histogram,
            _ => false,
        })
}

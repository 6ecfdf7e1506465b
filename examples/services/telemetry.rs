//! Spans and metrics, sent to an OpenTelemetry collector.
//!
//! `cargo run --example telemetry`
//!
//! The collector is expected at `http://localhost:4318`, or where `OTEL_EXPORTER_OTLP_ENDPOINT` says. For one that shows
//! what it gets: `docker run -p 4318:4318 otel/opentelemetry-collector`.

use std::error::Error;

use coord::{Context, Coordinator, idempotent, locked};
use metrics_opentelemetry::{OpenTelemetryMetrics, OpenTelemetryRecorder};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// What sends. To be shut down at the end, or the last of both is lost.
struct Telemetry {
    tracers: SdkTracerProvider,
    meters: SdkMeterProvider,
}

impl Telemetry {
    fn install() -> Result<Self, Box<dyn Error>> {
        let resource = Resource::builder().with_service_name("shop").build();

        let exporter = SpanExporter::builder().with_http().build()?;
        let tracers = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_batch_exporter(exporter)
            .build();
        // Only what this program and coord say: what sends spans makes spans of its own, which would be sent too.
        let targets = Targets::new()
            .with_target("coord", LevelFilter::DEBUG)
            .with_target("telemetry", LevelFilter::DEBUG);
        let spans = tracing_opentelemetry::layer().with_tracer(tracers.tracer("shop"));
        tracing_subscriber::registry()
            .with(spans.with_filter(targets))
            .try_init()?;

        let exporter = MetricExporter::builder().with_http().build()?;
        let meters = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_periodic_exporter(exporter)
            .build();
        let mut recorder =
            OpenTelemetryRecorder::new(OpenTelemetryMetrics::new(meters.meter("shop")));
        // The same buckets as for Prometheus.
        for metric in coord::metrics::ALL {
            if !metric.buckets.is_empty() {
                recorder.set_histogram_bounds_mut([metric.name].into_iter(), metric.buckets);
            }
        }
        metrics::set_global_recorder(recorder)?;
        coord::metrics::describe();
        Ok(Self { tracers, meters })
    }

    /// Sends the rest.
    fn shut_down(&self) -> Result<(), Box<dyn Error>> {
        let spans = self.tracers.shutdown();
        self.meters.shutdown()?;
        Ok(spans?)
    }
}

#[locked("order:<id>")]
async fn process(id: u64) -> Result<u64, coord::Error> {
    pay(id).await
}

#[idempotent("payment:<order>", ttl = "24h")]
async fn pay(order: u64) -> Result<u64, coord::Error> {
    Ok(order * 100)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::install()?;
    let coord = Coordinator::connect("memory:").await?;
    coord.install()?;

    // The correlation id stands in every span, beside the ids that the collector's traces have.
    let request = Context::with_correlation_id("request-7");
    request
        .scope(async {
            process(42).await?;
            process(42).await
        })
        .await?;
    coord.shutdown().await;

    match tokio::task::spawn_blocking(move || {
        telemetry.shut_down().map_err(|error| error.to_string())
    })
    .await?
    {
        Ok(()) => println!("spans and metrics are with the collector"),
        Err(problem) => println!(
            "no collector took them at OTEL_EXPORTER_OTLP_ENDPOINT, or else http://localhost:4318: start one and try \
             again ({problem})"
        ),
    }
    Ok(())
}

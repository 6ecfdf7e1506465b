//! What is told to tracing, written down.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, set_default, set_global_default};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry;

/// What this thread tells, for as long as this is there.
pub struct Recording {
    told: Arc<Mutex<Told>>,
    _guard: DefaultGuard,
}

/// A span with the last value of each field.
#[derive(Debug, Clone, Default)]
pub struct Span {
    name: &'static str,
    key: u64,
    parent: Option<u64>,
    fields: BTreeMap<&'static str, String>,
}

#[derive(Default)]
struct Told {
    spans: BTreeMap<u64, Span>,
    events: String,
}

struct Recorder(Arc<Mutex<Told>>);

/// Gives the threads that record nothing a subscriber too. The first thread that comes to an event settles for all
/// of them whether anybody wants it, and one without a subscriber may say no while another one records.
fn want_all() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_global_default(registry()).expect("nobody else sets it"));
}

impl Recording {
    /// Starts writing down.
    pub fn start() -> Self {
        want_all();
        let told = Arc::new(Mutex::new(Told::default()));
        let subscriber = registry().with(Recorder(Arc::clone(&told)));
        Self {
            told,
            _guard: set_default(subscriber),
        }
    }

    /// The spans of this name, in the order in which they began.
    pub fn spans(&self, name: &str) -> Vec<Span> {
        let told = self.told.lock().unwrap();
        told.spans
            .values()
            .filter(|span| span.name == name)
            .cloned()
            .collect()
    }

    /// All that was told, as text.
    pub fn everything(&self) -> String {
        let told = self.told.lock().unwrap();
        format!("{:?}\n{}", told.spans, told.events)
    }
}

impl Span {
    /// Whether it began directly inside of the other one.
    pub fn is_in(&self, other: &Self) -> bool {
        self.parent == Some(other.key)
    }

    /// The last value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

impl Told {
    /// The span of this number that began last.
    fn latest(&mut self, id: &Id) -> Option<&mut Span> {
        let number = id.into_u64() & 0xffff_ffff;
        let mut latest = self.spans.values_mut().rev();
        latest.find(|span| span.key & 0xffff_ffff == number)
    }
}

impl Visit for Span {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut told = self.0.lock().unwrap();
        let current = context.current_span();
        let parent = attributes.parent().or_else(|| current.id());
        let parent = parent
            .and_then(|parent| told.latest(parent))
            .map(|parent| parent.key);
        // A number of a span that has ended is given out again.
        let key = (u64::try_from(told.spans.len()).unwrap() << 32) | (id.into_u64() & 0xffff_ffff);
        let mut span = Span {
            name: attributes.metadata().name(),
            key,
            parent,
            ..Span::default()
        };
        attributes.record(&mut span);
        told.spans.insert(key, span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut told = self.0.lock().unwrap();
        values.record(told.latest(id).expect("a span that was begun"));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Span::default();
        event.record(&mut fields);
        let mut told = self.0.lock().unwrap();
        let _ = writeln!(
            told.events,
            "{}: {:?}",
            event.metadata().target(),
            fields.fields
        );
    }
}

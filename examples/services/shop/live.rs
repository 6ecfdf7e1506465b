//! The stream of what the page shows: looked at once for all who watch, and sent when it has changed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde_json::json;
use tokio::sync::watch;

use crate::server::App;
use crate::view;

const LOOK_EVERY: Duration = Duration::from_millis(150);
/// After what time a page looks for the shop again, when the process has died.
const COME_BACK_AFTER: Duration = Duration::from_millis(300);

/// What was seen last, as JSON.
pub(crate) struct Live(watch::Sender<Arc<str>>);

impl Default for Live {
    fn default() -> Self {
        Self(watch::Sender::new(Arc::default()))
    }
}

/// Looks again and again while anybody watches, for as long as it is polled.
pub(crate) async fn follow(app: &App) {
    let Live(sender) = &app.live;
    loop {
        if sender.receiver_count() > 0 {
            let seen: Arc<str> = match view::look(app).await {
                Ok(view) => serde_json::to_string(&view).unwrap_or_default().into(),
                Err(problem) => json!({ "problem": problem.to_string() }).to_string().into(),
            };
            sender.send_if_modified(|last| {
                let is_new = **last != *seen;
                *last = seen;
                is_new
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// `GET /api/live`: ends when the process does.
pub(crate) fn stream(
    app: &App,
    stopped: watch::Receiver<bool>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let mut views = app.live.0.subscribe();
    // What is known already is sent at once.
    views.mark_changed();
    let events = stream::unfold((views, stopped), async |(mut views, mut stopped)| {
        loop {
            tokio::select! {
                changed = views.changed() => changed.ok()?,
                _ = stopped.wait_for(|stopped| *stopped) => return None,
            }
            let view = Arc::clone(&views.borrow_and_update());
            if !view.is_empty() {
                let event = Event::default().retry(COME_BACK_AFTER).data(&*view);
                return Some((Ok(event), (views, stopped)));
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

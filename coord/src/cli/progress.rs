//! Long work tells how far it is, on the standard error, if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line that says what is going on, and goes away when it is dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Work of which nobody knows how much it is.
    pub(super) fn of_unknown_length(what: &'static str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg}: {pos} ({elapsed})");
        Self::new(ProgressBar::no_length(), style.ok(), what)
    }

    /// Work of so many parts.
    pub(super) fn of(what: &'static str, length: u64) -> Self {
        let style = ProgressStyle::with_template("{msg} {bar:30} {percent}% ({eta} left)");
        Self::new(ProgressBar::new(length), style.ok(), what)
    }

    fn new(bar: ProgressBar, style: Option<ProgressStyle>, what: &'static str) -> Self {
        // It draws nothing unless that is a terminal.
        bar.set_draw_target(ProgressDrawTarget::stderr());
        if let Some(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    pub(super) fn add(&self, more: usize) {
        self.0.inc(u64::try_from(more).unwrap_or(u64::MAX));
    }

    pub(super) fn at(&self, place: u64) {
        self.0.set_position(place);
    }

    pub(super) fn is(&self, what: &'static str) {
        self.0.set_message(what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

//! Shows the progress of a run.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use scheduled_runs::{Phase, RunSnapshot};

use super::output::say;

const UNCOUNTED: &str = "  {spinner} {msg} ({elapsed})";
const COUNTED: &str = "  {spinner} {msg} [{bar:20}] {pos} of {len} ({elapsed})";

/// A bar if the vendor reports progress, otherwise a spinner; without a terminal, a line for each change.
pub(crate) struct Progress {
    bar: ProgressBar,
    shown: Option<String>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner().with_style(style(UNCOUNTED));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, shown: None }
    }

    /// The bar. Other lines can be printed above it.
    pub(crate) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    pub(crate) fn show(&mut self, run: &RunSnapshot) {
        let mut line = run.phase.to_string();
        self.bar.set_message(line.clone());
        if let Some(progress) = run.progress {
            if self.bar.length().is_none() {
                self.bar.set_style(style(COUNTED));
            }
            self.bar.set_length(progress.total);
            self.bar.set_position(progress.done);
            line = format!("{line}, {} of {} done", progress.done, progress.total);
        }
        if self.bar.is_hidden() && self.shown.as_ref() != Some(&line) {
            say!("  {line}");
            self.shown = Some(line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// How a run ended, as a part of a sentence.
pub(crate) fn ended(phase: Phase) -> &'static str {
    match phase {
        Phase::Succeeded => "succeeded",
        Phase::Failed => "failed",
        Phase::Cancelled => "was cancelled",
        Phase::Skipped => "was skipped",
        _ => "ended",
    }
}

/// How long a run took, as a cell of a table.
pub(crate) fn took(duration: Option<Duration>) -> String {
    duration.map_or_else(|| UNKNOWN.to_owned(), |took| format!("{} s", took.as_secs()))
}

/// A cell of a table whose content is not known. A line below the table says why.
pub(crate) const UNKNOWN: &str = "-";

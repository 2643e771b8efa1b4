//! Runs as jobs of a queue. The queue is apalis, in SQLite or in Postgres.
//!
//! A job is a row of a table of our own, [`table`]. A task of the queue only names a row and says "take the next step of it",
//! [`steps`]: start the run, or poll it once. What the step is, the row says. So a task may be lost, run twice, or be run by two
//! workers at once: the row is changed only by statements that compare before they set.
//!
//! | file | what is in it |
//! |---|---|
//! | `table.rs` | the rows, and the statements that keep them right |
//! | `steps.rs` | start, poll, end: what one task does |
//! | `queue.rs` | apalis over both databases, and a sweep for tasks that were lost |
//! | `story.rs` | the demonstration: a worker that is killed, and one that goes on |
//! | `main.rs` | the command line |

#[macro_use]
#[path = "../../shared/lines.rs"]
mod lines;

pub mod queue;
pub mod steps;
pub mod story;
pub mod table;
#[path = "../../shared/vendors.rs"]
#[allow(dead_code, reason = "other examples use the rest of it")]
mod vendors;

use std::time::Duration;

use scheduled_runs::{Error, ErrorKind, Result, Target};

/// All times that matter. The defaults are for production.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long after its preparation a start may be sent.
    pub lease: Duration,
    /// How long a start may take to arrive at the vendor; then it has arrived, or never will.
    pub arrival: Duration,
    /// How far the clocks of the workers may differ.
    pub skew: Duration,
    /// How long a vendor may take to show a new run.
    pub grace: Duration,
    /// Before and after a start. Zero, except for a test that kills workers there.
    pub pause: Duration,
    /// Between two polls of a run.
    pub poll: Duration,
    /// Between two fetches of tasks by a worker.
    pub fetch: Duration,
    /// Between two signs of life of a worker. After four missed ones its tasks go to other workers.
    pub heartbeat: Duration,
    /// How late a step may be before its task counts as lost. Longer than a start takes, and than it takes until a dead worker is
    /// noticed.
    pub patience: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(1),
            arrival: Duration::from_secs(30),
            skew: Duration::from_secs(30),
            grace: Duration::from_mins(1),
            pause: Duration::ZERO,
            poll: Duration::from_secs(30),
            fetch: Duration::from_secs(1),
            heartbeat: Duration::from_secs(15),
            patience: Duration::from_mins(10),
        }
    }
}

impl Timing {
    /// The variable that makes all times [short](Self::short).
    pub const SHORT: &str = "JOB_QUEUE_SHORT_TIMES";

    /// Missed signs of life after which a worker counts as dead.
    pub const MISSED: usize = 4;

    pub fn from_env() -> Self {
        if std::env::var_os(Self::SHORT).is_none() { Self::default() } else { Self::short() }
    }

    /// For fakes, and workers on one machine.
    pub fn short() -> Self {
        Self {
            lease: Duration::from_millis(1500),
            arrival: Duration::from_secs(1),
            skew: Duration::from_millis(100),
            grace: Duration::from_millis(1500),
            pause: Duration::from_millis(100),
            poll: Duration::from_secs(1),
            fetch: Duration::from_millis(200),
            heartbeat: Duration::from_millis(500),
            patience: Duration::from_secs(8),
        }
    }
}

/// The database or a process failed.
pub fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Config, "the queue cannot be used").with_source(error)
}

/// Reads `VENDOR:TARGET`.
pub fn target(text: &str) -> Result<Target> {
    let (_, target) = vendors::parse(text)?;
    target.map_or_else(|| text.parse(), Ok)
}

/// An environment variable, or else the default.
pub fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

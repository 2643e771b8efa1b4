//! A web service that starts runs for its callers, each exactly once, and waits for all of them.
//!
//! A caller sends a request with an `Idempotency-Key`, and may send it again as often as it likes. The request becomes a row of a
//! table, and tasks of the service do the rest. So a caller that hangs up stops nothing, and a service that was killed continues
//! from its table. One process owns the table; for several workers, see the example `job_queue`.
//!
//! | file | what is in it |
//! |---|---|
//! | `service.rs` | the routes of HTTP |
//! | `store.rs` | the table, and the statements that keep it right |
//! | `runs.rs` | the tasks: start what is to be started, wait for what is running |
//! | `prometheus.rs` | metrics for Prometheus: copy it |
//! | `opentelemetry.rs` | metrics for OpenTelemetry: copy it |
//! | `lineage.rs` | what is known about a run as events of OpenLineage: copy it |
//! | `demo.rs` | the demonstration |
//! | `main.rs` | the command line, the account, the fake |

pub mod demo;
pub mod lineage;
pub mod opentelemetry;
pub mod prometheus;
pub mod runs;
pub mod service;
pub mod store;

/// What stops the program, or a task of it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The environment variable that makes all times short, for fakes.
pub const SHORT_TIMES: &str = "RUN_SERVICE_SHORT_TIMES";

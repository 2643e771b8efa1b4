//! The routes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{self, Path, Query};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt as _;
use scheduled_runs::run::Progress;
use scheduled_runs::{
    CancelOutcome, Error, ErrorKind, Phase, RunProviderExt as _, RunRef, RunSnapshot,
    Target,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::BoxError;
use crate::runs::Runs;
use crate::store::{Outcome, Row};

/// How far back a history goes, unless the request says so.
const HISTORY: TimeDelta = TimeDelta::days(7);

/// What the routes share. `metrics` renders the text for Prometheus.
pub fn router(
    runs: Runs,
    metrics: impl Fn() -> String + Send + Sync + 'static,
) -> Router {
    let metrics = Arc::new(metrics);
    Router::new()
        .route("/targets/{target}/runs", post(start).get(history))
        .route("/runs/{key}", get(show).delete(cancel))
        .with_state(runs)
        .route(
            "/metrics",
            get(move || async move { ([(header::CONTENT_TYPE, TEXT)], metrics()) }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
}

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Starts a run, unless this key has one. It does not wait for the vendor.
async fn start(
    extract::State(runs): extract::State<Runs>,
    Path(target): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let target = parse(&runs, &target)?;
    let key = key(&headers)?;
    let (row, is_new) = runs.request(key, &target).await?;
    if row.target != target {
        // As the draft for the header field says: the key is used for a request of another content. 409 would mean that the
        // first request is still in progress.
        let message =
            format!("the Idempotency-Key {key} belongs to a run of {}", row.target);
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "another_target",
            message,
        ));
    }
    let status = if is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let location = format!("/runs/{key}");
    Ok((status, [(header::LOCATION, location)], Status::of(&runs, row)).into_response())
}

async fn show(
    extract::State(runs): extract::State<Runs>,
    Path(key): Path<String>,
) -> Result<Json<Status>, Problem> {
    let row = find(&runs, &key).await?;
    Ok(Status::of(&runs, row))
}

/// Asks the vendor to cancel the run. The run ends later.
async fn cancel(
    extract::State(runs): extract::State<Runs>,
    Path(key): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&runs, &key).await?;
    let Some(run) = row.run.as_ref().filter(|_| row.outcome.is_none()) else {
        if row.outcome.is_some() {
            return Ok(Status::of(&runs, row).into_response());
        }
        let message = "the run is being started; cancel it when it is running";
        return Err(Problem::new(StatusCode::CONFLICT, "preparing", message));
    };
    let status = match runs.provider().cancel(run).await? {
        CancelOutcome::AlreadyFinished => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    };
    Ok((status, Status::of(&runs, row)).into_response())
}

#[derive(Deserialize)]
struct History {
    since: Option<DateTime<Utc>>,
    #[serde(default)]
    reasons: bool,
}

/// The runs of a target, newest first, whoever has started them.
async fn history(
    extract::State(runs): extract::State<Runs>,
    Path(target): Path<String>,
    Query(history): Query<History>,
) -> Result<Json<Vec<RunSnapshot>>, Problem> {
    let target = parse(&runs, &target)?;
    let since = history.since.unwrap_or_else(|| runs.provider().clock().utc() - HISTORY);
    let list = runs.provider().runs(&target).since(since);
    let list = if history.reasons { list.with_reasons() } else { list };
    Ok(Json(list.try_collect().await?))
}

/// Reads `Target::path_segment`, and the line of a target as well.
fn parse(runs: &Runs, segment: &str) -> Result<Target, Problem> {
    let target: Target = segment.parse().map_err(Problem::bad_request)?;
    target.id_at(runs.provider()).map_err(Problem::bad_request)?;
    Ok(target)
}

/// The idempotency key, in quotation marks or without. It becomes a part of a path.
fn key(headers: &HeaderMap) -> Result<&str, Problem> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.map(|key| key.trim_matches('"')).filter(|key| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=100).contains(&key.len()) && key.bytes().all(is_allowed)
    });
    key.ok_or_else(|| {
        let message = "send an Idempotency-Key of 1 to 100 letters, digits, - and _, such as a UUID: \
                       the same key never starts a second run";
        Problem::new(StatusCode::BAD_REQUEST, "idempotency_key", message)
    })
}

async fn find(runs: &Runs, key: &str) -> Result<Row, Problem> {
    let row = runs.find(key).await?;
    row.ok_or_else(|| {
        let message = format!("no request has had the Idempotency-Key {key}");
        Problem::new(StatusCode::NOT_FOUND, "not_found", message)
    })
}

/// What a caller is told about a row.
#[derive(Serialize)]
struct Status {
    key: String,
    target: Target,
    run: Option<RunRef>,
    #[serde(flatten)]
    state: State,
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    Preparing,
    /// The phase is unknown until this process has polled the run.
    Running {
        phase: Option<Phase>,
        progress: Option<Progress>,
    },
    #[serde(untagged)]
    Done(Box<Outcome>),
}

impl Status {
    fn of(runs: &Runs, row: Row) -> Json<Self> {
        let state = match (row.outcome, &row.run) {
            (Some(outcome), _) => State::Done(Box::new(outcome)),
            (None, None) => State::Preparing,
            (None, Some(run)) => {
                let seen = runs.last_seen(run);
                let progress = seen.as_ref().and_then(|seen| seen.progress);
                State::Running { phase: seen.map(|seen| seen.phase), progress }
            }
        };
        Json(Self { key: row.key, target: row.target, run: row.run, state })
    }
}

/// Why a request fails.
struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<Duration>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    fn bad_request(error: Error) -> Self {
        Self { status: StatusCode::BAD_REQUEST, ..Self::from(error) }
    }
}

/// The vendor, or the way to it, failed.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::RateLimited => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        let retry_after = error.server_pause();
        Self {
            retry_after,
            ..Self::new(status, error.kind().as_str(), error.to_string())
        }
    }
}

/// The table failed, which is no concern of the caller.
impl From<BoxError> for Problem {
    fn from(error: BoxError) -> Self {
        tracing::error!(error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the service has failed")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Json(json!({"code": self.code, "message": self.message}));
        match self.retry_after {
            Some(pause) => {
                let seconds = (pause.as_secs() + 1).to_string();
                (self.status, [(header::RETRY_AFTER, seconds)], body).into_response()
            }
            None => (self.status, body).into_response(),
        }
    }
}

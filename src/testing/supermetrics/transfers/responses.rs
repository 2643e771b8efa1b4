//! The bodies of responses.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::state::{Backfill, Run, State, Transfer};
use crate::testing::kit::{self, Body, Response};

pub(super) type ParsedRequest = kit::ParsedRequest<State>;
pub(super) type Reply = kit::Reply<State>;

/// Why something is refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: u16,
    code: &'static str,
    description: String,
}

impl Refusal {
    pub(super) fn new(status: u16, description: &str) -> Self {
        let code = match status {
            401 => "UNAUTHORIZED",
            403 => "FORBIDDEN",
            404 => "NOT_FOUND",
            409 => "CONFLICT_ERROR",
            422 => "UNPROCESSABLE_ENTITY",
            429 => "TOO_MANY_REQUESTS",
            503 => "SERVICE_UNAVAILABLE",
            400..=499 => "BAD_REQUEST",
            _ => "INTERNAL_SERVER_ERROR",
        };
        Self { status, code, description: description.to_owned() }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, &format!("there is no such {what} in this team"))
    }

    fn into_response(self) -> Response {
        let Self { status, code, description } = self;
        if matches!(status, 502 | 504) {
            return Response::page(status, status);
        }
        let error = json!({ "code": code, "message": "The request was refused", "description": description });
        let mut response = Response::json(status, json!({ "meta": {}, "error": error }));
        match status {
            401 => response.header("www-authenticate", "Bearer realm=\"supermetrics\""),
            429 => response.header("retry-after", "1"),
            _ => {}
        }
        response
    }
}

/// The object in `data`, as most operations send it.
pub(super) fn wrapped(status: u16, data: impl Into<Value>) -> Response {
    Response::json(status, json!({ "meta": {}, "data": data.into() }))
}

/// Adds what every response has.
pub(super) fn completed(reply: Reply, request_id: &str) -> Response {
    let mut response = reply.unwrap_or_else(Refusal::into_response);
    if let Body::Json(body) = &mut response.body
        && let Some(meta) = body.get_mut("meta").and_then(Value::as_object_mut)
    {
        meta.insert("request_id".to_owned(), request_id.into());
    }
    response.header("x-request-id", request_id);
    response.header("access-control-allow-origin", "*");
    response.header("x-ratelimit-limit", "5000");
    response
}

/// Ids are numbers; a test may choose one that is not.
fn number(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| id.into(), Value::from)
}

fn time(at: DateTime<Utc>) -> Value {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}

fn day(date: NaiveDate) -> Value {
    date.to_string().into()
}

impl Transfer {
    pub(super) fn listed(&self, last_run: Option<DateTime<Utc>>) -> Value {
        let state = if self.paused { "paused" } else { "active" };
        json!({
            "dwh_transfer_id": number(&self.id), "display_name": self.name(),
            "external_transfer_id": format!("ext-{}", self.id), "status": "active", "state": state,
            "schedule": self.definition.pointer("/schedule/0/run_interval"),
            "run_date": last_run.map(|run| day(run.date_naive())),
            "data_source": null, "destination": null, "backfill": null,
            "accounts": self.accounts(),
        })
    }

    pub(super) fn whole(&self) -> Value {
        let part = |name| self.definition.get(name).cloned().unwrap_or_default();
        let list = |name| self.definition.get(name).cloned().unwrap_or_else(|| json!([]));
        let recipients = list("notification_recipients");
        let recipients = recipients.as_array().into_iter().flatten();
        let recipients: Vec<_> = recipients.map(|email| json!({ "email": email })).collect();
        json!({
            "transfer_id": number(&self.id), "display_name": part("display_name"),
            "schema_id": part("schema_id"), "destination_id": part("destination_id"),
            "accounts": part("accounts"), "segments": list("segments"), "schedule": part("schedule"),
            "license": {
                "id": 5, "product_title": "Warehouse", "license_title": "Team", "is_expired": false,
                "is_trial": false, "end_date": "2099-01-01T00:00:00Z", "features": {},
            },
            "data_source": {
                "data_source_id": part("data_source_id"), "service_name": "Google Ads",
                "service_provider": "Google", "settings": list("data_source_settings"),
            },
            "notification_recipients": recipients, "external_url": null,
        })
    }

    pub(super) fn changed(&self) -> Value {
        json!({ "transfer_id": number(&self.id), "transfer_name": self.name() })
    }

    fn name(&self) -> Value {
        self.definition.get("display_name").cloned().unwrap_or_default()
    }

    fn accounts(&self) -> Vec<Value> {
        let accounts = self.definition.get("accounts").and_then(Value::as_array);
        accounts
            .into_iter()
            .flatten()
            .filter_map(|account| account.get("account_id").cloned())
            .collect()
    }
}

impl Backfill {
    pub(super) fn shown(&self) -> Value {
        let (created, completed, failed) = self.counts();
        let report = self
            .reason
            .iter()
            .map(|reason| json!({ "transfer_run_date": day(self.last_day), "error": reason }));
        json!({
            "transfer_backfill_id": number(&self.id), "transfer_id": number(&self.transfer),
            "range_start_date": day(self.first_day), "range_end_date": day(self.last_day),
            "created_time": time(self.created), "created_user_id": 614,
            "start_time": self.started.map(time), "end_time": self.ended.map(time),
            "status": self.status,
            "transfer_runs_total": self.days(), "transfer_runs_created": created,
            "transfer_runs_completed": completed, "transfer_runs_failed": failed,
            "error_report": report.collect::<Vec<_>>(),
            "removed_time": self.removed.map(time), "removed_user_id": self.removed.map(|_| 615),
        })
    }
}

impl Run {
    pub(super) fn listed(&self) -> Value {
        json!({
            "id": number(&self.id), "status": self.status, "created_time": time(self.created),
            "ended_time": self.ended.map(time), "type": self.kind(),
            "total_duration": self.seconds(), "total_rows": self.ended.map(|_| 9120),
            "data_date": day(self.day), "message": self.reason.as_deref().unwrap_or_default(),
        })
    }

    pub(super) fn whole(&self) -> Value {
        let query = json!({
            "duration": self.seconds(), "status": self.status, "rows": 9120,
            "error_description": self.reason,
        });
        let message = self.reason.as_ref().map_or("", |_| "1 of 1 queries failed.");
        json!({
            "id": number(&self.id), "status": self.status, "created_time": time(self.created),
            "queued_time": time(self.created), "started_time": time(self.created),
            "ended_time": self.ended.map(time), "query_details": [query],
            "external_id": format!("ext-{}", self.id), "query_amount": 1,
            "failed_query_amount": u8::from(self.reason.is_some()),
            "total_duration": self.seconds(), "total_rows": self.ended.map(|_| 9120),
            "data_date": day(self.day), "message": message,
        })
    }

    fn seconds(&self) -> Option<i64> {
        Some((self.ended? - self.created).num_seconds())
    }
}

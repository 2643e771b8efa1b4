//! Routes.

use std::cmp::Reverse;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value, json};

use super::FakeTransfers;
use super::responses::{ParsedRequest, Refusal, Reply, wrapped};
use super::state::{State, is_active};
use crate::testing::kit::{FakeState as _, Response};

/// The members of a configuration; the first six are required.
const MEMBERS: [&str; 10] = [
    "data_source_id",
    "schema_id",
    "destination_id",
    "display_name",
    "schedule",
    "accounts",
    "segments",
    "data_source_settings",
    "notification_recipients",
    "transfer_type",
];
const REQUIRED: usize = 6;

pub(super) fn route(state: &mut State, call: &ParsedRequest) -> Reply {
    if call.credential("authorization", "Bearer") != Some(FakeTransfers::API_KEY) {
        return Err(Refusal::new(401, "the key is not known"));
    }
    let Some(parts) = call.parts(State::BASE_PATH) else {
        return Err(match call.parts("/v1/teams") {
            Some(_) => Refusal::new(403, "the key belongs to another team"),
            None => Refusal::not_found("path"),
        });
    };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["transfers"]) => {
            call.bare()?;
            Ok(wrapped(200, state.listed_transfers()))
        }
        ("POST", ["transfers"]) => {
            let definition = definition(call)?;
            if let Some(fault) = faults(&definition).first() {
                return Err(Refusal::new(422, &fault.to_string()));
            }
            let id = state.create_transfer(definition.into());
            Ok(wrapped(201, state.transfer(&id)?.changed()))
        }
        ("POST", ["transfers", "validations"]) => Ok(validated(&definition(call)?)),
        ("POST", ["transfers", id, "validations"]) => {
            state.transfer(id)?;
            Ok(validated(&definition(call)?))
        }
        ("GET", ["transfers", id]) => {
            call.bare()?;
            Ok(Response::json(200, state.transfer(id)?.whole()))
        }
        ("PUT", ["transfers", id]) => {
            state.transfer(id)?;
            let definition = definition(call)?;
            if let Some(fault) = faults(&definition).first() {
                return Err(Refusal::new(422, &fault.to_string()));
            }
            let transfer = state.transfer(id)?;
            transfer.definition = definition.into();
            Ok(Response::json(200, transfer.changed()))
        }
        ("DELETE", ["transfers", id]) => {
            call.bare()?;
            state.transfer(id)?.deleted = true;
            Ok(Response::empty(204))
        }
        ("PUT", ["transfers", id, "state"]) => change_state(state, call, id),
        ("GET", ["transfers", id, "runs"]) => runs(state, call, id),
        ("POST", ["transfers", id, "backfills"]) => {
            let (first, last) = new_backfill(state, call, id)?;
            state.kit.count_trigger(id);
            let plan = state.kit.next_plan();
            let backfill = state.start(id, first, last, plan);
            Ok(wrapped(200, state.backfill(&backfill)?.shown()))
        }
        ("GET", ["transfers", id, "backfills", "latest"]) => {
            call.bare()?;
            state.transfer(id)?;
            let latest = state.listed(|backfill| backfill.transfer == *id).into_iter().next();
            Ok(wrapped(200, latest.ok_or_else(|| Refusal::not_found("backfill"))?))
        }
        ("GET", ["backfills"]) => {
            call.bare()?;
            let open =
                state.listed(|backfill| is_active(&backfill.status) || backfill.status == "FAILED");
            Ok(wrapped(200, open.into_iter().take(100).collect::<Vec<_>>()))
        }
        ("GET", ["backfills", id]) => {
            call.bare()?;
            state.backfill(id)?;
            state.poll(id);
            Ok(wrapped(200, state.backfill(id)?.shown()))
        }
        ("PATCH", ["backfills", id]) => {
            let status = state.backfill(id)?.status.clone();
            if Value::from(call.object()?) != json!({ "status": "CANCELLED" }) {
                return Err(Refusal::new(400, "status can only become CANCELLED"));
            }
            if matches!(status.as_str(), "COMPLETED" | "CANCELLED") {
                return Err(Refusal::new(422, "the backfill has ended"));
            }
            state.end(id, "CANCELLED");
            Ok(wrapped(200, state.backfill(id)?.shown()))
        }
        ("GET", ["transfer_runs", id]) => {
            call.bare()?;
            let run = state.runs.iter().find(|run| run.id == *id);
            Ok(wrapped(200, run.ok_or_else(|| Refusal::not_found("run"))?.whole()))
        }
        _ => Err(Refusal::not_found("path")),
    }
}

fn change_state(state: &mut State, call: &ParsedRequest, transfer: &str) -> Reply {
    let transfer = state.transfer(transfer)?;
    let body = call.object()?;
    transfer.paused = match (body.len(), body.get("transfer_state").and_then(Value::as_str)) {
        (1, Some("pause")) => true,
        (1, Some("unpause")) => false,
        _ => return Err(Refusal::new(400, "transfer_state is pause or unpause")),
    };
    let shown = if transfer.paused { "PAUSED" } else { "ACTIVE" };
    Ok(Response::json(200, json!({ "result": true, "state": shown })))
}

/// Whether a request creates a backfill.
pub(super) fn starts(state: &mut State, call: &ParsedRequest) -> bool {
    let parts = call.parts(State::BASE_PATH).unwrap_or_default();
    match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["transfers", id, "backfills"] if call.method == "POST" => {
            new_backfill(state, call, id).is_ok()
        }
        _ => false,
    }
}

/// The range of a backfill that is to be created.
fn new_backfill(
    state: &mut State,
    call: &ParsedRequest,
    transfer: &str,
) -> Result<(NaiveDate, NaiveDate), Refusal> {
    state.transfer(transfer)?;
    let body = call.object()?;
    let day = |name: &str| {
        let day = body.get(name).and_then(Value::as_str).and_then(|day| day.parse().ok());
        day.ok_or_else(|| Refusal::new(400, &format!("{name} is not a date")))
    };
    let (first, last): (NaiveDate, NaiveDate) = (day("range_start")?, day("range_end")?);
    if body.len() > 2 || first > last {
        return Err(Refusal::new(400, "the range is two dates, the first one before the last"));
    }
    if !state.accepts_overlaps && state.overlaps(transfer, first, last) {
        return Err(Refusal::new(422, "the range overlaps an active backfill"));
    }
    Ok((first, last))
}

fn definition(call: &ParsedRequest) -> Result<Map<String, Value>, Refusal> {
    let body = call.object()?;
    if let Some(unknown) = body.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(Refusal::new(400, &format!("unknown member {unknown}")));
    }
    match MEMBERS.iter().take(REQUIRED).find(|name| !body.contains_key(**name)) {
        Some(missing) => Err(Refusal::new(400, &format!("{missing} is missing"))),
        None => Ok(body),
    }
}

/// What is not valid.
fn faults(definition: &Map<String, Value>) -> Vec<Value> {
    let is_empty = |value: &Value| match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    let empty =
        MEMBERS.iter().take(REQUIRED).filter(|name| definition.get(**name).is_some_and(is_empty));
    empty.map(|name| json!({ "field_id": name, "error_code": "isEmpty" })).collect()
}

fn validated(definition: &Map<String, Value>) -> Response {
    let errors = faults(definition);
    Response::json(200, json!({ "is_valid": errors.is_empty(), "errors": errors }))
}

fn runs(state: &mut State, call: &ParsedRequest, transfer: &str) -> Reply {
    call.no_body()?;
    let known = [
        "start_date",
        "end_date",
        "filter_issues_only",
        "sort_field",
        "sort_direction",
        "limit",
        "offset",
    ];
    call.check_parameters(&known)?;
    let time = |name: &str| {
        let text = call.parameter(name).unwrap_or_default();
        let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
        time.ok_or_else(|| Refusal::new(400, &format!("{name} is not a time")))
    };
    let (start, end) = (time("start_date")?, time("end_date")?);
    if start > end {
        return Err(Refusal::new(400, "start_date is after end_date"));
    }
    let number = |name: &str, default: usize| match call.parameter(name) {
        None => Ok(default),
        Some(text) => {
            text.parse().map_err(|_| Refusal::new(400, &format!("{name} is not a number")))
        }
    };
    let (limit, offset) = (number("limit", 100)?, number("offset", 0)?);
    if !(1..=10_000).contains(&limit) {
        return Err(Refusal::new(400, "limit is 1 to 10000"));
    }
    let issues = match call.parameter("filter_issues_only") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Refusal::new(400, "filter_issues_only is true or false")),
    };
    let field = call.parameter("sort_field").unwrap_or("created_time");
    let is_ascending = match call.parameter("sort_direction") {
        Some("ASC") => true,
        None | Some("DESC") => false,
        Some(_) => return Err(Refusal::new(400, "sort_direction is ASC or DESC")),
    };
    if !["created_time", "ended_time", "data_date"].contains(&field) {
        return Err(Refusal::new(400, "runs are not sorted by this"));
    }
    // Lists move backfills as well.
    drop(state.listed(|backfill| backfill.transfer == transfer));
    let mut found: Vec<_> = state
        .runs
        .iter()
        .filter(|run| {
            let in_range = start <= run.created && run.created <= end;
            let is_wanted = !issues || run.status == "FAILED";
            run.transfer == transfer && in_range && is_wanted && run.listed_at.has_come()
        })
        .collect();
    let key = |run: &super::state::Run| -> (Option<DateTime<Utc>>, NaiveDate) {
        match field {
            "ended_time" => (run.ended, run.day),
            "data_date" => (None, run.day),
            _ => (Some(run.created), run.day),
        }
    };
    if is_ascending {
        found.sort_by_key(|run| key(run));
    } else {
        found.sort_by_key(|run| Reverse(key(run)));
    }
    let page: Vec<_> =
        found.into_iter().skip(offset).take(limit).map(super::state::Run::listed).collect();
    Ok(wrapped(200, page))
}

//! History, logins, fields, and the saved query.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::FakeSupermetrics;
use super::checks::{check_source, list, number, place, text};
use super::dates::moment;
use super::responses::{Object, Refusal, Reply};
use super::rows;
use super::shapes::put;
use super::state::{RUN_SECONDS, State};
use crate::testing::kit::Response;

const STATES: &[&str] =
    &["SCHEDULED", "QUEUED", "RUNNING", "SUCCESS", "FAILURE", "STOPPED", "PROCESS_EXITED"];
/// Slug of the saved query.
const SLUG: &str = "weekly-clicks";

/// The requested page, and `meta.paginate`.
pub(super) fn page(asked: &Object, all: Vec<Value>) -> (Vec<Value>, Value) {
    let offset = place(asked, "offset").unwrap_or(0);
    let limit = place(asked, "limit").unwrap_or(100);
    let paginate = json!({ "offset": offset, "limit": limit, "total": all.len() });
    (all.into_iter().skip(offset).take(limit).collect(), paginate)
}

/// The runs of a period, the latest first.
pub(super) fn history(state: &mut State, asked: &Object) -> Reply {
    state.listed();
    let now = state.kit.now();
    let time = |name: &str, default| match text(asked, name) {
        None => Ok(default),
        Some(text) => moment(text, now).ok_or_else(|| {
            Refusal::bad_request(&format!("{name} is neither a time nor known words"))
        }),
    };
    let (since, until) = (time("since", now - TimeDelta::hours(24))?, time("until", now)?);
    if since < now - TimeDelta::days(90) {
        return Err(Refusal::bad_request("since is more than 90 days ago"));
    }
    if until < since {
        return Err(Refusal::bad_request("until is before since"));
    }
    let (sources, states) = (list(asked, "ds_ids"), list(asked, "status_codes"));
    let unknown = |state: &&String| !STATES.contains(&state.to_uppercase().as_str());
    if let Some(unknown) = states.iter().find(unknown) {
        return Err(Refusal::bad_request(&format!("{unknown} is not a status code")));
    }
    let among = |list: &[String], text: &str| {
        list.is_empty() || list.iter().any(|item| item.eq_ignore_ascii_case(text))
    };
    let wanted = state.runs.iter().filter(|run| {
        let source = text(&run.query, "ds_id").unwrap_or_default();
        let in_time = since <= run.asked && run.asked <= until;
        in_time && run.is_listed() && among(&sources, source) && among(&states, &run.state)
    });
    let mut wanted: Vec<_> = wanted.collect();
    wanted.sort_by_key(|run| std::cmp::Reverse(run.asked));
    let rows = wanted.iter().map(|run| {
        let mut row = json!({
            "@type": "query_history", "schedule_time": state.form.time(run.asked),
            "schedule_id": run.schedule_id, "status_code": state.form.state(&run.state),
            "app_id": run.app,
        });
        if let Some(source) = text(&run.query, "ds_id") {
            put(&mut row, "ds_id", source.into());
        }
        if matches!(run.state.as_str(), "SUCCESS" | "FAILURE") {
            put(&mut row, "rows", run.table.as_ref().map_or(0, |table| table.rows.len()).into());
            put(&mut row, "run_seconds", RUN_SECONDS.into());
        }
        row
    });
    let (data, paginate) = page(asked, rows.collect());
    let filter = json!({ "since": state.form.time(since), "until": state.form.time(until) });
    Ok(Response::json(
        200,
        json!({ "meta": { "filter": filter, "paginate": paginate }, "data": data }),
    ))
}

/// The only login, with its `accounts` or `segments`.
pub(super) fn logins(state: &mut State, asked: &Object, what: &str) -> Reply {
    check_source(asked, state)?;
    let now = state.kit.now();
    let items = match what {
        "accounts" => json!([
            { "account_id": FakeSupermetrics::ACCOUNT, "account_name": "Initech EMEA", "group_name": "Initech" },
            { "account_id": "430719", "account_name": "Initech APAC", "group_name": "" },
        ]),
        _ => json!([{ "segment_id": "seg_returning", "segment_name": "Returning visitors" }]),
    };
    let cached = number(asked, "cache_minutes");
    let login = json!({
        "ds_user": FakeSupermetrics::USER, "display_name": "Initech Reports",
        "cache_time": cached.map(|_| state.form.time(now)), what: items,
    });
    let query = json!({ "cache_minutes": cached });
    Ok(Response::json(200, json!({ "meta": { "query": query }, "data": [login] })))
}

pub(super) fn fields() -> Response {
    let field = |(id, name, kind, data_type): &(&str, &str, &str, &str)| {
        let mut field = json!({
            "entity_type": if *kind == "dim" { "ds_dimension" } else { "ds_metric" },
            "field_id": id, "field_name": name, "field_type": kind, "data_type": data_type,
            "description": format!("{name} of the report"), "group_name": "Basic",
            "is_filterable": true, "report_types": ["standard"],
        });
        if *kind == "met" {
            put(&mut field, "is_non_aggregatable", false.into());
        }
        field
    };
    let data: Vec<_> = rows::FIELDS.iter().map(field).collect();
    Response::json(200, json!({ "meta": {}, "data": data }))
}

/// The parameters of a saved query, by its ID or slug.
pub(super) fn stored(id: &str) -> Result<Object, Refusal> {
    if ![FakeSupermetrics::SAVED_QUERY, SLUG].contains(&id) {
        return Err(Refusal::not_found("saved query"));
    }
    let stored = json!({
        "ds_id": FakeSupermetrics::DATA_SOURCE, "ds_accounts": [FakeSupermetrics::ACCOUNT],
        "date_range_type": "custom", "start_date": "7 days ago", "end_date": "yesterday",
        "fields": ["date", "clicks"],
    });
    Ok(if let Value::Object(stored) = stored { stored } else { Object::new() })
}

/// The same, changed by the parameters of a short URL.
pub(super) fn changed(id: &str, changes: &Object) -> Result<Object, Refusal> {
    let dates = changes.contains_key("start_date") || changes.contains_key("end_date");
    if dates && text(changes, "date_range_type") != Some("custom") {
        return Err(Refusal::bad_request("other dates need date_range_type=custom"));
    }
    let mut query = stored(id)?;
    query.extend(changes.clone());
    Ok(query)
}

pub(super) fn saved_query(id: &str) -> Reply {
    let stored = stored(id)?;
    let data = json!({
        "@type": "query", "query_id": FakeSupermetrics::SAVED_QUERY, "slug": SLUG,
        "name": "Weekly clicks",
        "ds_info": {
            "@type": "ds", "ds_id": FakeSupermetrics::DATA_SOURCE, "name": "Google Analytics 4",
        },
        "group_info": { "@type": "query_group", "group_id": "qg_marketing", "name": "Marketing" },
        "query_params": stored,
    });
    Ok(Response::json(200, json!({ "meta": {}, "data": data })))
}

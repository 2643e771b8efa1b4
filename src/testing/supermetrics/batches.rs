//! Batches: many queries in one request.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::checks::{self, FORMATS, Sent, check, check_query, check_source, list, place, text};
use super::dates::moment;
use super::lists::{page, stored};
use super::responses::{Object, Refusal, Reply};
use super::shapes::put;
use super::state::{Batch, BatchItem, Run, State};
use crate::testing::kit::Response;

/// A batch of more queries is refused.
const MOST_QUERIES: usize = 1000;

/// Starts all queries of a batch.
pub(super) fn create(state: &mut State, sent: &Sent<'_>, base: &str) -> Reply {
    let mut options = sent.read(checks::BATCH)?;
    let now = state.kit.now();
    for (name, default) in [
        ("description", json!("")),
        ("split_accounts_policy", json!("none")),
        ("split_dates_policy", json!("none")),
        ("timeout_minutes", json!(30)),
        ("query_concurrency", json!(5)),
        ("query_output_format", json!("json")),
        ("add_exclude_account_errors", json!(false)),
        ("add_clean_data_types", json!(false)),
    ] {
        options.entry(name).or_insert(default);
    }
    let asked = options.remove("queries").unwrap_or_default();
    let mut queries = Vec::new();
    for query in asked.as_array().map(Vec::as_slice).unwrap_or_default() {
        let query = query_of(query)?;
        check(&query, checks::DATA)?;
        check_query(&query, true, now)?;
        check_source(&query, state)?;
        split(&options, &query, now, &mut queries)?;
    }
    if queries.is_empty() {
        return Err(Refusal::bad_request("queries is empty"));
    }
    let wanted = text(&options, "query_output_format").unwrap_or("json");
    let format = FORMATS.iter().find(|known| **known == wanted).copied().unwrap_or("json");
    let id = format!("qrb_{}", state.kit.new_hex());
    let items = queries.into_iter().zip(1..).map(|((query, split), number)| {
        let schedule_id = format!("{id}_query_{number}");
        state.start(&query, format, Some(schedule_id.clone()));
        BatchItem { schedule_id, split }
    });
    let items = items.collect();
    state.batches.push(Batch { id: id.clone(), options, items, asked: now, cancelled: None });
    show(state, &id, base, 201)
}

/// Parameters, or a text that names a saved query by ID, slug or short URL.
fn query_of(query: &Value) -> Result<Object, Refusal> {
    match query {
        Value::Object(query) => Ok(query.clone()),
        Value::String(name) => {
            let named = name.split('/').find_map(|part| stored(part).ok());
            named.ok_or_else(|| Refusal::not_found("saved query"))
        }
        _ => Err(Refusal::bad_request("a query is an object or text")),
    }
}

/// One query per account and day, as far as the batch is to be split.
fn split(
    options: &Object,
    query: &Object,
    now: DateTime<Utc>,
    queries: &mut Vec<(Object, Value)>,
) -> Result<(), Refusal> {
    let accounts = list(query, "ds_accounts");
    let by_account = text(options, "split_accounts_policy") == Some("all") && !accounts.is_empty();
    let groups: Vec<Vec<String>> =
        if by_account { accounts.into_iter().map(|id| vec![id]).collect() } else { vec![accounts] };
    let date = |name| text(query, name).and_then(|text| moment(text, now));
    let dates = date("start_date").zip(date("end_date"));
    let by_day = dates.filter(|_| text(options, "split_dates_policy") == Some("day"));
    for group in groups {
        let first = by_day.map(|(start, _)| start.date_naive());
        let last = by_day.map(|(_, end)| end.date_naive());
        let mut day = first;
        loop {
            if queries.len() >= MOST_QUERIES {
                return Err(Refusal::bad_request("these are too many queries for a batch"));
            }
            let (mut part, mut info) = (query.clone(), json!({ "ds_accounts": group }));
            if by_account {
                part.insert("ds_accounts".to_owned(), json!(group));
            }
            if let Some(day) = day {
                for name in ["start_date", "end_date"] {
                    part.insert(name.to_owned(), day.to_string().into());
                    put(&mut info, name, day.to_string().into());
                }
            }
            queries.push((part, info));
            day = day.and_then(|day| day.succ_opt()).filter(|day| Some(*day) <= last);
            if day.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Stops what is unfinished. A batch that has ended stays as it is.
pub(super) fn cancel(state: &mut State, id: &str) -> Result<(), Refusal> {
    let now = state.kit.now();
    let batch = state.batch(id)?;
    let ids: Vec<_> = batch.items.iter().map(|item| item.schedule_id.clone()).collect();
    let mut stopped = false;
    for run in state.runs.iter_mut().filter(|run| ids.contains(&run.schedule_id)) {
        if run.ended.is_none() {
            run.end("STOPPED", now);
            stopped = true;
        }
    }
    if stopped {
        state.batch(id)?.cancelled = Some(now);
    }
    Ok(())
}

/// The state in the rows of a batch.
fn state_of(run: &Run) -> &'static str {
    match run.state.as_str() {
        "SCHEDULED" | "QUEUED" => "QUEUED",
        "RUNNING" => "RUNNING",
        "SUCCESS" => "SUCCESS",
        _ => "FAILURE",
    }
}

impl State {
    fn runs_of(&self, batch: &Batch) -> Vec<&Run> {
        batch.items.iter().filter_map(|item| self.run_of(item)).collect()
    }

    fn batch_state(&self, batch: &Batch) -> &'static str {
        let runs = self.runs_of(batch);
        if runs.iter().all(|run| run.ended.is_some()) {
            "STOPPED"
        } else if runs.iter().all(|run| run.started.is_none()) {
            "QUEUED"
        } else {
            "RUNNING"
        }
    }
}

pub(super) fn show(state: &mut State, id: &str, base: &str, status: u16) -> Reply {
    state.batch(id)?;
    let Some(batch) = state.batches.iter().find(|batch| batch.id == id) else {
        return Err(Refusal::not_found("batch"));
    };
    let runs = state.runs_of(batch);
    let form = &state.form;
    let started = runs.iter().filter_map(|run| run.started).min();
    let ended: Option<Vec<_>> = runs.iter().map(|run| run.ended).collect();
    let ended = ended.and_then(|ended| ended.into_iter().max());
    let mut data = Value::Object(batch.options.clone());
    for (name, value) in [
        ("@type", json!("query_batch")),
        ("batch_id", json!(id)),
        ("status_code", json!(form.state(state.batch_state(batch)))),
        ("schedule_time", form.time(batch.asked)),
        ("start_time", json!(started.map(|at| form.time(at)))),
        ("end_time", json!(ended.map(|at| form.time(at)))),
        ("cancel_time", json!(batch.cancelled.map(|at| form.time(at)))),
        ("query_amount", json!(batch.items.len())),
    ] {
        put(&mut data, name, value);
    }
    let status_url = format!("{}{base}/query/batch/{id}/status", form.origin);
    put(&mut data, "links", json!({ "status": { "href": status_url } }));
    Ok(Response::json(status, json!({ "meta": {}, "data": data })))
}

/// Polls a batch, which makes as many of its queries move on as may run at once.
pub(super) fn status(state: &mut State, id: &str, base: &str, asked: &Object) -> Reply {
    let (now, held) = (state.kit.now(), state.kit.held);
    let batch = state.batch(id)?;
    let most = place(&batch.options, "query_concurrency").unwrap_or(5);
    let ids: Vec<_> = batch.items.iter().map(|item| item.schedule_id.clone()).collect();
    if !held {
        let runs = state.runs.iter_mut();
        let active = runs.filter(|run| run.ended.is_none() && ids.contains(&run.schedule_id));
        active.take(most).for_each(|run| run.step(now));
    }
    let Some(batch) = state.batches.iter().find(|batch| batch.id == id) else {
        return Err(Refusal::not_found("batch"));
    };
    let form = &state.form;
    let rows = batch.items.iter().filter_map(|item| {
        let run = state.run_of(item)?;
        let error = (state_of(run) == "FAILURE").then(|| {
            let stopped = ("QUERY_STOPPED".to_owned(), "The query was stopped".to_owned());
            let (code, message) = run.error.as_ref().unwrap_or(&stopped);
            let status = form.status_of(code);
            json!({ "status": status, "code": code, "message": message, "description": message })
        });
        let result = run.table.as_ref().map(|table| {
            let query = format!("schedule_id={}", run.schedule_id);
            let url = format!("{}{base}/query/results?{query}", form.origin);
            json!({ "total_rows": table.rows.len(), "results_url": url })
        });
        Some(json!({
            "@type": "batch_query", "schedule_id": run.schedule_id,
            "status_code": form.state(state_of(run)),
            "query_start_time": run.started.map(|at| form.time(at)),
            "query_end_time": run.ended.map(|at| form.time(at)),
            "split_info": item.split, "error_info": error, "result_info": result,
        }))
    });
    let (data, paginate) = page(asked, rows.collect());
    let runs = state.runs_of(batch);
    let count = |name: &str| runs.iter().filter(|run| state_of(run) == name).count();
    let meta = json!({
        "status_code": form.state(state.batch_state(batch)),
        "progress": {
            "queued": count("QUEUED"), "running": count("RUNNING"),
            "success": count("SUCCESS"), "failure": count("FAILURE"),
        },
        "paginate": paginate,
    });
    Ok(Response::json(200, json!({ "meta": meta, "data": data })))
}

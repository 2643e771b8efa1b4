//! Routes, and what each request may contain.

use serde_json::{Map, Value};

use super::lists::{QUERIES, RUNS, SCHEDULES, Wanted, moment};
use super::responses::{
    ParsedRequest, Refusal, Reply, bad_request, check_headers, invalid, not_found, service,
};
use super::state::{State, is_active};
use super::{FakeAdobe, accelerated_queries, alerts, events, signing, templates};
use crate::testing::kit::{FakeState as _, Response, segment};

pub(super) type Object = Map<String, Value>;

/// The body `{"op": …}`.
fn op(call: &ParsedRequest) -> Result<String, Refusal> {
    let object = call.object()?;
    only(&object, &["op"])?;
    Ok(text(&object, "op")?.to_owned())
}

pub(super) fn route(state: &mut State, call: &ParsedRequest) -> Reply {
    if let Some(reply) = signing::route(call).or_else(|| events::route(state, call)) {
        return reply;
    }
    let path = call.parts(State::BASE_PATH).ok_or_else(|| not_found("path"))?;
    check_headers(call, &state.kit.tokens)?;
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (call.method.as_str(), path.as_slice()) {
        ("GET", ["schedules"]) => list_schedules(state, call),
        ("POST", ["schedules"]) => create_schedule(state, call),
        ("GET", ["schedules", id]) => {
            call.bare()?;
            let schedule = state.schedule(id)?;
            schedule.register();
            Ok(Response::json(200, schedule.shown()))
        }
        ("PATCH", ["schedules", id]) => patch_schedule(state, call, id),
        ("DELETE", ["schedules", id]) => delete_schedule(state, call, id),
        ("GET", ["schedules", id, "runs"]) => list_runs(state, call, id),
        ("POST", ["schedules", id, "runs"]) => trigger_run(state, call, id),
        ("GET", ["schedules", id, "runs", run]) => {
            call.bare()?;
            Ok(Response::json(200, state.poll_run(id, run)?))
        }
        ("PATCH", ["schedules", id, "runs", run]) => cancel_run(state, call, id, run),
        ("GET", ["queries"]) => {
            call.no_body()?;
            let wanted = Wanted::read(&QUERIES, call)?;
            Ok(wanted.page("/queries", state.query_rows(), state.links))
        }
        ("POST", ["queries"]) => {
            let query = call.object()?;
            check_query(state, &query)?;
            Ok(Response::json(202, state.add_query(query.into())))
        }
        ("GET", ["queries", id]) => {
            call.bare()?;
            Ok(Response::json(200, state.poll_query(id)?))
        }
        ("PATCH", ["queries", id]) => patch_query(state, call, id),
        (method, ["query-templates", below @ ..]) => templates::route(state, call, method, below),
        (method, ["alert-subscriptions", below @ ..]) => alerts::route(state, call, method, below),
        ("POST", ["accelerated-queries"]) => accelerated_queries::run(state, call),
        _ => Err(not_found("path")),
    }
}

fn list_schedules(state: &mut State, call: &ParsedRequest) -> Reply {
    call.no_body()?;
    let wanted = Wanted::read(&SCHEDULES, call)?;
    Ok(wanted.page("/schedules", state.schedule_rows(), state.links))
}

fn create_schedule(state: &mut State, call: &ParsedRequest) -> Reply {
    let mut body = call.object()?;
    only(&body, &["query", "schedule"])?;
    let query = object(&body, "query")?;
    check_query(state, query)?;
    let name = query.get("name").and_then(Value::as_str).unwrap_or("query");
    let id = format!("{}{}", FakeAdobe::schedule_id(name), state.kit.new_uuid());

    let timetable = object(&body, "schedule")?;
    only(timetable, &["schedule", "startDate", "endDate", "maxActiveRuns"])?;
    check_cron(text(timetable, "schedule")?)?;
    for name in ["startDate", "endDate"] {
        if (name == "startDate" || timetable.contains_key(name))
            && moment(text(timetable, name)?).is_none()
        {
            return Err(invalid(name));
        }
    }
    let mut timetable = timetable.clone();
    let limit = timetable.entry("maxActiveRuns").or_insert_with(|| 1.into());
    if limit.as_u64().is_none_or(|runs| runs == 0) {
        return Err(invalid("maxActiveRuns"));
    }

    let query = body.remove("query").unwrap_or_default();
    state.add_schedule(&id, "REGISTERING", query, timetable.into());
    Ok(Response::json(202, state.schedule(&id)?.shown()))
}

fn patch_schedule(state: &mut State, call: &ParsedRequest, id: &str) -> Reply {
    let body = call.object()?;
    only(&body, &["body"])?;
    let changes = body.get("body").and_then(Value::as_array);
    let Some([Value::Object(change)]) = changes.map(Vec::as_slice) else {
        return Err(invalid("body"));
    };
    only(change, &["op", "path", "value"])?;
    if text(change, "op")? != "replace" {
        return Err(invalid("op"));
    }
    let (path, value) = (text(change, "path")?, text(change, "value")?);
    let now = state.kit.now();
    let schedule = state.schedule(id)?;
    if schedule.state == "REGISTERING" {
        return Err(bad_request("the schedule is inactive, try later"));
    }
    match (path, value) {
        ("/state", "enable" | "disable") => {
            let wanted = format!("{}D", value.to_uppercase());
            if schedule.state == wanted {
                return Err(bad_request("the schedule is in that state already"));
            }
            schedule.state = wanted;
        }
        ("/state", _) => return Err(invalid("value")),
        ("/schedule/schedule", cron) => {
            check_cron(cron)?;
            if let Some(timetable) = schedule.timetable.as_object_mut() {
                timetable.insert("schedule".to_owned(), cron.into());
            }
        }
        _ => return Err(invalid("path")),
    }
    schedule.updated = now;
    Ok(service(202, "Change accepted"))
}

fn delete_schedule(state: &mut State, call: &ParsedRequest, id: &str) -> Reply {
    call.bare()?;
    let schedule = state.schedule(id)?;
    if matches!(schedule.state.as_str(), "ENABLED" | "REGISTERING") {
        return Err(bad_request("the schedule must be disabled first"));
    }
    if schedule.runs.iter().any(|run| is_active(&run.state)) {
        return Err(bad_request("the schedule has active runs"));
    }
    state.schedules.retain(|schedule| schedule.id != id);
    Ok(service(202, "Schedule removed"))
}

fn list_runs(state: &mut State, call: &ParsedRequest, id: &str) -> Reply {
    call.no_body()?;
    let wanted = Wanted::read(&RUNS, call)?;
    let rows = state.run_rows(id)?;
    Ok(wanted.page(&format!("/schedules/{}/runs", segment(id)), rows, state.links))
}

/// The response does not name the run, as that of the service does not.
fn trigger_run(state: &mut State, call: &ParsedRequest, id: &str) -> Reply {
    call.bare()?;
    if state.schedule(id)?.state != "ENABLED" {
        return Err(bad_request("the schedule is not enabled"));
    }
    state.kit.count_trigger(id);
    let plan = state.kit.next_plan();
    state.trigger(id, plan, state.unseen_lists)?;
    Ok(service(202, "Run accepted."))
}

fn cancel_run(state: &mut State, call: &ParsedRequest, id: &str, run: &str) -> Reply {
    let op = op(call)?;
    let run = state.run(id, run)?;
    if op != "cancel" {
        return Err(invalid("op"));
    }
    run.cancelled |= is_active(&run.state);
    Ok(service(202, "Cancel accepted"))
}

fn patch_query(state: &mut State, call: &ParsedRequest, id: &str) -> Reply {
    let op = op(call)?;
    let now = state.kit.now();
    let query = state.query(id)?;
    match op.as_str() {
        "cancel" if is_active(&query.state) => {
            query.change("KILLED", now);
            Ok(service(202, "Cancel received"))
        }
        "cancel" => Err(service(409, "the query has ended already")),
        "soft_delete" => {
            query.deleted = true;
            Ok(service(202, "Query hidden"))
        }
        _ => Err(invalid("op")),
    }
}

pub(super) fn only(object: &Object, allowed: &[&str]) -> Result<(), Refusal> {
    let unknown = object.keys().find(|name| !allowed.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| Err(bad_request(&format!("unknown member {name}"))))
}

pub(super) fn text<'a>(object: &'a Object, name: &str) -> Result<&'a str, Refusal> {
    let value = object.get(name).and_then(Value::as_str);
    let value = value.filter(|value| !value.trim().is_empty());
    value.ok_or_else(|| invalid(name))
}

pub(super) fn object<'a>(parent: &'a Object, name: &str) -> Result<&'a Object, Refusal> {
    let value = parent.get(name).and_then(Value::as_object);
    value.ok_or_else(|| invalid(name))
}

/// Members of a query, in `POST /queries` and inside a new schedule.
fn check_query(state: &mut State, query: &Object) -> Result<(), Refusal> {
    text(query, "dbName")?;
    if query.contains_key("sql") == query.contains_key("templateId") {
        return Err(bad_request("give either sql or templateId"));
    }
    if query.contains_key("templateId") {
        state.template(text(query, "templateId")?).map_err(|_| invalid("templateId"))?;
    }
    for (name, value) in query {
        match name.as_str() {
            "dbName" | "sql" | "templateId" | "name" => {
                text(query, name)?;
            }
            "description" if value.is_string() => {}
            "queryParameters" => check_parameters(query)?,
            "insertIntoParameters" | "ctasParameters" => {
                let target = object(query, name)?;
                text(target, "datasetName")?;
                if name == "ctasParameters" {
                    only(target, &["datasetName", "description", "targetSchemaTitle"])?;
                } else {
                    only(target, &["datasetName"])?;
                }
            }
            "description" => return Err(invalid(name)),
            _ => return Err(bad_request(&format!("unknown member {name}"))),
        }
    }
    Ok(())
}

/// Values of parameters: texts by name, where there are any.
pub(super) fn check_parameters(parent: &Object) -> Result<(), Refusal> {
    let name = "queryParameters";
    if parent.contains_key(name) && !object(parent, name)?.values().all(Value::is_string) {
        return Err(invalid(name));
    }
    Ok(())
}

/// Five fields or a preset.
fn check_cron(cron: &str) -> Result<(), Refusal> {
    let preset = ["@once", "@hourly", "@daily", "@weekly", "@monthly", "@yearly"].contains(&cron);
    if preset || (!cron.starts_with('@') && cron.split_whitespace().count() == 5) {
        return Ok(());
    }
    Err(invalid("schedule"))
}

//! Routes, and what each request may contain.

use serde_json::{Map, Value, json};

use super::FakeMode;
use super::files::{PDF, csv, zip};
use super::lists::{self, DEPENDENTS, HISTORY, REPORTS, RUNS, Row, SUBSCRIPTIONS, Wanted, whole};
use super::responses::{
    ParsedRequest, Refusal, Reply, bad_request, check_content_type, check_login, file, hal,
    invalid, json_rows, missing, not_found, numeric_token, unknown_member, usual,
};
use super::shapes::{API, CONTENTS, SOURCES, SPACES, Source, file_name, form_field};
use super::state::{QueryRun, Report, Run, Schedule, State, is_active, is_good};
use crate::testing::kit::Response;

type Object = Map<String, Value>;
/// The parts of a path that are not matched yet.
type Rest<'a> = &'a [&'a str];

impl ParsedRequest {
    /// A list that comes in pages.
    fn paged(
        &self,
        state: &State,
        kind: &'static lists::Kind,
        rows: impl Iterator<Item = Row>,
    ) -> Reply {
        self.no_body()?;
        let wanted = Wanted::read(kind, self)?;
        wanted.page(&state.form, &self.path, rows.collect())
    }

    /// A list that is always sent whole.
    fn whole(&self, state: &State, key: &str, items: impl Iterator<Item = Value>) -> Reply {
        self.no_body()?;
        whole(&state.form, &self.path, &self.query, key, items)
    }

    /// The one member of the body, which is an object itself.
    fn wrapped(&self, name: &str) -> Result<Object, Refusal> {
        let mut body = self.object()?;
        let inner = body.remove(name).ok_or_else(|| missing(name))?;
        only(&body, &[])?;
        object(inner, name)
    }
}

pub(super) fn route(state: &mut State, call: &ParsedRequest) -> Reply {
    let parts = call.parts(API).ok_or_else(|| not_found("path"))?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    check_login(call)?;
    check_content_type(call)?;
    if state.numeric_tokens_refused {
        let number = parts.iter().find_map(|part| part.parse().ok());
        number.map_or(Ok(()), |number| Err(numeric_token(number)))?;
    }
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["verify"]) => {
            call.bare()?;
            Ok(hal(200, &state.form.verify()))
        }
        (_, [FakeMode::WORKSPACE, rest @ ..]) => in_workspace(state, call, rest),
        (_, [_]) => Err(not_found("path")),
        _ => Err(not_found("workspace")),
    }
}

fn in_workspace(state: &mut State, call: &ParsedRequest, rest: Rest<'_>) -> Reply {
    match (call.method.as_str(), rest) {
        ("GET", [kind @ ("reports" | "datasets"), token]) => {
            call.bare()?;
            Ok(hal(200, &state.form.report(state.report(kind, token)?)))
        }
        ("PATCH", ["reports", token, verb @ ("archive" | "unarchive")]) => {
            call.bare()?;
            let now = state.kit.now();
            let report = state.report_mut("reports", token)?;
            (report.archived, report.updated) = (*verb == "archive", now);
            Ok(hal(200, &state.form.report(state.report("reports", token)?)))
        }
        (_, [kind @ ("reports" | "datasets"), token, "runs"]) => runs(state, call, kind, token),
        ("GET", [kind @ ("reports" | "datasets"), token, "runs", run]) => {
            call.bare()?;
            Ok(hal(200, &state.poll(kind, token, run)?))
        }
        ("GET", ["reports", _, "runs", _, "query_runs", token, rest @ ..]) => {
            query_run(state, call, token, rest)
        }
        (_, ["reports", token, "runs", run, rest @ ..]) => in_run(state, call, (token, run), rest),
        (_, ["reports", token, "queries", rest @ ..]) => queries(state, call, token, rest),
        ("GET", ["datasets", token, "reports"]) => {
            state.report("datasets", token)?;
            let using = state.reports.iter().filter(|report| {
                !report.archived && report.datasets.iter().any(|own| own == token)
            });
            let rows = using.map(|report| report.row(state.form.report(report)));
            call.paged(state, &DEPENDENTS, rows)
        }
        ("GET", ["reports", token, "schedules", schedule, "subscriptions"]) => {
            let report = state.report("reports", token)?;
            report.schedule(schedule)?;
            subscription_list(state, call, report, Some(schedule))
        }
        (_, ["reports", token, "subscriptions", rest @ ..]) => {
            subscriptions(state, call, token, rest)
        }
        (_, [kind @ ("reports" | "datasets"), token, "schedules", rest @ ..]) => {
            schedules(state, call, (kind, token), rest)
        }
        ("GET", ["reports", token, "exports", "runs", run, rest @ ..]) => {
            export(state, call, (token, run), rest)
        }
        ("GET", ["reports", token, "results", "content.csv"]) => {
            call.bare()?;
            let report = state.report("reports", token)?;
            let latest = report.latest_run().ok_or_else(|| not_found("run"))?;
            run_csv(state, report, latest)
        }
        ("GET", ["data_sources", rest @ ..]) => data_sources(state, call, rest),
        ("GET", ["spaces" | "collections", rest @ ..]) => spaces(state, call, rest),
        _ => Err(not_found("path")),
    }
}

/// The list of runs, and the start of one.
fn runs(state: &mut State, call: &ParsedRequest, kind: &str, token: &str) -> Reply {
    match call.method.as_str() {
        "GET" => {
            if state.run_filter_fails && call.query.iter().any(|(name, _)| name == "filter") {
                return Err(usual(500));
            }
            for run in state.listed(kind, token)? {
                state.poll(kind, token, &run)?;
            }
            let report = state.report(kind, token)?;
            let listed = report.runs.iter().filter(|run| run.is_listed());
            let rows = listed.map(|run| Row {
                created: run.created,
                updated: run.updated,
                shown: state.form.run(report, run, kind == "datasets"),
            });
            call.paged(state, &RUNS, rows)
        }
        "POST" => {
            let parameters = if kind == "datasets" {
                call.bare()?;
                json!({})
            } else {
                run_parameters(state, call)?
            };
            state.report(kind, token)?;
            state.kit.count_trigger(token);
            let plan = state.kit.next_plan();
            let (_, shown) = state.trigger(kind, token, plan, parameters)?;
            Ok(hal(202, &shown))
        }
        _ => Err(not_found("path")),
    }
}

/// `{"parameters": {…}}`, or the tokens of datasets to refresh.
fn run_parameters(state: &State, call: &ParsedRequest) -> Result<Value, Refusal> {
    let mut body = call.object()?;
    only(&body, &["parameters", "report"])?;
    match (body.remove("parameters"), body.remove("report")) {
        (Some(parameters), None) => Ok(object(parameters, "parameters")?.into()),
        (None, Some(report)) => {
            let report = object(report, "report")?;
            only(&report, &["dataset_tokens"])?;
            let Some(Value::Array(tokens)) = report.get("dataset_tokens") else {
                return Err(missing("dataset_tokens"));
            };
            for token in tokens {
                let token = object(token.clone(), "dataset_tokens")?;
                only(&token, &["token"])?;
                state.report("datasets", text(&token, "token")?)?;
            }
            Ok(json!({}))
        }
        (None, None) => Err(missing("parameters")),
        _ => Err(bad_request("Give either parameters or report")),
    }
}

fn in_run(
    state: &mut State,
    call: &ParsedRequest,
    (token, run): (&str, &str),
    rest: Rest<'_>,
) -> Reply {
    let report = state.report("reports", token)?;
    let run = report.run(run)?;
    match (call.method.as_str(), rest) {
        ("GET", ["query_runs"]) => {
            let items = run.queries.iter().map(|query| state.form.query_run(query));
            call.whole(state, "query_runs", items)
        }
        ("GET", ["options"]) => call.whole(state, "form_fields", [form_field()].into_iter()),
        ("GET", ["results", "content.csv"]) => {
            call.bare()?;
            run_csv(state, report, run)
        }
        ("GET", ["results", "content.json"]) => {
            call.bare()?;
            Ok(json_rows(&first_query(run)?.rows()?))
        }
        ("POST", ["cancel"]) if state.form.cancel_forms => {
            call.bare()?;
            if !is_active(&run.state) {
                return Err(invalid("state", "has ended"));
            }
            let (run, now) = (run.token.clone(), state.kit.now());
            state.cancel(token, &run, now)?;
            Ok(hal(202, &state.shown_run("reports", token, &run)?))
        }
        ("POST", ["clone"]) => {
            call.check_parameters(&[])?;
            if !call.body.is_empty() {
                only(&call.object()?, &["owner_id"])?;
            }
            let copy = state.clone_report(token)?;
            let status = if state.documented_statuses { 200 } else { 202 };
            Ok(hal(status, &state.form.report(state.report("reports", &copy)?)))
        }
        _ => Err(not_found("path")),
    }
}

/// As with the service, the report and run before the query run in the path do not matter.
fn query_run(state: &State, call: &ParsedRequest, token: &str, rest: Rest<'_>) -> Reply {
    call.no_body()?;
    let run = state.query_run(token)?;
    if let (["results", "content.json"], [(name, most)]) = (rest, call.query.as_slice())
        && name == "limit"
    {
        let most = most.parse().map_err(|_| bad_request("limit must be a number"))?;
        let mut rows = run.rows()?;
        rows.truncate(most);
        return Ok(json_rows(&rows));
    }
    call.check_parameters(&[])?;
    match rest {
        [] => Ok(hal(200, &state.form.query_run(run))),
        ["results"] => {
            run.rows()?;
            Ok(hal(200, &state.form.results(run)))
        }
        ["results", "content.json"] => Ok(json_rows(&run.rows()?)),
        ["results", "content.csv"] => {
            let body = csv(&run.rows()?, state.csv_with_bom);
            Ok(file(body, "text/csv", &format!("{token}.csv")))
        }
        _ => Err(not_found("path")),
    }
}

/// Only runs that succeeded have results of their own.
fn first_query(run: &Run) -> Result<&QueryRun, Refusal> {
    let first = run.queries.first().filter(|_| is_good(&run.state));
    first.ok_or_else(|| not_found("result of this run"))
}

/// CSV of the first query, or all of them in a ZIP.
fn run_csv(state: &State, report: &Report, run: &Run) -> Reply {
    let rows = first_query(run)?.rows()?;
    if !state.zip_results {
        let name = file_name(report, run, "csv");
        return Ok(file(csv(&rows, false), "text/csv", &name));
    }
    let mut files = Vec::new();
    for query in &run.queries {
        files.push((format!("{}.csv", query.query.name), csv(&query.rows()?, false)));
    }
    Ok(file(zip(&files), "application/zip", &file_name(report, run, "zip")))
}

/// The first poll requests a PDF; at the third it is done if the run succeeded.
fn export(
    state: &mut State,
    call: &ParsedRequest,
    (token, run): (&str, &str),
    rest: Rest<'_>,
) -> Reply {
    call.bare()?;
    let (now, held) = (state.kit.now(), state.kit.held);
    let found = state.run_mut("reports", token, run)?;
    let ready = found.pdf.is_some_and(|(_, polls)| polls >= 2);
    match (rest, found.pdf) {
        (["pdf.pdf"], None) => found.pdf = Some((now, 0)),
        (["pdf.pdf"], Some((at, polls))) if !held && is_good(&found.state) => {
            found.pdf = Some((at, polls.saturating_add(1)));
        }
        (["pdf.pdf"], _) => {}
        (["pdf", "download" | "download.pdf"], _) if ready => {
            let report = state.report("reports", token)?;
            let name = file_name(report, report.run(run)?, "pdf");
            return Ok(file(PDF.to_vec(), "application/pdf", &name));
        }
        (["pdf", "download" | "download.pdf"], _) => return Err(not_found("export yet")),
        _ => return Err(not_found("path")),
    }
    let report = state.report("reports", token)?;
    Ok(hal(200, &state.form.pdf(report, report.run(run)?)))
}

fn queries(state: &mut State, call: &ParsedRequest, token: &str, rest: Rest<'_>) -> Reply {
    let now = state.kit.now();
    let report = state.report("reports", token)?;
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let items = report.queries.iter().map(|query| state.form.query(report, query));
            call.whole(state, "queries", items)
        }
        ("POST", []) => {
            let body = call.wrapped("query")?;
            let source = query_fields(&body)?.ok_or_else(|| missing("data_source_id"))?;
            let name = body.get("name").and_then(Value::as_str).unwrap_or("Query");
            let query = state.new_query(name, text(&body, "raw_query")?, source);
            state.report_mut("reports", token)?.queries.push(query.clone());
            Ok(hal(200, &state.form.query(state.report("reports", token)?, &query)))
        }
        // As with the service, the report before it in the path does not matter.
        ("GET", [query]) => {
            call.bare()?;
            let mut all = state.reports.iter();
            let report = all.find(|report| report.query(query).is_ok()).unwrap_or(report);
            Ok(hal(200, &state.form.query(report, report.query(query)?)))
        }
        ("PATCH", [query]) => {
            report.query(query)?;
            let body = call.wrapped("query")?;
            let source = query_fields(&body)?;
            let report = state.report_mut("reports", token)?;
            for known in report.queries.iter_mut().filter(|known| known.token == **query) {
                assign(&mut known.name, body.get("name"));
                assign(&mut known.sql, body.get("raw_query"));
                known.source = source.unwrap_or(known.source);
                known.updated = now;
            }
            let report = state.report("reports", token)?;
            Ok(hal(200, &state.form.query(report, report.query(query)?)))
        }
        ("DELETE", [query]) => {
            call.bare()?;
            let shown = state.form.query(report, report.query(query)?);
            let report = state.report_mut("reports", token)?;
            report.queries.retain(|known| known.token != **query);
            let documented = state.documented_statuses.then(|| hal(200, &shown));
            Ok(documented.unwrap_or_else(|| Response::empty(204)))
        }
        ("GET", [query, "runs"]) => {
            report.query(query)?;
            let runs = report.runs.iter().flat_map(|run| &run.queries);
            let rows = runs.filter(|run| run.query.token == **query).map(|run| Row {
                created: run.created,
                updated: run.completed.unwrap_or(run.created),
                shown: state.form.query_run(run),
            });
            call.paged(state, &HISTORY, rows)
        }
        _ => Err(not_found("path")),
    }
}

/// Checks the members of a query; returns the data source that they name.
fn query_fields(body: &Object) -> Result<Option<Source>, Refusal> {
    only(body, &["raw_query", "data_source_id", "name"])?;
    for name in ["raw_query", "name"].into_iter().filter(|name| body.contains_key(*name)) {
        text(body, name)?;
    }
    let Some(id) = body.get("data_source_id") else { return Ok(None) };
    let id = id.as_u64().or_else(|| id.as_str()?.parse().ok());
    let source = SOURCES.into_iter().find(|source| Some(source.id) == id);
    source.map(Some).ok_or_else(|| invalid("data_source", "must exist"))
}

fn schedules(
    state: &mut State,
    call: &ParsedRequest,
    (kind, token): (&str, &str),
    rest: Rest<'_>,
) -> Reply {
    let now = state.kit.now();
    let report = state.report(kind, token)?;
    let shown = match (call.method.as_str(), rest) {
        ("GET", []) => {
            let items = report.schedules.iter().map(|one| state.form.schedule(report, one));
            return call.whole(state, "report_schedules", items);
        }
        ("GET", [schedule]) => {
            call.bare()?;
            (*schedule).to_owned()
        }
        ("POST", []) if kind == "reports" => {
            let body = schedule_fields(call)?;
            let cron = body.get("cron").cloned().ok_or_else(|| missing("cron"))?;
            let mut made = state.new_schedule("Untitled schedule", cron);
            made.change(&body);
            let shown = made.token.clone();
            state.report_mut(kind, token)?.schedules.push(made);
            shown
        }
        ("PATCH", [schedule]) if kind == "reports" => {
            let found = state.report_mut(kind, token)?.schedules.iter_mut();
            for known in found.filter(|known| known.token == **schedule) {
                known.change(&schedule_fields(call)?);
                known.updated = now;
            }
            (*schedule).to_owned()
        }
        ("DELETE", [schedule]) if kind == "reports" => {
            call.bare()?;
            report.schedule(schedule)?;
            let report = state.report_mut(kind, token)?;
            report.schedules.retain(|known| known.token != **schedule);
            report.subscriptions.retain(|known| known.schedule != **schedule);
            return Ok(Response::empty(if state.documented_statuses { 200 } else { 204 }));
        }
        _ => return Err(not_found("path")),
    };
    let report = state.report(kind, token)?;
    Ok(hal(200, &state.form.schedule(report, report.schedule(&shown)?)))
}

impl Schedule {
    fn change(&mut self, body: &Object) {
        assign(&mut self.name, body.get("name"));
        let own = [
            ("cron", &mut self.cron),
            ("timeout", &mut self.timeout),
            ("params", &mut self.params),
        ];
        for (name, own) in own {
            if let Some(value) = body.get(name) {
                value.clone_into(own);
            }
        }
    }
}

/// The members of a schedule, bare or inside `report_schedule`.
fn schedule_fields(call: &ParsedRequest) -> Result<Object, Refusal> {
    let mut body = call.object()?;
    if let Some(inner) = body.remove("report_schedule") {
        only(&body, &[])?;
        body = object(inner, "report_schedule")?;
    }
    only(&body, &["cron", "name", "timeout", "params"])?;
    if body.contains_key("name") {
        text(&body, "name")?;
    }
    if body.get("timeout").is_some_and(|timeout| !timeout.is_u64()) {
        return Err(invalid("timeout", "is not a number of seconds"));
    }
    if body.get("params").is_some_and(|params| !params.is_object()) {
        return Err(invalid("params", "is not an object"));
    }
    let Some(cron) = body.get("cron") else { return Ok(body) };
    let cron = object(cron.clone(), "cron")?;
    only(&cron, &["freq", "hour", "minute", "day_of_week", "day_of_month", "time_zone"])?;
    let known = ["every_15_minutes", "every_30_minutes", "hourly", "daily", "weekly", "monthly"];
    if !known.contains(&text(&cron, "freq")?) {
        return Err(invalid("freq", "is not in the list"));
    }
    for (name, value) in &cron {
        let within = |value: &Value, first, last| {
            value.as_u64().is_some_and(|number| (first..=last).contains(&number))
        };
        let sound = match (name.as_str(), value) {
            ("hour", _) => within(value, 0, 23),
            ("minute", _) => within(value, 0, 59),
            ("day_of_month", _) => within(value, 1, 31),
            ("day_of_week", Value::Array(days)) => days.iter().all(|day| within(day, 1, 7)),
            ("day_of_week", _) => within(value, 0, 6),
            _ => value.as_str().is_some_and(|text| !text.is_empty()),
        };
        if !sound {
            return Err(invalid(name, "is not in the list"));
        }
    }
    Ok(body)
}

/// The subscriptions of a report, or those of one of its schedules.
fn subscription_list(
    state: &State,
    call: &ParsedRequest,
    report: &Report,
    schedule: Option<&str>,
) -> Reply {
    let own = report.subscriptions.iter();
    let own = own.filter(|known| schedule.is_none_or(|schedule| known.schedule == schedule));
    let rows =
        own.map(|known| Row { shown: state.form.subscription(report, known), ..Row::default() });
    call.paged(state, &SUBSCRIPTIONS, rows)
}

fn subscriptions(state: &mut State, call: &ParsedRequest, token: &str, rest: Rest<'_>) -> Reply {
    let report = state.report("reports", token)?;
    let shown = match (call.method.as_str(), rest) {
        ("GET", []) => return subscription_list(state, call, report, None),
        ("GET", [subscription]) => {
            call.bare()?;
            (*subscription).to_owned()
        }
        ("POST", []) => {
            let contents = if call.body.is_empty() { Object::new() } else { contents(call)? };
            state.add_subscription(token, contents, 0)?
        }
        ("PATCH", [subscription]) => {
            report.subscription(subscription)?;
            let changes = contents(call)?;
            let all = state.report_mut("reports", token)?.subscriptions.iter_mut();
            for known in all.filter(|known| known.token == **subscription) {
                known.contents.extend(changes.clone());
            }
            (*subscription).to_owned()
        }
        ("DELETE", [subscription]) => {
            call.bare()?;
            report.subscription(subscription)?;
            let report = state.report_mut("reports", token)?;
            report.subscriptions.retain(|known| known.token != **subscription);
            return Ok(Response::empty(if state.documented_statuses { 200 } else { 204 }));
        }
        _ => return Err(not_found("path")),
    };
    let report = state.report("reports", token)?;
    Ok(hal(200, &state.form.subscription(report, report.subscription(&shown)?)))
}

/// What a subscription is to contain: bare, and nothing but booleans.
fn contents(call: &ParsedRequest) -> Result<Object, Refusal> {
    let body = call.object()?;
    only(&body, &CONTENTS)?;
    match body.iter().find(|(_, value)| !value.is_boolean()) {
        Some((name, _)) => Err(invalid(name, "is not a boolean")),
        None => Ok(body),
    }
}

fn data_sources(state: &State, call: &ParsedRequest, rest: Rest<'_>) -> Reply {
    let [token, rest @ ..] = rest else {
        let items = SOURCES.into_iter().map(|source| state.form.source(source));
        return call.whole(state, "data_sources", items);
    };
    let source = SOURCES.into_iter().find(|known| known.token == *token);
    let source = source.ok_or_else(|| not_found("data source"))?;
    match rest {
        [] => {
            call.bare()?;
            Ok(hal(200, &state.form.source(source)))
        }
        // A report occurs once for each of its queries.
        ["reports"] => {
            let reports = state.reports.iter().filter(|report| !report.archived);
            let rows = reports.flat_map(|report| {
                let own = report.queries.iter().filter(|query| query.source.token == source.token);
                own.map(|_| report.row(state.form.report(report)))
            });
            call.paged(state, &REPORTS, rows)
        }
        _ => Err(not_found("path")),
    }
}

/// Without a filter, private spaces of others are left out.
fn spaces(state: &State, call: &ParsedRequest, rest: Rest<'_>) -> Reply {
    let [token, rest @ ..] = rest else {
        let scope = Wanted::read(&lists::SPACES, call)?.scope;
        let found = SPACES.into_iter().filter(|space| match scope.as_deref() {
            Some("all") => true,
            Some("custom") => !space.private,
            Some(_) => space.mine,
            None => space.mine || !space.private,
        });
        let rows = found.map(|space| Row { shown: state.form.space(&space), ..Row::default() });
        return call.paged(state, &lists::SPACES, rows);
    };
    let space = SPACES.into_iter().find(|known| known.token == *token);
    let space = space.ok_or_else(|| not_found("space"))?;
    match rest {
        [] => {
            call.bare()?;
            Ok(hal(200, &state.form.space(&space)))
        }
        [kind @ ("reports" | "datasets")] => {
            let inside = state.reports.iter().filter(|report| {
                let right = report.dataset == (*kind == "datasets");
                right && !report.archived && space.token == FakeMode::SPACE
            });
            let rows = inside.map(|report| report.row(state.form.report_row(report, &space)));
            call.paged(state, &REPORTS, rows)
        }
        _ => Err(not_found("path")),
    }
}

fn assign(own: &mut String, value: Option<&Value>) {
    if let Some(text) = value.and_then(Value::as_str) {
        text.clone_into(own);
    }
}

fn only(object: &Object, allowed: &[&str]) -> Result<(), Refusal> {
    let unknown = object.keys().find(|name| !allowed.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| Err(unknown_member(name)))
}

fn text<'a>(object: &'a Object, name: &str) -> Result<&'a str, Refusal> {
    let value = object.get(name).ok_or_else(|| missing(name))?;
    let value = value.as_str().filter(|value| !value.trim().is_empty());
    value.ok_or_else(|| invalid(name, "cannot be blank"))
}

fn object(value: Value, name: &str) -> Result<Object, Refusal> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(bad_request(&format!("{name} must be an object"))),
    }
}

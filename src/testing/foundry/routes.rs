//! Routes, and what each request may contain.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::FakeFoundry;
use super::checks::{self, check, items, part, text, whole};
use super::lists::{check_filter, compare, holds, order};
use super::responses::{
    ParsedRequest, Refusal, Reply, bad_request, check_token, done, error, invalid, no_such_api,
    shown, usual,
};
use super::state::State;
use crate::testing::kit::Course;

/// Method; path below `/v2`, where `{}` is a RID; and what happens.
type Operation = (&'static str, &'static str, Stage, Takes, fn(&mut State, &Asked<'_>) -> Reply);

/// A request that is valid as far as can be said without its body's meaning.
struct Asked<'c> {
    call: &'c ParsedRequest,
    /// The one in the path; empty if there is none.
    rid: &'c str,
    /// `null` where the operation takes none.
    body: &'c Value,
}

impl Asked<'_> {
    /// Size and token of a page.
    fn paging(&self) -> (Option<Value>, Option<Value>) {
        let parameter = |name| self.call.parameter(name).map(Value::from);
        (parameter("pageSize"), parameter("pageToken"))
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Stage {
    Stable,
    /// Only with `preview=true`.
    Beta,
}

/// What comes with a request besides `preview`.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Takes {
    Nothing,
    Body,
    Query(&'static [&'static str]),
}

/// The RID in a path, if the path is the wanted one.
fn matches(wanted: &str, path: &[String]) -> Option<String> {
    let (mut parts, mut rid) = (path.iter(), String::new());
    for wanted in wanted.split('/') {
        let part = parts.next()?;
        if wanted == "{}" && !part.is_empty() {
            part.clone_into(&mut rid);
        } else if wanted != part {
            return None;
        }
    }
    parts.next().is_none().then_some(rid)
}

use Stage::{Beta, Stable};
use Takes::{Body, Nothing, Query};

const PAGES: Takes = Query(&["pageSize", "pageToken"]);
const BRANCH_PAGES: Takes = Query(&["branchName", "pageSize", "pageToken"]);

const OPERATIONS: [Operation; 21] = [
    ("POST", "orchestration/schedules", Beta, Body, |state, asked| {
        let definition = checks::schedule(state, asked.body)?;
        let rid = state.new_rid("scheduler.main.schedule");
        Ok(shown(state.define(&rid, definition)))
    }),
    ("GET", "orchestration/schedules/{}", Beta, Nothing, |state, asked| {
        show_schedule(state, asked.rid).map(shown)
    }),
    ("POST", "orchestration/schedules/getBatch", Beta, Body, |state, asked| {
        batch(asked, "scheduleRid", 1000, |rid| show_schedule(state, rid))
    }),
    ("PUT", "orchestration/schedules/{}", Beta, Body, |state, asked| {
        state.schedule(asked.rid)?;
        let definition = checks::schedule(state, asked.body)?;
        Ok(shown(state.define(asked.rid, definition)))
    }),
    ("DELETE", "orchestration/schedules/{}", Stable, Nothing, |state, asked| {
        state.schedule(asked.rid)?;
        state.schedules.retain(|schedule| text(&schedule.shown, "rid") != asked.rid);
        Ok(done())
    }),
    ("POST", "orchestration/schedules/{}/run", Stable, Nothing, |state, asked| {
        state.schedule(asked.rid)?;
        state.kit.count_trigger(asked.rid);
        let plan = state.kit.next_plan();
        Ok(shown(state.trigger(asked.rid, FakeFoundry::USER, plan)?))
    }),
    ("POST", "orchestration/schedules/{}/pause", Stable, Nothing, |state, asked| {
        state.pause(asked.rid, true).map(|()| done())
    }),
    ("POST", "orchestration/schedules/{}/unpause", Stable, Nothing, |state, asked| {
        state.pause(asked.rid, false).map(|()| done())
    }),
    ("POST", "orchestration/schedules/{}/getAffectedResources", Beta, Nothing, |state, asked| {
        Ok(shown(json!({ "datasets": state.schedule(asked.rid)?.targets() })))
    }),
    ("GET", "orchestration/schedules/{}/runs", Stable, PAGES, |state, asked| {
        state.schedule(asked.rid)?;
        let draw_up = |state: &State| state.run_rids(asked.rid);
        state.page(&format!("{} runs", asked.rid), asked.paging(), draw_up, State::list_run)
    }),
    ("GET", "orchestration/scheduleVersions/{}", Beta, Nothing, |state, asked| {
        Ok(shown(state.version(asked.rid)?.clone()))
    }),
    ("GET", "orchestration/scheduleVersions/{}/schedule", Beta, Nothing, |state, asked| {
        let schedule = text(state.version(asked.rid)?, "scheduleRid").to_owned();
        Ok(show_schedule(state, &schedule).map_or_else(|_| done(), shown))
    }),
    ("POST", "orchestration/builds/create", Stable, Body, create_build),
    ("GET", "orchestration/builds/{}", Stable, Nothing, |state, asked| {
        state.poll_build(asked.rid).map(shown)
    }),
    ("POST", "orchestration/builds/getBatch", Stable, Body, |state, asked| {
        batch(asked, "buildRid", 100, |rid| state.poll_build(rid))
    }),
    ("POST", "orchestration/builds/search", Beta, Body, search_builds),
    ("POST", "orchestration/builds/{}/cancel", Stable, Nothing, |state, asked| {
        let build = state.build(asked.rid)?;
        build.cancelled |= build.is_running();
        Ok(done())
    }),
    ("GET", "orchestration/builds/{}/jobs", Stable, PAGES, |state, asked| {
        let jobs = items(&state.build(asked.rid)?.shown, "jobRids").to_vec();
        let jobs = jobs.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let list = format!("{} jobs", asked.rid);
        state.page(&list, asked.paging(), |_| jobs, |state, rid| state.job(rid).ok())
    }),
    ("GET", "orchestration/jobs/{}", Beta, Nothing, |state, asked| state.job(asked.rid).map(shown)),
    ("POST", "orchestration/jobs/getBatch", Beta, Body, |state, asked| {
        batch(asked, "jobRid", 500, |rid| state.job(rid))
    }),
    ("GET", "datasets/{}/getSchedules", Stable, BRANCH_PAGES, list_dataset_schedules),
];

pub(super) fn route(state: &mut State, call: &ParsedRequest) -> Reply {
    let path = call.parts(FakeFoundry::VERSION_2).ok_or_else(no_such_api)?;
    let mut fitting = OPERATIONS.iter().filter(|known| known.0 == call.method);
    let operation = fitting.find_map(|known| Some((known, matches(known.1, &path)?)));
    let Some((&(_, _, release, takes, serve), rid)) = operation else {
        return Err(no_such_api());
    };
    check_token(state, call)?;
    let own = if let Query(parameters) = takes { parameters } else { &[] };
    call.check_parameters(&[own, &["preview"]].concat())?;
    let preview = match call.parameter("preview") {
        Some(value) => value.parse().map_err(|_| invalid("preview is not a boolean"))?,
        None => false,
    };
    if release == Beta && state.preview_required && !preview {
        return Err(bad_request("ApiFeaturePreviewUsageOnly", &json!({})));
    }
    let body = match (takes == Body, call.body.is_empty()) {
        (false, _) => call.no_body().map(|()| Value::Null)?,
        (true, true) => return Err(bad_request("MissingPostBody", &json!({}))),
        (true, false) if call.media_type() != "application/json" => return Err(usual(415)),
        (true, false) => {
            serde_json::from_slice(&call.body).map_err(|_| invalid("the body must be JSON"))?
        }
    };
    serve(state, &Asked { call, rid: &rid, body: &body })
}

/// Takes an array of `{name: rid}`, returns a map from RID to object. What is not found is left out.
fn batch(
    asked: &Asked<'_>,
    name: &str,
    most: usize,
    mut get: impl FnMut(&str) -> Result<Value, Refusal>,
) -> Reply {
    let wanted = asked.body.as_array().ok_or_else(|| invalid("the body must be an array"))?;
    if wanted.is_empty() {
        return Err(bad_request("MissingBatchRequest", &json!({})));
    }
    if wanted.len() > most {
        let parameters = json!({ "maximumBatchSize": most, "providedBatchSize": wanted.len() });
        return Err(bad_request("BatchRequestSizeExceededLimit", &parameters));
    }
    let mut rids = BTreeSet::new();
    for item in wanted {
        check(whole(item)?, &format!("{name}:text"))?;
        rids.insert(text(whole(item)?, name));
    }
    let found = rids.into_iter().filter_map(|rid| Some((rid.to_owned(), get(rid).ok()?)));
    Ok(shown(json!({ "data": found.collect::<Map<_, _>>() })))
}

fn show_schedule(state: &mut State, rid: &str) -> Result<Value, Refusal> {
    Ok(state.schedule(rid)?.shown.clone().into())
}

fn create_build(state: &mut State, asked: &Asked<'_>) -> Reply {
    let action = checks::build(asked.body)?;
    let course = Course::new::<State>(state.kit.next_plan());
    match course.end() {
        Some("ignored") => Err(bad_request("BuildTargetsUpToDate", &json!({}))),
        Some("error") => Err(bad_request("BuildTargetsResolutionError", &json!({}))),
        _ => Ok(shown(state.create_build(&action, course))),
    }
}

fn search_builds(state: &mut State, asked: &Asked<'_>) -> Reply {
    let body = whole(asked.body)?;
    check(body, "where:object orderBy?:object pageToken?:text pageSize?:integer")?;
    let (filter, order) = (part(body, "where")?, order(body)?);
    check_filter(filter)?;
    let paging = (body.get("pageSize").cloned(), body.get("pageToken").cloned());
    let list = format!("search {:?} {order:?}", body.get("where"));
    let draw_up = |state: &State| {
        let builds = state.builds.iter().map(|build| &build.shown);
        let mut builds: Vec<_> = builds.filter(|build| holds(filter, build)).collect();
        builds.sort_by(|left, right| compare(&order, left, right));
        builds.into_iter().map(|build| text(build, "rid").to_owned()).collect()
    };
    let show = |state: &mut State, rid: &str| Some(state.build(rid).ok()?.shown.clone().into());
    state.page(&list, paging, draw_up, show)
}

/// A branch exists if it is `master` or a schedule of the dataset names it.
fn list_dataset_schedules(state: &mut State, asked: &Asked<'_>) -> Reply {
    let branch = asked.call.parameter("branchName").unwrap_or("master");
    let of_dataset = |state: &State, wanted: &dyn Fn(&[&str]) -> bool| -> Vec<String> {
        let fits = |targets: Vec<Value>| targets.iter().any(|rid| *rid == asked.rid);
        let found = state.schedules.iter().filter(|known| fits(known.targets()));
        let found = found.filter(|known| wanted(&known.branches()));
        found.map(|known| text(&known.shown, "rid").to_owned()).collect()
    };
    if branch != "master" && of_dataset(state, &|known| known.contains(&branch)).is_empty() {
        let parameters = json!({ "datasetRid": asked.rid, "branchName": branch });
        return Err(error(404, "BranchNotFound", &parameters));
    }
    let list = format!("{} schedules of {branch}", asked.rid);
    let draw_up = |state: &State| of_dataset(state, &|known| known.first() == Some(&branch));
    state.page(&list, asked.paging(), draw_up, |_, rid| Some(rid.into()))
}

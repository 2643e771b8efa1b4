//! Which request does what, and what each may say.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use wiremock::Request;

use super::answers::{Answer, Reply, check_token, has_type};
use super::checks::{self, check, items, part, text, whole};
use super::lists::{check_filter, compare, holds, order};
use super::state::State;
use super::{End, FakeFoundry};

/// A request that was in order as far as can be said without its body's meaning.
struct Call {
    /// What the path names; empty where it names nothing.
    rid: String,
    query: Vec<(String, String)>,
    /// `null` where the operation takes none.
    body: Value,
}

impl Call {
    fn parameter(&self, name: &str) -> Option<Value> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| Value::from(value.as_str()))
    }

    fn paging(&self) -> (Option<Value>, Option<Value>) {
        (self.parameter("pageSize"), self.parameter("pageToken"))
    }
}

/// Method; path below `/v2`, where `{}` is a RID; and what happens.
type Operation = (&'static str, &'static str, Stage, Takes, fn(&mut State, &Call) -> Reply);

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

/// What stands for the RID, if a path is the one that is wanted.
fn matches(wanted: &str, path: &str) -> Option<String> {
    let (mut parts, mut rid) = (path.split('/'), String::new());
    for wanted in wanted.split('/') {
        let part = parts.next()?;
        if wanted == "{}" && !part.is_empty() {
            rid = percent_decode_str(part).decode_utf8_lossy().into_owned();
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
    ("POST", "orchestration/schedules", Beta, Body, |state, call| {
        let definition = checks::schedule(state, &call.body)?;
        let rid = state.new_rid("scheduler.main.schedule");
        Ok(Answer::json(state.define(&rid, definition)))
    }),
    ("GET", "orchestration/schedules/{}", Beta, Nothing, |state, call| {
        show_schedule(state, &call.rid).map(Answer::json)
    }),
    ("POST", "orchestration/schedules/getBatch", Beta, Body, |state, call| {
        batch(call, "scheduleRid", 1000, |rid| show_schedule(state, rid))
    }),
    ("PUT", "orchestration/schedules/{}", Beta, Body, |state, call| {
        state.schedule(&call.rid)?;
        let definition = checks::schedule(state, &call.body)?;
        Ok(Answer::json(state.define(&call.rid, definition)))
    }),
    ("DELETE", "orchestration/schedules/{}", Stable, Nothing, |state, call| {
        state.schedule(&call.rid)?;
        state.schedules.retain(|schedule| text(&schedule.shown, "rid") != call.rid);
        Ok(Answer::done())
    }),
    ("POST", "orchestration/schedules/{}/run", Stable, Nothing, |state, call| {
        state.schedule(&call.rid)?.triggers += 1;
        let plan = state.plans.pop_front().unwrap_or_default();
        Ok(Answer::json(state.trigger(&call.rid, FakeFoundry::USER, plan)?.into()))
    }),
    ("POST", "orchestration/schedules/{}/pause", Stable, Nothing, |state, call| {
        state.pause(&call.rid, true).map(|()| Answer::done())
    }),
    ("POST", "orchestration/schedules/{}/unpause", Stable, Nothing, |state, call| {
        state.pause(&call.rid, false).map(|()| Answer::done())
    }),
    ("POST", "orchestration/schedules/{}/getAffectedResources", Beta, Nothing, |state, call| {
        Ok(Answer::json(json!({ "datasets": state.schedule(&call.rid)?.targets() })))
    }),
    ("GET", "orchestration/schedules/{}/runs", Stable, PAGES, |state, call| {
        state.schedule(&call.rid)?;
        let draw_up = |state: &State| state.run_rids(&call.rid);
        state.page(&format!("{} runs", call.rid), call.paging(), draw_up, State::list_run)
    }),
    ("GET", "orchestration/scheduleVersions/{}", Beta, Nothing, |state, call| {
        Ok(Answer::json(state.version(&call.rid)?.clone().into()))
    }),
    ("GET", "orchestration/scheduleVersions/{}/schedule", Beta, Nothing, |state, call| {
        let schedule = text(state.version(&call.rid)?, "scheduleRid").to_owned();
        Ok(show_schedule(state, &schedule).map_or_else(|_| Answer::done(), Answer::json))
    }),
    ("POST", "orchestration/builds/create", Stable, Body, create_build),
    ("GET", "orchestration/builds/{}", Stable, Nothing, |state, call| {
        state.look_at_build(&call.rid).map(Answer::json)
    }),
    ("POST", "orchestration/builds/getBatch", Stable, Body, |state, call| {
        batch(call, "buildRid", 100, |rid| state.look_at_build(rid))
    }),
    ("POST", "orchestration/builds/search", Beta, Body, search_builds),
    ("POST", "orchestration/builds/{}/cancel", Stable, Nothing, |state, call| {
        let build = state.build(&call.rid)?;
        build.cancelled |= build.is_running();
        Ok(Answer::done())
    }),
    ("GET", "orchestration/builds/{}/jobs", Stable, PAGES, |state, call| {
        let jobs = items(&state.build(&call.rid)?.shown, "jobRids").to_vec();
        let jobs = jobs.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let list = format!("{} jobs", call.rid);
        state.page(&list, call.paging(), |_| jobs, |state, rid| state.job(rid).ok())
    }),
    ("GET", "orchestration/jobs/{}", Beta, Nothing, |state, call| {
        state.job(&call.rid).map(Answer::json)
    }),
    ("POST", "orchestration/jobs/getBatch", Beta, Body, |state, call| {
        batch(call, "jobRid", 500, |rid| state.job(rid))
    }),
    ("GET", "datasets/{}/getSchedules", Stable, BRANCH_PAGES, list_dataset_schedules),
];

/// `path` is the one below `/v2`, as sent.
pub(super) fn route(state: &mut State, request: &Request, path: &str) -> Reply {
    let mut fitting = OPERATIONS.iter().filter(|known| known.0 == request.method.as_str());
    let found = fitting.find_map(|known| Some((known, matches(known.1, path)?)));
    let Some((&(_, _, release, takes, serve), rid)) = found else {
        return Err(Answer::no_such_api());
    };
    let parameters = if let Query(parameters) = takes { parameters } else { &[] };
    check_token(state, request)?;

    let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
    let mut preview = false;
    for (position, (name, value)) in query.iter().enumerate() {
        if query.iter().take(position).any(|(other, _)| other == name) {
            return Err(Answer::invalid(&format!("parameter {name} repeated")));
        }
        if name == "preview" {
            preview = value.parse().map_err(|_| Answer::invalid("preview is no boolean"))?;
        } else if !parameters.contains(&name.as_str()) {
            return Err(Answer::invalid(&format!("unknown parameter {name}")));
        }
    }
    if release == Beta && state.preview_required && !preview {
        return Err(Answer::bad_request("ApiFeaturePreviewUsageOnly", &json!({})));
    }
    let body = match (takes == Body, request.body.is_empty()) {
        (false, true) => Value::Null,
        (false, false) => return Err(Answer::invalid("this request takes no body")),
        (true, true) => return Err(Answer::bad_request("MissingPostBody", &json!({}))),
        (true, false) if !has_type(request, "application/json") => {
            return Err(Answer::usual(415));
        }
        (true, false) => serde_json::from_slice(&request.body)
            .map_err(|_| Answer::invalid("the body must be JSON"))?,
    };
    serve(state, &Call { rid, query, body })
}

/// An array of `{name: rid}` in, a map from RID to thing out. What is not found is left out.
fn batch(
    call: &Call,
    name: &str,
    most: usize,
    mut get: impl FnMut(&str) -> Result<Value, Answer>,
) -> Reply {
    let wanted =
        call.body.as_array().ok_or_else(|| Answer::invalid("the body must be an array"))?;
    if wanted.is_empty() {
        return Err(Answer::bad_request("MissingBatchRequest", &json!({})));
    }
    if wanted.len() > most {
        let parameters = json!({ "maximumBatchSize": most, "providedBatchSize": wanted.len() });
        return Err(Answer::bad_request("BatchRequestSizeExceededLimit", &parameters));
    }
    let mut rids = BTreeSet::new();
    for item in wanted {
        check(whole(item)?, &format!("{name}:text"))?;
        rids.insert(text(whole(item)?, name));
    }
    let found = rids.into_iter().filter_map(|rid| Some((rid.to_owned(), get(rid).ok()?)));
    Ok(Answer::json(json!({ "data": found.collect::<Map<_, _>>() })))
}

fn show_schedule(state: &mut State, rid: &str) -> Result<Value, Answer> {
    Ok(state.schedule(rid)?.shown.clone().into())
}

fn create_build(state: &mut State, call: &Call) -> Reply {
    let action = checks::build(&call.body)?;
    let plan = state.plans.pop_front().unwrap_or_default();
    match plan.end {
        End::Ignored => Err(Answer::bad_request("BuildTargetsUpToDate", &json!({}))),
        End::Error { .. } => Err(Answer::bad_request("BuildTargetsResolutionError", &json!({}))),
        End::Success | End::Failure | End::Never => {
            Ok(Answer::json(state.create_build(&action, plan)))
        }
    }
}

fn search_builds(state: &mut State, call: &Call) -> Reply {
    let body = whole(&call.body)?;
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
fn list_dataset_schedules(state: &mut State, call: &Call) -> Reply {
    let branch = call.parameter("branchName");
    let branch = branch.as_ref().and_then(Value::as_str).unwrap_or("master");
    let of_dataset = |state: &State, wanted: &dyn Fn(&[&str]) -> bool| -> Vec<String> {
        let fits = |targets: Vec<Value>| targets.iter().any(|rid| *rid == call.rid);
        let found = state.schedules.iter().filter(|known| fits(known.targets()));
        let found = found.filter(|known| wanted(&known.branches()));
        found.map(|known| text(&known.shown, "rid").to_owned()).collect()
    };
    if branch != "master" && of_dataset(state, &|known| known.contains(&branch)).is_empty() {
        let parameters = json!({ "datasetRid": call.rid, "branchName": branch });
        return Err(Answer::error(404, "BranchNotFound", &parameters));
    }
    let list = format!("{} schedules of {branch}", call.rid);
    let draw_up = |state: &State| of_dataset(state, &|known| known.first() == Some(&branch));
    state.page(&list, call.paging(), draw_up, |_, rid| Some(rid.into()))
}

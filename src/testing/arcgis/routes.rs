//! Routes, and what each request may contain.

use serde_json::{Map, Value, json};

use super::checks::{Draft, Sent, cannot_be};
use super::responses::{Api, ParsedRequest, Refusal, Reply, data};
use super::shapes::Page;
use super::state::{Owner, State, Task};
use super::{Deployment, FakeArcGis, notebooks, portal};
use crate::testing::kit::FakeState as _;

/// The parts of a path that are not matched yet.
type Rest<'a> = &'a [&'a str];

/// The statuses that a caller may set.
const STATUSES: [&str; 6] =
    ["scheduled", "executing", "succeeded", "skipped", "failed", "submitfailed"];

/// The API that a path belongs to, and its root.
pub(super) fn api_of(path: &str) -> Option<(Api, &'static str)> {
    let roots = [
        ("/enterprise/sharing/rest", Api::Sharing),
        ("/enterprise/admin", Api::Admin),
        ("/enterprise/portaladmin", Api::PortalAdmin),
        ("/notebooks/admin", Api::NotebookServer),
    ];
    roots.into_iter().find_map(|(root, api)| {
        let rest = path.strip_prefix(root)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((api, root))
    })
}

/// Serves everything but requests for tokens.
pub(super) fn route(state: &mut State, call: &ParsedRequest) -> Reply {
    match (call.method.as_str(), call.path.strip_prefix(State::BASE_PATH)) {
        ("GET", Some("/rest/info" | "/info")) => {
            return portal::services_info(state, &Sent::new(call, State::BASE_PATH));
        }
        ("GET", Some("/sharing/rest/oauth2/authorize")) => return Ok(state.sign_in_page(call)),
        _ => {}
    }
    let has = |api| match state.deployment {
        Deployment::Kubernetes => matches!(api, Api::Sharing | Api::Admin),
        Deployment::WindowsOrLinux => api != Api::Admin,
    };
    let found = api_of(&call.path).filter(|(api, _)| has(*api));
    let (api, root) = found.ok_or_else(Refusal::nowhere)?;
    let sent = &Sent::new(call, root);
    sent.check(api, state.strict)?;
    let parts: Vec<&str> = sent.parts.iter().map(String::as_str).collect();
    match api {
        Api::Sharing => sharing(state, sent, &parts),
        Api::NotebookServer => {
            let caller = state.caller(sent, api)?;
            match parts.as_slice() {
                ["notebooks", "executeNotebook"] | ["system", "jobs", ..] => {
                    notebooks::route(state, sent, &caller, parts.get(1..).unwrap_or_default())
                }
                _ => Err(Refusal::not_found("path")),
            }
        }
        Api::Admin if parts.first() == Some(&"notebooks") => {
            let caller = state.caller(sent, api)?;
            notebooks::route(state, sent, &caller, parts.get(1..).unwrap_or_default())
        }
        Api::Admin | Api::PortalAdmin => {
            if !state.caller(sent, api)?.administrator {
                return Err(Refusal::denied());
            }
            admin(state, sent, &parts, api)
        }
    }
}

fn sharing(state: &mut State, sent: &Sent<'_>, parts: Rest<'_>) -> Reply {
    match (sent.call.method.as_str(), parts) {
        ("GET", []) => Ok(portal::version()),
        ("GET", ["info"]) => Ok(portal::info(state)),
        ("GET" | "POST", ["portals", "self" | FakeArcGis::ORG_ID, "allScheduledTasks"]) => {
            if !state.caller(sent, Api::Sharing)?.administrator {
                return Err(Refusal::denied());
            }
            sent.only(&["itemId", "active", "types", "userFilter", "start", "num"])?;
            user_tasks(state, sent, sent.field("userFilter"), false)
        }
        (_, ["portals", "self" | FakeArcGis::ORG_ID, rest @ ..]) => {
            portal::route(state, sent, rest)
        }
        ("GET" | "POST", ["community", "self"]) => {
            Ok(portal::user(state.caller(sent, Api::Sharing)?.user))
        }
        ("GET" | "POST", ["community", "users"]) => {
            state.caller(sent, Api::Sharing)?;
            portal::users(state, sent)
        }
        ("GET" | "POST", ["community", "users", user]) => {
            state.caller(sent, Api::Sharing)?;
            check_user(user)?;
            Ok(portal::user(user))
        }
        (_, ["community", "users", user, "tasks", rest @ ..]) => {
            let caller = state.caller(sent, Api::Sharing)?;
            if caller.user != *user && !caller.administrator {
                return Err(Refusal::denied());
            }
            check_user(user)?;
            tasks(state, sent, Some(user), rest)
        }
        _ => {
            state.caller(sent, Api::Sharing)?;
            Err(Refusal::not_found("path"))
        }
    }
}

fn admin(state: &mut State, sent: &Sent<'_>, parts: Rest<'_>, api: Api) -> Reply {
    match (sent.call.method.as_str(), parts) {
        ("GET", []) => {
            sent.only(&[])?;
            Ok(data(json!({ "currentVersion": portal::VERSION, "resources": ["system"] })))
        }
        ("GET", ["system"]) => {
            sent.only(&[])?;
            let tasks = (api == Api::Admin).then_some("tasks");
            let resources: Vec<_> = ["limits", "properties"].into_iter().chain(tasks).collect();
            Ok(data(json!({ "resources": resources })))
        }
        ("GET", ["system", "limits"]) => {
            sent.only(&[])?;
            let all = state.limits.0.iter();
            let all: Map<String, Value> =
                all.map(|(name, number)| ((*name).to_owned(), json!(number))).collect();
            Ok(data(all))
        }
        ("POST", ["system", "limits", "update"]) => set_limits(state, sent),
        (_, ["system", "tasks", rest @ ..]) if api == Api::Admin => tasks(state, sent, None, rest),
        _ => Err(Refusal::not_found("path")),
    }
}

fn check_user(name: &str) -> Result<(), Refusal> {
    if portal::USERS.contains(&name) {
        return Ok(());
    }
    Err(Refusal::not_found("user"))
}

/// All or nothing.
fn set_limits(state: &mut State, sent: &Sent<'_>) -> Reply {
    sent.only(&["properties", "category"])?;
    let category = sent.required("category")?;
    if category != "ScheduleTask" {
        return Err(cannot_be("category", category));
    }
    let refused = || Refusal::bad_request("'properties' is not a list of known limits");
    let wanted: Vec<Map<String, Value>> =
        serde_json::from_str(sent.required("properties")?).map_err(|_| refused())?;
    let mut limits = Vec::new();
    for one in &wanted {
        let name = one.get("limitName").and_then(Value::as_str);
        let number = one.get("numLimit").and_then(Value::as_i64).filter(|number| *number >= 0);
        let place = state.limits.0.iter().position(|(known, _)| Some(*known) == name);
        let (Some(place), Some(number), 2) = (place, number, one.len()) else {
            return Err(refused());
        };
        limits.push((place, number));
    }
    for (place, number) in limits {
        if let Some((_, known)) = state.limits.0.get_mut(place) {
            *known = number;
        }
    }
    Ok(data(json!({ "status": "success" })))
}

/// Tasks of users, or of one of them.
fn user_tasks(state: &State, sent: &Sent<'_>, user: Option<&str>, counted: bool) -> Reply {
    let active = sent.flag("active")?;
    let item = sent.field("itemId");
    let types: Option<Vec<&str>> = sent.field("types").map(|types| types.split(',').collect());
    let wanted = |task: &&Task| {
        task.owner.is_some()
            && user.is_none_or(|user| task.owner.as_deref() == Some(user))
            && active.is_none_or(|active| task.active == active)
            && item.is_none_or(|item| task.item.as_deref() == Some(item))
            && types.as_ref().is_none_or(|types| types.contains(&task.kind.as_str()))
    };
    let ids = state.tasks.iter().filter(wanted).map(|task| task.id.clone());
    let (ids, mut envelope) = Page::read(state, sent, Some(""))?.cut(ids.collect());
    let shown = state.tasks.iter().filter(|task| ids.contains(&task.id));
    let shown: Vec<Value> = shown.map(|task| state.shown_task(task)).collect();
    envelope.insert("tasks".to_owned(), shown.into());
    if let Some(user) = user.filter(|_| counted) {
        envelope.insert("activeTasksAvailable".to_owned(), state.tasks_left(user).into());
    }
    Ok(data(envelope))
}

/// Both APIs have the same operations, with different JSON.
fn tasks(state: &mut State, sent: &Sent<'_>, owner: Owner<'_>, rest: Rest<'_>) -> Reply {
    let now = state.kit.now();
    match (sent.call.method.as_str(), rest) {
        ("GET", []) if owner.is_some() => {
            sent.only(&["itemId", "active", "types", "start", "num"])?;
            user_tasks(state, sent, owner, true)
        }
        ("GET", []) => {
            sent.only(&["start", "num"])?;
            let ids = state.tasks.iter().filter(|task| task.is_admin()).map(|task| task.id.clone());
            let (ids, mut envelope) = Page::read(state, sent, None)?.cut(ids.collect());
            let shown = state.tasks.iter().filter(|task| ids.contains(&task.id));
            let shown: Vec<Value> = shown.map(|task| state.shown_task(task)).collect();
            envelope.insert("result".to_owned(), shown.into());
            Ok(data(envelope))
        }
        ("POST", ["createTask"]) => {
            let draft = draft(sent, owner, None)?;
            if owner.is_some_and(|user| state.tasks_left(user) == 0) {
                return Err(Refusal::bad_request("no more active tasks are allowed"));
            }
            let id = state.add_task(owner, None, draft);
            if owner.is_none() && state.created_id_told {
                return Ok(data(json!({ "status": "success", "taskId": id })));
            }
            Ok(data(done(owner, &id, None)))
        }
        ("GET", [task]) => {
            sent.only(&[])?;
            Ok(data(state.shown_task(state.task(owner, task)?)))
        }
        ("POST", [task, "update"]) => {
            let kind = state.task(owner, task)?.kind.clone();
            let draft = draft(sent, owner, Some(&kind))?;
            state.task_mut(owner, task)?.change(draft, now);
            Ok(data(done(owner, task, None)))
        }
        ("POST", [task, verb @ ("enable" | "disable" | "delete")]) => {
            sent.only(&[])?;
            let found = state.task_mut(owner, task)?;
            if *verb == "delete" {
                state.tasks.retain(|known| known.id != **task);
            } else {
                found.switch(*verb == "enable", now);
            }
            Ok(data(done(owner, task, None)))
        }
        (_, [task, "runs", rest @ ..]) => runs(state, sent, (owner, task), rest),
        _ => Err(Refusal::not_found("path")),
    }
}

fn draft(sent: &Sent<'_>, owner: Owner<'_>, old: Option<&str>) -> Result<Draft, Refusal> {
    if owner.is_some() { Draft::of_user(sent, old) } else { Draft::of_admin(sent, old) }
}

fn runs(
    state: &mut State,
    sent: &Sent<'_>,
    (owner, task): (Owner<'_>, &str),
    rest: Rest<'_>,
) -> Reply {
    match (sent.call.method.as_str(), rest) {
        ("GET", []) => {
            sent.only(&["start", "num"])?;
            let counted = owner.is_none() || state.runs_in_pages;
            let asked = Page::read(state, sent, owner)?;
            let page = if counted { asked } else { Page::whole(owner) };
            let mut all: Vec<_> = state.task(owner, task)?.runs.iter().collect();
            // The latest comes first, also among those of one moment.
            all.reverse();
            all.sort_by_key(|run| std::cmp::Reverse(run.created));
            let (ids, mut envelope) = page.cut(all.iter().map(|run| run.id.clone()).collect());
            let mut shown = Vec::new();
            for id in &ids {
                state.poll(owner, task, id)?;
            }
            let found = state.task(owner, task)?;
            for id in &ids {
                shown.push(state.shown_run(found, found.run(id)?));
            }
            if !counted {
                envelope.clear();
            }
            let key = if owner.is_some() { "runs" } else { "result" };
            envelope.insert(key.to_owned(), shown.into());
            Ok(data(envelope))
        }
        ("GET", [run]) => {
            sent.only(&[])?;
            state.poll(owner, task, run)?;
            let found = state.task(owner, task)?;
            Ok(data(state.shown_run(found, found.run(run)?)))
        }
        ("POST", [run, "update"]) => {
            // Esri's client for Kubernetes sends `results`, which has no effect.
            sent.only(&["status", "result", "results"])?;
            state.task(owner, task)?.run(run)?;
            let status = sent.required("status")?;
            if !STATUSES.contains(&status) {
                return Err(cannot_be("status", status));
            }
            state.settle(owner, task, run, status, sent.field("result").map(str::to_owned))?;
            Ok(data(done(owner, task, Some(run))))
        }
        ("POST", [run, "delete"]) => {
            sent.only(&[])?;
            let found = state.task_mut(owner, task)?;
            found.run(run)?;
            found.runs.retain(|known| known.id != **run);
            Ok(data(done(owner, task, Some(run))))
        }
        _ => Err(Refusal::not_found("path")),
    }
}

fn done(owner: Owner<'_>, task: &str, run: Option<&str>) -> Value {
    match (owner, run) {
        (None, _) => json!({ "status": "success" }),
        (Some(_), None) => json!({ "success": true, "taskId": task }),
        (Some(_), Some(run)) => json!({ "success": true, "taskId": task, "runId": run }),
    }
}

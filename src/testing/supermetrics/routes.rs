//! Which request does what.

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde_json::json;
use wiremock::Request;

use super::answers::{Answer, Object, Refusal, Reply};
use super::checks::{self, Call, FORMATS, check_offsets, check_query, check_source, number, text};
use super::shapes::Page;
use super::state::{Meeting, State};
use super::{FakeSupermetrics, batches, lists};

/// The API is below each of these, and at the root.
const BASES: [&str; 2] = [super::BASE_PATH, "/v2"];

/// The parts of a path below its base, and the base.
fn parts(path: &str) -> (Vec<String>, &str) {
    let below = BASES.iter().find_map(|base| {
        let below = path.strip_prefix(base).filter(|below| below.starts_with('/'))?;
        Some((below, *base))
    });
    let (below, base) = below.unwrap_or((path, ""));
    let decode = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
    (below.trim_start_matches('/').split('/').map(decode).collect(), base)
}

pub(super) fn route(state: &mut State, request: &Request) -> Reply {
    let call = Call::new(request);
    let (parts, base) = parts(&call.path);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if let Some(asked) = DataCall::read(&call, &parts, request) {
        return data(state, &call, &asked?);
    }
    call.check_key(request)?;
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["me"]) if base.is_empty() => {
            call.bare()?;
            let me = json!({ "@type": "user", "email": FakeSupermetrics::USER });
            Ok(Answer::json(200, json!({ "meta": {}, "data": me })))
        }
        ("GET", ["query", "status"]) => {
            let asked = call.read(checks::STATUS)?;
            check_offsets(&asked)?;
            let index = state.readable(text(&asked, "schedule_id").unwrap_or_default());
            let index = index.ok_or_else(Refusal::status_not_found)?;
            state.look(index);
            state.answer(index, &Page::between(&call, &asked), false)
        }
        ("GET", ["query", "results"]) => {
            let asked = call.read(checks::RESULTS)?;
            let index = state.readable(text(&asked, "schedule_id").unwrap_or_default());
            state.results(index.ok_or_else(Refusal::results_unavailable)?, &asked)
        }
        ("GET", ["query", "history"]) => lists::history(state, &call.read(checks::HISTORY)?),
        ("GET", ["query", "accounts"]) => {
            lists::logins(state, &call.read(checks::ACCOUNTS)?, "accounts")
        }
        ("GET", ["query", "segments"]) => {
            lists::logins(state, &call.read(checks::ACCOUNTS)?, "segments")
        }
        ("GET", ["query", "fields"]) => {
            check_source(&call.read(checks::FIELDS)?)?;
            Ok(lists::fields())
        }
        ("POST", ["query", "batch"]) => batches::create(state, &call, base),
        (method @ ("GET" | "DELETE"), ["query", "batch", id]) => {
            call.bare()?;
            if method == "DELETE" {
                batches::cancel(state, id)?;
            }
            batches::show(state, id, base, 200)
        }
        ("GET", ["query", "batch", id, "status"]) => {
            batches::status(state, id, base, &call.read(checks::BATCH_STATUS)?)
        }
        ("GET", ["query", id]) => {
            call.bare()?;
            lists::saved_query(id)
        }
        _ => Err(Refusal::not_found("path")),
    }
}

/// A call that may start a run.
struct DataCall {
    query: Object,
    format: &'static str,
    /// What was sent for it, besides the key.
    sent: Object,
}

impl DataCall {
    /// None if it is another call.
    fn read(call: &Call, parts: &[&str], request: &Request) -> Option<Result<Self, Refusal>> {
        match (call.method.as_str(), parts) {
            ("GET" | "POST", ["query", "data"]) => Some(Self::of_data(call, "json", request)),
            ("GET" | "POST", ["query", "data", format]) => {
                Some(Self::of_data(call, format, request))
            }
            ("GET" | "POST", ["query", "s", id, format]) => Some(Self::of_saved(call, id, format)),
            _ => None,
        }
    }

    fn of_data(call: &Call, format: &str, request: &Request) -> Result<Self, Refusal> {
        call.check_key(request)?;
        let (format, sent) = (known(format)?, call.read(checks::DATA)?);
        Ok(Self { query: sent.clone(), format, sent })
    }

    /// A short URL is open to all who know it.
    fn of_saved(call: &Call, id: &str, format: &str) -> Result<Self, Refusal> {
        let (format, sent) = (known(format)?, call.read(checks::SHORT_URL)?);
        Ok(Self { query: lists::changed(id, &sent)?, format, sent })
    }

    fn check(&self, now: DateTime<Utc>) -> Result<(), Refusal> {
        check_query(&self.query, self.format == "json", now)?;
        check_source(&self.query)
    }
}

fn known(format: &str) -> Result<&'static str, Refusal> {
    let known = FORMATS.iter().find(|known| **known == format).copied();
    known.ok_or_else(|| Refusal::bad_request(&format!("{format} is no format")))
}

/// Whether a request starts a run, or a batch of runs.
pub(super) fn starts(state: &mut State, request: &Request) -> bool {
    let call = Call::new(request);
    let (parts, _) = parts(&call.path);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let now = state.desk.now();
    match DataCall::read(&call, &parts, request) {
        Some(Ok(asked)) => {
            let meeting = state.meet(&asked.query, asked.format, now);
            asked.check(now).is_ok() && matches!(meeting, Meeting::New)
        }
        Some(Err(_)) => false,
        None => call.method == "POST" && parts == ["query", "batch"],
    }
}

fn data(state: &mut State, call: &Call, asked: &DataCall) -> Reply {
    let now = state.desk.now();
    asked.check(now)?;
    let (query, format) = (&asked.query, asked.format);
    let index = match state.meet(query, format, now) {
        Meeting::New => {
            state.triggers += 1;
            state.start(query, format, None)
        }
        Meeting::Joins(index) => index,
        Meeting::Returns(index) => {
            if number(query, "offset_start").unwrap_or(0) == 0 {
                state.reuse(index);
            }
            index
        }
    };
    if number(query, "sync_timeout").is_none_or(|seconds| seconds > 0) {
        state.look(index);
    }
    state.answer(index, &Page::between(call, &asked.sent), true)
}

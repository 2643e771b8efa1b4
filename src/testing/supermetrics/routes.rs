//! Routes.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::checks::{self, FORMATS, Sent, check_offsets, check_query, check_source, number, text};
use super::responses::{Object, ParsedRequest, Refusal, Reply};
use super::shapes::Page;
use super::state::{Meeting, State};
use super::{FakeSupermetrics, batches, lists};
use crate::testing::kit::{FakeState as _, Response};

/// The API is below each of these, and at the root.
const BASES: [&str; 2] = [State::BASE_PATH, "/v2"];

/// The parts of a path below its base, and the base.
fn parts(call: &ParsedRequest) -> (Vec<String>, &'static str) {
    let below = BASES.iter().find_map(|base| Some((call.parts(base)?, *base)));
    below.unwrap_or_else(|| (call.parts("").unwrap_or_default(), ""))
}

pub(super) fn route(state: &mut State, call: &ParsedRequest) -> Reply {
    let sent = Sent::new(call);
    let (parts, base) = parts(call);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if let Some(asked) = DataCall::read(&sent, &parts) {
        return data(state, &sent, &asked?);
    }
    sent.check_key()?;
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["me"]) if base.is_empty() => {
            sent.bare()?;
            let me = json!({ "@type": "user", "email": FakeSupermetrics::USER });
            Ok(Response::json(200, json!({ "meta": {}, "data": me })))
        }
        ("GET", ["query", "status"]) => {
            let asked = sent.read(checks::STATUS)?;
            check_offsets(&asked)?;
            let index = state.readable(text(&asked, "schedule_id").unwrap_or_default());
            let index = index.ok_or_else(Refusal::status_not_found)?;
            state.poll(index);
            state.shown(index, &Page::between(&sent, &asked), false)
        }
        ("GET", ["query", "results"]) => {
            let asked = sent.read(checks::RESULTS)?;
            let index = state.readable(text(&asked, "schedule_id").unwrap_or_default());
            state.results(index.ok_or_else(Refusal::results_unavailable)?, &asked)
        }
        ("GET", ["query", "history"]) => lists::history(state, &sent.read(checks::HISTORY)?),
        ("GET", ["query", "accounts"]) => {
            lists::logins(state, &sent.read(checks::ACCOUNTS)?, "accounts")
        }
        ("GET", ["query", "segments"]) => {
            lists::logins(state, &sent.read(checks::ACCOUNTS)?, "segments")
        }
        ("GET", ["query", "fields"]) => {
            check_source(&sent.read(checks::FIELDS)?, state)?;
            Ok(lists::fields())
        }
        ("POST", ["query", "batch"]) => batches::create(state, &sent, base),
        (method @ ("GET" | "DELETE"), ["query", "batch", id]) => {
            sent.bare()?;
            if method == "DELETE" {
                batches::cancel(state, id)?;
            }
            batches::show(state, id, base, 200)
        }
        ("GET", ["query", "batch", id, "status"]) => {
            batches::status(state, id, base, &sent.read(checks::BATCH_STATUS)?)
        }
        ("GET", ["query", id]) => {
            sent.bare()?;
            lists::saved_query(id)
        }
        _ => Err(Refusal::not_found("path")),
    }
}

/// A call that may start a run.
struct DataCall {
    query: Object,
    format: &'static str,
    /// The parameters except the key.
    given: Object,
}

impl DataCall {
    /// `None` if it is another call.
    fn read(sent: &Sent<'_>, parts: &[&str]) -> Option<Result<Self, Refusal>> {
        match (sent.call.method.as_str(), parts) {
            ("GET" | "POST", ["query", "data"]) => Some(Self::of_data(sent, "json")),
            ("GET" | "POST", ["query", "data", format]) => Some(Self::of_data(sent, format)),
            ("GET" | "POST", ["query", "s", id, format]) => Some(Self::of_saved(sent, id, format)),
            _ => None,
        }
    }

    fn of_data(sent: &Sent<'_>, format: &str) -> Result<Self, Refusal> {
        sent.check_key()?;
        let (format, given) = (known(format)?, sent.read(checks::DATA)?);
        Ok(Self { query: given.clone(), format, given })
    }

    /// A short URL needs no key.
    fn of_saved(sent: &Sent<'_>, id: &str, format: &str) -> Result<Self, Refusal> {
        let (format, given) = (known(format)?, sent.read(checks::SHORT_URL)?);
        Ok(Self { query: lists::changed(id, &given)?, format, given })
    }

    fn check(&self, state: &State, now: DateTime<Utc>) -> Result<(), Refusal> {
        check_query(&self.query, self.format == "json", now)?;
        check_source(&self.query, state)
    }
}

fn known(format: &str) -> Result<&'static str, Refusal> {
    let known = FORMATS.iter().find(|known| **known == format).copied();
    known.ok_or_else(|| Refusal::bad_request(&format!("{format} is not a format")))
}

/// Whether a request starts a run, or a batch of runs.
pub(super) fn starts(state: &mut State, call: &ParsedRequest) -> bool {
    let (parts, _) = parts(call);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let now = state.kit.now();
    match DataCall::read(&Sent::new(call), &parts) {
        Some(Ok(asked)) => {
            let meeting = state.meet(&asked.query, asked.format, now);
            asked.check(state, now).is_ok() && matches!(meeting, Meeting::New)
        }
        Some(Err(_)) => false,
        None => call.method == "POST" && parts == ["query", "batch"],
    }
}

fn data(state: &mut State, sent: &Sent<'_>, asked: &DataCall) -> Reply {
    let now = state.kit.now();
    asked.check(state, now)?;
    let (query, format) = (&asked.query, asked.format);
    let index = match state.meet(query, format, now) {
        Meeting::New => {
            state.kit.count_trigger(text(query, "ds_id").unwrap_or_default());
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
    match number(query, "sync_timeout") {
        None => state.poll_to_end(index),
        Some(0) => {}
        Some(_) => state.poll(index),
    }
    state.shown(index, &Page::between(sent, &asked.given), true)
}

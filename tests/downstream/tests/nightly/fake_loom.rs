//! Loom in memory: a transport that responds as Loom would. It needs no port and no HTTP library.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, Response, header};
use nightly_reports::loom::Provider;
use scheduled_runs::client::{
    ApiRequest, Bearer, BodyLimits, Transport, TransportError, TransportErrorKind,
};
use scheduled_runs::testing::ManualClock;
use serde_json::{Value, json};

/// The polls of a run see it waiting, then weaving, then in its last state.
const STATES: [&str; 2] = ["waiting", "weaving"];
const PAGE: usize = 2;

#[derive(Clone, Debug, Default)]
pub struct FakeLoom(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    runs: Vec<Run>,
    planned: Vec<&'static str>,
    loses_answer: bool,
    starts: usize,
    clock: ManualClock,
}

#[derive(Debug)]
struct Run {
    ends: &'static str,
    polls: usize,
    begun: DateTime<Utc>,
}

impl FakeLoom {
    /// The only job there is.
    pub const JOB: &str = "nightly/orders";
    const TOKEN: &str = "canary-token";

    pub fn provider(&self) -> Provider {
        let client = Provider::builder()
            .credential(Bearer::new(Self::TOKEN))
            .transport(self.clone())
            .clock(self.0.lock().unwrap().clock.clone());
        Provider::new(client.build().unwrap())
    }

    /// Sets how the next run that is started here ends: `woven`, `torn`, or `weaving` for a run that never ends.
    pub fn next_run(&self, ends: &'static str) {
        self.0.lock().unwrap().planned.push(ends);
    }

    pub fn lose_next_response(&self) {
        self.0.lock().unwrap().loses_answer = true;
    }

    pub fn start_from_elsewhere(&self) {
        self.0.lock().unwrap().start("woven");
    }

    pub fn starts(&self) -> usize {
        self.0.lock().unwrap().starts
    }
}

impl State {
    fn start(&mut self, ends: &'static str) -> Value {
        let begun = self.now();
        self.runs.push(Run { ends, polls: 0, begun });
        self.shown(self.runs.len() - 1)
    }

    /// A time later than that of every run, so that no two runs begin at the same time.
    fn now(&self) -> DateTime<Utc> {
        let after = |run: &Run| run.begun + TimeDelta::milliseconds(1);
        let utc = scheduled_runs::client::Clock::utc(&self.clock);
        self.runs.last().map_or(utc, |last| utc.max(after(last)))
    }

    fn shown(&mut self, number: usize) -> Value {
        let now = self.now();
        let run = &mut self.runs[number];
        let state = STATES.get(run.polls).unwrap_or(&run.ends);
        run.polls += 1;
        let ended = (*state == run.ends && run.ends != "weaving").then_some(now);
        let tear = (*state == "torn").then_some("the warp broke");
        json!({ "id": number.to_string(), "state": state, "begun": run.begun, "ended": ended, "tear": tear })
    }

    fn respond(&mut self, request: &ApiRequest) -> (u16, Value) {
        let known = format!("Bearer {}", FakeLoom::TOKEN);
        if request.headers().get(header::AUTHORIZATION).is_none_or(|sent| sent != known.as_str()) {
            return (401, json!({ "fault": "who_are_you" }));
        }
        let path = request.url().path().strip_prefix("/v1/jobs/nightly%2Forders/runs");
        let Some(path) = path else {
            return (404, json!({ "fault": "no_such_job", "text": "there is no such job" }));
        };
        let mut parts = path.split('/').skip(1);
        let run = parts.next();
        let number = run.and_then(|run| run.parse().ok());
        match (request.method(), run, number.filter(|run| *run < self.runs.len()), parts.next()) {
            (&Method::POST, None, _, None) => {
                self.starts += 1;
                let ends = if self.planned.is_empty() { "woven" } else { self.planned.remove(0) };
                (201, self.start(ends))
            }
            (&Method::GET, None, _, None) => {
                let before = request.url().query_pairs().find(|(name, _)| name == "before");
                let end = before.map_or(self.runs.len(), |(_, run)| run.parse().unwrap());
                let begin = end.saturating_sub(PAGE);
                let runs: Vec<_> = (begin..end).rev().map(|run| self.shown(run)).collect();
                (200, json!({ "runs": runs, "more": begin > 0 }))
            }
            (&Method::GET, Some(_), Some(run), None) => (200, self.shown(run)),
            (&Method::POST, Some(_), Some(run), Some("stop")) => {
                let run = &mut self.runs[run];
                if run.polls > STATES.len() && run.ends != "weaving" {
                    return (409, json!({ "fault": "has_ended" }));
                }
                (run.ends, run.polls) = ("stopped", STATES.len());
                (202, Value::Null)
            }
            (_, Some(_), None, _) => (404, json!({ "fault": "no_such_run" })),
            _ => (405, json!({ "fault": "no_such_thing" })),
        }
    }
}

#[async_trait]
impl Transport for FakeLoom {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let mut state = self.0.lock().unwrap();
        let (status, body) = state.respond(&request);
        if request.method() == Method::POST && std::mem::take(&mut state.loses_answer) {
            return Err(TransportError::new(TransportErrorKind::Interrupted));
        }
        let response =
            Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
        Ok(response.body(body.to_string().into()).unwrap())
    }
}

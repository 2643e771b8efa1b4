//! What the fake remembers, and how it changes.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::FakeSupermetrics;
use super::checks::{list, number, scrubbed, text};
use super::responses::{Form, Object, ParsedRequest, Refusal, Reply};
use super::routes::{route, starts};
use super::rows::Table;
use crate::testing::kit::{Course, End, FakeState, Kit, NewRun, Plan, Response};

/// How long results can be read.
const READABLE: TimeDelta = TimeDelta::hours(1);
/// How long a run takes, according to responses.
pub(super) const RUN_SECONDS: f64 = 2.5;
/// `app_id` of runs that were started through the API.
pub(super) const APP: &str = "API";

#[derive(Default)]
pub struct State {
    pub(super) kit: Kit<Self>,
    pub(super) form: Form,
    /// The latest last.
    pub(super) runs: Vec<Run>,
    pub(super) batches: Vec<Batch>,
    /// The data sources that exist.
    pub(super) sources: Vec<String>,
}

/// One run of a query.
pub(super) struct Run {
    pub(super) schedule_id: String,
    /// Without the parameters that do not change the result.
    pub(super) query: Object,
    pub(super) format: &'static str,
    pub(super) app: String,
    pub(super) asked: DateTime<Utc>,
    pub(super) started: Option<DateTime<Utc>>,
    pub(super) ended: Option<DateTime<Utc>>,
    pub(super) state: String,
    pub(super) error: Option<(String, String)>,
    /// Set once it has succeeded.
    pub(super) table: Option<Table>,
    /// Whether a later call got the same result.
    pub(super) reused: bool,
    expired: bool,
    course: Course,
    /// Polls that found it running.
    running: u32,
}

pub(super) struct Batch {
    pub(super) id: String,
    /// What it was created with, defaults filled in.
    pub(super) options: Object,
    pub(super) items: Vec<BatchItem>,
    pub(super) asked: DateTime<Utc>,
    pub(super) cancelled: Option<DateTime<Utc>>,
}

pub(super) struct BatchItem {
    pub(super) schedule_id: String,
    pub(super) split: Value,
}

/// What a data call does.
pub(super) enum Meeting {
    /// It starts a run.
    New,
    /// It joins an unfinished run.
    Joins(usize),
    /// It gets the result of an earlier run.
    Returns(usize),
}

impl State {
    /// 32 hexadecimal digits.
    pub(super) fn new_id(&mut self) -> String {
        hashed(&self.kit.serial().to_string())
    }

    /// The latest run with a schedule ID, as long as it can be read.
    pub(super) fn readable(&mut self, schedule_id: &str) -> Option<usize> {
        let now = self.kit.now();
        let found = self.runs.iter().rposition(|run| run.schedule_id == schedule_id)?;
        self.runs.get(found).is_some_and(|run| run.lasts(now)).then_some(found)
    }

    /// What a data call with this query does.
    pub(super) fn meet(&self, query: &Object, format: &str, now: DateTime<Utc>) -> Meeting {
        let id = schedule_id(query, format);
        let Some(index) = self.runs.iter().rposition(|run| run.schedule_id == id) else {
            return Meeting::New;
        };
        let Some(run) = self.runs.get(index) else { return Meeting::New };
        if run.ended.is_none() {
            return Meeting::Joins(index);
        }
        let fresh = match (number(query, "cache_minutes"), run.ended) {
            (Some(minutes), Some(ended)) => {
                let age = u64::try_from((now - ended).num_seconds()).unwrap_or_default();
                age < minutes.saturating_mul(60)
            }
            _ => true,
        };
        // A later page is one of the same result, however old that may be.
        let fresh = fresh || number(query, "offset_start").unwrap_or(0) > 0;
        let same = run.query == essential(query) && run.format == format;
        if same && fresh && run.table.is_some() && run.lasts(now) {
            return Meeting::Returns(index);
        }
        Meeting::New
    }

    /// Starts a run; returns its index.
    pub(super) fn start(
        &mut self,
        query: &Object,
        format: &'static str,
        id: Option<String>,
    ) -> usize {
        let course = Course::new::<Self>(self.kit.next_plan());
        let now = self.kit.now();
        let id = id.unwrap_or_else(|| schedule_id(query, format));
        let mut run = Run::new(id, essential(query), format, now, course);
        if let Some(state) = run.course.due() {
            run.end(&state, now);
        }
        self.runs.push(run);
        self.runs.len() - 1
    }

    /// Polls a run, which makes it move on.
    pub(super) fn poll(&mut self, index: usize) {
        let (now, held) = (self.kit.now(), self.kit.held);
        if let Some(run) = self.runs.get_mut(index).filter(|_| !held) {
            run.step(now);
        }
    }

    /// Waits for as long as the API does by default, half an hour, with a poll each second. A run that never ends gets one poll.
    pub(super) fn poll_to_end(&mut self, index: usize) {
        let ends = self.runs.get(index).is_some_and(|run| run.course.end().is_some());
        for _ in 0..if ends { 1800 } else { 1 } {
            self.poll(index);
        }
    }

    /// Counts as one list of all runs: each unfinished one comes closer to its next step.
    pub(super) fn listed(&mut self) {
        for index in 0..self.runs.len() {
            let run = self.runs.get_mut(index).filter(|run| run.ended.is_none());
            if run.is_some_and(|run| run.course.list()) {
                self.poll(index);
            }
        }
    }

    /// A later call gets the result of this run, too.
    pub(super) fn reuse(&mut self, index: usize) {
        if let Some(run) = self.runs.get_mut(index) {
            run.reused = true;
        }
    }

    pub(super) fn expire(&mut self) {
        let ended = self.runs.iter_mut().filter(|run| run.ended.is_some());
        ended.for_each(|run| run.expired = true);
    }

    /// How many runs wait, and how many are running.
    pub(super) fn workload(&self) -> (usize, usize) {
        let active = self.runs.iter().filter(|run| run.ended.is_none());
        let (running, waiting): (Vec<_>, Vec<_>) = active.partition(|run| run.started.is_some());
        (waiting.len(), running.len())
    }

    pub(super) fn batch(&mut self, id: &str) -> Result<&mut Batch, Refusal> {
        let found = self.batches.iter_mut().find(|batch| batch.id == id);
        found.ok_or_else(|| Refusal::not_found("batch"))
    }

    /// The run of one query of a batch.
    pub(super) fn run_of(&self, item: &BatchItem) -> Option<&Run> {
        self.runs.iter().rfind(|run| run.schedule_id == item.schedule_id)
    }
}

impl Run {
    pub(super) fn is_listed(&self) -> bool {
        self.course.listed_at.has_come()
    }

    fn new(
        schedule_id: String,
        query: Object,
        format: &'static str,
        asked: DateTime<Utc>,
        course: Course,
    ) -> Self {
        Self {
            schedule_id,
            query,
            format,
            app: APP.to_owned(),
            asked,
            started: None,
            ended: None,
            state: "SCHEDULED".to_owned(),
            error: None,
            table: None,
            reused: false,
            expired: false,
            course,
            running: 0,
        }
    }

    /// Whether status and results can still be read.
    fn lasts(&self, now: DateTime<Utc>) -> bool {
        !self.expired && self.ended.is_none_or(|ended| ended + READABLE > now)
    }

    pub(super) fn step(&mut self, now: DateTime<Utc>) {
        if self.ended.is_some() {
            return;
        }
        if let Some(state) = self.course.poll() {
            return self.end(&state, now);
        }
        if self.course.polls == 1 && self.course.plan.polls > 2 {
            "QUEUED".clone_into(&mut self.state);
            return;
        }
        "RUNNING".clone_into(&mut self.state);
        self.started.get_or_insert(now);
        self.running = self.running.saturating_add(1);
    }

    /// Parts that are ready, and parts in total. As more get ready, the total grows.
    pub(super) fn progress(&self) -> Value {
        let ready = u64::from(self.running);
        let total = 1 + ready.saturating_mul(ready.saturating_add(1)) / 2;
        json!({ "queries_ready": ready.min(9999), "queries_total": total.min(10_000) })
    }

    pub(super) fn end(&mut self, state: &str, now: DateTime<Utc>) {
        state.clone_into(&mut self.state);
        self.started.get_or_insert(now);
        self.ended = Some(now);
        (self.table, self.error) = (None, None);
        let plan = &self.course.plan;
        match (state, &plan.reason) {
            ("SUCCESS", _) => {
                self.table = Some(Table::new(&plan.rows, &plan.split, &self.query, now));
            }
            ("FAILURE", Some(reason)) => {
                let code = plan.code.as_deref().unwrap_or("QUERY_ERROR");
                self.error = Some((code.to_owned(), reason.clone()));
            }
            _ => {}
        }
    }
}

impl FakeState for State {
    type Refusal = Refusal;

    const NAME: &'static str = "FakeSupermetrics";
    const BASE_PATH: &'static str = "/enterprise/v2";
    const TARGET: &'static str = "data source";
    const VERBS: &'static [&'static str] = &[
        "Plan::code",
        "Plan::listed_after",
        "Plan::rows",
        "Plan::table",
        "Plan::split_by",
        "NewRun::reason",
        "NewRun::code",
        "NewRun::rows",
        "NewRun::app_id",
    ];

    fn new(origin: String) -> Self {
        let mut state = Self { form: Form { origin, ..Form::default() }, ..Self::default() };
        let sources =
            [FakeSupermetrics::DATA_SOURCE, "AW", FakeSupermetrics::UNLICENSED_DATA_SOURCE];
        state.sources = sources.map(str::to_owned).into();
        state.add_demo_data();
        state
    }

    fn kit(&mut self) -> &mut Kit<Self> {
        &mut self.kit
    }

    fn end_state(end: End) -> Option<&'static str> {
        match end {
            End::Succeeds => Some("SUCCESS"),
            End::Fails | End::FailsSilently => Some("FAILURE"),
            End::Cancelled => Some("STOPPED"),
            End::Skipped | End::SubmitFails => None,
        }
    }

    fn add_run(&mut self, source: &str, new: NewRun) -> Option<String> {
        if !self.has_source(source) {
            return None;
        }
        let asked = new.created.unwrap_or_else(|| self.kit.now());
        let id = new.id.unwrap_or_else(|| self.new_id());
        let mut run =
            Run::new(id.clone(), of(source), "json", asked, Course::new::<Self>(new.plan));
        run.app = new.app_id.unwrap_or(run.app);
        if is_active(&new.state) {
            run.course.polls = u32::from(new.state != "SCHEDULED");
            run.started = (new.state == "RUNNING").then_some(asked);
            run.state = new.state;
        } else {
            run.end(&new.state, asked + TimeDelta::milliseconds(2500));
        }
        self.runs.push(run);
        Some(id)
    }

    /// It is started from a spreadsheet.
    fn trigger_from_elsewhere(&mut self, source: &str) -> Option<String> {
        if !self.has_source(source) {
            return None;
        }
        let (now, id) = (self.kit.now(), self.new_id());
        let course = Course::new::<Self>(Plan::succeeds());
        let app = "GS".to_owned();
        self.runs.push(Run { app, ..Run::new(id.clone(), of(source), "json", now, course) });
        Some(id)
    }

    /// Ends the latest run with this schedule ID.
    fn finish(&mut self, schedule_id: &str, state: &str) -> Option<()> {
        let now = self.kit.now();
        let run = self.runs.iter_mut().rfind(|run| run.schedule_id == schedule_id)?;
        run.end(state, now);
        Some(())
    }

    fn is_trigger(&mut self, call: &ParsedRequest) -> bool {
        starts(self, call)
    }

    fn without_secrets(sent: &str) -> String {
        scrubbed(sent)
    }

    fn serve(&mut self, call: &ParsedRequest) -> Reply {
        self.form.answered = self.form.answered.saturating_add(1);
        match &mut self.form.rate_left {
            Some(0) => return Err(Refusal::too_many()),
            Some(left) => *left -= 1,
            None => {}
        }
        route(self, call)
    }

    fn usual(status: u16) -> Refusal {
        Refusal::usual(status)
    }

    fn bad_request(message: &str) -> Refusal {
        Refusal::bad_request(message)
    }

    fn complete(&mut self, call: &ParsedRequest, reply: Reply) -> Response {
        let id = self.new_id();
        let response = reply.unwrap_or_else(|refusal| self.form.refuse(&refusal, &id));
        let response = self.form.completed(response, &id);
        if call.parameter("pretty").is_some() { response.pretty() } else { response }
    }
}

impl State {
    /// Their IDs are compared without case, as the filter of history is documented to do.
    pub(super) fn has_source(&self, id: &str) -> bool {
        self.sources.iter().any(|known| known.eq_ignore_ascii_case(id))
    }

    fn add_demo_data(&mut self) {
        let run =
            |state, minutes| NewRun::new(state).created(Utc::now() - TimeDelta::minutes(minutes));
        let failed = run("FAILURE", 3 * 60)
            .code("QUERY_ERROR")
            .reason("The data source did not answer in time");
        for (source, run) in [
            ("AW", run("SUCCESS", 3 * 24 * 60)),
            ("AW", run("STOPPED", 20 * 60).app_id("GS")),
            (FakeSupermetrics::DATA_SOURCE, failed),
            (FakeSupermetrics::DATA_SOURCE, run("SUCCESS", 10).id(FakeSupermetrics::RECENT_RUN)),
        ] {
            self.add_run(source, run);
        }
    }
}

/// The query of a run that says nothing but its data source.
fn of(source: &str) -> Object {
    [("ds_id".to_owned(), source.into())].into_iter().collect()
}

pub(super) fn is_active(state: &str) -> bool {
    matches!(state, "SCHEDULED" | "QUEUED" | "RUNNING")
}

/// The parameters that decide the result: without pages, waiting and caching.
fn essential(query: &Object) -> Object {
    let mut essential = query.clone();
    let passing =
        ["schedule_id", "offset_start", "offset_end", "cache_minutes", "sync_timeout", "api_links"];
    essential.retain(|name, _| !passing.contains(&name.as_str()));
    // A list is the same whether it was sent as one text or as several.
    for name in ["ds_accounts", "ds_segments", "ds_users", "fields", "order_rows"] {
        if query.get(name).is_some_and(Value::is_string) {
            essential.insert(name.to_owned(), list(query, name).into());
        }
    }
    essential
}

/// The schedule ID of the query, or one that is derived from it: equal queries have equal IDs.
pub(super) fn schedule_id(query: &Object, format: &str) -> String {
    let given = text(query, "schedule_id").map(str::to_owned);
    given.unwrap_or_else(|| hashed(&json!([format, essential(query)]).to_string()))
}

/// FNV-1a, twice.
fn hashed(text: &str) -> String {
    let half = |seed: u64| {
        let mixed = text
            .bytes()
            .fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ mixed.rotate_left(29)
    };
    format!("{:016x}{:016x}", half(0xcbf2_9ce4_8422_2325), half(0x8422_2325_cbf2_9ce4))
}

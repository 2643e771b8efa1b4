//! Spans and events of calls and waits, and what nobody may read in them.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic")]

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use scheduled_runs::run::Capabilities;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::{FakeProvider, ManualClock, Plan};
use scheduled_runs::{
    CallLimits, Error, ErrorKind, Result, RunProvider, RunProviderExt as _, RunRef, RunSnapshot,
    Vendor, adobe,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Everything that is told, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Listens to this crate and all it depends on, as loud as they can be.
    fn listen() -> Self {
        let log = Self::default();
        let everything = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        tracing::subscriber::set_global_default(everything).unwrap();
        tracing_log::LogTracer::init().unwrap();
        log
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// The rows of the guide's table that were used: kind, target, level, name and fields.
#[derive(Clone, Default)]
struct Rows(Arc<Mutex<BTreeSet<String>>>);

impl Rows {
    fn add(&self, kind: &str, metadata: &Metadata<'_>, name: &str, fields: &[&str]) {
        if metadata.target().starts_with("scheduled_runs") {
            let level = metadata.level().as_str().to_lowercase();
            let fields: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
            let (target, fields) = (metadata.target(), fields.join(", "));
            let row = format!("| {kind} | `{target}` | {level} | `{name}` | {fields} |");
            self.0.lock().unwrap().insert(row);
        }
    }
}

/// The message of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Rows {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let fields: Vec<_> = span.metadata().fields().iter().map(|field| field.name()).collect();
        self.add("span", span.metadata(), span.metadata().name(), &fields);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let fields = event.metadata().fields().iter().map(|field| field.name());
        let fields: Vec<_> = fields.filter(|field| *field != "message").collect();
        self.add("event", event.metadata(), &message.0, &fields);
    }
}

/// A vendor without a list.
#[derive(Debug)]
struct Unlisted(FakeProvider);

#[async_trait::async_trait]
impl RunProvider for Unlisted {
    fn vendor(&self) -> Vendor {
        self.0.vendor()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        self.0.fetch_run(run, limits).await
    }
}

#[test]
fn the_guide_has_a_table_of_all_spans_and_events() {
    let rows = Rows::default();
    let subscriber = tracing_subscriber::registry().with(rows.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let fake = FakeAdobe::start().await;
            let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
            fake.fail_next(503);
            client.send(adobe::ListSchedules::new()).await.unwrap();

            let provider = FakeProvider::new();
            let run = provider.trigger(&provider.target("nightly")).await.unwrap();
            provider.fail_next_poll(Error::new(ErrorKind::Server, ""));
            let mut updates = provider.wait(&run).cancel_on_drop(provider.clone()).updates();
            updates.next().await.unwrap().unwrap();
            drop(updates);
            tokio::task::yield_now().await;
            let unlisted = Unlisted(provider.clone());
            unlisted.wait(&run).learn().await.unwrap();
            provider.wait_all([run]).ends().next().await.unwrap().unwrap();
        });
    });
    let guide = include_str!("../../src/guide/observing.md");
    let described = guide.lines().filter(|line| line.contains("| `scheduled_runs::"));
    let described: BTreeSet<_> = described.map(ToOwned::to_owned).collect();
    assert_eq!(*rows.0.lock().unwrap(), described);
}

#[tokio::test]
async fn calls_repetitions_and_waits_are_told_and_no_secret_or_body_is() {
    let log = Log::listen();
    let fake = FakeAdobe::start().await;
    let clock = ManualClock::new();
    let client = fake.client_builder().clock(clock.clone()).build().unwrap();
    let failing = adobe::target("nightly-orders");

    fake.fail_next(503);
    let schedules = client.send(adobe::ListSchedules::new()).await.unwrap();
    let sql = schedules.items.iter().find_map(|schedule| schedule.query.as_ref()?.sql.clone());
    fake.next_run(Plan::fails("no such table").code("42P01"));
    let done = client.trigger_and_wait(&failing).await.unwrap();
    assert!(done.success().is_err());
    client.send(adobe::GetSchedule::new("nobody-knows-it")).await.unwrap_err();
    let run = client.trigger(&failing).await.unwrap();
    let begun = clock.elapsed();
    client.wait(&run).await.unwrap();
    let waited = clock.elapsed().as_millis() - begun.as_millis();
    let waited = format!(" elapsed_ms={waited} ");
    let unknown = failing.run("nobody-knows-it");
    assert_eq!(client.wait(&unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
    let token = fake.access_token();

    let text = log.text();
    let of_run = |line: &&str| line.contains("wait ended") && line.contains(&run.to_string());
    let ended = text.lines().find(of_run).unwrap();
    assert!(ended.contains(&waited) && !waited.contains("=0 "), "{ended}");
    let failed = format!("run={unknown} error.type=\"not_found\"");
    assert!(text.contains(&failed), "{failed} is not in\n{text}");
    for told in [
        "scheduled_runs.call{otel.name=\"adobe.schedules.list\" otel.kind=\"client\" vendor=\"adobe\"",
        " url.full=\"http://127.0.0.1:",
        "http.request.method=\"GET\" server.address=\"127.0.0.1\"",
        "the call is retried attempt=1 error.type=\"server\" http.response.status_code=503",
        "http.request.resend_count=1 http.response.status_code=200",
        "http.response.status_code=404 ",
        "error.type=\"not_found\"",
        "scheduled_runs.wait{vendor=\"adobe\" run=adobe:nightly-orders/",
        "phase=queued",
        "phase=failed before=running",
        "otel.name=\"adobe.token\"",
    ] {
        assert!(text.contains(told), "{told} is not in\n{text}");
    }
    assert!(!text.contains("http.request.resend_count=0"), "most calls are not retried\n{text}");
    assert!(text.contains("hyper_util::"), "the dependencies are heard, too");

    let stem = token.rsplit_once('-').unwrap().0;
    for secret in [stem, FakeAdobe::CLIENT_SECRET, FakeAdobe::ORG_ID, sql.as_deref().unwrap()] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

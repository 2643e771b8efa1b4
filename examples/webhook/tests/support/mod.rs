//! The program under test, and time in which only events wake a wait.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use scheduled_runs::client::Clock;
use scheduled_runs::run::{Event, Events};
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::{FakeServer, FakeVendor, ManualClock, SendsWebhooks};
use scheduled_runs::{
    Result, RunProvider, RunProviderExt as _, RunRef, RunSnapshot, adobe,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use webhook::Endpoints;

pub const SECRET: &str = "5f1c8e03b7d94a62";
pub const FIVE_MINUTES: Duration = Duration::from_secs(300);
pub const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Short pauses take no time, and those of minutes never end.
#[derive(Clone, Debug, Default)]
pub struct OnlyEvents(ManualClock);

#[async_trait]
impl Clock for OnlyEvents {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn utc(&self) -> DateTime<Utc> {
        self.0.utc()
    }

    async fn sleep(&self, duration: Duration) {
        if duration >= Duration::from_secs(60) {
            std::future::pending::<()>().await;
        }
        self.0.sleep(duration).await;
    }
}

/// A program with endpoints, to which both fakes send their webhooks.
pub struct Program {
    events: Events,
    origin: String,
}

impl Program {
    pub async fn start(adobe_fake: &FakeAdobe, mode_fake: &FakeMode) -> Self {
        let events = Events::new();
        let adobe = adobe::Webhook::builder(FakeAdobe::CLIENT_ID);
        let endpoints = Endpoints {
            secret: SECRET.to_owned(),
            adobe: adobe.key_host(adobe_fake.key_host()).build().unwrap(),
            events: events.clone(),
            on_received: |_, _| {},
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, endpoints.router()).await });
        let program = Self { events, origin };
        adobe_fake.webhook(&program.url("/webhooks/adobe"));
        mode_fake.webhook(&program.url(&format!("/webhooks/{SECRET}/mode")));
        program
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Begins a wait that polls every five minutes, and at events.
    pub fn wait<P: RunProvider + Clone + 'static>(
        &self,
        provider: &P,
        run: &RunRef,
    ) -> JoinHandle<Result<RunSnapshot>> {
        let (provider, run, events) =
            (provider.clone(), run.clone(), self.events.stream());
        tokio::spawn(async move {
            provider.wait(&run).every(FIVE_MINUTES).forever().wake_on(events).await
        })
    }

    pub fn listen(&self) -> Listener {
        Listener(self.events.stream())
    }
}

/// The events that the waits get.
pub struct Listener(BoxStream<'static, Event>);

impl Listener {
    pub fn so_far(&mut self) -> Vec<Event> {
        let next = || self.0.next().now_or_never().flatten();
        std::iter::from_fn(next).collect()
    }
}

/// How often runs were polled.
pub fn polls<V: FakeVendor>(fake: &FakeServer<V>) -> usize {
    let requests = fake.requests();
    let is_poll = |path: &str| path.contains("/runs/");
    requests.iter().filter(|request| is_poll(&request.path)).count()
}

/// What the program responded to the webhooks.
pub async fn statuses<V: SendsWebhooks>(fake: &FakeServer<V>) -> Vec<u16> {
    let sent = fake.sent_webhooks().await;
    sent.into_iter().map(|webhook| webhook.status.unwrap()).collect()
}

/// Until something is so that no future says.
#[allow(clippy::disallowed_methods, reason = "the fakes live in real time")]
pub async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("this takes too long");
}

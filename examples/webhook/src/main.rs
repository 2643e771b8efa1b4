//! Waits that are woken by webhooks: the demonstration. It uses fakes on this machine and needs no account:
//! `cargo run --manifest-path examples/webhook/Cargo.toml`.
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::net::Ipv4Addr;
use std::time::Duration;

use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::run::Events;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::{FakeServer, Plan, SendsWebhooks, StartsRuns};
use scheduled_runs::webhook::Received;
use scheduled_runs::{RunProvider, RunProviderExt as _, Target, adobe};
use tokio::net::TcpListener;
use webhook::Endpoints;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const SECRET: &str = "5f1c8e03b7d94a62";
const SCHEDULE: &str = "nightly-orders";
const FIVE_MINUTES: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (adobe_fake, mode_fake) = (FakeAdobe::start().await, FakeMode::start().await);
    let events = Events::new();
    let endpoints = Endpoints {
        secret: SECRET.to_owned(),
        // Without `key_host` it gets the public keys from Adobe.
        adobe: adobe::Webhook::builder(FakeAdobe::CLIENT_ID)
            .key_host(adobe_fake.key_host())
            .build()?,
        events: events.clone(),
        on_received: print,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, endpoints.router()).await });

    // An admin does this in Adobe's Developer Console, and in Mode's workspace settings.
    adobe_fake.webhook(&format!("http://{address}/webhooks/adobe"));
    mode_fake.webhook(&format!("http://{address}/webhooks/{SECRET}/mode"));
    println!("The endpoints are http://{address}/webhooks/adobe and …/{{secret}}/mode.");

    adobe_fake.show_runs_after_lists(0);
    let client = adobe_fake.client_builder().build()?;
    show(&adobe_fake, &client, client.target(SCHEDULE), &events, "SUCCESS").await?;
    let client = mode_fake.client_builder().build()?;
    let report = client.target(FakeMode::REPORT);
    show(&mode_fake, &client, report, &events, "succeeded").await
}

/// Starts a run, waits for it, and has the vendor end it after a second.
async fn show<V: SendsWebhooks + StartsRuns>(
    fake: &FakeServer<V>,
    provider: &dyn RunProvider,
    target: Target,
    events: &Events,
    state: &str,
) -> Result<(), BoxError> {
    println!("\n{}", provider.vendor());
    fake.next_run(Plan::never_ends());
    let run = provider.trigger(&target).await?;
    println!("  run {} is started, and polled every five minutes", run.id());
    fake.sent_webhooks().await;

    let end = async {
        SystemClock::default().sleep(Duration::from_secs(1)).await;
        let so_far = polls(fake);
        println!("  a second later the run ends; polls so far: {so_far}");
        fake.finish(run.id(), state);
        so_far
    };
    let wait = provider.wait(&run).every(FIVE_MINUTES).wake_on(events.stream());
    let (snapshot, so_far) = tokio::join!(wait, end);
    let (phase, more) = (snapshot?.phase, polls(fake) - so_far);
    println!("  the wait has ended: {phase}, polls after the event: {more}");
    for webhook in fake.sent_webhooks().await {
        let status = webhook.status.unwrap_or_default();
        println!("  sent, with the response {status}: {:.90}…", webhook.body);
    }
    Ok(())
}

/// How often runs were polled.
fn polls<V: StartsRuns>(fake: &FakeServer<V>) -> usize {
    let requests = fake.requests();
    requests.iter().filter(|request| request.path.contains("/runs/")).count()
}

/// What has come in, for a person.
fn print(vendor: &str, received: &Received) {
    let (status, events) = (received.response.status(), &received.events);
    println!(
        "  a webhook of {vendor} came in: {status}, events for waits: {}",
        events.len()
    );
}

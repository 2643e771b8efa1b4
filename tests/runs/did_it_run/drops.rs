//! A caller drops the future of a trigger, a start or a recovery: at a time limit, or because its own client hangs up.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use scheduled_runs::client::{
    Api, ApiRequest, BodyLimits, ClientBuilder, ReqwestTransport, Transport, TransportError,
};
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::testing::{FakeServer, ManualClock};
use scheduled_runs::{
    Client, Result, RunProvider, RunProviderExt as _, StartIntent, Target, adobe, foundry, mode,
    supermetrics,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::query;

/// Carries every request to its end, also if nobody waits for it any more: what was sent has been sent.
#[derive(Clone, Debug)]
struct Carrier(ReqwestTransport, Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Carrier {
    fn new() -> Self {
        let direct = ReqwestTransport::from_builder(|| reqwest::Client::builder().no_proxy());
        Self(direct.unwrap(), Arc::default())
    }

    async fn all_arrived(&self) {
        let sent = std::mem::take(&mut *self.1.lock().unwrap());
        for request in sent {
            request.await.unwrap();
        }
    }
}

#[async_trait]
impl Transport for Carrier {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let (transport, (sender, response)) = (self.0.clone(), oneshot::channel());
        let carried = tokio::spawn(async move {
            let _ = sender.send(transport.send(request, limits).await);
        });
        self.1.lock().unwrap().push(carried);
        response.await.unwrap()
    }
}

/// Polls a future so many times, then drops it. Whether it had ended.
async fn drop_after(polls: usize, mut future: Pin<Box<dyn Future<Output = ()> + '_>>) -> bool {
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|()| true)
    })
    .await
}

/// Does this, dropped after one poll, then after two, and so on until it ends. After each drop, the run is found if there is
/// one, and the client works on.
async fn dropped_everywhere<A: Api>(
    builder: impl Fn() -> ClientBuilder<A>,
    target: &Target,
    triggers: impl Fn() -> usize,
    act: impl AsyncFn(&Client<A>, &Target),
) where
    Client<A>: RunProvider,
{
    for polls in 0.. {
        let (carrier, before) = (Carrier::new(), triggers());
        let client = builder().transport(carrier.clone()).clock(ManualClock::new());
        let client = client.build().unwrap();
        let intent: StartIntent = client.prepare(target).await.unwrap().intent().clone();
        let ended = drop_after(polls, Box::pin(act(&client, target))).await;
        carrier.all_arrived().await;
        let started = triggers() - before;
        assert!(started <= 1, "dropped after {polls} polls: started {started} times");
        if !client.capabilities().caller_names_run {
            let found = client.recover(&intent).decide().await.unwrap();
            assert_eq!(found.is_some(), started == 1, "dropped after {polls} polls: {found:?}");
            if let Some(run) = found {
                client.snapshot(&run).await.unwrap();
            }
        }
        if ended {
            assert!(polls > 1, "it has points at which it waits");
            return;
        }
    }
}

macro_rules! everywhere {
    ($act:expr) => {{
        let fake = FakeAdobe::start().await;
        let target = adobe::target("nightly-orders");
        let triggers = || fake.triggers("nightly-orders");
        dropped_everywhere(|| fake.client_builder(), &target, triggers, $act).await;
        let fake = FakeFoundry::start().await;
        let target = foundry::target(FakeFoundry::NIGHTLY_ORDERS);
        let triggers = || fake.triggers(FakeFoundry::NIGHTLY_ORDERS);
        dropped_everywhere(|| fake.client_builder(), &target, triggers, $act).await;
        let fake = FakeMode::start().await;
        let target = mode::target(FakeMode::REPORT);
        let triggers = || fake.triggers(FakeMode::REPORT);
        dropped_everywhere(|| fake.client_builder(), &target, triggers, $act).await;
        let fake: FakeServer<_> = FakeSupermetrics::start().await;
        let target = supermetrics::target(&query());
        let triggers = || fake.triggers(FakeSupermetrics::DATA_SOURCE);
        dropped_everywhere(|| fake.client_builder(), &target, triggers, $act).await;
    }};
}

#[tokio::test]
async fn a_trigger_that_is_dropped_anywhere_is_found_by_an_intent_prepared_before() {
    everywhere!(async |client, target| {
        client.trigger(target).verify().await.unwrap();
    });
}

#[tokio::test]
async fn a_start_that_is_dropped_anywhere_is_found_by_its_intent() {
    everywhere!(async |client, target| {
        let prepared = client.prepare(target).await.unwrap();
        let intent = prepared.intent().clone();
        prepared.start().await.unwrap();
        assert!(client.recover(&intent).decide().await.unwrap().is_some());
    });
}

/// The names that callers choose are in the intent of that start alone.
#[tokio::test]
async fn a_start_under_a_name_that_is_dropped_anywhere_is_found_by_its_intent() {
    let fake = FakeSupermetrics::start().await;
    let triggers = || fake.triggers(FakeSupermetrics::DATA_SOURCE);
    for polls in 0.. {
        let (carrier, before) = (Carrier::new(), triggers());
        let client = fake.client_builder().transport(carrier.clone()).clock(ManualClock::new());
        let client = client.build().unwrap();
        let prepared = client.prepare(&client.target(&query())).await.unwrap();
        let intent = prepared.intent().clone();
        let start = Box::pin(async move {
            prepared.start().await.unwrap();
        });
        let ended = drop_after(polls, start).await;
        carrier.all_arrived().await;
        let found = client.recover(&intent).decide().await.unwrap();
        assert_eq!(found.is_some(), triggers() > before, "dropped after {polls} polls");
        if ended {
            return;
        }
    }
}

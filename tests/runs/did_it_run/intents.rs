//! A process dies between preparing a start and writing down its run; another one recovers the intent.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use scheduled_runs::client::{
    ApiRequest, BodyLimits, CallOptions, Clock as _, Limits, ReqwestTransport, SystemClock,
    Transport, TransportError, TransportErrorKind,
};
use scheduled_runs::run::Recovery;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{
    Error, ErrorKind, RunProviderExt as _, RunRef, StartIntent, adobe, arcgis, supermetrics,
};

use url::Url;

use super::{Provider, Subject, everywhere, query};

/// Lease, arrival, skew and grace together, by default.
const TOTAL: TimeDelta = TimeDelta::seconds(180);

impl Subject {
    /// Prepares a start, sends it, and dies before the response has been read. Returns what was stored.
    async fn die_after_sending(&self) -> StartIntent {
        let prepared = self.provider.prepare(&self.target).await.unwrap();
        let line = prepared.intent().to_string();
        let mut start = pin!(prepared.start());
        let triggers = (self.triggers)();
        poll_fn(|context| {
            let ended = start.as_mut().poll(context).is_ready();
            let arrived = (self.triggers)() > triggers;
            if ended || arrived { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        line.parse().unwrap()
    }

    /// Prepares a start and dies before it is sent.
    async fn die_before_sending(&self) -> StartIntent {
        self.provider.prepare(&self.target).await.unwrap().intent().to_string().parse().unwrap()
    }
}

async fn recover(provider: &Provider, intent: &StartIntent) -> Recovery {
    let recovery = provider.recover(intent).await;
    recovery.unwrap_or_else(|error| panic!("{}", error.report()))
}

#[tokio::test]
async fn a_run_whose_process_died_is_found_by_another_process_and_started_once() {
    everywhere(async |subject| {
        let intent = subject.die_after_sending().await;
        let (process, clock) = subject.elsewhere(0);
        if !subject.names_runs() {
            let again_at = intent.prepared() + TOTAL;
            assert_eq!(recover(&process, &intent).await, Recovery::Undecided { again_at });
            for machine in [&clock, &subject.clock] {
                machine.set_utc(again_at - TimeDelta::seconds(1));
            }
            let early = recover(&process, &intent).await;
            assert!(matches!(early, Recovery::Undecided { .. }), "{}", subject.vendor());
            clock.set_utc(again_at + TimeDelta::seconds(1));
            subject.clock.set_utc(again_at + TimeDelta::seconds(1));
        }
        let Recovery::Started(run) = recover(&process, &intent).await else {
            panic!("{}: not found", subject.vendor())
        };
        process.snapshot(&run).await.unwrap();
        assert_eq!(process.recover(&intent).decide().await.unwrap(), Some(run));
        assert_eq!(((subject.triggers)(), subject.sent()), (1, 1), "{}", subject.vendor());
    })
    .await;
}

#[tokio::test]
async fn a_start_that_was_never_sent_is_said_to_have_started_nothing_once_it_no_longer_can() {
    everywhere(async |subject| {
        let intent = subject.die_before_sending().await;
        let (process, clock) = subject.elsewhere(0);
        let again_at = intent.prepared() + TOTAL;
        assert_eq!(recover(&process, &intent).await, Recovery::Undecided { again_at });
        for machine in [&clock, &subject.clock] {
            machine.set_utc(again_at + TimeDelta::seconds(1));
        }
        assert_eq!(recover(&process, &intent).await, Recovery::NotStarted);
        assert_eq!(subject.sent(), 0, "{}", subject.vendor());
        let anew = process.prepare(&subject.target).await.unwrap();
        assert_ne!(anew.intent().id(), intent.id());
        anew.start().await.unwrap();
        assert_eq!((subject.triggers)(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_lost_start_is_searched_for_at_once_and_is_recovered_to_the_same_run() {
    everywhere(async |subject| {
        (subject.lose_answer)();
        let prepared = subject.provider.prepare(&subject.target).await.unwrap();
        let intent = prepared.intent().clone();
        let run = prepared.start().await.unwrap_or_else(|error| panic!("{}", error.report()));
        let found = subject.provider.recover(&intent).decide().await.unwrap();
        assert_eq!((found, (subject.triggers)()), (Some(run), 1), "{}", subject.vendor());

        (subject.lose_request)();
        let prepared = subject.provider.prepare(&subject.target).await.unwrap();
        let intent = prepared.intent().clone();
        let error = prepared.start().await.unwrap_err();
        assert!(error.may_have_run() && error.verified_not_started(), "{}", error.report());
        assert_eq!(subject.provider.recover(&intent).decide().await.unwrap(), None);
        assert_eq!((subject.triggers)(), 1);
    })
    .await;
}

fn refused(error: &Error) {
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Config, false), "{error}");
    assert!(error.to_string().contains("the lease of this start is over"), "{error}");
}

#[tokio::test]
async fn a_worker_that_was_frozen_sends_nothing_whichever_clock_says_so() {
    let hour = TimeDelta::hours(1);
    everywhere(async |subject| {
        let wakes: [&dyn Fn(&ManualClock); 3] = [
            &|clock| clock.advance(Duration::from_secs(60)),
            // The machine slept, and its monotonic clock with it.
            &|clock| clock.set_utc(clock.utc() + hour),
            &|clock| clock.set_utc(clock.utc() - hour),
        ];
        for wake in wakes {
            let prepared = subject.provider.prepare(&subject.target).await.unwrap();
            wake(&subject.clock);
            refused(&prepared.start().await.unwrap_err());
        }
        assert_eq!(subject.sent(), 0, "{}", subject.vendor());
    })
    .await;
}

#[tokio::test]
async fn a_trigger_that_is_to_be_retried_is_not_sent_once_the_lease_is_over() {
    everywhere(async |subject| {
        let prepared = subject.provider.prepare(&subject.target).await.unwrap();
        (subject.ask_for_pause)("59");
        let mut sent = subject.sent();
        let retried = prepared.start().await;
        assert_eq!((retried.is_ok(), subject.sent() - sent), (true, 2), "{}", subject.vendor());

        let prepared = subject.provider.prepare(&subject.target).await.unwrap();
        (subject.ask_for_pause)("60");
        sent = subject.sent();
        let error = prepared.start().await.unwrap_err();
        assert_eq!((subject.sent() - sent, error.attempts().len()), (1, 2), "{}", error.report());
        refused(&error);
        assert_eq!((subject.triggers)(), 1);
    })
    .await;
}

/// Names a host; once it is slow, that takes longer than a lease.
#[derive(Clone)]
struct Names {
    clock: ManualClock,
    address: SocketAddr,
    slow: Arc<AtomicBool>,
}

impl reqwest::dns::Resolve for Names {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        if self.slow.load(Ordering::Relaxed) {
            self.clock.advance(Duration::from_secs(60));
        }
        let found: reqwest::dns::Addrs = Box::new([self.address].into_iter());
        Box::pin(async move { Ok(found) })
    }
}

#[tokio::test]
async fn a_lease_that_ends_while_the_connection_is_made_is_over() {
    let fake = FakeAdobe::start().await;
    let clock = ManualClock::new();
    let mut base = Url::parse(&fake.base_url()).unwrap();
    let address = base.socket_addrs(|| None).unwrap()[0];
    base.set_host(Some("vendor.invalid")).unwrap();
    let names = Names { clock: clock.clone(), address, slow: Arc::default() };
    let transport = ReqwestTransport::from_builder(|| {
        reqwest::Client::builder().no_proxy().dns_resolver(names.clone())
    });
    let builder = fake.client_builder().clock(clock).transport(transport.unwrap());
    let client = builder.base_url(base).allow_plain_http().build().unwrap();
    // Also if the attempt that was too late is the last one.
    for attempts in [3, 1] {
        names.slow.store(false, Ordering::Relaxed);
        let options = CallOptions::default().max_attempts(attempts);
        let prepare = client.prepare(&client.target("nightly-orders")).options(options);
        let prepared = prepare.await.unwrap();
        // The pool has a connection by now, but the trigger makes one of its own.
        names.slow.store(true, Ordering::Relaxed);
        let requests = fake.requests().len();
        refused(&prepared.start().await.unwrap_err());
        assert_eq!(fake.requests().len(), requests);
    }
}

/// Connects so slowly that a lease ends meanwhile, and refuses then what must not be sent any more.
#[derive(Clone, Debug)]
struct Slow {
    script: ScriptedTransport,
    clock: ManualClock,
}

#[async_trait]
impl Transport for Slow {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> Result<http::Response<bytes::Bytes>, TransportError> {
        self.clock.advance(Duration::from_secs(60));
        if request.lease_is_over() {
            return Err(TransportError::new(TransportErrorKind::Refused));
        }
        self.script.send(request, limits).await
    }
}

/// Never responds.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Transport for Silent {
    async fn send(
        &self,
        _: ApiRequest,
        _: BodyLimits,
    ) -> Result<http::Response<bytes::Bytes>, TransportError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_is_prepared_within_the_limits_of_its_client() {
    let builder = adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev").transport(Silent);
    let client = builder.limits(Limits::default().attempt(Duration::from_secs(1))).build().unwrap();
    let (clock, began) = (SystemClock::default(), SystemClock::default().now());
    let error = client.prepare(&client.target("nightly")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Timeout, 3));
    // Three attempts of one second, and two short pauses.
    assert!(clock.now() - began < Duration::from_secs(6), "{:?}", clock.now() - began);
}

#[tokio::test]
async fn a_transport_of_ones_own_refuses_a_start_whose_lease_is_over() {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev");
    let transport = Slow { script: script.clone(), clock: clock.clone() };
    let client = builder.transport(transport).clock(clock).build().unwrap();
    script.respond(200, r#"{"runsSchedules":[]}"#);
    let prepare = client.prepare(&client.target("nightly")).lease(Duration::from_secs(90));
    let prepared = prepare.await.unwrap();
    refused(&prepared.start().await.unwrap_err());
    assert_eq!(script.sent().len(), 1, "the list");
}

#[tokio::test]
async fn a_clock_that_was_set_back_or_runs_ahead_decides_nothing_too_early() {
    const HOUR: i64 = 3600;
    everywhere(async |subject| {
        if subject.names_runs() {
            return;
        }
        let dead = subject.die_after_sending().await;
        // Set back far beyond the skew: the vendor's clock decides. Ahead: the vendor's clock says that it is too early.
        for (ahead, passed, decided) in
            [(-HOUR, 170, false), (-HOUR, 190, true), (HOUR, 170, false), (HOUR, 190, true)]
        {
            subject.clock.set_utc(dead.prepared() + TimeDelta::seconds(passed));
            let (process, _) = subject.elsewhere(ahead);
            let found = recover(&process, &dead).await;
            assert_eq!(
                matches!(found, Recovery::Started(_)),
                decided,
                "{} {ahead} {passed}: {found:?}",
                subject.vendor()
            );
        }
        // Set back a little: it is decided later, and not by guessing.
        subject.clock.set_utc(dead.prepared() + TimeDelta::seconds(190));
        let (process, clock) = subject.elsewhere(-20);
        let Recovery::Undecided { again_at } = recover(&process, &dead).await else {
            panic!("too early by the clock of this machine")
        };
        assert_eq!(again_at, dead.prepared() + TOTAL);
        clock.set_utc(again_at);
        assert!(matches!(recover(&process, &dead).await, Recovery::Started(_)));
        // The vendor's clock stands in the future while the start is prepared.
        let (odd, real) = (ManualClock::new(), subject.clock.clone());
        odd.set_utc(real.utc() + TimeDelta::hours(1));
        (subject.vendors_clock)(&odd);
        let intent = subject.die_before_sending().await;
        (subject.vendors_clock)(&real);
        real.set_utc(intent.prepared() + TOTAL);
        assert_eq!(recover(&subject.provider, &intent).await, Recovery::NotStarted);
    })
    .await;
}

#[tokio::test]
async fn whoever_has_waited_long_enough_decides_without_any_wall_clock() {
    everywhere(async |subject| {
        let intent = subject.die_before_sending().await;
        let (process, clock) = subject.elsewhere(-100_000);
        (subject.vendors_clock)(&clock);
        assert_eq!(process.recover(&intent).decide().await.unwrap(), None);
        assert!(clock.elapsed() >= TOTAL.to_std().unwrap(), "{:?}", clock.elapsed());
    })
    .await;
}

#[tokio::test]
async fn starts_at_the_same_time_are_told_apart_by_what_the_caller_knows() {
    everywhere(async |subject| {
        let (one, two) = tokio::join!(
            subject.provider.prepare(&subject.target),
            subject.provider.prepare(&subject.target)
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        let intents = [one.intent().clone(), two.intent().clone()];
        let provider = &subject.provider;
        let started: Vec<_> = [one.start().await, two.start().await].into();
        let runs: Vec<RunRef> =
            if subject.provider.capabilities_of(&subject.target).trigger_names_run {
                started.into_iter().map(Result::unwrap).collect()
            } else {
                // The first has only its own to see; the second sees both.
                let error = started.into_iter().nth(1).unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Ambiguous);
                error.candidates().to_vec()
            };
        assert_eq!((runs.len(), (subject.triggers)()), (2, 2));
        if subject.names_runs() {
            for (intent, run) in intents.iter().zip(runs) {
                assert_eq!(recover(provider, intent).await, Recovery::Started(run));
            }
            return;
        }
        let error = provider.recover(&intents[0]).decide().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{}", error.report());
        assert_eq!(error.candidates().len(), 2);
        let found = provider.recover(&intents[0]).excluding([runs[1].clone()]).decide().await;
        assert_eq!(found.unwrap().as_ref(), Some(&runs[0]));
        let none = provider.recover(&intents[0]).excluding(runs).decide().await;
        assert_eq!(none.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_run_that_somebody_starts_later_is_not_taken_for_ours() {
    everywhere(async |subject| {
        let intent = subject.die_before_sending().await;
        subject.clock.advance(Duration::from_secs(1000));
        let theirs = intent.target().run((subject.somebody_starts)());
        let found = subject.provider.recover(&intent).await;
        if subject.names_runs() {
            assert_eq!(found.unwrap(), Recovery::NotStarted);
            return;
        }
        let error = found.unwrap_err();
        assert_eq!((error.kind(), error.candidates()), (ErrorKind::Ambiguous, &[theirs][..]));
        assert!(error.to_string().contains("after the lease of this start"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_intent_is_one_line_without_a_secret_and_no_two_are_equal() {
    everywhere(async |subject| {
        let [one, two] = [subject.die_before_sending().await, subject.die_before_sending().await];
        let line = one.to_string();
        assert_eq!(line.lines().count(), 1);
        assert_eq!(line.parse::<StartIntent>().unwrap(), one);
        assert_eq!(serde_json::to_string(&one).unwrap(), line);
        assert_ne!(one.id(), two.id());
        let account = subject.provider.scope().unwrap_or_default();
        assert_eq!(one.target(), &subject.target.clone().scoped(account));
        assert!(!line.contains("secret") && !line.contains("token"), "{line}");
        let cut = line.get(..line.len() / 2).unwrap().parse::<StartIntent>().unwrap_err();
        assert_eq!(cut.kind(), ErrorKind::Config);
    })
    .await;
}

#[tokio::test]
async fn bounds_of_ones_own_are_stored_with_the_intent() {
    everywhere(async |subject| {
        let second = Duration::from_secs(1);
        let prepare = subject.provider.prepare(&subject.target).lease(second).arrival(second);
        let prepared = prepare.clock_skew(second).grace(second).await.unwrap();
        let intent: StartIntent = prepared.intent().to_string().parse().unwrap();
        let again_at = intent.prepared() + TimeDelta::seconds(4);
        assert_eq!(recover(&subject.provider, &intent).await, Recovery::Undecided { again_at });
        subject.clock.advance(second);
        refused(&prepared.start().await.unwrap_err());
    })
    .await;
}

#[tokio::test]
async fn a_start_with_an_id_that_all_runs_share_is_left_to_a_person() {
    let fake = FakeSupermetrics::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let target = client.target(&query().schedule_id("mine"));
    let intent = client.prepare(&target).await.unwrap().intent().clone();
    let error = client.recover(&intent).decide().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{}", error.report());
    assert!(error.to_string().contains("nothing tells its runs apart"), "{error}");
}

#[tokio::test]
async fn a_run_whose_status_has_expired_is_found_in_the_history() {
    let fake = FakeSupermetrics::start().await;
    let clock = ManualClock::new();
    let client = fake.client_builder().clock(clock.clone()).build().unwrap();
    let prepared = client.prepare(&supermetrics::target(&query())).await.unwrap();
    let intent = prepared.intent().clone();
    let run = prepared.start().await.unwrap();
    client.wait(&run).await.unwrap();
    fake.expire_results();
    assert_eq!(client.snapshot(&run).await.unwrap_err().kind(), ErrorKind::NotFound);
    clock.advance(Duration::from_secs(7200));
    fake.use_clock(&clock);
    assert_eq!(client.recover(&intent).await.unwrap(), Recovery::Started(run));
}

#[tokio::test]
async fn what_cannot_be_triggered_cannot_be_prepared() {
    let fake = FakeArcGis::start().await;
    let client = fake.client_builder().build().unwrap();
    let error = client.prepare(&arcgis::target(FakeArcGis::CLEANER)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let foreign = client.prepare(&adobe::target("nightly")).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn deciding_bears_with_failures_for_as_long_as_the_intent_allows() {
    let fake = FakeAdobe::start().await;
    let clock = ManualClock::new();
    let client = fake.client_builder().clock(clock).build().unwrap();
    let intent = client.prepare(&client.target("nightly-orders")).await.unwrap().intent().clone();
    (0..20).for_each(|_| fake.fail_next(503));
    assert_eq!(client.recover(&intent).decide().await.unwrap(), None);
    (0..3000).for_each(|_| fake.fail_next(503));
    let error = client.recover(&intent).decide().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert!(fake.requests().len() < 1500, "{}", fake.requests().len());
}

//! Waits for the ends of runs while the vendor misbehaves: rows 61 to 65.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{FutureExt as _, StreamExt as _};
use http::Response;
use scheduled_runs::adobe::ServerToServer;
use scheduled_runs::client::{
    ApiRequest, BodyLimits, Clock, Endpoint as _, Idempotency, ReqwestTransport, RetryPolicy,
    SystemClock, Transport, TransportError,
};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::{
    Error, ErrorKind, Phase, RunProvider, RunProviderExt as _, RunRef, RunSnapshot, Target, adobe,
    foundry, mode, supermetrics,
};

use crate::{Answers, ORG, answer, assert_no_canary, builder, scripted};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const RUNNING: &str = r#"{"id":"r","state":"IN_PROGRESS"}"#;
const SUCCESS: &str = r#"{"id":"r","state":"SUCCESS"}"#;

fn run() -> RunRef {
    adobe::target("nightly").run("r")
}

/// A refusal that asks for a pause.
pub(crate) fn busy(status: u16, pause: &str) -> Response<Bytes> {
    let mut busy = answer(status, "");
    busy.headers_mut().insert("retry-after", pause.parse().unwrap());
    busy
}

#[tokio::test]
async fn fault_61_a_poll_that_is_told_to_come_back_in_years_is_made_again_in_a_minute() {
    for status in [429, 503] {
        for pause in
            ["9999999999", "99999999999999999999", "60000", "3600", "Thu, 31 Dec 2099 23:59:59 GMT"]
        {
            let (script, clock, client) = scripted();
            script.respond(200, RUNNING);
            script.respond_with(busy(status, pause));
            script.respond(200, SUCCESS);
            let ended = client.wait(&run()).await.unwrap();
            assert_eq!((ended.phase, script.sent().len()), (Phase::Succeeded, 3), "{pause}");
            assert!(clock.elapsed() <= 66 * SECOND, "{pause}: {:?}", clock.elapsed());
        }
    }
}

#[tokio::test]
async fn fault_61_the_clients_policy_bounds_the_pause_of_a_wait() {
    for (longest, slept) in [(Duration::ZERO, 5 * SECOND), (20 * SECOND, 20 * SECOND)] {
        let clock = ManualClock::new();
        let vendor = Answers::new(|number, _| match number {
            0 => busy(429, "3600"),
            _ => answer(200, SUCCESS),
        });
        let policy = RetryPolicy::default().longest_server_pause(longest);
        let client = builder().retry(policy).transport(vendor.clone()).clock(clock.clone());
        let client = client.build().unwrap();
        client.wait(&run()).await.unwrap();
        assert_eq!((vendor.count(), clock.sleeps()), (2, vec![slept]));
    }
}

#[tokio::test]
async fn fault_61_a_wait_that_ends_in_vain_says_what_failed_last() {
    let vendor = Answers::new(|number, _| match number {
        0 => answer(200, RUNNING),
        _ => busy(429, "86400"),
    });
    let client = builder().transport(vendor.clone()).build().unwrap();
    let wait = client.wait(&run()).timeout(5 * MINUTE);
    let alone = wait.await.unwrap_err();
    assert_eq!(vendor.count(), 6, "after the first refusal one a minute");
    let wait_all = client.wait_all([run()]).timeout(5 * MINUTE);
    let many = wait_all.ends().next().await.unwrap().unwrap_err();
    for (error, seen) in [(alone, Some(Phase::Running)), (many, None)] {
        assert_eq!(error.kind(), ErrorKind::WaitTimeout);
        assert_eq!(error.last_snapshot().map(|last| last.phase), seen);
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<Error>().unwrap();
        assert_eq!(source.kind(), ErrorKind::RateLimited);
        assert_eq!(source.status().unwrap().as_u16(), 429);
        let report = error.report();
        assert!(report.contains("the last polls failed, "), "{report}");
        assert!(report.contains("caused by") && report.contains("(HTTP 429)"), "{report}");
        assert_no_canary(&error, &client);
    }
}

/// A vendor that takes its time for each response.
#[derive(Clone)]
pub(crate) struct Slow {
    pub(crate) vendor: Answers,
    latency: Arc<dyn Fn(&ApiRequest) -> Duration + Send + Sync>,
}

impl Slow {
    pub(crate) fn new(
        vendor: Answers,
        latency: impl Fn(&ApiRequest) -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { vendor, latency: Arc::new(latency) }
    }
}

impl Debug for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slow")
    }
}

#[async_trait]
impl Transport for Slow {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let latency = (self.latency)(&request);
        let response = self.vendor.send(request, limits).await;
        tokio::time::sleep(latency).await;
        response
    }
}

/// A client whose time is tokio's.
fn timed(vendor: &Answers, latency: Duration) -> adobe::Client {
    let transport = Slow::new(vendor.clone(), move |_| latency);
    let client = builder().transport(transport).clock(SystemClock::default());
    client.build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn fault_61_a_target_that_is_held_holds_no_other() {
    // The first makes its call sleep, the second makes it fail, the third does not respond.
    for pause in ["50", "86400", "never"] {
        let vendor = Answers::new(move |number, request| {
            match (request.url().path().contains("held"), number) {
                (true, _) if pause == "never" => answer(503, ""),
                (true, _) => busy(429, pause),
                (false, 0..20) => answer(200, RUNNING),
                _ => answer(200, SUCCESS),
            }
        });
        let latency = if pause == "never" { 8 * SECOND } else { Duration::ZERO };
        let client = timed(&vendor, latency);
        let held = adobe::target("held").run("r");
        let begun = tokio::time::Instant::now();
        let mut ends = client.wait_all([held.clone(), run()]).timeout(10 * MINUTE).ends();
        let first = ends.next().await.unwrap().unwrap();
        assert_eq!((first.run, first.phase), (run(), Phase::Succeeded));
        let polls = vendor.sent();
        let free = polls.iter().filter(|poll| !poll.url().path().contains("held")).count();
        let each = latency + 5 * SECOND;
        assert!(begun.elapsed() <= each * u32::try_from(free).unwrap(), "{pause}");
        let last = ends.next().await.unwrap().unwrap_err();
        assert_eq!((last.kind(), last.run()), (ErrorKind::WaitTimeout, Some(&held)));
        assert!(ends.next().await.is_none());
    }
}

/// Hides what it is told to for the first three reads, as a vendor that has not brought its copies up to date.
#[derive(Clone, Debug)]
struct Forgetful {
    vendor: ReqwestTransport,
    /// The operation that does not know the run yet, with what it says instead.
    operation: &'static str,
    says: (u16, &'static str),
    hidden: Arc<AtomicUsize>,
    /// Counts from the trigger.
    triggered: Arc<AtomicUsize>,
}

#[async_trait]
impl Transport for Forgetful {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        if request.idempotency() == Idempotency::NotIdempotent {
            self.triggered.fetch_add(1, Ordering::SeqCst);
        }
        let hides = request.operation() == self.operation
            && self.triggered.load(Ordering::SeqCst) > 0
            && self.hidden.load(Ordering::SeqCst) < 3;
        if hides {
            self.hidden.fetch_add(1, Ordering::SeqCst);
            return Ok(answer(self.says.0, self.says.1));
        }
        self.vendor.send(request, limits).await
    }
}

fn forgetful(operation: &'static str, status: u16, body: &'static str) -> Forgetful {
    Forgetful {
        vendor: ReqwestTransport::new(5 * SECOND).unwrap(),
        operation,
        says: (status, body),
        hidden: Arc::default(),
        triggered: Arc::default(),
    }
}

async fn is_found_in_the_end(
    provider: &dyn RunProvider,
    target: &Target,
    transport: &Forgetful,
    triggers: usize,
) {
    let ended = provider.trigger_and_wait(target).await;
    let ended = ended.unwrap_or_else(|error| panic!("{}: {}", transport.operation, error.report()));
    assert_eq!(ended.phase, Phase::Succeeded, "{}", transport.operation);
    assert_eq!(transport.hidden.load(Ordering::SeqCst), 3, "{}", transport.operation);
    assert_eq!(triggers, 0, "nothing was triggered before");
}

#[tokio::test]
async fn fault_62_a_run_just_triggered_may_be_unknown_for_a_while_at_every_vendor() {
    let fake = FakeAdobe::start().await;
    let transport = forgetful("adobe.runs.get", 404, r#"{"title":"run not found","status":404}"#);
    let builder = fake.client_builder().transport(transport.clone()).clock(ManualClock::new());
    let target = adobe::target("nightly-orders");
    let before = fake.triggers("nightly-orders");
    is_found_in_the_end(&builder.build().unwrap(), &target, &transport, before).await;
    assert_eq!(fake.triggers("nightly-orders"), 1);

    let not_found =
        r#"{"errorCode":"NOT_FOUND","errorName":"BuildNotFound","errorInstanceId":"1"}"#;
    for (operation, status, body) in [
        ("foundry.builds.get", 404, not_found),
        ("foundry.schedule_runs.list", 200, r#"{"data":[]}"#),
    ] {
        let fake = FakeFoundry::start().await;
        let transport = forgetful(operation, status, body);
        let builder = fake.client_builder().transport(transport.clone()).clock(ManualClock::new());
        let target = foundry::target(FakeFoundry::NIGHTLY_ORDERS);
        let before = fake.triggers(FakeFoundry::NIGHTLY_ORDERS);
        is_found_in_the_end(&builder.build().unwrap(), &target, &transport, before).await;
        assert_eq!(fake.triggers(FakeFoundry::NIGHTLY_ORDERS), 1);
    }

    let fake = FakeMode::start().await;
    let transport = forgetful("mode.report_runs.get", 404, r#"{"id":"not_found","message":"no"}"#);
    let builder = fake.client_builder().transport(transport.clone()).clock(ManualClock::new());
    let target = mode::target(FakeMode::REPORT);
    let before = fake.triggers(FakeMode::REPORT);
    is_found_in_the_end(&builder.build().unwrap(), &target, &transport, before).await;
    assert_eq!(fake.triggers(FakeMode::REPORT), 1);
}

#[tokio::test]
async fn fault_62_a_query_just_started_may_be_unknown_for_a_while_at_supermetrics() {
    let fake = FakeSupermetrics::start().await;
    let says = r#"{"meta":{"request_id":"x"},"error":{"code":"STATUS_NOT_FOUND","message":"no"}}"#;
    let transport = forgetful(supermetrics::GetQueryStatus::OPERATION, 404, says);
    let builder = fake.client_builder().transport(transport.clone()).clock(ManualClock::new());
    let query = supermetrics::Query::new(FakeSupermetrics::DATA_SOURCE);
    let query = query.accounts([FakeSupermetrics::ACCOUNT]).fields(["date", "clicks"]);
    let target = supermetrics::target(&query.start_date("2026-03-01").end_date("yesterday"));
    is_found_in_the_end(&builder.build().unwrap(), &target, &transport, 0).await;
}

#[tokio::test]
async fn fault_62_a_run_that_this_process_has_triggered_is_known_to_be_new() {
    let fake = FakeMode::start().await;
    let not_found = r#"{"id":"not_found","message":"no"}"#;
    for many in [false, true] {
        let transport = forgetful("mode.report_runs.get", 404, not_found);
        let builder = fake.client_builder().transport(transport.clone()).clock(ManualClock::new());
        let client = builder.build().unwrap();
        let target = mode::target(FakeMode::REPORT);
        let prepared = client.prepare(&target).await.unwrap();
        let run = prepared.start().await.unwrap();
        let ended = if many {
            client.wait_all([run.clone()]).ends().next().await.unwrap()
        } else {
            client.wait(&run).await
        };
        assert_eq!(ended.unwrap().phase, Phase::Succeeded);
        assert_eq!(transport.hidden.load(Ordering::SeqCst), 3);
        // It is the same run as the one that another process reads from a store, and that one is not known to be new.
        let stored: RunRef = run.to_string().parse().unwrap();
        assert_eq!(stored, run);
        transport.hidden.store(0, Ordering::SeqCst);
        let error = client.wait(&stored).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn fault_62_not_found_ends_a_wait_for_any_other_run_and_after_that_time() {
    let (script, clock, client) = scripted();
    script.respond(404, "{}");
    let error = client.wait(&run()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::NotFound, 1));
    // The caller says that it is new.
    let (script, _, client) = scripted();
    (0..3).for_each(|_| script.respond(404, "{}"));
    script.respond(200, SUCCESS);
    assert!(client.wait(&run()).appears_within(MINUTE).await.is_ok());
    let (script, clock_of_many, client) = scripted();
    (0..100).for_each(|_| script.respond(404, "{}"));
    let mut ends = client.wait_all([run()]).appears_within(MINUTE).ends();
    let error = ends.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::NotFound, 13));
    assert_eq!((clock.elapsed(), clock_of_many.elapsed()), (Duration::ZERO, MINUTE));
}

/// A vendor that is down from `from` on for this long, by this clock.
fn down(clock: &ManualClock, status: u16, from: Duration, length: Duration) -> Answers {
    let (clock, begun) = (clock.clone(), clock.now());
    Answers::new(move |_, request| {
        let time = clock.now() - begun;
        if request.operation().contains("token") {
            return answer(200, r#"{"access_token":"canary-access","expires_in":86399}"#);
        }
        match time {
            time if time >= from + length => answer(200, SUCCESS),
            time if time >= from => answer(status, ""),
            _ => answer(200, RUNNING),
        }
    })
}

async fn wait_with(clock: &ManualClock, vendor: &Answers) -> Result<RunSnapshot, Error> {
    let client = builder().transport(vendor.clone()).clock(clock.clone()).build().unwrap();
    let ended = client.wait(&run()).await;
    if let Err(error) = &ended {
        assert_no_canary(error, &client);
    }
    ended
}

#[tokio::test]
async fn fault_63_an_outage_of_minutes_is_sat_out_and_a_longer_one_ends_the_wait() {
    for status in [500, 502, 503, 504, 429, 408] {
        let clock = ManualClock::new();
        let vendor = down(&clock, status, 10 * SECOND, 9 * MINUTE);
        assert_eq!(wait_with(&clock, &vendor).await.unwrap().phase, Phase::Succeeded, "{status}");
    }
    let clock = ManualClock::new();
    let vendor = down(&clock, 503, 10 * SECOND, 60 * MINUTE);
    let error = wait_with(&clock, &vendor).await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Server, 503));
    assert_eq!(error.last_snapshot().unwrap().phase, Phase::Running);
    let since = 10 * SECOND;
    let ended = clock.elapsed();
    assert!((since + 10 * MINUTE..since + 11 * MINUTE).contains(&ended), "{ended:?}");

    // A time of one's own, or a number of polls.
    let clock = ManualClock::new();
    let vendor = down(&clock, 503, Duration::ZERO, 60 * MINUTE);
    let client = builder().transport(vendor.clone()).clock(clock.clone()).build().unwrap();
    let patient = client.wait(&run()).tolerate(1).tolerate_for(90 * MINUTE).await;
    assert_eq!(patient.unwrap().phase, Phase::Succeeded);
    let clock = ManualClock::new();
    let vendor = down(&clock, 503, Duration::ZERO, 60 * MINUTE);
    let client = builder().transport(vendor.clone()).clock(clock.clone()).build().unwrap();
    let error = client.wait(&run()).tolerate_for(90 * MINUTE).tolerate(4).await.unwrap_err();
    assert_eq!((error.kind(), vendor.count()), (ErrorKind::Server, 5 * 3));
}

#[tokio::test]
async fn fault_63_a_refused_token_that_can_be_renewed_is_an_outage() {
    let renewing = |clock: &ManualClock, vendor: &Answers| {
        let credential = ServerToServer::new("canary-id", "canary-secret");
        let builder = adobe::Client::builder().org_id(ORG).sandbox("dev").credential(credential);
        builder.transport(vendor.clone()).clock(clock.clone()).build().unwrap()
    };
    let clock = ManualClock::new();
    let vendor = down(&clock, 401, 10 * SECOND, MINUTE);
    let ended = renewing(&clock, &vendor).wait(&run()).await.unwrap();
    assert_eq!(ended.phase, Phase::Succeeded);
    let tokens = vendor.sent().iter().filter(|sent| sent.operation().contains("token")).count();
    assert!((2..=4).contains(&tokens), "{tokens} tokens in a minute");

    // A credential that was never good ends the wait at once, and so does one that nobody can renew.
    let clock = ManualClock::new();
    let vendor = down(&clock, 401, Duration::ZERO, MINUTE);
    let error = renewing(&clock, &vendor).wait(&run()).await.unwrap_err();
    assert_eq!((error.kind(), clock.elapsed()), (ErrorKind::Auth, Duration::ZERO));
    let clock = ManualClock::new();
    let vendor = down(&clock, 401, 10 * SECOND, MINUTE);
    let error = wait_with(&clock, &vendor).await.unwrap_err();
    assert_eq!((error.kind(), clock.elapsed()), (ErrorKind::Auth, 10 * SECOND));
}

#[tokio::test]
async fn fault_63_a_token_endpoint_that_asks_for_a_pause_gets_it() {
    let clock = ManualClock::new();
    let vendor =
        Answers::new(|number, request| match (request.operation().contains("token"), number) {
            (true, 0..6) => busy(429, "90"),
            (true, _) => answer(200, r#"{"access_token":"canary-access","expires_in":86399}"#),
            (false, _) => answer(200, SUCCESS),
        });
    let credential = ServerToServer::new("canary-id", "canary-secret");
    let client = adobe::Client::builder().org_id(ORG).sandbox("dev").credential(credential);
    let client = client.transport(vendor.clone()).clock(clock.clone()).build().unwrap();
    let error = client.send(crate::read()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Auth, Some(90 * SECOND)));
    assert_eq!((error.server_pause(), error.is_transient()), (Some(MINUTE), true));
    assert_no_canary(&error, &client);
    assert_eq!(client.wait(&run()).await.unwrap().phase, Phase::Succeeded);
    assert_eq!(clock.elapsed(), 5 * MINUTE, "a minute after each of the five polls that failed");
}

/// A list of ten runs that are all running.
fn list_of_ten() -> String {
    let runs: Vec<_> =
        (0..10).map(|id| format!(r#"{{"id":"{id}","state":"IN_PROGRESS"}}"#)).collect();
    format!(r#"{{"runsSchedules":[{}]}}"#, runs.join(","))
}

#[tokio::test(start_paused = true)]
async fn fault_64_a_wait_for_many_runs_ends_at_its_limit() {
    for (targets, latency, limit) in [
        (500, Duration::from_millis(100), 5 * SECOND),
        (40, Duration::from_millis(100), 2 * SECOND),
        (40, 20 * SECOND, 2 * SECOND),
        (500, Duration::from_millis(100), Duration::ZERO),
    ] {
        let vendor = Answers::new(|_, _| answer(200, list_of_ten()));
        let client = timed(&vendor, latency);
        let runs = (0..targets).flat_map(|number| {
            let target = adobe::target(format!("target-{number}"));
            (0..10).map(move |id| target.run(id.to_string()))
        });
        let begun = tokio::time::Instant::now();
        let ends: Vec<_> =
            client.wait_all(runs).timeout(limit).every(SECOND).ends().collect().await;
        let took = begun.elapsed();
        assert_eq!(ends.len(), targets * 10, "each run ends once");
        assert!(ends.iter().all(|end| {
            end.as_ref().is_err_and(|error| error.kind() == ErrorKind::WaitTimeout)
        }));
        assert!(took <= limit.max(SECOND) + Duration::from_millis(150), "{targets}: {took:?}");
        if limit > SECOND && latency < SECOND {
            let seen = |end: &Result<RunSnapshot, Error>| {
                end.as_ref().is_err_and(|error| error.last_snapshot().is_some())
            };
            assert!(ends.iter().all(seen), "the lists were read side by side");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fault_65_calls_that_are_dropped_while_they_wait_for_the_rate_give_their_turns_back() {
    let soon = |begun: tokio::time::Instant, most: Duration| {
        let took = begun.elapsed();
        assert!(took <= most, "{took:?}");
    };
    // Foundry admits 4 requests a second, Mode 40 in 10 seconds, Supermetrics 19 a second.
    let vendor = Answers::new(|_, _| answer(200, r#"{"data":[]}"#));
    let client =
        foundry::Client::builder().base_url("https://host.example").transport(vendor.clone());
    let client = client.credential(foundry::UserToken::new("canary-token")).build().unwrap();
    let polls = (0..400).map(|_| client.send(foundry::GetBuild::new("ri.foundry.main.build.1")));
    let polls = tokio::time::timeout(Duration::from_millis(100), join_all(polls)).await;
    assert!(polls.is_err() && vendor.count() == 4, "{}", vendor.count());
    let begun = tokio::time::Instant::now();
    let _ = client.send(foundry::GetBuild::new("ri.foundry.main.build.1")).await;
    assert_eq!(vendor.count(), 5);
    soon(begun, SECOND);

    let vendor = Answers::new(|_, _| answer(200, r#"{"token":"r"}"#));
    let client = mode::Client::builder().workspace("acme").transport(vendor.clone());
    let client =
        client.credential(mode::ApiToken::new("canary-id", "canary-secret")).build().unwrap();
    let polls = (0..1000).map(|_| client.send(mode::GetReportRun::new("report", "r")));
    let polls = tokio::time::timeout(Duration::from_millis(100), join_all(polls)).await;
    assert!(polls.is_err() && vendor.count() == 40, "{}", vendor.count());
    let begun = tokio::time::Instant::now();
    let trigger = client.call(mode::CreateReportRun::new("report")).deadline(30 * SECOND);
    assert_eq!(trigger.send().await.unwrap().token.as_str(), "r");
    assert_eq!(vendor.count(), 41, "the trigger was sent once");
    soon(begun, 10 * SECOND);

    let vendor = Answers::new(|_, _| answer(200, r#"{"data":{}}"#));
    let client = supermetrics::Client::builder().transport(vendor.clone());
    let client = client.credential(supermetrics::ApiKey::new("canary-key")).build().unwrap();
    let poll = || client.send(supermetrics::GetQueryStatus::new("a-query"));
    for _ in 0..1000 {
        let _ = poll().now_or_never();
    }
    let sent = vendor.count();
    let begun = tokio::time::Instant::now();
    let _ = poll().await;
    assert_eq!(vendor.count(), sent + 1);
    soon(begun, SECOND);
}

#[tokio::test]
async fn fault_60_runs_that_are_polled_alone_take_turns_if_the_server_asks_for_a_pause_each_round()
{
    let clock = ManualClock::new();
    let (time, window) = (clock.clone(), std::sync::Mutex::new((0, 0)));
    // Of twelve runs, which the list does not show any more, the last four have ended. Four requests in 10 s; then 429.
    let vendor = Answers::new(move |_, request| {
        let Some((_, run)) = request.url().path().split_once("/runs/") else {
            return answer(200, crate::RUNS);
        };
        let mut window = window.lock().unwrap();
        let now = time.elapsed().as_secs() / 10;
        *window = if window.0 == now { (now, window.1 + 1) } else { (now, 1) };
        if window.1 > 4 {
            let mut busy = answer(429, "");
            busy.headers_mut().insert("retry-after", 10.into());
            return busy;
        }
        let state = if run < "r08" { "IN_PROGRESS" } else { "SUCCESS" };
        answer(200, format!(r#"{{"id":"{run}","state":"{state}"}}"#))
    });
    let once = RetryPolicy::default().max_attempts(1);
    let client = builder().transport(vendor).clock(clock).retry(once).build().unwrap();
    let runs = (0..12).map(|run| adobe::target("nightly").run(format!("r{run:02}")));
    let hour = Duration::from_secs(3600);
    let wait = client.wait_all(runs).every(Duration::from_secs(10)).tolerate_for(2 * hour);
    let ends: Vec<_> = wait.timeout(hour).ends().collect().await;
    let mut ended: Vec<_> = ends.iter().flatten().map(|run| run.run.id()).collect();
    ended.sort_unstable();
    assert_eq!(ended, ["r08", "r09", "r10", "r11"]);
}

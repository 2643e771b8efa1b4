//! Faults of every vendor's client: no secret is shown, in whichever way the vendor has it sent, and nothing is started
//! twice.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use bytes::Bytes;
use scheduled_runs::client::{Api, Credential, Limits, PagedEndpoint, ReqwestTransport};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{
    Client, ClientBuilder, ErrorKind, TimeoutPhase, adobe, arcgis, foundry, mode, supermetrics,
};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::assert_no_canary;
use crate::http2;
use crate::server::{Answer, Server, Then};
use crate::ways::{Setup, WAYS, Way, holds_secret};

/// Everything that is told to `tracing` and `log` on this thread while it listens, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static LISTENING: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Hands what is told to the log that listens on the thread, if one does.
struct Ear;

impl io::Write for Ear {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        LISTENING.with_borrow(|log| {
            if let Some(Log(heard)) = log {
                heard.lock().unwrap().extend_from_slice(text);
            }
        });
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens as long as it lives.
struct Told;

impl Drop for Told {
    fn drop(&mut self) {
        LISTENING.set(None);
    }
}

impl Log {
    /// Listens to this crate and all it depends on, as loud as they can be.
    fn listen(&self) -> Told {
        // One subscriber for all threads: while those of single threads come and go, `tracing` misses events.
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_log::LogTracer::init().unwrap();
            let everything = tracing_subscriber::fmt()
                .with_max_level(LevelFilter::TRACE)
                .with_span_events(FmtSpan::CLOSE)
                .with_ansi(false)
                .with_writer(|| Ear)
                .finish();
            tracing::subscriber::set_global_default(everything).unwrap();
        });
        LISTENING.set(Some(self.clone()));
        Told
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// What a server does to every request, and what comes of it.
struct Fault {
    /// Number in the list of faults.
    number: u8,
    answer: Answer,
    kind: ErrorKind,
    /// Requests of a read; of a trigger there is one.
    reads: usize,
    may_have_run: bool,
}

impl Fault {
    fn new(number: u8, answer: Answer, kind: ErrorKind, reads: usize, may_have_run: bool) -> Self {
        Self { number, answer, kind, reads, may_have_run }
    }
}

/// What carries the calls of one test: making it means to read the platform's trust store.
fn transport() -> ReqwestTransport {
    ReqwestTransport::from_builder(|| reqwest::Client::builder().no_proxy()).unwrap()
}

async fn assert_kept(transport: &ReqwestTransport, way: &Way, fault: &Fault) {
    for trigger in [false, true] {
        let server = Server::start([fault.answer.clone()]).await;
        let log = Log::default();
        let told = log.listen();
        let called = way.call(Setup::of(&server, trigger).over(transport)).await;
        drop(told);
        let what = format!("{}, fault {}, trigger: {trigger}", way.name, fault.number);
        let error = called.failed.as_ref().unwrap_or_else(|| panic!("{what}: no error"));
        let requests = if trigger { 1 } else { fault.reads };
        let seen = server.requests();
        assert_eq!((error.kind(), seen.len()), (fault.kind, requests), "{what}: {error:?}");
        assert_eq!(error.may_have_run(), fault.may_have_run && trigger, "{what}");
        way.assert_carried(&seen[0], trigger);
        assert!(!seen[0].head.contains("referer"), "{what}");
        called.assert_no_secret();
        let text = log.text();
        assert!(text.contains("hyper_util::") && text.contains("scheduled_runs.call"), "{text}");
        assert!(!holds_secret(&text, way.secrets), "{what}: a secret is in {text}");
    }
}

#[tokio::test]
async fn fault_48_no_vendors_secret_is_shown_whatever_happens_to_the_call() {
    let elsewhere = Server::start([Answer::json("200 OK", "{}")]).await;
    let transport = transport();
    let (other, page) = (elsewhere.url(), "<html>canary-page</html>");
    let redirect = |status| Answer::json(&format!("{status}\r\nlocation: {other}/?t=canary"), "");
    let cut = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    for way in WAYS {
        for fault in [
            Fault::new(7, Answer::new("", Then::Close), ErrorKind::Interrupted, 3, true),
            Fault::new(7, Answer::new("", Then::Reset), ErrorKind::Interrupted, 3, true),
            Fault::new(10, Answer::json("500 Oops", ""), ErrorKind::Server, 3, true),
            Fault::new(10, Answer::json("502 Oops", page), ErrorKind::Server, 3, true),
            Fault::new(12, Answer::new(cut, Then::Reset), ErrorKind::Interrupted, 3, true),
            Fault::new(23, Answer::new(cut, Then::Close), ErrorKind::Interrupted, 3, true),
            Fault::new(
                32,
                Answer::new("SSH-2.0\r\n", Then::Close),
                ErrorKind::UnexpectedContent,
                1,
                true,
            ),
            Fault::new(33, Answer::json("200 OK", page), ErrorKind::UnexpectedContent, 1, true),
            Fault::new(40, redirect("307 Temporary"), ErrorKind::CrossOrigin, 1, false),
            Fault::new(40, redirect("302 Found"), ErrorKind::CrossOrigin, 1, true),
            Fault::new(74, Answer::json("499 Gone", ""), ErrorKind::Server, 3, true),
            Fault::new(74, Answer::json("460 Gone", page), ErrorKind::Server, 3, true),
            Fault::new(74, Answer::json("206 Part", "{}"), ErrorKind::UnexpectedContent, 1, true),
        ] {
            assert_kept(&transport, &way, &fault).await;
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn fault_48_no_vendors_secret_is_shown_where_nobody_answers() {
    // A port that is bound and not listening refuses connections.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base_url = format!("http://{}", socket.local_addr().unwrap());
    for way in WAYS {
        for trigger in [false, true] {
            let base_url = base_url.clone();
            let called = way.call(Setup { base_url, trigger, ..Setup::default() }).await;
            let error = called.failed.as_ref().unwrap();
            assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Connect, 3));
            assert!(!error.may_have_run());
            called.assert_no_secret();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fault_48_no_vendors_secret_is_shown_when_time_runs_out() {
    for way in WAYS {
        for (trigger, requests) in [(false, 3), (true, 1)] {
            let server = Server::start([Answer::new("", Then::Silence)]).await;
            let called = way.call(Setup::of(&server, trigger)).await;
            let error = called.failed.as_ref().unwrap();
            assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Timeout, requests));
            assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Attempt), "{}", way.name);
            assert_eq!(error.may_have_run(), trigger);
            called.assert_no_secret();
        }
    }
}

#[tokio::test]
async fn fault_49_no_vendors_secret_is_in_what_layers_below_say_of_a_call_that_goes_well() {
    for way in WAYS {
        for trigger in [false, true] {
            // An empty object is an answer to some calls and none to others: what was said before counts.
            let server = Server::start([Answer::json("200 OK", "{}")]).await;
            let log = Log::default();
            let told = log.listen();
            let called = way.call(Setup::of(&server, trigger)).await;
            drop(told);
            assert_eq!(server.requests().len(), 1, "{}", way.name);
            way.assert_carried(&server.requests()[0], trigger);
            called.assert_no_secret();
            let text = log.text();
            assert!(text.contains("hyper_util::") && !holds_secret(&text, way.secrets), "{text}");
        }
    }
}

#[tokio::test]
async fn fault_49_no_vendors_secret_is_in_what_layers_below_say_of_http_2() {
    let http = || reqwest::Client::builder().no_proxy().http2_prior_knowledge();
    let transport = ReqwestTransport::from_builder(http).unwrap();
    for way in WAYS {
        for trigger in [false, true] {
            let server = http2::Server::start([http2::Act::Close]).await;
            let log = Log::default();
            let told = log.listen();
            let base_url = server.url();
            let setup = Setup { base_url, trigger, ..Setup::default() }.over(&transport);
            let called = way.call(setup).await;
            drop(told);
            assert_eq!(server.requests(), if trigger { 1 } else { 3 }, "{}", way.name);
            called.assert_no_secret();
            let text = log.text();
            assert!(text.contains("h2::") && !holds_secret(&text, way.secrets), "{text}");
        }
    }
}

#[tokio::test]
async fn fault_50_a_vendors_secret_that_the_server_sends_back_is_cut_out() {
    let transport = transport();
    for way in WAYS {
        let secret = way.secrets.join(" ");
        let first = way.secrets[0];
        for (status, kind, reads, may_have_run) in [
            ("400", ErrorKind::Rejected, 1, false),
            ("401", ErrorKind::Auth, 1, false),
            ("500", ErrorKind::Server, 3, true),
        ] {
            // Members and headers of every vendor at once.
            let body = format!(
                r#"{{"message":"{secret}","error_code":"{first}","errorName":"{first}","errorInstanceId":"{first}",
                    "parameters":{{"{first}":"{secret}"}},"id":"{first}","title":"{secret}","detail":"{secret}"}}"#
            );
            let head = format!(
                "{status} {first}\r\nx-request-id: {first}\r\nx-span-id: {first}\r\nx-b3-traceid: {first}\r\nserver: {first}"
            );
            let answer = Answer::json(&head, &body);
            assert_kept(&transport, &way, &Fault::new(50, answer, kind, reads, may_have_run)).await;
        }
        // In the place of a redirect on the same origin, and in a success of a shape nobody expects.
        let moved = Answer::json(&format!("307 Moved\r\nlocation: /{first}?x={first}"), "");
        assert_kept(&transport, &way, &Fault::new(50, moved, ErrorKind::Rejected, 1, false)).await;
        let strange = Answer::json("200 OK", &format!(r#"["{first}"]"#));
        for trigger in [false, true] {
            let server = Server::start([strange.clone()]).await;
            let setup = Setup::of(&server, trigger).over(&transport);
            way.call(setup).await.assert_no_secret();
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn fault_50_a_password_that_the_server_sends_back_in_clear_text_is_cut_out_too() {
    let mode = mode::ApiToken::new("canary-id", "canary-secret");
    let said =
        r#"{"message":"canary-id:canary-secret, Y2FuYXJ5LWlkOmNhbmFyeS1zZWNyZXQ=, canary-secret"}"#;
    for (status, requests) in [(400, 1), (500, 3)] {
        let client = mode::Client::builder().workspace("initech").credential(mode.clone());
        let (script, _, client) = scripted(client);
        for _ in 0..3 {
            script.respond(status, said);
        }
        let error = client.send(mode::GetReportRun::new("r1", "n1")).await.unwrap_err();
        assert_eq!((error.status().unwrap().as_u16(), script.sent().len()), (status, requests));
        assert!(!error.report().contains("Y2FuYXJ5"), "{}", error.report());
        assert_no_canary(&error, &client);
    }
    let login = arcgis::GenerateToken::new("m.bolton", "canary-password");
    let (script, _, client) = scripted(arcgis::Client::builder().credential(login));
    script.respond(200, r#"{"error":{"code":400,"message":"not canary-password","details":[]}}"#);
    let error = client.send(create_task()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Auth, 1));
    assert!(!error.may_have_run());
    assert_no_canary(&error, &client);

    let app = foundry::ClientCredentials::new("canary-app", "canary-client-secret");
    let (script, _, client) = scripted(foundry::Client::builder().credential(app));
    script.respond(400, r#"{"error":"invalid_client","error_description":"canary-client-secret"}"#);
    let error = client.send(foundry::RunSchedule::new("ri.scheduler.main.schedule.1")).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Auth, 1));
    assert_no_canary(&error, &client);
}

/// Whether a client of this vendor with this credential is refused when it is built, without showing why.
#[track_caller]
fn assert_refused<A: Api>(builder: ClientBuilder<A>, credential: impl Credential + 'static) {
    let error = builder
        .base_url("https://vendor.example/initech")
        .credential(credential)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_no_canary(&error, &"");
}

#[test]
fn fault_53_no_vendor_takes_a_credential_that_would_split_a_request() {
    for bad in ["canary\r\nx-evil: 1", "canary\n", "canary\0", "canary\u{e4}", "canary\u{7f}", ""] {
        assert_refused(arcgis::Client::builder(), arcgis::ReadyToken::new(bad));
        assert_refused(foundry::Client::builder(), foundry::UserToken::new(bad));
        assert_refused(foundry::Client::builder(), foundry::ClientCredentials::new(bad, "canary"));
        assert_refused(supermetrics::Client::builder(), supermetrics::ApiKey::new(bad));
        let key = supermetrics::ApiKey::new(bad).in_parameters();
        assert_refused(supermetrics::Client::builder(), key);
        let adobe = || adobe::Client::builder().org_id("org").sandbox("dev");
        assert_refused(adobe(), adobe::AccessToken::new("key", bad));
        assert_refused(adobe(), adobe::AccessToken::new(bad, "canary"));
    }
    // What would end the object or the query that the key stands in.
    for bad in ["canary\",\"x\":\"", "canary&x=1", "canary key", "canary#", "canary%22"] {
        let key = supermetrics::ApiKey::new(bad).in_parameters();
        assert_refused(supermetrics::Client::builder(), key);
    }
    let referer = arcgis::ReadyToken::new("canary").referer("canary\r\nx-evil: 1");
    assert_refused(arcgis::Client::builder(), referer);
    let mode = || mode::Client::builder().workspace("initech");
    assert_refused(mode(), mode::ApiToken::new("canary:name", "canary"));
    assert_refused(mode(), mode::ApiToken::new("", "canary"));
}

#[tokio::test]
async fn fault_53_what_stands_in_a_name_and_password_is_encoded() {
    // Base 64 carries anything: it cannot split the request.
    let server = Server::start([Answer::json("200 OK", r#"{"token":"n1"}"#)]).await;
    let token = mode::ApiToken::new("canary-id", "canary\u{e4}");
    let client = mode::Client::builder()
        .workspace("initech")
        .credential(token)
        .base_url(server.url() + "/initech")
        .clock(ManualClock::new())
        .build()
        .unwrap();
    client.send(mode::GetReportRun::new("r1", "n1")).await.unwrap();
    let seen = server.requests();
    let line = seen[0].head.lines().find(|line| line.starts_with("authorization:")).unwrap();
    assert!(line.is_ascii() && !line.contains("canary"));
}

/// A client of this vendor whose answers are written in the test.
fn scripted<A: Api>(builder: ClientBuilder<A>) -> (ScriptedTransport, ManualClock, Client<A>) {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = builder.base_url("https://vendor.example/initech").transport(script.clone());
    let client = builder.clock(clock.clone()).limits(Limits::default()).build().unwrap();
    (script, clock, client)
}

fn portal() -> (ScriptedTransport, ManualClock, arcgis::Client) {
    scripted(arcgis::Client::builder().credential(arcgis::ReadyToken::new("canary-arcgis-7c1e")))
}

fn create_task() -> arcgis::CreateTask {
    arcgis::CreateTask::new("CreateBackup", arcgis::CronSchedule::daily(4, 0).unwrap())
}

#[tokio::test]
async fn fault_34_errors_inside_the_successes_of_arcgis_are_errors() {
    // The body, the kind, requests of a read and of a trigger, whether the trigger may have run.
    for (body, kind, reads, triggers, may_have_run) in [
        (r#"{"error":{"code":498,"message":"Invalid token."}}"#, ErrorKind::Auth, 1, 1, false),
        (r#"{"error":{"code":499,"message":"Token Required"}}"#, ErrorKind::Auth, 1, 1, false),
        (r#"{"status":"error","messages":["Token?"],"code":499}"#, ErrorKind::Auth, 1, 1, false),
        (r#"{"error":{"code":403,"message":"no"}}"#, ErrorKind::Denied, 1, 1, false),
        (r#"{"error":{"code":400,"message":"no"}}"#, ErrorKind::Rejected, 1, 1, false),
        (r#"{"error":{"code":404,"message":"no"}}"#, ErrorKind::NotFound, 1, 1, false),
        (r#"{"error":{"code":500,"message":"oops"}}"#, ErrorKind::Server, 3, 1, true),
        (r#"{"error":{"code":504,"message":"oops"}}"#, ErrorKind::Server, 3, 1, true),
        (r#"{"status":"failed","statusMessage":"oops"}"#, ErrorKind::Rejected, 1, 1, true),
        (r#"{"status":"error","messages":["oops"]}"#, ErrorKind::Rejected, 1, 1, true),
        (r#"{"success":false}"#, ErrorKind::Rejected, 1, 1, false),
    ] {
        for (trigger, requests) in [(false, reads), (true, triggers)] {
            let (script, _, client) = portal();
            for _ in 0..3 {
                script.respond(200, body);
            }
            let error = if trigger {
                client.send(create_task()).await.unwrap_err()
            } else {
                client.send(arcgis::ListTasks::new()).await.unwrap_err()
            };
            assert_eq!((error.kind(), script.sent().len()), (kind, requests), "{body}: {error:?}");
            assert_eq!(error.status().unwrap(), 200, "the answer's own status is kept");
            assert_eq!(error.may_have_run(), trigger && may_have_run, "{body}");
            assert_no_canary(&error, &client);
        }
    }
}

fn queries() -> (ScriptedTransport, ManualClock, supermetrics::Client) {
    let key = supermetrics::ApiKey::new("canary_super_1f4a").in_parameters();
    scripted(supermetrics::Client::builder().credential(key))
}

fn start_query() -> supermetrics::StartQuery {
    supermetrics::StartQuery::new(supermetrics::Query::new("GAWA").fields(["date"]))
}

#[tokio::test]
async fn fault_34_errors_inside_the_successes_of_supermetrics_are_errors() {
    let enveloped = |code: &str| {
        format!(r#"{{"meta":{{"request_id":"r"}},"error":{{"code":"{code}","message":"m"}}}}"#)
    };
    for (body, kind, reads, triggers, may_have_run) in [
        (enveloped("API_KEY_INVALID"), ErrorKind::Auth, 1, 1, false),
        (r#"{"error":"ACCESS_TOKEN_INVALID"}"#.into(), ErrorKind::Auth, 1, 1, false),
        (enveloped("API_KEY_DISABLED"), ErrorKind::Auth, 1, 1, false),
        (enveloped("FORBIDDEN"), ErrorKind::Denied, 1, 1, false),
        (enveloped("BAD_REQUEST"), ErrorKind::Rejected, 1, 1, false),
        (enveloped("QUERY_RESULTS_UNAVAILABLE"), ErrorKind::NotFound, 1, 1, false),
        (enveloped("LICENSE_DAILY_QUERY_LIMIT_EXCEEDED"), ErrorKind::RateLimited, 1, 1, false),
        (enveloped("INTERNAL_SERVER_ERROR"), ErrorKind::Server, 3, 1, true),
        (enveloped("SERVICE_UNAVAILABLE"), ErrorKind::Server, 3, 1, true),
        (enveloped("SOMETHING_NEW"), ErrorKind::Rejected, 1, 1, true),
    ] {
        for (trigger, requests) in [(false, reads), (true, triggers)] {
            let (script, _, client) = queries();
            for _ in 0..3 {
                script.respond(200, body.clone());
            }
            let error = if trigger {
                client.send(start_query()).await.unwrap_err()
            } else {
                client.send(supermetrics::ListHistory::new()).await.unwrap_err()
            };
            assert_eq!((error.kind(), script.sent().len()), (kind, requests), "{body}: {error:?}");
            assert_eq!(error.status().unwrap(), 200);
            assert_eq!(error.may_have_run(), trigger && may_have_run, "{body}");
            assert_no_canary(&error, &client);
        }
    }
}

#[tokio::test]
async fn fault_34_a_busy_vendor_is_waited_for_although_it_says_so_inside_a_success() {
    let (script, clock, client) = portal();
    let busy = http::Response::builder().header("retry-after", "2");
    script.respond_with(busy.body(Bytes::from(r#"{"error":{"code":429}}"#)).unwrap());
    script.respond(200, r#"{"success":true,"taskId":"t1"}"#);
    client.send(create_task()).await.unwrap();
    assert_eq!(script.sent().len(), 2);
    assert!(clock.elapsed() >= Duration::from_secs(2));

    let (script, clock, client) = queries();
    let busy = http::Response::builder().header("retry-after", "2");
    let body = r#"{"error":{"code":"RATE_LIMIT_EXCEEDED","message":"m"}}"#;
    script.respond_with(busy.body(Bytes::from(body)).unwrap());
    script.respond(200, r#"{"meta":{"schedule_id":"s1","status_code":"QUEUED"}}"#);
    client.send(start_query()).await.unwrap();
    assert_eq!(script.sent().len(), 2);
    assert!(clock.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn fault_55_a_token_refused_inside_a_success_is_renewed_once() {
    for code in [498, 499] {
        let login = arcgis::GenerateToken::new("canary-user", "canary-password");
        let (script, _, client) = scripted(arcgis::Client::builder().credential(login));
        let refused = format!(r#"{{"error":{{"code":{code},"message":"Invalid token."}}}}"#);
        for number in 1..=2 {
            script.respond(200, format!(r#"{{"token":"canary-token-{number}"}}"#));
            script.respond(200, refused.clone());
        }
        let error = client.send(create_task()).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Auth, 2));
        assert!(!error.may_have_run());
        // Each time a token and the trigger, and nobody asks for a third token.
        let sent = script.sent();
        assert_eq!(sent.len(), 4);
        for (trigger, token) in [(&sent[1], "canary-token-1"), (&sent[3], "canary-token-2")] {
            let body = std::str::from_utf8(trigger.body()).unwrap();
            assert!(body.contains(&format!("token={token}")), "{body}");
        }
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn fault_42_a_next_link_of_supermetrics_leads_nowhere_else() {
    let elsewhere = Server::start([Answer::json("200 OK", "{}")]).await;
    let page = |rows: &str, next: &str| {
        let meta = format!(
            r#"{{"schedule_id":"s1","status_code":"SUCCESS","paginate":{{"next":{next}}}}}"#
        );
        Answer::json("200 OK", &format!(r#"{{"meta":{meta},"data":[["date"],{rows}]}}"#))
    };
    let next = format!(
        r#""{}/query/results?json=%7B%22api_key%22%3A%22canary-in-link%22%2C%22offset_start%22%3A1%2C%22offset_end%22%3A1%7D""#,
        elsewhere.url()
    );
    let server = Server::start([page(r#"["a"]"#, &next), page(r#"["b"]"#, "null")]).await;
    let key = supermetrics::ApiKey::new("canary_super_1f4a").in_parameters();
    let client = supermetrics::Client::builder()
        .credential(key)
        .base_url(server.url())
        .clock(ManualClock::new())
        .build()
        .unwrap();
    let rows = client.items(supermetrics::ListRows::new("s1")).try_collect().await.unwrap();
    assert_eq!((rows.len(), server.requests().len(), elsewhere.connections()), (2, 2, 0));
    assert!(server.requests().iter().all(|seen| !seen.target().contains("canary-in-link")));
    assert!(server.requests().iter().all(|seen| seen.target().contains("canary_super_1f4a")));
}

/// One list of each vendor, as it is read after this response: how many items it has, or what kind of error.
async fn lists_after(status: u16, body: &str) -> Vec<Result<usize, ErrorKind>> {
    async fn list<A: Api, E: PagedEndpoint<Api = A>>(
        builder: ClientBuilder<A>,
        list: E,
        (status, body): (u16, &str),
    ) -> Result<usize, ErrorKind> {
        let script = ScriptedTransport::default();
        script.respond(status, body.to_owned());
        let client = builder.transport(script.clone()).clock(ManualClock::new()).build().unwrap();
        let read = client.items(list).try_collect().await;
        assert_eq!(script.sent().len(), 1);
        read.map(|items| items.len()).map_err(|error| error.kind())
    }
    let answer = (status, body);
    let local = "http://localhost";
    let adobe = adobe::Client::builder().org_id(crate::ORG).sandbox("dev");
    let portal = || arcgis::Client::builder().base_url(local);
    let stack = foundry::Client::builder().base_url(local);
    let workspace = || mode::Client::builder().workspace("acme");
    vec![
        list(adobe, adobe::ListRuns::new("s"), answer).await,
        list(portal(), arcgis::ListTaskRuns::new("t"), answer).await,
        list(portal(), arcgis::ListUserTasks::new("u"), answer).await,
        list(stack, foundry::ListScheduleRuns::new("ri.a.b.schedule.c"), answer).await,
        list(workspace(), mode::ListReportRuns::new("r"), answer).await,
        list(workspace(), mode::ListSchedules::new("r"), answer).await,
        list(workspace(), mode::ListDatasetSchedules::new("d"), answer).await,
        list(workspace(), mode::ListSubscriptions::new("r"), answer).await,
        list(supermetrics::Client::builder(), supermetrics::ListHistory::new(), answer).await,
    ]
}

#[tokio::test]
async fn fault_35_a_list_without_a_body_is_empty_at_every_vendor() {
    for (status, body) in [(200, ""), (204, ""), (200, "null"), (202, "\r\n"), (200, "{}")] {
        let lists = lists_after(status, body).await;
        assert_eq!(lists, vec![Ok(0); lists.len()], "{status} {body:?}");
    }
    for read in lists_after(200, "7").await {
        assert_eq!(read, Err(ErrorKind::Decode));
    }
}

#[tokio::test]
async fn fault_36_a_byte_order_mark_hides_nothing_at_any_vendor() {
    let marked = lists_after(200, "\u{feff}{}").await;
    assert_eq!(marked, vec![Ok(0); marked.len()]);
    // The code of an error decides what it means.
    let script = ScriptedTransport::default();
    script.respond(404, "\u{feff}{\"id\":\"not_found\",\"message\":\"no such report\"}");
    let client = mode::Client::builder().workspace("acme").transport(script).build().unwrap();
    let error = client.send(mode::GetReportRun::new("r", "x")).await.unwrap_err();
    assert_eq!(error.vendor_error().and_then(|said| said.code.as_deref()), Some("not_found"));
    // Rows that are read by position, and whether there are more.
    let script = ScriptedTransport::default();
    script.respond(200, "\u{feff}[{\"clicks\":1},{\"clicks\":2}]");
    script.respond(200, "\u{feff}[]");
    let client = supermetrics::Client::builder().transport(script.clone()).build().unwrap();
    let rows = client.items(supermetrics::ListResults::new("s").limit(2)).try_collect().await;
    assert_eq!((rows.unwrap().len(), script.sent().len()), (2, 2));
    // A file is left as it is.
    let script = ScriptedTransport::default();
    script.respond(200, "\u{feff}a,b\n1,2\n");
    let client = mode::Client::builder().workspace("acme").transport(script).build().unwrap();
    let raw = client.raw(http::Method::GET, &["results"]).send().await.unwrap();
    assert!(raw.body().starts_with("\u{feff}".as_bytes()));
}

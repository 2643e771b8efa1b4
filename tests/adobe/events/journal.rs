//! The journal: which requests are sent, what waits learn, and how it goes on after whatever happens.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use http::Response;
use scheduled_runs::adobe::{self, AccessToken, Journal, JournalEntry};
use scheduled_runs::client::TransportErrorKind;
use scheduled_runs::run::Event;
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{ClientBuilder, Cursor, ErrorKind};
use serde_json::{Value, json};

use super::{CLIENT_ID, ORG_ID, RUN, begun, ended, run_in};

const URL: &str = "https://events.example/events/organizations/1/integrations/2/3";
const PATH: &str = "/events/organizations/1/integrations/2/3";

#[derive(Default)]
struct Setup {
    script: ScriptedTransport,
    clock: ManualClock,
}

impl Setup {
    fn builder(&self) -> ClientBuilder<adobe::EventJournal> {
        Journal::builder()
            .base_url(URL)
            .client_id(CLIENT_ID)
            .org_id(ORG_ID)
            .credential(AccessToken::new(CLIENT_ID, "canary-token"))
            .transport(self.script.clone())
            .clock(self.clock.clone())
    }

    fn journal(&self) -> Journal {
        self.builder().build().unwrap()
    }

    /// A page of runs that have ended, each at a position of the same name, with a link to the next page.
    fn page(&self, runs: &[&str], next: &str) {
        let events = runs.iter().map(|run| json!({ "position": run, "event": ended(run) }));
        let last = runs.last().unwrap();
        let page = json!({ "last": last, "count": runs.len() });
        self.respond(
            200,
            &link(next),
            &json!({ "events": events.collect::<Vec<_>>(), "_page": page }),
        );
    }

    /// Nothing new, and a pause.
    fn nothing(&self, next: &str, retry_after: &str) {
        let mut response = Response::builder().status(204).header("link", link(next));
        if !retry_after.is_empty() {
            response = response.header("retry-after", retry_after);
        }
        self.script.respond_with(response.body(Bytes::new()).unwrap());
    }

    fn respond(&self, status: u16, link: &str, body: &Value) {
        let mut response = Response::builder().status(status);
        if !link.is_empty() {
            response = response.header("link", link);
        }
        self.script.respond_with(response.body(body.to_string().into()).unwrap());
    }

    /// What was asked for, in the queries.
    fn queries(&self) -> Vec<String> {
        let sent = self.script.sent();
        sent.iter().map(|request| request.url().query().unwrap_or_default().to_owned()).collect()
    }

    fn sleeps(&self) -> Vec<u64> {
        self.clock.sleeps().iter().map(Duration::as_secs).collect()
    }
}

fn link(next: &str) -> String {
    format!("<{PATH}?{next}>; rel=\"next\"")
}

fn position(entry: &JournalEntry) -> &str {
    entry.position.as_ref().map_or("", Cursor::as_str)
}

#[tokio::test]
async fn entries_wake_the_waits_for_their_runs() {
    let setup = Setup::default();
    let mut other = ended("d");
    other["recipientclientid"] = "somebody".into();
    let entries = json!([
        { "position": "1", "event": ended(RUN) },
        { "position": "2", "event": begun() },
        { "position": "3", "event": other },
        { "position": "4" },
        { "position": "5", "event": ended("e") },
    ]);
    setup.respond(200, &link("since=5"), &json!({ "events": entries }));
    let journal = setup.journal();
    let mut stream = journal.events().stream();
    let mut read = Vec::new();
    for _ in 0..5 {
        read.push(stream.next().await.unwrap().unwrap());
    }
    assert_eq!(read.iter().map(position).collect::<String>(), "12345");
    let concerned: Vec<usize> = read.iter().map(|entry| entry.events.len()).collect();
    assert_eq!(concerned, [1, 0, 0, 0, 1], "a start, and the events of others, wake nobody");
    assert!(read[0].events[0].concerns(&run_in("prod", RUN)));
    assert!(!read[0].events[0].concerns(&run_in("dev", RUN)));

    let [request] = &*setup.script.sent() else { panic!() };
    assert_eq!(request.url().as_str(), URL);
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("authorization"), Some("Bearer canary-token"));
    assert_eq!((header("x-api-key"), header("x-ims-org-id")), (Some(CLIENT_ID), Some(ORG_ID)));
    assert_eq!(header("x-gw-ims-org-id"), None, "Query Service's name of the header");
    assert_eq!(header("accept"), Some("application/vnd.adobecloud.events+json"));
    let printed = format!("{journal:?} {request:?} {:?}", journal.events());
    assert!(!printed.contains("canary") && !printed.contains(ORG_ID), "{printed}");
}

#[tokio::test]
async fn the_first_request_says_where_to_start_and_the_others_follow_the_links() {
    let starts = |journal: &Journal| {
        [
            (journal.events(), ""),
            (journal.events().since(None), ""),
            (journal.events().since(Cursor::new("moose:1:2")), "since=moose%3A1%3A2"),
            (journal.events().latest(), "latest=true"),
            (journal.events().seek(Duration::from_secs(7200)).limit(2), "seek=-PT7200S&limit=2"),
        ]
    };
    for number in 0..5 {
        let setup = Setup::default();
        let (entries, first) = starts(&setup.journal()).into_iter().nth(number).unwrap();
        setup.page(&["a", "b"], "since=b&limit=2");
        setup.page(&["c"], "since=c&x=y");
        setup.page(&["d"], "since=d");
        let read: Vec<_> = entries.stream().take(4).map(Result::unwrap).collect().await;
        assert_eq!(read.iter().map(position).collect::<String>(), "abcd");
        let third = if number == 4 { "since=c&x=y&limit=2" } else { "since=c&x=y" };
        assert_eq!(setup.queries(), [first, "since=b&limit=2", third]);
        assert_eq!(setup.sleeps(), [0; 0], "there is more");
    }
    let setup = Setup::default();
    let mut entries = setup.journal().events().limit(0);
    assert_eq!(entries.next().await.unwrap().unwrap_err().kind(), ErrorKind::Config);
    assert!(entries.next().await.is_none());
    assert_eq!(setup.queries(), [""; 0]);
}

#[tokio::test]
async fn links_are_read_in_all_their_forms_and_do_not_choose_the_path() {
    let next = format!("<{PATH}?since=a>");
    let validate = format!("<{PATH}/validate?since=x>; rel=\"validate\"");
    for headers in [
        vec![format!("{validate}, {next}; rel=\"next\"")],
        vec![format!("{next};rel=next,{validate}")],
        vec![format!("{next}; title=\"a, b\"; REL = \"prev NEXT\"")],
        vec![validate.clone(), format!("{next}; rel=\"next\"")],
        vec![format!("<{URL}/elsewhere?since=a>; rel=\"next\"")],
        vec!["<?since=a>; rel=next".to_owned()],
        vec![format!("<{PATH}>; rel=next")],
        // Without a link, the position of the last entry serves.
        vec![validate],
        vec![],
    ] {
        let setup = Setup::default();
        let mut response = Response::builder().status(200);
        for value in &headers {
            response = response.header("link", value);
        }
        let body = json!({ "events": [{ "position": "a", "event": ended(RUN) }] });
        setup.script.respond_with(response.body(body.to_string().into()).unwrap());
        setup.page(&["b"], "since=b");
        let read: Vec<_> =
            setup.journal().events().stream().take(2).map(Result::unwrap).collect().await;
        assert_eq!(read.iter().map(position).collect::<String>(), "ab");
        let sent: Vec<_> = setup.script.sent().iter().map(|one| one.url().to_string()).collect();
        assert_eq!(sent, [URL.to_owned(), format!("{URL}?since=a")], "{headers:?}");
    }
}

#[tokio::test]
async fn a_link_to_another_host_is_not_followed() {
    for next in [
        "https://example.invalid/j?since=a",
        "//example.invalid/j?since=a",
        "http://events.example/j",
    ] {
        let setup = Setup::default();
        let body = json!({ "events": [{ "position": "a", "event": ended(RUN) }] });
        setup.respond(200, &format!("<{next}>; rel=\"next\""), &body);
        let mut entries = setup.journal().events().since(Cursor::new("start"));
        let error = entries.next().await.unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::CrossOrigin, Some("adobe.journal"))
        );
        assert_eq!(error.cursor().unwrap().as_str(), "start");
        assert!(entries.next().await.is_none());
        assert_eq!(setup.queries().len(), 1);
    }
}

#[tokio::test]
async fn it_waits_for_new_entries_as_long_as_it_is_told() {
    let setup = Setup::default();
    setup.nothing("since=x", "7");
    setup.nothing("since=x", "");
    setup.nothing("since=x", "0");
    setup.nothing("since=x", "86400");
    setup.respond(200, "", &json!({ "events": [], "_page": { "count": 0 } }));
    setup.page(&["a"], "since=a");
    let mut entries = setup.journal().events().latest();
    assert_eq!(position(&entries.next().await.unwrap().unwrap()), "a");
    assert_eq!(setup.sleeps(), [7, 10, 1, 60, 10], "at most what the client lets a server ask for");
    let since = "since=x";
    assert_eq!(setup.queries(), ["latest=true", since, since, since, since, since]);

    // A place that only a link has named is one to go on at.
    setup.nothing("since=y", "1");
    setup.respond(403, "", &json!({}));
    let error = entries.next().await.unwrap().unwrap_err();
    assert_eq!(error.cursor().unwrap().as_str(), "y");
}

#[tokio::test]
async fn whoever_gives_up_and_comes_again_waits_for_the_rest_of_the_pause() {
    let setup = Setup::default();
    setup.nothing("since=x", "7");
    let mut entries = setup.journal().events();
    assert!(entries.next().now_or_never().is_none());
    setup.clock.advance(Duration::from_secs(5));
    setup.page(&["a"], "since=a");
    assert_eq!(position(&entries.next().await.unwrap().unwrap()), "a");
    assert_eq!(setup.sleeps(), [7, 2]);
    assert_eq!(setup.queries(), ["", "since=x"]);
}

#[tokio::test]
async fn a_journal_that_has_lost_what_came_next_concerns_all_runs_and_starts_again() {
    let setup = Setup::default();
    setup.script.respond(410, "Events at position old have expired.");
    setup.page(&["a"], "since=a");
    setup.script.respond(410, "Events at position a have expired.");
    setup.script.respond(410, "");
    let mut entries = setup.journal().events().since(Cursor::new("old")).limit(9);
    for is_lost in [true, false, true] {
        let entry = entries.next().await.unwrap().unwrap();
        assert_eq!(entry.position.is_none(), is_lost);
        assert_eq!(entry.events == [Event::of(adobe::VENDOR)], is_lost);
    }
    let error = entries.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.cursor()),
        (ErrorKind::NotFound, None),
        "there is no place to lose"
    );
    assert!(entries.next().await.is_none());
    assert_eq!(setup.queries(), ["since=old&limit=9", "limit=9", "since=a&limit=9", "limit=9"]);
    assert_eq!(setup.sleeps(), [10, 10], "before it starts again");
}

#[tokio::test]
async fn it_goes_on_after_an_outage_with_pauses_that_double_and_ends_after_a_refusal() {
    let setup = Setup::default();
    setup.page(&["a"], "since=a");
    let policy = scheduled_runs::client::RetryPolicy::default().max_attempts(1);
    let mut entries = setup.builder().retry(policy).build().unwrap().events();
    entries.next().await.unwrap().unwrap();
    for _ in 0..9 {
        setup.script.fail(TransportErrorKind::Connect);
        let error = entries.next().await.unwrap().unwrap_err();
        assert!(error.is_transient());
        assert_eq!(error.cursor().unwrap().as_str(), "a");
    }
    setup.page(&["b"], "since=b");
    assert_eq!(position(&entries.next().await.unwrap().unwrap()), "b");
    assert_eq!(setup.sleeps(), [10, 20, 40, 80, 160, 320, 600, 600, 600]);

    let limited = Response::builder().status(429).header("retry-after", "45");
    setup.script.respond_with(limited.body(Bytes::new()).unwrap());
    assert_eq!(entries.next().await.unwrap().unwrap_err().kind(), ErrorKind::RateLimited);
    setup.page(&["c"], "since=c");
    entries.next().await.unwrap().unwrap();
    assert_eq!(
        setup.sleeps()[9..],
        [45],
        "the row is over, and Adobe asks for more than ten seconds"
    );

    setup.respond(403, "", &json!({ "error_code": "403003", "message": "no" }));
    let error = entries.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.cursor().unwrap().as_str()), (ErrorKind::Auth, "c"));
    assert!(!format!("{error} {error:?} {}", error.report()).contains("canary"));
    assert!(entries.next().await.is_none());
}

#[tokio::test]
async fn a_journal_that_leads_in_a_circle_is_an_error() {
    for circle in [&["a"][..], &["a", "b", "c"]] {
        let setup = Setup::default();
        for step in 0..20 {
            let (here, next) = (circle[step % circle.len()], circle[(step + 1) % circle.len()]);
            setup.page(&[here], &format!("since={next}"));
        }
        let mut entries = setup.journal().events();
        let mut read = 0;
        let error = loop {
            match entries.next().await.unwrap() {
                Ok(_) => read += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), read), (ErrorKind::Pagination, circle.len() + 1));
        assert!(error.cursor().is_some() && entries.next().await.is_none());
        assert_eq!(setup.queries().len(), read, "no page was read again");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_what_is_odd_is_not() {
    for (body, kind) in [
        ("<html>", ErrorKind::UnexpectedContent),
        ("{\"events\":7}", ErrorKind::Decode),
        ("{\"events\":[7]}", ErrorKind::Decode),
        ("{\"entries\":[],\"_page\":{\"count\":2}}", ErrorKind::Decode),
        ("{\"events\":[{}]}", ErrorKind::Pagination),
    ] {
        let setup = Setup::default();
        setup.script.respond(200, body);
        let error = setup.journal().events().next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
    }
    let setup = Setup::default();
    let body = json!({ "events": [7, { "position": 8, "event": 9 }, { "event": ended(RUN) }], "_page": { "last": "z" } });
    setup.script.respond(200, body.to_string());
    setup.page(&["a"], "since=a");
    let read: Vec<_> =
        setup.journal().events().stream().take(3).map(Result::unwrap).collect().await;
    // An entry without a position has that of the one before it: whoever goes on there reads it again.
    assert_eq!(read.iter().map(position).collect::<Vec<_>>(), ["8", "8", "a"]);
    assert_eq!((read[0].events.len(), read[1].events.len()), (0, 1));
    assert_eq!(setup.queries(), ["", "since=z"]);
}

#[test]
fn a_journal_that_could_not_be_read_is_not_built() {
    let setup = Setup::default();
    for (builder, says) in [
        (Journal::builder().client_id("c").org_id("o"), "call `base_url`"),
        (Journal::builder().base_url(URL).org_id("o"), "the client id is missing"),
        (Journal::builder().base_url(URL).client_id("c"), "the organization id is missing"),
        (setup.builder().client_id("c\n"), "client id begins or ends with white space"),
        (setup.builder().base_url("http://events.example/j"), "clear text"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(setup.journal().scope(), None);
}

#[tokio::test]
async fn members_of_an_event_that_nobody_needs_are_no_drift() {
    let setup = Setup::default();
    let drifts = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&drifts);
    let journal =
        setup.builder().on_drift(move |drift| seen.lock().unwrap().push(drift.to_string()));
    let mut event = ended(RUN);
    for name in ["type", "source", "id", "time", "datacontenttype", "event_id"] {
        event[name] = "x".into();
    }
    setup.respond(
        200,
        &link("since=a"),
        &json!({ "events": [{ "position": "a", "event": event }] }),
    );
    journal.build().unwrap().events().next().await.unwrap().unwrap();
    assert_eq!(*drifts.lock().unwrap(), [""; 0]);
}

//! A vendor of one's own, written outside the crate: what a downstream crate would write, and how its lists are walked.
#![allow(unreachable_pub, reason = "a vendor is public")]

use std::cell::Cell;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::Response;
use scheduled_runs::client::{
    Api, ApiRequest, Basic, Bearer, BodyLimits, CachedToken, Clock as _, CountedList, Credential,
    CredentialContext, Dialect, Endpoint, Idempotency, Limits, LinkPolicy, ListSettings, Meta,
    PagedEndpoint, Rate, RawResponse, Refusal, RequestBuilder, ReqwestTransport, RetryPolicy,
    Service, SystemClock, Token, Transport, TransportError, TransportErrorKind, Vendor, Verdict,
    json, oauth, operation,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::wire::DriftKind;
use scheduled_runs::{Client, Cursor, ErrorKind, Page, Result, TimeoutPhase};
use serde::Deserialize;
use url::Url;

/// A vendor that lists numbers.
#[derive(Debug)]
#[non_exhaustive]
pub enum Numbers {}

impl Api for Numbers {
    const VENDOR: Vendor = Vendor::new("numbers");
    type Options = ();

    fn service((): &()) -> Result<Service> {
        Ok(Service::new("https://numbers.example/api", Plain))
    }
}

/// Says `{"error": 503, "id": "…"}` in a 200.
#[derive(Debug)]
struct Plain;

#[derive(Deserialize)]
struct Fault {
    error: u16,
    id: Option<Box<str>>,
}

impl Dialect for Plain {
    fn prepare(&self, request: &mut ApiRequest) -> Result<()> {
        request.set_extension(Doubled(request.url().path() == "/api/doubled"));
        Ok(())
    }

    fn rate(&self, operation: &'static str) -> Option<Rate> {
        (operation == Create::OPERATION).then(|| Rate::new("writes", 4, Duration::from_secs(10)))
    }

    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        if let Ok(fault) = serde_json::from_str::<Fault>(response.text()) {
            let meant = http::StatusCode::from_u16(fault.error).unwrap();
            return Verdict::Refused(Refusal::by_status(meant, None).request_id(fault.id));
        }
        if response.status.is_success() {
            Verdict::Success
        } else {
            Verdict::Refused(Refusal::by_status(response.status, None))
        }
    }
}

/// Whether numbers are to be doubled: what a dialect knows and a list does not.
#[derive(Clone, Copy)]
struct Doubled(bool);

operation! {
    /// Creates a number; it comes back doubled on demand.
    Create { name: String }
    for Numbers, "numbers.create", NotIdempotent: POST {name} -> u32,
    decode doubled
}

operation! {
    /// Reads a number.
    Get { name: String }
    for Numbers, "numbers.get", Safe: GET {name} -> u32
}

fn doubled(meta: &Meta, body: &Bytes) -> Result<u32> {
    let number: u32 = json::decode(meta, body)?;
    let doubled = meta.extension::<Doubled>().is_some_and(|doubled| doubled.0);
    Ok(if doubled { number * 2 } else { number })
}

operation! {
    /// Lists numbers.
    List {}
    options {
        /// Only the even ones.
        even: bool as "even",
        /// Only those that the dialect may see.
        seen: Seen as extension,
    }
    pages counted { paging: Numbered, item: u32 }
    for Numbers, "numbers.list", Safe: GET "numbers" -> Page<u32>
}

/// Something for the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(u8);

/// The number of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Numbered {
    page: u32,
}

#[derive(Deserialize)]
struct Body {
    numbers: Vec<u32>,
    next: Option<String>,
    pages: Option<u64>,
}

impl ListSettings<u32> for Numbered {
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        request.query("page", Some(self.page))
    }

    fn page(&self, meta: &Meta, body: &Bytes, _: fn(&u32) -> Option<&str>) -> Result<Page<u32>> {
        let body: Body = json::decode(meta, body)?;
        let next = match body.next {
            Some(link) => {
                let base = Url::parse("https://numbers.example/api").unwrap();
                let query = LinkPolicy::SameOrigin.query(&base, &link)?;
                query
                    .into_iter()
                    .find(|(name, _)| name == "page")
                    .map(|(_, page)| Cursor::new(page))
            }
            None => None,
        };
        let mut page = Page::new(body.numbers, next);
        page.total = body.pages;
        Ok(page)
    }

    fn move_to(&mut self, cursor: &Cursor) {
        self.page = cursor.as_str().parse().unwrap();
    }
}

thread_local! {
    /// How often a page was named by its number, in this test's thread.
    static NAMED: Cell<usize> = const { Cell::new(0) };
}

impl CountedList<u32> for Numbered {
    fn page_count(&self, first: &Page<u32>) -> usize {
        let after = next_of(first).and_then(|next| first.total?.checked_sub(next)).unwrap_or(0);
        1 + usize::try_from(after).unwrap()
    }

    fn nth(&self, first: &Page<u32>, number: usize) -> Cursor {
        NAMED.set(NAMED.get() + 1);
        let number = next_of(first).unwrap() + u64::try_from(number).unwrap() - 1;
        Cursor::new(number.to_string())
    }
}

fn next_of(page: &Page<u32>) -> Option<u64> {
    page.next.as_ref()?.as_str().parse().ok()
}

/// Serves `pages` pages of ten numbers; counts how many are asked for at once.
#[derive(Clone, Debug)]
struct Server(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    pages: u32,
    fails_at: Option<u32>,
    now: AtomicUsize,
    most: AtomicUsize,
    asked: Mutex<Vec<u32>>,
    gate: Option<tokio::sync::Semaphore>,
}

#[async_trait]
impl Transport for Server {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let counts = &self.0;
        let page: u32 =
            request.url().query().unwrap().strip_prefix("page=").unwrap().parse().unwrap();
        counts.asked.lock().unwrap().push(page);
        let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..20 - page.min(19) {
            tokio::task::yield_now().await;
        }
        if let Some(gate) = &counts.gate {
            gate.acquire().await.unwrap().forget();
        }
        counts.now.fetch_sub(1, Ordering::SeqCst);
        if counts.fails_at == Some(page) {
            return Err(TransportError::new(TransportErrorKind::Tls));
        }
        let numbers: Vec<u32> = (page * 10..page * 10 + 10).collect();
        let next = (page + 1 < counts.pages).then(|| format!("/api/numbers?page={}", page + 1));
        let body = serde_json::json!({ "numbers": numbers, "next": next, "pages": counts.pages });
        Ok(Response::new(body.to_string().into()))
    }
}

fn serving(counts: Counts) -> (Server, Client<Numbers>) {
    let server = Server(Arc::new(counts));
    let client =
        Client::builder().transport(server.clone()).clock(ManualClock::new()).build().unwrap();
    (server, client)
}

fn scripted() -> (ScriptedTransport, ManualClock, Client<Numbers>) {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let client = Client::builder()
        .credential(Bearer::new("canary-token"))
        .transport(script.clone())
        .clock(clock.clone())
        .build()
        .unwrap();
    (script, clock, client)
}

#[tokio::test]
async fn items_come_in_order_plain_prefetched_and_concurrent() {
    let all: Vec<u32> = (0..200).collect();
    let (server, client) = serving(Counts { pages: 20, ..Counts::default() });
    assert_eq!(client.items(List::new()).try_collect().await.unwrap(), all);
    assert_eq!(server.0.most.load(Ordering::SeqCst), 1);
    assert_eq!(client.items(List::new()).prefetch().try_collect().await.unwrap(), all);
    assert_eq!(server.0.most.load(Ordering::SeqCst), 1, "one page ahead, not two");
    let items: Vec<_> = client.items(List::new()).collect().await;
    assert_eq!(items.into_iter().map(Result::unwrap).collect::<Vec<_>>(), all, "as a stream");

    let pages: Vec<_> = client.pages(List::new()).concurrent(8).collect().await;
    let concurrent: Vec<u32> = pages.into_iter().flat_map(|page| page.unwrap().items).collect();
    assert_eq!(concurrent, all);
    assert_eq!(server.0.most.load(Ordering::SeqCst), 8);
}

#[tokio::test]
async fn prefetching_asks_for_one_page_ahead_and_dropping_cancels_it() {
    let (server, client) = serving(Counts {
        pages: 20,
        gate: Some(tokio::sync::Semaphore::new(1)),
        ..Counts::default()
    });
    let mut items = client.items(List::new()).prefetch();
    assert_eq!(items.next().await.unwrap().unwrap(), 0);
    tokio::task::yield_now().await;
    assert_eq!(
        *server.0.asked.lock().unwrap(),
        [0, 1],
        "page 1 is on its way while page 0 is worked on"
    );
    drop(items);
    server.0.gate.as_ref().unwrap().add_permits(100);
    tokio::task::yield_now().await;
    assert_eq!(*server.0.asked.lock().unwrap(), [0, 1]);
}

/// The pages asked for after each page given out, when all that can go on without the caller has gone on.
async fn asked_after_each_page(
    server: &Server,
    walk: impl Stream<Item = Result<Page<u32>>>,
) -> Vec<usize> {
    let (mut walk, mut asked) = (pin!(walk), Vec::new());
    while let Some(page) = walk.next().await {
        assert_eq!(page.unwrap().items[0] as usize, asked.len() * 10);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        asked.push(server.0.asked.lock().unwrap().len());
    }
    asked
}

#[tokio::test]
async fn no_more_pages_are_asked_for_than_may_be_held() {
    let list = || serving(Counts { pages: 20, ..Counts::default() });
    let (server, client) = list();
    let plain = asked_after_each_page(&server, client.pages(List::new())).await;
    assert_eq!(plain, (1..=20).collect::<Vec<_>>());

    let (server, client) = list();
    let ahead = asked_after_each_page(&server, client.pages(List::new()).prefetch()).await;
    assert_eq!(ahead, (2..=20).chain([20]).collect::<Vec<_>>(), "one page ahead of the caller's");

    for held in [1, 2, 8] {
        let (server, client) = list();
        let walk = client.pages(List::new()).concurrent(held);
        let asked = asked_after_each_page(&server, walk).await;
        // The caller holds one of them; how many there are is known from the first page only.
        let most: Vec<_> = (2..=20).map(|given| (given + held - 1).min(20)).collect();
        assert_eq!((asked[0], &asked[1..]), (1, &*most), "{held} at once");
    }
}

#[tokio::test]
async fn a_concurrent_walk_of_a_long_list_remembers_few_of_its_pages() {
    let (_, client) = serving(Counts { pages: 100_000, ..Counts::default() });
    let mut walk = pin!(client.pages(List::new()).concurrent(4));
    for _ in 0..3 {
        walk.next().await.unwrap().unwrap();
    }
    assert_eq!(
        NAMED.get(),
        6,
        "where to begin, four pages after the first, and one for the page given out"
    );
}

#[tokio::test]
async fn a_page_that_fails_ends_a_concurrent_walk_in_its_place() {
    let (_, client) = serving(Counts { pages: 20, fails_at: Some(5), ..Counts::default() });
    let pages: Vec<_> = client.pages(List::new()).concurrent(4).collect().await;
    assert_eq!(pages.len(), 6);
    let error = pages.into_iter().next_back().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.cursor().unwrap().as_str()), (ErrorKind::Tls, "5"));
}

#[tokio::test]
async fn a_concurrent_walk_resumes_where_it_is_told_to() {
    let (_, client) = serving(Counts { pages: 6, ..Counts::default() });
    let walk = client.pages(List::new()).resume_at(Cursor::new("3")).concurrent(2);
    let pages: Vec<_> = walk.collect().await;
    let numbers: Vec<u32> = pages.into_iter().flat_map(|page| page.unwrap().items).collect();
    assert_eq!(numbers, (30..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_count_of_pages_from_the_server_is_bounded() {
    let (server, client) = serving(Counts { pages: 20, ..Counts::default() });
    let pages: Vec<_> = client.pages(List::new()).max_pages(3).concurrent(4).collect().await;
    assert_eq!((pages.len(), server.0.asked.lock().unwrap().len()), (4, 3));
    assert_eq!(server.0.most.load(Ordering::SeqCst), 2, "those that are left are fetched at once");
    assert_eq!(pages.into_iter().next_back().unwrap().unwrap_err().kind(), ErrorKind::Pagination);
}

#[tokio::test]
async fn a_foreign_link_is_not_followed_and_what_came_before_is_kept() {
    let (script, _, client) = scripted();
    script.respond(200, r#"{"numbers":[1,2],"next":"/api/numbers?page=1"}"#);
    script.respond(200, r#"{"numbers":[3],"next":"https://evil.example/api/numbers?page=2"}"#);
    let mut items = client.items(List::new());
    assert_eq!(items.next().await.unwrap().unwrap(), 1);
    assert_eq!(items.next().await.unwrap().unwrap(), 2);
    let error = items.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.cursor().unwrap().as_str()), (ErrorKind::CrossOrigin, "1"));
    assert!(items.next().await.is_none());
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test]
async fn a_failure_inside_a_success_is_what_the_dialect_says() {
    let (script, _, client) = scripted();
    script.respond(200, r#"{"error":401,"id":"4f1c"}"#);
    let error = client.send(List::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Auth, 200));
    assert_eq!((error.request_id(), script.sent().len()), (Some("4f1c"), 1));
    assert_eq!(error.attempts()[0].request_id.as_deref(), Some("4f1c"));
    // What the vendor says itself counts more than what a gateway may have set.
    let answer = Response::builder().status(502).header("x-request-id", "gateway-1");
    script.respond_with(answer.body(r#"{"error":401,"id":"4f1c"}"#.into()).unwrap());
    let error = client.send(List::new()).await.unwrap_err();
    assert_eq!(error.request_id(), Some("4f1c"));
}

#[tokio::test]
async fn a_failure_inside_a_success_is_repeated_as_the_status_it_stands_for() {
    // status inside, tries of a read, tries of a write, whether the write may have run
    for (inside, reads, writes, may_have_run) in
        [(503, 3, 1, true), (429, 3, 3, false), (404, 1, 1, false), (200, 1, 1, true)]
    {
        let (script, _, client) = scripted();
        let fault = format!(r#"{{"error":{inside}}}"#);
        (0..reads + writes).for_each(|_| script.respond(200, fault.clone()));
        let read = client.send(List::new()).await.unwrap_err();
        let write = client.send(Create::new("numbers")).await.unwrap_err();
        assert_eq!((read.attempts().len(), write.attempts().len()), (reads, writes), "{inside}");
        assert_eq!(write.may_have_run(), may_have_run, "{inside}");
        assert_eq!(script.sent().len(), reads + writes);
    }
}

#[tokio::test]
async fn an_unknown_member_is_reported_once_to_the_callback() {
    let script = ScriptedTransport::default();
    let (sender, receiver) = std::sync::mpsc::channel();
    let builder = Client::<Numbers>::builder().transport(script.clone());
    let client =
        builder.on_drift(move |drift| sender.send(drift.clone()).unwrap()).build().unwrap();
    for _ in 0..2 {
        script.respond(200, r#"{"numbers":[1],"canary":{"a/b":"canary"}}"#);
        assert_eq!(client.send(List::new()).await.unwrap().items, [1]);
    }
    let drifts: Vec<_> = receiver.try_iter().collect();
    assert_eq!(drifts.len(), 1, "{drifts:?}");
    let DriftKind::Member { type_name: None, pointer, .. } = &drifts[0].kind else {
        panic!("{drifts:?}")
    };
    assert_eq!((drifts[0].operation, &**pointer), ("numbers.list", "/canary"));
    assert_eq!(drifts[0].to_string(), "numbers.list: unknown member /canary");
}

#[tokio::test]
async fn what_a_dialect_notes_on_a_request_is_known_when_the_answer_is_decoded() {
    let (script, _, client) = scripted();
    script.respond(200, "21");
    script.respond(200, "21");
    assert_eq!(*client.send(Create::new("numbers")).await.unwrap(), 21);
    assert_eq!(*client.send(Create::new("doubled")).await.unwrap(), 42);
}

#[tokio::test]
async fn calls_beyond_the_vendors_rate_wait_their_turn_or_are_not_sent() {
    let (script, clock, client) = scripted();
    (0..12).for_each(|_| script.respond(200, "1"));
    let calls = (0..10).map(|_| client.send(Create::new("numbers")));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(clock.elapsed(), Duration::from_secs(20), "4 at once, 4 after 10 s, 2 after 20 s");

    let hasty = client.call(Create::new("numbers")).deadline(Duration::from_secs(9));
    assert!(hasty.send().await.is_ok(), "two more have room");
    assert!(client.send(Create::new("numbers")).await.is_ok());
    let hasty = client.call(Create::new("numbers")).deadline(Duration::from_secs(9)).send().await;
    let error = hasty.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Call), "{error}");
    assert_eq!((error.may_have_run(), script.sent().len()), (false, 12));
}

#[tokio::test]
async fn a_client_that_is_not_paced_sends_at_once() {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = Client::<Numbers>::builder().transport(script.clone()).clock(clock.clone());
    let client = builder.limits(Limits::default().paced(false)).build().unwrap();
    for _ in 0..10 {
        script.respond(200, "1");
        client.send(Create::new("numbers")).await.unwrap();
    }
    assert!(clock.sleeps().is_empty());
}

#[tokio::test]
async fn one_call_may_have_limits_of_its_own() {
    let (script, clock, client) = scripted();
    let call = || client.call(List::new());
    script.respond(503, "");
    assert_eq!(call().max_attempts(1).send().await.unwrap_err().attempts().len(), 1);
    assert!(clock.sleeps().is_empty());

    let mut slow = Response::new(Bytes::new());
    *slow.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    slow.headers_mut().insert("retry-after", "30".parse().unwrap());
    script.respond_with(slow.clone());
    let error = call().deadline(Duration::from_secs(20)).send().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (ErrorKind::Server, Some(Duration::from_secs(30)))
    );
    assert!(clock.sleeps().is_empty(), "a pause beyond the deadline is not slept");

    script.respond_with(slow);
    script.respond(200, r#"{"numbers":[]}"#);
    assert_eq!(
        call().deadline(Duration::from_secs(60)).send().await.unwrap().meta().attempts.len(),
        2
    );
    assert!(clock.elapsed() >= Duration::from_secs(30));
}

#[tokio::test]
async fn a_deadline_holds_over_attempts_and_pauses() {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let patient = RetryPolicy::default().max_attempts(100).base(Duration::from_secs(10));
    let client: Client<Numbers> = Client::builder()
        .transport(script.clone())
        .clock(clock.clone())
        .retry(patient)
        .limits(Limits::default().call(Duration::from_secs(30)))
        .build()
        .unwrap();
    for _ in 0..100 {
        script.fail(TransportErrorKind::Connect);
    }
    let error = client.send(List::new()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.timeout_phase()),
        (ErrorKind::Timeout, Some(TimeoutPhase::Call))
    );
    assert!(clock.elapsed() <= Duration::from_secs(30), "{:?}", clock.elapsed());
    assert_eq!(script.sent().len(), error.attempts().len());
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("could not connect"));
}

#[tokio::test]
async fn a_report_tells_the_attempts_and_a_command_for_failures_and_successes() {
    let (script, _, client) = scripted();
    script.respond(503, "");
    script.respond(200, r#"{"numbers":[]}"#);
    let answer = client.send(List::new()).await.unwrap();
    let command = concat!(
        "  as a command curl --request GET --header \"user-agent: scheduled-runs/",
        env!("CARGO_PKG_VERSION"),
        "\" --header \"authorization: $AUTHORIZATION\" \"https://numbers.example/api/numbers?page=0\""
    );
    let report = answer.report();
    let lines: Vec<_> = report.lines().collect();
    assert_eq!(lines[0], "numbers.list: HTTP 200");
    assert_eq!(lines[1], "  request      GET https://numbers.example/api/numbers?page=0");
    assert_eq!(lines[2], command);
    assert!(lines[3].starts_with("  attempt 1    ") && lines[3].contains("HTTP 503  then paused"));
    assert!(lines[4].starts_with("  attempt 2    ") && lines[4].ends_with("HTTP 200"));
    assert!(!format!("{report}{answer:?}").contains("canary"));

    script.respond(403, "");
    let report = client.send(List::new()).await.unwrap_err().report();
    assert!(report.contains(command) && report.contains("HTTP 403"), "{report}");
    assert!(!report.contains("canary"));
}

#[tokio::test]
async fn a_debug_print_of_what_was_sent_shows_no_credential() {
    let (script, _, client) = scripted();
    script.respond(200, r#"{"numbers":[]}"#);
    client.send(List::new()).await.unwrap();
    let sent = script.sent();
    assert_eq!(sent[0].headers()["authorization"], "Bearer canary-token");
    assert_eq!(
        sent[0].headers()["user-agent"],
        concat!("scheduled-runs/", env!("CARGO_PKG_VERSION"))
    );
    assert!(!format!("{sent:?}{:?}{script:?}", sent[0].headers()).contains("canary"));
}

#[tokio::test]
async fn a_debug_print_shows_what_a_value_is_about_and_no_secret() {
    let builder = Client::<Numbers>::builder()
        .scope("the-account")
        .user_agent("the-program")
        .credential(Bearer::new("canary-token"));
    let (script, _, client) = scripted();
    script.respond(200, r#"{"numbers":[4711]}"#);
    let response = client.send(List::new()).await.unwrap();
    let base = client.base_url();
    let request =
        ApiRequest::builder("numbers.get", Idempotency::Safe, http::Method::GET, base, &["4711"]);
    let request = request.query("token", Some("canary-query"));
    let failure = TransportError::new(TransportErrorKind::Idle).with_source("the cause");
    let head = http::HeaderMap::from_iter([(http::header::SET_COOKIE, "canary".parse().unwrap())]);
    let failure = failure.with_head(http::StatusCode::BAD_GATEWAY, head);
    let transport = ReqwestTransport::new(Duration::from_secs(5)).unwrap();
    let printed = |value: &dyn std::fmt::Debug| format!("{value:?}");
    let cases: [(String, &[&str]); 12] = [
        (printed(&builder), &["numbers", "the-account", "the-program", "[redacted]"]),
        (printed(&client), &["numbers", "https://numbers.example/api", "[redacted]"]),
        (printed(&Bearer::new("canary-token")), &["Bearer([redacted])"]),
        (printed(&Basic::new("canary-user", "canary")), &["Basic([redacted])"]),
        (printed(&Token::new("canary", Duration::from_secs(60))), &["[redacted]", "60s"]),
        (printed(&request), &["RequestBuilder", "numbers.get", "https://numbers.example/api/4711"]),
        (printed(&response), &["4711", "numbers.list", "200"]),
        (printed(response.meta()), &["numbers.list", "200", "attempts: 1"]),
        (printed(&failure), &["Idle", "502", "the cause"]),
        (printed(&transport), &["ReqwestTransport"]),
        (printed(&client.pages(List::new())), &["Pages", "numbers.list", "pages: 0"]),
        (printed(&client.items(List::new())), &["Items", "numbers.list"]),
    ];
    for (printed, shown) in cases {
        for part in shown {
            assert!(printed.contains(part), "{part} is missing: {printed}");
        }
        assert!(!printed.contains("canary"), "{printed}");
    }
}

#[test]
fn a_basic_credential_that_would_be_read_differently_is_refused_when_the_client_is_built() {
    for (user, password) in
        [("", "secret"), ("us:er", "secret"), (" user", "secret"), ("user", "secret\n")]
    {
        let builder = Client::<Numbers>::builder().credential(Basic::new(user, password));
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Config, "{user:?} {password:?}");
    }
    let builder = Client::<Numbers>::builder().credential(Basic::new("user", ""));
    assert!(builder.build().is_ok(), "some vendors want a token and no password");
}

/// Asks for tokens that are valid for 100 s.
fn token_source() -> CachedToken<oauth::ClientCredentials> {
    oauth::ClientCredentials::new(
        "numbers.token",
        oauth::TokenUrl::Relative { parent: Url::clone, path: &["token"] },
        "the-id",
        "canary-secret",
    )
    .max_lifetime(Duration::from_secs(100))
    .into()
}

/// The authorization of each request; none for those that ask for a token.
fn authorizations(script: &ScriptedTransport) -> Vec<Option<String>> {
    let read = |sent: &ApiRequest| {
        Some(sent.headers().get("authorization")?.to_str().unwrap().replace("Bearer ", ""))
    };
    script.sent().iter().map(read).collect()
}

#[tokio::test]
async fn a_token_is_renewed_when_a_tenth_of_its_life_is_left_and_not_used_beyond_its_end() {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = Client::<Numbers>::builder().transport(script.clone()).clock(clock.clone());
    let client = builder.credential(token_source()).build().unwrap();
    script.respond(200, r#"{"access_token":"first"}"#);
    script.respond(200, "1");
    client.send(Create::new("numbers")).await.unwrap();
    clock.advance(Duration::from_millis(89_999));
    script.respond(200, "1");
    client.send(Create::new("numbers")).await.unwrap();
    clock.advance(Duration::from_millis(1));
    script.respond(200, r#"{"access_token":"second"}"#);
    script.respond(200, "1");
    client.send(Create::new("numbers")).await.unwrap();
    let [first, second] = ["first", "second"].map(|token| Some(token.to_owned()));
    assert_eq!(authorizations(&script), [None, first.clone(), first, None, second]);

    clock.advance(Duration::from_secs(100));
    script.respond(403, "");
    let error = client.send(Create::new("numbers")).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Auth, false));
    assert_eq!(script.sent().len(), 6, "nothing is sent with a token that has expired");
}

/// Responds to what its script holds, and to a request for a token no more once it stalls.
#[derive(Clone, Debug, Default)]
struct Stalling {
    script: ScriptedTransport,
    stalls: Arc<AtomicBool>,
}

#[async_trait]
impl Transport for Stalling {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> std::result::Result<Response<Bytes>, TransportError> {
        if self.stalls.load(Ordering::SeqCst) && request.url().path().ends_with("/token") {
            std::future::pending::<()>().await;
        }
        self.script.send(request, limits).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_renewal_takes_half_of_a_calls_time_at_most_and_no_more_than_5_s() {
    for (deadline, waited) in [(4, 2), (60, 5)].map(|(a, b)| (Duration::from_secs(a), b)) {
        let (transport, clock) = (Stalling::default(), ManualClock::new());
        let (script, builder) = (transport.script.clone(), Client::<Numbers>::builder());
        let builder = builder.transport(transport.clone()).clock(clock.clone());
        let client = builder.credential(token_source()).build().unwrap();
        script.respond(200, r#"{"access_token":"first"}"#);
        script.respond(200, "1");
        client.send(Create::new("numbers")).await.unwrap();

        clock.advance(Duration::from_secs(95));
        transport.stalls.store(true, Ordering::SeqCst);
        script.respond(200, "1");
        let time = SystemClock::default();
        let begun = time.now();
        client.call(Create::new("numbers")).deadline(deadline).send().await.unwrap();
        assert_eq!((time.now() - begun).as_secs(), waited, "{deadline:?}");
        let first = Some("first".to_owned());
        assert_eq!(authorizations(&script), [None, first.clone(), first], "the old one is good");
    }
}

#[tokio::test]
async fn a_token_that_replaced_a_refused_one_is_replaced_itself_after_30_s_and_not_before() {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = Client::<Numbers>::builder().transport(script.clone()).clock(clock.clone());
    let client = builder.credential(token_source()).build().unwrap();
    script.respond(200, r#"{"access_token":"first"}"#);
    script.respond(401, "");
    script.respond(200, r#"{"access_token":"second"}"#);
    script.respond(200, "1");
    client.send(Create::new("numbers")).await.unwrap();

    clock.advance(Duration::from_millis(29_999));
    script.respond(401, "");
    let error = client.send(Create::new("numbers")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Auth, 1));

    clock.advance(Duration::from_millis(1));
    script.respond(401, "");
    script.respond(200, r#"{"access_token":"third"}"#);
    script.respond(200, "1");
    client.send(Create::new("numbers")).await.unwrap();
    let [first, second, third] = ["first", "second", "third"].map(|token| Some(token.to_owned()));
    assert_eq!(
        authorizations(&script),
        [None, first, None, second.clone(), second.clone(), second, None, third]
    );
}

/// A list that is written by hand, with nothing but what a list must have.
#[derive(Clone, Debug)]
struct ByHand(u32);

impl Endpoint for ByHand {
    type Api = Numbers;
    type Output = Page<u32>;
    const OPERATION: &'static str = "numbers.by_hand";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let method = http::Method::GET;
        ApiRequest::builder(Self::OPERATION, Self::IDEMPOTENCY, method, base, &["numbers"])
            .query("page", Some(self.0))
            .finish()
    }

    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<u32>> {
        let body: Body = json::decode(meta, body)?;
        let next = body.next.map(|_| Cursor::new((self.0 + 1).to_string()));
        Ok(Page::new(body.numbers, next))
    }
}

impl PagedEndpoint for ByHand {
    type Item = u32;

    fn at(&self, cursor: &Cursor) -> Self {
        Self(cursor.as_str().parse().unwrap())
    }
}

#[tokio::test]
async fn a_list_that_is_written_by_hand_ends_where_it_says_and_fails_where_it_fails() {
    let (script, _, client) = scripted();
    script.respond(200, r#"{"numbers":[1,1],"next":"more"}"#);
    script.respond(200, r#"{"numbers":[1]}"#);
    let items = client.items(ByHand(0)).try_collect().await.unwrap();
    assert_eq!(items, [1, 1, 1], "without keys, nothing counts as the same");
    script.respond(200, r#"{"numbers":[1],"next":"more"}"#);
    script.respond(404, "");
    let error = client.items(ByHand(0)).try_collect().await.unwrap_err();
    assert_eq!((error.kind(), error.cursor().unwrap().as_str()), (ErrorKind::NotFound, "1"));
    let pages: Vec<_> =
        script.sent().iter().map(|sent| sent.url().query().unwrap().to_owned()).collect();
    assert_eq!(pages, ["page=0", "page=1", "page=0", "page=1"]);
}

/// Has a new token whenever it is asked for one.
#[derive(Debug, Default)]
struct Eager(Arc<AtomicUsize>);

#[async_trait]
impl Credential for Eager {
    async fn apply(&self, request: &mut ApiRequest, _: &CredentialContext<'_>) -> Result<()> {
        request.set_bearer("canary")
    }

    async fn refresh(&self, _: &ApiRequest, _: &CredentialContext<'_>) -> Result<bool> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(true)
    }
}

#[tokio::test]
async fn a_credential_is_refreshed_once_in_a_call_and_the_call_keeps_to_its_attempts() {
    // attempts allowed, attempts made
    for (most, made) in [(1, 1), (2, 2), (5, 2)] {
        let (script, eager) = (ScriptedTransport::default(), Eager::default());
        let asked = Arc::clone(&eager.0);
        let builder = Client::<Numbers>::builder().transport(script.clone()).credential(eager);
        let client = builder.clock(ManualClock::new()).build().unwrap();
        (0..most).for_each(|_| script.respond(401, ""));
        let error = client.call(List::new()).max_attempts(most).send().await.unwrap_err();
        assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Auth, made));
        assert_eq!((script.sent().len(), asked.load(Ordering::SeqCst)), (made, 1));
    }
}

#[tokio::test]
async fn a_retry_that_succeeds_gives_back_what_it_took_from_the_budget() {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = Client::<Numbers>::builder().transport(script.clone()).clock(clock);
    let client = builder.retry(RetryPolicy::default().budget(5)).build().unwrap();
    for _ in 0..3 {
        script.respond(503, "");
        script.respond(200, "1");
        assert_eq!(client.send(Get::new("numbers")).await.unwrap().meta().attempts.len(), 2);
    }
    // A retry that fails does not, and one call that succeeds at once gives back a fifth.
    script.respond(503, "");
    script.respond(503, "");
    let attempts = |error: scheduled_runs::Error| error.attempts().len();
    assert_eq!(attempts(client.send(Get::new("numbers")).await.unwrap_err()), 2);
    script.respond(200, "1");
    client.send(Get::new("numbers")).await.unwrap();
    script.respond(503, "");
    assert_eq!(attempts(client.send(Get::new("numbers")).await.unwrap_err()), 1);
    assert_eq!(script.sent().len(), 10);
}

#[tokio::test]
async fn only_what_is_secret_needs_https() {
    let script = ScriptedTransport::default();
    let builder = || Client::<Numbers>::builder().base_url("http://numbers.example/api");
    let client = builder().transport(script.clone()).build().unwrap();
    script.respond(200, "1");
    client.send(Get::new("numbers")).await.unwrap();
    assert_eq!(script.sent()[0].url().as_str(), "http://numbers.example/api/numbers");
    let refused = builder().credential(Bearer::new("canary")).build().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_body_that_is_still_packed_is_not_read() {
    let (script, _, client) = scripted();
    for (coding, is_packed) in [("gzip", true), ("identity", false), ("", false)] {
        let packed = Response::builder().header("content-encoding", coding).body("7".into());
        script.respond_with(packed.unwrap());
        let kind = client.send(Get::new("numbers")).await.map_err(|error| error.kind());
        assert_eq!(kind.err(), is_packed.then_some(ErrorKind::UnexpectedContent), "{coding:?}");
    }
}

#[tokio::test]
async fn a_token_that_the_server_sends_back_shows_nowhere() {
    let (script, _, client) = scripted();
    let mut echo = Response::new(Bytes::from_static(b"canary-token"));
    *echo.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    for name in ["x-request-id", "server", "content-type"] {
        echo.headers_mut().insert(name, "canary-token".parse().unwrap());
    }
    let mut moved = echo.clone();
    *moved.status_mut() = http::StatusCode::FOUND;
    moved
        .headers_mut()
        .insert("location", "https://canary-token.example/canary-token".parse().unwrap());
    let mut html = echo.clone();
    *html.status_mut() = http::StatusCode::OK;
    *html.body_mut() = Bytes::from_static(b"<canary-token>");
    for (answer, attempts, kind) in [
        (echo, 3, ErrorKind::Server),
        (moved, 1, ErrorKind::CrossOrigin),
        (html, 1, ErrorKind::UnexpectedContent),
    ] {
        for _ in 0..attempts {
            script.respond_with(answer.clone());
        }
        let error = client.send(List::new()).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts().len()), (kind, attempts));
        let mut printed = format!("{error} {error:?} {} {:?}", error.report(), error.attempts());
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            printed = format!("{printed} {error} {error:?}");
            cause = error.source();
        }
        assert!(!printed.contains("canary"), "{printed}");
        assert_eq!(
            error.headers().unwrap()["x-request-id"],
            "canary-token",
            "the headers are as they came"
        );
    }
}

#[tokio::test]
async fn client_credentials_buy_a_token_that_is_kept_as_long_as_it_is_valid() {
    let source = oauth::ClientCredentials::new(
        "numbers.token",
        oauth::TokenUrl::Relative { parent: Url::clone, path: &["oauth2", "token"] },
        "the-id",
        "canary-secret",
    );
    let source = source.scopes(["read", "write"]).max_lifetime(Duration::from_secs(100));
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = Client::<Numbers>::builder().transport(script.clone()).clock(clock.clone());
    let client = builder.credential(CachedToken::from(source)).build().unwrap();
    script.respond(200, r#"{"access_token":"canary-1","expires_in":"3600"}"#);
    script.respond(200, "1");
    script.respond(200, "2");
    client.send(Create::new("numbers")).await.unwrap();
    client.send(Create::new("numbers")).await.unwrap();
    let sent = script.sent();
    assert_eq!(sent[0].url().as_str(), "https://numbers.example/api/oauth2/token");
    assert_eq!(
        str::from_utf8(sent[0].body()).unwrap(),
        "grant_type=client_credentials&client_id=the-id&client_secret=canary-secret&scope=read+write"
    );
    assert_eq!(
        (sent.len(), &sent[2].headers()["authorization"]),
        (3, &"Bearer canary-1".parse().unwrap())
    );

    // No lifetime in the response, and none by default: the token is used until it is refused.
    clock.advance(Duration::from_secs(100));
    script.respond(200, r#"{"access_token":"canary-2","expires_in":0}"#);
    script.respond(200, "3");
    script.respond(200, "4");
    script.respond(401, "");
    script.respond(200, r#"{"access_token":"canary-3","expires_in":null}"#);
    script.respond(200, "5");
    for _ in 3..=5 {
        client.send(Create::new("numbers")).await.unwrap();
    }
    let tokens: Vec<_> = script.sent()[3..]
        .iter()
        .map(|sent| {
            sent.headers().get("authorization").map(|token| token.to_str().unwrap().to_owned())
        })
        .collect();
    let [second, third] =
        ["Bearer canary-2", "Bearer canary-3"].map(|token| Some(token.to_owned()));
    assert_eq!(tokens, [None, second.clone(), second.clone(), second, None, third]);
}

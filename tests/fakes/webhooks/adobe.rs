//! The webhooks and the journal of Adobe's fake.

use chrono::TimeDelta;
use reqwest::Response;
use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::{ManualClock, NewRun, Plan, Webhook};
use scheduled_runs::{RunProviderExt as _, adobe};
use serde_json::{Value, json};

const NIGHTLY: &str = "nightly-orders";

/// A fake that holds its webhooks, and a client of it.
async fn fake() -> (FakeAdobe, adobe::Client) {
    let fake = FakeAdobe::start().await;
    fake.hold_webhooks();
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    (fake, client)
}

fn body(webhook: &Webhook) -> Value {
    serde_json::from_str(&webhook.body).unwrap()
}

/// Checks that what is held are two events: a run has started, and this run has ended like this.
#[track_caller]
fn are_start_and_end(held: &[Webhook], run: &str, status: &str) {
    let [started, ended] = held else { panic!("{held:?}") };
    let [started, ended] = [started, ended].map(|webhook| body(webhook)["data"].clone());
    assert_eq!(started["metrics"], json!({ "statusSummary": { "status": "inProgress" } }));
    assert_eq!(started["activities"], json!([]));
    assert_eq!(started["providerRefId"], ended["providerRefId"]);
    assert_eq!(ended["metrics"]["statusSummary"]["status"], status);
    let extensions = &ended["activities"][0]["statusSummary"]["extensions"];
    assert_eq!(extensions["scheduleRunId"], run);
    assert_eq!(extensions["queryId"], ended["providerRefId"]);
}

#[tokio::test]
async fn a_run_has_one_event_when_it_starts_and_one_when_it_ends_however_it_ends() {
    let (fake, client) = fake().await;
    let nightly = client.target(NIGHTLY);
    for (plan, status) in [
        (Plan::succeeds(), "success"),
        (Plan::succeeds().takes(0), "success"),
        (Plan::fails("no such table"), "failed"),
        (Plan::cancelled(), "failed"),
    ] {
        fake.next_run(plan);
        let run = client.trigger_and_wait(&nightly).await.unwrap().run;
        are_start_and_end(&fake.take_webhooks(), run.id(), status);
    }
    for (state, status) in [("SUCCESS", "success"), ("FAILED", "failed"), ("KILLED", "failed")] {
        let run = fake.trigger_from_elsewhere(NIGHTLY);
        fake.finish(&run, state);
        fake.finish(&run, state);
        are_start_and_end(&fake.take_webhooks(), &run, status);
        let run = fake.add_run(NIGHTLY, NewRun::new(state));
        are_start_and_end(&fake.take_webhooks(), &run, status);
    }
    let run = nightly.run(fake.trigger_from_elsewhere(NIGHTLY));
    client.cancel(&run).await.unwrap();
    client.wait(&run).await.unwrap();
    are_start_and_end(&fake.take_webhooks(), run.id(), "failed");
}

#[tokio::test]
async fn an_event_leads_to_the_query_of_a_run_that_failed() {
    let (fake, client) = fake().await;
    fake.add_run(NIGHTLY, NewRun::new("FAILED").code("42P01"));
    let query = body(&fake.take_webhooks()[1])["data"]["providerRefId"].clone();
    let query = client.send(adobe::GetQuery::new(query.as_str().unwrap())).await.unwrap();
    assert_eq!(query.errors[0].code.as_deref(), Some("42P01"));
}

#[tokio::test]
async fn a_program_takes_the_webhooks_for_adobes_and_refuses_changed_ones() {
    let (fake, client) = fake().await;
    let program = adobe::Webhook::builder(FakeAdobe::CLIENT_ID).key_host(fake.key_host());
    let program = program.build().unwrap();
    let receive = async |webhook: &Webhook| {
        let received = program.receive(&super::request(webhook)).await;
        (received.response.status().as_u16(), received.events)
    };

    let run = fake.add_run(NIGHTLY, NewRun::new("SUCCESS"));
    let (this, other) = (client.target(NIGHTLY).run(&*run), client.target(NIGHTLY).run("other"));
    let held = fake.take_webhooks();
    let [started, ended] = &held[..] else { panic!("{held:?}") };
    assert_eq!(receive(started).await, (200, Vec::new()), "nothing has ended");
    let (status, events) = receive(ended).await;
    assert_eq!((status, events.len()), (200, 1));
    assert!(events[0].concerns(&this) && !events[0].concerns(&other));

    let mut changed = ended.clone();
    changed.body = ended.body.replace(&run, &FakeAdobe::run_id("manual__2026-03-04T05:06:07"));
    assert_eq!(receive(&changed).await, (403, Vec::new()));
    let (status, events) = receive(&fake.new_webhook(&changed.body)).await;
    assert_eq!((status, events.len()), (200, 1));
    assert!(!events[0].concerns(&this));
    let elsewhere = ended.body.replace(r#""sandboxName":"dev""#, r#""sandboxName":"prod""#);
    let (status, events) = receive(&fake.new_webhook(&elsewhere)).await;
    assert!(status == 200 && !events[0].concerns(&this));

    for key in 0..2 {
        let mut half = ended.clone();
        let signature = half.headers.iter_mut().filter(|(name, _)| name.contains("signature"));
        signature.skip(key).take(1).for_each(|(_, value)| value.insert(0, 'A'));
        assert_eq!(receive(&half).await.0, 200, "one of two signatures is enough");
    }
    let keys = fake.requests().into_iter().filter(|request| request.path.contains("/keys/"));
    assert_eq!(keys.count(), 2, "without a credential, and once");
}

/// A caller of the journal.
struct Reader {
    fake: FakeAdobe,
    http: reqwest::Client,
}

impl Reader {
    fn request(&self, query: &str) -> reqwest::RequestBuilder {
        let request = self.http.get(format!("{}{query}", self.fake.journal_url()));
        request.bearer_auth(self.fake.access_token()).header("x-api-key", FakeAdobe::CLIENT_ID)
    }

    async fn get(&self, query: &str) -> Response {
        let request = self.request(query).header("x-ims-org-id", FakeAdobe::ORG_ID);
        request.send().await.unwrap()
    }

    /// The ids of the events, and the query of the next request.
    async fn page(&self, query: &str) -> (Vec<Value>, String) {
        let response = self.get(query).await;
        assert_eq!(response.status(), 200, "{query}");
        let next = next(&response);
        let body: Value = response.json().await.unwrap();
        let entries = body["events"].as_array().unwrap();
        assert_eq!(body["_page"]["count"], entries.len());
        assert_eq!(body["_page"]["last"], entries.last().unwrap()["position"]);
        (entries.iter().map(|entry| entry["event"]["eventid"].clone()).collect(), next)
    }
}

/// The query of the link to the next part.
fn next(response: &Response) -> String {
    let mut links = response.headers().get_all("link").iter().map(|link| link.to_str().unwrap());
    let next = links.find(|link| link.ends_with("; rel=\"next\"")).unwrap();
    let path = next.strip_prefix('<').unwrap().split_once('>').unwrap().0;
    path[path.find('?').unwrap()..].to_owned()
}

#[tokio::test]
async fn the_journal_has_the_events_of_the_webhooks() {
    let (fake, _) = fake().await;
    let reader = Reader { fake, http: reqwest::Client::new() };
    let empty = reader.get("").await;
    assert_eq!(
        (empty.status().as_u16(), &empty.headers()["retry-after"]),
        (204, &"1".parse().unwrap())
    );
    assert_eq!(empty.headers().get_all("link").iter().count(), 2);
    let latest = next(&reader.get("?latest=true&limit=5").await);

    let (hour, day) = (TimeDelta::minutes(59), TimeDelta::days(1));
    let run = |state, ago| NewRun::new(state).created(SystemClock::default().utc() - ago);
    reader.fake.add_run(NIGHTLY, run("SUCCESS", day));
    reader.fake.add_run(NIGHTLY, run("FAILED", hour));
    let sent: Vec<_> = reader
        .fake
        .take_webhooks()
        .iter()
        .map(|webhook| body(webhook)["eventid"].clone())
        .collect();
    assert_eq!(sent.len(), 4);
    assert_eq!(reader.page("").await.0, sent);
    assert_eq!(reader.page(&next(&empty)).await.0, sent);
    assert_eq!(reader.page(&latest).await.0, sent);
    let (first, second) = reader.page("?limit=3").await;
    let (rest, third) = reader.page(&second).await;
    assert_eq!((&first[..], &rest[..]), (&sent[..3], &sent[3..]));
    assert!(third.ends_with("&limit=3"));
    let end = reader.get(&third).await;
    assert_eq!((end.status().as_u16(), next(&end)), (204, third.clone()));

    for (seek, events) in [("-PT1H", 200), ("-PT90M", 200), ("-PT7200S", 200), ("-PT0S", 204)] {
        let found = reader.get(&format!("?seek={seek}")).await;
        assert_eq!(found.status(), events, "{seek}");
    }

    reader.fake.expire_journal();
    let expired = reader.get(&second).await;
    assert_eq!(expired.status(), 410);
    assert!(expired.text().await.unwrap().ends_with(" have expired."));
    assert_eq!(reader.get("").await.status(), 204);
    assert_eq!(reader.get(&third).await.status(), 204, "who has read all misses nothing");
}

#[tokio::test]
async fn the_journal_refuses_what_it_does_not_know_and_whom() {
    let reader = Reader { fake: FakeAdobe::start().await, http: reqwest::Client::new() };
    for query in [
        "?since=x",
        "?latest=1",
        "?limit=0",
        "?limit=x",
        "?seek=2H",
        "?seek=-PT",
        "?latest=true&since=x",
        "?more=1",
    ] {
        assert_eq!(reader.get(query).await.status(), 400, "{query}");
    }
    let org = |name: &str| reader.request("").header(name, FakeAdobe::ORG_ID);
    let without_token = || {
        let request = reader.http.get(reader.fake.journal_url());
        request.header("x-ims-org-id", FakeAdobe::ORG_ID)
    };
    for (request, status) in [
        (org("x-gw-ims-org-id"), 400),
        (reader.request("").header("x-ims-org-id", "other@AdobeOrg"), 403),
        (without_token(), 403),
        (without_token().bearer_auth("other"), 401),
    ] {
        assert_eq!(request.send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_client_of_the_journal_gets_the_events_and_learns_when_it_missed_some() {
    let (fake, client) = fake().await;
    let journal = adobe::Journal::builder()
        .base_url(fake.journal_url())
        .client_id(FakeAdobe::CLIENT_ID)
        .org_id(FakeAdobe::ORG_ID)
        .credential(adobe::AccessToken::new(FakeAdobe::CLIENT_ID, fake.access_token()))
        .clock(ManualClock::new())
        .build()
        .unwrap();
    let mut entries = journal.events();
    let run = client.target(NIGHTLY).run(fake.add_run(NIGHTLY, NewRun::new("SUCCESS")));
    let started = entries.next().await.unwrap().unwrap();
    assert_eq!(started.events, []);
    let ended = entries.next().await.unwrap().unwrap();
    assert!(ended.events[0].concerns(&run));

    fake.expire_journal();
    fake.add_run(NIGHTLY, NewRun::new("FAILED"));
    let missed = journal.events().since(started.position).next().await.unwrap().unwrap();
    assert!(missed.events[0].concerns(&run), "it may have been about any run");
    assert_eq!(entries.next().await.unwrap().unwrap().events, [], "nothing was missed");
}

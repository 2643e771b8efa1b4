//! Secrets and injection: rows 48 to 53, and 75.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderName, Method, header};
use scheduled_runs::adobe::{
    AccessToken, Adobe, Client, CreateQuery, GetRun, ListRuns, QueryDef, ServerToServer, TriggerRun,
};
use scheduled_runs::client::{
    Basic, Bearer, CachedToken, CredentialContext, ReqwestTransport, RetryPolicy, Token,
    TokenSource,
};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{ClientBuilder, ErrorKind, Result, TimeoutPhase};
use serde::Deserialize;

use crate::server::{Answer, Server, Then};
use crate::{
    Answers, KEY, ORG, RUNS, TAKEN, TOKEN, answer, assert_no_canary, builder, client_of, read,
    scripted, trigger,
};

#[tokio::test]
async fn fault_48_a_secret_in_the_url_is_in_no_output() {
    let elsewhere = "302 Found\r\nlocation: http://127.0.0.1:1/?token=canary-url-token";
    let html = "<html>canary-page</html>";
    for (answer, kind, requests) in [
        (Answer::new("", Then::Close), ErrorKind::Interrupted, 3),
        (Answer::new("", Then::Reset), ErrorKind::Interrupted, 3),
        (Answer::json("500 Oops", ""), ErrorKind::Server, 3),
        (Answer::json("200 OK\r\nx-more: 1", html), ErrorKind::UnexpectedContent, 1),
        (Answer::json("404 Not Found", "{}"), ErrorKind::NotFound, 1),
        (
            Answer::new("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", Then::Close),
            ErrorKind::Interrupted,
            3,
        ),
        (Answer::json(elsewhere, ""), ErrorKind::CrossOrigin, 1),
        (Answer::new("no http\r\n\r\n", Then::Close), ErrorKind::UnexpectedContent, 1),
    ] {
        assert_the_url_is_not_shown(answer, kind, requests).await;
    }
}

#[tokio::test(start_paused = true)]
async fn fault_48_a_secret_in_the_url_is_in_no_output_when_time_runs_out() {
    assert_the_url_is_not_shown(Answer::new("", Then::Silence), ErrorKind::Timeout, 3).await;
}

async fn assert_the_url_is_not_shown(answer: Answer, kind: ErrorKind, requests: usize) {
    let server = Server::start([answer]).await;
    let client = client_of(&server);
    let call = client
        .raw(Method::GET, &["queries"])
        .query("token", Some("canary-url-token"))
        .query("json", Some(r#"{"api_key":"canary-url-key"}"#))
        .query("limit", Some(5));
    let error = call.send_as::<HashMap<String, String>>().await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (kind, requests), "{error:?}");
    // It was sent as it is, and shown without the values that are nobody's business.
    assert!(server.requests()[0].target().contains("token=canary-url-token"));
    let report = error.report();
    assert!(report.contains("/queries?token=REDACTED&json=REDACTED&limit=5"), "{report}");
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_48_a_secret_in_the_url_is_not_shown_where_nobody_answers() {
    // A port that is bound and not listening refuses connections.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base = format!("http://{}", socket.local_addr().unwrap());
    let client = builder().base_url(base).build().unwrap();
    let call = client.raw(Method::POST, &["queries"]).query("token", Some("canary-url-token"));
    let error = call.send().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Connect, 3));
    assert!(error.report().contains("token=REDACTED"));
    assert_no_canary(&error, &client);
}

#[derive(Debug)]
struct Source;

#[async_trait]
impl TokenSource for Source {
    async fn token(&self, _: &CredentialContext<'_>) -> Result<Token> {
        Ok(Token::new(TOKEN, Duration::from_secs(60)))
    }
}

#[tokio::test]
async fn fault_49_nothing_that_can_be_printed_shows_a_secret() {
    let source = CachedToken::from(Source);
    let printed = [
        format!("{:?}", builder()),
        format!("{:?}", builder().build().err().map(|error| error.report())),
        format!("{:?}", builder().transport(Answers::new(|_, _| answer(200, ""))).build().unwrap()),
        format!("{:?}", AccessToken::new(KEY, TOKEN)),
        format!("{:?}", ServerToServer::new("canary-id", "canary-secret")),
        format!("{:?}", Bearer::new(TOKEN)),
        format!("{:?}", Basic::new("canary-user", "canary-password")),
        format!("{:?}", Token::new(TOKEN, Duration::from_secs(1))),
        format!("{source:?}"),
        format!(
            "{:?}",
            ReqwestTransport::from_builder(|| reqwest::Client::builder().user_agent(TOKEN))
                .unwrap()
        ),
    ];
    for text in printed {
        assert!(!text.to_lowercase().contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn fault_49_a_call_and_its_answer_print_no_secret() {
    for basic in [true, false] {
        let vendor = Answers::new(|_, _| {
            let mut found = answer(200, RUNS);
            found
                .headers_mut()
                .insert(header::SET_COOKIE, "session=canary-cookie".parse().unwrap());
            found
        });
        let base = builder().transport(vendor.clone());
        let base = if basic {
            base.credential(Basic::new("canary-user", "canary-password"))
        } else {
            base.credential(CachedToken::from(Source))
        };
        let client = base.build().unwrap();
        let found = client.send(read()).await.unwrap();
        let sent = vendor.sent().remove(0);
        for text in [
            format!("{client:?}"),
            format!("{found:?}"),
            format!("{:?}", found.meta()),
            format!("{:?}", client.call(read())),
            format!("{sent:?}"),
        ] {
            assert!(!text.to_lowercase().contains("canary"), "{text}");
        }
        // Layers below print headers too, unless they are marked.
        for name in ["authorization", "x-gw-ims-org-id"] {
            assert!(sent.headers()[name].is_sensitive(), "{name}");
        }
    }
}

#[test]
fn fault_49_a_raw_call_prints_no_secret() {
    let (_, _, client) = scripted();
    let raw = client
        .raw(Method::POST, &["queries"])
        .query("token", Some("canary-query"))
        .header(HeaderName::from_static("x-more"), "canary-header")
        .json(&"canary-body");
    let text = format!("{raw:?}");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn fault_50_a_secret_that_the_server_sends_back_is_cut_out() {
    let body = format!(
        r#"{{"error_code":"{KEY}","message":"token {TOKEN} of {ORG} is bad","type":"/{TOKEN}",
            "report":{{"{TOKEN}":["{KEY}",1]}}}}"#
    );
    for status in ["400", "500"] {
        let head = format!("{status} {TOKEN}\r\nx-echo: {TOKEN}\r\nserver: {TOKEN}");
        for is_trigger in [false, true] {
            let server = Server::start([Answer::json(&head, &body)]).await;
            let client = client_of(&server);
            let error = if is_trigger {
                client.send(trigger()).await.unwrap_err()
            } else {
                client.send(read()).await.unwrap_err()
            };
            let requests = if status == "500" && !is_trigger { 3 } else { 1 };
            assert_eq!(server.requests().len(), requests);
            assert_eq!(error.status().unwrap().as_str(), status);
            let said = error.vendor_error().unwrap();
            assert_eq!(said.message.as_deref(), Some("token REDACTED of REDACTED is bad"));
            assert_no_canary(&error, &client);
            // The answer itself is there for whoever asks for it by name.
            assert_eq!(error.body(), &body);
        }
    }
}

#[tokio::test]
async fn fault_75_a_secret_is_cut_out_in_the_encodings_that_servers_commonly_use() {
    const PASSWORD: &str = "canary&4/<\"o'+ k%";
    for written in [
        "canary&amp;4/&lt;&quot;o&#39;+ k%",
        "CANARY&#38;4&#x2F;&#60;&#x22;o&apos;&#43;&#32;k&#x25;",
        "canary%264%2F%3C%22o%27%2B+k%25",
        "canary%25264%252F%253C%2522o%2527%252B%2520k%2525",
        "canary%25264%252f%253c%2522o%2527%252b%2bk%2525",
        r#"canary\u00264\/\u003C\"o\u0027+ k%"#,
        "Y2FuYXJ5JjQvPCJvJysgayU=",
        "Y2FuYXJ5JjQvPCJvJysgayU%3D",
        "63616e61727926342f3c226f272b206b25",
        "63616E61727926342F3C226F272B206B25",
    ] {
        let (script, _, _) = scripted();
        let secret = builder().credential(Bearer::new(PASSWORD));
        let client = secret.transport(script.clone()).build().unwrap();
        let said = serde_json::json!({ "message": format!("bad: {written}."), "details": { written: [written] } });
        script.respond(400, said.to_string());
        let error = client.send(trigger()).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Rejected, 1));
        assert!(
            script.sent()[0].headers()["authorization"].as_bytes().ends_with(PASSWORD.as_bytes())
        );
        let message = error.vendor_error().and_then(|said| said.message.as_deref());
        assert!(message.is_some_and(|text| text.starts_with("bad: REDACTED")), "{message:?}");
        assert!(!error.report().contains(written), "{written}");
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn fault_75_a_key_inside_a_target_is_neither_printed_nor_sent() {
    use scheduled_runs::supermetrics::{Client, Query, VENDOR};
    use scheduled_runs::testing::ScriptedTransport;
    use scheduled_runs::{RunProviderExt as _, RunRef, Target};

    for settings in [
        r#"{"api_key":"canary"}"#,
        r#"{"a":["{\"b\":{\"Api-Key\":\"canary\"}}"]}"#,
        r#"{"a":"https://h/?ds_id=GA&api_key=canary"}"#,
    ] {
        let id = format!(r#"{{"ds_id":"GA","settings":{settings}}}"#);
        let target = Target::new(VENDOR, id.as_str());
        let run = target.run("canaries-are-names");
        let parsed: Target =
            format!("{VENDOR}:{}", id.replace('%', "%25").replace('/', "%2F")).parse().unwrap();
        assert_eq!(parsed, target);
        assert_eq!(run.to_string().parse::<RunRef>().unwrap(), run);
        let query: Query = serde_json::from_str(&id).unwrap();
        for text in [format!("{target} {target:?}"), format!("{parsed:?}"), format!("{query:?}")] {
            assert!(!text.contains("canary"), "{text}");
        }
        let script = ScriptedTransport::default();
        let client = Client::builder().transport(script.clone()).build().unwrap();
        let error = client.trigger(&target).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Config, 0));
        assert!(error.to_string().contains("`ApiKey` as its credential"), "{error}");
    }
}

#[tokio::test]
async fn fault_50_a_secret_in_the_request_id_is_cut_out_of_every_attempt() {
    let server =
        Server::start([Answer::json(&format!("500 Oops\r\nx-request-id: id-{TOKEN}"), "")]).await;
    let client = client_of(&server);
    let error = client.send(read()).await.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ErrorKind::Server, Some("id-REDACTED")));
    assert_eq!(server.requests().len(), 3);
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_50_a_secret_in_a_location_is_cut_out() {
    for location in [format!("/login/{TOKEN}"), format!("http://{TOKEN}.evil.example/")] {
        let redirect = Answer::json(&format!("302 Found\r\nlocation: {location}"), "");
        let server = Server::start([redirect]).await;
        let client = client_of(&server);
        let error = client.send(trigger()).await.unwrap_err();
        assert_eq!(server.requests().len(), 1);
        assert!(matches!(error.kind(), ErrorKind::Rejected | ErrorKind::CrossOrigin));
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn fault_50_a_secret_is_cut_out_of_the_cause_of_a_passed_deadline_too() {
    let clock = ManualClock::new();
    let passing = clock.clone();
    let vendor = Answers::new(move |_, _| {
        passing.advance(Duration::from_secs(50));
        answer(503, format!(r#"{{"message":"busy for {TOKEN}"}}"#))
    });
    let retry = RetryPolicy::default().max_attempts(10);
    let client = builder().transport(vendor.clone()).clock(clock).retry(retry).build().unwrap();
    let error = client.send(read()).await.unwrap_err();
    assert_eq!((error.timeout_phase(), vendor.count()), (Some(TimeoutPhase::Call), 3));
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_50_a_secret_is_cut_out_of_the_place_of_a_strange_value_too() {
    let (script, _, client) = scripted();
    script.respond(200, format!(r#"{{"{TOKEN}":"x"}}"#));
    let call = client.raw(Method::GET, &["jobs"]);
    let error = call.send_as::<HashMap<String, u64>>().await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Decode, 1));
    assert_eq!(error.decode_path(), Some("REDACTED"));
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_50_a_client_secret_that_the_token_server_sends_back_is_cut_out() {
    let echo = r#"{"error":"invalid_client","error_description":"canary-id-1 canary-secret-2"}"#;
    for status in ["400 Bad", "503 Busy"] {
        let tokens = Server::start([Answer::json(status, echo)]).await;
        let vendor = Server::start([Answer::json("202 Accepted", TAKEN)]).await;
        let source = ServerToServer::new("canary-id-1", "canary-secret-2").token_url(tokens.url());
        let client = builder().base_url(vendor.url()).credential(source).build().unwrap();
        let error = client.send(trigger()).await.unwrap_err();
        assert_eq!((error.kind(), vendor.connections()), (ErrorKind::Auth, 0));
        assert!(!error.may_have_run());
        // Asking for a token is safe to repeat, and pointless where the secret was refused.
        assert_eq!(tokens.requests().len(), if status.starts_with('5') { 3 } else { 1 });
        assert!(!tokens.requests()[0].target().contains("canary"), "not in the URL");
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn fault_51_a_value_of_the_wrong_type_is_named_by_its_place() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only whether it decodes matters")]
    struct Job {
        id: u64,
        parts: Vec<Part>,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only whether it decodes matters")]
    enum Part {
        One,
    }
    for (body, path, place) in [
        (r#"{"id": "canary-1"}"#, "id", "line 1, column 17"),
        ("{\"id\":1,\n\"parts\":[\"One\",\"canary-2\"]}", "parts[1]", "line 2, column 25"),
        (r#"{"id":1,"parts":"canary-3"}"#, "parts", "line 1, column 26"),
    ] {
        let (script, _, client) = scripted();
        script.respond(200, body);
        let call = client.raw(Method::GET, &["jobs", "1"]);
        let error = call.send_as::<Job>().await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Decode, 1));
        assert_eq!(error.decode_path(), Some(path));
        assert!(error.to_string().contains(place), "{error}");
        assert_no_canary(&error, &client);
    }
    let (script, _, client) = scripted();
    script.respond(202, r#"{"id":["canary-4"],"version":["canary-5"]}"#);
    let query = CreateQuery::new(QueryDef::sql("prod:all", "SELECT 1"));
    let error = client.send(query).await.unwrap_err();
    assert_eq!((error.kind(), error.decode_path()), (ErrorKind::Decode, Some("id")));
    assert_eq!((error.may_have_run(), script.sent().len()), (true, 1));
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_52_an_id_is_one_encoded_part_of_the_path_or_refused() {
    let server = Server::start([Answer::json("202 Accepted", TAKEN)]).await;
    let client = client_of(&server);
    let long = "x".repeat(10 * 1024);
    for id in ["", ".", "..", "canary\r\nx: y", "canary\0", "a\tb", "\u{7f}", "\u{85}", &long] {
        for error in [
            client.send(TriggerRun::new(id)).await.unwrap_err(),
            client.send(ListRuns::new(id)).await.unwrap_err(),
            client.send(GetRun::new("nightly", id)).await.unwrap_err(),
            client.raw(Method::GET, &["queries", id]).send().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config, "{id:?}");
            assert!(!error.may_have_run());
            assert_no_canary(&error, &client);
        }
    }
    assert_eq!(server.connections(), 0);

    for (id, encoded) in [
        ("nightly-1_2.3~", "nightly-1_2.3~"),
        ("../x", "..%2Fx"),
        ("%2e%2e", "%252e%252e"),
        ("%", "%25"),
        ("a/b", "a%2Fb"),
        (r"a\b", "a%5Cb"),
        ("x?y", "x%3Fy"),
        ("x#f", "x%23f"),
        (" ;,&=+", "%20%3B%2C%26%3D%2B"),
        ("ü", "%C3%BC"),
        ("...", "..."),
    ] {
        client.send(TriggerRun::new(id)).await.unwrap();
        let seen = server.requests();
        assert_eq!(seen.last().unwrap().target(), format!("/schedules/{encoded}/runs"));
    }
    assert_eq!(server.requests().len(), 11);
}

#[test]
fn fault_53_what_a_header_cannot_carry_is_refused_when_the_client_is_built() {
    type Change = fn(ClientBuilder<Adobe>, String) -> ClientBuilder<Adobe>;
    let changes: [(&str, Change); 6] = [
        ("token", |builder, text| builder.credential(AccessToken::new(KEY, text))),
        ("API key", |builder, text| builder.credential(AccessToken::new(text, TOKEN))),
        ("client id", |builder, text| builder.credential(ServerToServer::new(text, "canary"))),
        ("organization id", |builder, text| builder.org_id(text)),
        ("sandbox", |builder, text| builder.sandbox(text)),
        ("user agent", |builder, text| builder.user_agent(text)),
    ];
    for text in [
        "canary\r\nx-evil: 1",
        "canary\n",
        "canary\r",
        " canary",
        "canary\0",
        "canary\u{e4}",
        "canary\u{7f}",
    ] {
        for (what, change) in changes {
            let error = change(builder(), text.to_owned()).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{what} {text:?}");
            assert!(error.to_string().contains(what), "{error}");
            assert_no_canary(&error, &"");
        }
    }
}

/// A source whose tokens would split a request in two.
#[derive(Debug)]
struct Splitting;

#[async_trait]
impl TokenSource for Splitting {
    async fn token(&self, _: &CredentialContext<'_>) -> Result<Token> {
        Ok(Token::new("canary\r\nx-evil: 1", Duration::from_secs(60)))
    }
}

#[tokio::test]
async fn fault_53_also_where_the_token_comes_later() {
    let server = Server::start([Answer::json("202 Accepted", TAKEN)]).await;
    let client: Client =
        builder().base_url(server.url()).credential(CachedToken::from(Splitting)).build().unwrap();
    let error = client.send(trigger()).await.unwrap_err();
    assert_eq!((error.kind(), server.connections()), (ErrorKind::Config, 0));
    assert_no_canary(&error, &client);
    let more = HeaderName::from_static("x-more");
    let call = client.raw(Method::GET, &["a"]).header(more, "canary\r\nx: 1");
    let error = call.send().await.unwrap_err();
    assert_eq!((error.kind(), server.connections()), (ErrorKind::Config, 0));
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_48_a_client_that_was_given_no_credential_says_so() {
    let answer = r#"{"error_code":"401013","message":"Oauth token is not valid"}"#;
    let server = Server::start([Answer::json("401 Unauthorized", answer)]).await;
    let client = Client::builder().org_id(ORG).sandbox("dev").base_url(server.url()).build();
    let error = client.unwrap().send(read()).await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Auth, 1));
    let text = error.to_string();
    assert!(text.contains("no credential; pass one"), "{text}");
    assert!(text.contains("Oauth token is not valid"), "the vendor's words stay: {text}");
}

//! Redaction: no output tells a secret, wherever it stands and however it is written.

use std::error::Error as _;
use std::fmt::Write as _;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use proptest::prelude::*;
use scheduled_runs::client::{ApiRequest, Basic, Bearer, Idempotency, TransportErrorKind};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{Client, ClientBuilder, Error, adobe, arcgis, foundry, mode, supermetrics};
use serde_json::{Value, json};
use url::Url;

/// A secret: no word of any message, and with letters that URLs and JSON change.
fn secret() -> impl Strategy<Value = String> {
    "Zq7[A-Za-z0-9/+=~._%&?:@ !'*-]{1,20}[0-9]Zq"
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// Whether a text tells the secret, as it is, encoded, or escaped.
fn tells(text: &str, secret: &str) -> bool {
    let (text, secret) = (lower(text), lower(secret));
    let once = lower(&percent_decode_str(&text).decode_utf8_lossy());
    let plus = once.replace('+', " ");
    [text, once, plus]
        .iter()
        .any(|text| text.contains(&secret) || text.contains(&secret.replace('+', " ")))
}

fn everything_about(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {}", error.report());
    let mut cause = error.source();
    while let Some(source) = cause {
        let _ = write!(text, " {source} {source:?}");
        cause = source.source();
    }
    let _ =
        write!(text, " {:?} {:?} {:?}", error.vendor_error(), error.request_id(), error.attempts());
    text
}

/// The secret as servers send it back.
fn echo(secret: &str, how: u8) -> String {
    let coded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    match how % 5 {
        0 => secret.to_owned(),
        1 => coded,
        2 => coded.to_ascii_lowercase(),
        3 => url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        _ => format!("bad token <{secret}>, {secret}"),
    }
}

/// A document with the text in many places, as name and as value.
fn nested(text: &str, shape: &[u8]) -> Value {
    shape.iter().fold(Value::from(text), |inner, step| match step % 6 {
        0 => json!([inner]),
        1 => json!({ text: inner }),
        2 => json!({ "message": text, "details": inner }),
        3 => json!({ "error": inner, "errorName": text, "error_code": text }),
        4 => json!({ "parameters": inner, "code": text, "title": text, "errorInstanceId": text }),
        _ => json!({ "error": { "code": text, "message": text, "details": inner }, "meta": { "request_id": text } }),
    })
}

fn builder(vendor: u8, secret: &str) -> Box<dyn Calls> {
    match vendor % 5 {
        0 => Box::new(
            adobe::Client::builder()
                .org_id("1@AdobeOrg")
                .sandbox("dev")
                .credential(adobe::AccessToken::new("the-key", secret)),
        ),
        1 => Box::new(
            Client::<arcgis::ArcGis>::builder()
                .base_url("https://gis.example")
                .credential(arcgis::ReadyToken::new(secret)),
        ),
        2 => Box::new(
            foundry::Client::builder()
                .hostname("x.example")
                .credential(foundry::UserToken::new(secret)),
        ),
        3 => Box::new(
            mode::Client::builder()
                .workspace("w")
                .credential(mode::ApiToken::new("the-token", secret)),
        ),
        _ => {
            Box::new(supermetrics::Client::builder().credential(supermetrics::ApiKey::new(secret)))
        }
    }
}

/// Any vendor's client, with a call that anybody may make.
trait Calls {
    /// All that is printed.
    fn call(self: Box<Self>, script: &ScriptedTransport, write: bool) -> String;
}

impl<A: scheduled_runs::client::Api> Calls for ClientBuilder<A> {
    fn call(self: Box<Self>, script: &ScriptedTransport, write: bool) -> String {
        let mut text = format!("{self:?}");
        let client = self.transport(script.clone()).clock(ManualClock::new()).build().unwrap();
        let _ = write!(text, " {client:?}");
        let method = if write { Method::POST } else { Method::GET };
        let call = client.raw(method, &["x"]).query("limit", Some(1)).query("q", Some(2));
        let ended = crate::now(call.send_as::<std::collections::BTreeMap<String, u8>>());
        match ended {
            Ok(answer) => _ = write!(text, " {:?} {}", answer.meta(), answer.report()),
            Err(error) => text.push_str(&everything_about(&error)),
        }
        for request in script.sent() {
            let _ = write!(text, " {request:?}");
        }
        text
    }
}

proptest! {
    #![proptest_config(crate::few())]

    #[test]
    fn no_answer_makes_a_client_tell_its_secret(
        secret in secret(),
        vendor: u8,
        write: bool,
        answers in prop::collection::vec(
            (prop::sample::select(vec![200_u16, 201, 302, 307, 400, 401, 403, 404, 429, 500, 503, 999]),
             any::<u8>(), prop::collection::vec(any::<u8>(), 0..7),
             prop::sample::select(vec!["location", "x-request-id", "x-span-id", "content-type", "retry-after", "www-authenticate", "x-echo", "date"]),
             any::<bool>()),
            1..4,
        ),
    ) {
        let script = ScriptedTransport::default();
        for (status, how, shape, name, plain) in answers {
            let text = echo(&secret, how);
            let body = if plain { text.clone() } else { nested(&text, &shape).to_string() };
            let mut answer = Response::new(Bytes::from(body));
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            let value = if name == "location" { format!("/{text}?x={text}") } else { text };
            if let Ok(value) = HeaderValue::from_str(&value) {
                answer.headers_mut().insert(HeaderName::from_static(name), value);
            }
            script.respond_with(answer);
        }
        let text = builder(vendor, &secret).call(&script, write);
        prop_assert!(!script.sent().is_empty());
        prop_assert!(!tells(&text, &secret), "{secret} in {text}");
    }

    #[test]
    fn no_request_tells_what_it_hides(
        secret in secret(),
        parts in prop::collection::vec("[a-z]{1,5}", 0..3),
        places in prop::collection::vec(0..9_u8, 1..6),
        names in prop::collection::vec(prop::sample::select(vec!["limit", "f", "token", "json", "x y", "page"]), 6),
    ) {
        let base = Url::parse("https://host/base").unwrap();
        let mut path: Vec<&str> = parts.iter().map(String::as_str).collect();
        if places.contains(&0) {
            path.push(&secret);
        }
        let mut builder = ApiRequest::builder("test", Idempotency::Safe, Method::POST, &base, &path);
        for (place, name) in places.iter().zip(&names) {
            builder = match place {
                1 => builder.query(name, Some(&secret)),
                2 => builder.query(&secret, Some("x")),
                3 => builder.query("json", Some(json!({ "api_key": secret }))),
                4 => builder.json(&json!([secret])),
                5 => builder.form([("token", secret.as_str())]),
                _ => builder,
            };
        }
        let mut request = builder.finish().unwrap();
        request.hide(&secret);
        for (place, name) in places.iter().zip(["x-one", "x-two", "x-three", "x-four", "x-five", "x-six"]) {
            let name = HeaderName::from_static(name);
            match place {
                6 => request.set_header(name, secret.trim()).unwrap(),
                7 => request.set_secret_header(name, &format!("Bearer {secret}")).unwrap(),
                8 => request.set_header(header::USER_AGENT, &format!("me/{secret}")).unwrap(),
                _ => request.append_query("x", &secret),
            }
        }
        let text = format!("{request:?} {request:#?}");
        prop_assert!(!tells(&text, &secret), "{secret} in {text}");

        // The command in the report of its failure is made of the same parts.
        let script = ScriptedTransport::default();
        script.fail(TransportErrorKind::Tls);
        let client = Client::<Acme>::builder().transport(script.clone()).clock(ManualClock::new()).credential(Bearer::new(secret.trim()));
        let client = client.build().unwrap();
        let mut call = client.raw(Method::POST, &path).query(&secret, Some(1)).query("limit", Some(&secret));
        call = call.header(header::USER_AGENT, &format!("me/{secret}"));
        let error = crate::now(call.send()).unwrap_err();
        prop_assert_eq!(script.sent().len(), 1);
        let text = everything_about(&error);
        prop_assert!(!tells(&text, &secret), "{secret} in {text}");
    }

    #[test]
    fn no_credential_prints_itself(user in "Zq7[a-z]{4,9}9Zq", secret in secret()) {
        let text = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            Basic::new(user.as_str(), secret.as_str()),
            Bearer::new(secret.as_str()),
            adobe::AccessToken::new(user.as_str(), secret.as_str()),
            adobe::ServerToServer::new(user.as_str(), secret.as_str()),
            arcgis::GenerateToken::new(user.as_str(), secret.as_str()),
            arcgis::AppToken::new(user.as_str(), secret.as_str()),
            arcgis::ReadyToken::new(secret.as_str()),
            foundry::ClientCredentials::new(user.as_str(), secret.as_str()),
            mode::ApiToken::new(user.as_str(), secret.as_str()),
            supermetrics::ApiKey::new(secret.as_str()).in_parameters(),
        );
        prop_assert!(!tells(&text, &secret) && !tells(&text, &user), "{text}");
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}"));
        let script = ScriptedTransport::default();
        script.respond(400, json!({ "message": format!("{pair} {user} {secret}") }).to_string());
        let client = Client::<Acme>::builder().transport(script).clock(ManualClock::new()).credential(Basic::new(user.as_str(), secret.as_str()));
        let error = crate::now(client.build().unwrap().raw(Method::GET, &["x"]).send()).unwrap_err();
        let text = everything_about(&error);
        prop_assert!(![&pair, &user, &secret].iter().any(|hidden| tells(&text, hidden)), "{text}");
    }
}

/// A vendor that repeats the whole answer in its message.
#[derive(Debug)]
enum Acme {}

impl scheduled_runs::client::Api for Acme {
    const VENDOR: scheduled_runs::client::Vendor = scheduled_runs::client::Vendor::new("acme");
    type Options = ();

    fn service((): &()) -> scheduled_runs::Result<scheduled_runs::client::Service> {
        Ok(scheduled_runs::client::Service::new("https://acme.example", Echo))
    }
}

#[derive(Debug)]
struct Echo;

impl scheduled_runs::client::Dialect for Echo {
    fn judge(
        &self,
        answer: &scheduled_runs::client::RawResponse<'_>,
    ) -> scheduled_runs::client::Verdict {
        let refusal = scheduled_runs::client::Refusal::by_status(answer.status, None);
        scheduled_runs::client::Verdict::Refused(refusal.message(answer.text().to_owned()))
    }
}

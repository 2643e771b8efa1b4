//! Repeating: whatever a server answers, in whatever order, nothing that may have started is started again.

use bytes::Bytes;
use http::{HeaderName, Method, Response, StatusCode};
use proptest::prelude::*;
use scheduled_runs::client::json;
use scheduled_runs::client::{
    Advice, Api, ApiRequest, Bearer, CachedToken, CredentialContext, Dialect, Endpoint,
    Idempotency, Meta, RawResponse, Refusal, RetryPolicy, Service, Token, TokenSource,
    TransportErrorKind, Vendor, Verdict,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{Client, Delivery, Result};
use std::time::Duration;
use url::Url;

/// A vendor whose headers say what an answer means.
#[derive(Debug)]
enum Acme {}

impl Api for Acme {
    const VENDOR: Vendor = Vendor::new("acme");
    type Options = ();

    fn service((): &()) -> Result<Service> {
        Ok(Service::new("https://acme.example", ByHeader))
    }
}

#[derive(Debug)]
struct ByHeader;

impl Dialect for ByHeader {
    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        let header = |name| response.headers.get(name)?.to_str().ok();
        let meant = header("x-meant").and_then(|text| text.parse().ok());
        if meant.is_none() && response.status.is_success() {
            return Verdict::Success;
        }
        let refusal = Refusal::by_status(meant.unwrap_or(response.status), None);
        Verdict::Refused(match header("x-advice") {
            Some("none") => refusal.advice(Advice::None),
            Some("not-accepted") => refusal.advice(Advice::NotAccepted),
            Some("permanent") => refusal.advice(Advice::Permanent),
            Some("refresh") => refusal.advice(Advice::Refresh),
            _ => refusal,
        })
    }
}

macro_rules! endpoint {
    ($name:ident, $idempotency:ident) => {
        #[derive(Clone, Debug)]
        struct $name;

        impl Endpoint for $name {
            type Api = Acme;
            type Output = u32;
            const OPERATION: &'static str = "acme.call";
            const IDEMPOTENCY: Idempotency = Idempotency::$idempotency;

            fn to_request(&self, base: &Url) -> Result<ApiRequest> {
                ApiRequest::of::<Self>(Method::POST, base, &["x"]).finish()
            }

            fn decode(&self, meta: &Meta, body: &Bytes) -> Result<u32> {
                json::decode(meta, body)
            }
        }
    };
}

endpoint!(Read, Safe);
endpoint!(Put, Idempotent);
endpoint!(Start, NotIdempotent);

#[derive(Debug)]
struct Source;

#[async_trait::async_trait]
impl TokenSource for Source {
    async fn token(&self, _: &CredentialContext<'_>) -> Result<Token> {
        Ok(Token::new("token", Duration::from_secs(3600)))
    }
}

/// What happens to one request.
#[derive(Clone, Debug)]
enum Fate {
    Fails(TransportErrorKind),
    /// The status, what it stands for, the advice, whether the body can be read, and the pause asked for.
    Answered(u16, Option<u16>, &'static str, bool, Option<u32>),
}

fn fate() -> impl Strategy<Value = Fate> {
    use TransportErrorKind as Kind;
    let kinds = vec![
        Kind::Connect,
        Kind::ConnectTimeout,
        Kind::Tls,
        Kind::NotProcessed,
        Kind::Interrupted,
        Kind::Idle,
        Kind::TooLarge,
        Kind::NotHttp,
        Kind::Refused,
    ];
    let status = || {
        prop_oneof![
            prop::sample::select(vec![
                200_u16, 202, 302, 401, 404, 408, 429, 500, 502, 503, 504, 520, 524
            ]),
            200..1000_u16,
        ]
    };
    let advice =
        prop::sample::select(vec!["", "", "", "none", "not-accepted", "permanent", "refresh"]);
    prop_oneof![
        prop::sample::select(kinds).prop_map(Fate::Fails),
        (
            status(),
            prop::option::of(status()),
            advice,
            any::<bool>(),
            prop::option::of(any::<u32>())
        )
            .prop_map(|(status, meant, advice, readable, pause)| Fate::Answered(
                status, meant, advice, readable, pause
            )),
    ]
}

impl Fate {
    /// Written down apart from the crate's own table: whether the server may have done what it was asked.
    fn may_have_run(&self) -> bool {
        use TransportErrorKind as Kind;
        match self {
            Self::Fails(kind) => !matches!(
                kind,
                Kind::Connect
                    | Kind::ConnectTimeout
                    | Kind::Tls
                    | Kind::NotProcessed
                    | Kind::Refused
            ),
            Self::Answered(300..=399, ..) => matches!(self, Self::Answered(302 | 303, ..)),
            Self::Answered(206, ..) | Self::Answered(200..=299, None, ..) => true,
            Self::Answered(status, meant, advice, ..) => {
                let meant = meant.unwrap_or(*status);
                let said = match *advice {
                    "" => meant != 401,
                    advice => advice == "none",
                };
                let clear = matches!(
                    meant,
                    300..=301 | 304..=407 | 409..=431 | 451 | 494..=498 | 501 | 505 | 511
                );
                said && !clear
            }
        }
    }

    fn is_success(&self) -> bool {
        matches!(self, Self::Answered(200..=205 | 207..=299, None, _, true, _))
    }

    fn put_into(&self, script: &ScriptedTransport) {
        match self {
            Self::Fails(kind) => script.fail(*kind),
            Self::Answered(status, meant, advice, readable, pause) => {
                let mut answer =
                    Response::new(Bytes::from_static(if *readable { b"7" } else { b"<7" }));
                *answer.status_mut() = StatusCode::from_u16(*status).unwrap();
                let meant = meant.map(|meant| ("x-meant", meant.to_string()));
                let advice = Some(("x-advice", (*advice).to_owned()));
                let pause = pause.map(|pause| ("retry-after", pause.to_string()));
                for (name, value) in [meant, advice, pause].into_iter().flatten() {
                    answer
                        .headers_mut()
                        .insert(HeaderName::from_static(name), value.parse().unwrap());
                }
                script.respond_with(answer);
            }
        }
    }
}

struct Ended {
    sent: usize,
    may_have_run: bool,
    is_ok: bool,
}

fn send<E: Endpoint<Api = Acme>>(request: E, fates: &[Fate], tries: u32, renews: bool) -> Ended {
    let script = ScriptedTransport::default();
    for fate in fates {
        fate.put_into(&script);
    }
    let policy = RetryPolicy::default().max_attempts(tries);
    let builder = Client::<Acme>::builder().transport(script.clone()).clock(ManualClock::new());
    let builder = if renews {
        builder.credential(CachedToken::from(Source))
    } else {
        builder.credential(Bearer::new("token"))
    };
    let client = builder.retry(policy).build().unwrap();
    let answer = crate::now(client.send(request));
    let sent = script.sent().len();
    let attempts = match &answer {
        Ok(answer) => answer.meta().attempts.len(),
        Err(error) => error.attempts().len(),
    };
    assert_eq!(attempts, sent, "every request is accounted for");
    if let Err(error) = &answer {
        assert!(error.delivery() != Delivery::NotSent || !error.may_have_run(), "{error:?}");
    }
    Ended {
        sent,
        may_have_run: answer.as_ref().is_err_and(scheduled_runs::Error::may_have_run),
        is_ok: answer.is_ok(),
    }
}

proptest! {
    #![proptest_config(crate::few())]

    #[test]
    fn what_may_have_started_is_not_started_again(
        fates in prop::collection::vec(fate(), 8),
        tries in 1..8_u32,
        renews: bool,
    ) {
        let ended = send(Start, &fates, tries, renews);
        let seen = &fates[..ended.sent];
        prop_assert!((1..=tries as usize).contains(&ended.sent));
        for fate in &seen[..ended.sent - 1] {
            prop_assert!(!fate.may_have_run(), "{fate:?} was followed by another try");
        }
        let last = &seen[ended.sent - 1];
        prop_assert_eq!(ended.is_ok, last.is_success());
        prop_assert_eq!(ended.may_have_run, !ended.is_ok && last.may_have_run(), "{:?}", last);
    }

    #[test]
    fn what_is_safe_ends_with_the_first_good_answer_and_never_may_have_run(
        fates in prop::collection::vec(fate(), 8),
        tries in 1..8_u32,
        renews: bool,
    ) {
        for ended in [send(Read, &fates, tries, renews), send(Put, &fates, tries, renews)] {
            prop_assert!((1..=tries as usize).contains(&ended.sent));
            prop_assert_eq!(ended.is_ok, fates[ended.sent - 1].is_success());
            prop_assert!(!ended.may_have_run);
            prop_assert!(!fates[..ended.sent - 1].iter().any(Fate::is_success));
        }
    }
}

//! Mode's webhooks: requests that say that a run of a report has started or ended.

use http::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::VENDOR;
use crate::client::PathSegment;
use crate::run::Event;
use crate::webhook::Received;

/// Longest body, in bytes. The vendor's are about 150 bytes long.
const LONGEST: usize = 16 * 1024;

/// Where the URLs in events begin. The samples have the first; the API is at the second.
const SITES: [&str; 2] = ["https://modeanalytics.com/api/", "https://app.mode.com/api/"];

/// Reads a request that Mode sent to your endpoint: an event for each run of a report that has started or ended.
///
/// An admin adds the webhooks in "Workspace Settings", "Webhooks": one for the event that a report's run has started, and one for
/// its end. An event says that a run has ended, and not how, and there is none for the runs of datasets. Source: Mode help,
/// "Webhooks".
///
/// # Who has sent it?
///
/// Mode does not sign its webhooks, so this function cannot say who has sent a request, and everybody on the internet can send one
/// that looks right. Do three things about it:
///
/// - Make a part of the endpoint's path secret, such as `/webhooks/8f3c…/mode` with 32 random characters, and compare it before you
///   call this. Keep the path out of logs.
/// - Use `https`.
/// - Hand the events to nothing but [`wake_on`](crate::run::Wait::wake_on). It polls only runs that your program waits for, with the
///   client's own URL and credential, so a request that Mode did not send costs one poll.
///
/// The URL in the body is taken apart, and no request is ever sent to it.
///
/// # What it responds
///
/// | request | status |
/// |---|---|
/// | the start or the end of a report's run | 200, with an event |
/// | any other JSON object, or no body | 200 |
/// | anything else, or a run's event without the URL of a run | 400 |
/// | a method other than `POST` | 405 |
/// | a body of more than 16 KiB | 413 |
///
/// Inferred: whatever Mode sends as a test when a webhook is saved is a JSON object or nothing, and wants a status of success.
///
/// ```
/// use http::Request;
/// use scheduled_runs::mode;
///
/// let client = mode::Client::builder()
///     .credential(mode::ApiToken::new("token", "secret"))
///     .workspace("acme")
///     .build()?;
/// let run = "https://modeanalytics.com/api/acme/reports/f2lkg3hwjj9a/runs/0a1b2c3d4e5f";
/// let body = format!(r#"{{ "event": "report_run_completed", "report_run_url": "{run}" }}"#);
/// let request = Request::post("/webhooks/8f3c5e/mode").body(body)?;
///
/// let received = mode::receive(&request);
/// assert_eq!(received.response.status(), 200);
/// assert!(received.events[0].concerns(&client.target("f2lkg3hwjj9a").run("0a1b2c3d4e5f")));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn receive(request: &Request<impl AsRef<[u8]>>) -> Received {
    let body = request.body().as_ref();
    if request.method() != Method::POST {
        return Received::wrong_method("POST");
    }
    if body.len() > LONGEST {
        return Received::refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
    }
    match events(body) {
        Ok(events) => Received::events(events),
        Err(why) => Received::refused(StatusCode::BAD_REQUEST, why),
    }
}

/// The events of a body, or what is wrong with it.
#[inline]
fn events(body: &[u8]) -> Result<Vec<Event>, &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8")?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let members: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| "the body is not a JSON object")?;
    let kind = members.get("event").and_then(Value::as_str);
    if !matches!(kind, Some("report_run_started" | "report_run_completed")) {
        return Ok(Vec::new());
    }
    let mut urls = members.iter().filter(|(name, _)| name.ends_with("_url"));
    let event = urls.find_map(|(_, url)| of_run(url.as_str()?));
    Ok(vec![event.ok_or("no member is the URL of a run")?])
}

/// The event of the run at this URL.
///
/// The text is taken apart as it is. A URL parser would first resolve `..` and the like, and make a stranger's URL look like Mode's.
#[inline]
fn of_run(url: &str) -> Option<Event> {
    let path = SITES.iter().find_map(|site| url.strip_prefix(site))?;
    let path: Vec<_> = path.split('/').collect();
    let [workspace, "reports", report, "runs", run] = path[..] else { return None };
    let event = Event::of(VENDOR).scope(username(workspace)?);
    Some(event.target(token(report)?).run(token(run)?))
}

/// A workspace, spelled as in the base URL of a client.
fn username(encoded: &str) -> Option<String> {
    let name = percent_decode_str(encoded).decode_utf8().ok()?;
    let is_name = name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter));
    Some(PathSegment::new(&name).ok().filter(|_| is_name)?.to_string())
}

fn token(text: &str) -> Option<&str> {
    let is_token =
        (1..=64).contains(&text.len()) && text.bytes().all(|letter| letter.is_ascii_alphanumeric());
    is_token.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "https://modeanalytics.com/api/acme/reports/a1b2c3d4e5f6/runs/0f9e8d7c6b5a";

    fn post(body: &str) -> (u16, Vec<Event>) {
        let received = receive(&Request::post("/").body(body).unwrap());
        (received.response.status().as_u16(), received.events)
    }

    fn event(workspace: &str) -> Event {
        Event::of(VENDOR).scope(workspace).target("a1b2c3d4e5f6").run("0f9e8d7c6b5a")
    }

    fn of_url(url: &str) -> (u16, Vec<Event>) {
        let body = serde_json::json!({ "event": "report_run_completed", "report_run_url": url });
        post(&body.to_string())
    }

    #[test]
    fn a_run_that_has_started_or_ended_is_an_event_and_all_else_is_accepted_without_one() {
        let report = "https://modeanalytics.com/api/acme/reports/a1b2c3d4e5f6";
        for (body, expected) in [
            (format!(r#"{{"event":"report_run_started","report_run_url":"{RUN}"}}"#), true),
            (format!(r#"{{"event":"report_run_completed","report_run_url":"{RUN}"}}"#), true),
            (format!(r#"{{"some_url":"{RUN}","event":"report_run_completed","more":[1]}}"#), true),
            (
                format!(
                    r#"{{"event":"report_run_completed","report_url":"{report}","report_run_url":"{RUN}"}}"#
                ),
                true,
            ),
            (format!(r#"{{"event":"report_created","report_run_url":"{report}"}}"#), false),
            (format!(r#"{{"event":"report_created","report_url":"{report}"}}"#), false),
            (
                r#"{"event":"definition_updated","definition_url":"https://modeanalytics.com/api/acme/definitions/c1d2e3f4a5b6"}"#
                    .to_owned(),
                false,
            ),
            (
                r#"{"event":"new_database_connection","connection_url":"anything"}"#.to_owned(),
                false,
            ),
            (format!(r#"{{"event":"report_run_postponed","report_run_url":"{RUN}"}}"#), false),
            (format!(r#"{{"event":["report_run_started"],"report_run_url":"{RUN}"}}"#), false),
            (format!(r#"{{"report_run_url":"{RUN}"}}"#), false),
            (r#"{"test":true}"#.to_owned(), false),
            ("{}".to_owned(), false),
            (" \n".to_owned(), false),
            (String::new(), false),
        ] {
            let events = if expected { vec![event("acme")] } else { Vec::new() };
            assert_eq!(post(&body), (200, events), "{body}");
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in [
            "hello",
            "[]",
            "null",
            "\"report_run_completed\"",
            r#"{"event":"report_run_completed""#,
            r#"{"event":"report_run_completed"}"#,
            r#"{"event":"report_run_completed","report_run_url":null}"#,
            &format!(r#"{{"event":"report_run_completed","report_run":"{RUN}"}}"#),
            &format!(r#"{{"event":"report_run_completed","report_run_url":["{RUN}"]}}"#),
            &"[".repeat(10_000),
        ] {
            assert_eq!(post(body), (400, Vec::new()), "{body}");
        }
        let not_text = receive(&Request::post("/").body([0xff, 0xfe]).unwrap());
        assert_eq!((not_text.response.status().as_u16(), not_text.events.len()), (400, 0));

        let long = |spaces: usize| format!("{{{}}}", " ".repeat(spaces));
        assert_eq!(post(&long(LONGEST - 2)).0, 200);
        assert_eq!(post(&long(LONGEST - 1)).0, 413);
    }

    #[test]
    fn only_post_is_allowed() {
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let body = format!(r#"{{"event":"report_run_completed","report_run_url":"{RUN}"}}"#);
            let received = receive(&Request::builder().method(method).body(body).unwrap());
            assert_eq!((received.response.status().as_u16(), received.events.len()), (405, 0));
            assert_eq!(received.response.headers()["allow"], "POST");
        }
    }

    #[test]
    fn a_url_is_taken_apart_only_if_it_is_one_of_modes() {
        let path = "/api/acme/reports/a1b2c3d4e5f6/runs/0f9e8d7c6b5a";
        for (url, workspace) in [
            (RUN, "acme"),
            (&*format!("https://app.mode.com{path}"), "acme"),
            (&RUN.replace("acme", "north-wind_2.0"), "north-wind_2.0"),
            (&RUN.replace("acme", "acm%C3%A9"), "acm%C3%A9"),
            (&RUN.replace("acme", "acm%c3%a9"), "acm%C3%A9"),
        ] {
            assert_eq!(of_url(url), (200, vec![event(workspace)]), "{url}");
        }
        for url in [
            "",
            "https://",
            "modeanalytics.com",
            path,
            &format!("http://modeanalytics.com{path}"),
            &format!("https://mode.com{path}"),
            &format!("https://evil.example{path}"),
            &format!("https://modeanalytics.com.evil.example{path}"),
            &format!("https://modeanalytics.com@evil.example{path}"),
            &format!("https://user:password@modeanalytics.com{path}"),
            &format!("https://modeanalytics.com:8443{path}"),
            &format!("https://modeanalytics.com\\{path}"),
            &format!("https://evil.example/https://modeanalytics.com{path}"),
            &format!(" {RUN}"),
            &format!("{RUN} "),
            &format!("{RUN}/"),
            &format!("{RUN}/query_runs"),
            &format!("{RUN}/../../../other"),
            &format!("{RUN}?to=evil.example"),
            &format!("{RUN}#evil"),
            &RUN.replace("/api/", "//api/"),
            &RUN.replace("/api/", "/api//"),
            &RUN.replace("/api/", "/x/../api/"),
            &RUN.replace("acme", ".."),
            &RUN.replace("acme", "%2e%2e"),
            &RUN.replace("acme", "other%2Facme"),
            &RUN.replace("acme", "%ff"),
            &RUN.replace("acme", "a b"),
            &RUN.replace("acme", &"a".repeat(2000)),
            &RUN.replace("reports", "datasets"),
            &RUN.replace("reports", "%72eports"),
            &RUN.replace("a1b2c3d4e5f6", ""),
            &RUN.replace("a1b2c3d4e5f6", ".."),
            &RUN.replace("a1b2c3d4e5f6", "a1b2%2Fc3"),
            &RUN.replace("a1b2c3d4e5f6", "a1b2c3d4e5f6\\..\\x"),
            &RUN.replace("0f9e8d7c6b5a", ""),
            &RUN.replace("0f9e8d7c6b5a", "0f9e\n8d7c"),
            &RUN.replace("0f9e8d7c6b5a", "ｆ"),
            &RUN.replace("0f9e8d7c6b5a", &"0".repeat(65)),
        ] {
            assert_eq!(of_url(url), (400, Vec::new()), "{url}");
        }
    }

    #[test]
    fn an_event_concerns_its_own_run_in_its_own_workspace() {
        let client = |workspace: &str| {
            let builder = super::super::Client::builder().workspace(workspace);
            let transport = crate::testing::ScriptedTransport::default();
            builder.transport(transport).build().unwrap()
        };
        let run =
            |workspace: &str, report: &str, run: &str| client(workspace).target(report).run(run);
        let (_, events) = of_url(RUN);
        let [event] = &events[..] else { panic!("{events:?}") };
        assert!(event.concerns(&run("acme", "a1b2c3d4e5f6", "0f9e8d7c6b5a")));
        for (workspace, report, other) in [
            ("globex", "a1b2c3d4e5f6", "0f9e8d7c6b5a"),
            ("not-acme", "a1b2c3d4e5f6", "0f9e8d7c6b5a"),
            ("acme", "a1b2c3d4e5f7", "0f9e8d7c6b5a"),
            ("acme", "a1b2c3d4e5f6", "0f9e8d7c6b5b"),
        ] {
            assert!(
                !event.concerns(&run(workspace, report, other)),
                "{workspace} {report} {other}"
            );
        }
        let (_, accented) = of_url(&RUN.replace("acme", "acm%c3%a9"));
        assert!(accented[0].concerns(&run("acmé", "a1b2c3d4e5f6", "0f9e8d7c6b5a")));
    }
}

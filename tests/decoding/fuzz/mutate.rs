//! Answers that no server should send, made from some that servers do send. Each is a function of its number.

use bytes::Bytes;
use fastrand::Rng;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;

/// A secret of the client's. Some answers send it back.
pub(crate) const CANARY: &str = "canary-Zq7/x+9%2";

const STATUSES: [u16; 24] = [
    200, 201, 202, 204, 206, 300, 302, 307, 400, 401, 403, 404, 408, 409, 422, 429, 498, 500, 501,
    502, 503, 504, 599, 999,
];

/// What readers of numbers, texts, dates and links trip over; as JSON.
const VALUES: [&str; 58] = [
    "null",
    "true",
    "false",
    "0",
    "-1",
    "-0.0",
    "1.5",
    "1e308",
    "-1e308",
    "1e-400",
    "255",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "8210266876799999",
    "8210266876800000",
    "-8334601228800001",
    "123456789012345678901234567890",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "[null]",
    r#"{"":""}"#,
    r#"{"type":"lunar"}"#,
    r#"{"error":{"code":498}}"#,
    r#""""#,
    r#"" ""#,
    r#""0""#,
    r#""-1""#,
    r#""true""#,
    r#""null""#,
    r#""18446744073709551616""#,
    r#""1e999""#,
    r#""nan""#,
    r#""\u0000""#,
    r#""\ud83d\ude00""#,
    r#""\ud800""#,
    r#""\u202fé\r\n""#,
    r#""2026-02-30T25:61:61Z""#,
    r#""9999-12-31T23:59:60.999999999+23:59""#,
    r#""-262144-01-01T00:00:00Z""#,
    r#""+262142-12-31T23:59:59Z""#,
    r#""0000-00-00 00:00:00""#,
    r#""Apr 22, 262143, 12:00:00 AM""#,
    r#""Feb 29, 2023, 3:00:00\u202fPM""#,
    r#""https://evil.example/?start=1&page=2""#,
    r#""//evil.example""#,
    r#""?page=99999999999999999999""#,
    r#""/api/x?page=0&start=-1&orderby=&offset=18446744073709551615""#,
    r#""{?page}""#,
    r#""P1Y""#,
    r#""* * * * *""#,
    r#""ri.scheduler.main.run.""#,
];

const PAUSES: [&str; 16] = [
    "0",
    "1",
    "-1",
    "2.5",
    "86400",
    "18446744073709551615",
    "18446744073709551616",
    "soon",
    "",
    "Sun, 01 Mar 2026 12:00:09 GMT",
    "Sun, 01 Mar 9999 12:00:09 GMT",
    "Fri, 31 Dec 0000 23:59:60 -9999",
    "Sun, 01 Mar 2026 12:00:09 +2359",
    "Sun, 31 Feb 2026 25:00:00 GMT",
    "Mon, 1 Jan 262143 00:00:00 GMT",
    "1 Jan 26 00:00 EST",
];

const HEADERS: [(&str, &str); 13] = [
    ("content-type", "application/json"),
    ("content-type", "text/html; charset=utf-8"),
    ("content-type", "application/problem+json"),
    ("content-type", "text/csv"),
    ("content-type", "\u{fc}"),
    ("content-encoding", "gzip"),
    ("location", "/elsewhere?token=canary-Zq7/x+9%2"),
    ("location", "https://canary-zq7.evil.example/"),
    ("location", "http://[::"),
    ("x-request-id", "canary-Zq7/x+9%2"),
    ("x-request-id", "r-1"),
    ("www-authenticate", "Bearer canary-Zq7/x+9%2"),
    ("link", "</x?page=2>; rel=next"),
];

/// Makes an answer: from one of the seeds, changed a few times.
pub(crate) fn answer(rng: &mut Rng, seeds: &[&str]) -> Response<Bytes> {
    let body = body(rng, seeds);
    let mut answer = Response::new(Bytes::from(body));
    if rng.u8(..4) == 0 {
        *answer.status_mut() = StatusCode::from_u16(pick(rng, &STATUSES)).unwrap();
    }
    headers(rng, answer.headers_mut());
    answer
}

fn headers(rng: &mut Rng, headers: &mut HeaderMap) {
    while rng.bool() {
        let (name, value) = match rng.u8(..6) {
            0 => ("retry-after", pick(rng, &PAUSES)),
            1 => ("date", pick(rng, &PAUSES)),
            _ => pick(rng, &HEADERS),
        };
        let mut value = value.as_bytes().to_vec();
        if rng.u8(..8) == 0 && !value.is_empty() {
            let at = rng.usize(..value.len());
            value[at] = rng.u8(..);
        }
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
}

fn body(rng: &mut Rng, seeds: &[&str]) -> Vec<u8> {
    let seed = pick(rng, seeds);
    let mut body = match serde_json::from_str::<Value>(seed) {
        Ok(mut value) if rng.u8(..4) > 0 => {
            let mut text = String::new();
            let mut raw = Vec::new();
            for _ in 0..rng.u8(..4) {
                change(rng, &mut value, &mut raw);
            }
            text.push_str(&value.to_string());
            for (place, value) in raw {
                text = text.replace(&place, &value);
            }
            text.into_bytes()
        }
        _ => seed.as_bytes().to_vec(),
    };
    for _ in 0..[0, 0, 1, 1, 2, 4][rng.usize(..6)] {
        bytes(rng, &mut body, seeds);
    }
    body
}

/// Changes one place of a document. What `Value` cannot hold is put in later, in the place of a text.
fn change(rng: &mut Rng, value: &mut Value, raw: &mut Vec<(String, String)>) {
    let mut here = value;
    // A way down that ends anywhere.
    loop {
        let deeper = match here {
            Value::Array(items) => items.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        };
        if deeper == 0 || rng.u8(..4) == 0 {
            break;
        }
        let at = rng.usize(..deeper);
        here = match here {
            Value::Array(items) => &mut items[at],
            Value::Object(members) => members.values_mut().nth(at).unwrap(),
            _ => unreachable!(),
        };
    }
    let place = format!("\"@{}@\"", raw.len());
    let mut later = |text: String| -> Value {
        raw.push((place.clone(), text));
        place.trim_matches('"').into()
    };
    match (rng.u8(..10), &mut *here) {
        (0, Value::Object(members)) if !members.is_empty() => {
            let name = members.keys().nth(rng.usize(..members.len())).unwrap().clone();
            members.remove(&name);
        }
        (1, Value::Object(members)) if !members.is_empty() => {
            // The same name again, with another value.
            let name = members.keys().nth(rng.usize(..members.len())).unwrap().clone();
            let twice = pick(rng, &VALUES);
            let once = members[&name].to_string();
            let name = Value::from(name);
            let rest = later(format!("{once},{name}:{twice}"));
            members[name.as_str().unwrap()] = rest;
        }
        (2, Value::Object(members)) => {
            drop(members.insert(CANARY.to_owned(), later(pick(rng, &VALUES).to_owned())));
        }
        (3, Value::Array(items)) if !items.is_empty() => {
            let item = items[rng.usize(..items.len())].clone();
            let times = [1, 2, 50][rng.usize(..3)];
            items.extend(std::iter::repeat_n(item, times));
        }
        (4, here) => {
            let depth = [10, 120, 126, 127, 128, 129, 3000][rng.usize(..7)];
            let (open, close) = if rng.bool() { ("[", "]") } else { ("{\"error\":", "}") };
            let inner = if rng.bool() { here.to_string() } else { "0".into() };
            *here = later(format!("{}{inner}{}", open.repeat(depth), close.repeat(depth)));
        }
        (5, here) => {
            let echo = [
                CANARY.to_owned(),
                format!("token {CANARY} is bad"),
                "canary-Zq7%2fx%2B9%252".to_owned(),
                format!("Bearer {CANARY}"),
            ];
            *here = Value::from(echo[rng.usize(..4)].as_str());
        }
        (6, here) => *here = Value::from("ü€😀x".repeat(rng.usize(1..1000))),
        (_, here) => *here = later(pick(rng, &VALUES).to_owned()),
    }
}

/// Changes a few bytes, whatever they mean.
fn bytes(rng: &mut Rng, body: &mut Vec<u8>, seeds: &[&str]) {
    let at = rng.usize(..=body.len());
    match rng.u8(..9) {
        0 => body.truncate(at),
        1 if at < body.len() => body[at] ^= 1 << rng.u8(..8),
        2 if at < body.len() => body[at] = rng.u8(..),
        3 => body.insert(at, b"\"{}[]:,\\ \n0-e.u\0"[rng.usize(..16)]),
        4 if at < body.len() => drop(body.remove(at)),
        5 => {
            let other = pick(rng, seeds).as_bytes();
            let from = rng.usize(..=other.len());
            body.truncate(at);
            body.extend_from_slice(&other[from..]);
        }
        6 => {
            let end = (at + rng.usize(..200)).min(body.len());
            let part = body[at..end].to_vec();
            body.splice(at..at, part);
        }
        7 => drop(body.splice(at..at, pick(rng, &VALUES).bytes())),
        _ if rng.u8(..8) == 0 => {
            body.splice(
                ..0,
                [&b"\xef\xbb\xbf"[..], b"<html>", b"\xff\xfe", b" \r\n"][rng.usize(..4)]
                    .iter()
                    .copied(),
            );
        }
        _ => {}
    }
}

pub(crate) fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

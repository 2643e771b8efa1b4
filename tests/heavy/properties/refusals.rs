//! Errors inside responses with status 200: found however they are written.

use bytes::Bytes;
use http::Method;
use proptest::prelude::*;
use scheduled_runs::arcgis::ArcGis;
use scheduled_runs::client::RetryPolicy;
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::{Client, ErrorKind};

use crate::now;

/// What a client says of a response: nothing of a success, all that it knows of an error.
fn judged(body: &str) -> Option<String> {
    let script = ScriptedTransport::default();
    script.respond(200, Bytes::copy_from_slice(body.as_bytes()));
    let builder = Client::<ArcGis>::builder().base_url("https://gis.example").transport(script);
    let client = builder.retry(RetryPolicy::default().max_attempts(1)).build().unwrap();
    let error = now(client.raw(Method::GET, &["x"]).send()).err()?;
    if error.kind() == ErrorKind::UnexpectedContent {
        // It says how long the page is.
        return Some(error.kind().as_str().to_owned());
    }
    Some(format!("{error} {:?} {:?} {:?}", error.kind(), error.status(), error.vendor_error()))
}

/// The same response with an escape in it. Such a body is always parsed as a whole.
fn parsed(body: &str) -> String {
    match body.trim_end().strip_suffix('}') {
        Some(members) if members.trim_end().ends_with('{') => format!(r#"{members}"x":"\u0061"}}"#),
        Some(members) => format!(r#"{members},"x":"\u0061"}}"#),
        None => format!(r#"{body} "\u0061""#),
    }
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", " ", "\n", "\r\n\t "])
}

/// A JSON text of these letters, some of which may be escaped.
fn quoted(text: String) -> impl Strategy<Value = String> {
    let letters = prop::collection::vec((0..12_u8, any::<bool>()), text.chars().count());
    letters.prop_map(move |how| {
        let write = |(letter, (how, upper)): (char, (u8, bool))| match (how, upper) {
            (0, false) => format!("\\u{:04x}", u32::from(letter)),
            (0, true) => format!("\\u{:04X}", u32::from(letter)),
            _ => {
                let quoted = serde_json::to_string(&letter).unwrap();
                quoted[1..quoted.len() - 1].to_owned()
            }
        };
        let letters: String = text.chars().zip(how).map(write).collect();
        format!("\"{letters}\"")
    })
}

/// A text in another case, letter by letter.
fn in_any_case(text: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(any::<bool>(), text.len()).prop_map(move |upper| {
        let letters = text.chars().zip(upper);
        letters
            .map(|(letter, upper)| if upper { letter.to_ascii_uppercase() } else { letter })
            .collect()
    })
}

fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "error",
        "failed",
        "failure",
        "false",
        "true",
        "success",
        "succeeded",
        "status",
        "code",
        "498",
        "7",
        "",
        "{\"code\":404,\"message\":\"gone\"}",
        "a \"status\":\"failed\" b",
    ]);
    prop_oneof![
        3 => known.clone().prop_map(str::to_owned),
        3 => known.prop_flat_map(in_any_case),
        1 => "[a-zä\"\\\\]{0,6}",
    ]
}

fn name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "error",
        "status",
        "success",
        "code",
        "message",
        "messages",
        "statusMessage",
        "details",
        "runId",
        "jobId",
        "result",
        "Error",
        "STATUS",
        "error_description",
    ]);
    known.prop_map(str::to_owned).prop_flat_map(quoted)
}

/// Any JSON value, with the members of error bodies at every level.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => word().prop_flat_map(quoted),
        3 => prop::sample::select(vec![
            "null", "true", "false", "0", "200", "399", "400", "498", "5e2", "4.04e2", "-400", "1e400",
        ]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            3 => object(inner.clone()),
            1 => prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let member = (space(), name(), space(), space(), value, space())
        .prop_map(|(a, name, b, c, value, d)| format!("{a}{name}{b}:{c}{value}{d}"));
    prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(",")))
}

/// A body: mostly an object, with what gateways put around it.
fn body() -> impl Strategy<Value = String> {
    let around =
        prop::sample::select(vec!["", "", "", "\u{feff}", "\u{feff} ", " \n", "\u{a0}", "<", "x"]);
    (around, prop_oneof![6 => object(json()), 1 => json()], space())
        .prop_map(|(before, json, after)| format!("{before}{json}{after}"))
}

/// The shapes of the vendor's errors. A member `X` stands for what is besides it.
const SHAPES: [&str; 12] = [
    r#"{X"error":{"code":498,"message":"Invalid token.","details":[]}}"#,
    r#"{"error":{"message":"no","details":null}X}"#,
    r#"{"error":{"code":400,"error":"invalid_client_id","error_description":"no"}X}"#,
    r#"{X"error":"invalid_request","error_description":"no"}"#,
    r#"{X"status":"error","messages":["no"],"code":"499"}"#,
    r#"{"status":"error"X}"#,
    r#"{"code":500,"message":"no"X,"details":null}"#,
    r#"{X"message":null,"status":"failure"}"#,
    r#"{X"status":"failed","statusMessage":"no"}"#,
    r#"{"status":"failed"X}"#,
    r#"{X"success":false}"#,
    r#"{"success":"false"X,"taskId":"t1"}"#,
];

proptest! {
    #![proptest_config(crate::few())]

    #[test]
    fn a_body_is_judged_as_if_it_were_parsed(body in body()) {
        prop_assert_eq!(judged(&body), judged(&parsed(&body)), "{}", body);
    }

    #[test]
    fn no_shape_of_an_error_is_overlooked(
        shape in prop::sample::select(SHAPES.to_vec()),
        value in json(),
        (before, between, after) in (space(), space(), space()),
        escaped in prop::option::of(0..8_usize),
        marked in any::<bool>(),
        upper in any::<bool>(),
    ) {
        let besides = format!(r#""besides":{value}"#);
        let besides = match shape.find('X') {
            Some(1) => format!("{besides},"),
            _ => format!(",{besides}"),
        };
        let mut body = shape.replace('X', &besides);
        let names = ["\"error\"", "\"status\"", "\"success\"", "\"code\"", "\"failed\"", "\"failure\""];
        if let Some(name) = escaped.and_then(|at| names.get(at)) {
            let first = u32::from(name.as_bytes()[1]);
            body = body.replace(name, &format!("\"\\u{first:04x}{}", &name[2..]));
        }
        if upper {
            for value in ["error", "failed", "failure"] {
                let to = value.to_ascii_uppercase();
                body = body.replace(&format!(":\"{value}\""), &format!(":\"{to}\""));
            }
        }
        body = body.replacen(':', &format!("{between}:{between}"), 1);
        let mark = if marked { "\u{feff}" } else { "" };
        let body = format!("{mark}{before}{body}{after}");
        prop_assert!(judged(&body).is_some(), "{}", body);
    }
}

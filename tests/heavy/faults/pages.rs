//! Redirects, links, pages: rows 40 to 47.

use bytes::Bytes;
use http::{Method, Response};
use scheduled_runs::adobe::{ListRuns, Run};
use scheduled_runs::client::ApiRequest;
use scheduled_runs::wire::hal::Link;
use scheduled_runs::{Cursor, Error, ErrorKind, Items};
use serde_json::{Value, json};

use crate::server::{Answer, Server, Then};
use crate::{Answers, RUNS, TAKEN, answer, assert_no_canary, builder, client_of, read};

const REDIRECTS: [&str; 5] =
    ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"];

#[tokio::test]
async fn fault_40_no_redirect_leads_to_another_origin() {
    let elsewhere = Server::start([Answer::json("200 OK", RUNS)]).await;
    for status in REDIRECTS {
        for (method, location) in [
            (Method::GET, format!("{}/?token=canary-in-location", elsewhere.url())),
            (Method::POST, format!("{}/", elsewhere.url())),
            (Method::GET, format!("//127.0.0.1:{}/", elsewhere.port())),
            (Method::POST, format!("https://127.0.0.1:{}/", elsewhere.port())),
            (Method::GET, format!("http://canary-user@127.0.0.1:{}/", elsewhere.port())),
        ] {
            let redirect = Answer::json(&format!("{status}\r\nlocation: {location}"), "");
            let server = Server::start([redirect]).await;
            let client = client_of(&server);
            let call = client.raw(method.clone(), &["schedules", "nightly", "runs"]);
            let error = call.send().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CrossOrigin, "{status} {location}");
            assert_eq!(server.requests().len(), 1);
            assert!(!server.requests()[0].has_header("referer"));
            // 302 and 303 may be a vendor's way to say "done, look there".
            let done = method == Method::POST && (status.contains("302") || status.contains("303"));
            assert_eq!(error.may_have_run(), done, "{status}");
            assert_no_canary(&error, &client);
        }
        // The same address under another name, and another scheme.
        let server = Server::start([Answer::new("", Then::Keep)]).await;
        for location in [
            format!("http://localhost:{}/", server.port()),
            format!("https://127.0.0.1:{}/", server.port()),
        ] {
            let redirect = Answer::json(&format!("{status}\r\nlocation: {location}"), "");
            let first = Server::start([redirect]).await;
            let client = client_of(&first);
            let error = client.send(read()).await.unwrap_err();
            assert_eq!((error.kind(), first.requests().len()), (ErrorKind::CrossOrigin, 1));
            assert_no_canary(&error, &client);
        }
        assert_eq!(server.connections(), 0);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn fault_41_no_redirect_sends_a_trigger_again_or_turns_it_into_something_else() {
    for status in REDIRECTS {
        for location in ["location: /schedules/nightly/runs", "location: ?again", "x-none: 1"] {
            let redirect = Answer::json(&format!("{status}\r\n{location}"), "");
            let server = Server::start([redirect, Answer::json("202 Accepted", TAKEN)]).await;
            let client = client_of(&server);
            let call = client.raw(Method::POST, &["schedules"]).json(&json!({ "name": "nightly" }));
            let error = call.send().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected, "{status} {location}");
            let done = status.contains("302") || status.contains("303");
            assert_eq!(error.may_have_run(), done, "{status}");
            let seen = server.requests();
            assert_eq!((seen.len(), seen[0].method()), (1, "POST"));
            assert_eq!(seen[0].body, br#"{"name":"nightly"}"#);
            assert_no_canary(&error, &client);
        }
    }
}

#[tokio::test]
async fn fault_41_a_redirect_to_itself_ends_after_one_request() {
    for status in REDIRECTS {
        let redirect = Answer::json(&format!("{status}\r\nlocation: /schedules/nightly/runs"), "");
        let server = Server::start([redirect]).await;
        let client = client_of(&server);
        let error = client.send(read()).await.unwrap_err();
        assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Rejected, 1), "{status}");
        assert_no_canary(&error, &client);
    }
}

/// Links to anywhere but the server: `port` is that of another one.
fn foreign(own: u16, port: u16) -> [String; 10] {
    [
        format!("http://127.0.0.1:{port}/?start=2"),
        format!("//127.0.0.1:{port}/?start=2"),
        format!(r"\\127.0.0.1:{port}\?start=2"),
        format!(r"/\127.0.0.1:{port}/?start=2"),
        format!("http://127.0.0.1:{own}@127.0.0.1:{port}/?start=2"),
        format!("http://user:canary@127.0.0.1:{own}/?start=2"),
        format!("https://127.0.0.1:{own}/?start=2"),
        "javascript:alert(1)?start=2".to_owned(),
        format!("\t//127.0.0.1:{port}/?start=2"),
        format!("ht\ntp://127.0.0.1:{port}/?start=2"),
    ]
}

#[tokio::test]
async fn fault_42_a_link_to_another_place_is_not_followed() {
    let elsewhere = Server::start([Answer::json("200 OK", "{}")]).await;
    let server = Server::start([Answer::json("200 OK", "{}")]).await;
    let client = client_of(&server);
    for link in foreign(server.port(), elsewhere.port()) {
        let error = client.follow::<Value>(&Link::new(&link)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CrossOrigin, "{link:?}");
        assert!(!error.may_have_run());
        assert_no_canary(&error, &client);
    }
    assert_eq!((server.connections(), elsewhere.connections()), (0, 0));

    let port = server.port();
    for (link, target) in [
        ("/runs/1?x=1".to_owned(), "/runs/1?x=1"),
        ("runs/1".to_owned(), "/runs/1"),
        (format!("http://127.0.0.1:{port}/a"), "/a"),
        (format!("HTTP://127.0.0.1:{port}/b"), "/b"),
    ] {
        client.follow::<Value>(&Link::new(&link)).await.unwrap();
        let seen = server.requests();
        assert_eq!(seen.last().unwrap().target(), target);
        assert!(seen.last().unwrap().has_header("authorization"));
    }
    assert_eq!((server.requests().len(), elsewhere.connections()), (4, 0));
}

/// A page of runs with these ids, and a link to the next one.
fn page(ids: &[&str], next: Option<&str>) -> String {
    let runs: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    let links = next.map_or(json!({}), |href| json!({ "next": { "href": href } }));
    json!({ "runsSchedules": runs, "_links": links }).to_string()
}

/// The value of `start` in a request's URL.
fn start(request: &ApiRequest) -> Option<String> {
    let mut pairs = request.url().query_pairs();
    pairs.find(|(name, _)| name == "start").map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn fault_42_only_the_query_of_a_foreign_next_link_is_used() {
    let elsewhere = Server::start([Answer::json("200 OK", RUNS)]).await;
    for link in foreign(1, elsewhere.port()) {
        let server = Server::start([
            Answer::json("200 OK", &page(&["a"], Some(&link))),
            Answer::json("200 OK", &page(&["b"], None)),
        ])
        .await;
        let items = client_of(&server).items(read().limit(1));
        assert_eq!(items.try_collect().await.unwrap().len(), 2, "{link:?}");
        let seen = server.requests();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1].target(), "/schedules/nightly/runs?orderby=%2Bcreated&limit=1&start=2");
        assert!(!seen[1].has_header("referer"));
    }
    assert_eq!(elsewhere.connections(), 0);
}

/// Walks to the end: the ids that came, and the error it ended with.
async fn walk(mut items: Items<ListRuns>) -> (Vec<String>, Option<Error>) {
    let (mut ids, mut failed) = (Vec::new(), None);
    while let Some(item) = items.next().await {
        assert!(failed.is_none(), "something came after the error");
        match item {
            Ok(run) => ids.push(run.id.to_string()),
            Err(error) => failed = Some(error),
        }
    }
    (ids, failed)
}

#[tokio::test]
async fn fault_43_a_token_that_repeats_ends_the_list() {
    // The tokens the pages name, in turn; the pages that are asked for.
    for (tokens, pages) in [(&["A"][..], 2), (&["A", "B"], 3), (&["A", "B", "C", "B"], 4)] {
        let vendor = Answers::new(move |number, _| {
            let next = format!("/q?start={}", tokens[number % tokens.len()]);
            answer(200, page(&[&number.to_string()], Some(&next)))
        });
        let client = builder().transport(vendor.clone()).build().unwrap();
        let (ids, error) = walk(client.items(read().limit(1))).await;
        let error = error.unwrap();
        assert_eq!((error.kind(), vendor.count()), (ErrorKind::Pagination, pages), "{tokens:?}");
        let each: Vec<_> = (0..pages).map(|number| number.to_string()).collect();
        assert_eq!(ids, each);
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn fault_44_empty_pages_are_walked_up_to_a_limit() {
    let vendor = || {
        Answers::new(|number, _| {
            let next = format!("/q?start={number}");
            if number < 10_000 {
                answer(200, page(&[], Some(&next)))
            } else {
                answer(200, page(&["last"], None))
            }
        })
    };
    let endless = vendor();
    let client = builder().transport(endless.clone()).build().unwrap();
    let (ids, error) = walk(client.items(read())).await;
    assert_eq!((ids.len(), error.as_ref().unwrap().kind()), (0, ErrorKind::Pagination));
    assert_eq!(endless.count(), 1001, "the default limit is 1,000");
    assert_no_canary(&error.unwrap(), &client);

    let patient = vendor();
    let client = builder().transport(patient.clone()).build().unwrap();
    let (ids, error) = walk(client.pages(read()).max_empty_pages(10_000).items()).await;
    assert!(error.is_none());
    assert_eq!((ids, patient.count()), (vec!["last".to_owned()], 10_001));
}

#[tokio::test]
async fn fault_45_a_page_that_fails_ends_the_list_after_the_pages_before_it() {
    let pages = |number: usize| {
        let ids = [format!("{number}a"), format!("{number}b")];
        let next = format!("/q?start={}", number + 1);
        page(&[&ids[0], &ids[1]], (number < 5).then_some(&*next))
    };
    let number = |request: &ApiRequest| start(request).map_or(1, |start| start.parse().unwrap());
    let broken = Answers::new(move |_, request| match number(request) {
        3 => answer(500, r#"{"message":"page 3 is broken"}"#),
        number => answer(200, pages(number)),
    });
    let client = builder().transport(broken.clone()).build().unwrap();
    let (ids, error) = walk(client.items(read().limit(2))).await;
    let error = error.unwrap();
    assert_eq!((ids.join(" ").as_str(), error.kind()), ("1a 1b 2a 2b", ErrorKind::Server));
    // Two pages, and three tries of the third.
    assert_eq!((broken.count(), error.attempts().len()), (5, 3));
    assert_no_canary(&error, &client);

    let repaired = Answers::new(move |_, request| answer(200, pages(number(request))));
    let client = builder().transport(repaired.clone()).build().unwrap();
    let cursor = error.cursor().unwrap().clone();
    let (ids, error) = walk(client.items(read().limit(2)).resume_at(cursor)).await;
    assert!(error.is_none());
    assert_eq!((ids.join(" ").as_str(), repaired.count()), ("3a 3b 4a 4b 5a 5b", 3));
}

/// A list of runs with these hours of creation, as a vendor serves it whose cursor is a time, inclusive.
fn by_time(hours: &'static [(&'static str, u8)]) -> Answers {
    Answers::new(move |_, request| {
        let query: std::collections::HashMap<_, _> = request.url().query_pairs().collect();
        let limit: usize = query["limit"].parse().unwrap();
        let stamp = |hour: u8| format!("2026-03-01T{hour:02}:00:00Z");
        let from = query.get("start").map_or_else(|| stamp(0), ToString::to_string);
        let mut rest = hours.iter().filter(|(_, hour)| stamp(*hour) >= from);
        let ids: Vec<_> = rest.by_ref().take(limit).map(|(id, _)| *id).collect();
        let next = rest.next().map(|(_, hour)| format!("/q?start={}", stamp(*hour)));
        let body: Bytes = page(&ids, next.as_deref()).into();
        let length = body.len();
        Response::builder().header("content-length", length).body(body).unwrap()
    })
}

#[tokio::test]
async fn fault_46_equal_times_across_a_page_edge_lose_and_repeat_nothing() {
    let vendor = by_time(&[("a", 1), ("b", 2), ("c", 2), ("d", 3), ("e", 3), ("f", 3), ("g", 4)]);
    let client = builder().transport(vendor.clone()).build().unwrap();
    let (ids, error) = walk(client.items(read().limit(3))).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(ids, ["a", "b", "c", "d", "e", "f", "g"]);

    let vendor = by_time(&[("a", 1), ("b", 2), ("c", 2), ("d", 3), ("e", 3)]);
    let client = builder().transport(vendor.clone()).build().unwrap();
    let (ids, error) = walk(client.items(read().limit(2))).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((ids, vendor.count()), (["a", "b", "c", "d", "e"].map(String::from).to_vec(), 3));
}

#[tokio::test]
async fn fault_46_a_page_full_of_equal_times_is_an_error_and_not_the_end() {
    let vendor = by_time(&[("a", 1), ("b", 2), ("c", 2), ("d", 2), ("e", 3)]);
    let client = builder().transport(vendor.clone()).build().unwrap();
    let (ids, error) = walk(client.items(read().limit(2))).await;
    assert_eq!(ids, ["a", "b", "c"]);
    let error = error.unwrap();
    assert_eq!((error.kind(), vendor.count()), (ErrorKind::Pagination, 2));
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_47_a_list_that_is_dropped_takes_its_request_back() {
    for ahead in [true, false] {
        let server = Server::start([
            Answer::json("200 OK", &page(&["a"], Some("/q?start=2"))),
            Answer::new("", Then::Silence),
            Answer::json("200 OK", RUNS),
        ])
        .await;
        let client = client_of(&server);
        let mut items: Items<ListRuns> = client.items(read().limit(1));
        if ahead {
            items = items.prefetch();
        }
        let first: Run = items.next().await.unwrap().unwrap();
        assert_eq!(first.id.as_str(), "a");
        if ahead {
            server.saw(2).await;
        } else {
            tokio::select! {
                item = items.next() => panic!("there is no page 2: {item:?}"),
                () = server.saw(2) => {}
            }
        }
        assert_eq!(items.cursor().map(Cursor::as_str), Some("start=2"));
        drop(items);
        server.closed(1).await;
        assert_eq!(server.requests().len(), 2, "one page ahead, and none after the drop");
        client.send(read()).await.unwrap();
        assert_eq!(server.requests().len(), 3);
    }
}

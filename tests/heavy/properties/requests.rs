//! Paths and queries: what is put in comes out of a URL parser again.

use http::Method;
use proptest::prelude::*;
use scheduled_runs::ErrorKind;
use scheduled_runs::client::{ApiRequest, Idempotency, LinkPolicy, PathSegment};
use url::Url;

fn request(
    base: &str,
    segments: &[&str],
    query: &[(String, String)],
) -> scheduled_runs::Result<ApiRequest> {
    let base = Url::parse(base).unwrap();
    ApiRequest::builder("test", Idempotency::Safe, Method::GET, &base, segments)
        .queries(query.iter().map(|(name, value)| (name, value)))
        .finish()
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8().unwrap().into_owned()
}

/// Any text, and texts that URLs are sensitive to.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[A-Za-z0-9._~-]{0,20}",
        "[./%?#&=+ :@\\\\;,2eEfF]{0,12}",
        "\\PC{0,40}",
    ]
}

proptest! {
    #![proptest_config(crate::few())]

    #[test]
    fn each_segment_is_one_part_of_the_path_or_is_refused(
        base in prop::sample::select(vec![
            "https://host", "https://host/", "https://host/a%20b/v2/", "https://host/a/v2?b#c", "https://host//a//",
        ]),
        segments in prop::collection::vec(text(), 1..4),
    ) {
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let good = segments.iter().all(|segment| PathSegment::new(segment).is_ok());
        match request(base, &parts, &[]) {
            Ok(request) => {
                prop_assert!(good);
                // As whoever receives it reads it.
                let url = Url::parse(request.url().as_str()).unwrap();
                prop_assert_eq!(&url, request.url());
                let base = Url::parse(base).unwrap();
                let below = url.path().strip_prefix(base.path().trim_end_matches('/')).unwrap();
                let read: Vec<String> = below.split('/').skip(1).map(decoded).collect();
                prop_assert_eq!(read, segments);
                prop_assert_eq!((url.query(), url.fragment()), (None, None));
            }
            Err(error) => {
                prop_assert!(!good);
                prop_assert_eq!(error.kind(), ErrorKind::Config);
            }
        }
    }

    #[test]
    fn queries_come_out_as_they_were_put_in(pairs in prop::collection::vec((text(), text()), 0..5)) {
        let request = request("https://host/x?gone=1#gone", &["a"], &pairs).unwrap();
        let read: Vec<(String, String)> = request.url().query_pairs().into_owned().collect();
        prop_assert_eq!(&read, &pairs);
        prop_assert_eq!(LinkPolicy::query_of(request.url().as_str()), pairs);
        prop_assert_eq!(request.url().path(), "/x/a");
        prop_assert_eq!(request.url().fragment(), None);
    }

    #[test]
    fn what_is_added_to_a_query_and_a_form_is_there_and_the_rest_stays(
        pairs in prop::collection::vec((text(), text()), 0..4),
        name in text(),
        values in (text(), text()),
    ) {
        let mut request = request("https://host", &["a"], &pairs).unwrap();
        request.append_query(&name, &values.0);
        request.set_query(&name, &values.1);
        let read: Vec<(String, String)> = request.url().query_pairs().into_owned().collect();
        let mut expected = pairs.clone();
        expected.push((name.clone(), values.0.clone()));
        let first = expected.iter().position(|(known, _)| *known == name).unwrap();
        expected[first].1.clone_from(&values.1);
        prop_assert_eq!(read, expected);

        let mut form = Vec::new();
        for (name, value) in &pairs {
            request.append_form(name, value);
            form.push((name.clone(), value.clone()));
        }
        let read: Vec<(String, String)> = url::form_urlencoded::parse(request.body()).into_owned().collect();
        prop_assert_eq!(read, form);
    }
}

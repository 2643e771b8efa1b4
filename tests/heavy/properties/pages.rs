//! Lists: for any sizes, overlaps and cursors each item comes once, and the walk ends.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response};
use proptest::prelude::*;
use scheduled_runs::client::json;
use scheduled_runs::client::{
    Api, ApiRequest, BodyLimits, Dialect, Endpoint, Idempotency, Meta, OffsetPages, PagedEndpoint,
    RawResponse, Refusal, Service, Transport, TransportError, Vendor, Verdict,
};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{Client, Cursor, ErrorKind, Page, Result};
use serde_json::{Value, json};
use url::Url;

#[derive(Debug)]
enum Acme {}

impl Api for Acme {
    const VENDOR: Vendor = Vendor::new("acme");
    type Options = ();

    fn service((): &()) -> Result<Service> {
        Ok(Service::new("https://acme.example", Plain))
    }
}

#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        if response.status.is_success() {
            return Verdict::Success;
        }
        Verdict::Refused(Refusal::by_status(response.status, None))
    }
}

#[derive(Clone, Debug, Default)]
struct List(Option<Cursor>);

impl Endpoint for List {
    type Api = Acme;
    type Output = Page<String>;
    const OPERATION: &'static str = "acme.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let at = self.0.as_ref().map(Cursor::as_str);
        ApiRequest::of::<Self>(Method::GET, base, &["x"]).query("at", at).finish()
    }

    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<String>> {
        let (items, next, total): (Vec<String>, Option<String>, u64) = json::decode(meta, body)?;
        let mut page = Page::new(items, next.map(Cursor::new));
        page.total = Some(total);
        Ok(page)
    }
}

impl PagedEndpoint for List {
    type Item = String;

    fn at(&self, cursor: &Cursor) -> Self {
        Self(Some(cursor.clone()))
    }

    fn key(item: &String) -> Option<&str> {
        Some(item)
    }
}

impl OffsetPages for List {
    fn page_count(&self, first: &Page<String>) -> usize {
        first.total.map_or(0, |total| usize::try_from(total).unwrap())
    }

    fn nth(&self, _: &Page<String>, number: usize) -> Cursor {
        Cursor::new(number.to_string())
    }
}

/// Its pages, and where each leads; the page `at` a cursor is the one of that number.
#[derive(Clone, Debug)]
struct Server {
    pages: Arc<Vec<(Vec<u32>, Option<usize>)>>,
    asked: Arc<Mutex<Vec<usize>>>,
}

#[async_trait]
impl Transport for Server {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let at = request.url().query_pairs().find(|(name, _)| name == "at");
        let at: usize = at.map_or(0, |(_, at)| at.parse().unwrap());
        self.asked.lock().unwrap().push(at);
        let (items, next) = &self.pages[at];
        let items: Vec<Value> = items.iter().map(|item| item.to_string().into()).collect();
        let next = next.map(|next| next.to_string());
        Ok(Response::new(json!([items, next, self.pages.len()]).to_string().into()))
    }
}

fn serving(pages: Vec<(Vec<u32>, Option<usize>)>) -> (Server, Client<Acme>) {
    let server = Server { pages: Arc::new(pages), asked: Arc::default() };
    let client =
        Client::builder().transport(server.clone()).clock(ManualClock::new()).build().unwrap();
    (server, client)
}

/// Pages of these sizes; each begins with so many items that the last page with any has at its end.
fn pages(sizes: &[(usize, usize)]) -> Vec<(Vec<u32>, Option<usize>)> {
    let mut pages: Vec<(Vec<u32>, Option<usize>)> = Vec::new();
    let mut last: Vec<u32> = Vec::new();
    let mut next = 0..;
    for (number, (size, overlap)) in sizes.iter().enumerate() {
        let again = last[last.len() - overlap.min(&last.len())..].to_vec();
        let again = if *size == 0 { Vec::new() } else { again };
        let page: Vec<u32> = again.into_iter().chain(next.by_ref().take(*size)).collect();
        if !page.is_empty() {
            last.clone_from(&page);
        }
        pages.push((page, (number + 1 < sizes.len()).then_some(number + 1)));
    }
    pages
}

proptest! {
    #![proptest_config(crate::few())]

    #[test]
    fn each_item_comes_once_and_in_order(
        sizes in prop::collection::vec((0..5_usize, 0..6_usize), 1..20),
        prefetch: bool,
        stop in 0..60_usize,
    ) {
        let (server, client) = serving(pages(&sizes));
        let count: u32 = sizes.iter().map(|(size, _)| u32::try_from(*size).unwrap()).sum();
        let all: Vec<String> = (0..count).map(|item| item.to_string()).collect();
        crate::now(async {
            let items = client.items(List::default());
            let items = if prefetch { items.prefetch() } else { items };
            assert_eq!(items.try_collect().await.unwrap(), all);
            assert_eq!(*server.asked.lock().unwrap(), (0..sizes.len()).collect::<Vec<_>>());

            // Stopped anywhere, and resumed from what was stored: nothing is missing, nothing comes from before that page.
            let mut items = client.items(List::default());
            let mut seen = Vec::new();
            for _ in 0..stop {
                seen.extend(items.next().await.map(Result::unwrap));
            }
            let stored = serde_json::to_string(&items.cursor()).unwrap();
            let rest = match serde_json::from_str::<Option<Cursor>>(&stored).unwrap() {
                Some(cursor) => client.items(List::default()).resume_at(cursor).try_collect().await.unwrap(),
                None if seen.len() < all.len() => client.items(List::default()).try_collect().await.unwrap(),
                None => Vec::new(),
            };
            let begun = rest.first().map_or(all.len(), |first| all.iter().position(|item| item == first).unwrap());
            assert!(begun <= seen.len());
            assert_eq!(rest, all[begun..]);
        });
    }

    #[test]
    fn a_walk_ends_wherever_its_cursors_lead(
        links in prop::collection::vec((0..3_usize, prop::option::of(0..12_usize)), 12),
        prefetch: bool,
    ) {
        let mut next = 0..;
        let pages: Vec<_> = links
            .iter()
            .map(|(size, link)| (next.by_ref().take(*size).collect::<Vec<u32>>(), *link))
            .collect();
        let (server, client) = serving(pages.clone());
        let walk = client.items(List::default());
        let mut walk = if prefetch { walk.prefetch() } else { walk };
        let (mut seen, mut error) = (Vec::new(), None);
        crate::now(async {
            while let Some(item) = walk.next().await {
                match item {
                    Ok(item) => seen.push(item),
                    Err(told) => error = Some(told),
                }
            }
        });
        // Where the links lead, until one leads back.
        let (mut expected, mut fetched, mut at) = (Vec::new(), Vec::new(), 0);
        let circle = loop {
            fetched.push(at);
            expected.extend(pages[at].0.iter().map(ToString::to_string));
            match pages[at].1 {
                // The first page has no cursor: a link to it is not known for one until it comes again.
                Some(next) if !fetched[1..].contains(&next) => at = next,
                link => break link.is_some(),
            }
        };
        prop_assert_eq!(error.as_ref().map(scheduled_runs::Error::kind), circle.then_some(ErrorKind::Pagination));
        prop_assert_eq!(&*server.asked.lock().unwrap(), &fetched, "no page is fetched twice by its cursor");
        if !fetched[1..].contains(&0) {
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn pages_fetched_at_once_are_those_fetched_in_turn(sizes in prop::collection::vec(0..5_usize, 1..20), at_once in 0..9_usize) {
        use futures_util::StreamExt as _;

        let plain: Vec<(usize, usize)> = sizes.iter().map(|size| (*size, 0)).collect();
        let (server, client) = serving(pages(&plain));
        let count: usize = sizes.iter().sum();
        let all: Vec<String> = (0..count).map(|item| item.to_string()).collect();
        let pages: Vec<_> = crate::now(client.pages(List::default()).concurrent(at_once).collect());
        let items: Vec<String> = pages.into_iter().flat_map(|page| page.unwrap().items).collect();
        prop_assert_eq!(items, all);
        prop_assert_eq!(server.asked.lock().unwrap().len(), sizes.len());
    }
}

#[test]
fn pages_overlap_across_an_empty_one() {
    let pages = vec![(vec![1, 2], Some(1)), (vec![], Some(2)), (vec![2, 3], None)];
    let (_, client) = serving(pages);
    let items = crate::now(client.items(List::default()).try_collect()).unwrap();
    assert_eq!(items, ["1", "2", "3"]);
}

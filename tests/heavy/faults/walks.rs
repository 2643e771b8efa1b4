//! Lists whose counters lie, and lists that change while they are read: row 70.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::Response;
use scheduled_runs::client::{Api, ApiRequest, OffsetPages};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{
    Client, ClientBuilder, ErrorKind, Result, adobe, arcgis, foundry, mode, supermetrics,
};
use serde_json::{Value, json};

use crate::{Answers, ORG, answer};

/// What a walk brought: the ids in order, and how it failed.
type Walked = (Vec<String>, Option<ErrorKind>);

/// The same list, item by item, with one page ahead, and several pages at once; and the most requests that one of them took.
struct Walks {
    plain: Walked,
    prefetched: Walked,
    concurrent: Walked,
    requests: usize,
}

impl Walks {
    /// All three are the same; of one that failed, the items before.
    #[track_caller]
    fn agree(self, what: &str) -> Walked {
        assert_eq!(self.plain, self.prefetched, "{what}: prefetched");
        assert_eq!(self.plain, self.concurrent, "{what}: concurrent");
        assert!(self.requests < 3_000, "{what}: {} requests", self.requests);
        self.plain
    }
}

type Server = fn(usize, &ApiRequest) -> Response<Bytes>;

async fn walk<A: Api, E: OffsetPages<Api = A>>(
    builder: impl Fn() -> ClientBuilder<A>,
    list: E,
    server: impl Fn(usize, &ApiRequest) -> Response<Bytes> + Clone + Send + Sync + 'static,
    id: impl Fn(&E::Item) -> String,
) -> Walks {
    let mut walks = Vec::new();
    let mut requests = 0;
    for kind in 0..3 {
        let vendor = Answers::new(server.clone());
        let client: Client<A> =
            builder().transport(vendor.clone()).clock(ManualClock::new()).build().unwrap();
        let items = client.items(list.clone());
        let mut items = match kind {
            0 => items,
            1 => items.prefetch(),
            _ => items.concurrent(8),
        };
        let (mut ids, mut failed) = (Vec::new(), None);
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => ids.push(id(&item)),
                Err(error) => failed = Some(error.kind()),
            }
        }
        walks.push((ids, failed));
        requests = requests.max(vendor.count());
    }
    let [plain, prefetched, concurrent] = walks.try_into().unwrap();
    Walks { plain, prefetched, concurrent, requests }
}

fn number(request: &ApiRequest, name: &str) -> Option<i64> {
    let pairs = request.url().query_pairs();
    pairs.into_iter().find(|(known, _)| known == name)?.1.parse().ok()
}

/// The items at these places of a list.
fn slice(list: &[String], from: i64, count: i64) -> Vec<&String> {
    let from = usize::try_from(from).unwrap();
    list.iter().skip(from).take(usize::try_from(count).unwrap()).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("i{number:03}")).collect()
}

/// Mode: pages of this size, with these counters instead of true ones.
fn mode_page(
    list: &[String],
    request: &ApiRequest,
    size: i64,
    counters: &Value,
) -> Response<Bytes> {
    let page = number(request, "page").unwrap_or(1);
    let runs: Vec<_> = slice(list, (page - 1) * size, size)
        .into_iter()
        .map(|token| json!({ "token": token }))
        .collect();
    let body = json!({ "_embedded": { "report_runs": runs }, "pagination": counters });
    answer(200, body.to_string())
}

fn mode_client() -> ClientBuilder<mode::Mode> {
    mode::Client::builder().workspace("acme")
}

fn token(run: &mode::ReportRun) -> String {
    run.token.as_str().to_owned()
}

fn mode_list() -> mode::ListReportRuns {
    mode::ListReportRuns::new("report")
}

#[tokio::test]
async fn fault_70_counters_that_lie_lose_nothing_in_silence_at_mode() {
    let list = numbered(70);
    for counters in [
        json!({ "total_pages": 3, "total_count": 70, "per_page": 30 }),
        json!({ "total_pages": 0, "total_count": 0, "per_page": 30 }),
        json!({ "total_pages": 0 }),
        json!({ "total_pages": -3, "total_count": -70, "per_page": -30 }),
        json!({ "total_pages": "3", "total_count": "70", "per_page": "30" }),
        json!({ "total_pages": "many", "total_count": [], "per_page": {} }),
        json!({ "total_pages": 1.5e300 }),
        json!({ "per_page": 0, "total_count": 70 }),
        json!(null),
        json!([]),
        json!("none"),
    ] {
        let list = list.clone();
        let lie = counters.clone();
        let server = move |_: usize, request: &ApiRequest| mode_page(&list, request, 30, &lie);
        let walks = walk(mode_client, mode_list(), server, token).await;
        assert_eq!(walks.agree(&counters.to_string()), (numbered(70), None), "{counters}");
    }
    // A count that no list has: the items that are there, and an error.
    for huge in
        [json!(1_000_000_000_000_000_000_u64), json!(u64::MAX), json!("1000000000000000000")]
    {
        let (list, pages) = (list.clone(), huge.clone());
        let server = move |_: usize, request: &ApiRequest| {
            mode_page(&list, request, 30, &json!({ "total_pages": pages, "per_page": 30 }))
        };
        let walks = walk(mode_client, mode_list(), server, token).await;
        let expected = (numbered(70), Some(ErrorKind::Pagination));
        assert_eq!(walks.agree("huge"), expected, "{huge}");
    }
}

#[tokio::test]
async fn fault_70_a_list_that_changes_while_it_is_read_loses_nothing_at_mode() {
    // New runs come by the page between the requests, so that a page repeats the one before.
    let server = |number: usize, request: &ApiRequest| {
        let new = if number > 0 { 30 } else { 0 };
        let list: Vec<_> = (0..new).map(|new| format!("new{new}")).chain(numbered(70)).collect();
        mode_page(&list, request, 30, &Value::Null)
    };
    let walked = walk(mode_client, mode_list(), server as Server, token).await.agree("new runs");
    assert_eq!(walked, (numbered(70), None));
    // With counters, which grow.
    let server = |number: usize, request: &ApiRequest| {
        let new = if number > 0 { 30 } else { 0 };
        let list: Vec<_> = (0..new).map(|new| format!("new{new}")).chain(numbered(70)).collect();
        let total = 70 + new;
        let counters =
            json!({ "total_count": total, "total_pages": (total + 29) / 30, "per_page": 30 });
        mode_page(&list, request, 30, &counters)
    };
    let walked = walk(mode_client, mode_list(), server as Server, token).await.agree("counted");
    assert_eq!(walked, (numbered(70), None));

    // Runs are deleted from pages that were read: what moved into them is found.
    let server = |number: usize, request: &ApiRequest| {
        let mut list = numbered(100);
        if number > 0 {
            list.drain(5..12);
        }
        let total = list.len();
        let counters =
            json!({ "total_count": total, "total_pages": total.div_ceil(30), "per_page": 30 });
        mode_page(&list, request, 30, &counters)
    };
    let (ids, failed) =
        walk(mode_client, mode_list(), server as Server, token).await.agree("deleted");
    assert_eq!(failed, None);
    assert_eq!(ids.len(), 100, "each once");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), numbered(100).into_iter().collect());

    // More than a page at once cannot be made good.
    let server = |number: usize, request: &ApiRequest| {
        let mut list = numbered(200);
        if number > 0 {
            list.drain(0..50);
        }
        let total = list.len();
        let counters =
            json!({ "total_count": total, "total_pages": total.div_ceil(30), "per_page": 30 });
        mode_page(&list, request, 30, &counters)
    };
    let (_, failed) = walk(mode_client, mode_list(), server as Server, token).await.agree("many");
    assert_eq!(failed, Some(ErrorKind::Pagination));

    // The vendor changes the size of its pages, in both directions.
    for (first, then) in [(30, 20), (20, 30), (30, 7), (7, 30)] {
        let server = move |number: usize, request: &ApiRequest| {
            let size = if number > 0 { then } else { first };
            let counters = json!({
                "total_count": 100, "total_pages": (100 + size - 1) / size, "per_page": size,
            });
            mode_page(&numbered(100), request, size, &counters)
        };
        let walks = walk(mode_client, mode_list(), server, token).await;
        assert_eq!(walks.agree("size"), (numbered(100), None), "{first} then {then}");
    }
}

#[tokio::test]
async fn fault_70_a_page_without_a_body_in_the_middle_is_not_the_end() {
    let server = |_: usize, request: &ApiRequest| {
        if number(request, "page") == Some(2) {
            return answer(204, "");
        }
        mode_page(&numbered(70), request, 30, &json!({ "total_pages": 3, "per_page": 30 }))
    };
    let (ids, failed) = walk(mode_client, mode_list(), server as Server, token).await.agree("204");
    assert_eq!((ids.len(), failed), (40, None));
}

fn arcgis_client() -> ClientBuilder<arcgis::ArcGis> {
    arcgis::Client::builder().base_url("http://localhost")
}

/// ArcGIS, sharing API: `start` counts from 1.
fn arcgis_page(list: &[String], request: &ApiRequest, size: i64, total: &Value) -> Response<Bytes> {
    let start = number(request, "start").unwrap_or(1);
    let tasks = slice(list, start - 1, size);
    let next = start + i64::try_from(tasks.len()).unwrap();
    let next = if usize::try_from(next).unwrap() > list.len() { -1 } else { next };
    let tasks: Vec<_> = tasks.into_iter().map(|id| json!({ "id": id })).collect();
    let body =
        json!({ "tasks": tasks, "start": start, "num": size, "nextStart": next, "total": total });
    answer(200, body.to_string())
}

fn task_id(task: &arcgis::UserTask) -> String {
    task.id.as_str().to_owned()
}

#[tokio::test]
async fn fault_70_counters_that_lie_lose_nothing_in_silence_at_arcgis() {
    for total in [
        json!(25),
        json!(0),
        json!(-1),
        json!(3),
        json!("25"),
        json!("many"),
        json!(1_000_000_000_000_000_000_u64),
        json!(null),
    ] {
        let lie = total.clone();
        let server =
            move |_: usize, request: &ApiRequest| arcgis_page(&numbered(25), request, 4, &lie);
        let walks = walk(arcgis_client, arcgis::ListUserTasks::new("u"), server, task_id).await;
        assert_eq!(walks.agree(&total.to_string()), (numbered(25), None), "{total}");
    }
    // The server sends pages of another size, and a page without anything on it.
    let server = |_: usize, request: &ApiRequest| {
        let start = number(request, "start").unwrap_or(1);
        let size = if start > 8 { 3 } else { 4 };
        if start == 5 && number(request, "num").is_some() {
            let body = json!({ "tasks": [], "start": 5, "nextStart": 6, "total": 25 });
            return answer(200, body.to_string());
        }
        let list: Vec<_> = numbered(25);
        arcgis_page(&list, request, size, &json!(25))
    };
    let walks =
        walk(arcgis_client, arcgis::ListUserTasks::new("u"), server as Server, task_id).await;
    let (ids, failed) = walks.agree("sizes");
    assert_eq!((ids.len(), failed), (24, None), "all but the one that was not sent");
}

fn supermetrics_client() -> ClientBuilder<supermetrics::Supermetrics> {
    supermetrics::Client::builder()
}

/// Supermetrics: offset and limit in one JSON parameter.
fn history_page(
    list: &[String],
    request: &ApiRequest,
    most: i64,
    total: &Value,
) -> Response<Bytes> {
    let pairs = request.url().query_pairs();
    let json =
        pairs.into_iter().find(|(name, _)| name == "json").map(|(_, json)| json.into_owned());
    let asked: Value = serde_json::from_str(&json.unwrap_or_default()).unwrap_or_default();
    let offset = asked["offset"].as_i64().unwrap_or(0);
    let limit = asked["limit"].as_i64().unwrap_or(100).min(most);
    let entries: Vec<_> = slice(list, offset, limit)
        .into_iter()
        .map(|id| json!({ "schedule_id": id, "status_code": "SUCCESS" }))
        .collect();
    let body = json!({ "meta": { "paginate": { "total": total } }, "data": entries });
    answer(200, body.to_string())
}

fn schedule_id(entry: &supermetrics::HistoryEntry) -> String {
    entry.schedule_id.as_ref().unwrap().as_str().to_owned()
}

#[tokio::test]
async fn fault_70_counters_that_lie_lose_nothing_in_silence_at_supermetrics() {
    let list = || supermetrics::ListHistory::new().limit(10);
    for total in [json!(45), json!(0), json!(-1), json!(3), json!("45"), json!("many"), json!(null)]
    {
        let lie = total.clone();
        let server =
            move |_: usize, request: &ApiRequest| history_page(&numbered(45), request, 10, &lie);
        let walks = walk(supermetrics_client, list(), server, schedule_id).await;
        assert_eq!(walks.agree(&total.to_string()), (numbered(45), None), "{total}");
    }
    let server = |_: usize, request: &ApiRequest| {
        history_page(&numbered(45), request, 10, &json!(1_000_000_000_000_000_000_u64))
    };
    let walks = walk(supermetrics_client, list(), server as Server, schedule_id).await;
    assert_eq!(walks.agree("huge"), (numbered(45), Some(ErrorKind::Pagination)));
    // Pages that are shorter than requested.
    let server =
        |_: usize, request: &ApiRequest| history_page(&numbered(45), request, 7, &json!(45));
    let walks = walk(supermetrics_client, list(), server as Server, schedule_id).await;
    assert_eq!(walks.agree("short"), (numbered(45), None));
    // Entries disappear while the list is read.
    let server = |number: usize, request: &ApiRequest| {
        let mut list = numbered(45);
        if number > 0 {
            list.drain(2..5);
        }
        let total = list.len();
        history_page(&list, request, 10, &json!(total))
    };
    let walks = walk(supermetrics_client, list(), server as Server, schedule_id).await;
    let (_, failed) = walks.agree("deleted");
    assert_eq!(failed, Some(ErrorKind::Pagination), "nothing tells equal entries apart");
}

#[tokio::test]
async fn fault_70_empty_pages_are_not_the_end_where_the_vendor_names_the_next_one() -> Result<()> {
    // Foundry, whose tokens may also be numbers.
    let vendor = Answers::new(|number, _| {
        let runs =
            if number % 2 == 0 { json!([{ "rid": format!("r{number}") }]) } else { json!([]) };
        let next = if number < 6 { json!(number + 1) } else { json!(null) };
        answer(200, json!({ "data": runs, "nextPageToken": next }).to_string())
    });
    let builder = foundry::Client::builder().base_url("http://localhost").transport(vendor.clone());
    let client = builder.clock(ManualClock::new()).build()?;
    let list = foundry::ListScheduleRuns::new("ri.a.b.schedule.c");
    for prefetch in [false, true] {
        let items = client.items(list.clone());
        let items = if prefetch { items.prefetch() } else { items };
        assert_eq!(items.try_collect().await?.len(), if prefetch { 0 } else { 4 });
    }
    assert_eq!(vendor.count(), 8, "seven pages, and the last one again");

    // Adobe: a keyset, so that the next page says where it begins.
    let vendor = Answers::new(|number, _| {
        let runs = if number == 1 { json!([]) } else { json!([{ "id": format!("r{number}") }]) };
        let time = format!("2026-03-0{}T00:00:00Z", number + 1);
        let next = format!("2026-03-0{}T00:00:00Z", number + 2);
        let page = if number < 3 { json!({ "start": time, "next": next }) } else { json!({}) };
        answer(200, json!({ "runsSchedules": runs, "_page": page }).to_string())
    });
    let builder = adobe::Client::builder().org_id(ORG).sandbox("dev").transport(vendor.clone());
    let client = builder.clock(ManualClock::new()).build()?;
    let pages: Vec<_> = client.pages(crate::read()).collect().await;
    let ids = pages.into_iter().map(|page| page.map(|page| page.items.len()));
    assert_eq!(ids.collect::<Result<Vec<_>>>()?, [1, 0, 1, 1]);
    assert_eq!(vendor.count(), 4);
    Ok(())
}

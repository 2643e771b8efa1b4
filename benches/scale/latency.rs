//! The time that it takes to read a list from a server that takes 20 ms for each page.

use std::pin::pin;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _};
use scheduled_runs::client::{Api, OffsetPages, PagedEndpoint};
use scheduled_runs::{Client, Page, Result, arcgis, foundry, mode};

use crate::server::{List, Vendor};
use crate::{client, median, numbers_of, word};

const DELAY: Duration = Duration::from_millis(20);
const SIZE: usize = 30;
const PAGES: usize = 57;
const ROUNDS: usize = 5;

pub(crate) fn table(server: &str) -> bool {
    println!("\nTime of {PAGES} pages, 20 ms each, medians of {ROUNDS}");
    println!(
        "{:<8} {:<40} {:>10} {:>10} {:>7}",
        "vendor", "faster way", "one by one", "this way", "ratio"
    );
    let mut met = true;
    for vendor in [Vendor::Foundry, Vendor::ArcGis, Vendor::Mode] {
        let list = List { vendor, total: PAGES * SIZE, size: SIZE, delay: 20 };
        let numbers = numbers_of(["latency", &format!("{vendor:?}"), &list.url(server)]);
        let walks = [("prefetch, with 20 ms of work on each page", 1.8), ("concurrent(8)", 6.0)];
        for (pair, (how, goal)) in numbers.chunks(2).zip(walks) {
            let [before, after] = pair[..] else { panic!("{numbers:?}") };
            let ratio = before / after;
            println!(
                "{:<8} {how:<40} {before:>7.0} ms {after:>7.0} ms {ratio:>6.2}x  >= {goal:.1} {}",
                format!("{vendor:?}"),
                word(ratio >= goal)
            );
            met &= ratio >= goal;
        }
    }
    met
}

/// Prints pairs of times in milliseconds: one page at a time, and the faster way.
pub(crate) fn work(vendor: &str, url: &str) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        match Vendor::named(vendor) {
            Vendor::ArcGis => {
                let client = client(arcgis::Client::builder(), url);
                let request = arcgis::ListTaskRuns::new("t1");
                ahead(&client, &request, |run| run.run_id.as_str()).await;
                at_once(&client, &request, |run| run.run_id.as_str()).await;
            }
            Vendor::Mode => {
                let client =
                    client(mode::Client::builder().workspace("acme"), &format!("{url}/acme"));
                let request = mode::ListReportRuns::new("r1");
                ahead(&client, &request, |run| run.token.as_str()).await;
                at_once(&client, &request, |run| run.token.as_str()).await;
            }
            _ => {
                let client = client(foundry::Client::builder(), url);
                let request = foundry::ListScheduleRuns::new("ri.s.main.schedule.1");
                ahead(&client, &request, |run| run.rid.as_str()).await;
            }
        }
    });
}

async fn ahead<A: Api, E: PagedEndpoint<Api = A>>(
    client: &Client<A>,
    request: &E,
    id: fn(&E::Item) -> &str,
) {
    let plain = || client.pages(request.clone());
    pair(|| time(plain(), DELAY, id), || time(plain().prefetch(), DELAY, id)).await;
}

async fn at_once<A: Api, E: OffsetPages<Api = A>>(
    client: &Client<A>,
    request: &E,
    id: fn(&E::Item) -> &str,
) {
    let pages = || client.pages(request.clone());
    let none = Duration::ZERO;
    pair(|| time(pages(), none, id), || time(pages().concurrent(8), none, id)).await;
}

async fn pair<F: Future<Output = f64>, G: Future<Output = f64>>(
    before: impl Fn() -> F,
    after: impl Fn() -> G,
) {
    let (mut slow, mut fast) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        slow.push(before().await);
        fast.push(after().await);
    }
    println!("{} {}", median(slow), median(fast));
}

/// Reads a list whose caller works so long on each page. Returns the milliseconds; checks that all runs come in order.
async fn time<T>(
    pages: impl Stream<Item = Result<Page<T>>>,
    work: Duration,
    id: fn(&T) -> &str,
) -> f64 {
    let begun = Instant::now();
    let (mut pages, mut seen) = (pin!(pages), 0);
    while let Some(page) = pages.next().await {
        for run in page.unwrap().items {
            let id = id(&run);
            let digits =
                id.rfind(|letter: char| !letter.is_ascii_digit()).map_or(id, |at| &id[at + 1..]);
            assert_eq!(digits.parse(), Ok(seen));
            seen += 1;
        }
        thread::sleep(work);
    }
    assert_eq!(seen, PAGES * SIZE);
    begun.elapsed().as_secs_f64() * 1e3
}

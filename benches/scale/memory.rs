//! The memory that it takes to read a list of a million runs.

use std::future::ready;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use scheduled_runs::client::{Api, OffsetPages, PagedEndpoint};
use scheduled_runs::{Client, arcgis, foundry, mode};

use crate::server::{List, Vendor};
use crate::{HEAP, client, numbers_of, word};

const RUNS: usize = 1_000_000;
const CASES: [(Vendor, &[&str]); 3] = [
    (Vendor::ArcGis, &["items", "prefetch", "concurrent"]),
    (Vendor::Mode, &["items", "prefetch", "concurrent"]),
    (Vendor::Foundry, &["items", "prefetch"]),
];

/// The largest page of each vendor.
fn size(vendor: Vendor) -> usize {
    if vendor == Vendor::Mode { 30 } else { 100 }
}

pub(crate) fn table(server: &str) -> bool {
    println!("\nMemory while reading {RUNS} runs, and the live heap after pages 10 and 1,000");
    println!(
        "{:<8} {:<14} {:>10} {:>10} {:>12} {:>14}",
        "vendor", "how", "peak RSS", "peak heap", "page 10", "page 1,000"
    );
    let mut met = true;
    for (vendor, walks) in CASES {
        for how in walks {
            let list = List { vendor, total: RUNS, size: size(vendor), delay: 0 };
            let numbers = numbers_of(["memory", &format!("{vendor:?}"), how, &list.url(server)]);
            let [peak, early, late, rss] = numbers[..] else { panic!("{numbers:?}") };
            let kept = rss <= 16.0 * 1024.0 && peak <= 4.0 * 1024.0 && late <= early + 64.0;
            println!(
                "{:<8} {how:<14} {:>6.1} MiB {:>6.2} MiB {early:>8.0} KiB {late:>10.0} KiB  {}",
                format!("{vendor:?}"),
                rss / 1024.0,
                peak / 1024.0,
                word(kept)
            );
            met &= kept;
        }
    }
    println!("goals: RSS <= 16 MiB, heap <= 4 MiB, page 1,000 <= page 10 + 64 KiB");
    met
}

/// Prints three figures of the heap, and the peak RSS, in KiB.
pub(crate) fn work(vendor: &str, how: &str, url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let vendor = Vendor::named(vendor);
        let size = size(vendor);
        match vendor {
            Vendor::ArcGis => {
                let client = client(arcgis::Client::builder(), url);
                counted(client, arcgis::ListTaskRuns::new("t1"), how, size).await;
            }
            Vendor::Mode => {
                let client =
                    client(mode::Client::builder().workspace("acme"), &format!("{url}/acme"));
                counted(client, mode::ListReportRuns::new("r1"), how, size).await;
            }
            _ => {
                let client = client(foundry::Client::builder(), url);
                by_item(client, foundry::ListScheduleRuns::new("ri.s.main.schedule.1"), how, size)
                    .await;
            }
        }
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let rss = rss.map_or("0", |rss| rss.trim().trim_end_matches(" kB"));
    println!("{rss}");
}

async fn counted<A: Api, E: OffsetPages<Api = A>>(
    client: Client<A>,
    request: E,
    how: &str,
    size: usize,
) {
    if how == "concurrent" {
        let pages = || client.pages(request.clone()).concurrent(8);
        walk(|| pages().map(|page| page.unwrap().items.len()), size).await;
    } else {
        by_item(client, request, how, size).await;
    }
}

async fn by_item<A: Api, E: PagedEndpoint<Api = A>>(
    client: Client<A>,
    request: E,
    how: &str,
    size: usize,
) {
    let items = || {
        let items = client.items(request.clone());
        if how == "prefetch" { items.prefetch() } else { items }
    };
    walk(|| items().map(|item| usize::from(item.is_ok())), size).await;
}

/// Reads all runs, in pages of this size, and records the heap.
///
/// It reads some pages before, because HTTP allocates the buffers and queues of a connection during its first requests, and keeps
/// them.
async fn walk<S: Stream<Item = usize>>(begin: impl Fn() -> S, size: usize) {
    let warm = |seen: &mut usize, some| {
        *seen += some;
        ready((*seen < 500 * size).then_some(()))
    };
    begin().scan(0, warm).count().await;
    let mut runs = std::pin::pin!(begin());
    let (mut seen, mut live) = (0, Vec::new());
    while let Some(some) = runs.next().await {
        seen += some;
        if seen == 10 * size || seen == 1000 * size {
            // Wait for the pages that are being fetched, so that the same number is counted each time.
            tokio::time::sleep(Duration::from_millis(200)).await;
            live.push(HEAP.current_usage() / 1024);
        }
    }
    assert_eq!((seen, live.len()), (RUNS, 2));
    println!("{} {} {}", HEAP.peak_usage() / 1024, live[0], live[1]);
}

//! Reports that succeed, fail, hang or get lost, at each of the company's vendors.

use std::error::Error as _;
use std::sync::{Arc, Mutex};

use nightly_reports::{Error, Nightly, Pager, Vendors, loom};
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::{FakeProvider, ManualClock, Plan};
use scheduled_runs::{ErrorKind, Phase, RunProvider, RunProviderExt as _, Target, foundry, mode};

use crate::fake_loom::FakeLoom;

#[derive(Debug, Default)]
struct Pages(Mutex<Vec<String>>);

impl Pager for Pages {
    fn page(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }
}

impl Pages {
    fn only(&self) -> String {
        let pages = self.0.lock().unwrap();
        assert_eq!(pages.len(), 1, "{pages:?}");
        pages[0].clone()
    }
}

fn nightly(provider: impl RunProvider) -> (Arc<Pages>, Nightly) {
    let pages = Arc::new(Pages::default());
    (pages.clone(), Nightly::new(Arc::new(provider), pages))
}

fn quick_foundry(fake: &FakeFoundry) -> foundry::Client {
    fake.client_builder().clock(ManualClock::new()).build().unwrap()
}

fn quick_mode(fake: &FakeMode) -> mode::Client {
    fake.client_builder().clock(ManualClock::new()).build().unwrap()
}

#[tokio::test]
async fn a_report_succeeds_at_each_vendor_and_nobody_is_paged() {
    let (at_foundry, at_mode, at_loom) =
        (FakeFoundry::start().await, FakeMode::start().await, FakeLoom::default());
    let vendors = Vendors::default()
        .with(quick_foundry(&at_foundry))
        .with(quick_mode(&at_mode))
        .with(at_loom.provider());
    let lines = [
        foundry::target(FakeFoundry::NIGHTLY_ORDERS).to_string(),
        format!("mode:{}", FakeMode::REPORT),
        "loom:nightly%2Forders".to_owned(),
    ];
    for line in lines {
        let (report, provider) = vendors.find(&line).unwrap();
        let (pages, nightly) = nightly(provider);
        let done = nightly.run(&report).await.unwrap();
        assert_eq!((done.phase, done.run.target()), (Phase::Succeeded, &report), "{line}");
        assert_eq!(*pages.0.lock().unwrap(), [""; 0]);
    }
    let started = (
        at_foundry.triggers(FakeFoundry::NIGHTLY_ORDERS),
        at_mode.triggers(FakeMode::REPORT),
        at_loom.starts(),
    );
    assert_eq!(started, (1, 1, 1));
}

#[tokio::test]
async fn a_failed_report_pages_somebody_with_the_vendors_reason() {
    let at_foundry = FakeFoundry::start().await;
    at_foundry.next_run(Plan::fails("a job failed"));
    let (pages, report) = nightly(quick_foundry(&at_foundry));
    let failed = report.run(&foundry::target(FakeFoundry::NIGHTLY_ORDERS)).await.unwrap_err();
    assert!(matches!(failed, Error::Failed(_)), "{failed:?}");
    let reason = failed.reason().unwrap().to_string();
    assert!(pages.only().contains(&reason), "{}", pages.only());

    let at_mode = FakeMode::start().await;
    at_mode.next_run(Plan::fails("column churned does not exist").code("42703"));
    let (pages, report) = nightly(quick_mode(&at_mode));
    let failed = report.run(&mode::target(FakeMode::REPORT)).await.unwrap_err();
    assert!(matches!(failed, Error::Failed(_)), "{failed:?}");
    assert!(pages.only().contains("column churned does not exist (code 42703"), "{}", pages.only());

    let at_loom = FakeLoom::default();
    at_loom.next_run("torn");
    let (pages, report) = nightly(at_loom.provider());
    let failed = report.run(&loom::target(FakeLoom::JOB)).await.unwrap_err();
    let cause = failed.source().unwrap().downcast_ref::<scheduled_runs::Error>().unwrap();
    assert_eq!(cause.kind(), ErrorKind::RunFailed);
    assert!(pages.only().contains("loom:nightly%2Forders/0 failed: the warp broke"));
}

#[tokio::test]
async fn a_lost_response_starts_no_second_report() {
    let at_mode = FakeMode::start().await;
    at_mode.lose_next_trigger_response();
    let (pages, report) = nightly(quick_mode(&at_mode));
    let done = report.run(&mode::target(FakeMode::REPORT)).await.unwrap();
    assert_eq!((done.phase, at_mode.triggers(FakeMode::REPORT)), (Phase::Succeeded, 1));
    assert!(pages.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_report_that_hangs_is_late_and_can_be_waited_for_again() {
    let provider = FakeProvider::new();
    provider.next_run([Phase::Queued, Phase::Running]);
    let (pages, report) = nightly(provider.clone());
    let late = report.run(&provider.target("orders")).await.unwrap_err();
    assert!(matches!(late, Error::Late(_)), "{late:?}");
    let run = late.run().unwrap().to_string();
    assert_eq!((&*run, provider.triggers()), ("fake:orders/run-1", 1));
    assert!(pages.only().starts_with("fake:orders: the report is late: run fake:orders/run-1"));
}

#[tokio::test]
async fn a_report_that_may_be_running_is_not_called_unavailable() {
    let provider = FakeProvider::new();
    provider.lose_next_trigger_response();
    let lost = provider.trigger(&provider.target("orders")).await.unwrap_err();
    let failed_read = scheduled_runs::Error::new(lost.kind(), "the connection broke");
    assert!(matches!(Error::from(lost), Error::InDoubt(_)));
    assert!(matches!(Error::from(failed_read), Error::Unavailable(_)));
}

#[tokio::test]
async fn a_wrong_line_and_a_wrong_token_are_configuration_errors() {
    let at_mode = FakeMode::start().await;
    let vendors = Vendors::default().with(quick_mode(&at_mode));
    for line in ["orders", "loom:orders", ""] {
        let error = vendors.find(line).unwrap_err();
        assert!(matches!(error, Error::Setup(_)), "{line}: {error:?}");
    }
    let wrong = at_mode.client_builder().credential(mode::ApiToken::new("f00d", "canary-secret"));
    let (pages, report) = nightly(wrong.clock(ManualClock::new()).build().unwrap());
    let error = report.run(&Target::new(mode::VENDOR, FakeMode::REPORT)).await.unwrap_err();
    assert!(matches!(error, Error::Setup(_)), "{error:?}");
    assert!(pages.only().contains("HTTP 401") && !pages.only().contains("canary-secret"));
}

#[test]
fn the_types_of_this_library_can_cross_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Error>();
    check::<Nightly>();
    check::<Vendors>();
    check::<loom::Provider>();
}

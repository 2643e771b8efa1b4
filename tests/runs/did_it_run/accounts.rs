//! References name the account that they belong to, and clients of another account refuse them.

use futures_util::StreamExt as _;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::testing::{FakeProvider, ManualClock};
use scheduled_runs::{
    ErrorKind, Phase, RunProvider, RunProviderExt as _, RunRef, StartIntent, Target, adobe, mode,
    supermetrics,
};

use super::query;

/// Everything that takes a reference of `target` is refused by `other`, before anything is sent.
async fn is_refused(target: &Target, run: &RunRef, other: &dyn RunProvider) {
    let mut kinds = vec![
        other.snapshot(run).await.unwrap_err(),
        other.wait(run).await.unwrap_err(),
        other.cancel(run).await.unwrap_err(),
        other.trigger(target).await.unwrap_err(),
        other.prepare(target).await.unwrap_err(),
    ];
    let mut ends = other.wait_all([run.clone()]).ends();
    kinds.push(ends.next().await.unwrap().unwrap_err());
    for error in kinds {
        let unsupported = error.kind() == ErrorKind::Unsupported;
        assert!(unsupported || error.kind() == ErrorKind::Config, "{}", error.report());
        if !unsupported {
            assert!(error.to_string().contains("another account"), "{error}");
        }
    }
}

#[tokio::test]
async fn another_sandbox_or_organization_reports_no_run_of_the_same_id() {
    let (ours, theirs) = (FakeAdobe::start().await, FakeAdobe::start().await);
    let client = |fake: &FakeAdobe| fake.client_builder().clock(ManualClock::new());
    let dev = client(&ours).build().unwrap();
    let target = dev.target("nightly-orders");
    let run = dev.trigger(&target).await.unwrap();
    let line = run.to_string();
    let resumed: RunRef = line.parse().unwrap();
    assert_eq!((&resumed, resumed.target().scope()), (&run, dev.scope()));
    assert!(!line.contains(FakeAdobe::ORG_ID), "{line}");

    for other in [
        client(&ours).sandbox("prod").build().unwrap(),
        client(&ours).org_id("0@AdobeOrg").build().unwrap(),
        client(&theirs).build().unwrap(),
    ] {
        assert_ne!(other.scope(), dev.scope());
        is_refused(&target, &resumed, &other).await;
    }
    assert!(theirs.requests().is_empty());
    assert_eq!(dev.wait(&resumed).await.unwrap().phase, Phase::Succeeded);
    // A reference without an account works with each client, as before.
    let bare = adobe::target("nightly-orders").run(run.id());
    assert_eq!(dev.wait(&bare).await.unwrap().phase, Phase::Succeeded);
}

#[tokio::test]
async fn an_intent_is_refused_by_a_client_of_another_account() {
    let fake = FakeAdobe::start().await;
    let dev = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let prod = fake.client_builder().sandbox("prod").clock(ManualClock::new()).build().unwrap();
    let prepared = dev.prepare(&dev.target("nightly-orders")).await.unwrap();
    let intent: StartIntent = prepared.intent().to_string().parse().unwrap();
    let requests = fake.requests().len();
    let error = prod.recover(&intent).await.unwrap_err();
    assert_eq!((error.kind(), fake.requests().len()), (ErrorKind::Config, requests));
    assert_eq!(dev.recover(&intent).decide().await.unwrap(), None);
}

#[tokio::test]
async fn an_intent_is_of_the_account_of_its_client_also_if_the_target_names_none() {
    let clock = ManualClock::new();
    let fake = FakeAdobe::start().await;
    let client = |sandbox| fake.client_builder().sandbox(sandbox).clock(clock.clone()).build();
    let (dev, prod) = (client("dev").unwrap(), client("prod").unwrap());
    let bare = adobe::target("nightly-orders");
    let prepared = dev.prepare(&bare).await.unwrap();
    let intent = prepared.intent().clone();
    assert_eq!(intent.target(), &dev.target("nightly-orders"));
    let run = prepared.start().await.unwrap();
    assert_eq!(run.target().scope(), dev.scope());
    let triggered = dev.trigger(&bare).await.unwrap();
    assert_eq!(triggered.target(), &bare);
    // There nothing has started, and the job would be started once more.
    clock.advance(std::time::Duration::from_secs(600));
    assert_eq!(prod.recover(&intent).decide().await.unwrap_err().kind(), ErrorKind::Config);
    // Runs that are left out may have been written down without an account.
    let found = dev.recover(&intent).excluding([triggered]).decide().await.unwrap();
    assert_eq!(found, Some(run));
}

#[tokio::test]
async fn another_workspace_host_portal_or_licence_is_another_account() {
    let (one, two) = (FakeMode::start().await, FakeMode::start().await);
    let (here, there) =
        (one.client_builder().build().unwrap(), two.client_builder().build().unwrap());
    let target = here.target(FakeMode::REPORT);
    is_refused(&target, &target.run("r"), &there).await;
    let mode = |workspace| mode::Client::builder().workspace(workspace).build().unwrap();
    is_refused(&mode("one").target("r"), &mode("one").target("r").run("x"), &mode("two")).await;

    let (one, two) = (FakeFoundry::start().await, FakeFoundry::start().await);
    let (here, there) =
        (one.client_builder().build().unwrap(), two.client_builder().build().unwrap());
    let target = here.target(FakeFoundry::NIGHTLY_ORDERS);
    is_refused(&target, &target.run("r"), &there).await;

    let (one, two) = (FakeArcGis::start().await, FakeArcGis::start().await);
    let (here, there) =
        (one.client_builder().build().unwrap(), two.client_builder().build().unwrap());
    for target in [here.target("t"), here.user_target("u", "t")] {
        is_refused(&target, &target.run("r"), &there).await;
    }

    // Nothing but its caller knows which licence a key belongs to.
    let fake = FakeSupermetrics::start().await;
    let licence = |name: &str| fake.client_builder().scope(name).build().unwrap();
    let target = licence("one").target(&query().schedule_id("mine"));
    is_refused(&target, &target.run("mine"), &licence("two")).await;
    assert!(fake.requests().is_empty());
}

#[test]
fn scopes_are_readable_and_hold_no_secret() {
    let adobe = adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev").build().unwrap();
    assert_eq!(adobe.target("nightly").to_string(), "adobe@2526ad6dec2a986b%2Fdev:nightly");
    let mode = mode::Client::builder().workspace("acme").build().unwrap();
    assert_eq!(mode.scope(), Some("app.mode.com/api/acme"));
    let supermetrics = supermetrics::Client::builder().build().unwrap();
    assert_eq!(supermetrics.scope(), Some("api.supermetrics.com"));
}

#[tokio::test]
async fn a_provider_in_memory_has_an_account_too() {
    let (sales, hr) = (FakeProvider::new().scoped("sales"), FakeProvider::new().scoped("hr"));
    let target = sales.target("nightly");
    assert_eq!(target.to_string(), "fake@sales:nightly");
    is_refused(&target, &target.run("1"), &hr).await;
    assert_eq!(sales.trigger_and_wait(&target).await.unwrap().phase, Phase::Succeeded);
    // One without an account cannot tell, and refuses nothing.
    assert!(FakeProvider::new().trigger(&target).await.is_ok());
}

//! When and how webhooks are sent, whichever the vendor. Another fake is the receiver: it refuses them, and keeps the requests.

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use scheduled_runs::testing::NewRun;
use scheduled_runs::testing::mode::FakeMode;
use tokio::runtime::Runtime;

const REPORT: &str = FakeMode::REPORT;

/// A fake that sends, and one that receives.
async fn fakes() -> (FakeMode, FakeMode) {
    let (fake, receiver) = (FakeMode::start().await, FakeMode::start().await);
    fake.webhook(&format!("{}/hooks/8f3c?by=mode", receiver.base_url()));
    (fake, receiver)
}

/// The bodies that have arrived.
fn bodies(receiver: &FakeMode) -> Vec<String> {
    receiver.requests().into_iter().map(|request| request.body).collect()
}

#[tokio::test]
async fn a_webhook_arrives_as_it_was_sent_with_the_status_of_the_response() {
    let (fake, receiver) = fakes().await;
    assert!(fake.sent_webhooks().await.is_empty());
    receiver.respond_next_with(200, &[], "");
    receiver.respond_next_with(503, &[("retry-after", "1")], &"busy ".repeat(50_000));
    fake.add_run(REPORT, NewRun::new("succeeded"));
    let run = fake.add_run(REPORT, NewRun::new("running"));

    let sent = fake.sent_webhooks().await;
    let statuses: Vec<_> = sent.iter().map(|webhook| webhook.status.unwrap()).collect();
    assert_eq!(statuses, [200, 503, 401], "it is sent once, whatever the response");
    let seen = receiver.requests();
    assert_eq!((seen.len(), &*seen[2].method), (3, "POST"));
    assert_eq!((&*seen[2].path, &*seen[2].query), ("/hooks/8f3c", "by=mode"));
    assert_eq!(seen[2].body, sent[2].body);
    assert!(sent[2].body.contains(&run));
}

#[tokio::test]
async fn what_is_held_arrives_late_twice_in_another_order_changed_or_never() {
    let (fake, receiver) = fakes().await;
    fake.hold_webhooks();
    let run = fake.add_run(REPORT, NewRun::new("failed"));
    assert!(fake.sent_webhooks().await.is_empty());

    let held = fake.take_webhooks();
    let [started, ended] = &held[..] else { panic!("{held:?}") };
    let mut forged = ended.clone();
    forged.body = ended.body.replace(&run, "b00000000000");
    for webhook in [ended, started, ended, &forged] {
        fake.send_webhook(webhook.clone());
    }
    assert_eq!(fake.sent_webhooks().await.len(), 4);
    assert_eq!(bodies(&receiver), [&*ended.body, &*started.body, &*ended.body, &*forged.body]);
    assert!(fake.take_webhooks().is_empty());

    fake.add_run(REPORT, NewRun::new("failed"));
    drop(fake.take_webhooks());
    fake.add_run(REPORT, NewRun::new("running"));
    fake.release_webhooks();
    fake.add_run(REPORT, NewRun::new("running"));
    assert_eq!(fake.sent_webhooks().await.len(), 6);
}

#[test]
fn no_runtime_is_needed() {
    let runtime = Runtime::new().unwrap();
    let (fake, receiver) = runtime.block_on(fakes());
    let run = fake.add_run(REPORT, NewRun::new("running"));
    drop(runtime);
    let fake = thread::spawn(move || {
        fake.finish(&run, "succeeded");
        fake
    });
    let fake = fake.join().unwrap();
    assert_eq!(Runtime::new().unwrap().block_on(fake.sent_webhooks()).len(), 2);
    assert_eq!(bodies(&receiver).len(), 2);
}

#[tokio::test]
async fn a_receiver_that_is_away_or_breaks_off_gets_nothing_and_holds_nothing_up() {
    let fake = FakeMode::start().await;
    let away = TcpListener::bind("127.0.0.1:0").unwrap();
    fake.webhook(&format!("http://{}/", away.local_addr().unwrap()));
    drop(away);
    fake.add_run(REPORT, NewRun::new("running"));
    assert_eq!(fake.sent_webhooks().await[0].status, None);

    let (_, receiver) = fakes().await;
    fake.webhook(&receiver.base_url());
    receiver.lose_next_response();
    fake.add_run(REPORT, NewRun::new("failed"));
    let statuses: Vec<_> = fake.sent_webhooks().await.iter().map(|sent| sent.status).collect();
    assert_eq!(statuses, [None, None, Some(401)]);
}

#[tokio::test]
async fn without_a_url_webhooks_can_be_taken_but_not_sent_and_a_url_must_be_plain_http() {
    let fake = FakeMode::start().await;
    fake.add_run(REPORT, NewRun::new("failed"));
    fake.hold_webhooks();
    fake.add_run(REPORT, NewRun::new("running"));
    let held = fake.take_webhooks();
    assert_eq!((held.len(), fake.sent_webhooks().await), (1, Vec::new()));
    let send = AssertUnwindSafe(|| fake.send_webhook(held[0].clone()));
    let message = catch_unwind(send).unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(*message, "`webhook` has to say first where webhooks are sent to");
    for url in ["", "127.0.0.1:80", "https://example.com/hook", "file:///hook"] {
        let panic = catch_unwind(AssertUnwindSafe(|| fake.webhook(url))).unwrap_err();
        let message = panic.downcast::<String>().unwrap();
        assert_eq!(*message, format!("{url:?} is not a URL that begins with http://"));
    }
}

#[cfg(not(any(feature = "rustls", feature = "rustls-no-provider")))]
#[tokio::test]
async fn without_tls_of_rustls_the_fake_of_adobe_says_what_to_switch_on() {
    let fake = scheduled_runs::testing::adobe::FakeAdobe::start().await;
    let sends = AssertUnwindSafe(|| fake.webhook("http://127.0.0.1:1/"));
    let message = catch_unwind(sends).unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("switch on the feature `rustls` or `rustls-no-provider`"));
}

//! A trigger whose request or response is lost, within one process.

use scheduled_runs::testing::ManualClock;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::{Error, ErrorKind, RunProviderExt as _, mode, supermetrics};

use super::{everywhere, query};

fn not_started(error: &Error) {
    assert!(error.verified_not_started(), "{}", error.report());
    // What is lost may still arrive, and the text says what was found.
    assert!(error.may_have_run(), "{}", error.report());
    let found = "; no run that it could have started was found";
    assert!(error.to_string().ends_with(found), "{error}");
    assert!(error.report().contains("may have run probably not: no run"), "{}", error.report());
}

#[tokio::test]
async fn a_trigger_that_arrived_is_found() {
    everywhere(async |subject| {
        (subject.lose_answer)();
        let run = subject.trigger().await.unwrap_or_else(|error| panic!("{}", error.report()));
        assert_eq!(((subject.triggers)(), subject.sent()), (1, 1), "{}", subject.vendor());
        assert_eq!(run.target(), &subject.target);
        subject.provider.snapshot(&run).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_trigger_that_never_arrived_has_started_nothing_and_is_sent_again_on_request_only() {
    everywhere(async |subject| {
        (subject.lose_request)();
        not_started(&subject.trigger().await.unwrap_err());
        assert_eq!(((subject.triggers)(), subject.sent()), (0, 1), "{}", subject.vendor());

        (subject.lose_request)();
        let run = subject.trigger().retry_if_not_started().await.unwrap();
        assert_eq!(((subject.triggers)(), subject.sent()), (1, 3), "{}", subject.vendor());
        subject.provider.snapshot(&run).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn two_triggers_at_once_are_told_apart_or_both_named() {
    everywhere(async |subject| {
        (subject.lose_answer)();
        let (ours, theirs) = subject.trigger_while(&subject.somebody_starts).await;
        if subject.names_runs() {
            let ours = ours.unwrap();
            assert_ne!(ours, theirs);
            subject.provider.snapshot(&ours).await.unwrap();
            return;
        }
        let error = ours.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{}", error.report());
        assert_eq!(error.candidates().len(), 2, "{}", error.report());
        assert!(error.candidates().contains(&theirs), "{}", error.report());
        assert_eq!(subject.sent(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_run_of_the_schedule_at_the_same_moment_is_not_taken_for_the_one_that_arrived() {
    everywhere(async |subject| {
        (subject.lose_answer)();
        let (ours, theirs) = subject.trigger_while(&subject.schedule_starts).await;
        let ours = ours.unwrap_or_else(|error| panic!("{}", error.report()));
        assert_ne!(ours, theirs, "{}", subject.vendor());
    })
    .await;
}

#[tokio::test]
async fn a_run_of_the_schedule_at_the_same_moment_is_not_taken_for_the_one_that_never_arrived() {
    everywhere(async |subject| {
        (subject.lose_request)();
        let (ours, theirs) = subject.trigger_while(&subject.schedule_starts).await;
        let error = ours.unwrap_err();
        if subject.provider.vendor() != mode::VENDOR {
            return not_started(&error);
        }
        // How to tell is not documented: it is not ours, but nobody says that nothing has started.
        assert_eq!((error.kind(), error.candidates()), (ErrorKind::Ambiguous, &[theirs][..]));
        assert!(error.may_have_run() && !error.verified_not_started());
        let expected =
            "every run of mode:d4e81f02a7c6 that started within 60 s seems to be somebody else's";
        assert!(error.to_string().contains(expected), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_id_of_the_callers_own_is_not_looked_for_as_an_earlier_run_may_have_it() {
    let fake = FakeSupermetrics::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let target = supermetrics::target(&query().schedule_id("mine"));
    let earlier = client.trigger(&target).await.unwrap();
    assert_eq!(earlier.id(), "mine");
    fake.lose_next_request();
    let lost = client.trigger(&target).verify().await.unwrap_err();
    assert!(lost.may_have_run() && !lost.verified_not_started(), "{}", lost.report());
    assert_eq!((lost.run(), fake.triggers(FakeSupermetrics::DATA_SOURCE)), (None, 1));
}

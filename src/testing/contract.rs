//! What triggers and waits rely on, as checks that any [`RunProvider`] can be put through.
//!
//! Write a [`Subject`] around your provider and its fake server, and call [`check`] from a test. Give the provider
//! a [`ManualClock`](super::ManualClock); otherwise the checks sleep.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::client::{CallLimits, Vendor};
use crate::error::{Delivery, ErrorKind};
use crate::run::{
    CancelOutcome, Phase, RunProvider, RunProviderExt as _, RunRef, RunSnapshot, StartIntent,
    Target,
};

/// A provider under test, and what the test may do at its vendor.
pub trait Subject: Send + Sync {
    /// The provider.
    fn provider(&self) -> Arc<dyn RunProvider>;

    /// Something that can be run.
    fn target(&self) -> Target;

    /// How the next triggered run ends: `Succeeded`, `Failed`, or `Running` for one that never ends.
    fn next_run(&self, ending: Phase);

    /// The next trigger is carried out, and its response is lost.
    fn lose_next_trigger_response(&self);

    /// Somebody else triggers the target.
    fn trigger_from_elsewhere(&self);

    /// Triggers from here that the vendor carried out.
    fn triggers(&self) -> usize;
}

/// Puts a provider through all checks that its [`Capabilities`](crate::run::Capabilities) for the target call for, each with a fresh subject.
///
/// # Panics
/// If the provider breaks the contract; the message says where.
pub async fn check<S: Subject>(fresh: impl AsyncFn() -> S) {
    let subject = fresh().await;
    let capabilities = subject.provider().capabilities_of(&subject.target());
    assert!(
        capabilities.poll_floor >= Duration::from_millis(100),
        "a poll floor below 100 ms floods the vendor"
    );
    unknown_runs_and_foreign_vendors(&subject).await;
    if !capabilities.trigger {
        let error = subject.provider().trigger(&subject.target()).await.err();
        let kind = error.map(|error| error.kind());
        assert_eq!(
            kind,
            Some(ErrorKind::Unsupported),
            "a trigger that cannot be sent is Unsupported"
        );
        if capabilities.list {
            a_run_of_somebody_else_is_listed_and_waited_for(&fresh().await).await;
        }
        return;
    }
    a_run_succeeds(&fresh().await).await;
    a_run_fails_with_a_reason(&fresh().await).await;
    a_wait_ends_at_its_limit(&fresh().await).await;
    a_lost_trigger_is_not_sent_again(&fresh().await).await;
    a_lost_trigger_is_found(&fresh().await).await;
    two_triggers_at_once_are_told_apart_or_ambiguous(&fresh().await).await;
    a_start_whose_process_died_is_recovered(&fresh().await).await;
    a_start_that_was_not_sent_has_started_nothing(&fresh().await).await;
    if capabilities.caller_names_run {
        each_run_has_a_name_of_its_own(&fresh().await);
    }
    if capabilities.cancel {
        a_run_is_cancelled(&fresh().await).await;
        a_finished_run_is_not_cancelled(&fresh().await).await;
    } else {
        a_run_is_cancelled_or_that_is_unsupported(&fresh().await).await;
    }
    if capabilities.list {
        the_list_has_the_newest_run_first(&fresh().await).await;
        runs_waited_for_together_each_end_once(&fresh().await).await;
    }
}

async fn unknown_runs_and_foreign_vendors(subject: &dyn Subject) {
    let (provider, target) = (subject.provider(), subject.target());
    let unknown = provider.snapshot(&target.run("no-such-run")).await.map_err(|error| error.kind());
    assert_eq!(unknown.err(), Some(ErrorKind::NotFound), "an unknown run is NotFound");
    let foreign = Target::new(Vendor::new("somebody-else"), target.id());
    let polled = provider.snapshot(&foreign.run("7")).await.map_err(|error| error.kind());
    assert_eq!(polled.err(), Some(ErrorKind::Config), "a run of another vendor is refused");
    let triggered = provider.trigger(&foreign).await.map_err(|error| error.kind());
    assert_eq!(triggered.err(), Some(ErrorKind::Config), "a target of another vendor is refused");
    if let Some(scope) = provider.scope() {
        let elsewhere = target.scoped(format!("not-{scope}"));
        let polled = provider.snapshot(&elsewhere.run("7")).await.map_err(|error| error.kind());
        assert_eq!(polled.err(), Some(ErrorKind::Config), "a run of another account is refused");
        let triggered = provider.trigger(&elsewhere).await.map_err(|error| error.kind());
        assert_eq!(
            triggered.err(),
            Some(ErrorKind::Config),
            "a target of another account is refused"
        );
    }
}

async fn triggered(subject: &dyn Subject, ending: Phase) -> RunRef {
    subject.next_run(ending);
    let run = subject.provider().trigger(&subject.target()).await;
    assert_eq!(subject.triggers(), 1, "one trigger starts one run");
    let run =
        run.unwrap_or_else(|error| fail(&format!("a trigger names its run: {}", error.report())));
    assert_eq!(run.target(), &subject.target(), "a run belongs to its target");
    run
}

async fn a_run_succeeds(subject: &dyn Subject) {
    let run = triggered(subject, Phase::Succeeded).await;
    // Printed and read again, as another process would.
    let resumed = run.to_string().parse::<RunRef>();
    assert_eq!(resumed.as_ref().ok(), Some(&run), "a run survives printing and reading");
    let mut phases = Vec::new();
    let done = subject.provider().wait(&run).on_update(|run| phases.push(run.phase)).await;
    let done = done.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!((done.phase, &done.run), (Phase::Succeeded, &run));
    assert_eq!(phases.last(), Some(&Phase::Succeeded), "the last update is the end");
    let before = phases.iter().rev().skip(1);
    assert!(before.clone().all(|phase| !phase.is_terminal()), "nothing comes after an end");
    assert!(done.success().is_ok());
}

async fn a_run_fails_with_a_reason(subject: &dyn Subject) {
    let run = triggered(subject, Phase::Failed).await;
    let done = subject.provider().wait(&run).await.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!(done.phase, Phase::Failed, "a failed run ends the wait without an error");
    assert!(done.failure.is_some(), "a failed run says why");
    let error = done.success().err();
    assert_eq!(error.as_ref().map(crate::Error::kind), Some(ErrorKind::RunFailed));
    assert!(error.is_some_and(|error| error.last_snapshot().is_some()), "the error holds the run");
}

async fn a_wait_ends_at_its_limit(subject: &dyn Subject) {
    let run = triggered(subject, Phase::Running).await;
    let provider = subject.provider();
    let floor = provider.capabilities_of(&subject.target()).poll_floor;
    let mut polls = 0_u32;
    let waited = provider
        .wait(&run)
        .every(Duration::ZERO)
        .timeout(floor * 5)
        .on_update(|_| polls += 1)
        .await;
    let error = waited.err().unwrap_or_else(|| fail("a run that never ends does not end a wait"));
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{}", error.report());
    assert_eq!(error.run(), Some(&run), "the error names the run");
    assert!(error.last_snapshot().is_some_and(|last| !last.phase.is_terminal()));
    assert!((1..=5).contains(&polls), "{polls} polls within five times the floor");
}

async fn a_lost_trigger_is_not_sent_again(subject: &dyn Subject) {
    subject.lose_next_trigger_response();
    let error = subject.provider().trigger(&subject.target()).await.err();
    let error = error.unwrap_or_else(|| fail("a lost response is an error without `verify`"));
    assert_eq!(
        (error.delivery(), error.may_have_run()),
        (Delivery::Unknown, true),
        "{}",
        error.report()
    );
    assert_eq!(subject.triggers(), 1, "a trigger whose response is lost is not sent again");
}

async fn a_lost_trigger_is_found(subject: &dyn Subject) {
    subject.next_run(Phase::Succeeded);
    subject.lose_next_trigger_response();
    let run = subject.provider().trigger(&subject.target()).verify().await;
    let run =
        run.unwrap_or_else(|error| fail(&format!("`verify` finds the run: {}", error.report())));
    assert_eq!(subject.triggers(), 1, "`verify` does not trigger");
    let done = subject.provider().wait(&run).await.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!(done.phase, Phase::Succeeded);
}

async fn two_triggers_at_once_are_told_apart_or_ambiguous(subject: &dyn Subject) {
    subject.lose_next_trigger_response();
    let (provider, target) = (subject.provider(), subject.target());
    let mut ours = provider.trigger(&target).verify().into_future();
    let mut raced = false;
    let ours = std::future::poll_fn(|context| {
        let polled = ours.as_mut().poll(context);
        // Somebody else triggers as soon as ours has arrived.
        if !raced && subject.triggers() > 0 {
            raced = true;
            subject.trigger_from_elsewhere();
        }
        polled
    });
    let ours = ours.await;
    if provider.capabilities_of(&target).caller_names_run {
        let found = ours.unwrap_or_else(|error| fail(&error.report()));
        assert_eq!(subject.triggers(), 1, "`verify` does not trigger");
        assert_eq!(found.target(), &target, "the run of the id that was chosen is found");
        return;
    }
    let error = ours.err();
    let error = error.unwrap_or_else(|| fail("of two runs that started at once none is picked"));
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{}", error.report());
    assert_eq!(error.candidates().len(), 2, "both runs are named");
}

/// Prepares a start, and reads its intent as another process would.
async fn prepared(subject: &dyn Subject) -> (Arc<dyn RunProvider>, StartIntent) {
    let provider = subject.provider();
    let prepared = provider.prepare(&subject.target()).await;
    let prepared = prepared.unwrap_or_else(|error| fail(&error.report()));
    let intent = prepared.intent().clone();
    let read = intent.to_string().parse::<StartIntent>();
    assert_eq!(read.as_ref().ok(), Some(&intent), "an intent survives printing and reading");
    assert_eq!(subject.triggers(), 0, "preparing a start triggers nothing");
    subject.lose_next_trigger_response();
    // Whatever comes of it: the process dies now.
    let _ = prepared.start().await;
    (Arc::clone(&provider), intent)
}

async fn a_start_whose_process_died_is_recovered(subject: &dyn Subject) {
    subject.next_run(Phase::Succeeded);
    let (provider, intent) = prepared(subject).await;
    let run = provider.recover(&intent).decide().await;
    let run = run.unwrap_or_else(|error| fail(&error.report()));
    let run = run.unwrap_or_else(|| fail("a run that was started is not said to be not started"));
    assert_eq!(subject.triggers(), 1, "a start triggers once, and recovering it does not trigger");
    let done = provider.wait(&run).await.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!(done.phase, Phase::Succeeded);
}

async fn a_start_that_was_not_sent_has_started_nothing(subject: &dyn Subject) {
    let provider = subject.provider();
    let prepared = provider.prepare(&subject.target()).await;
    let prepared = prepared.unwrap_or_else(|error| fail(&error.report()));
    let intent = prepared.intent().clone();
    drop(prepared);
    let run = provider.recover(&intent).decide().await;
    let run = run.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!((run, subject.triggers()), (None, 0), "a start that was not sent started nothing");
}

fn each_run_has_a_name_of_its_own(subject: &dyn Subject) {
    let name = || subject.provider().name_run(&subject.target()).ok().flatten();
    let names = [name(), name()];
    assert!(names.iter().all(Option::is_some), "`name_run` names a run where callers name runs");
    assert_ne!(names[0], names[1], "each run has a name of its own");
}

async fn a_run_is_cancelled(subject: &dyn Subject) {
    let run = triggered(subject, Phase::Running).await;
    let provider = subject.provider();
    let outcome = provider.cancel(&run).await.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!(outcome, CancelOutcome::Requested);
    a_cancelled_run_ends(&*provider, &run).await;
}

async fn a_cancelled_run_ends(provider: &dyn RunProvider, run: &RunRef) {
    let done = provider.wait(run).timeout(Duration::from_secs(3600)).await;
    let done =
        done.unwrap_or_else(|error| fail(&format!("a cancelled run ends: {}", error.report())));
    assert_ne!(done.phase, Phase::Succeeded);
    let again = provider.cancel(run).await.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!(again, CancelOutcome::AlreadyFinished);
}

/// Where the capabilities do not promise it, some runs may be cancelled all the same.
async fn a_run_is_cancelled_or_that_is_unsupported(subject: &dyn Subject) {
    let run = triggered(subject, Phase::Running).await;
    let provider = subject.provider();
    match provider.cancel(&run).await {
        Ok(outcome) => {
            assert_eq!(outcome, CancelOutcome::Requested);
            a_cancelled_run_ends(&*provider, &run).await;
        }
        Err(error) => assert_eq!(
            error.kind(),
            ErrorKind::Unsupported,
            "a run that cannot be cancelled is Unsupported"
        ),
    }
}

async fn a_finished_run_is_not_cancelled(subject: &dyn Subject) {
    let run = triggered(subject, Phase::Succeeded).await;
    let provider = subject.provider();
    provider.wait(&run).await.unwrap_or_else(|error| fail(&error.report()));
    let outcome = provider.cancel(&run).await.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!(outcome, CancelOutcome::AlreadyFinished);
    let still = provider.snapshot(&run).await.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!(still.phase, Phase::Succeeded, "a finished run stays as it ended");
}

async fn the_list_has_the_newest_run_first(subject: &dyn Subject) {
    let run = triggered(subject, Phase::Succeeded).await;
    let seen = listed(subject).await;
    assert!(seen.iter().any(|seen| seen.run == run), "a triggered run is listed");
    let walked = subject.provider().runs(&subject.target()).try_collect::<Vec<_>>().await;
    let walked = walked.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!(
        walked.iter().filter(|seen| seen.run == run).count(),
        1,
        "a walk over all runs ends and contains each run once"
    );
}

/// A vendor that starts runs by itself alone.
async fn a_run_of_somebody_else_is_listed_and_waited_for(subject: &dyn Subject) {
    let before = listed(subject).await;
    subject.trigger_from_elsewhere();
    let new: Vec<_> = listed(subject).await.into_iter().map(|seen| seen.run).collect();
    let new: Vec<_> =
        new.into_iter().filter(|run| before.iter().all(|seen| seen.run != *run)).collect();
    let [run] = &*new else { fail("a run that somebody else started is listed") };
    let done = subject.provider().wait(run).await.unwrap_or_else(|error| fail(&error.report()));
    assert_eq!((&done.run, done.phase), (run, Phase::Succeeded), "it is waited for");
}

async fn runs_waited_for_together_each_end_once(subject: &dyn Subject) {
    let mut runs = Vec::new();
    for ending in [Phase::Succeeded, Phase::Failed, Phase::Succeeded] {
        subject.next_run(ending);
        let run = subject.provider().trigger(&subject.target()).await;
        runs.push(run.unwrap_or_else(|error| fail(&error.report())));
    }
    let provider = subject.provider();
    let ends: Vec<_> = provider.wait_all(runs.clone()).ends().collect().await;
    let mut ended = Vec::new();
    for end in ends {
        let end = end.unwrap_or_else(|error| fail(&error.report()));
        assert!(end.phase != Phase::Failed || end.failure.is_some(), "a failed run says why");
        ended.push(end.run);
    }
    ended.sort();
    runs.sort();
    assert_eq!(ended, runs, "each run ends once");
}

/// The whole list.
async fn listed(subject: &dyn Subject) -> Vec<RunSnapshot> {
    let (provider, target) = (subject.provider(), subject.target());
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = provider.fetch_page(&target, cursor, &CallLimits::default()).await;
        let page = page.unwrap_or_else(|error| fail(&error.report()));
        seen.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
        assert!(seen.len() < 10_000, "the list ends");
    }
    assert!(seen.iter().all(|seen| seen.run.target() == &target), "a list holds one target's runs");
    let created: Vec<_> = seen.iter().filter_map(|run| run.created).collect();
    assert!(created.is_sorted_by(|newer, older| newer >= older), "newest first");
    seen
}

#[track_caller]
fn fail(what: &str) -> ! {
    panic!("{what}")
}

//! A trigger is lost, or its process dies: did it run? For each vendor whose API starts runs.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]

mod accounts;
mod drops;
mod intents;
mod lists;
mod lost;

use std::future::{IntoFuture as _, poll_fn};
use std::sync::Arc;

use scheduled_runs::client::Clock as _;
use scheduled_runs::run::Trigger;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::{FakeSupermetrics, FakeTransfers};
use scheduled_runs::testing::{ManualClock, NewRun, Plan, SeenRequest};
use scheduled_runs::{
    Result, RunProvider, RunProviderExt as _, RunRef, Target, adobe, arcgis, foundry, mode,
    supermetrics,
};

type Provider = Arc<dyn RunProvider>;

/// One vendor: its provider, and what happens behind its back.
struct Subject {
    provider: Provider,
    /// The clock of this provider and of the vendor.
    clock: ManualClock,
    /// A client of another process, with the clock of another machine.
    another: Box<dyn Fn(&ManualClock) -> Provider>,
    target: Target,
    lose_answer: Box<dyn Fn()>,
    lose_request: Box<dyn Fn()>,
    /// Triggers that were carried out.
    triggers: Box<dyn Fn() -> usize>,
    requests: Box<dyn Fn() -> Vec<SeenRequest>>,
    /// The next request is answered with 429 and this `Retry-After`.
    ask_for_pause: Box<dyn Fn(&str)>,
    /// The vendor's clock is this one from now on.
    vendors_clock: Box<dyn Fn(&ManualClock)>,
    /// Somebody else starts a run in the same way.
    somebody_starts: Box<dyn Fn() -> String>,
    /// The schedule starts a run; at a vendor without schedules, somebody else in another way.
    schedule_starts: Box<dyn Fn() -> String>,
}

macro_rules! subject {
    ($fake:ident, $target:expr, $triggers:expr, $somebody:expr, $schedule:expr $(, $set_up:expr)?) => {{
        let fake = Arc::new($fake::start().await);
        $({
            let set_up: fn(&$fake) = $set_up;
            set_up(&fake);
        })?
        let clock = ManualClock::new();
        fake.use_clock(&clock);
        let client = fake.client_builder().clock(clock.clone()).build().unwrap();
        let on = |act: fn(&$fake)| {
            let fake = Arc::clone(&fake);
            Box::new(move || act(&fake)) as Box<dyn Fn()>
        };
        let starts = |act: fn(&$fake) -> String| {
            let fake = Arc::clone(&fake);
            Box::new(move || act(&fake)) as Box<dyn Fn() -> String>
        };
        Subject {
            provider: Arc::new(client),
            clock,
            another: {
                let fake = Arc::clone(&fake);
                Box::new(move |clock| {
                    Arc::new(fake.client_builder().clock(clock.clone()).build().unwrap())
                })
            },
            target: $target,
            lose_answer: on($fake::lose_next_trigger_response),
            lose_request: on($fake::lose_next_trigger),
            triggers: {
                let (fake, count): (_, fn(&$fake) -> usize) = (Arc::clone(&fake), $triggers);
                Box::new(move || count(&fake))
            },
            requests: {
                let fake = Arc::clone(&fake);
                Box::new(move || fake.requests())
            },
            ask_for_pause: {
                let fake = Arc::clone(&fake);
                Box::new(move |pause| fake.respond_next_with(429, &[("retry-after", pause)], ""))
            },
            vendors_clock: {
                let fake = Arc::clone(&fake);
                Box::new(move |clock| fake.use_clock(clock))
            },
            somebody_starts: starts($somebody),
            schedule_starts: starts($schedule),
        }
    }};
}

async fn at_adobe() -> Subject {
    const SCHEDULE: &str = "nightly-orders";
    subject!(
        FakeAdobe,
        adobe::target(SCHEDULE),
        |fake| fake.triggers(SCHEDULE),
        |fake| fake.trigger_from_elsewhere(SCHEDULE),
        |fake| fake.add_run(SCHEDULE, NewRun::new("IN_PROGRESS"))
    )
}

async fn at_arcgis() -> Subject {
    const NOTEBOOK: &str = FakeArcGis::NOTEBOOK_ITEM;
    subject!(
        FakeArcGis,
        arcgis::notebook_target(NOTEBOOK),
        |fake| fake.triggers(NOTEBOOK),
        |fake| fake.trigger_from_elsewhere(NOTEBOOK),
        |fake| fake.start_job_of_run(&fake.start_run(FakeArcGis::NOTEBOOK, Plan::succeeds()))
    )
}

async fn at_foundry() -> Subject {
    const SCHEDULE: &str = FakeFoundry::NIGHTLY_ORDERS;
    subject!(
        FakeFoundry,
        foundry::target(SCHEDULE),
        |fake| fake.triggers(SCHEDULE),
        |fake| fake.trigger_from_elsewhere(SCHEDULE),
        |fake| fake.add_run(SCHEDULE, NewRun::new("RUNNING"))
    )
}

async fn at_mode() -> Subject {
    const REPORT: &str = FakeMode::REPORT;
    subject!(
        FakeMode,
        mode::target(REPORT),
        |fake| fake.triggers(REPORT),
        |fake| fake.trigger_from_elsewhere(REPORT),
        |fake| fake.add_run(REPORT, NewRun::new("enqueued").triggered(false))
    )
}

async fn at_supermetrics() -> Subject {
    const SOURCE: &str = FakeSupermetrics::DATA_SOURCE;
    subject!(
        FakeSupermetrics,
        supermetrics::target(&query()),
        |fake| fake.triggers(SOURCE),
        |fake| fake.trigger_from_elsewhere(SOURCE),
        |fake| fake.trigger_from_elsewhere(SOURCE)
    )
}

async fn at_transfers() -> Subject {
    const TRANSFER: &str = FakeTransfers::TRANSFER;
    subject!(
        FakeTransfers,
        supermetrics::transfers::target(FakeTransfers::TEAM, TRANSFER),
        |fake| fake.triggers(TRANSFER),
        |fake| fake.trigger_from_elsewhere(TRANSFER),
        |fake| fake.add_run(TRANSFER, NewRun::new("RUNNING")),
        |fake| fake.refuse_overlaps(false)
    )
}

fn query() -> supermetrics::Query {
    supermetrics::Query::new(FakeSupermetrics::DATA_SOURCE).fields("date, cost")
}

impl Subject {
    fn trigger(&self) -> Trigger<'_, Provider> {
        self.provider.trigger(&self.target).verify()
    }

    /// How many triggers were sent, whether they arrived or not.
    fn sent(&self) -> usize {
        let is_trigger = |request: &&SeenRequest| {
            let SeenRequest { method, path, .. } = *request;
            let by_post = method == "POST"
                && ["/runs", "/run", "/backfills"].iter().any(|end| path.ends_with(end));
            let executes = path == "/admin/notebooks/executeNotebook";
            by_post || executes || path.starts_with("/query/data")
        };
        (self.requests)().iter().filter(is_trigger).count()
    }

    /// Triggers, while somebody else does this just after the trigger was sent.
    async fn trigger_while(&self, act: impl Fn() -> String) -> (Result<RunRef>, RunRef) {
        let mut ours = self.trigger().into_future();
        let mut other = None;
        let ours = poll_fn(|context| {
            let polled = ours.as_mut().poll(context);
            if other.is_none() && self.sent() > 0 {
                other = Some(self.target.run(act()));
            }
            polled
        });
        let ours = ours.await;
        (ours, other.unwrap())
    }

    fn names_runs(&self) -> bool {
        self.provider.capabilities_of(&self.target).caller_names_run
    }

    /// Another process, on a machine whose clock shows so much more (or, if negative, less) than ours.
    fn elsewhere(&self, ahead: i64) -> (Provider, ManualClock) {
        let clock = ManualClock::new();
        clock.set_utc(self.clock.utc() + chrono::TimeDelta::seconds(ahead));
        ((self.another)(&clock), clock)
    }

    fn vendor(&self) -> String {
        self.provider.vendor().to_string()
    }
}

async fn everywhere(check: impl AsyncFn(Subject)) {
    check(at_adobe().await).await;
    check(at_arcgis().await).await;
    check(at_foundry().await).await;
    check(at_mode().await).await;
    check(at_supermetrics().await).await;
    check(at_transfers().await).await;
}

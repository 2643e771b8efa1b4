//! A provider for any of the vendors: for your account if the vendor's environment variables are set, otherwise for a fake on this
//! machine.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::supermetrics::transfers;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::{FakeSupermetrics, FakeTransfers};
use scheduled_runs::{
    Error, ErrorKind, Phase, Result, RunProvider, Target, adobe, arcgis, foundry, mode,
    supermetrics, testing,
};

use environment::{account, variable};

#[path = "environment.rs"]
pub(crate) mod environment;

/// All vendors.
pub(crate) const VENDORS: [&str; 6] =
    ["adobe", "arcgis", "foundry", "mode", "supermetrics", "supermetrics-transfers"];

/// A provider, what it runs, and the fake behind it if there is one. A fake lives as long as this value.
pub(crate) struct Connected {
    pub(crate) provider: Arc<dyn RunProvider>,
    pub(crate) target: Target,
    pub(crate) fake: Option<Box<dyn Fake>>,
}

/// How a run on a fake goes.
#[derive(Clone, Copy)]
pub(crate) enum Plan {
    Succeeds,
    Fails,
    NeverEnds,
    /// It succeeds after so many polls.
    Takes(u32),
}

impl Plan {
    fn or(self, fails: testing::Plan) -> testing::Plan {
        match self {
            Self::Succeeds => testing::Plan::succeeds(),
            Self::Fails => fails,
            Self::NeverEnds => testing::Plan::never_ends(),
            Self::Takes(polls) => testing::Plan::succeeds().takes(polls),
        }
    }
}

/// What an example can do with a fake.
pub(crate) trait Fake {
    /// Plans the next run. For a vendor that cannot trigger runs, the run starts now, as if by its schedule.
    fn next_run(&self, plan: Plan);

    /// Adds a target that has runs of several weeks.
    fn with_history(&self) -> Target;

    /// The environment variables with which another process uses this fake.
    fn variables(&self) -> Vec<(&'static str, String)>;
}

/// A vendor's name, as people write it.
pub(crate) fn name(vendor: &str) -> &str {
    match vendor {
        "adobe" => "Adobe",
        "arcgis" => "ArcGIS",
        "foundry" => "Foundry",
        "mode" => "Mode",
        "supermetrics" => "Supermetrics",
        "supermetrics-transfers" => "Supermetrics transfers",
        other => other,
    }
}

/// Reads `vendor` or `vendor:target`.
pub(crate) fn parse(argument: &str) -> Result<(String, Option<Target>)> {
    let (vendor, target) = if argument.contains(':') {
        let target: Target = argument.parse()?;
        (target.vendor().to_string(), Some(target))
    } else {
        (argument.to_owned(), None)
    };
    if VENDORS.contains(&&*vendor) { Ok((vendor, target)) } else { Err(unknown(&vendor)) }
}

fn unknown(vendor: &str) -> Error {
    config(format!("unknown vendor {vendor:?}; use one of {}", VENDORS.join(", ")))
}

/// Connects to a vendor. If `target` is `None`, the environment names the target, or the fake has one.
pub(crate) async fn connect(vendor: &str, target: Option<Target>) -> Result<Connected> {
    match vendor {
        "adobe" => adobe(target).await,
        "arcgis" => arcgis(target).await,
        "foundry" => foundry(target).await,
        "mode" => mode(target).await,
        "supermetrics" => supermetrics(target).await,
        "supermetrics-transfers" => transfers(target).await,
        _ => Err(unknown(vendor)),
    }
}

async fn adobe(target: Option<Target>) -> Result<Connected> {
    let names = ["ADOBE_CLIENT_ID", "ADOBE_CLIENT_SECRET", "ADOBE_ORG_ID", "ADOBE_SANDBOX"];
    let Some([id, secret, org, sandbox]) = account_for(
        names,
        "ADOBE_SCHEDULE_ID",
        target.as_ref(),
        &["ADOBE_BASE_URL", "ADOBE_TOKEN_URL"],
    )?
    else {
        let fake = FakeAdobe::start().await;
        announce("Adobe Query Service", &fake.base_url(), &names, "ADOBE_SCHEDULE_ID");
        let provider = Arc::new(fake.client_builder().build()?);
        let target = target.unwrap_or_else(|| adobe::target("nightly-orders"));
        return Ok(Connected { provider, target, fake: Some(Box::new(fake)) });
    };
    let mut token = adobe::ServerToServer::new(id, secret);
    if let Some(url) = variable("ADOBE_TOKEN_URL") {
        token = token.token_url(url);
    }
    let base_url = variable("ADOBE_BASE_URL");
    let client = adobe::Client::builder()
        .credential(token)
        .org_id(org)
        .sandbox(sandbox)
        .base_url(base_url.unwrap_or_else(|| adobe::BASE_URL.to_owned()))
        .build()?;
    let target = given(target, "ADOBE_SCHEDULE_ID", |id| Ok(adobe::target(id)))?;
    Ok(Connected { provider: Arc::new(client), target, fake: None })
}

impl Fake for FakeAdobe {
    fn next_run(&self, plan: Plan) {
        self.next_run(
            plan.or(testing::Plan::fails("relation \"orders_raw\" is gone").code("42P01")),
        );
    }

    fn with_history(&self) -> Target {
        let schedule = self.add_schedule("nightly-sales");
        for (at, took, phase) in history(TimeDelta::days(1)) {
            // The service has no state for skipped runs.
            let run = testing::NewRun::new(match phase {
                Phase::Failed => "FAILED",
                Phase::Cancelled => "KILLED",
                _ => "SUCCESS",
            });
            let run =
                run.created(at).took(took).code("42P01").reason("relation \"sales_raw\" is gone");
            self.add_run(&schedule, run);
        }
        adobe::target(schedule)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ADOBE_CLIENT_ID", Self::CLIENT_ID.to_owned()),
            ("ADOBE_CLIENT_SECRET", Self::CLIENT_SECRET.to_owned()),
            ("ADOBE_ORG_ID", Self::ORG_ID.to_owned()),
            ("ADOBE_SANDBOX", Self::SANDBOX.to_owned()),
            ("ADOBE_BASE_URL", self.base_url()),
            ("ADOBE_TOKEN_URL", self.token_url()),
        ]
    }
}

async fn arcgis(target: Option<Target>) -> Result<Connected> {
    let names = ["ARCGIS_PORTAL", "ARCGIS_USERNAME", "ARCGIS_PASSWORD"];
    let server = "ARCGIS_NOTEBOOK_SERVER";
    let Some([portal, user, password]) =
        account_for(names, "ARCGIS_TASK", target.as_ref(), &[server])?
    else {
        let fake = FakeArcGis::start().await;
        announce("ArcGIS Enterprise", &fake.base_url(), &names, "ARCGIS_TASK");
        let provider = Arc::new(fake.client_builder().build()?);
        let demo = || arcgis::user_target(FakeArcGis::USERNAME, FakeArcGis::NOTEBOOK);
        let target = target.unwrap_or_else(demo);
        return Ok(Connected { provider, target, fake: Some(Box::new(fake)) });
    };
    let target = given(target, "ARCGIS_TASK", |task| Ok(arcgis::user_target(&*user, task)))?;
    let mut client = arcgis::Client::builder()
        .base_url(portal)
        .credential(arcgis::GenerateToken::new(user, password));
    if let Some(url) = variable(server) {
        client = client.notebook_server(url);
    }
    Ok(Connected { provider: Arc::new(client.build()?), target, fake: None })
}

impl Fake for FakeArcGis {
    fn next_run(&self, plan: Plan) {
        let plan = plan.or(testing::Plan::fails("KeyError: 'counts'"));
        // Of the task, and of the notebook, if that is what is run.
        self.next_run(plan.clone());
        self.start_run(Self::NOTEBOOK, plan);
    }

    fn with_history(&self) -> Target {
        let task = self.add_task(Self::USERNAME, "Road works");
        for (at, took, phase) in history(TimeDelta::days(1)) {
            // The vendor cannot cancel runs of tasks.
            let run = match phase {
                Phase::Failed => testing::NewRun::new("failed").reason("KeyError: 'roads'"),
                Phase::Skipped => testing::NewRun::new("skipped"),
                _ => testing::NewRun::new("succeeded"),
            };
            self.add_run(&task, run.created(at).took(took));
        }
        arcgis::user_target(Self::USERNAME, task)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ARCGIS_PORTAL", self.base_url()),
            ("ARCGIS_USERNAME", Self::USERNAME.to_owned()),
            ("ARCGIS_PASSWORD", Self::PASSWORD.to_owned()),
        ]
    }
}

async fn foundry(target: Option<Target>) -> Result<Connected> {
    let names = ["FOUNDRY_HOSTNAME", "FOUNDRY_TOKEN"];
    let Some([host, token]) = account_for(names, "FOUNDRY_SCHEDULE_RID", target.as_ref(), &[])?
    else {
        let fake = FakeFoundry::start().await;
        announce("Palantir Foundry", &fake.base_url(), &names, "FOUNDRY_SCHEDULE_RID");
        let provider = Arc::new(fake.client_builder().build()?);
        let target = target.unwrap_or_else(|| foundry::target(FakeFoundry::NIGHTLY_ORDERS));
        return Ok(Connected { provider, target, fake: Some(Box::new(fake)) });
    };
    let client = foundry::Client::builder()
        .hostname(host)
        .credential(foundry::UserToken::new(token))
        .build()?;
    let target = given(target, "FOUNDRY_SCHEDULE_RID", |rid| Ok(foundry::target(rid)))?;
    Ok(Connected { provider: Arc::new(client), target, fake: None })
}

impl Fake for FakeFoundry {
    fn next_run(&self, plan: Plan) {
        self.next_run(plan.or(testing::Plan::fails("a job failed")));
    }

    fn with_history(&self) -> Target {
        let schedule = self.add_schedule("nightly-sales");
        for (at, took, phase) in history(TimeDelta::days(1)) {
            let run = testing::NewRun::new(match phase {
                Phase::Failed => "FAILED",
                Phase::Cancelled => "CANCELED",
                Phase::Skipped => "ignored",
                _ => "SUCCEEDED",
            });
            self.add_run(&schedule, run.created(at).took(took));
        }
        foundry::target(schedule)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![("FOUNDRY_HOSTNAME", self.base_url()), ("FOUNDRY_TOKEN", self.access_token())]
    }
}

async fn mode(target: Option<Target>) -> Result<Connected> {
    let names = ["MODE_WORKSPACE", "MODE_API_TOKEN", "MODE_API_SECRET"];
    let Some([workspace, token, secret]) =
        account_for(names, "MODE_REPORT", target.as_ref(), &["MODE_BASE_URL"])?
    else {
        let fake = FakeMode::start().await;
        announce("Mode", &fake.base_url(), &names, "MODE_REPORT");
        let provider = Arc::new(fake.client_builder().build()?);
        let target = target.unwrap_or_else(|| mode::target(FakeMode::REPORT));
        return Ok(Connected { provider, target, fake: Some(Box::new(fake)) });
    };
    let mut client =
        mode::Client::builder().workspace(workspace).credential(mode::ApiToken::new(token, secret));
    if let Some(url) = variable("MODE_BASE_URL") {
        client = client.base_url(url);
    }
    let target = given(target, "MODE_REPORT", |report| Ok(mode::target(report)))?;
    Ok(Connected { provider: Arc::new(client.build()?), target, fake: None })
}

impl Fake for FakeMode {
    fn next_run(&self, plan: Plan) {
        self.next_run(
            plan.or(testing::Plan::fails("column \"churned\" is gone").code("SqlUnknownColumn")),
        );
    }

    fn with_history(&self) -> Target {
        let report = self.add_report("Daily Sales");
        for (at, took, phase) in history(TimeDelta::days(1)) {
            // The vendor skips no runs.
            let run = testing::NewRun::new(match phase {
                Phase::Failed => "failed",
                Phase::Cancelled => "cancelled",
                _ => "succeeded",
            });
            let run = run.created(at).took(took);
            self.add_run(&report, run.code("SqlUnknownColumn").reason("column \"sold\" is gone"));
        }
        mode::target(report)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("MODE_WORKSPACE", Self::WORKSPACE.to_owned()),
            ("MODE_API_TOKEN", Self::API_TOKEN.to_owned()),
            ("MODE_API_SECRET", Self::API_SECRET.to_owned()),
            ("MODE_BASE_URL", self.base_url()),
        ]
    }
}

async fn supermetrics(target: Option<Target>) -> Result<Connected> {
    let names = ["SUPERMETRICS_API_KEY"];
    let Some([key]) =
        account_for(names, "SUPERMETRICS_QUERY", target.as_ref(), &["SUPERMETRICS_BASE_URL"])?
    else {
        let fake = FakeSupermetrics::start().await;
        let query = "SUPERMETRICS_QUERY, such as {\"ds_id\": …, \"fields\": …}";
        announce("Supermetrics", &fake.base_url(), &names, query);
        let provider = Arc::new(fake.client_builder().build()?);
        let target = target.unwrap_or_else(|| supermetrics::target(&clicks()));
        return Ok(Connected { provider, target, fake: Some(Box::new(fake)) });
    };
    let base_url = variable("SUPERMETRICS_BASE_URL");
    let client = supermetrics::Client::builder()
        .credential(supermetrics::ApiKey::new(key))
        .base_url(base_url.unwrap_or_else(|| supermetrics::BASE_URL.to_owned()))
        .build()?;
    let target = given(target, "SUPERMETRICS_QUERY", |text| {
        let query: supermetrics::Query = serde_json::from_str(&text).map_err(|error| {
            config("SUPERMETRICS_QUERY is not a query as JSON").with_source(error)
        })?;
        Ok(supermetrics::target(&query))
    })?;
    Ok(Connected { provider: Arc::new(client), target, fake: None })
}

fn clicks() -> supermetrics::Query {
    supermetrics::Query::new(FakeSupermetrics::DATA_SOURCE)
        .accounts([FakeSupermetrics::ACCOUNT])
        .start_date("2026-03-01")
        .end_date("yesterday")
        .fields(["date", "clicks"])
}

impl Fake for FakeSupermetrics {
    fn next_run(&self, plan: Plan) {
        self.next_run(plan.or(testing::Plan::fails("The data source is down.")));
    }

    /// The service lists the runs of one day, and reports neither when they began nor when they ended.
    fn with_history(&self) -> Target {
        let id = "half-hourly-clicks";
        for (at, _, phase) in history(TimeDelta::minutes(30)) {
            let state = match phase {
                Phase::Failed => "FAILURE",
                Phase::Cancelled => "STOPPED",
                _ => "SUCCESS",
            };
            self.add_run(Self::DATA_SOURCE, testing::NewRun::new(state).created(at).id(id));
        }
        supermetrics::target(&clicks().schedule_id(id))
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SUPERMETRICS_API_KEY", Self::API_KEY.to_owned()),
            ("SUPERMETRICS_BASE_URL", self.base_url()),
        ]
    }
}

async fn transfers(target: Option<Target>) -> Result<Connected> {
    let names = ["SUPERMETRICS_TRANSFERS_API_KEY", "SUPERMETRICS_TEAM"];
    let (base, transfer) = ("SUPERMETRICS_TRANSFERS_BASE_URL", "SUPERMETRICS_TRANSFER");
    let Some([key, team]) = account_for(names, transfer, target.as_ref(), &[base])? else {
        let fake = FakeTransfers::start().await;
        announce("Supermetrics transfers", &fake.base_url(), &names, transfer);
        let client = fake.client_builder().build()?;
        let target = target.unwrap_or_else(|| client.target(FakeTransfers::TRANSFER));
        return Ok(Connected { provider: Arc::new(client), target, fake: Some(Box::new(fake)) });
    };
    let team = team.parse().map_err(|_| config("SUPERMETRICS_TEAM is not a number"))?;
    let mut client =
        transfers::Client::builder().team(team).credential(supermetrics::ApiKey::new(key));
    if let Some(url) = variable(base) {
        client = client.base_url(url);
    }
    let client = client.build()?;
    let target = given(target, transfer, |id| Ok(client.target(id)))?;
    Ok(Connected { provider: Arc::new(client), target, fake: None })
}

impl Fake for FakeTransfers {
    fn next_run(&self, plan: Plan) {
        self.next_run(plan.or(testing::Plan::fails("The warehouse is full.")));
    }

    fn with_history(&self) -> Target {
        let transfer = self.add_transfer("Daily sales");
        for (at, took, phase) in history(TimeDelta::days(1)) {
            // No status is documented for runs that were cancelled or skipped.
            let run = match phase {
                Phase::Failed => testing::NewRun::new("FAILED").reason("The warehouse is full."),
                _ => testing::NewRun::new("COMPLETED"),
            };
            self.add_run(&transfer, run.created(at).took(took));
        }
        transfers::target(Self::TEAM, transfer)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SUPERMETRICS_TRANSFERS_API_KEY", Self::API_KEY.to_owned()),
            ("SUPERMETRICS_TEAM", Self::TEAM.to_string()),
            ("SUPERMETRICS_TRANSFERS_BASE_URL", self.base_url()),
        ]
    }
}

/// Thirty runs, oldest first: when each was created, how long it took, how it ended. The runs take longer over time, and two of
/// them took very long.
fn history(pause: TimeDelta) -> impl Iterator<Item = (DateTime<Utc>, Duration, Phase)> {
    let now = SystemClock::default().utc();
    (1..=30_i32).rev().map(move |age| {
        let (phase, seconds) = match age {
            8 => (Phase::Failed, 45),
            21 => (Phase::Failed, 130),
            5 => (Phase::Cancelled, 610),
            14 => (Phase::Skipped, 290),
            17 | 18 => (Phase::Succeeded, 540 - 4 * age.unsigned_abs()),
            _ => (Phase::Succeeded, 330 - 4 * age.unsigned_abs() + age.unsigned_abs() * 37 % 50),
        };
        (now - pause * age, Duration::from_secs(seconds.into()), phase)
    })
}

/// The account that the environment names, if it names one. If there is no target yet, it must name one too.
fn account_for<const N: usize>(
    names: [&str; N],
    target_name: &str,
    target: Option<&Target>,
    optional: &[&str],
) -> Result<Option<[String; N]>> {
    match target {
        None => account(names, &[target_name], optional),
        Some(_) => account(names, &[], &[&[target_name], optional].concat()),
    }
}

/// The target, or else the one that this environment variable names.
fn given(
    target: Option<Target>,
    name: &str,
    make: impl FnOnce(String) -> Result<Target>,
) -> Result<Target> {
    match (target, variable(name)) {
        (Some(target), _) => Ok(target),
        (None, Some(value)) => make(value),
        (None, None) => Err(config(format!("also set {name}, which names what to run"))),
    }
}

fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message.into())
}

fn announce(what: &str, url: &str, account: &[&str], target: &str) {
    let account = account.join("\n  ");
    // If nobody reads this, the example finds out with its next line.
    let _ = writeln!(
        std::io::stdout(),
        "Using a fake of {what} at\n  {url}\nTo use your own account, set\n  {account}\n\
         and, for what to run,\n  {target}"
    );
}

//! Setters: each changes something, and none forgets or overwrites what another one has set.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use scheduled_runs::client::{Lease, Limits, RetryPolicy, oauth};
use scheduled_runs::run::{Capabilities, Event, Failure, History};
use scheduled_runs::testing::{FakeProvider, ManualClock, NewRun, Plan};
use scheduled_runs::{
    CallLimits, CallOptions, Cursor, Phase, RunProviderExt as _, RunSnapshot, Target, Vendor,
    adobe, arcgis, foundry, mode, supermetrics,
};
use serde_json::json;

const SHORT: Duration = Duration::from_secs(7);
const LONG: Duration = Duration::from_secs(77);

/// A setter with its argument: its name, and what it does to a value as it is printed.
type Setter<'a, T> = (&'static str, &'a dyn Fn(T) -> T);

/// Calls each two of the setters, in both orders.
fn check<T: Debug>(value: &str, new: impl Fn() -> T, setters: &[Setter<'_, T>]) {
    let printed = |calls: &[&Setter<'_, T>]| {
        let text = format!("{:?}", calls.iter().fold(new(), |value, (_, set)| set(value)));
        // The plan of a fake also notes which setters were called, in their order.
        text.split(", verbs: [").next().unwrap_or_default().to_owned()
    };
    for one in setters {
        assert_ne!(printed(&[one]), printed(&[]), "{value}: {} changes nothing", one.0);
        for other in setters.iter().filter(|other| other.0 != one.0) {
            let both = printed(&[one, other]);
            let names = (one.0, other.0);
            assert_ne!(
                both,
                printed(&[other]),
                "{value}: of {names:?} the second forgets the first"
            );
            assert_eq!(both, printed(&[other, one]), "{value}: the order of {names:?} matters");
        }
    }
}

/// The same function, of the type that the values have.
fn of<T, F: Fn(T) -> T>(_: &impl Fn() -> T, set: F) -> F {
    set
}

/// Checks the setters of values, and notes their names.
macro_rules! check_all {
    ($($new:expr => $($setter:ident($($argument:expr),*))+;)+) => {{
        let mut names = BTreeSet::new();
        $(
            let new = || $new;
            check(stringify!($new), &new, &[
                $((stringify!($setter), &of(&new, |value| value.$setter($($argument),*)))),+
            ]);
            names.extend([$(stringify!($setter)),+]);
        )+
        names
    }};
}

/// Fails for a setter in these files or folders, below `src/`, that has no place in the tables. By its name: two types may
/// have setters of one name.
fn assert_complete(sources: &[&str], checked: &BTreeSet<&'static str>, others: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources.iter().flat_map(|source| match root.join(source) {
        folder if folder.is_dir() => {
            let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            files.filter(|file| file.is_file()).collect()
        }
        file => vec![file],
    });
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let text: String =
            text.replace("pub fn $", "").split_whitespace().collect::<Vec<_>>().join(" ");
        for found in text.split("pub fn ").skip(1) {
            let (head, _) = found.split_once('{').unwrap_or((found, ""));
            let name = head.split(['(', '<']).next().unwrap_or_default();
            let sets = head.contains("(mut self") || head.contains("( mut self");
            let known = checked.contains(name) || others.contains(&name);
            assert!(!sets || known, "{name} in {} is not checked", file.display());
        }
    }
}

fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

#[test]
fn no_setter_of_the_core_forgets_another() {
    let clock = ManualClock::new();
    let lease = Lease::new(&clock, SHORT);
    let provider = FakeProvider::new();
    let target = provider.target("t");
    let run = target.run("r");
    let client = || adobe::Client::builder().org_id("o").sandbox("s");
    let history = || History::new(target.clone(), [SHORT]);
    let options = || CallOptions::default().max_body(7);
    let tokens = || oauth::ClientCredentials::new("x", "https://h/t", "id", "secret");
    let names = check_all! {
        RetryPolicy::default() => max_attempts(7) base(SHORT) rate_limited_base(SHORT) cap(SHORT)
            longest_server_pause(SHORT) budget(7);
        Limits::default() => connect(SHORT) attempt(SHORT) idle(SHORT) call(SHORT) max_body(7) in_flight(7)
            paced(false);
        CallOptions::default() => deadline(SHORT) attempt_timeout(SHORT) max_attempts(7) max_body(7);
        Lease::new(&clock, SHORT) => arriving_within(SHORT);
        CallLimits::from(options()) => time_left(SHORT) lease(lease);
        Capabilities::new() => list() trigger() cancel() poll_floor(SHORT);
        Capabilities::new() => caller_names_run() list() cancel() poll_floor(SHORT);
        Failure::new("x") => code("c") part("p") log_url("u");
        Target::new(Vendor::new("acme"), "id") => scoped("s");
        provider.prepare(&target) => lease(SHORT) arrival(SHORT) clock_skew(SHORT) grace(LONG) options(options())
            excluding([run.clone()]);
        provider.trigger(&target) => verify() grace(SHORT) settle(LONG) options(options()) excluding([run.clone()]);
        provider.trigger(&target) => retry_if_not_started() grace(SHORT) settle(LONG) options(options());
        provider.wait(&run) => every(SHORT) backoff(7.0, LONG) jitter(0.5) timeout(LONG) tolerate(7)
            appears_within(SHORT) options(options()) cancel_on_timeout() cancel_on_drop(provider.clone())
            paced_by(history()) longest_interval(LONG) wake_on(futures_util::stream::empty()) learn();
        Event::of(Vendor::new("acme")) => scope("s") target("t") run("r");
        provider.wait(&run) => tolerate_for(SHORT) timeout(LONG);
        provider.wait(&run) => forever() every(SHORT);
        provider.runs(&target) => since(utc("2026-01-01T00:00:00Z")) with_reasons();
        RunSnapshot::new(run.clone(), Phase::Queued) => observed(Some(utc("2026-01-01T00:00:00Z")));
        provider.wait_all([run.clone()]) => every(SHORT) backoff(7.0, LONG) jitter(0.5) timeout(LONG) tolerate(7)
            appears_within(SHORT) options(options()) joined_by(futures_util::stream::empty())
            paced_by(history()) longest_interval(LONG) wake_on(futures_util::stream::empty());
        client() => limits(Limits::default().idle(SHORT)) retry(RetryPolicy::default().cap(SHORT))
            scope("s") user_agent("a") allow_plain_http()
            credential(adobe::AccessToken::new("k", "t")) on_drift(|_| ()) on_call(|_| ());
        tokens() => scopes(["a"]) basic_auth() default_lifetime(SHORT) max_lifetime(SHORT);
        tokens() => scope("a") basic_auth() default_lifetime(SHORT);
        Plan::fails("x") => takes(7) code("c") reason("r") after_lists(7) listed_after(SHORT) rows(7) split_by(&["a"]);
        Plan::fails("x") => table(vec![vec![json!(1)]]) code("c");
        NewRun::new("x") => purged() id("i") created(utc("2026-01-01T00:00:00Z")) took(SHORT) triggered(true) reason("r")
            code("c") message("m") rows(7) app_id("a") url("u");
    };
    assert_complete(
        &[
            "client/retry.rs",
            "client/limits.rs",
            "client/builder.rs",
            "client/oauth.rs",
            "run",
            "testing/kit/plan.rs",
        ],
        &names,
        &[
            "transport",
            "clock",
            "base_url",
            "token_url",
            "dialect",
            "on_end",
            "on_failed_poll",
            "on_update",
            "until",
            "parameters",
            "doubtful",
            "kept_since",
            "excluding",
        ],
    );
}

#[test]
fn no_setter_of_adobe_forgets_another() {
    use adobe::*;

    let time = utc("2026-01-01T00:00:00Z");
    let query = || QueryDef::sql("db", "select 1");
    let journal = Journal::builder().base_url("https://h/j").client_id("c").org_id("o");
    let journal = journal.build().unwrap();
    let names = check_all! {
        ListRuns::new("s") => newest_first() order_by(TimeField::Updated) filter(RunFilter::external_trigger(true))
            limit(7) start(time);
        ListSchedules::new() => newest_first() order_by(TimeField::Updated) filter(ScheduleFilter::template("t"))
            limit(7) start(time);
        ListTemplates::new() => newest_first() order_by(TimeField::Updated) filter(TemplateFilter::raw("a==b")) limit(7)
            start(time);
        ListAccounts::new() => newest_first() order_by(TimeField::Updated) filter(AccountFilter::raw("a==b")) limit(7)
            start(time);
        ListQueries::new() => newest_first() order_by(TimeField::Updated) filter(QueryFilter::user("u")) limit(7)
            start(time) include_soft_deleted() include_hidden();
        ListAlerts::new() => newest_first() order_by(TimeField::Updated) filter(AlertFilter::raw("a==b")) page_size(7);
        CountTemplates::new() => user("u");
        QueryDef::template("db", "t") => name("n") description("d") parameter("a", "b") insert_into("x");
        query() => create_dataset("n", "d") name("n");
        CreateSchedule::new(query(), "* * * * *", time) => end(time) max_active_runs(7);
        TemplateDef::new("n", "select 1") => parameter("a", "b");
        RunAcceleratedQuery::sql("db", "select 1") => name("n") description("d");
        CreateAccount::new("n", "u") => description("d");
        UpdateAccount::new("a") => name("n") assigned_to_user("u") description("d");
        IpRange::new("10.0.0.0/8") => description("d");
        journal.events() => since(Cursor::new("p")) limit(7);
        journal.events() => latest() limit(7);
        journal.events() => seek(SHORT) limit(7);
        CreateAlert::new("a", AlertType::Failure, ["u@example.com"]) => in_context_notifications(false) email_notifications(false);
    };
    // `oldest_first` is the default; secrets are not printed, and neither are clocks, transports and hosts.
    let others = [
        "oldest_first",
        "credential",
        "org_id",
        "client_id",
        "sandbox",
        "transport",
        "clock",
        "key_host",
    ];
    assert_complete(&["adobe"], &names, &others);
}

#[test]
fn no_setter_of_arcgis_forgets_another() {
    use arcgis::*;

    let time = utc("2026-01-01T00:00:00Z");
    let cron = || CronSchedule::every_minutes(7).unwrap();
    let other = || CronSchedule::every_minutes(8).unwrap();
    let parameters = || json!({"a": "b"});
    let names = check_all! {
        ListTasks::new() => num(7);
        ListTaskRuns::new("t") => num(7);
        ListUserTaskRuns::new("u", "t") => num(7);
        ListUserTasks::new("u") => num(7) item_id("i") active(true) types(["x"]);
        ListScheduledTasks::new() => num(7) item_id("i") active(true) types(["x"]) portal("p") user("u");
        CreateTask::new("k", cron()) => title("t") parameters(parameters()) start_date(time) end_date(time)
            max_occurrences(7);
        UpdateTask::new("t", "k", cron()) => title("t") item_id("i") parameters(parameters()) start_date(time)
            end_date(time) max_occurrences(7) schedule(other());
        CreateUserTask::new("u", "k", cron()) => title("t") item_id("i") parameters(parameters()) start_date(time)
            end_date(time) max_occurrences(7) task_url("https://h/x");
        UpdateUserTask::new("u", "t", "k", cron()) => title("t") item_id("i") parameters(parameters()) start_date(time)
            end_date(time) max_occurrences(7) task_url("https://h/x") schedule(other()) active(false);
        UpdateLimits::new("a", 1) => and("b", 2);
        UpdateTaskRun::new("t", "r", RunStatus::from("x")) => result("x");
        UpdateUserTaskRun::new("u", "t", "r", RunStatus::from("x")) => result("x");
        BackupParameters::new("n", "s", "p") => description("d") start_time(NaiveTime::MIN)
            retention(RetentionUnit::from("day"), 7);
        ReadyToken::new("t") => referer("r");
        ExecuteNotebook::new("n") => parameters(parameters()) update_portal_item(false) save_injected_parameters(false);
        ListNotebookJobs::new() => detail(true) num(7) sort_by_date(true);
        Client::builder() => notebook_server("https://h/n") scope("s");
    };
    assert_complete(&["arcgis"], &names, &["unlimited", "retention_offset", "server_time_zone"]);
}

#[test]
fn no_setter_of_foundry_forgets_another() {
    use foundry::*;

    let rid = |kind: &str| format!("ri.foundry.main.{kind}.1");
    let target = || BuildTarget::manual([rid("dataset")]);
    let action = || Action::new(target());
    let names = check_all! {
        action() => branch_name("b") fallback_branches(["c"]) force_build(true) retry_count(7) retry_backoff(SHORT)
            abort_on_failure(true) notifications_enabled(true);
        BuildTarget::upstream([rid("dataset")]) => ignore([rid("x")]);
        CreateSchedule::new(action()) => display_name("n") description("d") trigger(Trigger::manual())
            scope_mode(ScopeMode::user()) preview(Preview::Always);
        ReplaceSchedule::new(rid("schedule"), action()) => display_name("n") description("d") trigger(Trigger::manual())
            scope_mode(ScopeMode::user()) preview(Preview::Always);
        SearchBuilds::new(SearchBuildsFilter::branch_name("b")) => order_by(TimeField::Started, Direction::Descending)
            page_size(7) preview(Preview::Always);
        ListDatasetSchedules::new(rid("dataset")) => branch_name("b") page_size(7) preview(Preview::Always);
        ListScheduleRuns::new(rid("schedule")) => page_size(7) preview(Preview::Always);
        ListBuildJobs::new(rid("build")) => page_size(7) preview(Preview::Always);
        Client::builder() => hostname("h") preview(Preview::Always);
    };
    assert_complete(&["foundry"], &names, &[]);
}

#[test]
fn no_setter_of_mode_forgets_another() {
    use mode::*;

    let time = utc("2026-01-01T00:00:00Z");
    let filter = || Filter::before(TimeField::Created, time);
    let names = check_all! {
        ListReportRuns::new("r") => per_page(7) order_by(TimeField::Updated) filter(filter());
        ListReportRuns::new("r") => per_page(7) raw_order("a", "b") filter(filter());
        ListSpaces::new() => per_page(7) filter(SpaceFilter::All);
        CreateReportRun::new("r") => parameter("a", 1);
        CreateQuery::new("r", 1, "select 1") => name("n");
        UpdateQuery::new("r", "q") => name("n") raw_query("select 2") data_source_id(2);
        CreateSchedule::new("r", Cron::daily(1, 2)) => name("n") timeout(SHORT) parameter("a", 1);
        UpdateSchedule::new("r", "s") => name("n") timeout(SHORT) parameter("a", 1) cron(Cron::daily(1, 2));
        Cron::daily(1, 2) => time_zone("z");
        CreateSubscription::new("r") => csv_attachments(true) pdf_attachments(true) data_previews(true)
            data_tables(true) report_links(true);
        UpdateSubscription::new("r", "s") => csv_attachments(true) pdf_attachments(true) data_previews(true)
            data_tables(true) report_links(true);
        Client::builder() => workspace("w");
    };
    assert_complete(&["mode"], &names, &[]);
}

#[test]
fn no_setter_of_supermetrics_forgets_another() {
    use supermetrics::*;

    let query = || Query::new("GA");
    let names = check_all! {
        query() => schedule_id("s") accounts("1,2") segments("s") user("u") users("u") date_range_type("x") start_date("a")
            end_date("b") compare_type("custom") compare_show("c") compare_start_date("d") compare_end_date("e") fields("f")
            filter("g") order_columns("o") order_rows("r") max_columns(7) max_rows(7) offset_start(7) offset_end(7)
            cache_minutes(7) sync_timeout(SHORT) no_headers() no_json_keys() setting("a", "b") parameter("c", "d");
        ListAccounts::new("GA") => users("u") cache_minutes(7);
        CreateBatch::new([query()]) => description("d") split_accounts() split_dates() timeout(LONG * 10) query_concurrency(7)
            format(Format::Csv) exclude_account_errors() clean_data_types();
        ListBatchQueries::new("b") => limit(7);
        DownloadQuery::new(query(), Format::Csv) => post();
        GetResults::new("r") => offset(7) limit(7);
        ListHistory::new() => ds_ids("GA") states([QueryState::Failure]) since("a") until("b") limit(7);
        ListRows::new("r") => limit(7) no_headers();
        ListResults::new("r") => limit(7) no_headers();
        RunQuery::new(query()) => post();
        StartQuery::new(query()) => format(Format::Csv) post();
        GetQueryStatus::new("r") => offset_start(7) offset_end(7) no_headers();
        RunSavedQuery::new("q") => dates("a", "b") max_columns(7) max_rows(7) offset_start(7) offset_end(7)
            sync_timeout(SHORT);
        DownloadSavedQuery::new("q", Format::Csv) => date_range_type("x") max_columns(7) max_rows(7) offset_start(7)
            offset_end(7) sync_timeout(SHORT);
    };
    assert_complete(&["supermetrics"], &names, &["in_parameters"]);
}

#[test]
fn no_setter_of_transfers_forgets_another() {
    use supermetrics::transfers::*;

    let day = chrono::NaiveDate::default();
    let account = || TransferAccount::new("u", 1, "a");
    let names = check_all! {
        ListTransferRuns::new("t", day, day) => issues_only() order_by(TimeField::Ended) newest_first() limit(7);
        ListTransferRuns::new("t", day, day) => oldest_first() limit(7);
        NewTransfer::new("AW", 1, 2, "n") => schedule(Schedule::hourly()) account(account())
            segment(Segment::new(account(), "i", "n")) setting(Setting::new("f", 1)) notify("e") transfer_type(7);
        Schedule::hourly() => refresh_window(7);
        Setting::new("f", 1) => group("g");
        Client::builder() => team(7) scope("s");
    };
    assert_complete(&["supermetrics/transfers"], &names, &[]);
}

//! The JSON of reports, runs and the like.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::FakeMode;
use super::state::{Query, QueryRun, Report, Run, Schedule, Subscription, is_active};
use crate::testing::kit::segment;

/// Where the API starts.
pub(super) const API: &str = "/api";
/// Where [`FakeMode::WORKSPACE`] starts.
pub(super) const BASE_PATH: &str = "/api/initech";
/// Web pages. They are on another host on purpose: no client may send its secret there.
const WEB: &str = "https://app.mode.com/initech";
const CALLER: &str = "/api/pgibbons";
const ACCOUNT_ID: u64 = 1_830_442;

/// What a subscription may contain, under the names of requests.
pub(super) const CONTENTS: [&str; 5] =
    ["csv_attachments", "pdf_attachments", "data_previews", "data_tables", "report_links"];

pub(super) struct Space {
    pub(super) token: &'static str,
    id: u64,
    name: &'static str,
    pub(super) private: bool,
    /// Whether it belongs to the caller.
    pub(super) mine: bool,
}

pub(super) const SPACES: [Space; 3] = [
    Space { token: FakeMode::SPACE, id: 2_410_033, name: "Finance", private: false, mine: false },
    Space { token: "d1f04b7a926e", id: 2_410_034, name: "Personal", private: true, mine: true },
    Space { token: "e6a83c5d0b17", id: 2_410_035, name: "Personal", private: true, mine: false },
];

#[derive(Clone, Copy)]
pub(super) struct Source {
    pub(super) token: &'static str,
    pub(super) id: u64,
    name: &'static str,
    vendor: &'static str,
    port: u16,
}

pub(super) const SOURCE: Source = Source {
    token: FakeMode::DATA_SOURCE,
    id: FakeMode::DATA_SOURCE_ID,
    name: "Warehouse",
    vendor: "postgresql",
    port: 5432,
};

pub(super) const SOURCES: [Source; 2] = [
    SOURCE,
    Source { token: "a90e4c2d7f53", id: 52_108, name: "Lake", vendor: "trino", port: 8443 },
];

/// Settings of the format of responses.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(super) struct Form {
    /// Scheme, host and port of the fake.
    pub(super) origin: String,
    pub(super) absolute: bool,
    pub(super) numeric_ids: bool,
    pub(super) next_past_end: bool,
    pub(super) cancel_forms: bool,
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn add(object: &mut Value, members: &Value) {
    if let (Some(object), Some(members)) = (object.as_object_mut(), members.as_object()) {
        object.extend(members.clone());
    }
}

fn run_path(report: &str, run: &str) -> String {
    format!("{BASE_PATH}/reports/{report}/runs/{}", segment(run))
}

impl Report {
    fn path(&self) -> String {
        format!("{BASE_PATH}/reports/{}", self.token)
    }

    fn kind(&self) -> &'static str {
        if self.dataset { "DatasetReport" } else { "Report" }
    }
}

impl Form {
    /// A path that starts with `/api`, or the same with the fake's host.
    pub(super) fn link(&self, path: &str) -> Value {
        let origin = if self.absolute { self.origin.as_str() } else { "" };
        json!({ "href": format!("{origin}{path}") })
    }

    /// `self`, the workspace, and what is found below `own`.
    fn links<const N: usize>(&self, own: &str, below: [(&str, &str); N]) -> Value {
        let mut links = json!({ "self": self.link(own), "account": self.link(BASE_PATH) });
        for (name, path) in below {
            add(&mut links, &json!({ name: self.link(&format!("{own}{path}")) }));
        }
        links
    }

    fn id(&self, number: u64) -> Value {
        if self.numeric_ids { number.into() } else { number.to_string().into() }
    }

    /// `GET /api/verify`.
    pub(super) fn verify(&self) -> Value {
        json!({
            "workspace": FakeMode::WORKSPACE, "workspace_token": "c0a7e51f9d26",
            "api_key_scope": "member", "_links": { "self": self.link("/api/verify") },
        })
    }

    /// A run of a report; below `datasets`, one of a dataset.
    pub(super) fn run(&self, report: &Report, run: &Run, of_dataset: bool) -> Value {
        let own = run_path(&report.token, &run.token);
        let (latest, good) = (report.latest_run(), report.latest_good_run());
        let is_run = |other: Option<&Run>| other.is_some_and(|other| other.token == run.token);
        let mut shown = json!({
            "token": run.token, "state": run.state, "created_at": time(run.created),
            "updated_at": time(run.updated), "completed_at": run.completed.map(time),
            "purge_started_at": run.purged.map(time), "purge_completed_at": run.purged.map(time),
            "is_latest_report_run": is_run(latest),
            "is_latest_successful_report_run": is_run(good),
            "report_has_failures_since_last_success": report.runs.iter().any(|other| {
                other.state == "failed" && good.is_none_or(|good| good.created < other.created)
            }),
            "has_more_recent_successful_run_available":
                good.is_some_and(|good| good.created > run.created),
            "_embedded": {},
        });
        if of_dataset {
            let queries = format!("{own}/query_runs");
            let own = own.replacen("/reports/", "/datasets/", 1);
            let dataset = report.path().replacen("/reports/", "/datasets/", 1);
            let mut links = self.links(&own, []);
            let others =
                json!({ "dataset": self.link(&dataset), "query_runs": self.link(&queries) });
            add(&mut links, &others);
            add(&mut shown, &json!({ "_links": links }));
            return shown;
        }
        let python = match run.state.as_str() {
            "running_notebook" => "submitted",
            _ if !run.notebook => "none",
            "completed" => "succeeded",
            "failed" => "failed",
            _ => "pending",
        };
        let below = [
            ("query_runs", "/query_runs"),
            ("content", "/results/content.csv"),
            ("clone", "/clone"),
        ];
        let mut links = self.links(&own, below);
        let export = own.replacen("/runs/", "/exports/runs/", 1);
        let others = json!({
            "report": self.link(&report.path()), "executed_by": self.link(CALLER),
            "pdf_export": self.link(&format!("{export}/pdf.pdf")),
            "share": { "href": own.replacen("/api", "", 1) },
        });
        add(&mut links, &others);
        if run.scheduled {
            let schedule = format!("{}/schedules/{}", report.path(), report.token);
            add(&mut links, &json!({ "report_schedule": self.link(&schedule) }));
        }
        let members = json!({
            "python_state": python, "parameters": run.parameters, "form_fields": [form_field()],
            "_links": links,
        });
        add(&mut shown, &members);
        if self.cancel_forms && is_active(&run.state) {
            // Without `/api`, as the other forms of the service.
            let action = format!("{}/cancel", own.replacen("/api", "", 1));
            add(
                &mut shown,
                &json!({ "_forms": { "cancel": { "method": "post", "action": action } } }),
            );
        }
        shown
    }

    pub(super) fn query_run(&self, run: &QueryRun) -> Value {
        let parent = run_path(&run.report, &run.run);
        let query = format!("{BASE_PATH}/reports/{}/queries/{}", run.report, run.query.token);
        let own = format!("{parent}/query_runs/{}", run.token);
        let web = |path: &str| json!({ "href": path.replacen("/api", "", 1) });
        let rendered = run.parameters.get("region").and_then(Value::as_str).unwrap_or_default();
        let mut shown = json!({
            "id": if self.numeric_ids { run.id.into() } else { Value::from(run.token.as_str()) },
            "token": run.token, "state": run.state, "created_at": time(run.created),
            "completed_at": run.completed.map(time), "limit": false,
            "data_source_id": self.id(run.query.source.id),
            "data_source_token": run.query.source.token,
            "query_token": run.query.token, "query_name": run.query.name,
            "query_created_at": time(run.query.created), "dbt_metric_id": null,
            "parameters": run.parameters, "raw_source": run.query.sql,
            "rendered_source": run.query.sql.replace("{{ region }}", rendered),
            "max_result_bytes": 6_000_000_000_u64,
            "_links": {
                "self": self.link(&own), "query": self.link(&query), "query_web": web(&query),
                "result": self.link(&format!("{own}/results")),
                "result_web": web(&format!("{own}/results")), "executed_by": self.link(CALLER),
                "report_run": self.link(&parent), "report_run_web": web(&parent),
            },
            "_embedded": {},
        });
        if let Some((code, message)) = &run.error {
            let members = json!({
                "error_code": code, "error_type": "generic", "error_message": message,
                "help_url": "https://mode.com/help",
            });
            add(&mut shown, &members);
        }
        shown
    }

    /// Links to the files. `self` is a path, the links to files have a host.
    pub(super) fn results(&self, run: &QueryRun) -> Value {
        let parent = run_path(&run.report, &run.run);
        let own = format!("{parent}/query_runs/{}/results", run.token);
        let file = |ending| json!({ "href": format!("{}{own}/content.{ending}", self.origin) });
        json!({ "_links": { "self": self.link(&own), "csv": file("csv"), "json": file("json") } })
    }

    pub(super) fn query(&self, report: &Report, query: &Query) -> Value {
        let own = format!("{}/queries/{}", report.path(), query.token);
        let mut links = self.links(&own, [("query_runs", "/runs")]);
        let others = json!({
            "report": self.link(&report.path()), "creator": self.link(CALLER),
            "report_runs": self.link(&format!("{}/runs", report.path())),
        });
        add(&mut links, &others);
        let runs = report.runs.iter().flat_map(|run| &run.queries);
        let last = runs.filter(|run| run.query.token == query.token).max_by_key(|run| run.created);
        json!({
            "id": self.id(query.id), "token": query.token, "name": query.name,
            "raw_query": query.sql, "data_source_id": self.id(query.source.id),
            "created_at": time(query.created), "updated_at": time(query.updated),
            "last_run_id": last.map(|run| self.id(run.id)), "explorations_count": 0,
            "report_imports_count": 0, "dbt_metric_id": null, "_links": links,
        })
    }

    pub(super) fn report(&self, report: &Report) -> Value {
        let (latest, good) = (report.latest_run(), report.latest_good_run());
        let ended = good.and_then(|run| run.completed.map(|end| (end - run.created, end)));
        let mut shown = json!({
            "token": report.token, "id": self.id(report.id), "name": report.name,
            "description": "", "type": report.kind(), "archived": report.archived,
            "space_token": FakeMode::SPACE, "account_id": self.id(ACCOUNT_ID),
            "account_username": FakeMode::WORKSPACE, "public": false, "run_privately": true,
            "manual_run_disabled": false, "query_count": report.queries.len(),
            "max_query_count": 160, "runs_count": report.runs.len(), "view_count": 11,
            "schedules_count": report.schedules.len(), "published_at": null,
            "expected_runtime": ended.map(|(took, _)| took.as_seconds_f64()),
            "query_preview": report.queries.first().map(|query| query.sql.as_str()),
            "created_at": time(report.created), "updated_at": time(report.updated),
            "edited_at": time(report.updated), "last_saved_at": time(report.updated),
            "last_run_at": latest.map(|run| time(run.created)),
            "last_successfully_run_at": ended.map(|(_, end)| time(end)),
            "_links": self.report_links(report),
        });
        if let Some(good) = good {
            add(&mut shown, &json!({ "last_successful_run_token": good.token }));
        }
        if !report.dataset {
            let datasets = report.datasets.iter().map(|token| json!({ "token": token }));
            let members = json!({
                "theme_id": self.id(4), "color_mappings": {},
                "imported_datasets": datasets.collect::<Vec<_>>(),
                "chart_count": 0, "full_width": false, "drilldowns_enabled": true,
                "is_embedded": false, "is_signed": false, "shared": false,
            });
            add(&mut shown, &members);
        }
        shown
    }

    fn report_links(&self, report: &Report) -> Value {
        let own = report.path();
        let mut links = self.links(
            &own,
            [
                ("queries", "/queries"),
                ("report_runs", "/runs"),
                ("report_schedules", "/schedules"),
                ("report_subscriptions", "/subscriptions"),
                ("csv_export", "/results/content.csv"),
                ("report_run", "/runs/{id}?embed[result]=1"),
            ],
        );
        if let Some(template) = links.get_mut("report_run") {
            add(template, &json!({ "templated": true }));
        }
        let kind = if report.dataset { "datasets" } else { "reports" };
        let others = json!({
            "web": { "href": format!("{WEB}/{kind}/{}", report.token) },
            "web_edit": { "href": format!("/editor/initech/{kind}/{}", report.token) },
            "space": self.link(&format!("{BASE_PATH}/collections/{}", FakeMode::SPACE)),
            "creator": self.link(CALLER),
        });
        add(&mut links, &others);
        let good = report.latest_good_run();
        for (name, run) in [("last_run", report.latest_run()), ("last_successful_run", good)] {
            if let Some(run) = run {
                let path = run_path(&report.token, &run.token);
                add(&mut links, &json!({ name: self.link(&path) }));
            }
        }
        links
    }

    /// A report as a row of a space: some members are missing, others are only here.
    pub(super) fn report_row(&self, report: &Report, space: &Space) -> Value {
        let mut shown = self.report(report);
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("archived");
            shown.remove("expected_runtime");
        }
        let members = json!({
            "collection_name": space.name, "collection_token": space.token, "is_sample": false,
        });
        add(&mut shown, &members);
        shown
    }

    /// `hour` and `minute` are text for people; the numbers are in `cron_hour` and `cron_minute`.
    pub(super) fn schedule(&self, report: &Report, schedule: &Schedule) -> Value {
        let parent = report.path();
        let own = format!("{parent}/schedules/{}", schedule.token);
        let mut links = self.links(&own, [("report_subscriptions", "/subscriptions")]);
        let others = json!({
            "report": self.link(&parent), "report_web": { "href": parent.replacen("/api", "", 1) },
            "report_runs": self.link(&format!("{parent}/runs")),
        });
        add(&mut links, &others);
        let own = report.subscriptions.iter().filter(|one| one.schedule == schedule.token);
        let subscribers: u64 = own.map(|one| one.subscribers).sum();
        let number = |name| schedule.cron.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (hour, minute) = (number("hour"), number("minute"));
        let half = if hour < 12 { "am" } else { "pm" };
        let past = match minute {
            0 => "the top of the hour".to_owned(),
            minute => format!("{minute} minutes past the hour"),
        };
        json!({
            "token": schedule.token, "name": schedule.name, "frequency": schedule.cron.get("freq"),
            "hour": format!("{}:00 {half}", (hour + 11) % 12 + 1), "cron_hour": hour,
            "minute": past, "cron_minute": minute,
            "day_of_week": day_names(schedule.cron.get("day_of_week")),
            "time_zone": schedule.cron.get("time_zone").and_then(Value::as_str).unwrap_or("UTC"),
            "parameters": schedule.params, "timeout": schedule.timeout, "retry_count": 0,
            "subscribed": false, "subscriber_count": subscribers, "report_name": report.name,
            "report_token": report.token, "report_type": report.kind(), "delivery": null,
            "created_at": time(schedule.created), "updated_at": time(schedule.updated),
            "_links": links,
        })
    }

    /// Its token is only in the link to itself.
    pub(super) fn subscription(&self, report: &Report, subscription: &Subscription) -> Value {
        let own = format!("{}/subscriptions/{}", report.path(), subscription.token);
        let schedule = format!("{}/schedules/{}", report.path(), subscription.schedule);
        let mut shown = json!({
            "email_subscriber_count": subscription.subscribers,
            "_links": {
                "self": self.link(&own), "report_schedule": self.link(&schedule),
                "email_subscription_memberships": self.link(&format!("{own}/email_memberships")),
                "slack_subscription_memberships": self.link(&format!("{own}/slack_memberships")),
            },
        });
        for name in CONTENTS {
            let enabled = subscription.contents.get(name).unwrap_or(&Value::Bool(false));
            add(&mut shown, &json!({ format!("{name}_enabled"): enabled }));
        }
        shown
    }

    pub(super) fn space(&self, space: &Space) -> Value {
        let own = format!("{BASE_PATH}/collections/{}", space.token);
        json!({
            "token": space.token, "id": self.id(space.id), "name": space.name,
            "space_type": if space.private { "private" } else { "custom" },
            "description": null, "state": "active", "restricted": space.private,
            "free_default": false, "viewable?": space.mine || !space.private,
            "viewed?": space.mine, "default_access_level": "view",
            "_links": self.links(&own, [("detail", ""), ("reports", "/reports")]),
        })
    }

    pub(super) fn source(&self, source: Source) -> Value {
        let own = format!("{BASE_PATH}/data_sources/{}", source.token);
        json!({
            "id": self.id(source.id), "token": source.token, "name": source.name,
            "display_name": source.name, "description": "", "vendor": source.vendor,
            "adapter": format!("jdbc:{}", source.vendor), "host": "db.initech.example",
            "port": source.port, "database": "analytics", "ssl": true, "public": false,
            "asleep": false, "queryable": true, "warehouse": null, "custom_attributes": {},
            "default_access_level": "View", "account_id": self.id(ACCOUNT_ID),
            "account_username": FakeMode::WORKSPACE, "created_at": "2025-01-14T09:30:00.000Z",
            "updated_at": "2025-01-14T09:30:00.000Z", "_links": self.links(&own, []),
        })
    }

    /// The export of a run: new at the first poll, done at the third.
    pub(super) fn pdf(&self, report: &Report, run: &Run) -> Value {
        let own = run_path(&report.token, &run.token).replacen("/runs/", "/exports/runs/", 1);
        let mut links = json!({ "self": self.link(&format!("{own}/pdf.pdf")) });
        let (state, asked, name) = match run.pdf {
            Some((at, 1)) => ("requested", Some(time(at)), None),
            Some((at, 2..)) => ("completed", Some(time(at)), Some(file_name(report, run, "pdf"))),
            _ => ("new", None, None),
        };
        if name.is_some() {
            let download = self.link(&format!("{own}/pdf/download.pdf"));
            add(&mut links, &json!({ "download": download }));
        }
        json!({
            "state": state, "created_at": asked, "stale": false, "filename": name, "_links": links,
        })
    }
}

/// The one parameter of the fake's reports.
pub(super) fn form_field() -> Value {
    json!({
        "name": "region", "options": ["emea", "apac"], "options_error": null, "source_size": 2,
        "_links": {}, "_embedded": {},
    })
}

/// English names with commas between them. One number counts from 0, a list of numbers from 1; both from Sunday.
fn day_names(days: Option<&Value>) -> Option<String> {
    let name = |day: u64| {
        let names = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
        names.get(usize::try_from(day).ok()?).copied()
    };
    match days? {
        Value::Array(days) => {
            let days = days.iter().filter_map(Value::as_u64);
            let names: Vec<&str> = days.filter_map(|day| name(day.checked_sub(1)?)).collect();
            Some(names.join(","))
        }
        day => day.as_u64().and_then(name).map(str::to_owned),
    }
}

/// Such as `weekly-revenue-b1c9….csv`.
pub(super) fn file_name(report: &Report, run: &Run, ending: &str) -> String {
    let name = report.name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    format!("{name}-{}.{ending}", segment(&run.token))
}

//! The JSON of tasks, runs and lists.

use chrono::{DateTime, FixedOffset, Offset, Utc};
use serde_json::{Map, Value, json};

use super::checks::{Sent, cannot_be};
use super::responses::Refusal;
use super::state::{Owner, Run, State, Task, next_start};
use super::{FakeArcGis, TextDates};

/// Default page size of the Sharing API.
const USUAL_PAGE: usize = 10;
/// A larger page size is silently reduced to this.
const LARGEST_PAGE: usize = 100;

type Object = Map<String, Value>;

/// An object without the members that have no value.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Object {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    there.collect()
}

impl State {
    /// Only the administrator API may write dates as text.
    fn date(&self, admin: bool, at: DateTime<Utc>) -> Value {
        let Some(form) = self.text_dates.filter(|_| admin) else {
            return at.timestamp_millis().into();
        };
        let zone = self.text_zone.unwrap_or_else(|| Utc.fix());
        text_date(form, at.with_timezone(&zone)).into()
    }

    pub(super) fn shown_task(&self, task: &Task) -> Value {
        let date = |at| self.date(task.is_admin(), at);
        let ms = |ms: Option<i64>| ms.and_then(DateTime::from_timestamp_millis).map(date);
        let mut shown = object([
            ("id", Some(task.id.as_str().into())),
            ("itemId", task.item.as_deref().map(Value::from)),
            ("cronSchedule", Some(task.cron.shown())),
            ("runIntervalSeconds", Some(task.cron.interval_seconds().into())),
            ("maxOccurrences", Some(task.most.into())),
            ("parameters", task.parameters.clone()),
            ("created", Some(date(task.created))),
            ("updated", Some(date(task.updated))),
            ("lastStart", task.last_start.map(date)),
            ("startDate", ms(task.start)),
            ("endDate", ms(task.end)),
            ("active", Some(task.active.into())),
            ("taskState", Some(task.state.into())),
        ]);
        let title = task.title.as_deref().map(Value::from);
        shown.extend(match &task.owner {
            Some(owner) => object([
                ("title", title),
                ("type", Some(task.kind.as_str().into())),
                ("userId", Some(owner.as_str().into())),
                ("taskUrl", task.url.as_deref().map(Value::from)),
                ("nextStart", next_start(task).map(date)),
            ]),
            None => object([
                ("taskId", Some(task.id.as_str().into())),
                ("taskTitle", title),
                ("taskType", Some(task.kind.as_str().into())),
                ("type", Some(constant(&task.kind).into())),
                ("cronExpression", Some(task.cron.expression().into())),
                ("ownerId", Some(FakeArcGis::OWNER_ID.into())),
                ("orgId", Some(FakeArcGis::ORG_ID.into())),
                ("generation", Some(task.generation.into())),
            ]),
        });
        shown.into()
    }

    pub(super) fn shown_run(&self, task: &Task, run: &Run) -> Value {
        json!({
            "runId": run.id,
            "status": run.status,
            "result": run.result,
            "url": run.url,
            "created": self.date(task.is_admin(), run.created),
            "modified": self.date(task.is_admin(), run.modified),
            "task": self.shown_task(task),
        })
    }
}

/// The constant for a type of task.
fn constant(kind: &str) -> &'static str {
    match kind {
        "CleanGPJobs" => "GP_JOBS_CLEANER_TASK_TYPE",
        "CreateBackup" => "CREATE_BACKUP_TASK_TYPE",
        _ => "BACKUP_RETENTION_CLEANER_TASK_TYPE",
    }
}

/// As Gson writes it on a Java of that age.
fn text_date(form: TextDates, at: DateTime<FixedOffset>) -> String {
    let pattern = match form {
        TextDates::Java8 => "%b %-d, %Y %-I:%M:%S %p",
        TextDates::Java9 => "%b %-d, %Y, %-I:%M:%S %p",
        TextDates::Java20 => "%b %-d, %Y, %-I:%M:%S\u{202F}%p",
    };
    at.format(pattern).to_string()
}

/// The requested part of a list.
pub(super) struct Page {
    /// Number of the first item: 1 in the Sharing API, 0 in the administrator's.
    first: usize,
    /// `nextStart` of the last page.
    end: i64,
    start: usize,
    most: usize,
}

impl Page {
    /// The whole list.
    pub(super) fn whole(owner: Owner<'_>) -> Self {
        let (first, end) = if owner.is_some() { (1, -1) } else { (0, 0) };
        Self { first, end, start: first, most: usize::MAX }
    }

    /// As the parameters `start` and `num` say.
    pub(super) fn read(state: &State, sent: &Sent<'_>, owner: Owner<'_>) -> Result<Self, Refusal> {
        let mut page = Self::whole(owner);
        let number = |name: &str, least: usize| {
            let Some(wanted) = sent.number(name)? else { return Ok(None) };
            let fits = usize::try_from(wanted).ok().filter(|wanted| *wanted >= least);
            fits.map(Some).ok_or_else(|| cannot_be(name, &wanted.to_string()))
        };
        let (start, num) = (number("start", page.first)?, number("num", 1)?);
        if owner.is_none() && state.admin_lists_whole {
            return Ok(page);
        }
        let largest = state.page_limit.unwrap_or(LARGEST_PAGE);
        let usual = if owner.is_some() { USUAL_PAGE } else { LARGEST_PAGE };
        page.start = start.unwrap_or(page.first);
        page.most = num.unwrap_or(usual).min(largest);
        Ok(page)
    }

    /// The IDs on this page, and the members of the list besides the items.
    pub(super) fn cut(&self, all: Vec<String>) -> (Vec<String>, Object) {
        let skipped = self.start - self.first;
        let total = all.len();
        let ids: Vec<String> = all.into_iter().skip(skipped).take(self.most).collect();
        let after = skipped.saturating_add(ids.len());
        let next = if after < total && !ids.is_empty() {
            json!(after + self.first)
        } else {
            json!(self.end)
        };
        let envelope = object([
            ("total", Some(total.into())),
            ("start", Some(self.start.into())),
            ("num", Some(ids.len().into())),
            ("nextStart", Some(next)),
        ]);
        (ids, envelope)
    }
}

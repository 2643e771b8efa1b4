//! Responses in the five vendors' shapes, and the types that a program without this crate would use to read them.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use scheduled_runs::{adobe, arcgis, foundry, mode, supermetrics};
use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    Adobe,
    Foundry,
    Mode,
    ArcGis,
    Supermetrics,
    /// One run of Adobe's, as a wait polls it.
    Status,
}

/// Which items of the list are on a page.
pub(crate) struct PageOf {
    pub(crate) first: usize,
    pub(crate) size: usize,
    pub(crate) total: usize,
}

impl Shape {
    pub(crate) const LISTS: [Self; 5] =
        [Self::Adobe, Self::Foundry, Self::Mode, Self::ArcGis, Self::Supermetrics];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Adobe => "adobe",
            Self::Foundry => "foundry",
            Self::Mode => "mode",
            Self::ArcGis => "arcgis",
            Self::Supermetrics => "supermetrics",
            Self::Status => "status",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::LISTS.into_iter().find(|shape| shape.name() == name).unwrap_or(Self::Status)
    }

    /// Number of the page's first item, as the request names it.
    pub(crate) fn first_of(self, target: &str) -> usize {
        let marks = match self {
            Self::Foundry => "pageToken=",
            Self::Supermetrics => "%22offset%22%3A",
            Self::ArcGis => "start=",
            Self::Adobe | Self::Mode | Self::Status => return 0,
        };
        let number = target.split_once(marks).map_or("", |(_, number)| number);
        let digits = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
        number[..digits].parse().unwrap_or(0)
    }

    pub(crate) fn body(self, page: &PageOf) -> String {
        let PageOf { first, size, total } = *page;
        let end = (first + size).min(total);
        let mut items = String::new();
        for number in first..end {
            if number > first {
                items.push(',');
            }
            self.item(&mut items, number);
        }
        match self {
            Self::Adobe => format!(
                r#"{{"runsSchedules":[{items}],"_page":{{"orderby":"+created","start":"2026-03-01T00:00:00Z","count":{size}}},"_links":{{}},"version":1}}"#
            ),
            Self::Foundry if end < total => {
                format!(r#"{{"data":[{items}],"nextPageToken":"{end}"}}"#)
            }
            Self::Foundry => format!(r#"{{"data":[{items}]}}"#),
            Self::Mode => format!(
                r#"{{"pagination":{{"page":1,"per_page":{size},"count":{size},"total_pages":1,"total_count":{total}}},"_links":{{}},"_embedded":{{"report_runs":[{items}]}}}}"#
            ),
            Self::ArcGis => format!(
                r#"{{"result":[{items}],"total":{total},"num":{size},"start":{first},"nextStart":{}}}"#,
                if end < total { end } else { 0 }
            ),
            Self::Supermetrics => format!(
                r#"{{"meta":{{"request_id":"r-1","paginate":{{"offset":{first},"total":{total}}}}},"data":[{items}]}}"#
            ),
            Self::Status => items,
        }
    }

    fn item(self, text: &mut String, number: usize) {
        let (hour, minute) = (number / 60 % 24, number % 60);
        let time = format!("2026-03-01T{hour:02}:{minute:02}:17.362Z");
        _ = match self {
            Self::Adobe | Self::Status => {
                let id = format!("c2NoZWR1bGVkX18yMDI2LTAzLTAx{number:012}");
                let run = format!(
                    "https://platform.adobe.io/data/foundation/query/schedules/3f1c_nightly_load_orders/runs/{id}"
                );
                let tasks = if self == Self::Status {
                    r#","scheduleId":"3f1c_nightly_load_orders","taskStatusList":[{"duration":303,"endDate":"2026-03-01T03:05:03.1","state":"IN_PROGRESS","message":"Processing","startDate":"2026-03-01T03:00:00.1","taskId":"x7omob"}]"#
                } else {
                    ""
                };
                write!(
                    text,
                    r#"{{"state":"SUCCESS","version":1,"id":"{id}","externalTrigger":"false","created":"{time}"{tasks},"_links":{{"self":{{"href":"{run}","method":"GET"}},"cancel":{{"href":"{run}","method":"PATCH","body":"{{ \"op\": \"cancel\" }}"}}}}}}"#
                )
            }
            Self::Foundry => write!(
                text,
                r#"{{"rid":"ri.scheduler.main.run.6b2d4f60-11aa-4c52-9a4e-{number:012}","scheduleRid":"ri.scheduler.main.schedule.0c9a3c0e-7a53-4a57-8a1a-5d0f6f1b2c3d","scheduleVersionRid":"ri.scheduler.main.schedule-version.9e8d7c6b-5a49-4838-a7b6-c5d4e3f2a1b0","createdTime":"{time}","createdBy":"5b6f7e8d-1c2b-4a39-8877-665544332211","result":{{"type":"submitted","buildRid":"ri.foundry.main.build.2f3e4d5c-6b7a-4899-a8b7-{number:012}"}}}}"#
            ),
            Self::Mode => write!(
                text,
                r#"{{"token":"{number:012}","state":"succeeded","parameters":{{"region":"north"}},"created_at":"{time}","updated_at":"{time}","completed_at":"{time}","purge_started_at":null,"purge_completed_at":null,"python_state":"none","form_fields":[],"is_latest_report_run":false,"is_latest_successful_report_run":false,"_links":{{"account":{{"href":"/api/acme"}},"executed_by":{{"href":"/api/jane"}},"preview":{{"href":"/api/acme/reports/f2lkg3hwjj9a/runs/{number:012}/results/preview"}},"query_runs":{{"href":"/api/acme/reports/f2lkg3hwjj9a/runs/{number:012}/query_runs"}},"report":{{"href":"/api/acme/reports/f2lkg3hwjj9a"}},"self":{{"href":"/api/acme/reports/f2lkg3hwjj9a/runs/{number:012}"}},"share":{{"href":"/api/acme/reports/f2lkg3hwjj9a"}}}}}}"#
            ),
            Self::ArcGis => write!(
                text,
                r#"{{"result":"Backup is complete.","task":{{"generation":6,"created":"Mar 1, 2026, 3:00:17 AM","active":true,"ownerId":"b7c1","type":"BACKUP_TASK_TYPE","orgId":"0123456789ABCDEF","cronSchedule":{{"dayOfWeek":"?","hour":"*","month":"*","dayOfMonth":"*","minute":"0"}},"cronExpression":"0 0 * * * ?","itemId":"5f0d","runIntervalSeconds":3600,"taskType":"CreateBackup","taskState":"active","taskTitle":"backup","maxOccurrences":-1,"id":"t-77","lastStart":"Mar 1, 2026, 3:00:00 AM","updated":"Mar 1, 2026, 3:04:29 AM","taskId":"t-77"}},"created":"Mar 1, 2026, 3:00:31 AM","modified":"Mar 1, 2026, 3:00:31 AM","runId":"{number:032}","url":"","status":"succeeded"}}"#
            ),
            Self::Supermetrics => write!(
                text,
                r#"{{"@type":"query_history","schedule_time":"{time}","schedule_id":"sw-4f1c-{number:012}","status_code":"SUCCESS","app_id":"api","ds_id":"GAWA","rows":1200,"run_seconds":3.41}}"#
            ),
        };
    }
}

/// A list response, as a program would declare it by hand, with items of any type.
pub(crate) trait List: for<'de> Deserialize<'de> {
    fn count(&self) -> usize;
}

macro_rules! lists {
    ($($name:ident { $member:literal } ),+) => {
        $(
            #[derive(Deserialize)]
            #[serde(bound = "T: Deserialize<'de>")]
            pub(crate) struct $name<T> {
                #[serde(rename = $member)]
                items: Vec<T>,
            }

            impl<T: for<'de> Deserialize<'de>> List for $name<T> {
                fn count(&self) -> usize {
                    self.items.len()
                }
            }
        )+
    };
}

lists!(AdobeList { "runsSchedules" }, DataList { "data" }, ReportRuns { "report_runs" }, ArcGisList { "result" });

#[derive(Deserialize)]
pub(crate) struct ModeList {
    #[serde(rename = "_embedded")]
    embedded: ReportRuns<mode::ReportRun>,
}

impl List for ModeList {
    fn count(&self) -> usize {
        self.embedded.count()
    }
}

pub(crate) type AdobeRuns = AdobeList<adobe::Run>;
pub(crate) type FoundryRuns = DataList<foundry::ScheduleRun>;
pub(crate) type ArcGisRuns = ArcGisList<arcgis::TaskRun>;
pub(crate) type SupermetricsRuns = DataList<supermetrics::HistoryEntry>;

/// Adobe's runs with all their members, including links, in the types that one would write first.
pub(crate) type FullRuns = AdobeList<FullRun>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it only has to be decoded")]
pub(crate) struct FullRun {
    id: String,
    state: String,
    external_trigger: Option<String>,
    created: Option<DateTime<Utc>>,
    version: Option<u64>,
    #[serde(rename = "_links")]
    links: FullLinks,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "it only has to be decoded")]
struct FullLinks {
    #[serde(rename = "self")]
    this: FullLink,
    cancel: FullLink,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "it only has to be decoded")]
struct FullLink {
    href: String,
    method: String,
    body: Option<String>,
}

impl List for adobe::Run {
    fn count(&self) -> usize {
        1
    }
}

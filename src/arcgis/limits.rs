//! Limits on scheduled tasks: get, update.

use bytes::Bytes;
use serde_json::Value;

use super::ArcGis;
use super::request::Changed;
use crate::client::{Meta, json, operation};
use crate::error::Result;
use crate::wire::{lenient, model, open_enum};

operation! {
    /// Gets the limits on scheduled tasks.
    ///
    /// Source: "Limits", `GET /admin/system/limits`, since 11.5 (Kubernetes), and `GET /portaladmin/system/limits`, since 11.2.
    /// The base URL says which of the two is called.
    GetLimits {}
    for ArcGis, "arcgis.limits.get", Safe: GET "admin" / "system" / "limits" -> Vec<Limit>,
    decode limits
}

operation! {
    /// Sets limits on scheduled tasks; limits that are not named stay as they are.
    ///
    /// Source: "Update (Limits)", `POST /admin/system/limits/update`, since 11.5 (Kubernetes), and
    /// `POST /portaladmin/system/limits/update`, since 11.2.
    ///
    /// ```
    /// use scheduled_runs::arcgis::{LimitName, UpdateLimits};
    ///
    /// let request = UpdateLimits::new(LimitName::FailedRunsToDisableTask, 10)
    ///     .and(LimitName::TaskRunHistoryCount, 100);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host/portal".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/portal/admin/system/limits/update");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    UpdateLimits {} without new
    state { limits: Vec<(LimitName, u64)> }
    for ArcGis, "arcgis.limits.update", Idempotent: POST "admin" / "system" / "limits" / "update" -> Changed,
    with |this, request| request.form([("properties", this.properties()), ("category", "ScheduleTask".to_owned())]),
    decode json::accepted
}

impl UpdateLimits {
    /// Sets this limit.
    pub fn new(name: impl Into<LimitName>, value: u64) -> Self {
        Self { limits: vec![(name.into(), value)] }
    }

    /// Also sets this limit.
    pub fn and(mut self, name: impl Into<LimitName>, value: u64) -> Self {
        self.limits.push((name.into(), value));
        self
    }

    fn properties(&self) -> String {
        let limits = self.limits.iter();
        let limits = limits.map(
            |(name, value)| serde_json::json!({ "limitName": name.as_str(), "numLimit": value }),
        );
        limits.collect::<Value>().to_string()
    }
}

open_enum! {
    /// Name of a limit. Source: Portal Administrator API, "Limits".
    LimitName {
        /// Active notebook tasks of one user. Default 20.
        ExecuteNotebooksUserLimit = "ExecuteNotebooksUserLimit",
        /// Active notebook tasks of the organisation. Default 200.
        ExecuteNotebooksOrgLimit = "ExecuteNotebooksOrgLimit",
        /// Insights tasks of one user.
        UpdateInsightsUserLimit = "UpdateInsightsUserLimit",
        /// Insights tasks of the organisation.
        UpdateInsightsOrgLimit = "UpdateInsightsOrgLimit",
        /// Workflow Manager tasks of one user.
        ExecuteWorkflowManagerUserLimit = "ExecuteWorkflowManagerUserLimit",
        /// Workflow Manager tasks of the organisation.
        ExecuteWorkflowManagerOrgLimit = "ExecuteWorkflowManagerOrgLimit",
        /// Geoprocessing tasks of one user.
        GpServiceUserLimit = "GPServiceUserLimit",
        /// Geoprocessing tasks of the organisation.
        GpServiceOrgLimit = "GPServiceOrgLimit",
        /// Consecutive failed runs after which a task is disabled. Default 5.
        FailedRunsToDisableTask = "FailedRunsToDisableTask",
        /// Runs of one task that the server keeps.
        TaskRunHistoryCount = "TaskRunHistoryCount",
    }
}

model! {
    /// One limit.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Limit {
        /// Name.
        pub name: LimitName as "limitName",
        /// Value; `None` if it is not a number.
        pub value: Option<u64> as "numLimit" with lenient::count,
    }
}

/// The shape of the response is not documented. Inferred: it names limits as an update does, `{"limitName":…,"numLimit":…}`,
/// or has a member for each, as the page's table does. Both are read, however deep they are nested.
#[inline]
fn limits(meta: &Meta, body: &Bytes) -> Result<Vec<Limit>> {
    let mut limits = Vec::new();
    collect(&json::decode(meta, body)?, &mut limits);
    Ok(limits)
}

fn collect(value: &Value, limits: &mut Vec<Limit>) {
    let number = |value: &Value| {
        value.as_u64().or_else(|| value.as_str().and_then(|digits| digits.trim().parse().ok()))
    };
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, limits)),
        Value::Object(members) => {
            if let Some(name) = members.get("limitName").and_then(Value::as_str) {
                let value = members.get("numLimit").and_then(number);
                limits.push(Limit { name: name.into(), value });
                return;
            }
            for (name, member) in members {
                match LimitName::from(name.as_str()) {
                    LimitName::Unknown(_) => collect(member, limits),
                    name => limits.push(Limit { name, value: number(member) }),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arcgis::tests::request_text;

    #[test]
    fn limits_are_requested_and_set() {
        assert_eq!(request_text(&GetLimits::new()), "GET /admin/system/limits?f=json");
        let update = UpdateLimits::new(LimitName::TaskRunHistoryCount, 50).and("Lunar", 7);
        assert_eq!(
            request_text(&update),
            concat!(
                "POST /admin/system/limits/update\ncontent-type: application/x-www-form-urlencoded\n\n",
                "properties=%5B%7B%22limitName%22%3A%22TaskRunHistoryCount%22%2C%22numLimit%22%3A50%7D",
                "%2C%7B%22limitName%22%3A%22Lunar%22%2C%22numLimit%22%3A7%7D%5D&category=ScheduleTask&f=json"
            )
        );
    }

    #[test]
    fn limits_are_found_in_any_shape() {
        let read = |json: &str| {
            let mut limits = Vec::new();
            collect(&serde_json::from_str(json).unwrap(), &mut limits);
            limits
                .into_iter()
                .map(|limit| (limit.name.to_string(), limit.value))
                .collect::<Vec<_>>()
        };
        let two = [("Lunar".to_owned(), Some(1)), ("TaskRunHistoryCount".to_owned(), Some(30))];
        for json in [
            r#"[{"limitName":"Lunar","numLimit":1},{"limitName":"TaskRunHistoryCount","numLimit":"30"}]"#,
            r#"{"a":{"limits":[{"limitName":"Lunar","numLimit":1},{"numLimit":30,"limitName":"TaskRunHistoryCount"}]}}"#,
        ] {
            assert_eq!(read(json), two, "{json}");
        }
        assert_eq!(read(r#"{"x":1,"ScheduleTask":{"TaskRunHistoryCount":30}}"#), two[1..]);
        assert_eq!(
            read(r#"{"TaskRunHistoryCount":null}"#),
            [("TaskRunHistoryCount".to_owned(), None)]
        );
        assert!(read(r#"{"status":"success"}"#).is_empty());
    }
}

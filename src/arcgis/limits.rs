//! Limits on scheduled tasks: get, update.

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::ArcGis;
use super::request::{Changed, Place, request, start};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta};
use crate::error::{Error, Result};
use crate::wire::{json, open_enum};

request! {
    /// Gets the limits on scheduled tasks.
    ///
    /// Source: "Limits", `GET /admin/system/limits`, since 11.5 (Kubernetes), and `GET /portaladmin/system/limits`, since 11.2:
    /// which of the two is asked, the base URL says. Safe to repeat.
    #[derive(Default)]
    GetLimits {} "All limits."
    GET Admin ["system", "limits"] -> Vec<Limit> = limits, "arcgis.limits.get", Safe
}

/// Sets limits on scheduled tasks; those that are left out stay as they are.
///
/// Source: "Update (Limits)", `POST /admin/system/limits/update`, since 11.5 (Kubernetes), and
/// `POST /portaladmin/system/limits/update`, since 11.2. The second time changes nothing, so it is safe to repeat.
///
/// ```
/// use scheduled_runs::arcgis::{LimitName, UpdateLimits};
///
/// let request = UpdateLimits::new(LimitName::FailedRunsToDisableTask, 10).and(LimitName::TaskRunHistoryCount, 100);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host/portal".parse().unwrap())?;
/// # assert_eq!(sent.method(), "POST");
/// # assert_eq!(sent.url().path(), "/portal/admin/system/limits/update");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct UpdateLimits {
    limits: Vec<(LimitName, u64)>,
}

impl UpdateLimits {
    /// Sets this limit.
    pub fn new(name: impl Into<LimitName>, value: u64) -> Self {
        Self { limits: vec![(name.into(), value)] }
    }

    /// Sets this one as well.
    pub fn and(mut self, name: impl Into<LimitName>, value: u64) -> Self {
        self.limits.push((name.into(), value));
        self
    }
}

impl Endpoint for UpdateLimits {
    type Api = ArcGis;
    type Output = Changed;
    const OPERATION: &'static str = "arcgis.limits.update";
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Property<'a> {
            limit_name: &'a LimitName,
            num_limit: u64,
        }

        let builder =
            start::<Self>(Method::POST, base, Place::Admin, &["system", "limits", "update"]);
        let properties: Vec<_> = self
            .limits
            .iter()
            .map(|(limit_name, num_limit)| Property { limit_name, num_limit: *num_limit })
            .collect();
        match serde_json::to_string(&properties) {
            Ok(properties) => builder
                .form([("properties", properties.as_str()), ("category", "ScheduleTask")])
                .finish(),
            Err(error) => builder
                .fail(Error::config("the limits cannot be written as JSON").with_source(error))
                .finish(),
        }
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Changed> {
        json::decode(meta, body)
    }
}

open_enum! {
    /// What is limited. Source: Portal Administrator API, "Limits".
    LimitName {
        /// Active notebook tasks of one user; 20 unless changed.
        ExecuteNotebooksUserLimit = "ExecuteNotebooksUserLimit",
        /// Active notebook tasks of the organisation; 200 unless changed.
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
        /// Failed runs in a row after which a task turns itself off; 5 unless changed.
        FailedRunsToDisableTask = "FailedRunsToDisableTask",
        /// Runs of one task that are kept on record.
        TaskRunHistoryCount = "TaskRunHistoryCount",
    }
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// What is limited.
    pub name: LimitName,
    /// To how many; `None` where that is no number.
    pub value: Option<u64>,
}

/// The shape of the answer is not documented. Inferred: it names limits as an update does, `{"limitName":…,"numLimit":…}`, or
/// has a member for each, as the page's table does. Both are read, however deep they stand.
fn limits(meta: &Meta, body: &Bytes) -> Result<Vec<Limit>> {
    let answer: Value = json::decode(meta, body)?;
    let mut limits = Vec::new();
    collect(&answer, &mut limits);
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
    fn limits_are_asked_for_and_set() {
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

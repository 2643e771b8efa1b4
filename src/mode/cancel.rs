//! How a run of a report is cancelled: by a form that some runs carry.

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value};
use url::Url;

use super::Mode;
use super::report_runs::ReportRun;
use crate::client::{ApiRequest, Endpoint, Idempotency, LinkPolicy, Meta, json};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::hal::{Form, Link};

/// Sends the form `cancel` of a run, and the defaults of its fields.
///
/// Inferred: the vendor documents neither the form nor any other way to cancel a run. So it is sent only to the run itself or to
/// what is directly below it, and only with a method that changes something.
#[derive(Clone)]
pub(super) struct CancelReportRun {
    method: Method,
    /// Below the workspace.
    path: Vec<String>,
    query: Vec<(String, String)>,
    input: Option<Value>,
}

impl CancelReportRun {
    /// The request that the run's form describes.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the run has no such form, or one that is about something else;
    /// [`ErrorKind::CrossOrigin`] if the form leads to another host.
    #[inline]
    pub(super) fn of(run: &ReportRun, report: &str, id: &str, base: &Url) -> Result<Self> {
        let unsupported = |message| Error::new(ErrorKind::Unsupported, message);
        let form = run.forms.get("cancel").ok_or_else(|| {
            unsupported(
                "this run has no form `cancel`, and the vendor documents no operation that cancels a run",
            )
        })?;
        let method = match &*form.method.to_ascii_uppercase() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => {
                return Err(unsupported(
                    "the run's form `cancel` has a method that changes nothing",
                ));
            }
        };
        let action = Link::new(form.action.as_str()).resolve(base)?;
        let workspace =
            base.path_segments().and_then(|path| path.rev().find(|part| !part.is_empty()));
        let parts: Vec<_> = action.path().split('/').collect();
        // Of the vendor's forms, some lack the `/api` before the workspace.
        let path = parts.windows(5).position(|part| {
            matches!(part, [own, "reports", of, "runs", run]
                if Some(*own) == workspace && *of == report && *run == id)
        });
        let path = path.and_then(|start| parts.get(start + 1..)).filter(|path| path.len() <= 5);
        let path = path.ok_or_else(|| {
            unsupported("the run's form `cancel` does not lead to the run; nothing was sent")
        })?;
        Ok(Self {
            method,
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            query: LinkPolicy::query_of(&form.action),
            input: defaults(&form),
        })
    }
}

/// The fields of a form with their values. `None` if it has no fields.
#[inline]
fn defaults(form: &Form) -> Option<Value> {
    #[inline]
    fn of(field: Value) -> Option<Value> {
        match field {
            Value::Object(mut members) => match members.remove("value") {
                Some(value) => Some(value),
                None if members.contains_key("type") => None,
                None => {
                    let set =
                        members.into_iter().filter_map(|(name, field)| Some((name, of(field)?)));
                    let set: Map<_, _> = set.collect();
                    (!set.is_empty()).then_some(Value::Object(set))
                }
            },
            other => Some(other),
        }
    }
    of(serde_json::from_str(form.input.as_ref()?.json()).ok()?).filter(Value::is_object)
}

// Not an `operation!`: the run says what is sent.
impl Endpoint for CancelReportRun {
    type Api = Mode;
    type Output = ();
    const OPERATION: &'static str = "mode.report_runs.cancel";
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path: Vec<_> =
            self.path.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let request = ApiRequest::of::<Self>(self.method.clone(), base, &path)
            .queries(self.query.iter().map(|(name, value)| (name, value)));
        match &self.input {
            Some(input) => request.json(input),
            None => request,
        }
        .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<()> {
        json::ignore(meta, body)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cancel(forms: &Value) -> Result<String> {
        let run: ReportRun =
            serde_json::from_value(json!({"token": "n1", "_forms": forms})).unwrap();
        let base = Url::parse("https://app.mode.com/api/acme").unwrap();
        let request = CancelReportRun::of(&run, "r1", "n1", &base)?.to_request(&base)?;
        Ok(request.text("https://app.mode.com", "content-type"))
    }

    #[test]
    fn the_form_of_a_run_is_sent_to_the_run() {
        let own = "/api/acme/reports/r1/runs/n1";
        for (form, sent) in [
            (json!({"action": own, "method": "patch"}), format!("PATCH {own}")),
            (
                json!({"action": format!("https://app.mode.com{own}/cancel"), "method": "POST"}),
                format!("POST {own}/cancel"),
            ),
            (
                json!({"action": "/acme/reports/r1/runs/n1/cancel?a=b", "method": "put"}),
                format!("PUT {own}/cancel?a=b"),
            ),
            (
                json!({"action": own, "method": "patch", "input": {
                    "report_run": {"state": {"type": "text", "value": "cancelled"}, "why": {"type": "text"}},
                }}),
                format!("PATCH {own}\n\n{{\"report_run\":{{\"state\":\"cancelled\"}}}}"),
            ),
        ] {
            assert_eq!(cancel(&json!({"cancel": form})).unwrap(), sent);
        }
    }

    #[test]
    fn a_form_that_is_about_something_else_is_not_sent() {
        use ErrorKind::{CrossOrigin, Unsupported};

        let own = "/api/acme/reports/r1/runs/n1";
        for (action, method, kind) in [
            (own, "get", Unsupported),
            (own, "", Unsupported),
            ("", "patch", Unsupported),
            ("/api/acme/reports/r1", "delete", Unsupported),
            ("/api/acme/reports/r1/runs/n2", "patch", Unsupported),
            ("/api/other/reports/r1/runs/n1", "patch", Unsupported),
            ("/api/acme/reports/r1/runs/n1/a/b", "patch", Unsupported),
            ("/api/acme/reports/r1/runs/n1/../../../r2", "patch", Unsupported),
            ("https://evil.example/api/acme/reports/r1/runs/n1", "patch", CrossOrigin),
            ("//evil.example/api/acme/reports/r1/runs/n1", "patch", CrossOrigin),
        ] {
            let error =
                cancel(&json!({"cancel": {"action": action, "method": method}})).unwrap_err();
            assert_eq!(error.kind(), kind, "{method} {action}");
        }
        for forms in [json!(null), json!({}), json!({"clone": {"action": own, "method": "post"}})] {
            assert_eq!(cancel(&forms).unwrap_err().kind(), Unsupported);
        }
    }
}

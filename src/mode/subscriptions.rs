//! Subscriptions: what the subscribers of a scheduled run get. List, get, create, update, delete.

use serde::{Deserialize, Serialize};

use super::list::{ListQuery, page_setters};
use super::tokens::{ReportToken, ScheduleToken, SubscriptionToken};
use super::{Mode, relations};
use crate::client::{json, operation};
use crate::paging::Page;
use crate::wire::hal::{Embedded, Forms, Links};
use crate::wire::{lenient, model};

operation! {
    /// Lists the subscriptions of a report.
    ///
    /// Source: Mode API reference, "Report Subscriptions", `GET /{workspace}/reports/{report}/subscriptions`.
    ListSubscriptions { report: ReportToken }
    pages { list: ListQuery, item: Subscription, key: token? }
    for Mode, "mode.subscriptions.list", Safe: GET "reports" / {report} / "subscriptions" -> Page<Subscription>
}

impl ListSubscriptions {
    page_setters!();
}

operation! {
    /// Lists the subscriptions of one schedule of a report.
    ///
    /// Source: Mode API reference, "Report Subscriptions",
    /// `GET /{workspace}/reports/{report}/schedules/{schedule}/subscriptions`.
    ListScheduleSubscriptions { report: ReportToken, schedule: ScheduleToken }
    pages { list: ListQuery, item: Subscription, key: token? }
    for Mode, "mode.subscriptions.list_of_schedule", Safe:
    GET "reports" / {report} / "schedules" / {schedule} / "subscriptions" -> Page<Subscription>
}

impl ListScheduleSubscriptions {
    page_setters!();
}

operation! {
    /// Gets one subscription of a report.
    ///
    /// Source: Mode API reference, "Report Subscriptions", `GET /{workspace}/reports/{report}/subscriptions/{subscription}`.
    GetSubscription { report: ReportToken, subscription: SubscriptionToken }
    for Mode, "mode.subscriptions.get", Safe: GET "reports" / {report} / "subscriptions" / {subscription} -> Subscription
}

operation! {
    /// Adds a subscription to a report. Each call adds one.
    ///
    /// Source: Mode API reference, "Report Subscriptions", `POST /{workspace}/reports/{report}/subscriptions`. The reference
    /// shows a bare body, and so this sends one; whether the vendor expects it in a wrapper, as that of a schedule, is not
    /// confirmed. The request names no schedule. Which one the subscription belongs to is not documented: read it from
    /// [`report_schedule_link`](Subscription::report_schedule_link) of the response.
    ///
    /// ```
    /// use scheduled_runs::mode::CreateSubscription;
    ///
    /// let request = CreateSubscription::new("f2lkg3hwjj9a")
    ///     .csv_attachments(true)
    ///     .report_links(true);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/reports/f2lkg3hwjj9a/subscriptions");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateSubscription { report: ReportToken }
    state { contents: Contents }
    for Mode, "mode.subscriptions.create", NotIdempotent: POST "reports" / {report} / "subscriptions" -> Subscription,
    json {contents}
}

operation! {
    /// Changes a subscription of a report. What is not set stays as it is.
    ///
    /// Source: Mode API reference, "Report Subscriptions", `PATCH /{workspace}/reports/{report}/subscriptions/{subscription}`.
    /// As with [`CreateSubscription`], the body is bare. The response may be empty.
    UpdateSubscription { report: ReportToken, subscription: SubscriptionToken }
    state { contents: Contents }
    for Mode, "mode.subscriptions.update", Idempotent:
    PATCH "reports" / {report} / "subscriptions" / {subscription} -> Option<Subscription>,
    json {contents}, decode json::decode_optional
}

/// What subscribers get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Contents {
    #[serde(skip_serializing_if = "Option::is_none")]
    csv_attachments: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pdf_attachments: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_previews: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_tables: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report_links: Option<bool>,
}

macro_rules! content_setters {
    ($name:ident, $default:literal) => {
        impl $name {
            #[doc = concat!("Whether subscribers get the results as CSV. ", $default)]
            pub fn csv_attachments(mut self, attached: bool) -> Self {
                self.contents.csv_attachments = Some(attached);
                self
            }

            #[doc = concat!("Whether subscribers get the report as PDF. ", $default)]
            pub fn pdf_attachments(mut self, attached: bool) -> Self {
                self.contents.pdf_attachments = Some(attached);
                self
            }

            #[doc = concat!("Whether subscribers get a preview of the data. ", $default)]
            pub fn data_previews(mut self, included: bool) -> Self {
                self.contents.data_previews = Some(included);
                self
            }

            #[doc = concat!("Whether subscribers get tables of the data. ", $default)]
            pub fn data_tables(mut self, included: bool) -> Self {
                self.contents.data_tables = Some(included);
                self
            }

            #[doc = concat!("Whether subscribers get a link to the report. ", $default)]
            pub fn report_links(mut self, included: bool) -> Self {
                self.contents.report_links = Some(included);
                self
            }
        }
    };
}

content_setters!(
    CreateSubscription,
    "If not set, the vendor decides; its default is not documented."
);
content_setters!(UpdateSubscription, "If not set, it stays as it is.");

operation! {
    /// Deletes a subscription of a report.
    ///
    /// Source: Mode API reference, "Report Subscriptions", `DELETE /{workspace}/reports/{report}/subscriptions/{subscription}`. A
    /// second delete would get 404 for a first that worked.
    DeleteSubscription { report: ReportToken, subscription: SubscriptionToken }
    for Mode, "mode.subscriptions.delete", NotIdempotent:
    DELETE "reports" / {report} / "subscriptions" / {subscription} -> (),
    decode json::ignore
}

/// What subscribers get about the runs of a schedule, and how many there are. The subscribers themselves are behind its links.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "Members")]
#[non_exhaustive]
pub struct Subscription {
    /// Token: the end of the link to the subscription itself, because no member has it. Missing if that link is.
    #[serde(skip_serializing)]
    pub token: Option<SubscriptionToken>,
    /// Whether subscribers get the results as CSV.
    pub csv_attachments_enabled: Option<bool>,
    /// Whether subscribers get the report as PDF.
    pub pdf_attachments_enabled: Option<bool>,
    /// Whether subscribers get a preview of the data.
    pub data_previews_enabled: Option<bool>,
    /// Whether subscribers get tables of the data.
    pub data_tables_enabled: Option<bool>,
    /// Whether subscribers get a link to the report.
    pub report_links_enabled: Option<bool>,
    /// Number of people who get it by email.
    pub email_subscriber_count: Option<u64>,
    /// Links by relation; the documented ones have methods.
    #[serde(rename = "_links")]
    pub links: Links,
    /// Its forms, by name. Not documented.
    #[serde(rename = "_forms")]
    pub forms: Forms,
    /// Embedded resources.
    #[serde(rename = "_embedded")]
    pub embedded: Embedded,
}

model! {
    /// The members of a subscription in a response.
    struct Members {
        csv_attachments_enabled: Option<bool> as "csv_attachments_enabled" with lenient::boolean,
        pdf_attachments_enabled: Option<bool> as "pdf_attachments_enabled" with lenient::boolean,
        data_previews_enabled: Option<bool> as "data_previews_enabled" with lenient::boolean,
        data_tables_enabled: Option<bool> as "data_tables_enabled" with lenient::boolean,
        report_links_enabled: Option<bool> as "report_links_enabled" with lenient::boolean,
        email_subscriber_count: Option<u64> as "email_subscriber_count" with lenient::count,
        // It may be missing all the same. With a default for every member, serde would read an empty list as a subscription.
        links: Links as "_links",
        forms: Forms as "_forms" default,
        embedded: Embedded as "_embedded" default,
    }
}

impl From<Members> for Subscription {
    #[inline]
    fn from(members: Members) -> Self {
        Self {
            token: token(&members.links),
            csv_attachments_enabled: members.csv_attachments_enabled,
            pdf_attachments_enabled: members.pdf_attachments_enabled,
            data_previews_enabled: members.data_previews_enabled,
            data_tables_enabled: members.data_tables_enabled,
            report_links_enabled: members.report_links_enabled,
            email_subscriber_count: members.email_subscriber_count,
            links: members.links,
            forms: members.forms,
            embedded: members.embedded,
        }
    }
}

/// The token at the end of the link `self`, `.../subscriptions/{token}`.
#[inline]
fn token(links: &Links) -> Option<SubscriptionToken> {
    let href = links.get("self")?.href;
    let path = href.split(['?', '#']).next()?.trim_end_matches('/');
    let (above, token) = path.rsplit_once('/')?;
    above.ends_with("/subscriptions").then(|| token.into())
}

relations! {
    Subscription {
        self_link = "self" "The subscription itself.",
        report_schedule_link = "report_schedule" "Its schedule, a [`Schedule`](super::Schedule).",
        email_subscription_memberships_link = "email_subscription_memberships" "Who gets it by email.",
        slack_subscription_memberships_link = "slack_subscription_memberships" "Who gets it in Slack.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn subscriptions_are_listed_fetched_created_changed_and_deleted() {
        let own = "/acme/reports/r1/subscriptions";
        assert_eq!(
            request_text(&ListSubscriptions::new("r1").per_page(2)),
            format!("GET {own}?per_page=2")
        );
        assert_eq!(
            request_text(&ListScheduleSubscriptions::new("r1", "s1").per_page(2)),
            "GET /acme/reports/r1/schedules/s1/subscriptions?per_page=2"
        );
        assert_eq!(request_text(&GetSubscription::new("r1", "b1")), format!("GET {own}/b1"));
        assert_eq!(request_text(&DeleteSubscription::new("r1", "b1")), format!("DELETE {own}/b1"));
        let head = "content-type: application/json\n\n";
        assert_eq!(request_text(&CreateSubscription::new("r1")), format!("POST {own}\n{head}{{}}"));
        let create = CreateSubscription::new("r1").csv_attachments(true).report_links(false);
        assert_eq!(
            request_text(&create),
            format!("POST {own}\n{head}{{\"csv_attachments\":true,\"report_links\":false}}")
        );
        let update = UpdateSubscription::new("r1", "b1")
            .pdf_attachments(true)
            .data_previews(false)
            .data_tables(true);
        assert_eq!(
            request_text(&update),
            format!(
                "PATCH {own}/b1\n{head}{{\"pdf_attachments\":true,\"data_previews\":false,\"data_tables\":true}}"
            )
        );
    }

    #[test]
    fn the_token_is_the_end_of_its_own_link() {
        let own = |href: &str| {
            let body = serde_json::json!({"_links": {"self": {"href": href}}}).to_string();
            let read: Subscription = serde_json::from_str(&body).unwrap();
            read.token.map(|token| token.to_string())
        };
        for href in [
            "/api/acme/reports/r1/subscriptions/b1",
            "https://app.mode.com/api/acme/reports/r1/schedules/s1/subscriptions/b1/?a=/b#c/d",
        ] {
            assert_eq!(own(href).as_deref(), Some("b1"), "{href}");
        }
        for href in ["", "/", "b1", "/api/acme/reports/r1/subscriptions/", "/api/acme/reports/r1"] {
            assert_eq!(own(href), None, "{href}");
        }
    }
}

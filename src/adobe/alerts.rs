//! Alert subscriptions: list, create, get, enable, disable, delete. An alert belongs to a query or schedule and has a type;
//! people subscribe to it by e-mail address.

use bytes::Bytes;
use http::Method;
use serde::de::{Deserializer, SeqAccess};
use serde::{Deserialize, Serialize};
use url::Url;

use super::ids::{QueryId, ScheduleId};
use super::list::{ListQuery, clause, order_setters};
use super::{Accepted, Adobe};
use crate::client::{
    ApiRequest, Endpoint, Idempotency, LinkPolicy, Meta, PagedEndpoint, json, operation,
};
use crate::error::{Error, Result};
use crate::paging::{Cursor, Page};
use crate::wire::hal::Links;
use crate::wire::lenient::{FromAny, Scalar};
use crate::wire::patch::{Operation, Patch};
use crate::wire::{id, lenient, model, open_enum};

/// First segment of the path. (Older vendor pages say `alertSubscriptions`, and links in responses have wrong paths.)
const ALERTS: &str = "alert-subscriptions";

/// Lists the alerts of the sandbox, or those that one person has subscribed to; by default oldest first.
///
/// Unlike the vendor's other lists this one has numbered pages. Whether the numbers begin at 0 or 1 is not documented: the
/// first request names no page, and later ones the page that a link names. Inferred: a page without alerts is past the end,
/// because samples have a next link even on pages that are not full.
///
/// Source: Query Service API, "Alert subscriptions", `GET /alert-subscriptions` and
/// `GET /alert-subscriptions/user-subscriptions/{email}`.
///
/// Operation `adobe.alerts.list`. Read the list with [`Client::items`](crate::Client::items), or one page with
/// [`Client::send`](crate::Client::send). Safe to retry.
// By hand: one type for two paths, and an address that must be hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListAlerts {
    list: ListQuery,
    user: Option<Box<str>>,
}

impl ListAlerts {
    /// All alerts, without their subscribers, which [`ListAssetAlerts`] has.
    pub fn new() -> Self {
        Self { list: ListQuery { limit: 50, ..ListQuery::default() }, user: None }
    }

    /// The alerts that this person has subscribed to. An address that does not belong to an Adobe ID is refused with 400.
    pub fn of_user(email: impl Into<Box<str>>) -> Self {
        Self { user: Some(email.into()), ..Self::new() }
    }

    /// Alerts per page. Default 50, which is also the vendor's default and maximum; at least 1.
    pub fn page_size(mut self, alerts: u32) -> Self {
        self.list.limit = alerts;
        self
    }

    order_setters!(AlertFilter);
}

impl Default for ListAlerts {
    fn default() -> Self {
        Self::new()
    }
}

impl Endpoint for ListAlerts {
    type Api = Adobe;
    type Output = Page<Alert>;
    const OPERATION: &'static str = "adobe.alerts.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let of_user: [&str; 3];
        let path: &[&str] = match &self.user {
            Some(email) => {
                of_user = [ALERTS, "user-subscriptions", email];
                &of_user
            }
            None => &[ALERTS],
        };
        let mut request = ApiRequest::of::<Self>(Method::GET, base, path)
            .check(self.list.check())
            .query("orderby", Some(self.list.order()))
            .query("pagesize", Some(self.list.limit))
            .query("page", self.list.cursor.as_ref().map(Cursor::as_str))
            .query("property", self.list.property())
            .finish()?;
        if let Some(email) = &self.user {
            // Personal data: the URL is part of reports, and the vendor's error quotes the address.
            request.hide(email);
        }
        Ok(request)
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<Alert>> {
        let list: AlertList = json::decode(meta, &json::or_empty(body))?;
        let next = list.links.get("next").filter(|_| !list.items.is_empty());
        let page = next.and_then(|link| {
            let mut members = LinkPolicy::query_of(&link.href).into_iter();
            members.find(|(name, _)| name == "page").map(|(_, number)| number)
        });
        Ok(Page::new(list.items, page.map(Cursor::new)))
    }
}

impl PagedEndpoint for ListAlerts {
    type Item = Alert;

    fn at(&self, cursor: &Cursor) -> Self {
        let mut request = self.clone();
        request.list.cursor = Some(cursor.clone());
        request
    }

    fn key(alert: &Alert) -> Option<&str> {
        alert.id()
    }
}

model! {
    /// The response to every request for alerts. Only in that for the alerts of one person the member is called `items`.
    struct AlertList {
        items: Vec<Alert> as "items" | "alerts" with lenient::items,
        links: Links as "_links" default,
    }
}

#[inline]
fn alerts(meta: &Meta, body: &Bytes) -> Result<Vec<Alert>> {
    Ok(json::decode::<AlertList>(meta, &json::or_empty(body))?.items)
}

/// A condition on the alerts of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertFilter(pub(super) String);

impl AlertFilter {
    /// Has this id, such as `query_service_flow_run_failure-…`.
    #[must_use]
    pub fn id(id: &str) -> Self {
        Self(clause("id", "==", id))
    }

    /// Belongs to this query or schedule.
    #[must_use]
    pub fn asset(id: impl Into<AssetId>) -> Self {
        Self(clause("assetId", "==", id.into()))
    }

    /// Has this status.
    #[must_use]
    pub fn status(status: AlertStatus) -> Self {
        Self(clause("status", "==", status))
    }

    /// Is of this type.
    #[must_use]
    pub fn alert_type(alert_type: AlertType) -> Self {
        Self(clause("alertType", "==", alert_type))
    }

    /// A condition in the vendor's syntax. It must not hold a comma.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }
}

operation! {
    /// Creates an alert on a query or schedule and subscribes people to it. If the alert exists, it gets more subscribers.
    ///
    /// All queries except `SELECT`s can have alerts. People receive mails only if they have switched them on in the UI. Refused
    /// with 400 if an address does not belong to an Adobe ID or the alert is disabled, with 404 if the query or schedule does
    /// not exist. What the vendor does with people who are already subscribed is not documented.
    ///
    /// Source: Query Service API, "Alert subscriptions", `POST /alert-subscriptions`.
    ///
    /// ```
    /// use scheduled_runs::adobe::{AlertType, CreateAlert};
    ///
    /// // A mail, and nothing in the UI, when a run of the schedule fails.
    /// let request = CreateAlert::new("nightly", AlertType::Failure, ["ada@example.com"])
    ///     .in_context_notifications(false);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/alert-subscriptions");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateAlert {} without new
    state { body: CreateBody }
    for Adobe, "adobe.alerts.create", NotIdempotent: POST ALERTS -> Alert,
    json {body},
    with |this, request| request.check(this.check())
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody {
    asset_id: AssetId,
    alert_type: AlertType,
    subscriptions: NewSubscriptions,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct NewSubscriptions {
    email_ids: Vec<Box<str>>,
    in_context_notifications: bool,
    email_notifications: bool,
}

impl CreateAlert {
    /// Most addresses in one request.
    const MAX_USERS: usize = 5;

    /// An alert of this type on this query or schedule, for these people, both in the UI and by mail.
    ///
    /// One to five addresses, each registered with Adobe; send more requests for more.
    pub fn new<E: Into<Box<str>>>(
        asset: impl Into<AssetId>,
        alert_type: AlertType,
        emails: impl IntoIterator<Item = E>,
    ) -> Self {
        let subscriptions = NewSubscriptions {
            email_ids: emails.into_iter().map(Into::into).collect(),
            in_context_notifications: true,
            email_notifications: true,
        };
        Self { body: CreateBody { asset_id: asset.into(), alert_type, subscriptions } }
    }

    /// Whether they are notified in the UI. Default: yes.
    pub fn in_context_notifications(mut self, on: bool) -> Self {
        self.body.subscriptions.in_context_notifications = on;
        self
    }

    /// Whether they are notified by mail. Default: yes.
    pub fn email_notifications(mut self, on: bool) -> Self {
        self.body.subscriptions.email_notifications = on;
        self
    }

    fn check(&self) -> Result<()> {
        let users = self.body.subscriptions.email_ids.len();
        if !(1..=Self::MAX_USERS).contains(&users) {
            return Err(Error::config(
                "an alert must be created for one to five addresses; send more requests for more",
            ));
        }
        Ok(())
    }
}

operation! {
    /// Lists the alerts of one query or schedule with their subscribers, at most one alert of each type. 404 if there are none.
    ///
    /// Source: Query Service API, "Alert subscriptions", `GET /alert-subscriptions/{asset}`.
    ListAssetAlerts { asset: AssetId }
    for Adobe, "adobe.alerts.list_of_asset", Safe: GET ALERTS / {asset} -> Vec<Alert>,
    decode alerts
}

operation! {
    /// Gets the alert of one type of a query or schedule with its subscribers. 404 if it does not exist, 400 for a type that the
    /// vendor does not know.
    ///
    /// The response is a list, which holds one alert in samples. Source: Query Service API, "Alert subscriptions",
    /// `GET /alert-subscriptions/{asset}/{type}`.
    GetAlert { asset: AssetId, alert_type: AlertType }
    for Adobe, "adobe.alerts.get", Safe: GET ALERTS / {asset} / {alert_type} -> Vec<Alert>,
    decode alerts
}

operation! {
    /// Lets an alert notify its subscribers.
    ///
    /// The response to a second attempt is not documented. Source: Query Service API, "Alert subscriptions",
    /// `PATCH /alert-subscriptions/{asset}/{type}` with a single operation.
    EnableAlert { asset: AssetId, alert_type: AlertType }
    for Adobe, "adobe.alerts.enable", NotIdempotent: PATCH ALERTS / {asset} / {alert_type} -> Alert,
    with |_, request| request.json(&Patch::Bare(Operation::replace("/status", "enable")))
}

operation! {
    /// Stops an alert from notifying anyone. Its subscribers stay.
    ///
    /// The response to a second attempt is not documented. Source: Query Service API, "Alert subscriptions",
    /// `PATCH /alert-subscriptions/{asset}/{type}` with a single operation.
    DisableAlert { asset: AssetId, alert_type: AlertType }
    for Adobe, "adobe.alerts.disable", NotIdempotent: PATCH ALERTS / {asset} / {alert_type} -> Alert,
    with |_, request| request.json(&Patch::Bare(Operation::replace("/status", "disable")))
}

operation! {
    /// Deletes an alert with all its subscriptions.
    ///
    /// A second delete would be refused with 404 although the first one worked. Source: Query Service API,
    /// "Alert subscriptions", `DELETE /alert-subscriptions/{asset}/{type}`.
    DeleteAlert { asset: AssetId, alert_type: AlertType }
    for Adobe, "adobe.alerts.delete", NotIdempotent: DELETE ALERTS / {asset} / {alert_type} -> Accepted,
    decode json::accepted
}

id! {
    /// Id of what an alert belongs to: a query or a schedule.
    AssetId
}

impl From<&ScheduleId> for AssetId {
    fn from(id: &ScheduleId) -> Self {
        id.as_str().into()
    }
}

impl From<&QueryId> for AssetId {
    fn from(id: &QueryId) -> Self {
        id.as_str().into()
    }
}

model! {
    /// One alert of a query or schedule. Requests name it by [`asset_id`](Self::asset_id) and
    /// [`alert_type`](Self::alert_type), not by its id.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Alert {
        id: Option<Box<str>>,
        name: Option<Box<str>>,
        /// The query or schedule it belongs to.
        pub asset_id: AssetId as "assetId",
        /// The event that it notifies people of.
        pub alert_type: Option<AlertType> as "alertType",
        /// Whether it notifies anyone. Missing in the response to [`CreateAlert`].
        pub status: Option<AlertStatus>,
        /// Whom it notifies. Missing in the list of all alerts of the sandbox, and in the response to a change.
        ///
        /// (An older vendor page calls the member `notifications`.)
        pub subscriptions: Option<Subscriptions> as "subscriptions" | "notifications"
            with lenient::object,
    }
}

impl Alert {
    /// The name that the vendor gave it, such as `query_service_flow_run_failure-…`. The vendor calls it `id`, and `name` in
    /// the list of one person's alerts.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref().or(self.name.as_deref())
    }
}

open_enum! {
    /// The event that an alert notifies people of. One vendor page says `failed` for `failure`; `delay` exists only in the UI.
    AlertType {
        /// The query has started.
        Start = "start",
        /// The query has succeeded.
        Success = "success",
        /// The query has failed.
        Failure = "failure",
        /// The schedule was stopped after ten consecutive failures. Only for schedules; not in the API reference.
        Quarantine = "quarantine",
    }
}

open_enum! {
    /// Whether an alert notifies anyone.
    AlertStatus {
        /// It notifies its subscribers.
        Enabled = "enabled",
        /// It is being enabled.
        Enabling = "enabling",
        /// It notifies nobody.
        Disabled = "disabled",
        /// It is being disabled.
        Disabling = "disabling",
    }
}

model! {
    /// Whom an alert notifies, and how. Each response has a part of it: see [`Channel`].
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Subscriptions {
        /// Addresses that were just subscribed. Only in the response to [`CreateAlert`].
        pub email_ids: Vec<Box<str>> as "emailIds" with addresses,
        /// Notifications by mail.
        pub email_notifications: Option<Channel> as "emailNotifications" with channel,
        /// Notifications in the UI. (One sample has the name without its last letter.)
        pub in_context_notifications: Option<Channel> as "inContextNotifications" | "inContextNotification"
            with channel,
    }
}

/// One way of notifying people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Channel {
    /// Whether the people named in the request are notified in this way. In the response to [`CreateAlert`], and in the list
    /// of one person's alerts.
    Switch(bool),
    /// The addresses notified in this way. In the list of the alerts of one query or schedule.
    Users(Vec<Box<str>>),
}

/// A channel in either form. What cannot be read is `None`.
fn channel<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Channel>, D::Error> {
    struct Either;

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Address(#[serde(deserialize_with = "lenient::text")] Option<Box<str>>);

    impl<'de> FromAny<'de> for Either {
        type Value = Option<Channel>;

        fn scalar<E: serde::de::Error>(self, value: Scalar<'_>) -> Result<Self::Value, E> {
            if let Scalar::Bool(on) = value {
                Ok(Some(Channel::Switch(on)))
            } else {
                value.refuse()
            }
        }

        fn list<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
            let mut users = Vec::new();
            while let Some(Address(user)) = seq.next_element()? {
                users.extend(user);
            }
            Ok(Some(Channel::Users(users)))
        }
    }

    lenient::any(deserializer, Either)
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<str>>, D::Error> {
    match channel(deserializer)? {
        Some(Channel::Users(users)) => Ok(users),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::tests::request_text;
    use crate::error::ErrorKind;

    #[test]
    fn alerts_are_listed_by_page_number() {
        assert_eq!(
            request_text(&ListAlerts::new()),
            "GET /alert-subscriptions?orderby=%2Bcreated&pagesize=50"
        );
        let list = ListAlerts::new()
            .newest_first()
            .page_size(10)
            .filter(AlertFilter::id("run_start-1"))
            .filter(AlertFilter::asset("nightly"))
            .filter(AlertFilter::status(AlertStatus::Enabled))
            .filter(AlertFilter::alert_type(AlertType::Failure))
            .filter(AlertFilter::raw("x==y"));
        assert_eq!(
            request_text(&list.at(&Cursor::new("2"))),
            "GET /alert-subscriptions?orderby=-created&pagesize=10&page=2\
             &property=id%3D%3Drun_start-1%2CassetId%3D%3Dnightly%2Cstatus%3D%3Denabled\
             %2CalertType%3D%3Dfailure%2Cx%3D%3Dy"
        );
        assert_eq!(
            request_text(&ListAlerts::of_user("ann@example.com")),
            "GET /alert-subscriptions/user-subscriptions/ann%40example.com?orderby=%2Bcreated&pagesize=50"
        );
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        for wrong in
            [ListAlerts::new().page_size(0), ListAlerts::new().filter(AlertFilter::raw("a==b,c"))]
        {
            assert_eq!(wrong.to_request(&base).unwrap_err().kind(), ErrorKind::Config);
        }
    }

    #[test]
    fn a_persons_address_is_sent_and_not_shown() {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        let request = ListAlerts::of_user("ann@example.com").to_request(&base).unwrap();
        let shown = format!("{request:?}");
        assert!(shown.contains("/user-subscriptions/REDACTED"), "{shown}");
    }

    #[test]
    fn an_alert_is_created_for_one_to_five_people() {
        let create = |users: usize| {
            let emails = (0..users).map(|number| format!("{number}@example.com"));
            CreateAlert::new("nightly", AlertType::Failure, emails)
        };
        assert_eq!(
            request_text(&create(2).in_context_notifications(false)),
            concat!(
                "POST /alert-subscriptions\ncontent-type: application/json\n\n",
                r#"{"assetId":"nightly","alertType":"failure","#,
                r#""subscriptions":{"emailIds":["0@example.com","1@example.com"],"#,
                r#""inContextNotifications":false,"emailNotifications":true}}"#
            )
        );
        assert!(
            request_text(&create(5).email_notifications(false))
                .ends_with(r#""inContextNotifications":true,"emailNotifications":false}}"#)
        );
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        for users in [0, 6] {
            assert_eq!(create(users).to_request(&base).unwrap_err().kind(), ErrorKind::Config);
        }
    }

    #[test]
    fn an_alert_is_named_by_asset_and_type() {
        let (schedule, query) = (ScheduleId::from("nightly"), QueryId::from("q-1"));
        assert_eq!(
            request_text(&ListAssetAlerts::new(&schedule)),
            "GET /alert-subscriptions/nightly"
        );
        assert_eq!(
            request_text(&GetAlert::new(&query, AlertType::Start)),
            "GET /alert-subscriptions/q-1/start"
        );
        assert_eq!(
            request_text(&DeleteAlert::new("nightly", AlertType::from("delay"))),
            "DELETE /alert-subscriptions/nightly/delay"
        );
        let patch =
            "PATCH /alert-subscriptions/nightly/quarantine\ncontent-type: application/json\n\n";
        assert_eq!(
            request_text(&EnableAlert::new("nightly", AlertType::Quarantine)),
            format!(r#"{patch}{{"op":"replace","path":"/status","value":"enable"}}"#)
        );
        assert_eq!(
            request_text(&DisableAlert::new("nightly", AlertType::Quarantine)),
            format!(r#"{patch}{{"op":"replace","path":"/status","value":"disable"}}"#)
        );
    }

    #[test]
    fn subscriptions_are_read_in_each_of_their_forms() {
        let read = |json: &str| serde_json::from_str::<Subscriptions>(json).unwrap();
        let created = read(r#"{"emailIds":["a@b",null],"emailNotifications":true}"#);
        assert_eq!(
            (&*created.email_ids, created.email_notifications),
            (&["a@b".into()][..], Some(Channel::Switch(true)))
        );
        let listed = read(
            r#"{"inContextNotifications":["a@b",{}],"emailNotifications":[],"emailIds":null}"#,
        );
        assert_eq!(listed.in_context_notifications, Some(Channel::Users(vec!["a@b".into()])));
        assert_eq!(listed.email_notifications, Some(Channel::Users(Vec::new())));
        let of_user = read(r#"{"inContextNotification":false}"#);
        assert_eq!(of_user.in_context_notifications, Some(Channel::Switch(false)));
        for nothing in ["null", "7", "\"x\"", r#"{"a":[1]}"#] {
            let read = read(&format!(r#"{{"emailNotifications":{nothing}}}"#));
            assert_eq!(read, Subscriptions::default(), "{nothing}");
        }
    }
}

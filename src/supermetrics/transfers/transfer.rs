//! Transfers: what is copied from where to where, and on which schedule.

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc, Weekday};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::super::parameters::Limited as _;
use super::{
    TransferId, Transfers, date, decode_data, decode_list, objects, required_id, small_number,
};
use crate::client::{Meta, json as body_json, operation};
use crate::error::Result;
use crate::wire::{RawJson, lenient, model, open_enum, time};

operation! {
    /// Lists the transfers of the team that are not deleted. All come in one response.
    ///
    /// Source: Management API reference, "List transfers", `GET /teams/{team}/transfers`.
    ListTransfers {}
    for Transfers, "supermetrics.transfers.list", Safe: GET "transfers" -> Vec<TransferInfo>,
    decode decode_list
}

operation! {
    /// Gets the configuration of a transfer. Whether it is paused, and when it ran last, only [`ListTransfers`] says.
    ///
    /// Source: Management API reference, "Get transfer", `GET /teams/{team}/transfers/{transfer}`.
    GetTransfer { transfer: TransferId }
    for Transfers, "supermetrics.transfers.get", Safe: GET "transfers" / {transfer} -> Transfer,
    decode decode_data
}

operation! {
    /// Creates a transfer.
    ///
    /// Source: Management API reference, "Create transfer", `POST /teams/{team}/transfers`.
    CreateTransfer { definition: NewTransfer }
    for Transfers, "supermetrics.transfers.create", NotIdempotent: POST "transfers" -> ChangedTransfer,
    json {definition},
    with |this, request| request.check(this.definition.check()),
    decode decode_data
}

operation! {
    /// Replaces the whole configuration of a transfer. What [`GetTransfer`] returns cannot be sent back as it is: make a
    /// [`NewTransfer`] of it.
    ///
    /// Source: Management API reference, "Update transfer", `PUT /teams/{team}/transfers/{transfer}`.
    UpdateTransfer { transfer: TransferId, definition: NewTransfer }
    for Transfers, "supermetrics.transfers.update", Idempotent: PUT "transfers" / {transfer} -> ChangedTransfer,
    json {definition},
    with |this, request| request.check(this.definition.check()),
    decode decode_data
}

operation! {
    /// Deletes a transfer. The data that it loaded stays.
    ///
    /// Source: Management API reference, "Delete transfer", `DELETE /teams/{team}/transfers/{transfer}`.
    DeleteTransfer { transfer: TransferId }
    for Transfers, "supermetrics.transfers.delete", NotIdempotent: DELETE "transfers" / {transfer} -> (),
    decode body_json::ignore
}

operation! {
    /// Pauses a transfer: its schedule starts no more runs. Those that have begun go on.
    ///
    /// Source: Management API reference, "Change transfer state", `PUT /teams/{team}/transfers/{transfer}/state`.
    PauseTransfer { transfer: TransferId }
    for Transfers, "supermetrics.transfers.pause", Idempotent: PUT "transfers" / {transfer} / "state" -> StateChange,
    with |_, request| request.json(&json!({ "transfer_state": "pause" })),
    decode decode_state
}

operation! {
    /// Lets the schedule of a transfer start runs again.
    ///
    /// Source: Management API reference, "Change transfer state", `PUT /teams/{team}/transfers/{transfer}/state`.
    UnpauseTransfer { transfer: TransferId }
    for Transfers, "supermetrics.transfers.unpause", Idempotent: PUT "transfers" / {transfer} / "state" -> StateChange,
    with |_, request| request.json(&json!({ "transfer_state": "unpause" })),
    decode decode_state
}

operation! {
    /// Checks the configuration of a new transfer, and creates nothing. A configuration that is not valid is not an error: see
    /// [`Validation::is_valid`].
    ///
    /// Source: Management API reference, "Validate transfer", `POST /teams/{team}/transfers/validations`.
    ValidateTransfer { definition: NewTransfer }
    for Transfers, "supermetrics.transfers.validate", Safe: POST "transfers" / "validations" -> Validation,
    json {definition},
    decode decode_validation
}

operation! {
    /// Checks another configuration of a transfer, and changes nothing. As [`ValidateTransfer`].
    ///
    /// Source: Management API reference, "Validate transfer update", `POST /teams/{team}/transfers/{transfer}/validations`.
    ValidateTransferUpdate { transfer: TransferId, definition: NewTransfer }
    for Transfers, "supermetrics.transfers.validate_update", Safe:
    POST "transfers" / {transfer} / "validations" -> Validation,
    json {definition},
    decode decode_validation
}

#[inline]
fn decode_state(meta: &Meta, body: &Bytes) -> Result<StateChange> {
    decode_data(meta, &body_json::or_empty(body))
}

#[inline]
fn decode_validation(meta: &Meta, body: &Bytes) -> Result<Validation> {
    decode_data(meta, body)
}

/// The configuration of a transfer, as it is sent.
///
/// ```
/// use scheduled_runs::supermetrics::transfers::{
///     CreateTransfer, NewTransfer, Schedule, TransferAccount,
/// };
///
/// // Google Ads to destination 8, at 4 o'clock UTC, three days each time.
/// let account = TransferAccount::new("ads@example.com", 77, "1002003004");
/// let definition = NewTransfer::new("AW", 31, 8, "Ads to warehouse")
///     .schedule(Schedule::daily(4).refresh_window(3))
///     .account(account)
///     .notify("ops@example.com");
/// let request = CreateTransfer::new(definition);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.url().path(), "/transfers");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use = "a configuration does nothing until it is sent"]
pub struct NewTransfer {
    data_source_id: String,
    schema_id: u32,
    destination_id: u32,
    display_name: String,
    schedule: Vec<Schedule>,
    accounts: Vec<TransferAccount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    segments: Vec<Segment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    data_source_settings: Vec<Setting>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notification_recipients: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer_type: Option<u32>,
}

impl NewTransfer {
    /// Required: the data source, such as `AW`; the number of the table group (`schema_id`, not the id that begins with `tg_`); the
    /// destination; and a name.
    pub fn new(
        data_source_id: impl Into<String>,
        schema_id: u32,
        destination_id: u32,
        display_name: impl Into<String>,
    ) -> Self {
        Self {
            data_source_id: data_source_id.into(),
            schema_id,
            destination_id,
            display_name: display_name.into(),
            schedule: Vec::new(),
            accounts: Vec::new(),
            segments: Vec::new(),
            data_source_settings: Vec::new(),
            notification_recipients: Vec::new(),
            transfer_type: None,
        }
    }

    /// Adds a schedule.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule.push(schedule);
        self
    }

    /// Adds an account at the data source.
    pub fn account(mut self, account: TransferAccount) -> Self {
        self.accounts.push(account);
        self
    }

    /// Adds a segment of an account.
    pub fn segment(mut self, segment: Segment) -> Self {
        self.segments.push(segment);
        self
    }

    /// Adds a setting of the data source.
    pub fn setting(mut self, setting: Setting) -> Self {
        self.data_source_settings.push(setting);
        self
    }

    /// Adds an email address to which the vendor sends notifications.
    pub fn notify(mut self, email: impl Into<String>) -> Self {
        self.notification_recipients.push(email.into());
        self
    }

    /// The type of the transfer. The vendor does not document what the numbers mean.
    pub fn transfer_type(mut self, number: u32) -> Self {
        self.transfer_type = Some(number);
        self
    }

    fn check(&self) -> Result<()> {
        self.data_source_id.check("data_source_id", 1..=50)?;
        self.display_name.check("display_name", 1..=255)?;
        self.schedule.iter().try_for_each(Schedule::check)
    }
}

open_enum! {
    /// How often a transfer runs.
    RunInterval {
        /// Every hour.
        Hourly = "hourly",
        /// Every day.
        Daily = "daily",
        /// Every week.
        Weekly = "weekly",
        /// Every month.
        Monthly = "monthly",
    }
}

model! {
    /// When a transfer runs. UTC.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Schedule {
        /// How often.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub run_interval: Option<RunInterval>,
        /// The hour, 0 to 23.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub run_hour: Option<u32> as "run_hour" with small_number,
        /// How many days each run loads once more, at least 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub refresh_window: Option<u32> as "refresh_window" with small_number,
        /// The day of the week: 1 is Monday, 7 is Sunday.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub run_weekday: Option<u32> as "run_weekday" with small_number,
        /// The day of the month, 1 to 31.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub run_day: Option<u32> as "run_day" with small_number,
    }
}

impl Schedule {
    fn every(run_interval: RunInterval, run_hour: Option<u32>) -> Self {
        let (refresh_window, run_weekday, run_day) = (None, None, None);
        Self { run_interval: Some(run_interval), run_hour, refresh_window, run_weekday, run_day }
    }

    /// Every hour.
    #[must_use]
    pub fn hourly() -> Self {
        Self::every(RunInterval::Hourly, None)
    }

    /// Every day at this hour.
    #[must_use]
    pub fn daily(hour: u32) -> Self {
        Self::every(RunInterval::Daily, Some(hour))
    }

    /// On this day of each week, at this hour.
    #[must_use]
    pub fn weekly(day: Weekday, hour: u32) -> Self {
        let run_weekday = Some(day.number_from_monday());
        Self { run_weekday, ..Self::every(RunInterval::Weekly, Some(hour)) }
    }

    /// On this day of each month, 1 to 31, at this hour.
    #[must_use]
    pub fn monthly(day: u32, hour: u32) -> Self {
        Self { run_day: Some(day), ..Self::every(RunInterval::Monthly, Some(hour)) }
    }

    /// How many days each run loads once more.
    #[must_use]
    pub fn refresh_window(mut self, days: u32) -> Self {
        self.refresh_window = Some(days);
        self
    }

    fn check(&self) -> Result<()> {
        self.run_hour.check("run_hour", 0..=23)?;
        self.refresh_window.check("refresh_window", 1..=u32::MAX)?;
        self.run_weekday.check("run_weekday", 1..=7)?;
        self.run_day.check("run_day", 1..=31)
    }
}

model! {
    /// An account at the data source.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct TransferAccount {
        /// Name of the login.
        pub data_source_username: Option<Box<str>> as "data_source_username" with lenient::text,
        /// Number of the login.
        pub login_id: Option<u32> as "login_id" with small_number,
        /// Id of the account at the data source.
        pub account_id: Option<Box<str>> as "account_id" with lenient::text,
    }
}

impl TransferAccount {
    /// An account that this login can read.
    #[must_use]
    pub fn new(username: impl Into<Box<str>>, login_id: u32, account: impl Into<Box<str>>) -> Self {
        Self {
            data_source_username: Some(username.into()),
            login_id: Some(login_id),
            account_id: Some(account.into()),
        }
    }
}

model! {
    /// A segment of an account.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Segment {
        /// Name of the login.
        pub data_source_username: Option<Box<str>> as "data_source_username" with lenient::text,
        /// Number of the login.
        pub login_id: Option<u32> as "login_id" with small_number,
        /// Id of the account at the data source.
        pub account_id: Option<Box<str>> as "account_id" with lenient::text,
        /// Id of the segment.
        pub segment_id: Option<Box<str>> as "segment_id" with lenient::text,
        /// Name of the segment.
        pub segment_name: Option<Box<str>> as "segment_name" with lenient::text,
    }
}

impl Segment {
    /// A segment of this account.
    #[must_use]
    pub fn new(
        account: TransferAccount,
        id: impl Into<Box<str>>,
        name: impl Into<Box<str>>,
    ) -> Self {
        let TransferAccount { data_source_username, login_id, account_id } = account;
        let (segment_id, segment_name) = (Some(id.into()), Some(name.into()));
        Self { data_source_username, login_id, account_id, segment_id, segment_name }
    }
}

model! {
    /// A setting of the data source.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Setting {
        /// Id of the setting.
        pub field_id: Option<Box<str>> as "field_id" with lenient::text,
        /// A text, a number, `true`, `false` or null.
        pub value: Value as "value" default,
        /// The group that it belongs to.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub group: Option<Box<str>> as "group" with lenient::text,
    }
}

impl Setting {
    /// A setting with this value.
    #[must_use]
    pub fn new(field_id: impl Into<Box<str>>, value: impl Into<Value>) -> Self {
        Self { field_id: Some(field_id.into()), value: value.into(), group: None }
    }

    /// The group that it belongs to.
    #[must_use]
    pub fn group(mut self, name: impl Into<Box<str>>) -> Self {
        self.group = Some(name.into());
        self
    }
}

open_enum! {
    /// Whether the schedule of a transfer starts runs.
    TransferState {
        /// It does.
        Active = "active",
        /// It is paused.
        Paused = "paused",
    }
}

model! {
    /// A transfer, as it is listed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct TransferInfo {
        /// Id.
        pub id: TransferId as "dwh_transfer_id" required required_id,
        /// Name.
        pub display_name: Option<Box<str>>,
        /// Another id. Which one, the vendor does not document.
        pub external_transfer_id: Option<Box<str>> as "external_transfer_id" with lenient::text,
        /// Status. The vendor does not document the values.
        pub status: Option<Box<str>>,
        /// Whether its schedule starts runs.
        pub state: Option<TransferState>,
        /// Its schedule in one word, such as `daily`.
        pub schedule: Option<Box<str>>,
        /// The day of the last run.
        pub run_date: Option<NaiveDate> as "run_date" with date,
        /// The data source. The vendor does not document the members.
        pub data_source: Option<RawJson>,
        /// The destination. The vendor does not document the members.
        pub destination: Option<RawJson>,
        /// Ids of the accounts at the data source.
        pub accounts: Vec<Box<str>> as "accounts" with lenient::list,
        /// Statistics of backfills. The vendor does not document the members.
        pub backfill: Option<RawJson>,
    }
}

model! {
    /// The configuration of a transfer.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Transfer {
        /// Id.
        pub id: TransferId as "transfer_id" required required_id,
        /// Name.
        pub display_name: Option<Box<str>>,
        /// Number of the table group.
        pub schema_id: Option<u32> as "schema_id" with small_number,
        /// Number of the destination.
        pub destination_id: Option<u32> as "destination_id" with small_number,
        /// The accounts at the data source.
        pub accounts: Vec<TransferAccount> as "accounts" with objects,
        /// The segments of the accounts.
        pub segments: Vec<Segment> as "segments" with objects,
        /// The licence.
        pub license: Option<License> as "license" with lenient::object,
        /// When it runs.
        pub schedule: Vec<Schedule> as "schedule" with objects,
        /// The data source.
        pub data_source: Option<DataSource> as "data_source" with lenient::object,
        /// Who gets notifications.
        pub notification_recipients: Vec<Recipient> as "notification_recipients" with objects,
        /// A URL of the transfer. Where it leads, the vendor does not document.
        pub external_url: Option<Box<str>>,
    }
}

model! {
    /// The licence of a transfer.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct License {
        /// Id.
        pub id: Option<Box<str>> as "id" with lenient::text,
        /// The product.
        pub product_title: Option<Box<str>>,
        /// The name of the licence.
        pub license_title: Option<Box<str>>,
        /// Whether it has expired.
        pub is_expired: Option<bool> as "is_expired" with lenient::boolean,
        /// Whether it is a trial.
        pub is_trial: Option<bool> as "is_trial" with lenient::boolean,
        /// When it ends. UTC.
        pub end_date: Option<DateTime<Utc>> as "end_date" with time::lenient_utc,
        /// What it includes.
        pub features: BTreeMap<String, String> as "features" with lenient::texts,
    }
}

model! {
    /// The data source of a transfer.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct DataSource {
        /// Id, such as `AW`.
        pub data_source_id: Option<Box<str>> as "data_source_id" with lenient::text,
        /// Its name.
        pub service_name: Option<Box<str>>,
        /// Whose service it is.
        pub service_provider: Option<Box<str>>,
        /// Its settings.
        pub settings: Vec<Setting> as "settings" with objects,
    }
}

model! {
    /// Who gets notifications.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Recipient {
        /// Email address.
        pub email: Option<Box<str>>,
    }
}

model! {
    /// A transfer that was created or updated.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct ChangedTransfer {
        /// Id.
        pub id: TransferId as "transfer_id" required required_id,
        /// Name.
        pub transfer_name: Option<Box<str>>,
    }
}

model! {
    /// The response to pausing or unpausing a transfer.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct StateChange {
        /// Whether it was done. The vendor may say `false` with status 200.
        pub result: Option<bool> as "result" with lenient::boolean,
        /// The state after that.
        pub state: Option<TransferState>,
    }
}

model! {
    /// What is wrong with a configuration.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Validation {
        /// Whether it is valid.
        pub is_valid: Option<bool> as "is_valid" with lenient::boolean,
        /// The fields that are not.
        pub errors: Vec<InvalidField> as "errors" with objects,
    }
}

model! {
    /// A field of a configuration that is not valid.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct InvalidField {
        /// Id of the field.
        pub field_id: Option<Box<str>>,
        /// What is wrong, as a code such as `isEmpty`.
        pub error_code: Option<Box<str>>,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refused, request_text};
    use super::*;

    fn definition() -> NewTransfer {
        NewTransfer::new("AW", 31, 8, "Ads")
            .schedule(Schedule::daily(4).refresh_window(3))
            .account(TransferAccount::new("u@example.com", 77, "100"))
    }

    const BODY: &str = r#"{"data_source_id":"AW","schema_id":31,"destination_id":8,"display_name":"Ads","schedule":[{"run_interval":"daily","run_hour":4,"refresh_window":3}],"accounts":[{"data_source_username":"u@example.com","login_id":77,"account_id":"100"}]}"#;

    #[test]
    fn transfers_are_requested_as_the_vendors_client_does() {
        let with_body =
            |line: &str, body: &str| format!("{line}\ncontent-type: application/json\n\n{body}");
        assert_eq!(request_text(&ListTransfers::new()), "GET /transfers");
        assert_eq!(request_text(&GetTransfer::new("5017")), "GET /transfers/5017");
        assert_eq!(
            request_text(&CreateTransfer::new(definition())),
            with_body("POST /transfers", BODY)
        );
        assert_eq!(
            request_text(&UpdateTransfer::new("5017", definition())),
            with_body("PUT /transfers/5017", BODY)
        );
        assert_eq!(
            request_text(&ValidateTransfer::new(definition())),
            with_body("POST /transfers/validations", BODY)
        );
        assert_eq!(
            request_text(&ValidateTransferUpdate::new("5017", definition())),
            with_body("POST /transfers/5017/validations", BODY)
        );
        assert_eq!(request_text(&DeleteTransfer::new("5017")), "DELETE /transfers/5017");
        for (text, state) in [
            (request_text(&PauseTransfer::new("5017")), "pause"),
            (request_text(&UnpauseTransfer::new("5017")), "unpause"),
        ] {
            let body = format!(r#"{{"transfer_state":"{state}"}}"#);
            assert_eq!(text, with_body("PUT /transfers/5017/state", &body));
        }
    }

    #[test]
    fn all_that_a_configuration_can_hold_is_sent() {
        let account = TransferAccount::new("u", 1, "a");
        let whole = NewTransfer::new("AW", 31, 8, "Ads")
            .schedule(Schedule::weekly(Weekday::Sun, 0))
            .schedule(Schedule::monthly(31, 23))
            .schedule(Schedule::hourly())
            .segment(Segment::new(account, "s", "n"))
            .setting(Setting::new("f", true).group("g"))
            .setting(Setting::new("f", "x"))
            .notify("ops@example.com")
            .transfer_type(2);
        assert_eq!(
            serde_json::to_string(&whole).unwrap(),
            r#"{"data_source_id":"AW","schema_id":31,"destination_id":8,"display_name":"Ads","schedule":[{"run_interval":"weekly","run_hour":0,"run_weekday":7},{"run_interval":"monthly","run_hour":23,"run_day":31},{"run_interval":"hourly"}],"accounts":[],"segments":[{"data_source_username":"u","login_id":1,"account_id":"a","segment_id":"s","segment_name":"n"}],"data_source_settings":[{"field_id":"f","value":true,"group":"g"},{"field_id":"f","value":"x"}],"notification_recipients":["ops@example.com"],"transfer_type":2}"#
        );
    }

    #[test]
    fn a_configuration_that_cannot_be_is_refused() {
        for schedule in [
            Schedule::daily(24),
            Schedule::monthly(0, 1),
            Schedule::monthly(32, 1),
            Schedule::hourly().refresh_window(0),
            Schedule { run_weekday: Some(8), ..Schedule::hourly() },
        ] {
            refused(&CreateTransfer::new(definition().schedule(schedule.clone())));
            refused(&UpdateTransfer::new("5017", definition().schedule(schedule)));
        }
        refused(&CreateTransfer::new(NewTransfer::new("", 31, 8, "Ads")));
        refused(&CreateTransfer::new(NewTransfer::new("AW", 31, 8, "")));
        refused(&GetTransfer::new(".."));
    }
}

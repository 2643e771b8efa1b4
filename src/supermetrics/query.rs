//! What a query asks for: the parameters of a data call as one value.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::schedule_id::{ScheduleId, check_id};
use crate::error::{Error, Result};

/// A query: which data source, which of its accounts, which days, which fields.
///
/// It is a serde value in the vendor's own form: store it, read it from a configuration, make a
/// [`target`](super::target) of it. What the vendor would refuse for its size is refused before it is sent.
///
/// Source: Supermetrics API, "Get data", and the vendor's `OpenAPI` file.
///
/// ```
/// use scheduled_runs::supermetrics::Query;
///
/// let query = Query::new("GAWA")
///     .accounts(["123456", "654321"])
///     .start_date("2026-02-01")
///     .end_date("yesterday")
///     .fields(["date", "sessions"])
///     .max_rows(50_000);
/// # let text = serde_json::to_string(&query).unwrap();
/// # assert_eq!(serde_json::from_str::<Query>(&text).unwrap(), query);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a query does nothing until it is run"]
pub struct Query {
    pub(super) ds_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) schedule_id: Option<ScheduleId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ds_accounts: Option<Accounts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ds_segments: Option<Texts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ds_user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ds_users: Option<Texts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    date_range_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end_date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compare_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compare_show: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compare_start_date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compare_end_date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fields: Option<Fields>,
    #[serde(default, deserialize_with = "settings", skip_serializing_if = "Map::is_empty")]
    settings: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_columns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_rows: Option<Texts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_columns: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_rows: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset_start: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset_end: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_minutes: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sync_timeout: Option<u32>,
    /// What has no setter: kept when a stored query is read, and sent.
    #[serde(flatten, deserialize_with = "others")]
    other: BTreeMap<String, Value>,
}

impl Query {
    /// A query of this data source, for example `GAWA`: at most 50 letters, digits, `-` and `_`.
    pub fn new(ds_id: impl Into<String>) -> Self {
        Self {
            ds_id: ds_id.into(),
            schedule_id: None,
            ds_accounts: None,
            ds_segments: None,
            ds_user: None,
            ds_users: None,
            date_range_type: None,
            start_date: None,
            end_date: None,
            compare_type: None,
            compare_show: None,
            compare_start_date: None,
            compare_end_date: None,
            fields: None,
            settings: Map::new(),
            filter: None,
            order_columns: None,
            order_rows: None,
            max_columns: None,
            max_rows: None,
            offset_start: None,
            offset_end: None,
            cache_minutes: None,
            sync_timeout: None,
            other: BTreeMap::new(),
        }
    }

    /// Id for the run. Left out, the vendor derives one from the other parameters, so that equal queries share it: old
    /// results may come back. A [target](super::target) whose query names none gets a [unique](ScheduleId::unique) one
    /// for each run.
    pub fn schedule_id(mut self, id: impl Into<ScheduleId>) -> Self {
        self.schedule_id = Some(id.into());
        self
    }

    /// Accounts to ask about: a list, a text with commas, or a [filter](Accounts::filter). At most 100.
    pub fn accounts(mut self, accounts: impl Into<Accounts>) -> Self {
        self.ds_accounts = Some(accounts.into());
        self
    }

    /// Segments to ask about: a list, or a text with commas. At most 1000.
    pub fn segments(mut self, segments: impl Into<Texts>) -> Self {
        self.ds_segments = Some(segments.into());
        self
    }

    /// The one login that is to be used at the data source, at most 255 letters. One that belongs to another source
    /// fails with `QUERY_AUTH_UNAVAILABLE`.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.ds_user = Some(user.into());
        self
    }

    /// The logins that may be used at the data source, each at most 255 letters.
    pub fn users(mut self, users: impl Into<Texts>) -> Self {
        self.ds_users = Some(users.into());
        self
    }

    /// Kind of the range of days, in the vendor's words, for example `last_month`. At most 50 letters.
    pub fn date_range_type(mut self, kind: impl Into<String>) -> Self {
        self.date_range_type = Some(kind.into());
        self
    }

    /// First day: `2026-02-01`, a date of chrono, or relative, `yesterday`. At most 100 letters.
    pub fn start_date(mut self, day: impl Display) -> Self {
        self.start_date = Some(day.to_string());
        self
    }

    /// Last day, as [`start_date`](Self::start_date).
    pub fn end_date(mut self, day: impl Display) -> Self {
        self.end_date = Some(day.to_string());
        self
    }

    /// What to compare with, in the vendor's words. The other three about comparing go with `custom` alone.
    pub fn compare_type(mut self, kind: impl Into<String>) -> Self {
        self.compare_type = Some(kind.into());
        self
    }

    /// How the comparison is shown. Needs a [`compare_type`](Self::compare_type) of `custom`.
    pub fn compare_show(mut self, show: impl Into<String>) -> Self {
        self.compare_show = Some(show.into());
        self
    }

    /// First day to compare with. Needs a [`compare_type`](Self::compare_type) of `custom`.
    pub fn compare_start_date(mut self, day: impl Display) -> Self {
        self.compare_start_date = Some(day.to_string());
        self
    }

    /// Last day to compare with. Needs a [`compare_type`](Self::compare_type) of `custom`.
    pub fn compare_end_date(mut self, day: impl Display) -> Self {
        self.compare_end_date = Some(day.to_string());
        self
    }

    /// Fields of the rows: a list of ids, a text with commas, or a list of [objects](Fields::objects). At most 100.
    pub fn fields(mut self, fields: impl Into<Fields>) -> Self {
        self.fields = Some(fields.into());
        self
    }

    /// Leaves out the row of headers that comes first otherwise. Rows are typed by the answer's own description of its
    /// fields then; where a field makes columns of its values, these columns have no name at all.
    pub fn no_headers(self) -> Self {
        self.setting("no_headers", true)
    }

    /// Leaves out the keys of the format [`KeyJson`](super::Format::KeyJson).
    pub fn no_json_keys(self) -> Self {
        self.setting("no_json_keys", true)
    }

    /// Any other setting.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Condition that rows must meet, in the vendor's words. At most 5000 letters.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Order of the columns that a field is split into.
    pub fn order_columns(mut self, order: impl Into<String>) -> Self {
        self.order_columns = Some(order.into());
        self
    }

    /// Order of the rows: fields with their directions, a list or a text with commas. At most 50.
    pub fn order_rows(mut self, order: impl Into<Texts>) -> Self {
        self.order_rows = Some(order.into());
        self
    }

    /// Most columns that a field is split into, 1 to 1000. Left out, the vendor takes 20.
    pub fn max_columns(mut self, columns: u32) -> Self {
        self.max_columns = Some(columns);
        self
    }

    /// Most rows of the result, 1 to 1,000,000. Left out, the vendor takes 1000.
    pub fn max_rows(mut self, rows: u32) -> Self {
        self.max_rows = Some(rows);
        self
    }

    /// First row to send, counted from 0, at most 1,000,000. For JSON only; [`ListRows`](super::ListRows) walks all rows.
    pub fn offset_start(mut self, row: u32) -> Self {
        self.offset_start = Some(row);
        self
    }

    /// Last row to send, counted from 0 and **sent too**: 0 to 99 is a hundred rows. At most 1,000,000. For JSON only.
    pub fn offset_end(mut self, row: u32) -> Self {
        self.offset_end = Some(row);
        self
    }

    /// Greatest age in minutes of a result that the vendor may take from its cache, 0 to 10,080 (a week).
    pub fn cache_minutes(mut self, minutes: u32) -> Self {
        self.cache_minutes = Some(minutes);
        self
    }

    /// How long the vendor holds the call open for the query to end, at most an hour; zero answers at once. Sent in
    /// whole seconds. Left out, this crate sends [`RunQuery::SYNC_TIMEOUT`](super::RunQuery::SYNC_TIMEOUT), for the
    /// vendor's own default is half an hour.
    pub fn sync_timeout(mut self, limit: Duration) -> Self {
        self.sync_timeout = Some(limit.as_secs().try_into().unwrap_or(u32::MAX));
        self
    }

    /// Any other parameter: `ds_login`, for example, is in use and not documented. One that has a setter is refused,
    /// and so is `api_key`, whose value is not even kept: that is [`ApiKey`](super::ApiKey)'s work.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.other.insert(name.into(), value.into());
        self.other = without_key(self.other);
        self
    }

    /// Whether the answer begins without a row of headers.
    pub(super) fn has_no_headers(&self) -> bool {
        self.settings.get("no_headers").is_some_and(|set| *set == Value::Bool(true))
    }

    /// What the vendor would refuse, is refused here.
    pub(super) fn check(&self) -> Result<()> {
        check_id("ds_id", &self.ds_id)?;
        if let Some(id) = &self.schedule_id {
            id.check()?;
        }
        if let Some(accounts) = &self.ds_accounts {
            accounts.check()?;
        }
        if let Some(fields) = &self.fields {
            fields.check()?;
        }
        for (name, texts, most) in [
            ("ds_segments", &self.ds_segments, 1000),
            ("ds_users", &self.ds_users, 100),
            ("order_rows", &self.order_rows, 50),
        ] {
            if let Some(texts) = texts {
                texts.check(name, most)?;
            }
        }
        for (name, text, longest) in [
            ("ds_user", &self.ds_user, 255),
            ("date_range_type", &self.date_range_type, 50),
            ("start_date", &self.start_date, 100),
            ("end_date", &self.end_date, 100),
            ("compare_type", &self.compare_type, 50),
            ("compare_show", &self.compare_show, 50),
            ("compare_start_date", &self.compare_start_date, 100),
            ("compare_end_date", &self.compare_end_date, 100),
            ("filter", &self.filter, 5000),
            ("order_columns", &self.order_columns, 1000),
        ] {
            if let Some(text) = text {
                check_length(name, text, longest)?;
            }
        }
        for (name, number, range) in [
            ("max_columns", self.max_columns, 1..=1000),
            ("max_rows", self.max_rows, 1..=1_000_000),
            ("offset_start", self.offset_start, 0..=1_000_000),
            ("offset_end", self.offset_end, 0..=1_000_000),
            ("cache_minutes", self.cache_minutes, 0..=10_080),
            ("sync_timeout", self.sync_timeout, 0..=3600),
        ] {
            check_range(name, number, range)?;
        }
        check_offsets(self.offset_start, self.offset_end)?;
        let custom = self.compare_type.as_deref() == Some("custom");
        let compares = [&self.compare_show, &self.compare_start_date, &self.compare_end_date];
        if !custom && compares.iter().any(|part| part.is_some()) {
            return Err(Error::config(
                "`compare_show`, `compare_start_date` and `compare_end_date` need a `compare_type` of `custom`",
            ));
        }
        if self.other.contains_key("api_key") {
            return Err(Error::config(
                "`api_key` is no part of a query; give the client an `ApiKey` as its credential",
            ));
        }
        if self.other.keys().any(|name| SET.contains(&&**name)) {
            return Err(Error::config(
                "a parameter that has a setter was given to `parameter`; call its setter",
            ));
        }
        Ok(())
    }
}

fn others<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Value>, D::Error> {
    BTreeMap::deserialize(deserializer).map(without_key)
}

/// A query is printed, stored, and made the id of a target. The key that stands in one, as in the parameters of a copied
/// URL, leaves its name alone, by which the query is refused.
fn without_key(mut parameters: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    if let Some(key) = parameters.get_mut("api_key") {
        *key = Value::Null;
    }
    parameters
}

/// Stored queries say "no settings" with an empty list or null, too.
fn settings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(settings) => Ok(settings),
        Value::Null => Ok(Map::new()),
        Value::Array(list) if list.is_empty() => Ok(Map::new()),
        _ => Err(D::Error::custom("settings are an object")),
    }
}

/// The parameters that have setters: given twice, one would be lost.
const SET: [&str; 24] = [
    "ds_id",
    "schedule_id",
    "ds_accounts",
    "ds_segments",
    "ds_user",
    "ds_users",
    "date_range_type",
    "start_date",
    "end_date",
    "compare_type",
    "compare_show",
    "compare_start_date",
    "compare_end_date",
    "fields",
    "settings",
    "filter",
    "order_columns",
    "order_rows",
    "max_columns",
    "max_rows",
    "offset_start",
    "offset_end",
    "cache_minutes",
    "sync_timeout",
];

/// Texts as the vendor takes them: a list, or one text with commas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Texts {
    /// One, or several with commas between.
    Text(String),
    /// Several.
    List(Vec<String>),
}

impl Texts {
    fn check(&self, name: &str, most: usize) -> Result<()> {
        let texts: Vec<&str> = match self {
            Self::Text(text) => text.split(',').map(str::trim).collect(),
            Self::List(list) => list.iter().map(String::as_str).collect(),
        };
        check_count(name, texts.len(), most)?;
        texts.into_iter().try_for_each(|text| check_length(name, text, 255))
    }
}

/// Which accounts of the data source are asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Accounts {
    /// Their ids.
    Ids(Texts),
    /// Those that a filter finds.
    Filter(Map<String, Value>),
}

impl Accounts {
    /// The accounts that this filter finds. Its members are not documented.
    #[must_use]
    pub fn filter(filter: Map<String, Value>) -> Self {
        Self::Filter(filter)
    }

    fn check(&self) -> Result<()> {
        match self {
            Self::Ids(ids) => ids.check("ds_accounts", 100),
            Self::Filter(_) => Ok(()),
        }
    }
}

/// Which fields the rows have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Fields {
    /// Their ids.
    Ids(Texts),
    /// Their ids with more about each.
    Objects(Vec<Map<String, Value>>),
}

impl Fields {
    /// Fields as objects, which say more than an id. Their members are not documented.
    #[must_use]
    pub fn objects(fields: impl IntoIterator<Item = Map<String, Value>>) -> Self {
        Self::Objects(fields.into_iter().collect())
    }

    fn check(&self) -> Result<()> {
        match self {
            Self::Ids(ids) => ids.check("fields", 100),
            Self::Objects(objects) => check_count("fields", objects.len(), 100),
        }
    }
}

macro_rules! from_texts {
    ($($name:ident $wrap:expr;)+) => {$(
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                $wrap(Texts::Text(text.to_owned()))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                $wrap(Texts::Text(text))
            }
        }

        impl<T: Into<String>> From<Vec<T>> for $name {
            fn from(list: Vec<T>) -> Self {
                $wrap(Texts::List(list.into_iter().map(Into::into).collect()))
            }
        }

        impl<T: Into<String>, const N: usize> From<[T; N]> for $name {
            fn from(list: [T; N]) -> Self {
                $wrap(Texts::List(list.map(Into::into).into()))
            }
        }
    )+};
}

from_texts! {
    Texts std::convert::identity;
    Accounts Accounts::Ids;
    Fields Fields::Ids;
}

fn check_count(name: &str, count: usize, most: usize) -> Result<()> {
    if (1..=most).contains(&count) {
        return Ok(());
    }
    Err(Error::config(format!("`{name}` has {count} entries; it may have 1 to {most}")))
}

fn check_length(name: &str, text: &str, longest: usize) -> Result<()> {
    let length = text.chars().count();
    if (1..=longest).contains(&length) {
        return Ok(());
    }
    Err(Error::config(format!("`{name}` has {length} letters; it may have 1 to {longest}")))
}

pub(super) fn check_range(
    name: &str,
    number: Option<u32>,
    range: RangeInclusive<u32>,
) -> Result<()> {
    match number {
        Some(number) if !range.contains(&number) => {
            let (least, most) = range.into_inner();
            Err(Error::config(format!("`{name}` is {number}; it may be {least} to {most}")))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_offsets(start: Option<u32>, end: Option<u32>) -> Result<()> {
    match end {
        Some(end) if end < start.unwrap_or_default() => Err(Error::config(
            "`offset_end` comes before `offset_start`; both name rows that are sent",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ErrorKind;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_parameter_is_sent_under_its_own_name() {
        let query = Query::new("GA")
            .schedule_id("s-1")
            .accounts(["1", "2"])
            .segments("a,b")
            .user("u@example.com")
            .users(vec!["u", "v"])
            .date_range_type("custom")
            .start_date(chrono::NaiveDate::from_ymd_opt(2026, 2, 1).unwrap())
            .end_date("today")
            .compare_type("custom")
            .compare_show("perc_change")
            .compare_start_date("2025-02-01")
            .compare_end_date("2025-02-28")
            .fields(["date", "sessions"])
            .no_headers()
            .no_json_keys()
            .setting("blanks", "0")
            .filter("sessions > 0")
            .order_columns("alphabetic")
            .order_rows(["date desc"])
            .max_columns(5)
            .max_rows(10)
            .offset_start(0)
            .offset_end(4)
            .cache_minutes(60)
            .sync_timeout(Duration::ZERO)
            .parameter("ds_login", "dsl_1");
        let value = json!({
            "ds_id": "GA", "schedule_id": "s-1", "ds_accounts": ["1", "2"], "ds_segments": "a,b",
            "ds_user": "u@example.com", "ds_users": ["u", "v"], "date_range_type": "custom",
            "start_date": "2026-02-01", "end_date": "today", "compare_type": "custom",
            "compare_show": "perc_change", "compare_start_date": "2025-02-01", "compare_end_date": "2025-02-28",
            "fields": ["date", "sessions"],
            "settings": {"no_headers": true, "no_json_keys": true, "blanks": "0"},
            "filter": "sessions > 0", "order_columns": "alphabetic", "order_rows": ["date desc"],
            "max_columns": 5, "max_rows": 10, "offset_start": 0, "offset_end": 4, "cache_minutes": 60,
            "sync_timeout": 0, "ds_login": "dsl_1",
        });
        assert_eq!(serde_json::to_value(&query).unwrap(), value);
        assert_eq!(serde_json::from_value::<Query>(value.clone()).unwrap(), query);
        assert!(query.check().is_ok());
        let names = value.as_object().unwrap().keys();
        assert_eq!(names.filter(|name| SET.contains(&&***name)).count(), SET.len());
    }

    #[test]
    fn accounts_and_fields_have_three_forms() {
        for (accounts, value) in [
            (Accounts::from("1,2"), json!("1,2")),
            (Accounts::from(vec!["1".to_owned()]), json!(["1"])),
            (Accounts::filter(object(&json!({"name": "^Shop"}))), json!({"name": "^Shop"})),
        ] {
            assert_eq!(serde_json::to_value(&accounts).unwrap(), value);
            assert_eq!(serde_json::from_value::<Accounts>(value).unwrap(), accounts);
        }
        for (fields, value) in [
            (Fields::from("date, sessions"), json!("date, sessions")),
            (Fields::from(["date"]), json!(["date"])),
            (Fields::objects([object(&json!({"id": "date"}))]), json!([{"id": "date"}])),
        ] {
            assert_eq!(serde_json::to_value(&fields).unwrap(), value);
            assert_eq!(serde_json::from_value::<Fields>(value).unwrap(), fields);
        }
    }

    #[test]
    fn stored_queries_say_no_settings_in_three_ways() {
        for settings in ["{}", "[]", "null"] {
            let stored = format!(r#"{{"ds_id":"GA","settings":{settings},"fields":null}}"#);
            assert_eq!(serde_json::from_str::<Query>(&stored).unwrap(), Query::new("GA"));
        }
        assert!(serde_json::from_str::<Query>(r#"{"ds_id":"GA","settings":[1]}"#).is_err());
    }

    #[test]
    fn a_key_among_the_parameters_is_not_kept() {
        let copied = r#"{"ds_id":"GA","api_key":"canary"}"#;
        for query in
            [Query::new("GA").parameter("api_key", "canary"), serde_json::from_str(copied).unwrap()]
        {
            let target = super::super::target(&query);
            assert!(!format!("{query:?} {target} {target:?}").contains("canary"));
            assert!(query.check().is_err());
            let stored: Query = serde_json::from_str(target.id()).unwrap();
            assert!(stored.check().is_err(), "the trigger says what is wrong");
        }
    }

    #[test]
    fn what_the_vendor_would_refuse_is_refused_here_and_says_what_may_be() {
        let query = || Query::new("GA");
        let long = |length| "x".repeat(length);
        for (query, says) in vec![
            (Query::new(""), "`ds_id` is empty"),
            (Query::new(long(51)), "`ds_id` is too long"),
            (Query::new("a/b"), "`ds_id` is too long or holds other characters"),
            (query().schedule_id(long(51).as_str()), "`schedule_id` is too long"),
            (query().schedule_id("a b"), "1 to 50 letters, digits, `-` and `_`"),
            (
                query().accounts(vec!["1"; 101]),
                "`ds_accounts` has 101 entries; it may have 1 to 100",
            ),
            (query().accounts(Vec::<String>::new()), "`ds_accounts` has 0 entries"),
            (query().accounts(vec!["1"; 101].join(",")), "`ds_accounts` has 101 entries"),
            (query().segments(vec!["1"; 1001]), "`ds_segments`"),
            (query().user(long(256)), "`ds_user` has 256 letters"),
            (query().users([long(256)]), "`ds_users` has 256 letters"),
            (query().date_range_type(long(51)), "`date_range_type`"),
            (query().start_date(""), "`start_date` has 0 letters"),
            (query().end_date(long(101)), "`end_date`"),
            (query().fields(vec!["f"; 101]), "`fields`"),
            (query().fields(Fields::objects(vec![Map::new(); 101])), "`fields`"),
            (query().filter(long(5001)), "`filter`"),
            (query().order_rows(vec!["f"; 51]), "`order_rows`"),
            (query().max_columns(0), "`max_columns` is 0; it may be 1 to 1000"),
            (query().max_columns(1001), "`max_columns`"),
            (query().max_rows(0), "`max_rows` is 0"),
            (query().max_rows(1_000_001), "1 to 1000000"),
            (query().offset_start(1_000_001), "`offset_start`"),
            (query().offset_start(5).offset_end(4), "`offset_end` comes before `offset_start`"),
            (query().cache_minutes(10_081), "`cache_minutes`"),
            (
                query().sync_timeout(Duration::from_secs(3601)),
                "`sync_timeout` is 3601; it may be 0 to 3600",
            ),
            (query().compare_show("x"), "need a `compare_type` of `custom`"),
            (
                query().compare_type("prev_year").compare_end_date("today"),
                "`compare_type` of `custom`",
            ),
            (query().parameter("api_key", "canary"), "`ApiKey` as its credential"),
            (query().parameter("ds_id", "canary"), "call its setter"),
        ] {
            let error = query.check().expect_err(says);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.to_string().contains("canary"));
        }
        for good in [
            query().accounts(vec!["1"; 100]).segments(vec!["1"; 1000]).max_rows(1_000_000),
            query()
                .offset_start(4)
                .offset_end(4)
                .sync_timeout(Duration::from_secs(3600))
                .cache_minutes(0),
            Query::new("x".repeat(50)),
        ] {
            assert!(good.check().is_ok(), "{good:?}");
        }
    }
}

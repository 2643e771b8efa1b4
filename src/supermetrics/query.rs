//! What a query asks for: the parameters of a data call as one value.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::parameters::{LAST_OFFSET, Limited, check_count, check_id, check_offsets};
use super::schedule_id::ScheduleId;
use crate::error::{Error, Result};
use crate::redact::cut_credentials;

/// A query: its data source, accounts, days and fields.
///
/// It is a serde value in the vendor's own form: store it, read it from a configuration, or make a
/// [`target`](super::target) of it. Values outside the vendor's limits are refused before the query is sent.
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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a query does nothing until it is run"]
pub struct Query {
    pub(super) ds_id: String,
    #[serde(flatten)]
    pub(super) parameters: QueryParameters,
    /// Parameters without a setter: kept when a stored query is read, and sent.
    #[serde(flatten, deserialize_with = "others")]
    other: BTreeMap<String, Value>,
}

/// Declares the parameters of a query in a table, one row each: the documentation, the setter, the vendor's name for
/// the parameter, its type, how the setter's argument becomes its value, and the limits that are checked before it is
/// sent.
macro_rules! query_parameters {
    ($(
        $(#[$doc:meta])*
        $setter:ident($argument:ident: $given:ty) => $name:ident: $type:ty = $value:expr, $limits:expr;
    )+) => {
        /// The parameters of a query that are optional.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub(super) struct QueryParameters {
            $(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub(super) $name: Option<$type>,
            )+
            #[serde(default, deserialize_with = "settings", skip_serializing_if = "Map::is_empty")]
            settings: Map<String, Value>,
        }

        impl QueryParameters {
            fn check_limits(&self) -> Result<()> {
                $(self.$name.check(stringify!($name), $limits)?;)+
                Ok(())
            }
        }

        impl Query {
            $(
                $(#[$doc])*
                pub fn $setter(mut self, $argument: $given) -> Self {
                    self.parameters.$name = Some($value);
                    self
                }
            )+
        }

        /// The parameters that have setters. `check` refuses them in `other`: one of the two values would be lost.
        const SET: &[&str] = &["ds_id", "settings", $(stringify!($name)),+];
    };
}

query_parameters! {
    /// Id of the run. If not set, the vendor derives one from the other parameters, so that equal queries share it and
    /// old results may come back. A [target](super::target) whose query sets none gets a [unique](ScheduleId::unique)
    /// id for each run.
    schedule_id(id: impl Into<ScheduleId>) => schedule_id: ScheduleId = id.into(), 1..=50;

    /// The accounts: a list, a text with commas, or a [filter](Accounts::filter). At most 100.
    accounts(accounts: impl Into<Accounts>) => ds_accounts: Accounts = accounts.into(), 1..=100;

    /// The segments: a list, or a text with commas. At most 1000.
    segments(segments: impl Into<Texts>) => ds_segments: Texts = segments.into(), 1..=1000;

    /// The one login to use at the data source, at most 255 characters. A login of another data source fails with
    /// `QUERY_AUTH_UNAVAILABLE`.
    user(user: impl Into<String>) => ds_user: String = user.into(), 1..=255;

    /// The logins that may be used at the data source, at most 100, each of at most 255 characters.
    users(users: impl Into<Texts>) => ds_users: Texts = users.into(), 1..=100;

    /// The kind of date range, in the vendor's words, for example `last_month`. At most 50 characters.
    date_range_type(kind: impl Into<String>) => date_range_type: String = kind.into(), 1..=50;

    /// First day: `2026-02-01`, a date of chrono, or a relative one, such as `yesterday`. At most 100 characters.
    start_date(day: impl Display) => start_date: String = day.to_string(), 1..=100;

    /// Last day, as [`start_date`](Self::start_date).
    end_date(day: impl Display) => end_date: String = day.to_string(), 1..=100;

    /// What to compare with, in the vendor's words, at most 50 characters. The other three setters for comparisons need
    /// the value `custom`.
    compare_type(kind: impl Into<String>) => compare_type: String = kind.into(), 1..=50;

    /// How the comparison is shown, at most 50 characters. Needs a [`compare_type`](Self::compare_type) of `custom`.
    compare_show(show: impl Into<String>) => compare_show: String = show.into(), 1..=50;

    /// First day to compare with. Needs a [`compare_type`](Self::compare_type) of `custom`.
    compare_start_date(day: impl Display) => compare_start_date: String = day.to_string(), 1..=100;

    /// Last day to compare with. Needs a [`compare_type`](Self::compare_type) of `custom`.
    compare_end_date(day: impl Display) => compare_end_date: String = day.to_string(), 1..=100;

    /// The fields, which become the columns of the rows: a list of ids, a text with commas, or a list of
    /// [objects](Fields::objects). At most 100.
    fields(fields: impl Into<Fields>) => fields: Fields = fields.into(), 1..=100;

    /// A condition that rows must meet, in the vendor's words. At most 5000 characters.
    filter(filter: impl Into<String>) => filter: String = filter.into(), 1..=5000;

    /// The order of the columns that a field is split into. At most 1000 characters.
    order_columns(order: impl Into<String>) => order_columns: String = order.into(), 1..=1000;

    /// The order of the rows: fields with their directions, as a list or a text with commas. At most 50.
    order_rows(order: impl Into<Texts>) => order_rows: Texts = order.into(), 1..=50;

    /// The most columns that a field is split into, 1 to 1000. If not set, the vendor uses 20.
    max_columns(columns: u32) => max_columns: u32 = columns, 1..=1000;

    /// The most rows of the result, 1 to 1,000,000. If not set, the vendor uses 1000.
    max_rows(rows: u32) => max_rows: u32 = rows, 1..=1_000_000;

    /// The first row to send, counted from 0, at most 1,000,000. For JSON only; [`ListRows`](super::ListRows) reads all
    /// rows.
    offset_start(row: u32) => offset_start: u32 = row, 0..=LAST_OFFSET;

    /// The last row to send, counted from 0 and **included**: 0 to 99 is a hundred rows. At most 1,000,000. For JSON
    /// only.
    offset_end(row: u32) => offset_end: u32 = row, 0..=LAST_OFFSET;

    /// The greatest age in minutes of a result that the vendor may take from its cache, 0 to 10,080 (a week).
    cache_minutes(minutes: u32) => cache_minutes: u32 = minutes, 0..=10_080;

    /// How long the vendor holds the call open until the query ends, at most an hour; with zero it responds at once.
    /// Sent in whole seconds. If not set, this crate sends [`RunQuery::SYNC_TIMEOUT`](super::RunQuery::SYNC_TIMEOUT),
    /// because the vendor's own default is half an hour.
    sync_timeout(limit: Duration) => sync_timeout: u32 = limit.as_secs().try_into().unwrap_or(u32::MAX), 0..=3600;
}

impl Query {
    /// A query of this data source, for example `GAWA`: at most 50 letters, digits, `-` and `_`.
    pub fn new(ds_id: impl Into<String>) -> Self {
        Self { ds_id: ds_id.into(), parameters: QueryParameters::default(), other: BTreeMap::new() }
    }

    /// Leaves out the header row, which otherwise comes first. The columns are then known from the fields that the
    /// response describes; columns that were made of a field's values have no name at all.
    pub fn no_headers(self) -> Self {
        self.setting("no_headers", true)
    }

    /// Leaves out the keys of the format [`KeyJson`](super::Format::KeyJson).
    pub fn no_json_keys(self) -> Self {
        self.setting("no_json_keys", true)
    }

    /// Any other setting.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.parameters.settings.insert(name.into(), value.into());
        self
    }

    /// Any other parameter, for example `ds_login`, which is in use and not documented. A parameter that has a setter
    /// is refused. So is `api_key`, whose value is not even kept: give the key to [`ApiKey`](super::ApiKey).
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.other.insert(name.into(), value.into());
        self.other = without_key(self.other);
        self
    }

    /// The query as it may be printed, and whether it names a credential.
    #[inline]
    fn printed(&self) -> (Value, bool) {
        let mut query = serde_json::to_value(self).unwrap_or_default();
        let found = cut_credentials(&mut query);
        (query, found)
    }

    /// Whether the rows come without a header row.
    #[inline]
    pub(super) fn has_no_headers(&self) -> bool {
        let setting = self.parameters.settings.get("no_headers");
        setting.is_some_and(|set| *set == Value::Bool(true))
    }

    /// Refuses what the vendor would refuse.
    #[inline]
    pub(super) fn check(&self) -> Result<()> {
        check_id("ds_id", &self.ds_id, 1..=50)?;
        self.parameters.check()?;
        if self.printed().1 {
            return Err(Error::config(
                "the query names an `api_key` or another credential, maybe in its settings; give the client an `ApiKey` as its credential",
            ));
        }
        if self.other.keys().any(|name| SET.contains(&&**name)) {
            return Err(Error::config(
                "`parameter` was given a parameter that has a setter; call its setter",
            ));
        }
        Ok(())
    }
}

/// As JSON, without the values of members that are named like a credential, such as `api_key`, at any depth.
impl fmt::Debug for Query {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({})", self.printed().0)
    }
}

impl QueryParameters {
    /// The timeout of a query that sets none.
    pub(super) const SYNC_TIMEOUT: Duration = Duration::from_secs(20);

    /// Refuses what the vendor would refuse.
    #[inline]
    pub(super) fn check(&self) -> Result<()> {
        self.check_limits()?;
        if let Some(Accounts::Ids(accounts)) = &self.ds_accounts {
            accounts.check_ids("ds_accounts")?;
        }
        self.ds_segments.as_ref().map_or(Ok(()), |segments| segments.check_ids("ds_segments"))?;
        check_offsets(self.offset_start, self.offset_end)?;
        let custom = self.compare_type.as_deref() == Some("custom");
        let compares = [&self.compare_show, &self.compare_start_date, &self.compare_end_date];
        if !custom && compares.iter().any(|part| part.is_some()) {
            return Err(Error::config(
                "`compare_show`, `compare_start_date` and `compare_end_date` need a `compare_type` of `custom`",
            ));
        }
        Ok(())
    }

    /// These parameters, with the default timeout unless they have one.
    pub(super) fn with_timeout(mut self) -> Self {
        self.sync_timeout = self.sync_timeout.or(Self::SYNC_TIMEOUT.as_secs().try_into().ok());
        self
    }
}

fn others<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Value>, D::Error> {
    BTreeMap::deserialize(deserializer).map(without_key)
}

/// Queries are printed, stored, and used as the id of a target, so that an API key among the parameters, as in those of
/// a copied URL, is not kept. Its name is, and the query is refused because of it.
fn without_key(mut parameters: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    if let Some(key) = parameters.get_mut("api_key") {
        *key = Value::Null;
    }
    parameters
}

/// Stored queries also use an empty list or null for "no settings".
fn settings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(settings) => Ok(settings),
        Value::Null => Ok(Map::new()),
        Value::Array(list) if list.is_empty() => Ok(Map::new()),
        _ => Err(D::Error::custom("settings must be an object")),
    }
}

/// Texts in the vendor's form: one, or a list.
///
/// A text with commas, given as such or read from a stored query, is a list of its parts. The entries of a list are not
/// divided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, from = "Written")]
#[non_exhaustive]
pub enum Texts {
    /// One text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

impl Texts {
    fn of(text: String) -> Self {
        if !text.contains(',') {
            return Self::Text(text);
        }
        Self::List(text.split(',').map(|part| part.trim().to_owned()).collect())
    }

    fn as_slice(&self) -> &[String] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(list) => list,
        }
    }

    /// Refuses an id with a comma: no id has one, and the vendor may read it as two.
    pub(super) fn check_ids(&self, name: &str) -> Result<()> {
        if self.as_slice().iter().any(|id| id.contains(',')) {
            let message = format!("an id of `{name}` contains a comma; pass each id on its own");
            return Err(Error::config(message));
        }
        Ok(())
    }
}

/// [`Texts`] as stored queries have them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    List(Vec<String>),
}

impl From<Written> for Texts {
    fn from(written: Written) -> Self {
        match written {
            Written::Text(text) => Self::of(text),
            Written::List(list) => Self::List(list),
        }
    }
}

impl Limited for Texts {
    fn check(&self, name: &str, limits: RangeInclusive<u32>) -> Result<()> {
        let texts = self.as_slice();
        check_count(name, texts.len(), "entries", limits)?;
        texts.iter().try_for_each(|text| text.check(name, 1..=255))
    }
}

/// The accounts of a data source that a query is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Accounts {
    /// The accounts with these ids.
    Ids(Texts),
    /// The accounts that a filter finds.
    Filter(Map<String, Value>),
}

impl Accounts {
    /// The accounts that this filter finds. The members of a filter are not documented.
    #[must_use]
    pub fn filter(filter: Map<String, Value>) -> Self {
        Self::Filter(filter)
    }
}

impl Limited for Accounts {
    fn check(&self, name: &str, limits: RangeInclusive<u32>) -> Result<()> {
        match self {
            Self::Ids(ids) => ids.check(name, limits),
            Self::Filter(_) => Ok(()),
        }
    }
}

/// The fields that a query asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Fields {
    /// The fields with these ids.
    Ids(Texts),
    /// The fields as objects, which say more than an id.
    Objects(Vec<Map<String, Value>>),
}

impl Fields {
    /// Fields as objects, which say more than an id. Their members are not documented.
    #[must_use]
    pub fn objects(fields: impl IntoIterator<Item = Map<String, Value>>) -> Self {
        Self::Objects(fields.into_iter().collect())
    }
}

impl Limited for Fields {
    fn check(&self, name: &str, limits: RangeInclusive<u32>) -> Result<()> {
        match self {
            Self::Ids(ids) => ids.check(name, limits),
            Self::Objects(objects) => check_count(name, objects.len(), "entries", limits),
        }
    }
}

macro_rules! from_texts {
    ($($name:ident $wrap:expr;)+) => {$(
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                $wrap(Texts::of(text.to_owned()))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                $wrap(Texts::of(text))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ErrorKind;
    use crate::run::{RunRef, Target};

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
            "ds_id": "GA", "schedule_id": "s-1", "ds_accounts": ["1", "2"], "ds_segments": ["a", "b"],
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
            (Accounts::from("1"), json!("1")),
            (Accounts::from("1, 2"), json!(["1", "2"])),
            (Accounts::from(vec!["1".to_owned()]), json!(["1"])),
            (Accounts::filter(object(&json!({"name": "^Shop"}))), json!({"name": "^Shop"})),
        ] {
            assert_eq!(serde_json::to_value(&accounts).unwrap(), value);
            assert_eq!(serde_json::from_value::<Accounts>(value).unwrap(), accounts);
        }
        for (fields, value) in [
            (Fields::from("date, sessions".to_owned()), json!(["date", "sessions"])),
            (Fields::from(["date"]), json!(["date"])),
            (Fields::objects([object(&json!({"id": "date"}))]), json!([{"id": "date"}])),
        ] {
            assert_eq!(serde_json::to_value(&fields).unwrap(), value);
            assert_eq!(serde_json::from_value::<Fields>(value).unwrap(), fields);
        }
    }

    #[test]
    fn a_text_with_commas_is_a_list_in_a_stored_query_too() {
        let stored = r#"{"ds_id":"GA","ds_accounts":"1,2","ds_users":"u, v","order_rows":"date"}"#;
        let query = Query::new("GA").accounts(["1", "2"]).users(["u", "v"]).order_rows("date");
        assert_eq!(serde_json::from_str::<Query>(stored).unwrap(), query);
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
        let nested = r#"{"ds_id":"GA","settings":{"a":"{\"API_KEY\":\"canary\"}"}}"#;
        for query in [
            Query::new("GA").parameter("api_key", "canary"),
            Query::new("GA").parameter("json", r#"{"a":[{"api_key":"canary"}]}"#),
            Query::new("GA").setting("apiKey", "canary"),
            Query::new("GA").setting("url", "https://h/?api_key=canary&a=b"),
            Query::new("GA").accounts(Accounts::filter(object(&json!({"password": "canary"})))),
            serde_json::from_str(copied).unwrap(),
            serde_json::from_str(nested).unwrap(),
        ] {
            let target = super::super::target(&query);
            let by_hand = Target::new(super::super::VENDOR, serde_json::to_string(&query).unwrap());
            let run = by_hand.run("r");
            let printed = format!("{query:?} {target} {target:?} {by_hand:?} {run} {run:?}");
            assert!(!printed.contains("canary"), "{printed}");
            assert_eq!(run.to_string().parse::<RunRef>().unwrap(), run);
            assert!(query.check().is_err());
            let stored: Query = serde_json::from_str(target.id()).unwrap();
            assert!(stored.check().is_err(), "the trigger says what is wrong");
        }
    }

    #[test]
    fn what_the_vendor_would_refuse_is_refused_with_the_limit() {
        let query = || Query::new("GA");
        let long = |length| "x".repeat(length);
        for (query, says) in vec![
            (Query::new(""), "`ds_id` is empty"),
            (Query::new(long(51)), "`ds_id` is too long"),
            (Query::new("a/b"), "`ds_id` is too long or has other characters"),
            (query().schedule_id(long(51).as_str()), "`schedule_id` is too long"),
            (query().schedule_id("a b"), "1 to 50 letters, digits, `-` or `_`"),
            (
                query().accounts(vec!["1"; 101]),
                "`ds_accounts` has 101 entries; it must have 1 to 100",
            ),
            (query().accounts(Vec::<String>::new()), "`ds_accounts` has 0 entries"),
            (query().accounts(vec!["1"; 101].join(",")), "`ds_accounts` has 101 entries"),
            (query().accounts("1,,2"), "`ds_accounts` has 0 characters"),
            (query().accounts(["1,2", "3"]), "an id of `ds_accounts` contains a comma"),
            (query().accounts(Accounts::Ids(Texts::Text("1,2".into()))), "contains a comma"),
            (query().segments(["a,b"]), "an id of `ds_segments` contains a comma"),
            (query().segments(vec!["1"; 1001]), "`ds_segments`"),
            (query().user(long(256)), "`ds_user` has 256 characters"),
            (query().users([long(256)]), "`ds_users` has 256 characters"),
            (query().date_range_type(long(51)), "`date_range_type`"),
            (query().start_date(""), "`start_date` has 0 characters"),
            (query().end_date(long(101)), "`end_date`"),
            (query().fields(vec!["f"; 101]), "`fields`"),
            (query().fields(Fields::objects(vec![Map::new(); 101])), "`fields`"),
            (query().filter(long(5001)), "`filter`"),
            (query().order_rows(vec!["f"; 51]), "`order_rows`"),
            (query().max_columns(0), "`max_columns` is 0; it must be 1 to 1000"),
            (query().max_columns(1001), "`max_columns`"),
            (query().max_rows(0), "`max_rows` is 0"),
            (query().max_rows(1_000_001), "1 to 1000000"),
            (query().offset_start(1_000_001), "`offset_start`"),
            (query().offset_start(5).offset_end(4), "`offset_end` is less than `offset_start`"),
            (query().cache_minutes(10_081), "`cache_minutes`"),
            (
                query().sync_timeout(Duration::from_secs(3601)),
                "`sync_timeout` is 3601; it must be 0 to 3600",
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

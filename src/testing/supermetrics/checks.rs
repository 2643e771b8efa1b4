//! The parameters of requests, in all the ways they may be sent, and their limits.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::FakeSupermetrics;
use super::dates::moment;
use super::responses::{Object, ParsedRequest, Refusal};
use super::state::State;

/// Result formats. The last five are JSON for other tools.
pub(super) const FORMATS: &[&str] = &[
    "json", "csv", "tsv", "ndjson", "keyjson", "parquet", "powerbi", "qlik", "tableau", "pbijson",
    "postman",
];

/// What a parameter may be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Text of at most this many characters.
    Text(usize),
    /// Text of letters, digits, `_` and `-`, of at most this many characters.
    Id(usize),
    /// A whole number in this range.
    Number(u64, u64),
    Flag,
    OneOf(&'static [&'static str]),
    /// One text or a list; commas separate texts, too. The numbers limit the texts and the characters of each.
    Texts(usize, usize),
    /// The same, of letters, digits, `_` and `-`.
    Ids(usize, usize),
    /// A list of IDs, or an object that filters.
    Accounts,
    /// A list of IDs, or of objects.
    Fields,
    Settings,
    /// Checked where it is used.
    List,
}

/// Name, kind, and whether it must be there.
pub(super) type Parameter = (&'static str, Kind, bool);

pub(super) const DATA: &[Parameter] = &[
    ("ds_id", Kind::Id(50), true),
    ("schedule_id", Kind::Id(50), false),
    ("ds_accounts", Kind::Accounts, false),
    ("ds_segments", Kind::Ids(1000, 50), false),
    ("ds_user", Kind::Text(255), false),
    ("ds_users", Kind::Texts(100, 255), false),
    ("date_range_type", Kind::Text(50), false),
    ("start_date", Kind::Text(100), false),
    ("end_date", Kind::Text(100), false),
    ("compare_type", Kind::Text(50), false),
    ("compare_show", Kind::Text(50), false),
    ("compare_start_date", Kind::Text(100), false),
    ("compare_end_date", Kind::Text(100), false),
    ("fields", Kind::Fields, false),
    ("settings", Kind::Settings, false),
    ("filter", Kind::Text(5000), false),
    ("order_columns", Kind::Text(1000), false),
    ("order_rows", Kind::Texts(50, 100), false),
    ("max_columns", Kind::Number(1, 1000), false),
    ("max_rows", Kind::Number(1, 1_000_000), false),
    ("offset_start", Kind::Number(0, 1_000_000), false),
    ("offset_end", Kind::Number(0, 1_000_000), false),
    ("cache_minutes", Kind::Number(0, 10_080), false),
    ("sync_timeout", Kind::Number(0, 3600), false),
    ("api_links", Kind::Texts(1000, 100), false),
];
/// What may be asked of a saved query.
pub(super) const SHORT_URL: &[Parameter] = &[
    ("date_range_type", Kind::Text(50), false),
    ("start_date", Kind::Text(100), false),
    ("end_date", Kind::Text(100), false),
    ("max_columns", Kind::Number(1, 1000), false),
    ("max_rows", Kind::Number(1, 1_000_000), false),
    ("offset_start", Kind::Number(0, 1_000_000), false),
    ("offset_end", Kind::Number(0, 1_000_000), false),
    ("sync_timeout", Kind::Number(0, 3600), false),
];
pub(super) const STATUS: &[Parameter] = &[
    ("schedule_id", Kind::Id(50), true),
    ("offset_start", Kind::Number(0, 1_000_000), false),
    ("offset_end", Kind::Number(0, 1_000_000), false),
];
pub(super) const RESULTS: &[Parameter] = &[
    ("schedule_id", Kind::Id(50), true),
    ("offset", Kind::Number(0, 1_000_000), false),
    ("limit", Kind::Number(1, 100_000), false),
];
pub(super) const HISTORY: &[Parameter] = &[
    ("ds_ids", Kind::Ids(100, 50), false),
    ("status_codes", Kind::Ids(100, 20), false),
    ("since", Kind::Text(100), false),
    ("until", Kind::Text(100), false),
    ("offset", Kind::Number(0, 1_000_000), false),
    ("limit", Kind::Number(1, 1000), false),
];
pub(super) const ACCOUNTS: &[Parameter] = &[
    ("ds_id", Kind::Id(50), true),
    ("ds_users", Kind::Texts(100, 255), false),
    ("cache_minutes", Kind::Number(60, 1440), false),
];
pub(super) const FIELDS: &[Parameter] = &[
    ("ds_id", Kind::Id(50), true),
    ("ds_accounts", Kind::Ids(100, 50), false),
    ("ds_users", Kind::Texts(100, 255), false),
];
pub(super) const BATCH: &[Parameter] = &[
    ("queries", Kind::List, true),
    ("description", Kind::Text(255), false),
    ("split_accounts_policy", Kind::OneOf(&["all", "none"]), false),
    ("split_dates_policy", Kind::OneOf(&["day", "none"]), false),
    ("timeout_minutes", Kind::Number(5, 60), false),
    ("query_concurrency", Kind::Number(1, 50), false),
    ("query_output_format", Kind::OneOf(FORMATS), false),
    ("add_exclude_account_errors", Kind::Flag, false),
    ("add_clean_data_types", Kind::Flag, false),
];
pub(super) const BATCH_STATUS: &[Parameter] =
    &[("offset", Kind::Number(0, 1_000_000), false), ("limit", Kind::Number(1, 1000), false)];

/// The parameters of a call, in whichever way they were sent.
pub(super) struct Sent<'c> {
    pub(super) call: &'c ParsedRequest,
    given: Result<Given, Refusal>,
    /// Where no header was sent.
    pub(super) key_parameter: Option<String>,
    /// Those that are not a part of what is asked for: `system` and `pretty`.
    pub(super) extras: Vec<(String, String)>,
}

enum Given {
    Json(Object),
    Flat(Vec<(String, String)>),
}

impl<'c> Sent<'c> {
    pub(super) fn new(call: &'c ParsedRequest) -> Self {
        let given = Ok(Given::Flat(Vec::new()));
        let mut sent = Self { call, given, key_parameter: None, extras: Vec::new() };
        sent.given = sent.read_given();
        sent
    }

    fn read_given(&mut self) -> Result<Given, Refusal> {
        let call = self.call;
        let query = self.flat(&call.query)?;
        if call.body.is_empty() {
            return Ok(query);
        }
        if call.method != "POST" {
            return Err(Refusal::bad_request("only POST may have a body"));
        }
        if !matches!(&query, Given::Flat(pairs) if pairs.is_empty()) {
            return Err(Refusal::bad_request("the parameters of a POST belong in its body"));
        }
        match call.media_type().as_str() {
            "application/json" => self.json(&call.body),
            "application/x-www-form-urlencoded" => {
                let pairs: Vec<_> = form_urlencoded::parse(&call.body).into_owned().collect();
                self.flat(&pairs)
            }
            _ => Err(Refusal::bad_request("a body is JSON or a form, and says so")),
        }
    }

    /// Pairs of a query or a form. If one of them is `json`, it holds all parameters.
    fn flat(&mut self, pairs: &[(String, String)]) -> Result<Given, Refusal> {
        let mut rest = Vec::new();
        let mut whole = None;
        for (name, value) in pairs {
            let again = || Refusal::bad_request(&format!("{name} is repeated"));
            match name.as_str() {
                "system" | "pretty" => self.extras.push((name.clone(), value.clone())),
                "api_key" if self.key_parameter.is_some() => return Err(again()),
                "api_key" => self.key_parameter = Some(value.clone()),
                "json" if whole.is_some() => return Err(again()),
                "json" => whole = Some(value),
                _ => rest.push((name.clone(), value.clone())),
            }
        }
        match (whole, rest.first()) {
            (None, _) => Ok(Given::Flat(rest)),
            (Some(text), None) => self.json(text.as_bytes()),
            (Some(_), Some((name, _))) => {
                Err(Refusal::bad_request(&format!("{name} cannot be combined with json")))
            }
        }
    }

    fn json(&mut self, text: &[u8]) -> Result<Given, Refusal> {
        let mut object: Object = serde_json::from_slice(text)
            .map_err(|_| Refusal::bad_request("the parameters must be one JSON object"))?;
        match object.remove("api_key") {
            None => {}
            Some(Value::String(key)) => self.key_parameter = Some(key),
            Some(_) => return Err(Refusal::bad_request("api_key must be text")),
        }
        Ok(Given::Json(object))
    }

    /// Checks the key in a header or, without such a header, among the parameters.
    pub(super) fn check_key(&self) -> Result<(), Refusal> {
        let required = || Refusal::new("API_KEY_REQUIRED", "An API key is needed");
        let header = self.call.headers.get("authorization");
        let key = match header.map(|value| value.to_str().unwrap_or_default()) {
            Some(value) => {
                let (scheme, key) = value.split_once(' ').ok_or_else(required)?;
                let key = Some(key.trim()).filter(|_| scheme.eq_ignore_ascii_case("bearer"));
                key.ok_or_else(required)?
            }
            None => self.key_parameter.as_deref().ok_or_else(required)?,
        };
        match key {
            "" => Err(required()),
            FakeSupermetrics::API_KEY => Ok(()),
            _ if key.starts_with("otok_") => {
                Err(Refusal::new("ACCESS_TOKEN_INVALID", "This access token is not valid"))
            }
            _ => Err(Refusal::new("API_KEY_INVALID", "This API key is not valid")),
        }
    }

    /// The parameters, of these names and kinds; all others are refused.
    pub(super) fn read(&self, table: &[Parameter]) -> Result<Object, Refusal> {
        let given = self.given.as_ref().map_err(Clone::clone)?;
        let object = match given {
            Given::Json(object) => object.clone(),
            Given::Flat(pairs) => typed(pairs, table)?,
        };
        check(&object, table)?;
        Ok(object)
    }

    /// Nothing but a key.
    pub(super) fn bare(&self) -> Result<(), Refusal> {
        self.read(&[]).map(drop)
    }
}

/// Converts text to the kind of its parameter.
fn typed(pairs: &[(String, String)], table: &[Parameter]) -> Result<Object, Refusal> {
    let mut object = Object::new();
    for (name, text) in pairs {
        let kind = table.iter().find(|(known, ..)| known == name).map(|(_, kind, _)| *kind);
        let value = match kind {
            Some(Kind::Number(..)) => text.parse::<u64>().map_or(json!(text), Value::from),
            Some(Kind::Flag) => text.parse::<bool>().map_or(json!(text), Value::from),
            // A list or an object is written as JSON unless it is a list of texts.
            Some(Kind::Settings | Kind::List) => {
                serde_json::from_str(text).unwrap_or_else(|_| json!(text))
            }
            Some(Kind::Accounts | Kind::Fields) if text.starts_with(['{', '[']) => {
                serde_json::from_str(text).unwrap_or_else(|_| json!(text))
            }
            _ => json!(text),
        };
        let list =
            matches!(kind, Some(Kind::Texts(..) | Kind::Ids(..) | Kind::Accounts | Kind::Fields));
        match object.get_mut(name) {
            None => {
                object.insert(name.clone(), value);
            }
            Some(Value::Array(values)) if list => values.push(value),
            Some(first) if list => *first = json!([first.take(), value]),
            Some(_) => return Err(Refusal::bad_request(&format!("{name} is repeated"))),
        }
    }
    Ok(object)
}

/// Checks that all parameters are known and valid, and that none is missing.
pub(super) fn check(object: &Object, table: &[Parameter]) -> Result<(), Refusal> {
    let known = |name: &str| table.iter().find(|(known, ..)| *known == name);
    for (name, value) in object {
        let Some((name, kind, _)) = known(name) else {
            return Err(Refusal::bad_request(&format!("{name} is not a parameter of this call")));
        };
        if !kind.allows(value) {
            let code = match kind {
                Kind::Accounts if value.is_object() => "ACCOUNT_FILTER_INVALID",
                Kind::Accounts if texts(value, 100).is_some() => "ACCOUNT_ID_INVALID",
                Kind::Accounts => "ACCOUNTS_INVALID",
                _ => "BAD_REQUEST",
            };
            return Err(Refusal::invalid(code, &format!("{name} must be {}", kind.rule())));
        }
    }
    match table.iter().find(|(name, _, needed)| *needed && !object.contains_key(*name)) {
        Some((name, ..)) => Err(Refusal::bad_request(&format!("{name} is required"))),
        None => Ok(()),
    }
}

impl Kind {
    fn allows(self, value: &Value) -> bool {
        let all = |count, fits: &dyn Fn(&String) -> bool| {
            texts(value, count).is_some_and(|texts| texts.iter().all(fits))
        };
        match self {
            Self::Text(most) => value.as_str().is_some_and(|text| is_short(text, most)),
            Self::Id(most) => value.as_str().is_some_and(|text| is_id(text, most)),
            Self::Number(least, most) => {
                value.as_u64().is_some_and(|number| (least..=most).contains(&number))
            }
            Self::Flag => value.is_boolean(),
            Self::OneOf(words) => value.as_str().is_some_and(|text| words.contains(&text)),
            Self::Texts(count, most) => all(count, &|text| is_short(text, most)),
            Self::Ids(count, most) => all(count, &|text| is_id(text, most)),
            Self::Accounts => match value {
                Value::Object(filter) => !filter.is_empty(),
                _ => Self::Ids(100, 50).allows(value),
            },
            Self::Fields => match value {
                Value::Array(fields) if fields.iter().any(Value::is_object) => {
                    let id = |field: &Value| Self::Text(100).allows(&field["id"]);
                    fields.len() <= 100 && fields.iter().all(id)
                }
                Value::String(text) if !is_short(text, 1000) => false,
                _ => Self::Texts(100, 100).allows(value),
            },
            Self::Settings => {
                let flag = |name: &str| value.get(name).is_none_or(Value::is_boolean);
                value.is_object() && flag("no_headers") && flag("no_json_keys")
            }
            Self::List => value.is_array(),
        }
    }

    /// What follows "must be".
    fn rule(self) -> String {
        let unsigned = "of letters, digits, _ and -";
        match self {
            Self::Text(most) => format!("text of {most} characters at most"),
            Self::Id(most) => format!("text {unsigned}, of {most} characters at most"),
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::Flag => "true or false".to_owned(),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::Texts(count, most) => format!("{count} texts of {most} characters at most"),
            Self::Ids(count, most) => {
                format!("{count} texts {unsigned}, of {most} characters at most")
            }
            Self::Accounts => "100 account ids at most, or a filter".to_owned(),
            Self::Fields => "100 field ids or objects with an id at most".to_owned(),
            Self::Settings => "an object; no_headers and no_json_keys are flags".to_owned(),
            Self::List => "a list".to_owned(),
        }
    }
}

/// One text or a list of texts; commas separate texts, too. `None` if there are more than `count`.
fn texts(value: &Value, count: usize) -> Option<Vec<String>> {
    let texts = items(value);
    let good = match value {
        Value::Array(all) => all.iter().all(Value::is_string),
        _ => value.is_string(),
    };
    (good && texts.len() <= count).then_some(texts)
}

fn is_short(text: &str, most: usize) -> bool {
    text.chars().count() <= most
}

fn is_id(text: &str, most: usize) -> bool {
    let sign = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !text.is_empty() && text.len() <= most && text.chars().all(sign)
}

/// The texts of a list, however it was sent; of an object, its ID.
pub(super) fn items(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
        Value::Array(all) => {
            let text = |item: &Value| item.as_str().or(item["id"].as_str()).map(str::to_owned);
            all.iter().filter_map(text).collect()
        }
        _ => Vec::new(),
    }
}

/// The texts of a list parameter; none where it is missing.
pub(super) fn list(object: &Object, name: &str) -> Vec<String> {
    object.get(name).map(items).unwrap_or_default()
}

pub(super) fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

pub(super) fn number(object: &Object, name: &str) -> Option<u64> {
    object.get(name).and_then(Value::as_u64)
}

/// The same as an index of a list.
pub(super) fn place(object: &Object, name: &str) -> Option<usize> {
    number(object, name).and_then(|number| usize::try_from(number).ok())
}

/// Rules that need more than one parameter of a query, or the calendar.
pub(super) fn check_query(query: &Object, json: bool, now: DateTime<Utc>) -> Result<(), Refusal> {
    let date = |name: &str, code: &str| match text(query, name) {
        None => Ok(None),
        Some(text) => {
            let read = moment(text, now).map(|at| Some(at.date_naive()));
            read.ok_or_else(|| Refusal::invalid(code, &format!("{name} is not a date")))
        }
    };
    if let (Some(start), Some(end)) =
        (date("start_date", "BAD_REQUEST")?, date("end_date", "BAD_REQUEST")?)
        && start > end
    {
        return Err(Refusal::bad_request("end_date is before start_date"));
    }
    let custom = text(query, "compare_type") == Some("custom");
    for name in ["compare_show", "compare_start_date", "compare_end_date"] {
        if query.contains_key(name) && !custom {
            let why = format!("{name} needs compare_type=custom");
            return Err(Refusal::bad_request(&why));
        }
    }
    let start = date("compare_start_date", "COMPARE_START_DATE_INVALID")?;
    let end = date("compare_end_date", "COMPARE_END_DATE_INVALID")?;
    if custom && start.is_none() {
        return Err(Refusal::invalid(
            "COMPARE_START_DATE_REQUIRED",
            "compare_start_date is missing",
        ));
    }
    if custom && end.is_none() {
        return Err(Refusal::invalid("COMPARE_END_DATE_REQUIRED", "compare_end_date is missing"));
    }
    if !json && (query.contains_key("offset_start") || query.contains_key("offset_end")) {
        return Err(Refusal::bad_request("offset_start and offset_end are for json only"));
    }
    check_offsets(query)
}

pub(super) fn check_offsets(query: &Object) -> Result<(), Refusal> {
    let start = number(query, "offset_start").unwrap_or(0);
    if number(query, "offset_end").is_some_and(|end| end < start) {
        return Err(Refusal::bad_request("offset_end is before offset_start"));
    }
    Ok(())
}

/// Data source, licence and login.
pub(super) fn check_source(query: &Object, state: &State) -> Result<(), Refusal> {
    let source = text(query, "ds_id").unwrap_or_default();
    if !state.has_source(source) {
        return Err(Refusal::bad_request(&format!("ds_id {source} is not a data source")));
    }
    if source == FakeSupermetrics::UNLICENSED_DATA_SOURCE {
        let message = "The license does not include this data source";
        return Err(Refusal::new("LICENSE_ACCESS_DATA_SOURCE", message));
    }
    let users =
        [list(query, "ds_users"), text(query, "ds_user").map(str::to_owned).into_iter().collect()];
    if users.concat().iter().any(|user| !user.eq_ignore_ascii_case(FakeSupermetrics::USER)) {
        let message = "No valid login was found for this data source";
        return Err(Refusal::new("QUERY_AUTH_UNAVAILABLE", message));
    }
    Ok(())
}

/// A query, a form or a JSON body, without API keys; unchanged if there are none.
pub(super) fn scrubbed(sent: &str) -> String {
    if let Ok(mut value) = serde_json::from_str(sent) {
        return if remove_keys(&mut value) > 0 { value.to_string() } else { sent.to_owned() };
    }
    // Even what cannot be parsed may contain a key.
    if sent.trim_start().starts_with(['{', '[']) {
        return if sent.contains("api_key") { String::new() } else { sent.to_owned() };
    }
    let parts = sent.split('&').filter_map(|part| {
        let pair = form_urlencoded::parse(part.as_bytes()).next();
        match pair.as_ref().map(|(name, value)| (&**name, &**value)) {
            Some(("api_key", _)) => None,
            Some(("json", value)) if scrubbed(value) != value => {
                let mut pair = form_urlencoded::Serializer::new(String::new());
                Some(pair.append_pair("json", &scrubbed(value)).finish())
            }
            _ => Some(part.to_owned()),
        }
    });
    parts.collect::<Vec<_>>().join("&")
}

/// Returns how many there were.
fn remove_keys(value: &mut Value) -> usize {
    match value {
        Value::Object(object) => {
            let own = usize::from(object.remove("api_key").is_some());
            own + object.values_mut().map(remove_keys).sum::<usize>()
        }
        Value::Array(items) => items.iter_mut().map(remove_keys).sum(),
        _ => 0,
    }
}

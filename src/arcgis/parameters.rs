//! The parameters of tasks.

use std::fmt;
use std::time::Duration;

use chrono::NaiveTime;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::redact::{cut_credentials, without_credentials};
use crate::wire::{model, open_enum};

/// The parameters of a task or of a notebook, as JSON. Those of a task depend on its kind.
///
/// They are printed as `[redacted]`, because responses contain the passcode of a backup, and serialised without it.
///
/// ```
/// use scheduled_runs::arcgis::Parameters;
/// use serde_json::json;
///
/// // Some members are JSON texts inside the JSON.
/// let parameters =
///     Parameters::from(json!({ "updatePortalItem": true, "notebookParameters": "{}" }));
/// assert_eq!(parameters.json(), r#"{"notebookParameters":"{}","updatePortalItem":true}"#);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Parameters(Box<str>);

impl Parameters {
    /// The JSON text.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.0
    }

    /// Decodes the parameters into your own type.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if they do not have its shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        // Not the parser's own message: it quotes the input.
        serde_json::from_str(&self.0).map_err(|_| {
            Error::new(ErrorKind::Decode, "the task's parameters do not have the expected shape")
        })
    }

    /// The passcode of a backup, if there is one.
    #[inline]
    pub(super) fn passcode(&self) -> Option<SecretString> {
        model! {
            struct Backup {
                passcode: Option<SecretString>,
            }
        }
        serde_json::from_str::<Backup>(&self.0).ok()?.passcode
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Without the passcode of a backup, and without other credentials.
impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Ok(mut value) = serde_json::from_str::<Value>(&self.0) else {
            return without_credentials(&self.0).serialize(serializer);
        };
        let mut is_secret = cut_credentials(&mut value);
        if let Some(passcode) = value.get_mut("passcode") {
            (*passcode, is_secret) = (Value::Null, true);
        }
        match serde_json::from_str::<&RawValue>(&self.0) {
            // Unchanged, down to the digits of its numbers.
            Ok(raw) if !is_secret => raw.serialize(serializer),
            _ => value.serialize(serializer),
        }
    }
}

impl From<Value> for Parameters {
    fn from(json: Value) -> Self {
        Self(json.to_string().into())
    }
}

/// Reads parameters: an object, or a JSON text that holds one. An empty text is read as `None`.
pub(super) fn lenient<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Parameters>, D::Error> {
    let Some(raw) = Option::<Box<RawValue>>::deserialize(deserializer)? else { return Ok(None) };
    let text = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    Ok((!text.is_empty()).then(|| Parameters(text.into())))
}

open_enum! {
    /// Unit of a retention period.
    RetentionUnit {
        /// Days.
        Day = "day",
        /// Weeks.
        Week = "week",
        /// Months.
        Month = "month",
    }
}

/// The parameters of a task of type [`CreateBackup`](super::TaskType::CreateBackup).
///
/// ```
/// use scheduled_runs::arcgis::{
///     BackupParameters, CreateTask, CronSchedule, RetentionUnit, TaskType,
/// };
///
/// let backup = BackupParameters::new("nightly", "default", "a long passcode")
///     .retention(RetentionUnit::Day, 14);
/// let request = CreateTask::new(TaskType::CreateBackup, CronSchedule::daily(4, 0)?)
///     .parameters(backup);
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
///
/// Source: Enterprise Administrator API, "Create Task"; the docs call `metaData` and `retention` arrays, but samples have objects,
/// which are sent here.
#[derive(Clone, Debug)]
#[must_use = "parameters do nothing until they are part of a request"]
pub struct BackupParameters {
    name: String,
    store_name: String,
    passcode: SecretString,
    description: Option<String>,
    start_time: Option<NaiveTime>,
    retention: Option<(RetentionUnit, u32)>,
    retention_offset: Option<Duration>,
}

impl BackupParameters {
    /// Minimum length of a passcode, in characters; a shorter one is refused before anything is sent.
    pub const SHORTEST_PASSCODE: usize = 8;

    /// Backups with this name, in the backup store `store_name`, protected by a passcode of at least
    /// [8 characters](Self::SHORTEST_PASSCODE).
    pub fn new(
        name: impl Into<String>,
        store_name: impl Into<String>,
        passcode: impl Into<SecretString>,
    ) -> Self {
        Self {
            name: name.into(),
            store_name: store_name.into(),
            passcode: passcode.into(),
            description: None,
            start_time: None,
            retention: None,
            retention_offset: None,
        }
    }

    /// Description.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Start time in UTC, to the minute. Inferred: it is for information only; the task's schedule decides.
    pub fn start_time(mut self, time: NaiveTime) -> Self {
        self.start_time = Some(time);
        self
    }

    /// Age at which backups are deleted.
    ///
    /// Days and weeks also set [`retention_offset`](Self::retention_offset), unless you set it yourself.
    pub fn retention(mut self, unit: RetentionUnit, count: u32) -> Self {
        self.retention = Some((unit, count));
        self
    }

    /// The age at which backups are deleted as a duration, sent in milliseconds. Inferred: the vendor's sample has both, and they
    /// agree.
    pub fn retention_offset(mut self, age: Duration) -> Self {
        self.retention_offset = Some(age);
        self
    }

    fn offset(&self) -> Option<Duration> {
        let day = Duration::from_secs(24 * 60 * 60);
        self.retention_offset.or(match &self.retention {
            Some((RetentionUnit::Day, days)) => Some(day.saturating_mul(*days)),
            Some((RetentionUnit::Week, weeks)) => Some((7 * day).saturating_mul(*weeks)),
            _ => None,
        })
    }
}

impl From<BackupParameters> for Parameters {
    #[inline]
    fn from(backup: BackupParameters) -> Self {
        let mut members = Map::new();
        let offset = backup.offset();
        if backup.start_time.is_some() || backup.retention.is_some() {
            let mut meta = Map::from_iter([("recurring".to_owned(), true.into())]);
            meta.extend(
                backup
                    .start_time
                    .map(|time| ("startTime".to_owned(), time.format("%H:%M").to_string().into())),
            );
            meta.extend(backup.retention.map(|(unit, count)| {
                let retention = serde_json::json!({ "type": unit.as_str(), "value": count });
                ("retention".to_owned(), retention)
            }));
            members.insert("metaData".into(), meta.into());
        }
        if let Some(offset) = offset {
            let millis = u64::try_from(offset.as_millis()).unwrap_or(u64::MAX);
            members.insert("retentionOffset".into(), millis.into());
        }
        members.insert("name".into(), backup.name.into());
        members.insert("storeName".into(), backup.store_name.into());
        members.extend(backup.description.map(|text| ("description".to_owned(), text.into())));
        members.insert("passcode".into(), backup.passcode.expose_secret().into());
        Value::Object(members).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        #[serde(default, deserialize_with = "lenient")]
        parameters: Option<Parameters>,
    }

    fn read(json: &str) -> Option<Parameters> {
        let json = format!(r#"{{"parameters":{json}}}"#);
        serde_json::from_str::<Holder>(&json).unwrap().parameters
    }

    #[test]
    fn parameters_are_kept_as_they_came_and_not_printed() {
        for (json, kept) in [
            (r#"{ "a": 1.50, "b": [] }"#, Some(r#"{ "a": 1.50, "b": [] }"#)),
            (r#""{\"a\":1}""#, Some(r#"{"a":1}"#)),
            (r#""""#, None),
            ("null", None),
            ("[1]", Some("[1]")),
        ] {
            assert_eq!(read(json).as_ref().map(Parameters::json), kept, "{json}");
            let written = read(json).map(|kept| serde_json::to_string(&kept).unwrap());
            assert_eq!(written.as_deref(), kept, "what holds no secret is written as it came");
        }
        let parameters = read(r#"{"passcode":"canary-passcode"}"#).unwrap();
        assert_eq!(format!("{parameters:?}"), "[redacted]");
        assert_eq!(serde_json::to_string(&parameters).unwrap(), r#"{"passcode":null}"#);
        assert_eq!(parameters.passcode().unwrap().expose_secret(), "canary-passcode");
        let error = parameters.read::<Vec<u8>>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        assert_eq!(parameters.read::<Value>().unwrap()["passcode"], "canary-passcode");
    }

    #[test]
    fn the_parameters_of_a_backup_are_written_as_the_samples_have_them() {
        let backup = BackupParameters::new("nightly", "default", "canary-passcode");
        assert!(!format!("{backup:?}").contains("canary"));
        let json = |backup: BackupParameters| -> Value { Parameters::from(backup).read().unwrap() };
        assert_eq!(
            json(backup.clone()),
            serde_json::json!({"name": "nightly", "storeName": "default", "passcode": "canary-passcode"})
        );
        let whole = json(
            backup
                .clone()
                .description("d")
                .start_time(NaiveTime::from_hms_opt(4, 5, 6).unwrap())
                .retention(RetentionUnit::Day, 14),
        );
        assert_eq!(
            whole["metaData"],
            serde_json::json!({
                "recurring": true, "startTime": "04:05", "retention": {"type": "day", "value": 14}
            })
        );
        assert_eq!(
            (&whole["retentionOffset"], &whole["description"]),
            (&1_209_600_000.into(), &"d".into())
        );
        let monthly = json(backup.retention(RetentionUnit::Month, u32::MAX));
        assert_eq!(monthly.get("retentionOffset"), None);
    }
}

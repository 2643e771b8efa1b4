//! What a task is made of when it is created or updated, in both APIs.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;

use super::cron::CronSchedule;
use super::parameters::{BackupParameters, Parameters};
use super::tasks::TaskType;
use crate::client::{ApiRequest, RequestBuilder};
use crate::error::{Error, Result};

/// A task as it is written. What is left out is not sent: an empty field is a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) title: Option<String>,
    /// In the spelling of the vendor: `CreateBackup`.
    pub(super) kind: String,
    pub(super) parameters: Option<Parameters>,
    pub(super) item_id: Option<String>,
    pub(super) start_date: Option<DateTime<Utc>>,
    pub(super) end_date: Option<DateTime<Utc>>,
    pub(super) schedule: CronSchedule,
    pub(super) max_occurrences: Option<i64>,
}

impl Definition {
    pub(super) fn new(kind: &str, schedule: CronSchedule) -> Self {
        Self {
            title: None,
            kind: kind.to_owned(),
            parameters: None,
            item_id: None,
            start_date: None,
            end_date: None,
            schedule,
            max_occurrences: None,
        }
    }

    /// Adds the form, with `more` fields behind it.
    pub(super) fn write(
        &self,
        builder: RequestBuilder,
        more: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<ApiRequest> {
        let passcode = self.parameters.as_ref().and_then(Parameters::passcode);
        let backup = TaskType::from(&*self.kind) == TaskType::CreateBackup;
        let short = passcode.as_ref().filter(|_| backup).is_some_and(|passcode| {
            passcode.expose_secret().chars().count() < BackupParameters::SHORTEST_PASSCODE
        });
        if short {
            return builder
                .fail(Error::config("the passcode is too short; take at least 8 characters"))
                .finish();
        }
        let cron = match self.schedule.fields() {
            Ok(cron) => cron,
            Err(error) => return builder.fail(error).finish(),
        };
        let millis =
            |date: Option<DateTime<Utc>>| date.map(|date| date.timestamp_millis().to_string());
        let before = [
            ("title", self.title.clone()),
            ("type", Some(self.kind.clone())),
            ("parameters", self.parameters.as_ref().map(|all| all.json().to_owned())),
            ("itemId", self.item_id.clone()),
            ("startDate", millis(self.start_date)),
            ("endDate", millis(self.end_date)),
        ];
        let after = ("maxOccurrences", self.max_occurrences.map(|count| count.to_string()));
        let cron = cron.map(|(name, text)| (name, Some(text.to_owned())));
        let fields = before.into_iter().chain(cron).chain([after]);
        let fields = fields.filter_map(|(name, value)| Some((name, value?)));
        let mut request = builder.form(fields.chain(more)).finish()?;
        if let Some(passcode) = passcode {
            request.hide(passcode.expose_secret());
        }
        Ok(request)
    }
}

/// The setters of every request that writes a task.
macro_rules! definition_setters {
    () => {
        /// The title people see.
        pub fn title(mut self, title: impl Into<String>) -> Self {
            self.definition.title = Some(title.into());
            self
        }

        /// What it is run with.
        pub fn parameters(mut self, parameters: impl Into<$crate::arcgis::Parameters>) -> Self {
            self.definition.parameters = Some(parameters.into());
            self
        }

        /// From when on it runs.
        pub fn start_date(mut self, date: chrono::DateTime<chrono::Utc>) -> Self {
            self.definition.start_date = Some(date);
            self
        }

        /// Until when it runs.
        pub fn end_date(mut self, date: chrono::DateTime<chrono::Utc>) -> Self {
            self.definition.end_date = Some(date);
            self
        }

        /// After how many runs it is over.
        pub fn max_occurrences(mut self, runs: u32) -> Self {
            self.definition.max_occurrences = Some(runs.into());
            self
        }

        /// It runs without end. Inferred: sent as -1, which is how answers say it.
        pub fn unlimited(mut self) -> Self {
            self.definition.max_occurrences = Some(-1);
            self
        }
    };
}

/// The setter of requests whose task runs on an item.
macro_rules! item_setter {
    () => {
        /// The portal item it runs on: a notebook, a workbook, a scene service.
        pub fn item_id(mut self, item: impl Into<String>) -> Self {
            self.definition.item_id = Some(item.into());
            self
        }
    };
}

pub(super) use {definition_setters, item_setter};

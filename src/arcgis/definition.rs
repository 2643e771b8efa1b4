//! The definition of a task, as it is created or updated in both APIs.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;

use super::cron::CronSchedule;
use super::fields::TaskType;
use super::parameters::{BackupParameters, Parameters};
use crate::client::RequestBuilder;
use crate::error::Error;

/// A task as it is sent. Fields that are not set are not sent: the vendor would take an empty field for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) title: Option<String>,
    /// As the vendor spells it: `CreateBackup`.
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

    /// Adds the form, with the fields `more` at its end.
    #[inline]
    pub(super) fn write(
        &self,
        request: RequestBuilder,
        more: impl IntoIterator<Item = (&'static str, String)>,
    ) -> RequestBuilder {
        let passcode = self.parameters.as_ref().and_then(Parameters::passcode);
        let backup = TaskType::from(&*self.kind) == TaskType::CreateBackup;
        let short = passcode.as_ref().filter(|_| backup).is_some_and(|passcode| {
            passcode.expose_secret().chars().count() < BackupParameters::SHORTEST_PASSCODE
        });
        if short {
            return request.fail(Error::config("the passcode must have at least 8 characters"));
        }
        let cron = match self.schedule.fields() {
            Ok(cron) => cron,
            Err(error) => return request.fail(error),
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
        let request = request.form(fields.chain(more));
        match passcode {
            Some(passcode) => request.hide(passcode.expose_secret()),
            None => request,
        }
    }
}

/// The setters of every request that creates or updates a task.
macro_rules! definition_setters {
    () => {
        /// Title.
        pub fn title(mut self, title: impl Into<String>) -> Self {
            self.definition.title = Some(title.into());
            self
        }

        /// Parameters.
        pub fn parameters(mut self, parameters: impl Into<$crate::arcgis::Parameters>) -> Self {
            self.definition.parameters = Some(parameters.into());
            self
        }

        /// The task runs from this time on.
        pub fn start_date(mut self, date: chrono::DateTime<chrono::Utc>) -> Self {
            self.definition.start_date = Some(date);
            self
        }

        /// The task runs until this time.
        pub fn end_date(mut self, date: chrono::DateTime<chrono::Utc>) -> Self {
            self.definition.end_date = Some(date);
            self
        }

        /// Number of runs after which the task ends.
        pub fn max_occurrences(mut self, runs: u32) -> Self {
            self.definition.max_occurrences = Some(runs.into());
            self
        }

        /// The task runs without end. Inferred: sent as -1, as responses have it.
        pub fn unlimited(mut self) -> Self {
            self.definition.max_occurrences = Some(-1);
            self
        }
    };
}

/// The setter of requests whose task runs on an item.
macro_rules! item_setter {
    () => {
        /// The portal item the task runs on: a notebook, a workbook, a scene service.
        pub fn item_id(mut self, item: impl Into<String>) -> Self {
            self.definition.item_id = Some(item.into());
            self
        }
    };
}

pub(super) use {definition_setters, item_setter};

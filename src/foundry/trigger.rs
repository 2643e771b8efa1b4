//! What starts a schedule.

use super::rid::{DatasetRid, MediaSetRid, ScheduleRid, TableRid};
use crate::wire::{lenient, open_union};

open_union! {
    /// What starts a schedule, in addition to API calls.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Create Schedule".
    ///
    /// ```
    /// use scheduled_runs::foundry::Trigger;
    ///
    /// let nightly = Trigger::time("0 4 * * *", "Europe/Paris");
    /// let fresh = Trigger::dataset_updated("ri.foundry.main.dataset.1", "master");
    /// let both = Trigger::and([nightly, fresh]);
    /// ```
    Trigger {
        /// At these times.
        Time = "time" {
            /// Five fields: minute, hour, day of the month, month, day of the week.
            cron_expression: String,
            /// The time zone of these fields: `UTC`, `Europe/Paris`.
            time_zone: String,
        },
        /// API calls only. Ignored inside of [`And`](Self::And) and [`Or`](Self::Or).
        Manual = "manual" {},
        /// A transaction is committed on a dataset's branch.
        DatasetUpdated = "datasetUpdated" {
            /// The dataset.
            dataset_rid: DatasetRid,
            /// The branch.
            branch_name: String,
        },
        /// A dataset's branch gets new logic.
        NewLogic = "newLogic" {
            /// The dataset.
            dataset_rid: DatasetRid,
            /// The branch.
            branch_name: String,
        },
        /// A job that builds a dataset on a branch succeeds.
        JobSucceeded = "jobSucceeded" {
            /// The dataset.
            dataset_rid: DatasetRid,
            /// The branch.
            branch_name: String,
        },
        /// A media set's branch changes. For media sets without transactions it may trigger with a delay.
        MediaSetUpdated = "mediaSetUpdated" {
            /// The media set.
            media_set_rid: MediaSetRid,
            /// The branch.
            branch_name: String,
        },
        /// A transaction is committed on a table's branch.
        TableUpdated = "tableUpdated" {
            /// The table.
            table_rid: TableRid,
            /// The branch.
            branch_name: String,
        },
        /// Another schedule's run succeeds.
        ScheduleSucceeded = "scheduleSucceeded" {
            /// The other schedule.
            schedule_rid: ScheduleRid,
        },
        /// Another schedule's run fails. Newer than the other types: an older Foundry refuses it.
        ScheduleFailed = "scheduleFailed" {
            /// The other schedule.
            schedule_rid: ScheduleRid,
        },
        /// All of these have happened.
        And = "and" {
            /// The triggers.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            triggers: Vec<Trigger>,
        },
        /// At least one of these has happened.
        Or = "or" {
            /// The triggers.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            triggers: Vec<Trigger>,
        },
    }
}

impl Trigger {
    /// At the times of a cron expression, `0 4 * * 1-5`, in a time zone, `Europe/Paris`. The vendor checks both.
    pub fn time(cron_expression: impl Into<String>, time_zone: impl Into<String>) -> Self {
        Self::Time { cron_expression: cron_expression.into(), time_zone: time_zone.into() }
    }

    /// API calls only.
    #[must_use]
    pub fn manual() -> Self {
        Self::Manual {}
    }

    /// A transaction is committed on this branch of this dataset.
    pub fn dataset_updated(dataset: impl Into<DatasetRid>, branch: impl Into<String>) -> Self {
        Self::DatasetUpdated { dataset_rid: dataset.into(), branch_name: branch.into() }
    }

    /// This branch of this dataset gets new logic.
    pub fn new_logic(dataset: impl Into<DatasetRid>, branch: impl Into<String>) -> Self {
        Self::NewLogic { dataset_rid: dataset.into(), branch_name: branch.into() }
    }

    /// A job that builds this dataset on this branch succeeds.
    pub fn job_succeeded(dataset: impl Into<DatasetRid>, branch: impl Into<String>) -> Self {
        Self::JobSucceeded { dataset_rid: dataset.into(), branch_name: branch.into() }
    }

    /// This branch of this media set changes.
    pub fn media_set_updated(set: impl Into<MediaSetRid>, branch: impl Into<String>) -> Self {
        Self::MediaSetUpdated { media_set_rid: set.into(), branch_name: branch.into() }
    }

    /// A transaction is committed on this branch of this table.
    pub fn table_updated(table: impl Into<TableRid>, branch: impl Into<String>) -> Self {
        Self::TableUpdated { table_rid: table.into(), branch_name: branch.into() }
    }

    /// A run of this other schedule succeeds.
    pub fn schedule_succeeded(schedule: impl Into<ScheduleRid>) -> Self {
        Self::ScheduleSucceeded { schedule_rid: schedule.into() }
    }

    /// A run of this other schedule fails.
    pub fn schedule_failed(schedule: impl Into<ScheduleRid>) -> Self {
        Self::ScheduleFailed { schedule_rid: schedule.into() }
    }

    /// All of these have happened.
    pub fn and(triggers: impl IntoIterator<Item = Self>) -> Self {
        Self::And { triggers: triggers.into_iter().collect() }
    }

    /// At least one of these has happened.
    pub fn or(triggers: impl IntoIterator<Item = Self>) -> Self {
        Self::Or { triggers: triggers.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_encoded_as_documented_and_decoded_in_all_shapes() {
        let set = "ri.foundry.main.dataset.1";
        for (trigger, tag, fields) in [
            (
                Trigger::time("0 4 * * *", "UTC"),
                "time",
                r#""cronExpression":"0 4 * * *","timeZone":"UTC""#,
            ),
            (Trigger::manual(), "manual", ""),
            (
                Trigger::dataset_updated(set, "master"),
                "datasetUpdated",
                r#""datasetRid":"ri.foundry.main.dataset.1","branchName":"master""#,
            ),
            (
                Trigger::new_logic(set, "master"),
                "newLogic",
                r#""datasetRid":"ri.foundry.main.dataset.1","branchName":"master""#,
            ),
            (
                Trigger::job_succeeded(set, "master"),
                "jobSucceeded",
                r#""datasetRid":"ri.foundry.main.dataset.1","branchName":"master""#,
            ),
            (
                Trigger::media_set_updated("ri.mio.main.media-set.1", "dev"),
                "mediaSetUpdated",
                r#""mediaSetRid":"ri.mio.main.media-set.1","branchName":"dev""#,
            ),
            (
                Trigger::table_updated("ri.tables.main.table.1", "dev"),
                "tableUpdated",
                r#""tableRid":"ri.tables.main.table.1","branchName":"dev""#,
            ),
            (
                Trigger::schedule_succeeded("ri.scheduler.main.schedule.1"),
                "scheduleSucceeded",
                r#""scheduleRid":"ri.scheduler.main.schedule.1""#,
            ),
            (
                Trigger::schedule_failed("ri.scheduler.main.schedule.1"),
                "scheduleFailed",
                r#""scheduleRid":"ri.scheduler.main.schedule.1""#,
            ),
            (
                Trigger::and([Trigger::or([Trigger::manual()])]),
                "and",
                r#""triggers":[{"type":"or","triggers":[{"type":"manual"}]}]"#,
            ),
        ] {
            let comma = if fields.is_empty() { "" } else { "," };
            let tagged = format!(r#"{{"type":"{tag}"{comma}{fields}}}"#);
            assert_eq!(serde_json::to_string(&trigger).unwrap(), tagged);
            let wrapped = format!(r#"{{"type":"{tag}","{tag}":{{{fields}}}}}"#);
            let bare = format!(r#"{{"{tag}":{{{fields}}}}}"#);
            for json in [tagged, wrapped, bare] {
                assert_eq!(serde_json::from_str::<Trigger>(&json).unwrap(), trigger, "{json}");
            }
        }
    }

    #[test]
    fn a_type_the_vendor_adds_is_kept_inside_of_others() {
        let json = r#"{"type":"or","triggers":[{"type":"moonrise","phase":{"of":[1]}},{"type":"manual"}]}"#;
        let trigger: Trigger = serde_json::from_str(json).unwrap();
        let Trigger::Or { triggers, .. } = &trigger else { panic!("{trigger:?}") };
        assert!(matches!(&triggers[..], [Trigger::Unknown(_), Trigger::Manual { .. }]));
        assert_eq!(serde_json::to_string(&trigger).unwrap(), json);
    }
}

//! Enums, ids, cursors, runs: what came is what goes out.

use proptest::prelude::*;
use scheduled_runs::client::Vendor;
use scheduled_runs::{Cursor, RunRef, Target, adobe, arcgis, foundry, mode, supermetrics};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A text the vendor may send: any, or one that it documents, spelt in its own way.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[A-Za-z_]{0,14}",
        prop::sample::select(vec![
            "SUCCESS",
            "success",
            "IN_PROGRESS",
            "inProgress",
            "Failed",
            "queued",
            "_",
            "",
            "unknown",
            "completed",
            "Executing",
            "executing",
            "RUNNING",
            "csv",
            "daily",
            "_SUC_CESS_",
        ])
        .prop_map(str::to_owned),
    ]
}

/// The same again from its text, its JSON, and its `Display`; an unknown text is not changed at all.
fn survives<T>(text: &str) -> Result<(), TestCaseError>
where
    T: for<'t> From<&'t str>
        + Serialize
        + DeserializeOwned
        + ToString
        + PartialEq
        + std::fmt::Debug,
{
    let value = T::from(text);
    let printed = value.to_string();
    prop_assert_eq!(&T::from(printed.as_str()), &value);
    prop_assert_eq!(T::from(printed.as_str()).to_string(), printed.as_str(), "printing settles");
    let json = serde_json::to_string(&value).unwrap();
    prop_assert_eq!(&json, &serde_json::to_string(&printed).unwrap());
    prop_assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), &value);
    let read: T = serde_json::from_str(&serde_json::to_string(text).unwrap()).unwrap();
    prop_assert_eq!(&read, &value);
    let folded = |text: &str| text.replace('_', "").to_ascii_lowercase();
    if printed != text {
        prop_assert_eq!(folded(&printed), folded(text), "only spelling may change");
    }
    if format!("{value:?}").starts_with("Unknown") {
        prop_assert_eq!(printed, text);
    }
    Ok(())
}

macro_rules! survive {
    ($text:expr, $($type:ty),+ $(,)?) => { $( survives::<$type>($text)?; )+ };
}

proptest! {
    #![proptest_config(crate::few())]

    #[test]
    fn every_enum_of_the_wire_keeps_any_text(text in text()) {
        survive!(
            &text,
            adobe::AlertType, adobe::AlertStatus, adobe::QueryState, adobe::ErrorType, adobe::RunKind,
            adobe::RunState, adobe::TaskState, adobe::ScheduleState,
            arcgis::RunStatus, arcgis::TaskState, arcgis::LimitName, arcgis::RetentionUnit,
            arcgis::DeploymentType, arcgis::TaskType, arcgis::UserTaskType,
            foundry::EqualField, foundry::TimeField, foundry::Direction, foundry::BuildStatus,
            foundry::JobStatus, foundry::ScheduleRunErrorName, foundry::TimeUnit,
            mode::PdfState, mode::RunState, mode::PythonState, mode::ReportType, mode::Frequency,
            mode::SpaceFilter, mode::SpaceType,
            supermetrics::BatchState, supermetrics::SplitPolicy, supermetrics::Format,
            supermetrics::FieldType, supermetrics::FieldSplit, supermetrics::QueryState,
        );
    }

    #[test]
    fn every_id_is_kept_as_it_came(text in any::<String>()) {
        macro_rules! kept {
            ($($id:ty),+ $(,)?) => {$(
                let id = <$id>::from(text.as_str());
                prop_assert_eq!(id.as_str(), &text);
                prop_assert_eq!(id.to_string(), text.as_str());
                let json = serde_json::to_string(&id).unwrap();
                prop_assert_eq!(&serde_json::from_str::<$id>(&json).unwrap(), &id);
            )+};
        }
        kept!(
            adobe::RunId, adobe::ScheduleId, arcgis::TaskId, arcgis::RunId, foundry::ScheduleRid,
            foundry::BuildRid, mode::ReportToken, supermetrics::BatchId,
        );
        let _ = adobe::RunId::from(text.as_str()).decode();
    }

    #[test]
    fn cursors_survive_being_stored(token in any::<String>()) {
        let cursor = Cursor::new(token.as_str());
        let stored = serde_json::to_string(&cursor).unwrap();
        let read: Cursor = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(read.as_str(), &token);
        prop_assert_eq!(read, cursor);
    }

    #[test]
    fn targets_and_runs_survive_being_printed_and_stored(
        target in "(?s).{1,30}",
        run in "(?s).{1,30}",
    ) {
        let target = Target::new(Vendor::new("acme"), target);
        let run = target.run(run);
        let (text, json) = (run.to_string(), serde_json::to_string(&run).unwrap());
        prop_assert!(!text.contains(char::is_whitespace), "{text:?} is one word");
        prop_assert_eq!(&text.parse::<RunRef>().unwrap(), &run);
        prop_assert_eq!(&serde_json::from_str::<RunRef>(&json).unwrap(), &run);
        prop_assert_eq!(target.to_string().parse::<Target>().unwrap(), target);
    }

    #[test]
    fn no_text_makes_the_parsers_of_runs_and_targets_panic(text in any::<String>()) {
        if let Ok(run) = text.parse::<RunRef>() {
            prop_assert_eq!(run.to_string().parse::<RunRef>().unwrap(), run);
        }
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.to_string().parse::<Target>().unwrap(), target);
        }
    }
}

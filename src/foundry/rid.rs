//! Resource identifiers: `ri.SERVICE.INSTANCE.TYPE.LOCATOR`.

use http::Method;

use crate::error::{Error, Result};
use crate::wire::id;

id! {
    /// RID of a schedule, `ri.scheduler.main.schedule.…`.
    ScheduleRid
}

id! {
    /// RID of one version of a schedule, `ri.scheduler.main.schedule-version.…`.
    ScheduleVersionRid
}

id! {
    /// RID of a run of a schedule, `ri.scheduler.main.run.…`.
    ScheduleRunRid
}

id! {
    /// RID of a build, `ri.foundry.main.build.…`.
    BuildRid
}

id! {
    /// RID of a job of a build, `ri.foundry.main.job.…`.
    JobRid
}

id! {
    /// RID of a dataset, `ri.foundry.main.dataset.…`.
    DatasetRid
}

id! {
    /// RID of a transaction on a dataset, `ri.foundry.main.transaction.…`.
    TransactionRid
}

id! {
    /// RID of a media set, `ri.mio.main.media-set.…`.
    MediaSetRid
}

id! {
    /// RID of a table, `ri.tables.main.table.…`.
    TableRid
}

id! {
    /// RID of a project, `ri.compass.main.folder.…`.
    ProjectRid
}

id! {
    /// RID of anything that can be built: a dataset, a media set, a restricted view.
    BuildableRid
}

impl From<DatasetRid> for BuildableRid {
    fn from(rid: DatasetRid) -> Self {
        rid.as_str().into()
    }
}

impl From<MediaSetRid> for BuildableRid {
    fn from(rid: MediaSetRid) -> Self {
        rid.as_str().into()
    }
}

/// Checks the RID in the path of an operation, which comes after the name of its collection: `schedules/{rid}/run`.
pub(super) fn check_path(method: &Method, path: &[&str]) -> Result<()> {
    let [collection, rid, rest @ ..] = path else { return Ok(()) };
    // An action on the whole collection, such as `POST builds/create`.
    if rest.is_empty() && method == Method::POST {
        return Ok(());
    }
    let noun = match *collection {
        "scheduleVersions" => "version",
        collection => collection.strip_suffix('s').unwrap_or(collection),
    };
    check(noun, rid)
}

/// Refuses what is obviously not a RID: a name, a URL, a RID cut short. Which services and types exist is for the vendor to
/// say: third parties use services that are not in the vendor's own samples.
///
/// Source: the public `resource-identifier` library. The instance may be empty, the locator may contain dots.
pub(super) fn check(what: &str, rid: &str) -> Result<()> {
    let mut parts = rid.splitn(5, '.');
    let named = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
    let begins = parts.next() == Some("ri") && named(parts.next()) && parts.next().is_some();
    if begins && named(parts.next()) && named(parts.next()) && !rid.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(Error::config(format!(
        "the RID of the {what} is not of the form `ri.service.instance.type.locator`; copy it whole, without spaces"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn only_what_is_obviously_not_a_rid_is_refused() {
        for rid in [
            "ri.scheduler.main.schedule.0b5d",
            "ri.foundry..build.0b5d",
            "ri.orchestration.main.build.a.b.c",
            "ri.a-b.c-1.d-e._X-9.",
        ] {
            assert!(check("schedule", rid).is_ok(), "{rid}");
        }
        for rid in [
            "",
            "nightly",
            "0b5d2c1e-0000-4000-8000-000000000001",
            "ri.scheduler.main.schedule",
            "ri.scheduler.main.schedule.",
            "ri..main.schedule.0b5d",
            "ri.scheduler.main..0b5d",
            "RI.scheduler.main.schedule.0b5d",
            " ri.scheduler.main.schedule.0b5d",
            "ri.scheduler.main.schedule.0b5d\n",
            "https://host/ri.scheduler.main.schedule.0b5d",
        ] {
            let error = check("schedule", rid).expect_err(rid);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().starts_with("the RID of the schedule is not"), "{error}");
        }
    }

    #[test]
    fn a_dataset_can_be_built() {
        let dataset = DatasetRid::from("ri.foundry.main.dataset.1");
        assert_eq!(BuildableRid::from(dataset).as_str(), "ri.foundry.main.dataset.1");
        let set = MediaSetRid::from("ri.mio.main.media-set.1");
        assert_eq!(BuildableRid::from(set).as_str(), "ri.mio.main.media-set.1");
    }
}

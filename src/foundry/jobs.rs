//! Jobs: the parts of a build.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Foundry;
use super::request::{Paging, Preview, batch, found, page_size_setter};
use super::rid::{BuildRid, DatasetRid, JobRid, MediaSetRid, TransactionRid};
use crate::client::operation;
use crate::paging::Page;
use crate::run::Phase;
use crate::wire::{lenient, model, open_enum, open_union, time};

operation! {
    /// Gets one job.
    ///
    /// The vendor allows each user 4 of these a second, and 25 at once; for many jobs use [`GetJobs`] or
    /// [`ListBuildJobs`]. Source: Foundry API reference, Orchestration v2, "Get Job"; in preview.
    GetJob { job: JobRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.jobs.get", Safe: GET "jobs" / {job} -> Job
}

operation! {
    /// Gets up to 500 jobs. Those that do not exist, or are hidden from the caller, are missing in the response.
    ///
    /// The vendor allows each user 4 of these a second, and 25 at once. Source: Foundry API reference, Orchestration v2,
    /// "Get Jobs Batch"; in preview.
    GetJobs { jobs: Vec<JobRid> } without new
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.jobs.get_batch", Safe: POST "jobs" / "getBatch" -> BTreeMap<JobRid, Job>,
    with |this, request| batch(request, "jobRid", Self::MOST, &this.jobs), decode found
}

impl GetJobs {
    /// Most jobs in one request. More than that, or none, is refused before anything is sent.
    pub const MOST: usize = 500;

    /// Gets these jobs.
    pub fn new<R: Into<JobRid>>(jobs: impl IntoIterator<Item = R>) -> Self {
        Self { jobs: jobs.into_iter().map(Into::into).collect(), preview: None }
    }
}

operation! {
    /// Lists the jobs of one build. Their order is not documented.
    ///
    /// Source: Foundry API reference, Orchestration v2, "List Jobs Of Build".
    ListBuildJobs { build: BuildRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    pages { paging: Paging, item: Job, key: rid }
    for Foundry, "foundry.jobs.list", Safe: GET "builds" / {build} / "jobs" -> Page<Job>
}

impl ListBuildJobs {
    page_size_setter!();
}

model! {
    /// One job of a build. It does not say why it failed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Job {
        /// RID.
        pub rid: JobRid,
        /// The build.
        pub build_rid: Option<BuildRid> as "buildRid",
        /// Status.
        pub status: Option<JobStatus> as "jobStatus",
        /// When it began to wait for its inputs, not to run. Present even for a job that did not run. UTC.
        pub started: Option<DateTime<Utc>> as "startedTime" with time::lenient_utc,
        /// When its latest attempt began to run; may be out of date for a job that failed to start. UTC.
        pub latest_attempt_started: Option<DateTime<Utc>> as "latestAttemptStartTime"
            with time::lenient_utc,
        /// When it finished. UTC.
        pub finished: Option<DateTime<Utc>> as "finishedTime" with time::lenient_utc,
        /// What it builds. Types that the API cannot show are left out.
        pub outputs: Vec<JobOutput> as "outputs" with lenient::list,
    }
}

open_enum! {
    /// Status of a job.
    JobStatus {
        /// Waiting for its inputs.
        Waiting = "WAITING",
        /// Running.
        Running = "RUNNING",
        /// Finished successfully.
        Succeeded = "SUCCEEDED",
        /// Failed.
        Failed = "FAILED",
        /// Cancelled.
        Canceled = "CANCELED",
        /// Ended before it started.
        DidNotRun = "DID_NOT_RUN",
    }
}

impl JobStatus {
    /// The phase that it corresponds to.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Waiting => Phase::Queued,
            Self::Running => Phase::Running,
            Self::Succeeded => Phase::Succeeded,
            Self::Failed => Phase::Failed,
            Self::Canceled => Phase::Cancelled,
            Self::DidNotRun => Phase::Skipped,
            Self::Unknown(_) => Phase::Unknown,
        }
    }

    /// Whether the job has ended. Never true for [`Unknown`](Self::Unknown).
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }
}

open_union! {
    /// What a job builds.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Get Job".
    JobOutput {
        /// A dataset.
        Dataset = "datasetJobOutput" {
            /// The dataset.
            dataset_rid: DatasetRid,
            /// The transaction it writes.
            #[serde(skip_serializing_if = "Option::is_none")]
            output_transaction_rid: Option<TransactionRid>,
        },
        /// A media set with transactions.
        MediaSet = "transactionalMediaSetJobOutput" {
            /// The media set.
            media_set_rid: MediaSetRid,
            /// The transaction it writes.
            #[serde(skip_serializing_if = "Option::is_none")]
            transaction_id: Option<Box<str>>,
        },
    }
}

impl JobOutput {
    /// RID of the dataset or media set.
    pub(super) fn rid(&self) -> Option<&str> {
        match self {
            Self::Dataset { dataset_rid, .. } => Some(dataset_rid.as_str()),
            Self::MediaSet { media_set_rid, .. } => Some(media_set_rid.as_str()),
            Self::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Endpoint as _, PagedEndpoint as _};
    use crate::foundry::tests::{base, request_text};
    use crate::paging::Cursor;

    #[test]
    fn jobs_are_requested_alone_in_batches_and_by_build() {
        let job = "ri.foundry.main.job.1";
        assert_eq!(
            request_text(&GetJob::new(job)),
            "GET /v2/orchestration/jobs/ri.foundry.main.job.1?preview=true"
        );
        assert_eq!(
            request_text(&GetJobs::new([job])),
            "POST /v2/orchestration/jobs/getBatch?preview=true\ncontent-type: application/json\n\n\
             [{\"jobRid\":\"ri.foundry.main.job.1\"}]"
        );
        assert!(GetJobs::new(vec![job; 500]).to_request(&base()).is_ok());
        assert!(GetJobs::new(vec![job; 501]).to_request(&base()).is_err());
        let list = ListBuildJobs::new("ri.foundry.main.build.1");
        assert_eq!(
            request_text(&list.page_size(50).at(&Cursor::new("v1.x"))),
            "GET /v2/orchestration/builds/ri.foundry.main.build.1/jobs?pageSize=50&pageToken=v1.x"
        );
    }

    #[test]
    fn outputs_are_decoded_in_all_shapes_and_encoded_tagged() {
        let read = |json: &str| serde_json::from_str::<JobOutput>(json).unwrap();
        let dataset = r#"{"type":"datasetJobOutput","datasetRid":"ri.foundry.main.dataset.1"}"#;
        assert_eq!(read(dataset).rid(), Some("ri.foundry.main.dataset.1"));
        assert_eq!(serde_json::to_string(&read(dataset)).unwrap(), dataset);
        let set = read(
            r#"{"transactionalMediaSetJobOutput":{"mediaSetRid":"ri.mio.main.media-set.1","transactionId":"t"}}"#,
        );
        assert_eq!(set.rid(), Some("ri.mio.main.media-set.1"));
        assert_eq!(read(r#"{"type":"tableJobOutput","tableRid":"x"}"#).rid(), None);
    }
}

//! Jobs: the parts of a build.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::Deserialize;
use url::Url;

use super::request::{
    Mark, Paging, batch, by_rid, page_of, page_size_setter, preview_setter, start_at,
};
use super::{BuildRid, DatasetRid, Foundry, JobRid, MediaSetRid, Preview, TransactionRid};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, PagedEndpoint};
use crate::error::Result;
use crate::paging::{Cursor, Page};
use crate::run::Phase;
use crate::wire::{json, lenient, open_enum, open_union, time};

by_rid! {
    /// Gets one job.
    ///
    /// The vendor allows each user 4 of these a second, and 25 at once; for many jobs use [`GetJobs`] or
    /// [`ListBuildJobs`]. Source: Foundry API reference, Orchestration v2, "Get Job"; in preview. Safe to repeat.
    GetJob(job: JobRid) -> Job {
        GET "jobs" / rid, in_preview, Safe, "foundry.jobs.get", json::decode,
    }
}

batch! {
    /// Gets up to 500 jobs. Those that do not exist, or are hidden from the caller, are left out of the answer.
    ///
    /// The vendor allows each user 4 of these a second, and 25 at once. Source: Foundry API reference, Orchestration v2,
    /// "Get Jobs Batch"; in preview. Safe to repeat.
    GetJobs(jobs: "job" JobRid, 500) -> Job {
        "jobs", in_preview, "foundry.jobs.get_batch", "jobRid",
    }
}

/// Lists the jobs of one build. Their order is not documented.
///
/// Source: Foundry API reference, Orchestration v2, "List Jobs Of Build". Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListBuildJobs {
    build: BuildRid,
    paging: Paging,
    preview: Option<Preview>,
}

impl ListBuildJobs {
    /// The jobs of this build.
    pub fn new(build: impl Into<BuildRid>) -> Self {
        Self { build: build.into(), paging: Paging::default(), preview: None }
    }

    page_size_setter!();
    preview_setter!();
}

impl Endpoint for ListBuildJobs {
    type Api = Foundry;
    type Output = Page<Job>;
    const OPERATION: &'static str = "foundry.jobs.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let rid = self.build.as_str();
        let path = ["v2", "orchestration", "builds", rid, "jobs"];
        let named = ("build", rid);
        let builder = start_at::<Self>(Method::GET, base, &path, Mark::stable(self.preview), named);
        self.paging.write(builder).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<Job>> {
        page_of(meta, body)
    }
}

impl PagedEndpoint for ListBuildJobs {
    type Item = Job;

    fn at(&self, cursor: &Cursor) -> Self {
        let mut request = self.clone();
        request.paging.cursor = Some(cursor.clone());
        request
    }

    fn key(job: &Job) -> Option<&str> {
        Some(job.rid.as_str())
    }
}

/// One job of a build. It does not say why it failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Job {
    /// RID.
    pub rid: JobRid,
    /// The build.
    pub build_rid: Option<BuildRid>,
    /// How it stands.
    #[serde(rename = "jobStatus")]
    pub status: Option<JobStatus>,
    /// When it began to wait for what it needs, not to work. There even for a job that did not run. UTC.
    #[serde(rename = "startedTime", default, deserialize_with = "time::lenient_utc")]
    pub started: Option<DateTime<Utc>>,
    /// When its last attempt began to work; may be out of date for a job that failed to start. UTC.
    #[serde(rename = "latestAttemptStartTime", default, deserialize_with = "time::lenient_utc")]
    pub latest_attempt_started: Option<DateTime<Utc>>,
    /// When it was over. UTC.
    #[serde(rename = "finishedTime", default, deserialize_with = "time::lenient_utc")]
    pub finished: Option<DateTime<Utc>>,
    /// What it makes; kinds that the API cannot show are left out.
    #[serde(default, deserialize_with = "lenient::list")]
    pub outputs: Vec<JobOutput>,
}

open_enum! {
    /// State of a job.
    JobStatus {
        /// Waiting for what it needs.
        Waiting = "WAITING",
        /// Going on.
        Running = "RUNNING",
        /// Over, as wanted.
        Succeeded = "SUCCEEDED",
        /// Over, not as wanted.
        Failed = "FAILED",
        /// Over, because someone ended it.
        Canceled = "CANCELED",
        /// Over before it began.
        DidNotRun = "DID_NOT_RUN",
    }
}

impl JobStatus {
    /// The phase it stands for.
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

    /// Whether the job is over; never true for a status that is unknown here.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }
}

open_union! {
    /// What a job makes.
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
    use crate::foundry::tests::{base, request_text};

    #[test]
    fn jobs_are_asked_for_alone_in_batches_and_by_build() {
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
    fn outputs_are_read_in_all_shapes_and_written_tagged() {
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

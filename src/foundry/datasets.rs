//! Datasets: which schedules build one.

use bytes::Bytes;
use http::Method;
use url::Url;

use super::Foundry;
use super::request::{Paging, Preview, page_size_setter};
use super::rid::{DatasetRid, ScheduleRid};
use crate::client::{ApiRequest, Endpoint, Idempotency, ListSettings, Meta, PagedEndpoint};
use crate::error::Result;
use crate::paging::{Cursor, Page};

/// Lists the schedules that build a dataset. The vendor has no list of all schedules: this is the way to find one.
///
/// A change of a schedule may take up to an hour to appear. The call needs the scope `api:datasets-read` in addition to
/// `api:orchestration-read`. Source: Foundry API reference, Datasets v2, "Get Dataset Schedules".
///
/// Operation `foundry.schedules.list_of_dataset`. Read the list with [`Client::items`](crate::Client::items), or one page with
/// [`Client::send`](crate::Client::send). Safe to retry.
// By hand: an item is its own key, and has no field that `operation!` could name as the key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListDatasetSchedules {
    dataset: DatasetRid,
    branch_name: Option<String>,
    paging: Paging,
    preview: Option<Preview>,
}

impl ListDatasetSchedules {
    /// The schedules that build this dataset.
    pub fn new(dataset: impl Into<DatasetRid>) -> Self {
        let paging = Paging::default();
        Self { dataset: dataset.into(), branch_name: None, paging, preview: None }
    }

    /// The branch that it is built on. If not set, the vendor decides.
    pub fn branch_name(mut self, branch: impl Into<String>) -> Self {
        self.branch_name = Some(branch.into());
        self
    }

    page_size_setter!();

    /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
    pub fn preview(mut self, when: Preview) -> Self {
        self.preview = Some(when);
        self
    }
}

impl Endpoint for ListDatasetSchedules {
    type Api = Foundry;
    type Output = Page<ScheduleRid>;
    const OPERATION: &'static str = "foundry.schedules.list_of_dataset";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["datasets", self.dataset.as_str(), "getSchedules"];
        let request = ApiRequest::of::<Self>(Method::GET, base, &path)
            .extension_if(self.preview)
            .query("branchName", self.branch_name.as_deref());
        ListSettings::<ScheduleRid>::write(&self.paging, request).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<ScheduleRid>> {
        self.paging.page(meta, body, Self::key)
    }
}

impl PagedEndpoint for ListDatasetSchedules {
    type Item = ScheduleRid;

    fn at(&self, cursor: &Cursor) -> Self {
        let mut request = self.clone();
        request.paging.cursor = Some(cursor.clone());
        request
    }

    fn key(schedule: &ScheduleRid) -> Option<&str> {
        Some(schedule.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundry::tests::request_text;

    #[test]
    fn a_datasets_schedules_are_listed_by_branch() {
        let list = ListDatasetSchedules::new("ri.foundry.main.dataset.1");
        let path = "GET /v2/datasets/ri.foundry.main.dataset.1/getSchedules";
        assert_eq!(request_text(&list), path);
        assert_eq!(
            request_text(&list.branch_name("feature/x y").page_size(3).at(&Cursor::new("t"))),
            format!("{path}?branchName=feature%2Fx%20y&pageSize=3&pageToken=t")
        );
    }
}

//! The guide: one page for each task. Every program in it is compiled, and run against the fakes where that is possible.
//!
//! | page | question |
//! |---|---|
//! | [`credentials`] | Which credential do I need, and where is it sent? |
//! | [`waiting`] | How do I wait for one run or a thousand, and resume after a restart? |
//! | [`did_it_run`] | The response to my trigger was lost: did it start a run? |
//! | [`web_service`] | How do I start and watch runs from a web service? |
//! | [`errors`] | What went wrong, what can I do about it, how often was the call retried, and why did the run fail? |
//! | [`observing`] | How do I see what the crate does, and what a vendor sends that the crate does not know? |
//! | [`paging`] | How do I read a long list, quickly, and resume where I stopped? |
//! | [`transport`] | How do I record, replay, count or change requests? |
//! | [`testing`] | Which fake do I use in which test, and how do I test a lost response? |
//! | [`own_provider`] | How do I add my own vendor? |
//! | [`job_queue`] | How do I hand a run to a job queue or workflow engine? |
//! | [`migrating`] | I use a vendor's Python client: what corresponds to what here? |
//! | [`architecture`] | Why is the crate built as it is, and what was rejected? |

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("credentials.md")]
pub mod credentials {}

#[doc = include_str!("did_it_run.md")]
pub mod did_it_run {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("job_queue.md")]
pub mod job_queue {}

#[doc = include_str!("migrating.md")]
pub mod migrating {}

#[doc = include_str!("observing.md")]
pub mod observing {}

#[doc = include_str!("own_provider.md")]
pub mod own_provider {}

#[doc = include_str!("paging.md")]
pub mod paging {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("transport.md")]
pub mod transport {}

#[doc = include_str!("waiting.md")]
pub mod waiting {}

#[doc = include_str!("web_service.md")]
pub mod web_service {}

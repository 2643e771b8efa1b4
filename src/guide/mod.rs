//! The guide: how things are done with this crate, one page each. Every program in it is compiled and, where it can be,
//! run against the fakes.
//!
//! | page | question |
//! |---|---|
//! | [`credentials`] | Which credential do I take, and what happens to it? |
//! | [`waiting`] | How do I wait for one run or a thousand, and go on after a restart? |
//! | [`did_it_run`] | The answer to my trigger was lost: did it start a run? |
//! | [`errors`] | What went wrong, how often was it tried, what may I do about it, and why did the run fail? |
//! | [`observing`] | What does the crate do all day, and what does the vendor send that it does not know? |
//! | [`paging`] | How do I walk a long list, faster, and from where I stopped? |
//! | [`transport`] | How do I record, replay, count or change what goes over the wire? |
//! | [`testing`] | Which fake do I test with, and how do I test the day on which an answer is lost? |
//! | [`own_provider`] | How do I write a vendor of my own? |
//! | [`job_queue`] | How do I hand a run to a job queue or workflow engine? |
//! | [`migrating`] | I come from a vendor's Python client: what is what here? |
//! | [`architecture`] | Why is it built this way, and what was rejected? |

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

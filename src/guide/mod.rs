//! The guide: one page for each task. Every Rust program in it is compiled, and run against the fakes where that is possible; the two
//! recipes on [`observing`] are compiled as files of an example.
//!
//! Begin with [`waiting`] and [`did_it_run`].

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("credentials.md")]
pub mod credentials {}

#[doc = include_str!("did_it_run.md")]
pub mod did_it_run {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("figures.md")]
pub mod figures {}

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

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("transport.md")]
pub mod transport {}

#[doc = include_str!("waiting.md")]
#[doc = include_str!("polls.svg")]
pub mod waiting {}

#[doc = include_str!("web_service.md")]
pub mod web_service {}

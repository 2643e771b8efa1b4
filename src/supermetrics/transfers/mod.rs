//! Supermetrics transfers: what copies a data source into a data warehouse on a schedule, its runs, and backfills of past days.
//!
//! Another product than the queries of [`supermetrics`](super), with a client of its own.
//!
//! ```no_run
//! use scheduled_runs::supermetrics::{ApiKey, transfers};
//! use scheduled_runs::RunProviderExt;
//!
//! # async fn program() -> scheduled_runs::Result<()> {
//! let client = transfers::Client::builder()
//!     .team(7301)
//!     .credential(ApiKey::new("api_..."))
//!     .build()?;
//! for transfer in client.send(transfers::ListTransfers::new()).await?.iter() {
//!     println!("{} {:?} {:?}", transfer.id, transfer.display_name, transfer.state);
//! }
//!
//! // Load yesterday's data once more, and wait for the end; an error says why it failed.
//! let wait = client.trigger_and_wait(&client.target("501733"));
//! let done = wait.await?.success()?;
//! println!("{} took {:?}", done.run, done.duration());
//! # Ok(())
//! # }
//! ```
//!
//! # Operations
//!
//! | call | request | retried if its response is lost |
//! |---|---|---|
//! | list and get transfers | [`ListTransfers`], [`GetTransfer`] | yes |
//! | pause a transfer, and end that | [`PauseTransfer`], [`UnpauseTransfer`] | yes |
//! | create, delete a transfer | [`CreateTransfer`], [`DeleteTransfer`] | never |
//! | replace the configuration of a transfer | [`UpdateTransfer`] | yes |
//! | check a configuration | [`ValidateTransfer`], [`ValidateTransferUpdate`] | yes |
//! | list and get runs | [`ListTransferRuns`], [`GetTransferRun`] | yes |
//! | create, cancel a backfill | [`CreateBackfill`], [`CancelBackfill`] | never |
//! | get a backfill, by its id or the last one | [`GetBackfill`], [`GetLatestBackfill`] | yes |
//! | list backfills that are not complete | [`ListIncompleteBackfills`] | yes |
//!
//! For everything else, such as the sources that a transfer can have, use [`Client::raw`](crate::Client::raw):
//! `client.raw(Method::GET, &["transfers", "available-sources"])`.
//!
//! # Runs
//!
//! The vendor has no operation that runs a transfer now. A trigger loads the data of one day once more: it creates a backfill of
//! that day. It is the last full day in UTC when the trigger is sent, or the day that the target names:
//!
//! | target | a trigger loads | its list of runs |
//! |---|---|---|
//! | [`target`], `Client::target` | yesterday, in UTC | the last 90 days |
//! | [`target_on`], `Client::target_on` | that day | runs that load that day |
//!
//! The id of a run says what it is: `backfill-70211` is a backfill, which a trigger makes; `run-880102` is a run that the vendor
//! lists. The list has both: the backfills that the vendor still tells of, which are those that are not complete and the last one, on
//! its first page; and all runs, those of backfills too, since nothing says which backfill a run belongs to.
//!
//! - A backfill that failed has ended, though the vendor calls it incomplete. A complete one of which a run failed has failed.
//! - Only backfills can be cancelled. Runs that have begun go on to their end. A run is
//!   [`Unsupported`](crate::ErrorKind::Unsupported), so the capabilities do not promise it.
//! - The vendor refuses a backfill that overlaps an active one of the transfer. So a second trigger fails until the first has ended.
//! - A lost trigger is found, by [`verify`](crate::run::Trigger::verify) and
//!   [`recover`](crate::RunProviderExt::recover): among the backfills that are not complete, and in the last one. Inferred: one that
//!   ended and was followed by another one has left a run of its day in the list; then the result is
//!   [`Ambiguous`](crate::ErrorKind::Ambiguous), not "nothing started". What remains: a backfill that was cancelled before it had a
//!   run, and followed by another one, is not found; it has loaded nothing.
//! - A target without a day recognizes the backfills of its triggers by their day: the one before that of their creation. If your clock
//!   and the vendor's differ by more than ten minutes, that fails around midnight; a target with a day does not depend on it.
//!
//! # Credentials
//!
//! An API key of the Supermetrics Hub or an OAuth token, both with [`ApiKey`](super::ApiKey); not
//! [in the parameters](super::ApiKey::in_parameters), which this API does not read. It needs the scopes `dwh_transfers_read` and
//! `dwh_transfers_write`, and the account the permissions `dwh.transfer.view` and `dwh.transfer.edit`. Inferred: pausing, creating,
//! updating and deleting need those that end in `write` and `edit`. The number of the team is in the address of the Hub:
//! `hub.supermetrics.com/teams/7301`.
//!
//! # What the docs get wrong
//!
//! The docs are the [Management API reference](https://docs.supermetrics.com/apidocs/create-a-backfill) and the `OpenAPI` file of the
//! vendor's Python client.
//!
//! | the docs say | what the service does, and what this crate does |
//! |---|---|
//! | transfers and runs are at the root of the host | the vendor's client sends all to `/v1`, and so does this crate |
//! | the key of transfers and runs is the whole header | the vendor's client sends `Bearer` before it for all |
//! | responses are wrapped in `data`, or they are not | it depends on the operation: each is read in both forms |
//! | members are required | members that were documented as required were missing elsewhere: only ids are required here |
//! | the range is `range_start` and `range_end` | it is `range_start_date` and `range_end_date` in responses |
//! | a transfer has a schedule, accounts and an id | the list and the single transfer name and shape them differently: two types |
//! | the state is `pause`, `paused` or `PAUSED` | the first is sent, the others are received: they are one state here |
//! | `start_date` is a time, or a date | a time is sent, as by the vendor's client |
//! | backfills have six statuses, and a run has any | statuses without a name here are kept, and never count as ended while the vendor names no end |
//! | `FAILED` is incomplete | it ends a wait, and can be cancelled |
//! | errors have an HTTP status | the vendor's query API sends errors with 200: that is checked here, too |
//!
//! Not confirmed by the vendor: the statuses of runs but two, which time the days of a list are about and in which zone a day of data is,
//! the order of runs that are not sorted, what an issue is, the status and code of a range that overlaps or is too long, whether a complete
//! backfill can have failed runs, and whether a failed one may run again.

mod backfills;
mod dialect;
mod provider;
mod runs;
mod transfer;

use bytes::Bytes;
use chrono::NaiveDate;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny};
use url::Url;

pub use self::backfills::{
    Backfill, BackfillStatus, CancelBackfill, CreateBackfill, FailedDay, GetBackfill,
    GetLatestBackfill, ListIncompleteBackfills,
};
pub use self::runs::{
    GetTransferRun, ListTransferRuns, QueryDetails, RunStatus, RunType, TimeField, TransferRun,
    TransferRunDetail,
};
pub use self::transfer::{
    ChangedTransfer, CreateTransfer, DataSource, DeleteTransfer, GetTransfer, InvalidField,
    License, ListTransfers, NewTransfer, PauseTransfer, Recipient, RunInterval, Schedule, Segment,
    Setting, StateChange, Transfer, TransferAccount, TransferInfo, TransferState, UnpauseTransfer,
    UpdateTransfer, ValidateTransfer, ValidateTransferUpdate, Validation,
};

use self::dialect::TransfersDialect;
use super::list::ListResponse;
use crate::client::{Api, ClientBuilder, Meta, Service, Vendor, json};
use crate::error::{Error, Result};
use crate::run::Target;
use crate::wire::lenient::{self, Scalar};
use crate::wire::model;
use crate::wire::{id, time};

/// The vendor's name in [`Target`] and [`RunRef`](crate::RunRef). Not that of queries, which are run by another client.
pub const VENDOR: Vendor = Vendor::new("supermetrics-transfers");

/// Base URL of the service, without the team. Source: the vendor's Python client.
pub const BASE_URL: &str = "https://dts-api.supermetrics.com/v1";

/// A client of the transfers of one team.
pub type Client = crate::Client<Transfers>;

/// The transfers, as a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transfers {}

/// The settings that only clients of transfers have.
#[derive(Debug, Default)]
pub struct Options {
    team: Option<u64>,
}

impl ClientBuilder<Transfers> {
    /// The number of the team, as in `hub.supermetrics.com/teams/7301`. Required.
    ///
    /// A [base URL](Self::base_url) of your own holds the team as well: `https://proxy.example/v1/teams/7301`.
    pub fn team(mut self, id: u64) -> Self {
        self.options.team = Some(id);
        self
    }
}

impl Api for Transfers {
    const VENDOR: Vendor = VENDOR;
    type Options = Options;

    fn service(options: &Options) -> Result<Service> {
        let team = options.team.filter(|team| *team > 0).ok_or_else(|| {
            Error::config(
                "no team is set; call `team` with the number in hub.supermetrics.com/teams/{team}",
            )
        })?;
        Ok(Service::new(format!("{BASE_URL}/teams/{team}"), TransfersDialect))
    }

    fn read_base_url(options: &Options, url: Url) -> Result<Url> {
        if team_of(&url).and_then(|team| team.parse().ok()) != options.team {
            return Err(Error::config(
                "the base URL does not end with the team; leave it out, or pass https://dts-api.supermetrics.com/v1/teams/{team}",
            ));
        }
        Ok(url)
    }

    /// The team.
    fn scope(_: &Options, base_url: &Url) -> String {
        team_of(base_url).unwrap_or_default().to_owned()
    }
}

/// The team in a base URL that ends with `/teams/{team}`.
fn team_of(url: &Url) -> Option<&str> {
    let mut parts = url.path().rsplit('/').filter(|part| !part.is_empty());
    let team = parts.next().filter(|team| team.bytes().all(|byte| byte.is_ascii_digit()))?;
    parts.next().filter(|parent| *parent == "teams").map(|_| team)
}

/// A transfer of a team as a target for triggers and waits. A trigger loads the data of the last full day in UTC once more.
///
/// It names no account: a client of any account accepts it and its runs. For what you store, use [`Client::target`].
#[must_use]
pub fn target(team: u64, transfer: impl Into<TransferId>) -> Target {
    Target::new(VENDOR, transfer.into().as_str()).scoped(team.to_string())
}

/// A transfer of a team as a target whose triggers load the data of this day once more. Its id is that of the transfer, a point and
/// the day.
#[must_use]
pub fn target_on(team: u64, transfer: impl Into<TransferId>, day: NaiveDate) -> Target {
    Target::new(VENDOR, format!("{}.{day}", transfer.into())).scoped(team.to_string())
}

impl Client {
    /// As [`target`], in this client's team.
    #[must_use]
    pub fn target(&self, transfer: impl Into<TransferId>) -> Target {
        self.scoped(Target::new(VENDOR, transfer.into().as_str()))
    }

    /// As [`target_on`], in this client's team.
    #[must_use]
    pub fn target_on(&self, transfer: impl Into<TransferId>, day: NaiveDate) -> Target {
        self.scoped(Target::new(VENDOR, format!("{}.{day}", transfer.into())))
    }
}

id! {
    /// Id of a transfer: a number, as text.
    TransferId
}

id! {
    /// Id of a run: a number, as text.
    RunId
}

id! {
    /// Id of a backfill: a number, as text.
    BackfillId
}

/// Reads an id: a number, or a text.
fn optional_id<'de, D: Deserializer<'de>, T: From<String>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    Ok(lenient::text(deserializer)?.map(|id| T::from(id.into())))
}

/// Reads an id that the response is useless without.
fn required_id<'de, D: Deserializer<'de>, T: From<String>>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    optional_id(deserializer)?.ok_or_else(|| D::Error::custom("not an id"))
}

/// Reads a date, or the date of a time. One that cannot be read is `None`.
fn date<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<NaiveDate>, D::Error> {
    let date = lenient::scalar(deserializer, |value| match value {
        Scalar::Text(text) => Some(time::parse(text).map(|time| time.date_naive())),
        _ => None,
    });
    Ok(date?.flatten())
}

/// Reads a number that fits into 32 bits.
fn small_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<u32>, D::Error> {
    Ok(lenient::count(deserializer)?.and_then(|number| number.try_into().ok()))
}

/// Reads a list of objects of which nothing is required. An element that is not an object is left out.
fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(bound(deserialize = "T: Deserialize<'de>"))]
    struct Element<T>(#[serde(deserialize_with = "lenient::object")] Option<T>);

    let elements: Vec<Element<T>> = lenient::list(deserializer)?;
    Ok(elements.into_iter().filter_map(|Element(object)| object).collect())
}

/// Reads a response that is one object: in the member `data`, or by itself. None of the objects has a member of that name.
fn decode_data<T: DeserializeOwned>(meta: &Meta, body: &Bytes) -> Result<T> {
    model! {
        struct Probe {
            data: Option<IgnoredAny>,
        }
    }
    let text = str::from_utf8(body).unwrap_or_default();
    if serde_json::from_str::<Probe>(text).is_ok_and(|probe| probe.data.is_some()) {
        super::list::decode_data(meta, body)
    } else {
        json::decode(meta, body)
    }
}

/// Reads a response that is a whole list.
fn decode_list<T: DeserializeOwned>(meta: &Meta, body: &Bytes) -> Result<Vec<T>> {
    let response: ListResponse<T> = json::decode(meta, &json::or_empty(body))?;
    Ok(response.data)
}

/// Refuses a range of days that ends before it begins.
fn check_days(first: NaiveDate, last: NaiveDate) -> Result<()> {
    if first > last {
        return Err(Error::config(format!(
            "the first day, {first}, is after {last}, the last one; swap them"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;
    use crate::error::ErrorKind;
    use crate::supermetrics::ApiKey;

    /// A request as text: method, path and query below the team, headers, body.
    pub(super) fn request_text<E: Endpoint>(request: &E) -> String {
        let base = format!("{BASE_URL}/teams/7");
        request.to_request(&Url::parse(&base).unwrap()).unwrap().text(&base, "")
    }

    /// Why a request is refused before it is sent.
    pub(super) fn refused<E: Endpoint>(request: &E) -> String {
        let error = request.to_request(&Url::parse(BASE_URL).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    pub(super) fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_team_is_the_end_of_the_base_url_and_the_scope() {
        let transport = crate::testing::ScriptedTransport::default();
        let builder = || Client::builder().transport(transport.clone());
        let client = builder().team(7301).build().unwrap();
        assert_eq!(client.base_url().as_str(), "https://dts-api.supermetrics.com/v1/teams/7301");
        assert_eq!(client.scope(), Some("7301"));
        assert_eq!(client.target("5"), target(7301, "5"));
        let dated = client.target_on("5", day("2026-03-02"));
        assert_eq!(dated, target_on(7301, "5", day("2026-03-02")));
        assert_eq!(dated.to_string(), "supermetrics-transfers@7301:5.2026-03-02");
        let own = builder().team(8).base_url("https://proxy.example/x/teams/8/").build().unwrap();
        assert_eq!(own.scope(), Some("8"));
        for (builder, says) in [
            (builder(), "no team is set"),
            (builder().team(0), "no team is set"),
            (builder().team(7).base_url(BASE_URL), "does not end with the team"),
            (builder().team(1).base_url("https://proxy.example/x/teams/8/"), "with the team"),
            (
                builder().team(7).base_url("https://hub.supermetrics.com/teams/7/canary"),
                "does not end with the team",
            ),
            (builder().team(7).credential(ApiKey::new("")), "is empty"),
        ] {
            let error = builder.build().map(drop).expect_err(says);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}

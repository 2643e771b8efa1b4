//! Logins at a data source, and the accounts they reach.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::{Deserialize, Serialize};
use url::Url;

use super::query::{Texts, check_range};
use super::schedule_id::check_id;
use super::{Supermetrics, json_parameters};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta};
use crate::error::Result;
use crate::wire::{json, lenient, time};

/// Lists the logins at a data source with the accounts that each reaches. They come at once.
///
/// Source: Supermetrics API, "Get accounts", `GET /query/accounts`. Safe to repeat.
///
/// ```
/// use scheduled_runs::supermetrics::ListAccounts;
///
/// let request = ListAccounts::new("GAWA").users(["ada@example.com"]).cache_minutes(60);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "GET");
/// # assert_eq!(sent.url().path(), "/query/accounts");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListAccounts {
    ds_id: String,
    users: Option<Texts>,
    cache_minutes: Option<u32>,
}

impl ListAccounts {
    /// The accounts at this data source.
    pub fn new(ds_id: impl Into<String>) -> Self {
        Self { ds_id: ds_id.into(), users: None, cache_minutes: None }
    }

    /// Logins to ask, without regard to case. Left out, all.
    pub fn users(mut self, users: impl Into<Texts>) -> Self {
        self.users = Some(users.into());
        self
    }

    /// Greatest age in minutes of what the vendor may take from its cache, 60 to 1440.
    pub fn cache_minutes(mut self, minutes: u32) -> Self {
        self.cache_minutes = Some(minutes);
        self
    }
}

impl Endpoint for ListAccounts {
    type Api = Supermetrics;
    type Output = Vec<Login>;
    const OPERATION: &'static str = "supermetrics.accounts.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        #[derive(Serialize)]
        struct Parameters<'a> {
            ds_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            ds_users: Option<&'a Texts>,
            #[serde(skip_serializing_if = "Option::is_none")]
            cache_minutes: Option<u32>,
        }
        check_id("ds_id", &self.ds_id)
            .and_then(|()| check_range("cache_minutes", self.cache_minutes, 60..=1440))
            .map_err(|error| error.with_operation(Self::OPERATION))?;
        let parameters = Parameters {
            ds_id: &self.ds_id,
            ds_users: self.users.as_ref(),
            cache_minutes: self.cache_minutes,
        };
        let builder = ApiRequest::of::<Self>(Method::GET, base, &["query", "accounts"]);
        json_parameters(builder, &parameters).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Vec<Login>> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient::list")]
            data: Vec<Entry>,
        }
        let answer: Answer = json::decode(meta, body)?;
        Ok(answer.data.into_iter().map(Entry::login).collect())
    }
}

/// A login at a data source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The login's name, as [`Query::user`](super::Query::user) takes it.
    pub ds_user: Option<Box<str>>,
    /// Its name for people.
    pub display_name: Option<Box<str>>,
    /// When the vendor asked the data source. UTC.
    pub cache_time: Option<DateTime<Utc>>,
    /// The accounts it reaches.
    pub accounts: Vec<Account>,
}

/// An account at a data source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// Id, as [`Query::accounts`](super::Query::accounts) takes it.
    #[serde(default, alias = "id", deserialize_with = "lenient::text")]
    pub account_id: Option<Box<str>>,
    /// Name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub account_name: Option<Box<str>>,
    /// Name of its group; empty where it has none.
    pub group_name: Option<Box<str>>,
}

/// One entry of the list. The vendor's own tool has been tested with accounts in the place of logins, too.
#[derive(Deserialize)]
struct Entry {
    ds_user: Option<Box<str>>,
    display_name: Option<Box<str>>,
    #[serde(default, deserialize_with = "time::lenient_utc")]
    cache_time: Option<DateTime<Utc>>,
    accounts: Option<Vec<Account>>,
    #[serde(default, deserialize_with = "lenient::text")]
    account_id: Option<Box<str>>,
    #[serde(default, deserialize_with = "lenient::text")]
    account_name: Option<Box<str>>,
    group_name: Option<Box<str>>,
}

impl Entry {
    fn login(self) -> Login {
        let Self {
            ds_user, display_name, cache_time, account_id, account_name, group_name, ..
        } = self;
        let itself =
            account_id.is_some().then_some(Account { account_id, account_name, group_name });
        let accounts = self.accounts.unwrap_or_else(|| itself.into_iter().collect());
        Login { ds_user, display_name, cache_time, accounts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn accounts_are_asked_for_by_data_source() {
        assert_eq!(
            request_text(&ListAccounts::new("GAWA")),
            r#"GET /query/accounts?json={"ds_id":"GAWA"}"#
        );
        assert_eq!(
            request_text(&ListAccounts::new("GAWA").users("u@example.com").cache_minutes(60)),
            r#"GET /query/accounts?json={"ds_id":"GAWA","ds_users":"u@example.com","cache_minutes":60}"#
        );
        let base = Url::parse("https://host").unwrap();
        for refused in [ListAccounts::new("a b"), ListAccounts::new("GA").cache_minutes(59)] {
            assert!(refused.to_request(&base).is_err());
        }
    }
}

//! Logins at a data source, and the accounts that each login can read.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Supermetrics;
use super::parameters::{Limited as _, Parameters, check_id, json_parameters};
use super::query::Texts;
use crate::client::{Meta, json, operation};
use crate::error::Result;
use crate::wire::{lenient, model, time};

operation! {
    /// Lists the logins at a data source, each with the accounts that it can read. All come in one response.
    ///
    /// Source: Supermetrics API, "Get accounts", `GET /query/accounts`.
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
    ListAccounts { ds_id: String }
    state { users: Option<Texts>, cache_minutes: Option<u32> }
    for Supermetrics, "supermetrics.accounts.list", Safe: GET "query" / "accounts" -> Vec<Login>,
    with |this, request| json_parameters(
        request
            .check(check_id("ds_id", &this.ds_id, 1..=50))
            .check(this.cache_minutes.check("cache_minutes", 60..=1440)),
        &Parameters([
            ("ds_id", json!(this.ds_id)),
            ("ds_users", json!(this.users)),
            ("cache_minutes", json!(this.cache_minutes)),
        ]),
    ),
    decode logins
}

impl ListAccounts {
    /// Logins to list, in upper or lower case. If not set, all.
    pub fn users(mut self, users: impl Into<Texts>) -> Self {
        self.users = Some(users.into());
        self
    }

    /// The greatest age in minutes of what the vendor may take from its cache, 60 to 1440.
    pub fn cache_minutes(mut self, minutes: u32) -> Self {
        self.cache_minutes = Some(minutes);
        self
    }
}

#[inline]
fn logins(meta: &Meta, body: &Bytes) -> Result<Vec<Login>> {
    model! {
        struct LoginList {
            data: Vec<Login> as "data" with lenient::items,
        }
    }
    let list: LoginList = json::decode(meta, &json::or_empty(body))?;
    Ok(list.data)
}

/// A login at a data source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "Entry")]
#[non_exhaustive]
pub struct Login {
    /// Name of the login, as [`Query::user`](super::Query::user) takes it.
    pub ds_user: Option<Box<str>>,
    /// Display name.
    pub display_name: Option<Box<str>>,
    /// When the vendor fetched this from the data source. UTC.
    pub cache_time: Option<DateTime<Utc>>,
    /// The accounts that the login can read.
    pub accounts: Vec<Account>,
}

model! {
    /// An account at a data source.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Account {
        /// Id, as [`Query::accounts`](super::Query::accounts) takes it.
        pub account_id: Option<Box<str>> as "account_id" | "id" with lenient::text,
        /// Name.
        pub account_name: Option<Box<str>> as "account_name" with lenient::text,
        /// Name of its group; empty if it has none.
        pub group_name: Option<Box<str>>,
    }
}

model! {
    /// One entry of the list: a login, or an account by itself, which the tests of the vendor's own tool have as well.
    struct Entry {
        ds_user: Option<Box<str>>,
        display_name: Option<Box<str>>,
        cache_time: Option<DateTime<Utc>> as "cache_time" with time::lenient_utc,
        accounts: Vec<Account> as "accounts" with lenient::list,
        account_id: Option<Box<str>> as "account_id" with lenient::text,
        account_name: Option<Box<str>> as "account_name" with lenient::text,
        group_name: Option<Box<str>>,
    }
}

impl From<Entry> for Login {
    fn from(entry: Entry) -> Self {
        let Entry { account_id, account_name, group_name, mut accounts, .. } = entry;
        if accounts.is_empty() && account_id.is_some() {
            accounts.push(Account { account_id, account_name, group_name });
        }
        let Entry { ds_user, display_name, cache_time, .. } = entry;
        Self { ds_user, display_name, cache_time, accounts }
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::client::Endpoint as _;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn accounts_are_requested_by_data_source() {
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

//! Accounts: credentials for SQL clients that do not expire. They are beside Query Service, under a base path of their own.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::list::{ListQuery, clause, list_setters};
use super::{Adobe, id};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, RequestBuilder, json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::wire::{lenient, time};

operation! {
    /// Lists the accounts of the organization, oldest first unless told otherwise. Their credentials are not in it.
    ///
    /// Pages overlap as those of [`ListTemplates`](super::ListTemplates): pages of one item get nowhere. Inferred: the guide
    /// names no parameters, but its links have those of the other lists.
    ///
    /// Source: Query Service API, "Accounts", `GET /accounts`. Its sample response is filtered by `active==true`, though the
    /// request is not.
    ListAccounts {}
    pages { list: ListQuery, item: Account, key: technical_account_id }
    for Adobe, "adobe.accounts.list", Safe: GET "accounts" -> Page<Account>
}

impl ListAccounts {
    list_setters!(AccountFilter);
}

/// A condition on the accounts of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFilter(pub(super) String);

impl AccountFilter {
    /// Active, or not. Inferred from the guide's sample.
    #[must_use]
    pub fn active(active: bool) -> Self {
        Self(clause("active", "==", active))
    }

    /// A condition in the vendor's own words. It cannot hold a comma.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }
}

/// Creates an account. The answer has its id and credential, which together are the password of SQL clients.
///
/// Keep the credential: no other answer repeats it. Source: Query Service API, "Accounts", `POST /accounts`. Each call
/// creates an account, so it is never sent again once it may have arrived.
///
/// ```
/// use scheduled_runs::adobe::CreateAccount;
///
/// let request = CreateAccount::new("dashboards", "ada@example.com").description("reads for the dashboards");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct CreateAccount {
    account: AccountDef,
}

impl CreateAccount {
    /// An account of this name, for the person with this Adobe id, an e-mail address.
    pub fn new(name: impl Into<String>, assigned_to_user: impl Into<String>) -> Self {
        let (account_name, assigned_to_user) = (Some(name.into()), Some(assigned_to_user.into()));
        Self { account: AccountDef { account_name, assigned_to_user, ..AccountDef::default() } }
    }

    /// Sets the credential. Left out, the vendor makes one.
    pub fn credential(mut self, credential: impl Into<SecretString>) -> Self {
        self.account.credential = Some(credential.into());
        self
    }

    /// Sets the description.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.account.description = Some(text.into());
        self
    }
}

impl Endpoint for CreateAccount {
    type Api = Adobe;
    type Output = Account;
    const OPERATION: &'static str = "adobe.accounts.create";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        self.account.write(ApiRequest::of::<Self>(Method::POST, base, &["accounts"]))
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Account> {
        json::decode(meta, body)
    }
}

/// Changes an account. Inferred: what is not set stays, for the guide calls every member optional; whether the credential
/// stays, too, is not documented.
///
/// Source: Query Service API, "Accounts", `PUT /accounts/{id}`. Repeating it does no harm: the second time sets the same
/// once more.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct UpdateAccount {
    id: AccountId,
    account: AccountDef,
}

impl UpdateAccount {
    /// The account of this id; set at least one thing.
    pub fn new(id: impl Into<AccountId>) -> Self {
        Self { id: id.into(), account: AccountDef::default() }
    }

    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.account.account_name = Some(name.into());
        self
    }

    /// Sets the person it is for by Adobe id, an e-mail address.
    pub fn assigned_to_user(mut self, id: impl Into<String>) -> Self {
        self.account.assigned_to_user = Some(id.into());
        self
    }

    /// Sets the credential.
    pub fn credential(mut self, credential: impl Into<SecretString>) -> Self {
        self.account.credential = Some(credential.into());
        self
    }

    /// Sets the description.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.account.description = Some(text.into());
        self
    }
}

impl Endpoint for UpdateAccount {
    type Api = Adobe;
    type Output = Account;
    const OPERATION: &'static str = "adobe.accounts.update";
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        self.account.write(ApiRequest::of::<Self>(
            Method::PUT,
            base,
            &["accounts", self.id.as_str()],
        ))
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Account> {
        json::decode(meta, body)
    }
}

/// Deletes an account: SQL clients that use it can connect no more.
///
/// Source: Query Service API, "Accounts", `DELETE /accounts/{id}`. Not repeated once it may have arrived: what the vendor
/// answers the second time is not documented.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct DeleteAccount {
    id: AccountId,
}

impl DeleteAccount {
    /// The account of this id.
    pub fn new(id: impl Into<AccountId>) -> Self {
        Self { id: id.into() }
    }
}

impl Endpoint for DeleteAccount {
    type Api = Adobe;
    type Output = DeletedAccount;
    const OPERATION: &'static str = "adobe.accounts.delete";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::DELETE, base, &["accounts", self.id.as_str()]).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<DeletedAccount> {
        json::decode(meta, body)
    }
}

/// What creating and changing an account can set.
#[derive(Clone, Debug, Default)]
struct AccountDef {
    account_name: Option<String>,
    assigned_to_user: Option<String>,
    credential: Option<SecretString>,
    description: Option<String>,
}

impl AccountDef {
    fn write(&self, builder: RequestBuilder) -> Result<ApiRequest> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            account_name: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            assigned_to_user: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            credential: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            description: Option<&'a str>,
        }

        let credential = self.credential.as_ref().map(ExposeSecret::expose_secret);
        let body = Body {
            account_name: self.account_name.as_deref(),
            assigned_to_user: self.assigned_to_user.as_deref(),
            credential,
            description: self.description.as_deref(),
        };
        let given = [body.account_name, body.assigned_to_user, credential, body.description];
        if given.iter().all(Option::is_none) {
            let message = "nothing is set; set the account's name, user, credential or description";
            return builder.fail(Error::config(message)).finish();
        }
        if given.iter().take(3).flatten().any(|text| text.trim().is_empty()) {
            let message = "an account's name, user or credential is empty";
            return builder.fail(Error::config(message)).finish();
        }
        let mut request = builder.json(&body).finish()?;
        if let Some(credential) = credential {
            request.hide(credential);
        }
        Ok(request)
    }
}

id! {
    /// Id of an account. With its credential it makes the password of SQL clients.
    AccountId
}

/// One account for SQL clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Account {
    /// Id.
    pub technical_account_id: AccountId,
    /// Its user name, `…@TECHACCT.ADOBE.COM`.
    pub technical_account_name: Option<Box<str>>,
    /// Its name. This and what follows is missing in the answer to [`CreateAccount`], but for the credential.
    pub account_name: Option<String>,
    /// Adobe id of the person it is for, an e-mail address.
    pub assigned_to_user: Option<Box<str>>,
    /// Description.
    pub description: Option<String>,
    credential: Option<SecretString>,
    /// Whether it can be used; only in lists.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub active: Option<bool>,
    /// When it was created.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub created: Option<DateTime<Utc>>,
    /// Who created it.
    pub created_by: Option<Box<str>>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub last_updated: Option<DateTime<Utc>>,
    /// Who changed it last.
    pub last_updated_by: Option<Box<str>>,
}

impl Account {
    /// The credential, in the answers to [`CreateAccount`] and [`UpdateAccount`]. `Debug` does not show it.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_ref().map(ExposeSecret::expose_secret)
    }
}

/// What the service says about a deletion.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DeletedAccount {
    /// `Success` in the guide's sample.
    pub result: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::PagedEndpoint as _;
    use crate::error::ErrorKind;
    use crate::paging::Cursor;

    const ORIGIN: &str = "https://platform.adobe.io";

    fn request_text<E: Endpoint>(request: &E) -> String {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        request.to_request(&base).unwrap().text(ORIGIN, "")
    }

    #[test]
    fn accounts_are_beside_query_service_whatever_stands_before_it() {
        let url = |base: &str| {
            let request = DeleteAccount::new("a/1").to_request(&Url::parse(base).unwrap()).unwrap();
            request.url().to_string()
        };
        for (base, url_of_account) in [
            (
                crate::adobe::BASE_URL,
                "https://platform.adobe.io/data/foundation/queryauth/accounts/a%2F1",
            ),
            (
                "http://127.0.0.1:8080/data/foundation/query/",
                "http://127.0.0.1:8080/data/foundation/queryauth/accounts/a%2F1",
            ),
            (
                "https://proxy.example/to%20adobe/data/foundation/query",
                "https://proxy.example/to%20adobe/data/foundation/queryauth/accounts/a%2F1",
            ),
            (
                "https://proxy.example/queries",
                "https://proxy.example/data/foundation/queryauth/accounts/a%2F1",
            ),
            ("http://localhost", "http://localhost/data/foundation/queryauth/accounts/a%2F1"),
        ] {
            assert_eq!(url(base), url_of_account);
        }
    }

    #[test]
    fn accounts_are_listed_as_the_other_lists_are() {
        assert_eq!(
            request_text(&ListAccounts::new()),
            "GET /data/foundation/queryauth/accounts?orderby=created&limit=20"
        );
        let list = ListAccounts::new()
            .newest_first()
            .filter(AccountFilter::active(true))
            .filter(AccountFilter::raw("x==y"));
        assert_eq!(
            request_text(&list.at(&Cursor::new("orderby=-created&start=2026-02-01T00%3A00%3A00Z"))),
            "GET /data/foundation/queryauth/accounts?orderby=-created&limit=20\
             &property=active%3D%3Dtrue%2Cx%3D%3Dy&start=2026-02-01T00%3A00%3A00Z"
        );
    }

    #[test]
    fn creating_and_changing_an_account_sends_what_is_set() {
        assert_eq!(
            request_text(
                &CreateAccount::new("bi", "ann@example.com").credential("c-1").description("BI")
            ),
            concat!(
                "POST /data/foundation/queryauth/accounts\ncontent-type: application/json\n\n",
                r#"{"accountName":"bi","assignedToUser":"ann@example.com","#,
                r#""credential":"c-1","description":"BI"}"#
            )
        );
        assert!(
            request_text(&CreateAccount::new("bi", "ann@example.com"))
                .ends_with(r#"{"accountName":"bi","assignedToUser":"ann@example.com"}"#)
        );
        let change = UpdateAccount::new("a-1").credential("c-2");
        assert_eq!(
            request_text(&change),
            concat!(
                "PUT /data/foundation/queryauth/accounts/a-1\ncontent-type: application/json\n\n",
                r#"{"credential":"c-2"}"#
            )
        );
        assert!(
            request_text(&change.name("bi").assigned_to_user("bob@example.com").description(""))
                .ends_with(concat!(
                    r#"{"accountName":"bi","assignedToUser":"bob@example.com","#,
                    r#""credential":"c-2","description":""}"#
                ))
        );
    }

    #[test]
    fn an_account_that_says_nothing_is_refused() {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        let refused = |request: &dyn Fn() -> Result<ApiRequest>| request().unwrap_err().kind();
        assert_eq!(
            [
                refused(&|| UpdateAccount::new("a").to_request(&base)),
                refused(&|| UpdateAccount::new("a").credential("").to_request(&base)),
                refused(&|| CreateAccount::new(" ", "ann@example.com").to_request(&base)),
            ],
            [ErrorKind::Config; 3]
        );
    }
}

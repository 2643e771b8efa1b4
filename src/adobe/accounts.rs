//! Accounts: credentials for SQL clients that do not expire. Their API is next to Query Service, under its own path.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

use super::Adobe;
use super::list::{ListQuery, clause, list_setters};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, RequestBuilder, json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::wire::{id, lenient, model, time};

operation! {
    /// Lists the accounts of the organization, by default oldest first. It does not hold their credentials.
    ///
    /// Pages overlap as those of [`ListTemplates`](super::ListTemplates) do, so a page needs at least two items. Inferred: the
    /// guide names no parameters, but its links have those of the other lists.
    ///
    /// Source: Query Service API, "Accounts", `GET /accounts`. Its sample response is filtered by `active==true` although the
    /// request has no filter.
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

    /// A condition in the vendor's syntax. It must not hold a comma.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }
}

/// Creates an account. The response has its id and credential, which together are the password of SQL clients.
///
/// Keep the credential: no later response has it. Source: Query Service API, "Accounts", `POST /accounts`.
///
/// ```
/// use scheduled_runs::adobe::CreateAccount;
///
/// let request = CreateAccount::new("dashboards", "ada@example.com")
///     .description("reads for the dashboards");
/// ```
///
/// Operation `adobe.accounts.create`. Send it with [`Client::send`](crate::Client::send). Never sent again
/// once it may have arrived.
// By hand, as `UpdateAccount`: `operation!` derives `PartialEq`, which secrets do not have.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct CreateAccount {
    account: AccountDef,
}

impl CreateAccount {
    /// An account with this name, for the person with this Adobe ID (an e-mail address).
    pub fn new(name: impl Into<String>, assigned_to_user: impl Into<String>) -> Self {
        let (account_name, assigned_to_user) = (Some(name.into()), Some(assigned_to_user.into()));
        Self { account: AccountDef { account_name, assigned_to_user, ..AccountDef::default() } }
    }

    /// Sets the credential. If not set, the vendor makes one.
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

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        self.account.write(ApiRequest::of::<Self>(Method::POST, base, &["accounts"]))
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Account> {
        json::decode(meta, body)
    }
}

/// Changes an account. Inferred: what is not set keeps its value, because the guide calls every member optional. Whether
/// the credential is kept too is not documented.
///
/// Source: Query Service API, "Accounts", `PUT /accounts/{id}`.
///
/// Operation `adobe.accounts.update`. Send it with [`Client::send`](crate::Client::send). Safe to retry: sent a second time, it changes nothing more.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct UpdateAccount {
    id: AccountId,
    account: AccountDef,
}

impl UpdateAccount {
    /// The account with this id. Set at least one of the values below.
    pub fn new(id: impl Into<AccountId>) -> Self {
        Self { id: id.into(), account: AccountDef::default() }
    }

    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.account.account_name = Some(name.into());
        self
    }

    /// Sets the person that the account is for, by Adobe ID (an e-mail address).
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

    #[inline]
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

operation! {
    /// Deletes an account: SQL clients that use it can no longer connect.
    ///
    /// The response to a second delete is not documented. Source: Query Service API, "Accounts", `DELETE /accounts/{id}`.
    DeleteAccount { id: AccountId }
    for Adobe, "adobe.accounts.delete", NotIdempotent: DELETE "accounts" / {id} -> DeletedAccount,
    decode json::accepted
}

/// The values that creating and changing an account can set.
#[derive(Clone, Debug, Default)]
struct AccountDef {
    account_name: Option<String>,
    assigned_to_user: Option<String>,
    credential: Option<SecretString>,
    description: Option<String>,
}

impl AccountDef {
    #[inline]
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
            let message =
                "no change is set; set the account's name, user, credential or description";
            return builder.fail(Error::config(message)).finish();
        }
        if given.iter().take(3).flatten().any(|text| text.trim().is_empty()) {
            let message = "the name, user and credential of an account must not be empty";
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

model! {
    /// One account for SQL clients.
    #[derive(Clone, Debug)]
    #[non_exhaustive]
    pub struct Account {
        /// Id.
        pub technical_account_id: AccountId as "technicalAccountId",
        /// User name, `…@TECHACCT.ADOBE.COM`.
        pub technical_account_name: Option<Box<str>> as "technicalAccountName",
        /// Name. The response to [`CreateAccount`] lacks this field and all that follow, except the credential.
        pub account_name: Option<String> as "accountName",
        /// Adobe ID (an e-mail address) of the person that it is for.
        pub assigned_to_user: Option<Box<str>> as "assignedToUser",
        /// Description.
        pub description: Option<String>,
        #[serde(skip_serializing)]
        credential: Option<SecretString>,
        /// Whether it can be used. Only in lists.
        pub active: Option<bool> as "active" with lenient::boolean,
        /// When it was created.
        pub created: Option<DateTime<Utc>> as "created" with time::lenient_utc,
        /// Who created it.
        pub created_by: Option<Box<str>> as "createdBy",
        /// When it was last changed.
        pub last_updated: Option<DateTime<Utc>> as "lastUpdated" with time::lenient_utc,
        /// Who last changed it.
        pub last_updated_by: Option<Box<str>> as "lastUpdatedBy",
    }
}

impl Account {
    /// The credential, in the responses to [`CreateAccount`] and [`UpdateAccount`]. `Debug` does not show it.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_ref().map(ExposeSecret::expose_secret)
    }
}

model! {
    /// The response to a deletion.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct DeletedAccount {
        /// `Success` in the guide's sample.
        pub result: Option<Box<str>>,
    }
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
    fn accounts_are_next_to_query_service_behind_any_prefix() {
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
            "GET /data/foundation/queryauth/accounts?orderby=%2Bcreated&limit=20"
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
    fn an_account_with_nothing_set_is_refused() {
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

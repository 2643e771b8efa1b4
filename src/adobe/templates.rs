//! Query templates: list, count, create, get, update, delete. Queries and schedules run them by id.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::{Deserialize, Serialize};
use url::Url;

use super::list::{ListQuery, check_clause, clause, list_setters};
use super::{Accepted, Adobe, id};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::wire::{lenient, time};

operation! {
    /// Lists the query templates of the sandbox, oldest first unless told otherwise.
    ///
    /// Pages overlap: samples link to the last item of a page, and a walk leaves out what it had. So pages of one item get
    /// nowhere: a walk in such pages ends with [`ErrorKind::Pagination`](crate::ErrorKind::Pagination).
    ///
    /// Source: Query Service API, "Query templates", `GET /query-templates`.
    ListTemplates {}
    pages { list: ListQuery, item: Template, key: id }
    for Adobe, "adobe.templates.list", Safe: GET "query-templates" -> Page<Template>
}

impl ListTemplates {
    list_setters!(TemplateFilter);
}

/// A condition on the templates of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFilter(pub(super) String);

impl TemplateFilter {
    /// Has this name. The guide has this operator for names; the reference has
    /// [`name_contains`](Self::name_contains) alone.
    #[must_use]
    pub fn name(name: &str) -> Self {
        Self(clause("name", "==", name))
    }

    /// Its name contains this text, which cannot hold a comma.
    #[must_use]
    pub fn name_contains(text: &str) -> Self {
        Self(clause("name", "~", text))
    }

    /// Made by this user.
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self(clause("userId", "==", id))
    }

    /// Last changed by this user.
    #[must_use]
    pub fn last_updated_by(id: &str) -> Self {
        Self(clause("lastUpdatedBy", "==", id))
    }

    /// A condition in the vendor's own words. It cannot hold a comma.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }
}

/// Counts the query templates of the sandbox.
///
/// Source: Query Service API reference, `GET /query-templates/count`. Safe to repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct CountTemplates {
    user: Option<String>,
}

impl CountTemplates {
    /// All templates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those made by this user: the one condition that counting knows.
    pub fn user(mut self, id: impl Into<String>) -> Self {
        self.user = Some(id.into());
        self
    }
}

impl Endpoint for CountTemplates {
    type Api = Adobe;
    type Output = TemplateCount;
    const OPERATION: &'static str = "adobe.templates.count";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let user = self.user.as_ref().map(|id| clause("userId", "==", id));
        let builder = ApiRequest::of::<Self>(Method::GET, base, &["query-templates", "count"]);
        match user.as_deref().map_or(Ok(()), check_clause) {
            Ok(()) => builder.query("property", user).finish(),
            Err(error) => builder.fail(error).finish(),
        }
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<TemplateCount> {
        json::decode(meta, body)
    }
}

/// Creates a query template.
///
/// Source: Query Service API, "Query templates", `POST /query-templates`. Each call creates a template, so it is never
/// sent again once it may have arrived.
///
/// ```
/// use scheduled_runs::adobe::{CreateTemplate, TemplateDef};
///
/// let template = TemplateDef::new("visits of a country", "SELECT * FROM visits WHERE country = $country")
///     .parameter("country", "'CH'");
/// let request = CreateTemplate::new(template);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "POST");
/// # assert_eq!(sent.url().path(), "/query-templates");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct CreateTemplate {
    template: TemplateDef,
}

impl CreateTemplate {
    /// This template.
    pub fn new(template: TemplateDef) -> Self {
        Self { template }
    }
}

impl Endpoint for CreateTemplate {
    type Api = Adobe;
    type Output = Template;
    const OPERATION: &'static str = "adobe.templates.create";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let builder = ApiRequest::of::<Self>(Method::POST, base, &["query-templates"]);
        match self.template.check() {
            Ok(()) => builder.json(&self.template).finish(),
            Err(error) => builder.fail(error).finish(),
        }
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Template> {
        json::decode(meta, body)
    }
}

/// Gets one query template.
///
/// Source: Query Service API, "Query templates", `GET /query-templates/{id}`. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetTemplate {
    template: TemplateId,
}

impl GetTemplate {
    /// This template.
    pub fn new(template: impl Into<TemplateId>) -> Self {
        Self { template: template.into() }
    }
}

impl Endpoint for GetTemplate {
    type Api = Adobe;
    type Output = Template;
    const OPERATION: &'static str = "adobe.templates.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["query-templates", self.template.as_str()];
        ApiRequest::of::<Self>(Method::GET, base, &path).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Template> {
        json::decode(meta, body)
    }
}

/// Overwrites a query template: SQL, name and parameters. What the new one leaves out is gone.
///
/// Source: Query Service API, "Query templates", `PUT /query-templates/{id}`. Repeating it does no harm: the second time
/// writes the same once more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct UpdateTemplate {
    id: TemplateId,
    template: TemplateDef,
}

impl UpdateTemplate {
    /// The template of this id becomes this one.
    pub fn new(id: impl Into<TemplateId>, template: TemplateDef) -> Self {
        Self { id: id.into(), template }
    }
}

impl Endpoint for UpdateTemplate {
    type Api = Adobe;
    type Output = Template;
    const OPERATION: &'static str = "adobe.templates.update";
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["query-templates", self.id.as_str()];
        let builder = ApiRequest::of::<Self>(Method::PUT, base, &path);
        match self.template.check() {
            Ok(()) => builder.json(&self.template).finish(),
            Err(error) => builder.fail(error).finish(),
        }
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Template> {
        json::decode(meta, body)
    }
}

/// Deletes a query template.
///
/// Source: Query Service API, "Query templates", `DELETE /query-templates/{id}`. Not repeated once it may have arrived: a
/// second delete would answer 404 for a first one that worked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct DeleteTemplate {
    template: TemplateId,
}

impl DeleteTemplate {
    /// This template.
    pub fn new(template: impl Into<TemplateId>) -> Self {
        Self { template: template.into() }
    }
}

impl Endpoint for DeleteTemplate {
    type Api = Adobe;
    type Output = Accepted;
    const OPERATION: &'static str = "adobe.templates.delete";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["query-templates", self.template.as_str()];
        ApiRequest::of::<Self>(Method::DELETE, base, &path).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Accepted> {
        json::decode(meta, body)
    }
}

id! {
    /// Id of a query template, a UUID.
    TemplateId
}

/// What a template holds: a name, SQL, and values of its parameters unless the query names others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "hand it to `CreateTemplate` or `UpdateTemplate`"]
pub struct TemplateDef {
    sql: String,
    name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_parameters: BTreeMap<String, String>,
}

impl TemplateDef {
    /// A name and SQL, with `$name` for parameters. Both are required, also by [`UpdateTemplate`].
    pub fn new(name: impl Into<String>, sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), name: name.into(), query_parameters: BTreeMap::new() }
    }

    /// Sets the value of the parameter `$name`, given without the dollar sign; the vendor does not check its type.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query_parameters.insert(name.into(), value.into());
        self
    }

    fn check(&self) -> Result<()> {
        if self.name.trim().is_empty() || self.sql.trim().is_empty() {
            return Err(Error::config("a template needs a name and SQL"));
        }
        Ok(())
    }
}

/// One query template.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Template {
    /// Id.
    pub id: TemplateId,
    /// Name.
    pub name: Option<String>,
    /// The SQL, with `$name` for parameters.
    pub sql: Option<String>,
    /// Values of the parameters unless the query names others.
    #[serde(default, deserialize_with = "lenient::texts")]
    pub query_parameters: BTreeMap<String, String>,
    /// When it was created. Samples have it, the reference does not.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub created: Option<DateTime<Utc>>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub updated: Option<DateTime<Utc>>,
    /// Who created it.
    pub user_id: Option<Box<str>>,
    /// Who changed it last; missing while nobody has.
    pub last_updated_by: Option<Box<str>>,
}

/// How many query templates there are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TemplateCount {
    /// All that the request counts.
    #[serde(default, deserialize_with = "lenient::count")]
    pub total_count: Option<u64>,
    /// Version of the API.
    #[serde(default, deserialize_with = "lenient::count")]
    pub version: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::tests::{request_text, utc};
    use crate::client::PagedEndpoint as _;
    use crate::error::ErrorKind;
    use crate::paging::Cursor;

    #[test]
    fn templates_are_listed_with_every_filter_of_guide_and_reference() {
        assert_eq!(
            request_text(&ListTemplates::new()),
            "GET /query-templates?orderby=created&limit=20"
        );
        let list = ListTemplates::new()
            .newest_first()
            .limit(2)
            .start(utc("2026-02-03T04:05:06Z"))
            .filter(TemplateFilter::name("daily"))
            .filter(TemplateFilter::name_contains("total"))
            .filter(TemplateFilter::user("1@AdobeID"))
            .filter(TemplateFilter::last_updated_by("2@AdobeID"))
            .filter(TemplateFilter::raw("x==y"));
        assert_eq!(
            request_text(&list),
            "GET /query-templates?orderby=-created&limit=2&start=2026-02-03T04%3A05%3A06Z\
             &property=name%3D%3Ddaily%2Cname~total%2CuserId%3D%3D1%40AdobeID\
             %2ClastUpdatedBy%3D%3D2%40AdobeID%2Cx%3D%3Dy"
        );
        let second = list.at(&Cursor::new("orderby=-created&start=2026-02-01T00%3A00%3A00Z"));
        assert!(request_text(&second).contains("limit=2&start=2026-02-01T00%3A00%3A00Z&property="));
    }

    #[test]
    fn templates_are_counted_all_or_those_of_one_user() {
        assert_eq!(request_text(&CountTemplates::new()), "GET /query-templates/count");
        assert_eq!(
            request_text(&CountTemplates::new().user("1@AdobeID")),
            "GET /query-templates/count?property=userId%3D%3D1%40AdobeID"
        );
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        let two = CountTemplates::new().user("1,2").to_request(&base).unwrap_err();
        assert_eq!(two.kind(), ErrorKind::Config);
    }

    #[test]
    fn a_template_is_created_got_overwritten_and_deleted() {
        let template = TemplateDef::new("daily", "SELECT $day").parameter("day", "2026-02-03");
        let body = concat!(
            "\ncontent-type: application/json\n\n",
            r#"{"sql":"SELECT $day","name":"daily","queryParameters":{"day":"2026-02-03"}}"#
        );
        assert_eq!(
            request_text(&CreateTemplate::new(template.clone())),
            format!("POST /query-templates{body}")
        );
        assert_eq!(
            request_text(&UpdateTemplate::new("t-1", template)),
            format!("PUT /query-templates/t-1{body}")
        );
        assert!(
            request_text(&CreateTemplate::new(TemplateDef::new("one", "SELECT 1")))
                .ends_with(r#"{"sql":"SELECT 1","name":"one"}"#)
        );
        assert_eq!(request_text(&GetTemplate::new("t/1")), "GET /query-templates/t%2F1");
        assert_eq!(request_text(&DeleteTemplate::new("t-1")), "DELETE /query-templates/t-1");
    }

    #[test]
    fn a_template_without_name_or_sql_is_refused() {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        for template in [TemplateDef::new(" ", "SELECT 1"), TemplateDef::new("one", "")] {
            let created = CreateTemplate::new(template.clone()).to_request(&base).unwrap_err();
            let updated = UpdateTemplate::new("t", template).to_request(&base).unwrap_err();
            assert_eq!((created.kind(), updated.kind()), (ErrorKind::Config, ErrorKind::Config));
        }
    }
}

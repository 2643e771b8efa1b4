//! Query templates: list, count, create, get, update, delete. Queries and schedules run them by id.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::ids::TemplateId;
use super::list::{ListQuery, check_clause, clause, list_setters};
use super::{Accepted, Adobe};
use crate::client::{json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::wire::{lenient, model, time};

operation! {
    /// Lists the query templates of the sandbox, by default oldest first.
    ///
    /// Pages overlap: in samples the next page begins with the last item of this one, which the pages and items of a client
    /// leave out. So a page needs at least two items: with one item per page, paging ends with
    /// [`ErrorKind::Pagination`](crate::ErrorKind::Pagination).
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
    /// Has this name. Only the guide has this operator; the API reference has [`name_contains`](Self::name_contains).
    #[must_use]
    pub fn name(name: &str) -> Self {
        Self(clause("name", "==", name))
    }

    /// Its name contains this text, which must not hold a comma.
    #[must_use]
    pub fn name_contains(text: &str) -> Self {
        Self(clause("name", "~", text))
    }

    /// Created by this user.
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self(clause("userId", "==", id))
    }

    /// Last changed by this user.
    #[must_use]
    pub fn last_updated_by(id: &str) -> Self {
        Self(clause("lastUpdatedBy", "==", id))
    }

    /// A condition in the vendor's syntax. It must not hold a comma.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }
}

operation! {
    /// Counts the query templates of the sandbox.
    ///
    /// Source: Query Service API reference, `GET /query-templates/count`.
    CountTemplates {}
    state { user: Option<String> }
    for Adobe, "adobe.templates.count", Safe: GET "query-templates" / "count" -> TemplateCount,
    with |this, request| {
        let filter = this.user.as_ref().map(|id| clause("userId", "==", id));
        request.check(filter.as_deref().map_or(Ok(()), check_clause)).query("property", filter)
    }
}

impl CountTemplates {
    /// Counts only the templates created by this user. The vendor has no other filter here.
    pub fn user(mut self, id: impl Into<String>) -> Self {
        self.user = Some(id.into());
        self
    }
}

operation! {
    /// Creates a query template.
    ///
    /// Source: Query Service API, "Query templates", `POST /query-templates`.
    ///
    /// ```
    /// use scheduled_runs::adobe::{CreateTemplate, TemplateDef};
    ///
    /// let sql = "SELECT * FROM visits WHERE country = $country";
    /// let template = TemplateDef::new("visits of a country", sql).parameter("country", "'CH'");
    /// let request = CreateTemplate::new(template);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/query-templates");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateTemplate { template: TemplateDef }
    for Adobe, "adobe.templates.create", NotIdempotent: POST "query-templates" -> Template,
    json {template},
    with |this, request| request.check(this.template.check())
}

operation! {
    /// Gets one query template.
    ///
    /// Source: Query Service API, "Query templates", `GET /query-templates/{id}`.
    GetTemplate { template: TemplateId }
    for Adobe, "adobe.templates.get", Safe: GET "query-templates" / {template} -> Template
}

operation! {
    /// Replaces the name, SQL and parameters of a query template. Parameters that the new template does not set are removed.
    ///
    /// Source: Query Service API, "Query templates", `PUT /query-templates/{id}`.
    UpdateTemplate { id: TemplateId, template: TemplateDef }
    for Adobe, "adobe.templates.update", Idempotent: PUT "query-templates" / {id} -> Template,
    json {template},
    with |this, request| request.check(this.template.check())
}

operation! {
    /// Deletes a query template.
    ///
    /// A second delete would be refused with 404 although the first one worked. Source: Query Service API, "Query templates",
    /// `DELETE /query-templates/{id}`.
    DeleteTemplate { template: TemplateId }
    for Adobe, "adobe.templates.delete", NotIdempotent: DELETE "query-templates" / {template} -> Accepted,
    decode json::accepted
}

/// The content of a template: a name, SQL, and default values of its parameters.
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

    /// Sets the default value of the parameter `$name`. Pass the name without the dollar sign. The vendor does not check the
    /// type of the value.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query_parameters.insert(name.into(), value.into());
        self
    }

    fn check(&self) -> Result<()> {
        if self.name.trim().is_empty() || self.sql.trim().is_empty() {
            return Err(Error::config("the name and SQL of a template must not be empty"));
        }
        Ok(())
    }
}

model! {
    /// One query template.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Template {
        /// Id.
        pub id: TemplateId,
        /// Name.
        pub name: Option<String>,
        /// The SQL, with `$name` for parameters.
        pub sql: Option<String>,
        /// Default values of the parameters, used where a query does not set them.
        pub query_parameters: BTreeMap<String, String> as "queryParameters" with lenient::texts,
        /// When it was created. Samples have it, the API reference does not.
        pub created: Option<DateTime<Utc>> as "created" with time::lenient_utc,
        /// When it was last changed.
        pub updated: Option<DateTime<Utc>> as "updated" with time::lenient_utc,
        /// Who created it.
        pub user_id: Option<Box<str>> as "userId",
        /// Who last changed it; `None` if nobody has.
        pub last_updated_by: Option<Box<str>> as "lastUpdatedBy",
    }
}

model! {
    /// How many query templates there are.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct TemplateCount {
        /// Number of templates that match the request.
        pub total_count: Option<u64> as "totalCount" with lenient::count,
        /// Version of the API.
        pub version: Option<u64> as "version" with lenient::count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::tests::{request_text, utc};
    use crate::client::{Endpoint as _, PagedEndpoint as _};
    use crate::error::ErrorKind;
    use crate::paging::Cursor;
    use url::Url;

    #[test]
    fn templates_are_listed_with_every_filter_of_guide_and_reference() {
        assert_eq!(
            request_text(&ListTemplates::new()),
            "GET /query-templates?orderby=%2Bcreated&limit=20"
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
    fn a_template_is_created_fetched_replaced_and_deleted() {
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

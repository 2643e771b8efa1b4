//! Query templates: what the fake remembers of them, and their requests.

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde_json::{Value, json};

use super::lists::{Row, TEMPLATE_COUNT, TEMPLATES, Wanted, count};
use super::responses::{ParsedRequest, Refusal, Reply, not_found, service};
use super::routes::{Object, check_parameters, only, text};
use super::state::{LINKS, State, USER, add, link};

pub(super) struct Template {
    id: String,
    name: String,
    sql: String,
    parameters: Option<Value>,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
    overwritten: bool,
}
use crate::testing::kit::Response;

/// Requests below `/query-templates`.
pub(super) fn route(
    state: &mut State,
    call: &ParsedRequest,
    method: &str,
    below: &[&str],
) -> Reply {
    match (method, below) {
        ("GET", []) => {
            call.no_body()?;
            let wanted = Wanted::read(&TEMPLATES, call)?;
            Ok(wanted.page("/query-templates", state.template_rows(), state.links))
        }
        ("POST", []) => {
            let (name, sql, parameters) = read(call)?;
            Ok(Response::json(202, state.add_template(&name, &sql, parameters)))
        }
        ("GET", ["count"]) => {
            call.no_body()?;
            let total = count(&TEMPLATE_COUNT, &call.query, &state.template_rows())?;
            Ok(Response::json(200, json!({ "totalCount": total, "version": 1 })))
        }
        ("GET", [id]) => {
            call.bare()?;
            Ok(Response::json(200, state.template(id)?.shown()))
        }
        ("PUT", [id]) => {
            let (name, sql, parameters) = read(call)?;
            let now = state.kit.now().trunc_subsecs(3);
            let template = state.template(id)?;
            (template.name, template.sql, template.parameters) = (name, sql, parameters);
            (template.updated, template.overwritten) = (now, true);
            Ok(Response::json(202, template.shown()))
        }
        ("DELETE", [id]) => {
            call.bare()?;
            state.template(id)?;
            state.templates.retain(|template| template.id != *id);
            Ok(service(202, "Gone"))
        }
        _ => Err(not_found("path")),
    }
}

/// Name, SQL and parameters, as in requests that create or overwrite.
fn read(call: &ParsedRequest) -> Result<(String, String, Option<Value>), Refusal> {
    let body: Object = call.object()?;
    only(&body, &["name", "sql", "queryParameters"])?;
    check_parameters(&body)?;
    let parameters = body.get("queryParameters").cloned();
    Ok((text(&body, "name")?.to_owned(), text(&body, "sql")?.to_owned(), parameters))
}

impl State {
    pub(super) fn add_template(
        &mut self,
        name: &str,
        sql: &str,
        parameters: Option<Value>,
    ) -> Value {
        let now = self.kit.now().trunc_subsecs(3);
        let template = Template {
            id: self.kit.new_uuid(),
            name: name.to_owned(),
            sql: sql.to_owned(),
            parameters,
            created: now,
            updated: now,
            overwritten: false,
        };
        let shown = template.shown();
        self.templates.push(template);
        shown
    }

    pub(super) fn template(&mut self, id: &str) -> Result<&mut Template, Refusal> {
        let found = self.templates.iter_mut().find(|known| known.id == id);
        found.ok_or_else(|| not_found("template"))
    }

    fn template_rows(&self) -> Vec<Row> {
        let rows = self.templates.iter().map(|template| {
            let mut facts = vec![("name", template.name.clone()), ("userId", USER.to_owned())];
            facts.extend(template.overwritten.then(|| ("lastUpdatedBy", USER.to_owned())));
            Row {
                created: template.created,
                updated: template.updated,
                facts,
                deleted: false,
                shown: template.shown(),
            }
        });
        rows.collect()
    }
}

impl Template {
    fn shown(&self) -> Value {
        let own = format!("/query-templates/{}", self.id);
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut shown = json!({
            "id": self.id,
            "name": self.name,
            "sql": self.sql,
            "created": text(self.created),
            "updated": text(self.updated),
            "userId": USER,
            "_links": {
                "self": link("GET", &own),
                "update": {
                    "href": format!("{LINKS}{own}"),
                    "method": "PUT",
                    "body": "{\"sql\": \"other sql\", \"name\": \"other name\"}",
                },
                "delete": link("DELETE", &own),
            },
        });
        add(&mut shown, self.parameters.clone().map(|values| ("queryParameters", values)));
        add(&mut shown, self.overwritten.then(|| ("lastUpdatedBy", USER.into())));
        shown
    }
}

//! Accelerated queries: checked, then served with the rows that a test has set.

use serde_json::{Map, Value, json};

use super::FakeAdobe;
use super::responses::{ParsedRequest, Reply, bad_request, invalid};
use super::routes::{only, text};
use super::state::State;
use crate::testing::kit::Response;

/// `POST /accelerated-queries`.
pub(super) fn run(state: &mut State, call: &ParsedRequest) -> Reply {
    let body = call.object()?;
    only(&body, &["dbName", "sql", "templateId", "name", "description"])?;
    // The documentation has `:` or `.` between database and schema.
    let database: Vec<&str> = text(&body, "dbName")?.split([':', '.']).collect();
    if !matches!(&*database, [FakeAdobe::SANDBOX, store, schema] if !store.is_empty() && !schema.is_empty())
    {
        return Err(invalid("dbName"));
    }
    if body.contains_key("sql") == body.contains_key("templateId") {
        return Err(bad_request("give either sql or templateId"));
    }
    for (name, longest) in [("sql", 1_000_000), ("name", usize::MAX), ("description", 1_000)] {
        if body.contains_key(name) && text(&body, name)?.len() > longest {
            return Err(invalid(name));
        }
    }
    if body.contains_key("templateId") {
        state.template(text(&body, "templateId")?)?;
    }
    let answer = json!({
        "queryId": state.kit.new_uuid(),
        "resultsMeta": { "_adhoc": {
            "type": "object",
            "meta:xdmType": "object",
            "properties": columns(state.accelerated.first()),
        } },
        "results": state.accelerated,
        "request": body,
    });
    Ok(Response::json(200, answer))
}

/// The columns, as the first row shows them.
fn columns(row: Option<&Map<String, Value>>) -> Value {
    let types = row.into_iter().flatten().map(|(name, value)| {
        let (json_type, xdm_type) = match value {
            Value::Bool(_) => ("boolean", "boolean"),
            Value::Number(number) if number.is_f64() => ("number", "number"),
            Value::Number(_) => ("integer", "long"),
            Value::Array(_) => ("array", "array"),
            Value::Object(_) => ("object", "object"),
            Value::Null | Value::String(_) => ("string", "string"),
        };
        (name.clone(), json!({ "type": json_type, "meta:xdmType": xdm_type }))
    });
    Value::Object(types.collect())
}

//! Accelerated queries: SQL on the query accelerated store, whose response holds the rows.

use std::fmt;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Adobe;
use super::ids::{QueryId, TemplateId};
use super::queries::QueryDef;
use crate::client::operation;
use crate::error::{Error, Result};
use crate::wire::{lenient, model};

operation! {
    /// Runs a query on the query accelerated store and waits for its rows.
    ///
    /// Needs the Data Distiller add-on. The store runs four queries at once and queues the others. The vendor's gateway times
    /// out after about 60 s, an attempt of a client by default after 30 s: see
    /// [`Call::attempt_timeout`](crate::client::Call::attempt_timeout). Each call occupies one of the four slots.
    ///
    /// Source: Query Service API, "Accelerated queries", `POST /accelerated-queries`.
    ///
    /// ```
    /// use scheduled_runs::adobe::RunAcceleratedQuery;
    ///
    /// let request = RunAcceleratedQuery::sql("prod:store:public", "SELECT * FROM visits")
    ///     .name("dashboard");
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/accelerated-queries");
    /// # assert_eq!(*sent.body(), r#"{"dbName":"prod:store:public","sql":"SELECT * FROM visits","name":"dashboard"}"#);
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    RunAcceleratedQuery {} without new
    state { body: RunBody }
    for Adobe, "adobe.accelerated_queries.run", NotIdempotent: POST "accelerated-queries" -> AcceleratedResult,
    json {body},
    with |this, request| request.check(this.check())
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunBody {
    db_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template_id: Option<TemplateId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl RunAcceleratedQuery {
    /// Longest SQL. The guide counts characters, the API reference bytes: refused is what is longer in both.
    const MAX_SQL: usize = 1_000_000;

    /// Longest description, in bytes.
    const MAX_DESCRIPTION: usize = 1_000;

    fn on(db_name: String, sql: Option<String>, template_id: Option<TemplateId>) -> Self {
        Self { body: RunBody { db_name, sql, template_id, name: None, description: None } }
    }

    /// This SQL, at most 1,000,000 bytes, on this database of the store.
    ///
    /// The vendor's examples name the database `sandbox:database:schema`, its prose `sandbox:database.schema`. The sandbox
    /// must be the client's.
    pub fn sql(db_name: impl Into<String>, sql: impl Into<String>) -> Self {
        Self::on(db_name.into(), Some(sql.into()), None)
    }

    /// The SQL of this template, on this database of the store, named as for [`sql`](Self::sql).
    pub fn template(db_name: impl Into<String>, template_id: impl Into<TemplateId>) -> Self {
        Self::on(db_name.into(), None, Some(template_id.into()))
    }

    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.body.name = Some(name.into());
        self
    }

    /// Sets the description, at most 1,000 bytes.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.body.description = Some(text.into());
        self
    }

    fn check(&self) -> Result<()> {
        let sql = self.body.sql.as_deref();
        if sql.is_some_and(|sql| sql.trim().is_empty()) {
            return Err(Error::config("the SQL of a query must not be empty"));
        }
        if sql.is_some_and(|sql| sql.chars().nth(Self::MAX_SQL).is_some()) {
            return Err(Error::config(
                "the SQL of an accelerated query must have at most 1,000,000 bytes",
            ));
        }
        let description = self.body.description.as_deref().unwrap_or_default();
        if description.len() > Self::MAX_DESCRIPTION {
            return Err(Error::config(
                "the description of an accelerated query must have at most 1,000 bytes",
            ));
        }
        Ok(())
    }
}

/// One row of a result: values by column name, in alphabetical order. [`AcceleratedResult::columns`] has the order of the
/// response.
pub type Row = Map<String, Value>;

model! {
    /// The result of an accelerated query.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct AcceleratedResult {
        /// Id of the query.
        pub query_id: Option<QueryId> as "queryId",
        /// The columns, in the order of the response.
        #[serde(serialize_with = "columns::serialize")]
        pub columns: Vec<Column> as "resultsMeta" with columns::deserialize,
        /// The rows. To decode them into your own type, send the request with
        /// [`Client::send_as`](crate::Client::send_as): the member `results` is the list of rows.
        ///
        /// (Examples in the API reference have a single row that is not in a list; it is read too.)
        pub rows: Vec<Row> as "results" with read_rows,
        /// The query that was sent.
        pub request: Option<QueryDef>,
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Name.
    pub name: Box<str>,
    /// JSON type, such as `integer`. (The vendor calls it `type`.)
    pub json_type: Option<Box<str>>,
    /// XDM type, such as `int`. (The vendor calls it `meta:xdmType`; its examples have a comma in the value.)
    pub xdm_type: Option<Box<str>>,
}

/// The columns as `{"_adhoc":{"properties":{…}}}`.
mod columns {
    use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
    use serde::ser::{Serialize, Serializer};

    use super::{Column, fmt, lenient};

    /// `C` is the columns, as they are read or as they are written.
    #[derive(serde::Deserialize, serde::Serialize)]
    struct ResultsMeta<C> {
        #[serde(rename = "_adhoc")]
        schema: Option<Schema<C>>,
    }

    #[derive(serde::Deserialize, serde::Serialize)]
    struct Schema<C> {
        properties: Option<C>,
    }

    /// The members of an object, in the order of the response.
    struct Columns<C>(C);

    #[derive(Default, serde::Deserialize, serde::Serialize)]
    #[serde(default)]
    struct Types {
        #[serde(rename = "type", deserialize_with = "lenient::text")]
        json_type: Option<Box<str>>,
        #[serde(rename = "meta:xdmType", deserialize_with = "lenient::text")]
        xdm_type: Option<Box<str>>,
    }

    #[derive(serde::Deserialize)]
    #[serde(transparent)]
    struct Described(#[serde(deserialize_with = "lenient::object")] Option<Types>);

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Column>, D::Error> {
        let meta = Option::<ResultsMeta<Columns<Vec<Column>>>>::deserialize(deserializer)?;
        let columns = meta.and_then(|meta| meta.schema?.properties);
        Ok(columns.map(|Columns(columns)| columns).unwrap_or_default())
    }

    impl<'de> Deserialize<'de> for Columns<Vec<Column>> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct ByName;

            impl<'de> Visitor<'de> for ByName {
                type Value = Columns<Vec<Column>>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("columns by name")
                }

                fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                    let mut columns = Vec::new();
                    while let Some((name, Described(types))) = map.next_entry::<Box<str>, _>()? {
                        let Types { json_type, xdm_type } = types.unwrap_or_default();
                        columns.push(Column { name, json_type, xdm_type });
                    }
                    Ok(Columns(columns))
                }
            }

            deserializer.deserialize_map(ByName)
        }
    }

    pub(super) fn serialize<S: Serializer>(
        columns: &[Column],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let properties = Some(Columns(columns));
        ResultsMeta { schema: Some(Schema { properties }) }.serialize(serializer)
    }

    impl Serialize for Columns<&[Column]> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let types = |column: &Column| Types {
                json_type: column.json_type.clone(),
                xdm_type: column.xdm_type.clone(),
            };
            serializer.collect_map(self.0.iter().map(|column| (&column.name, types(column))))
        }
    }
}

/// A list of rows, or one row without a list. Rows have no fixed shape, so nothing is lost by reading values first.
fn read_rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Row>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(row) => Ok(vec![row]),
        Value::Array(rows) => {
            let rows = rows.into_iter().map(|row| match row {
                Value::Object(row) => Ok(row),
                _ => Err(D::Error::custom("a row is not an object")),
            });
            rows.collect()
        }
        Value::Null => Ok(Vec::new()),
        _ => Err(D::Error::custom("the rows are not a list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    use crate::adobe::tests::request_text;
    use crate::client::Endpoint as _;
    use crate::error::ErrorKind;

    #[test]
    fn sql_or_a_template_is_sent_and_nothing_that_is_not_set() {
        let sql = RunAcceleratedQuery::sql("dev:store:facts", "SELECT 1");
        assert_eq!(
            request_text(&sql),
            concat!(
                "POST /accelerated-queries\ncontent-type: application/json\n\n",
                r#"{"dbName":"dev:store:facts","sql":"SELECT 1"}"#
            )
        );
        let template = RunAcceleratedQuery::template("dev:store:facts", "t-1")
            .name("totals")
            .description("by day");
        assert!(request_text(&template).ends_with(
            r#"{"dbName":"dev:store:facts","templateId":"t-1","name":"totals","description":"by day"}"#
        ));
    }

    #[test]
    fn what_is_empty_or_too_long_is_refused() {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        let longest = "\u{fc}".repeat(1_000_000);
        let fits = RunAcceleratedQuery::sql("d", &*longest).description("x".repeat(1_000));
        assert!(fits.to_request(&base).is_ok());
        for wrong in [
            RunAcceleratedQuery::sql("d", " "),
            RunAcceleratedQuery::sql("d", longest + "x"),
            RunAcceleratedQuery::template("d", "t").description("\u{fc}".repeat(501)),
        ] {
            assert_eq!(wrong.to_request(&base).unwrap_err().kind(), ErrorKind::Config);
        }
    }

    #[test]
    fn rows_come_in_a_list_or_alone_and_columns_keep_their_order() {
        let read = |json: &str| serde_json::from_str::<AcceleratedResult>(json);
        let list = read(r#"{"results":[{"b":1,"a":null},{}]}"#).unwrap();
        assert_eq!((list.rows.len(), &list.rows[0]["b"]), (2, &Value::from(1)));
        assert_eq!(read(r#"{"results":{"b":1}}"#).unwrap().rows.len(), 1);
        for nothing in [r#"{"results":null,"resultsMeta":null}"#, "{}"] {
            let result = read(nothing).unwrap();
            assert!(result.rows.is_empty() && result.columns.is_empty());
        }
        for wrong in [r#"{"results":[1]}"#, r#"{"results":"none"}"#] {
            assert!(read(wrong).is_err());
        }
        let types = r#"{"resultsMeta":{"_adhoc":{"properties":
            {"z":{"type":"integer","meta:xdmType":"int,","maximum":"null,"},"a":null}}}}"#;
        let columns = read(types).unwrap().columns;
        assert_eq!(
            columns,
            [
                Column {
                    name: "z".into(),
                    json_type: Some("integer".into()),
                    xdm_type: Some("int,".into())
                },
                Column { name: "a".into(), json_type: None, xdm_type: None },
            ]
        );
    }
}

//! Rows as the caller's own types.
//!
//! The same column has the cell `7` in one response and `"7"` in the next, and only texts are documented. `serde_json`
//! refuses `"7"` for a number, so that every number in a caller's struct would need a `deserialize_with`, and one that
//! lacks it would fail on some later day. So rows have their own deserializer: it converts cells as
//! [`Row::deserialize`] says, finds a column by any of its names, and never quotes a cell in an error. It is long
//! because serde's interface is wide.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::{self, Display};

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Number;

use super::rows::{Cell, Column, Row};
use crate::error::{Error, ErrorKind, Result};

/// Which column fills which member of a struct, looked up once for many rows with the same columns.
#[derive(Default)]
pub(super) struct RowPlan(OnceCell<(Fields, Vec<Member>)>);

/// The members of a struct, as serde names them.
type Fields = &'static [&'static str];

/// A member, and the position of the column that fills it.
type Member = (&'static str, usize);

impl RowPlan {
    /// Reads one row. `number` is the number of the row, for the error.
    pub(super) fn read<T: DeserializeOwned>(&self, row: &Row, number: Option<usize>) -> Result<T> {
        T::deserialize(RowReader { row, plan: self }).map_err(|misfit| {
            let mut message = match (&misfit.column, number) {
                (Some(column), Some(number)) => format!("column `{column}` of row {number} "),
                (Some(column), None) => format!("column `{column}` "),
                (None, Some(number)) => format!("row {number} "),
                (None, None) => "the row ".to_owned(),
            };
            message.push_str(&misfit.what);
            Error::new(ErrorKind::Decode, message)
        })
    }

    fn members(&self, row: &Row, fields: Fields) -> Cow<'_, [Member]> {
        let find = || {
            let mut taken = Vec::new();
            for field in fields {
                // A column fills one member only, also where two of its names are members (serde lists aliases as
                // members).
                let position = row.position(field);
                if let Some(position) =
                    position.filter(|found| taken.iter().all(|(_, taken)| taken != found))
                {
                    taken.push((*field, position));
                }
            }
            taken
        };
        let (planned, members) = self.0.get_or_init(|| (fields, find()));
        // The type of the row is the same each time; other structs, such as one in a newtype, are looked up anew.
        if std::ptr::eq(*planned, fields) { members.into() } else { find().into() }
    }
}

/// Why a row does not fit. It never contains the value of a cell, which serde's own messages quote.
#[derive(Debug)]
struct Misfit {
    column: Option<String>,
    what: String,
}

impl Misfit {
    fn new(what: impl Into<String>) -> Self {
        Self { column: None, what: what.into() }
    }

    fn of(cell: &CellReader<'_>, expected: &dyn Expected) -> Self {
        let nothing = if cell.0.is_null() { "is empty, " } else { "is " };
        Self::new(format!("{nothing}not {expected}"))
    }
}

impl Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: Display>(_: T) -> Self {
        Self::new("does not fit")
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("is not {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("is not {expected}"))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("has {length} cells, not {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("is none of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("has no column `{field}`"))
    }
}

#[derive(Clone, Copy)]
struct RowReader<'r> {
    row: &'r Row,
    plan: &'r RowPlan,
}

impl<'de> Deserializer<'de> for RowReader<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let names = self.row.columns().iter().map(Column::name);
        let cells = names.zip(self.row.cells()).filter(|(name, _)| !name.is_empty());
        visitor.visit_map(Members { cells, next: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let members = self.plan.members(self.row, fields);
        let cell = |(name, position): &Member| Some((*name, self.row.cells().get(*position)?));
        visitor.visit_map(Members { cells: members.iter().filter_map(cell), next: None })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_seq(Cells { row: self.row, at: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        map enum identifier ignored_any
    }
}

/// The cells of a row by name.
struct Members<'r, I> {
    cells: I,
    next: Option<(&'r str, &'r Cell)>,
}

impl<'de, I: Iterator<Item = (&'de str, &'de Cell)>> MapAccess<'de> for Members<'de, I> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        self.next = self.cells.next();
        let key = self.next.map(|(name, _)| StrDeserializer::new(name));
        key.map(|key| seed.deserialize(key)).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Misfit> {
        let Some((name, cell)) = self.next.take() else {
            return Err(Misfit::new("was read by value before key"));
        };
        seed.deserialize(CellReader(cell)).map_err(|mut misfit| {
            misfit.column.get_or_insert_with(|| name.to_owned());
            misfit
        })
    }
}

/// The cells of a row in their order.
struct Cells<'r> {
    row: &'r Row,
    at: usize,
}

impl<'de> SeqAccess<'de> for Cells<'de> {
    type Error = Misfit;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Misfit> {
        let Some(cell) = self.row.cells().get(self.at) else { return Ok(None) };
        let position = self.at;
        self.at += 1;
        seed.deserialize(CellReader(cell)).map(Some).map_err(|mut misfit| {
            let name = self.row.columns().get(position).map_or("", Column::name);
            misfit.column.get_or_insert_with(|| match name {
                "" => position.to_string(),
                name => name.to_owned(),
            });
            misfit
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.cells().len().saturating_sub(self.at))
    }
}

/// One cell, converted to the requested type as [`Row::deserialize`] says.
struct CellReader<'r>(&'r Cell);

impl<'r> CellReader<'r> {
    fn number<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0.as_number() {
            Some(number) => visit(&number, visitor),
            None => Err(Misfit::of(&self, &visitor)),
        }
    }

    fn whole<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Some(number) = self.0.as_number() else { return Err(Misfit::of(&self, &visitor)) };
        let float = number.as_f64().filter(|_| number.is_f64());
        // Rust prints a whole float without point and exponent.
        match float.and_then(|float| float.to_string().parse().ok()) {
            Some(whole) => visitor.visit_i64(whole),
            // Visitors of whole numbers refuse any other float.
            None => visit(&number, visitor),
        }
    }

    fn text<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Cell::Text(text) => visitor.visit_borrowed_str(text),
            Cell::Number(number) => visitor.visit_string(number.to_string()),
            _ => Err(Misfit::of(&self, &visitor)),
        }
    }
}

fn visit<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, Misfit> {
    if let Some(number) = number.as_u64() {
        visitor.visit_u64(number)
    } else if let Some(number) = number.as_i64() {
        visitor.visit_i64(number)
    } else {
        visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN))
    }
}

/// Methods of `Deserializer` that read a cell by one of the methods above.
macro_rules! read_by {
    ($($method:ident by $reader:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.$reader(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for CellReader<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Cell::Null => visitor.visit_unit(),
            Cell::Bool(value) => visitor.visit_bool(*value),
            Cell::Number(number) => visit(number, visitor),
            Cell::Text(text) => visitor.visit_borrowed_str(text),
            Cell::Json(value) => {
                let read = Deserializer::deserialize_any(&**value, visitor);
                read.map_err(|_| Misfit::new("holds JSON that does not fit"))
            }
        }
    }

    read_by! {
        deserialize_i8 by whole deserialize_i16 by whole deserialize_i32 by whole deserialize_i64 by whole
        deserialize_i128 by whole deserialize_u8 by whole deserialize_u16 by whole deserialize_u32 by whole
        deserialize_u64 by whole deserialize_u128 by whole deserialize_f32 by number deserialize_f64 by number
        deserialize_str by text deserialize_string by text deserialize_char by text
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Cell::Bool(value) => visitor.visit_bool(*value),
            Cell::Text(text) if text.eq_ignore_ascii_case("true") => visitor.visit_bool(true),
            Cell::Text(text) if text.eq_ignore_ascii_case("false") => visitor.visit_bool(false),
            _ => Err(Misfit::of(&self, &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Cell::Null => visitor.visit_none(),
            Cell::Text(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.0 {
            Cell::Text(text) => {
                let text: StrDeserializer<'_, Misfit> = (&**text).into_deserializer();
                visitor.visit_enum(text)
            }
            _ => Err(Misfit::of(&self, &visitor)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::supermetrics::rows::{Data, Field};

    fn rows(data: &Value) -> Vec<Row> {
        let fields: Vec<Field> = serde_json::from_value(json!([
            {"id": "date", "field_name": "Date", "data_column": 0},
            {"id": "sessions", "field_name": "Sessions", "data_column": 1},
        ]))
        .unwrap();
        let data: Data = serde_json::from_value(data.clone()).unwrap();
        data.into_rows(&fields, true).1
    }

    fn read<T: DeserializeOwned>(cell: &Value) -> Result<T> {
        #[derive(Deserialize)]
        struct One<T> {
            sessions: T,
        }
        let row = rows(&json!([["Date", "Sessions"], ["d", cell]])).remove(0);
        row.deserialize::<One<T>>().map(|one| one.sessions)
    }

    #[derive(Debug, Deserialize)]
    struct Rest {
        date: String,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Device {
        Mobile,
    }

    #[derive(Debug, Deserialize)]
    struct Other {
        #[serde(rename = "clicks")]
        _clicks: u8,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Visits {
        date: chrono::NaiveDate,
        sessions: u32,
        #[serde(default)]
        bounces: Option<f64>,
    }

    #[test]
    fn rows_become_structs_by_the_ids_of_fields() {
        let rows = rows(&json!([["Date", "Sessions"], ["2026-02-01", "7"], ["2026-02-02", 8]]));
        let plan = RowPlan::default();
        let all: Result<Vec<Visits>> = rows.iter().map(|row| plan.read(row, None)).collect();
        let date = |day| chrono::NaiveDate::from_ymd_opt(2026, 2, day).unwrap();
        assert_eq!(
            all.unwrap(),
            [
                Visits { date: date(1), sessions: 7, bounces: None },
                Visits { date: date(2), sessions: 8, bounces: None },
            ]
        );
    }

    #[test]
    fn rows_become_tuples_maps_and_newtypes() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Wrapped((String, f64));
        let row = rows(&json!([["Date", "Sessions"], ["d", "7"]])).remove(0);
        assert_eq!(row.deserialize::<(String, u8)>().unwrap(), ("d".into(), 7));
        assert_eq!(row.deserialize::<Wrapped>().unwrap(), Wrapped(("d".into(), 7.0)));
        assert_eq!(row.deserialize::<Vec<String>>().unwrap(), ["d", "7"]);
        let map: BTreeMap<String, Value> = row.deserialize().unwrap();
        assert_eq!(json!(map), json!({"date": "d", "sessions": "7"}));
        let rest: Rest = row.deserialize().unwrap();
        assert_eq!((rest.date.as_str(), json!(rest.rest)), ("d", json!({"sessions": "7"})));
    }

    #[test]
    fn an_alias_does_not_fill_a_member_twice() {
        #[derive(Debug, Deserialize)]
        struct Aliased {
            #[serde(alias = "Sessions")]
            sessions: u8,
        }
        let row = rows(&json!([["Date", "Sessions"], ["d", "7"]])).remove(0);
        assert_eq!(row.deserialize::<Aliased>().unwrap().sessions, 7);
    }

    #[test]
    fn cells_are_converted_as_documented() {
        assert_eq!(read::<u64>(&json!("7")).unwrap(), 7);
        assert_eq!(read::<i8>(&json!(" -7 ")).unwrap(), -7);
        assert_eq!(read::<u64>(&json!(u64::MAX.to_string())).unwrap(), u64::MAX);
        assert_eq!(read::<i32>(&json!(7.0)).unwrap(), 7);
        assert_eq!(read::<i32>(&json!("7.0")).unwrap(), 7);
        assert_eq!(read::<f64>(&json!("7.50")).unwrap().to_string(), "7.5");
        assert_eq!(read::<f32>(&json!(7)).unwrap().to_string(), "7");
        assert_eq!(read::<String>(&json!(7)).unwrap(), "7");
        assert_eq!(read::<String>(&json!("")).unwrap(), "");
        assert_eq!(read::<char>(&json!("x")).unwrap(), 'x');
        assert!(read::<bool>(&json!("TRUE")).unwrap());
        assert!(!read::<bool>(&json!(false)).unwrap());
        assert_eq!(read::<Option<u64>>(&json!(null)).unwrap(), None);
        assert_eq!(read::<Option<u64>>(&json!("")).unwrap(), None);
        assert_eq!(read::<Option<u64>>(&json!("7")).unwrap(), Some(7));
        assert_eq!(read::<Option<String>>(&json!("x")).unwrap().as_deref(), Some("x"));
        assert_eq!(read::<Vec<u8>>(&json!([1, 2])).unwrap(), [1, 2]);
        assert_eq!(read::<Value>(&json!("7")).unwrap(), json!("7"));
        assert_eq!(read::<Device>(&json!("mobile")).unwrap(), Device::Mobile);
    }

    #[test]
    fn an_error_does_not_quote_the_cell_that_does_not_fit() {
        for (error, says) in [
            (read::<u64>(&json!("canary")).unwrap_err(), "column `sessions` is not u64"),
            (read::<u64>(&json!("1,200")).unwrap_err(), "column `sessions` is not u64"),
            (read::<u64>(&json!("7.5")).unwrap_err(), "column `sessions` is not u64"),
            (read::<u8>(&json!("256")).unwrap_err(), "column `sessions` is not u8"),
            (read::<f64>(&json!("inf")).unwrap_err(), "column `sessions` is not f64"),
            (read::<u64>(&json!(null)).unwrap_err(), "column `sessions` is empty, not u64"),
            (read::<bool>(&json!(1)).unwrap_err(), "column `sessions` is not a boolean"),
            (read::<String>(&json!(true)).unwrap_err(), "column `sessions` is not a string"),
            (
                read::<chrono::NaiveDate>(&json!("canary")).unwrap_err(),
                "column `sessions` does not fit",
            ),
            (
                read::<Vec<u8>>(&json!(["canary"])).unwrap_err(),
                "column `sessions` holds JSON that does not fit",
            ),
        ] {
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert_eq!(error.to_string(), says);
            assert!(!format!("{error:?}").contains("canary"));
        }
        let row = rows(&json!([["Date", "Sessions"], ["canary"]])).remove(0);
        let says = |error: Error| error.to_string();
        assert_eq!(says(row.deserialize::<Visits>().unwrap_err()), "column `date` does not fit");
        assert_eq!(
            says(row.deserialize::<(String, u8)>().unwrap_err()),
            "the row has 1 cells, not a tuple of size 2"
        );
        assert_eq!(
            says(RowPlan::default().read::<Other>(&row, Some(4)).unwrap_err()),
            "row 4 has no column `clicks`"
        );
    }
}

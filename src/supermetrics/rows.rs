//! Rows: their cells, their columns, and how both are read from the member `data` of a response.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess};
use serde::ser::{SerializeSeq as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::row_de::RowPlan;
use crate::wire::lenient::{self, FromAny, Scalar};
use crate::wire::{model, open_enum};

/// One cell of a row. Only texts are documented, but numbers come as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Cell {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A JSON number.
    Number(Number),
    /// A text, which may spell a number.
    Text(Box<str>),
    /// Anything else. Inferred: not seen yet.
    Json(Box<Value>),
}

impl Cell {
    /// The text, if the cell is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if the cell is one or a text that spells one: `7`, `"7"`, `" 7.5 "`, but not `"7,5"`.
    #[must_use]
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(number.clone()),
            Self::Text(text) => {
                let text = text.trim();
                let whole = text.parse::<i64>().ok().map(Number::from);
                let whole = whole.or_else(|| text.parse::<u64>().ok().map(Number::from));
                // Rust also parses "inf" and "NaN", which have no digits.
                whole.or_else(|| {
                    let digits = text.contains(|letter: char| letter.is_ascii_digit());
                    Number::from_f64(text.parse().ok().filter(|_| digits)?)
                })
            }
            _ => None,
        }
    }

    /// As [`as_number`](Self::as_number), as a float.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number()?.as_f64()
    }

    /// Whether the cell is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }
}

/// A text without quotes, a number as its digits, null as nothing.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.pad(text),
            Self::Json(value) => value.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> FromAny<'de> for Any {
            type Value = Cell;

            fn scalar<E>(self, value: Scalar<'_>) -> Result<Cell, E> {
                Ok(match value {
                    Scalar::Text(text) => Cell::Text(text.into()),
                    Scalar::Signed(number) => Cell::Number(number.into()),
                    Scalar::Unsigned(number) => Cell::Number(number.into()),
                    Scalar::Float(number) => {
                        Number::from_f64(number).map_or(Cell::Null, Cell::Number)
                    }
                    Scalar::Bool(value) => Cell::Bool(value),
                    Scalar::Null | Scalar::List | Scalar::Object => Cell::Null,
                })
            }

            fn list<S: SeqAccess<'de>>(self, seq: S) -> Result<Cell, S::Error> {
                let value = Value::deserialize(SeqAccessDeserializer::new(seq))?;
                Ok(Cell::Json(Box::new(value)))
            }

            fn object<M: MapAccess<'de>>(self, map: M) -> Result<Cell, M::Error> {
                let value = Value::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Cell::Json(Box::new(value)))
            }
        }

        lenient::any(deserializer, Any)
    }
}

open_enum! {
    /// Kind of a field.
    FieldType {
        /// A dimension, which describes the rows.
        Dimension = "dim",
        /// A metric, which is a measured number.
        Metric = "met",
    }
}

open_enum! {
    /// Whether a field is one column, or is split into a column for each of its values.
    FieldSplit {
        /// The field is one column.
        Row = "row",
        /// Each value of the field makes columns. Only the header row has their names.
        Column = "column",
    }
}

model! {
    /// A field of a query, as the response describes it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Field {
        /// Id that the query used for it.
        pub id: Option<Box<str>>,
        /// The vendor's own id.
        pub field_id: Option<Box<str>>,
        /// Display name.
        pub field_name: Option<Box<str>>,
        /// Whether it is a dimension or a metric.
        pub field_type: Option<FieldType>,
        /// Whether it is one column or many.
        pub field_split: Option<FieldSplit>,
        /// Type of its values, in the vendor's words. The list of types is not documented.
        pub data_type: Option<Box<str>> as "data_type" with lenient::text,
        /// Its position in a row, counted from 0. Some responses leave it out.
        pub data_column: Option<u64> as "data_column" with lenient::count,
        /// Whether it is shown.
        pub visible: Option<bool> as "visible" with lenient::boolean,
    }
}

impl Field {
    fn is_named(&self, name: &str) -> bool {
        let names = [&self.field_name, &self.id, &self.field_id];
        names.into_iter().any(|known| known.as_deref() == Some(name))
    }
}

/// A column of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Column {
    /// Its name in the header row.
    pub header: Option<Box<str>>,
    /// The field of the column. `None` if the column was made from a value of a field, or if the response does not
    /// describe it.
    pub field: Option<Field>,
}

impl Column {
    /// The names of this column, best first.
    fn names(&self) -> [Option<&str>; 4] {
        let field = self.field.as_ref();
        [
            field.and_then(|field| field.id.as_deref()),
            field.and_then(|field| field.field_id.as_deref()),
            self.header.as_deref(),
            field.and_then(|field| field.field_name.as_deref()),
        ]
    }

    /// The best name of the column, which is the first of these that it has: the field's id in the query, the vendor's
    /// id of the field, the header, the display name of the field. Empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names().into_iter().flatten().next().unwrap_or_default()
    }
}

/// The columns of some rows, and their positions by name.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Columns {
    list: Vec<Column>,
    positions: HashMap<Box<str>, usize>,
    /// The rows came as objects, and the columns are named after their members.
    named: bool,
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(Column::name)).finish()
    }
}

impl Columns {
    fn new(list: Vec<Column>, named: bool) -> Self {
        let mut positions = HashMap::new();
        // First the best names of all columns, then the next ones: the header of one column must not hide the id of
        // another.
        for rank in 0..4 {
            for (position, column) in list.iter().enumerate() {
                if let Some(name) = column.names().get(rank).copied().flatten() {
                    positions.entry(name.into()).or_insert(position);
                }
            }
        }
        Self { list, positions, named }
    }

    pub(super) fn list(&self) -> &[Column] {
        &self.list
    }

    /// Whether the response had columns, but no row of titles.
    pub(super) fn lack_titles(&self) -> bool {
        !self.named && self.list.first().is_some_and(|column| column.header.is_none())
    }
}

/// One row. Its cells are in the order of the columns.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    columns: Arc<Columns>,
    cells: Vec<Cell>,
}

impl Row {
    /// Its cells.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The columns of its cells. In malformed responses, rows have more or fewer cells than there are columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.columns.list()
    }

    pub(super) fn position(&self, column: &str) -> Option<usize> {
        self.columns.positions.get(column).copied()
    }

    /// The cell of the column with this name: the field's id in the query, the vendor's id of the field, the header, or
    /// the display name of the field. If the name fits several columns, an id wins over a header, and a header over a
    /// display name. Names are case-sensitive.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&Cell> {
        self.cells.get(self.position(column)?)
    }

    /// The row as your own type. The members of a struct have the names that [`get`](Self::get) takes.
    ///
    /// A tuple or list takes the cells in their order; a map takes all columns that have a [name](Column::name).
    ///
    /// | member | takes |
    /// |---|---|
    /// | number | a number, and a text that spells one: `"7"`, `" 7.50 "`. A whole number takes `7.0` and `"7.0"`, never `7.5` |
    /// | text | a text, and a number as its digits |
    /// | `bool` | `true`, `false`, and these as texts, in any case |
    /// | `Option` | what the type inside it takes; null and the empty text are `None` |
    /// | enum without content | a text |
    /// | date and time types that read texts | a text |
    ///
    /// Nothing else is converted: `"1,200"` and `"5 %"` are not numbers.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode). It names the column and the expected type, and never contains
    /// the cell.
    pub fn deserialize<T: DeserializeOwned>(&self) -> crate::Result<T> {
        RowPlan::default().read(self, None)
    }
}

/// As the vendor sends it: a list of cells, or, where the response has objects, an object. To read rows again, serialise their
/// [`QueryRun`](super::QueryRun), which has their columns.
impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.columns.named {
            return self.cells.serialize(serializer);
        }
        let names = self.columns.list.iter().map(|column| &column.header);
        serializer.collect_map(names.zip(&self.cells))
    }
}

/// The rows of a response, as the vendor sends them, with their titles.
pub(super) struct WithTitles<'r>(pub(super) &'r Columns, pub(super) &'r [Row]);

impl Serialize for WithTitles<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(columns, rows) = self;
        let mut list = serializer.serialize_seq(None)?;
        let is_empty = columns.list.is_empty() && rows.is_empty();
        if !(columns.named || columns.lack_titles() || is_empty) {
            let titles = columns.list.iter().map(|column| &column.header);
            list.serialize_element(&titles.collect::<Vec<_>>())?;
        }
        rows.iter().try_for_each(|row| list.serialize_element(row))?;
        list.end()
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.columns.list().iter().map(Column::name).chain(std::iter::repeat(""));
        f.debug_map().entries(names.zip(&self.cells)).finish()
    }
}

/// The member `data` of a response: null, an empty list, a list of rows or objects, or an object with rows.
#[derive(Debug, Default)]
pub(super) struct Data {
    /// The names of the cells, if rows are objects.
    names: Vec<Box<str>>,
    rows: Vec<Vec<Cell>>,
}

impl Data {
    /// Rows and columns. `fields` describes the columns; `headers` says whether the first row has their names.
    #[inline]
    pub(super) fn into_rows(self, fields: &[Field], headers: bool) -> (Arc<Columns>, Vec<Row>) {
        let named = !self.names.is_empty();
        let Self { names, rows } = if named { self.in_order_of(fields) } else { self };
        let mut cells = rows.into_iter();
        let titles: Vec<Option<Box<str>>> = if named {
            names.into_iter().map(Some).collect()
        } else if headers {
            let first = cells.next().unwrap_or_default();
            first.iter().map(|cell| Some(cell.to_string().into())).collect()
        } else {
            vec![None; cells.as_slice().first().map_or(0, Vec::len)]
        };
        let columns = Arc::new(Columns::new(columns(titles, fields, named), named));
        let rows = cells.map(|cells| Row { columns: Arc::clone(&columns), cells }).collect();
        (columns, rows)
    }

    /// Members of objects have no order. They get the order of the fields; members that are not fields come last.
    #[inline]
    fn in_order_of(self, fields: &[Field]) -> Self {
        let mut fields: Vec<&Field> = fields.iter().collect();
        fields.sort_by_key(|field| field.data_column.unwrap_or(u64::MAX));
        let rank = |name: &str| fields.iter().position(|field| field.is_named(name));
        let mut order: Vec<(usize, Box<str>)> = self.names.into_iter().enumerate().collect();
        order.sort_by_key(|(_, name)| rank(name).unwrap_or(usize::MAX));
        let sort = |mut cells: Vec<Cell>| -> Vec<Cell> {
            let mut take = |place: usize| {
                cells.get_mut(place).map_or(Cell::Null, |cell| std::mem::replace(cell, Cell::Null))
            };
            order.iter().map(|(place, _)| take(*place)).collect()
        };
        let rows = self.rows.into_iter().map(sort).collect();
        Self { rows, names: order.into_iter().map(|(_, name)| name).collect() }
    }
}

/// Finds the columns of the fields: by position if the response has it, otherwise by name, and otherwise, if each field
/// is one column, by order. Columns that are `named` after the members of objects are found by name only.
#[inline]
fn columns(headers: Vec<Option<Box<str>>>, fields: &[Field], named: bool) -> Vec<Column> {
    let mut columns: Vec<_> =
        headers.into_iter().map(|header| Column { header, field: None }).collect();
    let shown = |field: &&Field| field.visible != Some(false);
    let whole = |field: &&Field| field.field_split != Some(FieldSplit::Column);
    let placed = !named && fields.iter().any(|field| field.data_column.is_some());
    let in_order = !named && !placed && fields.iter().all(|field| whole(&field));
    for (order, field) in fields.iter().filter(shown).enumerate() {
        let place = field.data_column.filter(|_| placed);
        let position = match place {
            Some(place) => usize::try_from(place).ok(),
            None if !whole(&field) => None,
            None => {
                let is_it = |column: &Column| {
                    let named = column.header.as_deref().is_some_and(|name| field.is_named(name));
                    named && column.field.is_none()
                };
                columns.iter().position(is_it).or_else(|| in_order.then_some(order))
            }
        };
        let column = position.and_then(|position| columns.get_mut(position));
        if let Some(column) = column.filter(|column| column.field.is_none()) {
            column.field = Some(field.clone());
        }
    }
    columns
}

/// The members of `data` that hold rows: as documented, and as other clients meet them.
const ROWS: [&str; 3] = ["rows", "result", "data"];

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;

        impl<'de> FromAny<'de> for Rows {
            type Value = Data;

            fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<Data, E> {
                lenient::required(value, "rows").map(|()| Data::default())
            }

            fn list<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Data, S::Error> {
                let mut data = Data::default();
                let mut positions = HashMap::new();
                while let Some(row) = seq.next_element()? {
                    match row {
                        AnyRow::Nothing => {}
                        AnyRow::Cells(cells) => data.rows.push(cells),
                        AnyRow::Members(members) => {
                            let mut cells = Vec::new();
                            for (name, cell) in members {
                                let position = *positions.entry(name).or_insert_with_key(|name| {
                                    data.names.push(name.clone());
                                    data.names.len() - 1
                                });
                                if cells.len() <= position {
                                    cells.resize(position + 1, Cell::Null);
                                }
                                if let Some(place) = cells.get_mut(position) {
                                    *place = cell;
                                }
                            }
                            data.rows.push(cells);
                        }
                    }
                }
                Ok(data)
            }

            fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<Data, M::Error> {
                let mut data = Data::default();
                while let Some(name) = map.next_key::<Box<str>>()? {
                    if data.rows.is_empty() && ROWS.contains(&&*name) {
                        data = map.next_value()?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(data)
            }
        }

        lenient::any(deserializer, Rows)
    }
}

/// One entry of `data`.
enum AnyRow {
    Nothing,
    Cells(Vec<Cell>),
    Members(Vec<(Box<str>, Cell)>),
}

impl<'de> Deserialize<'de> for AnyRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> FromAny<'de> for Any {
            type Value = AnyRow;

            fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<AnyRow, E> {
                lenient::required(value, "a row").map(|()| AnyRow::Nothing)
            }

            fn list<S: SeqAccess<'de>>(self, seq: S) -> Result<AnyRow, S::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(seq)).map(AnyRow::Cells)
            }

            fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<AnyRow, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(AnyRow::Members(members))
            }
        }

        lenient::any(deserializer, Any)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(fields: &Value) -> Vec<Field> {
        serde_json::from_value(fields.clone()).unwrap()
    }

    fn rows(data: &Value, fields: &[Field], headers: bool) -> (Vec<String>, Vec<Row>) {
        let data: Data = serde_json::from_str(&data.to_string()).unwrap();
        let (columns, rows) = data.into_rows(fields, headers);
        (columns.list().iter().map(|column| column.name().to_owned()).collect(), rows)
    }

    #[test]
    fn every_shape_of_data_is_read() {
        for (data, read) in [
            (json!(null), json!([])),
            (json!([]), json!([])),
            (json!({}), json!([])),
            (json!([["h"]]), json!([])),
            (json!([["h"], ["a"], null, ["b"]]), json!([["a"], ["b"]])),
            (json!({"x": 1, "rows": [["h"], [1]]}), json!([["1"]])),
            (json!([["h", "i"], ["a"], ["b", "c", "d"]]), json!([["a"], ["b", "c", "d"]])),
            (
                json!([{"x": 1, "y": "a"}, {"y": "b", "z": true}, {}]),
                json!([["1", "a", ""], ["", "b", "true"], ["", "", ""]]),
            ),
        ] {
            let (_, rows) = rows(&data, &[], true);
            let texts: Vec<Vec<String>> = rows
                .iter()
                .map(|row| row.cells().iter().map(ToString::to_string).collect())
                .collect();
            assert_eq!(json!(texts), read, "{data}");
        }
        let (names, rows) = rows(&json!([{"x": 1}, {"y": 2}]), &[], true);
        assert_eq!(
            (names, rows[1].get("y"), rows[1].get("x")),
            (vec!["x".into(), "y".into()], Some(&Cell::Number(2.into())), Some(&Cell::Null))
        );
    }

    #[test]
    fn cells_keep_what_they_are() {
        let (_, rows) = rows(
            &json!([["a", "7", 7, -7, 7.5, true, null, [1], {"x": 2}, 18_446_744_073_709_551_615_u64]]),
            &[],
            false,
        );
        let texts: Vec<_> = rows[0].cells().iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["a", "7", "7", "-7", "7.5", "true", "", "[1]", r#"{"x":2}"#, "18446744073709551615"]
        );
        let numbers: Vec<_> = rows[0].cells().iter().map(Cell::as_f64).collect();
        assert_eq!(numbers[..5], [None, Some(7.0), Some(7.0), Some(-7.0), Some(7.5)]);
        for (text, number) in [
            (" 7.50 ", Some("7.5")),
            ("1e3", Some("1000.0")),
            ("9007199254740993", Some("9007199254740993")),
            ("1,200", None),
            ("5 %", None),
            ("inf", None),
            ("NaN", None),
            ("1e999", None),
            ("", None),
        ] {
            let read = Cell::Text(text.into()).as_number().map(|number| number.to_string());
            assert_eq!(read.as_deref(), number, "{text}");
        }
    }

    #[test]
    fn columns_are_named_by_position_then_by_header_then_by_order() {
        let placed = fields(&json!([
            {"id": "sessions", "field_id": "Sessions", "field_name": "Visits", "data_column": 1, "data_type": "int.number"},
            {"id": "date", "field_id": "Date", "field_name": "Date", "data_column": "0"},
            {"id": "hidden", "field_name": "Hidden", "data_column": 0, "visible": false},
            {"id": "far", "data_column": 9},
        ]));
        let (names, all) = rows(&json!([["Day", "Visits"], ["d", "7"]]), &placed, true);
        assert_eq!(names, ["date", "sessions"]);
        for name in ["sessions", "Sessions", "Visits"] {
            assert_eq!(all[0].get(name).and_then(Cell::as_str), Some("7"), "{name}");
        }
        assert_eq!(all[0].get("Day").and_then(Cell::as_str), Some("d"));
        assert_eq!(all[0].get("sessions ").or(all[0].get("SESSIONS")), None);
        let (names, all) = rows(&json!([["d", "7"]]), &placed, false);
        assert_eq!((names, all.len()), (vec!["date".into(), "sessions".into()], 1));

        let unplaced =
            fields(&json!([{"id": "b", "field_name": "B"}, {"id": "a", "field_name": "A"}]));
        assert_eq!(rows(&json!([["A", "B", "C"], []]), &unplaced, true).0, ["a", "b", "C"]);
        assert_eq!(rows(&json!([["x", "y"]]), &unplaced, false).0, ["b", "a"]);
        assert_eq!(rows(&json!([["x", "y"]]), &[], false).0, ["", ""]);
    }

    #[test]
    fn rows_that_are_objects_are_read_by_name_in_the_order_of_the_fields() {
        let fields = fields(&json!([
            {"id": "visits", "field_name": "Sessions", "data_column": 1},
            {"id": "day", "field_name": "Date", "data_column": 0},
        ]));
        let data = json!([{"Clicks": 1, "Date": "d", "Sessions": "7"}, {"Date": "e"}]);
        let (names, all) = rows(&data, &fields, true);
        assert_eq!(names, ["day", "visits", "Clicks"]);
        assert_eq!(all[0].get("visits").and_then(Cell::as_f64), Some(7.0));
        assert_eq!(all[0].deserialize::<(String, u8, u8)>().unwrap(), ("d".into(), 7, 1));
        assert_eq!((all.len(), all[1].get("day").and_then(Cell::as_str)), (2, Some("e")));
        assert!(all[1].get("visits").unwrap().is_null());
    }

    #[test]
    fn columns_made_of_a_fields_values_have_only_their_headers() {
        let split = fields(&json!([
            {"id": "date", "field_name": "Date", "field_split": "row"},
            {"id": "segment", "field_name": "Segment", "field_split": "column"},
            {"id": "sessions", "field_name": "Sessions", "field_split": "row"},
        ]));
        let (names, all) = rows(&json!([["Date", "new", "old"], ["d", 1, 2]]), &split, true);
        assert_eq!(names, ["date", "new", "old"]);
        assert_eq!(all[0].get("old").and_then(Cell::as_f64), Some(2.0));
        assert_eq!(all[0].get("sessions"), None);
        assert_eq!(rows(&json!([["d", 1, 2]]), &split, false).0, ["", "", ""]);
    }

    #[test]
    fn a_columns_id_comes_before_another_columns_header() {
        let fields = fields(&json!([
            {"id": "a", "field_name": "x", "data_column": 0},
            {"id": "x", "field_name": "a", "data_column": 1},
        ]));
        let (_, all) = rows(&json!([["x", "a"], [1, 2]]), &fields, true);
        assert_eq!(
            (all[0].get("a"), all[0].get("x")),
            (Some(&Cell::Number(1.into())), Some(&Cell::Number(2.into())))
        );
        assert_eq!(format!("{:?}", all[0]), r#"{"a": Number(Number(1)), "x": Number(Number(2))}"#);
    }
}

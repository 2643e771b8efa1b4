//! Rows: how they are made, and how each format writes them.

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::{Value, json};

use super::checks::{list, place, text};
use super::dates::moment;
use super::responses::Object;
use crate::testing::kit::Rows;

/// ID, name, type and data type of the fields that the fake knows. Any other is a number.
pub(super) const FIELDS: &[(&str, &str, &str, &str)] = &[
    ("date", "Date", "dim", "string.time.date"),
    ("campaign", "Campaign", "dim", "string.text.value"),
    ("device", "Device", "dim", "string.text.value"),
    ("sessions", "Sessions", "met", "int.number.value"),
    ("impressions", "Impressions", "met", "int.number.value"),
    ("clicks", "Clicks", "met", "int.number.value"),
    ("cost", "Cost", "met", "float.number.value"),
];
/// The fields of a query that names none.
const DEFAULT_FIELDS: [&str; 2] = ["date", "sessions"];
const MOST_ROWS: usize = 1000;
const MOST_COLUMNS: usize = 20;
/// The start and end of a file, with nothing between them.
const PARQUET: &[u8] = b"PAR1\x15\x00\x15\x00\x00\x00\x00\x00PAR1";

/// The result of a run.
pub(super) struct Table {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
    /// As `meta.query.fields` shows them.
    pub(super) fields: Vec<Value>,
    /// Whether cells were made as numbers, so that they may be shown as text.
    made: bool,
}

/// One column of rows that are made.
struct Column {
    name: String,
    kind: &'static str,
    data_type: &'static str,
}

impl Table {
    /// The last dimension of a query is split into the values in `split`, if there are any.
    pub(super) fn new(rows: &Rows, split: &[String], query: &Object, now: DateTime<Utc>) -> Self {
        let mut asked = list(query, "fields");
        if asked.is_empty() {
            asked = DEFAULT_FIELDS.map(str::to_owned).to_vec();
        }
        let columns: Vec<_> = asked.iter().map(|id| Column::known(id)).collect();
        let last = columns.iter().rposition(Column::is_dimension);
        let across = last.filter(|_| !split.is_empty());
        let fields = shown(&asked, &columns, across);
        let most = place(query, "max_rows").unwrap_or(MOST_ROWS);
        let count = match rows {
            Rows::Made(count) => *count.min(&most),
            Rows::Given(given) => {
                let mut given = given.iter().cloned();
                let header = given.next().unwrap_or_default();
                let header = header.iter().map(plain).collect();
                return Self { header, rows: given.take(most).collect(), fields, made: false };
            }
        };
        let most = place(query, "max_columns").unwrap_or(MOST_COLUMNS);
        let columns = match across {
            Some(across) => split_at(across, columns, split, most),
            None => columns,
        };
        let start = text(query, "start_date").and_then(|text| moment(text, now));
        let first = start.unwrap_or(now).date_naive();
        let cells = |row| {
            let cells = columns.iter().enumerate();
            cells.map(|(index, column)| column.cell(row, index, first)).collect()
        };
        let rows = (0..count).map(cells).collect();
        let header = columns.into_iter().map(|column| column.name).collect();
        Self { header, rows, fields, made: true }
    }

    /// How many columns there are; 0 if there are no rows.
    pub(super) fn columns(&self) -> usize {
        if self.rows.is_empty() { 0 } else { self.header.len() }
    }

    /// From one row up to and without another, as JSON values.
    pub(super) fn part(&self, start: usize, end: usize, numeric: bool) -> Vec<Vec<Value>> {
        let rows = self.rows.iter().take(end).skip(start);
        rows.map(|row| {
            let shown = |cell: &Value| {
                if self.made && !numeric { json!(plain(cell)) } else { cell.clone() }
            };
            row.iter().map(shown).collect()
        })
        .collect()
    }

    /// One object per row, by the names of columns.
    pub(super) fn objects(&self, rows: &[Vec<Value>]) -> Vec<Value> {
        let object = |row: &Vec<Value>| {
            let pairs = self.header.iter().cloned().zip(row.iter().cloned());
            Value::Object(pairs.collect())
        };
        rows.iter().map(object).collect()
    }

    /// The same for one row, as text: its members are in the order of the columns.
    fn object(&self, row: &[Value]) -> String {
        let members = self.header.iter().zip(row);
        let members: Vec<_> =
            members.map(|(name, cell)| format!("{}:{cell}", json!(name))).collect();
        format!("{{{}}}", members.join(","))
    }

    /// Rows in a format other than JSON, and its MIME type.
    pub(super) fn file(
        &self,
        format: &str,
        rows: &[Vec<Value>],
        headers: bool,
    ) -> (Vec<u8>, &'static str) {
        let lines = |separator: &str| {
            let header = headers.then(|| self.header.clone()).filter(|_| !self.rows.is_empty());
            let cells = rows.iter().map(|row| row.iter().map(plain).collect::<Vec<_>>());
            let quoted = |cells: Vec<String>| {
                let cells: Vec<_> = cells.iter().map(|cell| quoted(cell, separator)).collect();
                cells.join(separator) + "\n"
            };
            header.into_iter().chain(cells).map(quoted).collect::<String>().into_bytes()
        };
        match format {
            "csv" => (lines(","), "text/csv; charset=utf-8"),
            "tsv" => (lines("\t"), "text/tab-separated-values; charset=utf-8"),
            "parquet" => (PARQUET.to_vec(), "application/octet-stream"),
            "ndjson" => {
                let lines = rows.iter().map(|row| self.object(row) + "\n");
                (lines.collect::<String>().into_bytes(), "application/x-ndjson")
            }
            _ => {
                let objects: Vec<_> = rows.iter().map(|row| self.object(row)).collect();
                (format!("[{}]", objects.join(",")).into_bytes(), "application/json")
            }
        }
    }
}

impl Column {
    fn known(id: &str) -> Self {
        let found = FIELDS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(id));
        let (name, kind, data_type) = match found {
            Some((_, name, kind, data_type)) => (*name, *kind, *data_type),
            None => (id, "met", "int.number.value"),
        };
        Self { name: name.to_owned(), kind, data_type }
    }

    fn is_dimension(&self) -> bool {
        self.kind == "dim"
    }

    /// Days follow each other, texts are numbered, numbers differ.
    fn cell(&self, row: usize, column: usize, first: NaiveDate) -> Value {
        let number = row.saturating_add(1);
        if self.data_type.ends_with("date") {
            let days = Days::new(u64::try_from(row).unwrap_or_default());
            json!(first.checked_add_days(days).unwrap_or(first).to_string())
        } else if self.is_dimension() {
            json!(format!("{} {number}", self.name))
        } else {
            json!(number.saturating_mul(10).saturating_add(column))
        }
    }
}

/// The other dimensions, then all metrics once for each value of the one that is split.
fn split_at(across: usize, columns: Vec<Column>, split: &[String], most: usize) -> Vec<Column> {
    let (dimensions, metrics): (Vec<_>, Vec<_>) =
        columns.into_iter().enumerate().partition(|(_, column)| column.is_dimension());
    let others = dimensions.into_iter().filter(|(index, _)| *index != across);
    let pairs = split.iter().flat_map(|value| metrics.iter().map(move |metric| (value, metric)));
    let split = pairs.map(|(value, (_, metric))| Column {
        name: match metrics.len() {
            1 => value.clone(),
            _ => format!("{value}: {}", metric.name),
        },
        ..*metric
    });
    others.map(|(_, column)| column).chain(split.take(most)).collect()
}

/// As in `meta.query.fields`. If a field is split, the members have no `data_column`.
fn shown(asked: &[String], columns: &[Column], across: Option<usize>) -> Vec<Value> {
    let field = |(index, (id, column)): (usize, (&String, &Column))| {
        let mut shown = json!({
            "id": id, "field_id": id, "field_name": column.name, "field_type": column.kind,
            "field_split": if across == Some(index) { "column" } else { "row" },
            "data_type": column.data_type, "visible": true,
        });
        if let (None, Some(shown)) = (across, shown.as_object_mut()) {
            shown.insert("data_column".to_owned(), index.into());
        }
        shown
    };
    asked.iter().zip(columns).enumerate().map(field).collect()
}

/// A cell as text.
fn plain(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn quoted(text: &str, separator: &str) -> String {
    if text.contains(['"', '\n', '\r']) || text.contains(separator) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

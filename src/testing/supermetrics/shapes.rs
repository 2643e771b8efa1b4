//! The JSON of runs.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::checks::{Sent, list, number, place, text};
use super::dates::moment;
use super::responses::{Form, LastPage, NextLinks, NoData, Object, Refusal, Reply, RowShape};
use super::rows::Table;
use super::state::{RUN_SECONDS, Run, State};
use crate::testing::kit::Response;

/// Which rows of a result were requested, and how to request others.
pub(super) struct Page<'a> {
    sent: &'a Sent<'a>,
    /// All parameters except the key.
    asked: &'a Object,
    start: usize,
    /// Inclusive. If not set, the page has all the rest.
    end: Option<usize>,
}

impl<'a> Page<'a> {
    pub(super) fn between(sent: &'a Sent<'a>, asked: &'a Object) -> Self {
        let start = place(asked, "offset_start").unwrap_or(0);
        Self { sent, asked, start, end: place(asked, "offset_end") }
    }

    /// A link to other rows. A key that was sent among the parameters is in the link, too.
    fn link(&self, form: &Form, start: usize, end: usize) -> Value {
        let mut asked = self.asked.clone();
        asked.insert("offset_start".to_owned(), start.into());
        asked.insert("offset_end".to_owned(), end.into());
        if let Some(key) = &self.sent.key_parameter {
            asked.insert("api_key".to_owned(), key.as_str().into());
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("json", &Value::Object(asked).to_string());
        query.extend_pairs(&self.sent.extras);
        format!("{}{}?{}", form.link_origin(), self.sent.call.path, query.finish()).into()
    }

    fn paginate(&self, form: &Form, total: usize) -> Option<Value> {
        let linked = match form.next_links {
            NextLinks::Get => self.sent.call.method == "GET",
            NextLinks::Always => true,
            NextLinks::Never => false,
        };
        let end = self.end.filter(|_| linked);
        let size = end.map_or(0, |end| end.saturating_sub(self.start).saturating_add(1));
        let next = end.map(|end| end.saturating_add(1)).filter(|next| *next < total);
        let prev = (linked && self.start > 0 && size > 0).then(|| {
            let end = self.start.saturating_sub(1);
            self.link(form, self.start.saturating_sub(size), end)
        });
        let next = match (next, form.last_page) {
            (Some(next), _) => self.link(form, next, next.saturating_add(size).saturating_sub(1)),
            (None, LastPage::Null) => Value::Null,
            (None, LastPage::Empty) => return Some(json!({})),
            (None, LastPage::Absent) => return None,
            (None, LastPage::Repeats) => {
                end.map_or(Value::Null, |end| self.link(form, self.start, end))
            }
        };
        Some(json!({ "prev": prev, "next": next }))
    }
}

impl Form {
    fn link_origin(&self) -> &str {
        self.foreign_origin.as_deref().unwrap_or(&self.origin)
    }

    fn put_no_data(&self, body: &mut Value) {
        match self.no_data {
            NoData::Empty => put(body, "data", json!([])),
            NoData::Null => put(body, "data", Value::Null),
            NoData::Absent => {}
        }
    }

    /// Rows of a table, its headers first.
    fn data(&self, table: &Table, rows: Vec<Vec<Value>>, headers: bool) -> Value {
        if table.rows.is_empty() {
            return json!([]);
        }
        let header = headers.then(|| table.header.iter().cloned().map(Value::from).collect());
        match self.row_shape {
            RowShape::Objects => table.objects(&rows).into(),
            RowShape::Arrays => header.into_iter().chain(rows).collect::<Vec<_>>().into(),
            RowShape::Wrapped => {
                json!({ "rows": header.into_iter().chain(rows).collect::<Vec<_>>() })
            }
        }
    }
}

impl Run {
    fn has_headers(&self) -> bool {
        let settings = self.query.get("settings");
        settings.and_then(|settings| settings.get("no_headers")) != Some(&Value::Bool(true))
    }

    fn query_shown(&self, table: &Table) -> Value {
        let mut shown = json!({
            "ds_accounts": list(&self.query, "ds_accounts"),
            "ds_segments": list(&self.query, "ds_segments"),
            "fields": table.fields,
            "compare_type": text(&self.query, "compare_type").unwrap_or("none"),
            "settings": self.query.get("settings").cloned().unwrap_or_else(|| json!({})),
        });
        for name in ["start_date", "end_date", "compare_start_date", "compare_end_date"] {
            let date = text(&self.query, name).and_then(|text| moment(text, self.asked));
            if let Some(date) = date {
                put(&mut shown, name, date.date_naive().to_string().into());
            }
        }
        if text(&self.query, "compare_type") == Some("custom") {
            let how = text(&self.query, "compare_show").unwrap_or("perc_change");
            put(&mut shown, "compare_show", how.into());
        }
        shown
    }

    fn result_shown(&self, form: &Form, table: &Table) -> Value {
        json!({
            "total_columns": table.columns(), "total_rows": table.rows.len(),
            "run_seconds": RUN_SECONDS, "data_sampled": false, "cache_used": self.reused,
            "cache_time": self.ended.filter(|_| self.reused).map(|ended| form.time(ended)),
        })
    }
}

impl State {
    /// What a call shows of a run: its rows, its progress, or why it failed.
    ///
    /// A data call shows rows in the requested format, a poll of the status always in JSON.
    pub(super) fn shown(&self, index: usize, page: &Page<'_>, data_call: bool) -> Reply {
        let (run, table) = match self.runs.get(index) {
            Some(run) => (run, run.table.as_ref()),
            None => return Err(Refusal::status_not_found()),
        };
        let Some(table) = table else { return self.unfinished(run, data_call) };
        let end = page.end.map_or(usize::MAX, |end| end.saturating_add(1));
        let rows = table.part(page.start, end, self.form.numeric_cells);
        if data_call && run.format != "json" {
            let (body, mime) = table.file(run.format, &rows, run.has_headers());
            return Ok(Response::new(200, mime, body));
        }
        let mut query = run.query_shown(table);
        if let Some(minutes) = number(page.asked, "cache_minutes") {
            put(&mut query, "cache_minutes", minutes.into());
        }
        let mut meta = json!({
            "schedule_id": run.schedule_id, "status_code": self.form.state(&run.state),
            "query": query, "result": run.result_shown(&self.form, table),
        });
        if let Some(paginate) = page.paginate(&self.form, table.rows.len()) {
            put(&mut meta, "paginate", paginate);
        }
        if page.start > 0 && self.form.later_pages_nameless {
            meta.as_object_mut().map(|meta| meta.remove("schedule_id"));
        }
        let data = self.form.data(table, rows, run.has_headers());
        Ok(Response::json(200, json!({ "meta": meta, "data": data })))
    }

    /// The result, in the format that the run was started with. Only JSON comes in parts.
    pub(super) fn results(&self, index: usize, asked: &Object) -> Reply {
        let found = self.runs.get(index).and_then(|run| Some((run, run.table.as_ref()?)));
        let (run, table) = found.ok_or_else(Refusal::results_unavailable)?;
        if run.format != "json" {
            let rows = table.part(0, usize::MAX, self.form.numeric_cells);
            let (body, mime) = table.file(run.format, &rows, run.has_headers());
            return Ok(Response::new(200, mime, body));
        }
        let offset = place(asked, "offset").unwrap_or(0);
        let limit = place(asked, "limit").unwrap_or(100);
        let rows = table.part(offset, offset.saturating_add(limit), self.form.numeric_cells);
        let meta = json!({
            "schedule_id": run.schedule_id, "status_code": self.form.state(&run.state),
            "query": run.query_shown(table), "result": run.result_shown(&self.form, table),
            "paginate": { "offset": offset, "limit": limit, "total": table.rows.len() },
        });
        let data = self.form.data(table, rows, run.has_headers());
        Ok(Response::json(200, json!({ "meta": meta, "data": data })))
    }

    /// A run without rows.
    fn unfinished(&self, run: &Run, data_call: bool) -> Reply {
        let mut meta = json!({
            "schedule_id": run.schedule_id, "status_code": self.form.state(&run.state),
        });
        if let Some((code, message)) = &run.error {
            let mut refusal = Refusal::new(code, message);
            if let (true, Value::Object(meta)) = (self.form.failures_name_state, meta) {
                refusal.meta = meta;
            }
            return Err(refusal);
        }
        let active = run.ended.is_none();
        if active {
            let (scheduled, running) = self.workload();
            put(&mut meta, "progress", run.progress());
            let workflow = json!({ "tasks_scheduled": scheduled, "tasks_running": running });
            put(&mut meta, "workflow", workflow);
        }
        let mut body = json!({ "meta": meta });
        if run.state == "FAILURE" {
            put(&mut body, "data", Value::Null);
        } else {
            self.form.put_no_data(&mut body);
        }
        let accepted = data_call && active && !self.form.unfinished_is_200;
        Ok(Response::json(if accepted { 202 } else { 200 }, body))
    }
}

/// Sets a member of an object.
pub(super) fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

//! Lists: parameters, filters, order and pages.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::responses::{ParsedRequest, Refusal, Reply, bad_request, list, not_found};
use super::shapes::Form;

/// A larger page size is silently reduced to this.
const MOST: usize = 30;

/// One item of a list: what it is sorted and filtered by, and its JSON.
#[derive(Default)]
pub(super) struct Row {
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    pub(super) shown: Value,
}

/// What sets one list apart from another.
pub(super) struct Kind {
    /// Name of the array in `_embedded`.
    key: &'static str,
    per_page: usize,
    /// Whether there is a `pagination` block.
    counted: bool,
    /// Whether times can be filtered and ordered by.
    times: bool,
    /// Whether `order` and `order_by` may also be swapped, as documented for runs.
    swapped: bool,
    /// The values of `filter` where it is one word.
    scopes: &'static [&'static str],
}

const PAGED: Kind =
    Kind { key: "", per_page: MOST, counted: true, times: false, swapped: false, scopes: &[] };
/// The runs of a report or dataset.
pub(super) const RUNS: Kind =
    Kind { key: "report_runs", per_page: 20, times: true, swapped: true, ..PAGED };
/// The runs of one query.
pub(super) const HISTORY: Kind = Kind { key: "query_runs", per_page: 20, ..PAGED };
/// The reports of a space or a data source.
pub(super) const REPORTS: Kind = Kind { key: "reports", counted: false, times: true, ..PAGED };
/// The reports that use a dataset.
pub(super) const DEPENDENTS: Kind = Kind { key: "reports", counted: false, ..PAGED };
/// The subscriptions of a report or a schedule.
pub(super) const SUBSCRIPTIONS: Kind = Kind { key: "report_subscriptions", ..PAGED };
pub(super) const SPACES: Kind = Kind { key: "spaces", scopes: &["all", "custom", "mine"], ..PAGED };

/// The parameters of a list.
pub(super) struct Wanted {
    kind: &'static Kind,
    page: usize,
    per_page: usize,
    by_update: bool,
    descending: bool,
    filter: Option<Filter>,
    /// A filter of one word.
    pub(super) scope: Option<String>,
    /// Parameters other than `page`, for links.
    others: Vec<(String, String)>,
}

impl Wanted {
    /// Reads the parameters; refuses what is unknown, repeated or out of range.
    pub(super) fn read(kind: &'static Kind, call: &ParsedRequest) -> Result<Self, Refusal> {
        let mut wanted = Self {
            kind,
            page: 1,
            per_page: kind.per_page,
            by_update: false,
            descending: true,
            filter: None,
            scope: None,
            others: Vec::new(),
        };
        let (mut order, mut order_by) = (None, None);
        for (name, value) in call.parameters()? {
            let refused = || bad_request(&format!("{name} cannot be {value}"));
            let number = || value.parse().ok().filter(|n| *n > 0).ok_or_else(refused);
            match name {
                "page" => wanted.page = number()?,
                "per_page" => wanted.per_page = number()?.min(MOST),
                "filter" if kind.times => {
                    wanted.filter = Some(Filter::read(value).ok_or_else(refused)?);
                }
                "filter" if !kind.scopes.is_empty() => {
                    let known = kind.scopes.contains(&value);
                    wanted.scope = Some(known.then(|| value.to_owned()).ok_or_else(refused)?);
                }
                "order" if kind.times => order = Some(value),
                "order_by" if kind.times => order_by = Some(value),
                _ => return Err(unknown(name)),
            }
            if name != "page" {
                wanted.others.push((name.to_owned(), value.to_owned()));
            }
        }
        let is_column = |text: Option<&str>| matches!(text, Some("created_at" | "updated_at"));
        let is_direction = |text: Option<&str>| matches!(text, Some("asc" | "desc"));
        if kind.swapped && (is_column(order) || is_direction(order_by)) {
            (order, order_by) = (order_by, order);
        }
        if order.is_some() && !is_direction(order) || order_by.is_some() && !is_column(order_by) {
            return Err(bad_request("order and order_by do not fit this list"));
        }
        wanted.descending = order != Some("asc");
        wanted.by_update = order_by == Some("updated_at");
        Ok(wanted)
    }

    /// The requested page. `path` is that of the list, for links.
    pub(super) fn page(&self, form: &Form, path: &str, mut rows: Vec<Row>) -> Reply {
        let kind = self.kind;
        rows.retain(|row| self.filter.as_ref().is_none_or(|filter| filter.holds(row)));
        // Spaces have no times, and keep their order.
        if self.descending && kind.key != SPACES.key {
            rows.reverse();
        }
        rows.sort_by_key(|row| {
            let time = if self.by_update { row.updated } else { row.created };
            if self.descending { -time.timestamp_millis() } else { time.timestamp_millis() }
        });
        let total = rows.len();
        let pages = total.div_ceil(self.per_page);
        let first = self.page.saturating_sub(1).saturating_mul(self.per_page);
        if self.page > pages.max(1) {
            if form.next_past_end {
                return Err(not_found("page"));
            }
            if !kind.counted {
                return Ok(list(None, &json!({ "self": { "href": "" } }), &json!({})));
            }
        }
        let items = rows.into_iter().skip(first).take(self.per_page);
        let items: Vec<Value> = items.map(|row| row.shown).collect();
        let counters = json!({
            "page": self.page, "per_page": self.per_page, "count": items.len(),
            "total_pages": pages, "total_count": total,
        });

        let mut links = json!({ "self": form.link(path) });
        let mut add = |name: &str, page: usize| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("page", &page.to_string()).extend_pairs(&self.others);
            let link = form.link(&format!("{path}?{}", query.finish()));
            if let Some(links) = links.as_object_mut() {
                links.insert(name.to_owned(), link);
            }
        };
        if self.page < pages || form.next_past_end {
            add("next_page", self.page.saturating_add(1));
        }
        if self.page > 1 {
            add("prev_page", self.page - 1);
        }
        Ok(list(kind.counted.then_some(&counters), &links, &json!({ kind.key: items })))
    }
}

/// A list that is always sent whole; `page` and `per_page` change nothing.
pub(super) fn whole(
    form: &Form,
    path: &str,
    query: &[(String, String)],
    key: &str,
    items: impl Iterator<Item = Value>,
) -> Reply {
    if let Some((name, _)) = query.iter().find(|(name, _)| name != "page" && name != "per_page") {
        return Err(unknown(name));
    }
    let items: Vec<Value> = items.collect();
    Ok(list(None, &json!({ "self": form.link(path) }), &json!({ key: items })))
}

pub(super) fn unknown(parameter: &str) -> Refusal {
    bad_request(&format!("{parameter} is not a parameter of this list"))
}

/// Such as `updated_at.lt.2026-01-31T06:00:00Z`.
struct Filter {
    by_update: bool,
    later: bool,
    time: DateTime<Utc>,
}

impl Filter {
    /// The time is in UTC and has no fraction.
    fn read(text: &str) -> Option<Self> {
        let (column, rest) = text.split_once('.')?;
        let (operator, time) = rest.split_once('.')?;
        let time = NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%SZ").ok()?.and_utc();
        let by_update = match column {
            "created_at" => false,
            "updated_at" => true,
            _ => return None,
        };
        matches!(operator, "gt" | "lt").then(|| Self { by_update, later: operator == "gt", time })
    }

    fn holds(&self, row: &Row) -> bool {
        let own = if self.by_update { row.updated } else { row.created };
        if self.later { own > self.time } else { own < self.time }
    }
}

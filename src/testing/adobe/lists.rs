//! Lists: parameters, `property` filters, and pages found by key.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::responses::{ParsedRequest, Refusal, bad_request};
use super::state::{LINKS, add};
use crate::testing::kit::Response;

/// How the next page is announced in `_links`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum LinkForm {
    /// `"next": {"href": "…"}`, as the service does.
    #[default]
    Object,
    /// `"next": "…"`, as its specification says.
    Text,
    /// No link: the next page is only named by `_page.next`.
    Absent,
}

/// How pages link to the next one.
#[derive(Clone, Copy, Default)]
pub(super) struct Links {
    pub(super) form: LinkForm,
    /// Templates and alerts link on from their last page, too.
    pub(super) past_end: bool,
}

/// One item of a list: what it is sorted and filtered by, and its JSON.
pub(super) struct Row {
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    /// Fields other than the two times; one with several values occurs several times.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) deleted: bool,
    pub(super) shown: Value,
}

/// What sets one list apart from another.
pub(super) struct Kind {
    /// Name of the array in the response.
    member: &'static str,
    /// Filter fields and the operators each allows.
    fields: &'static [(&'static str, &'static [&'static str])],
    /// Parameters beyond the four all lists have; each is `true` or `false`.
    switches: &'static [&'static str],
    newest_first: bool,
    /// Whether pages are numbered, from 0, rather than found by the first item.
    numbered: bool,
    /// Whether the next page may begin with the last item of this one, rather than with the item after it.
    overlaps: bool,
    precision: SecondsFormat,
    version: u8,
}

const ALL: &[&str] = &[">", "<", ">=", "<=", "==", "!=", "~"];
const OPERATORS: [&str; 7] = [">=", "<=", "==", "!=", ">", "<", "~"];

pub(super) const RUNS: Kind = Kind {
    member: "runsSchedules",
    fields: &[("created", &[">", "<"]), ("state", &["==", "!="]), ("externalTrigger", &["=="])],
    switches: &[],
    newest_first: false,
    numbered: false,
    overlaps: false,
    precision: SecondsFormat::Secs,
    version: 1,
};

pub(super) const SCHEDULES: Kind = Kind {
    member: "schedules",
    fields: &[("created", &[">", "<"]), ("templateId", &["=="]), ("userId", &["=="])],
    switches: &[],
    newest_first: false,
    numbered: false,
    overlaps: false,
    precision: SecondsFormat::Millis,
    version: 2,
};

pub(super) const QUERIES: Kind = Kind {
    member: "queries",
    fields: &[
        ("created", ALL),
        ("updated", ALL),
        ("state", ALL),
        ("id", ALL),
        ("referenced_datasets", &["=="]),
        ("userId", &["=="]),
        ("client", &["=="]),
        ("scheduleId", &["=="]),
        ("scheduleRunId", &["=="]),
        ("templateId", &["=="]),
        ("sql", &["~"]),
        ("templateName", &["~"]),
    ],
    switches: &["excludeSoftDeleted", "excludeHidden", "isPrevLink"],
    newest_first: true,
    numbered: false,
    overlaps: false,
    precision: SecondsFormat::Millis,
    version: 1,
};

pub(super) const TEMPLATES: Kind = Kind {
    member: "templates",
    fields: &[("name", &["~", "=="]), ("userId", &["=="]), ("lastUpdatedBy", &["=="])],
    switches: &["isPrevLink"],
    newest_first: true,
    numbered: false,
    overlaps: true,
    precision: SecondsFormat::Millis,
    version: 1,
};

/// Templates, as far as they can be counted.
pub(super) const TEMPLATE_COUNT: Kind = Kind { fields: &[("userId", &["=="])], ..TEMPLATES };

/// All alerts; those of one person are `items`.
pub(super) const ALERTS: Kind = Kind {
    member: "alerts",
    fields: &[("id", &["=="]), ("assetId", &["=="]), ("status", &["=="]), ("alertType", &["=="])],
    switches: &[],
    newest_first: true,
    numbered: true,
    overlaps: false,
    precision: SecondsFormat::Millis,
    version: 1,
};

pub(super) const USER_ALERTS: Kind = Kind { member: "items", ..ALERTS };

/// The parameters of a list.
pub(super) struct Wanted {
    kind: &'static Kind,
    by_update: bool,
    descending: bool,
    limit: usize,
    /// Number of the page.
    page: usize,
    start: Option<DateTime<Utc>>,
    property: Option<String>,
    clauses: Vec<Clause>,
    with_deleted: bool,
}

impl Wanted {
    /// Reads the parameters; refuses what is unknown, repeated or out of range.
    pub(super) fn read(kind: &'static Kind, call: &ParsedRequest) -> Result<Self, Refusal> {
        let mut wanted = Self {
            kind,
            by_update: false,
            descending: kind.newest_first,
            limit: if kind.numbered { 50 } else { 20 },
            page: 0,
            start: None,
            property: None,
            clauses: Vec::new(),
            with_deleted: false,
        };
        let mut backwards = false;
        for (name, value) in call.parameters()? {
            let refused = || bad_request(&format!("invalid value of parameter {name}"));
            match name {
                "orderby" => {
                    (wanted.descending, wanted.by_update) = order(value).ok_or_else(refused)?;
                }
                "limit" | "pagesize" if (name == "pagesize") == kind.numbered => {
                    let most = if kind.numbered { 50 } else { 1000 };
                    let limit = value.parse().ok().filter(|n| (1..=most).contains(n));
                    wanted.limit = limit.ok_or_else(refused)?;
                }
                "page" if kind.numbered => wanted.page = value.parse().map_err(|_| refused())?,
                "start" if !kind.numbered => {
                    wanted.start = Some(moment(value).ok_or_else(refused)?);
                }
                "property" => {
                    wanted.clauses = clauses(kind, value).ok_or_else(refused)?;
                    wanted.property = Some(value.to_owned());
                }
                switch if kind.switches.contains(&switch) => {
                    let on: bool = value.parse().map_err(|_| refused())?;
                    match switch {
                        "excludeSoftDeleted" => wanted.with_deleted = !on,
                        "isPrevLink" => backwards = on,
                        _ => {} // The fake has no hidden queries.
                    }
                }
                _ => return Err(bad_request(&format!("unknown parameter {name}"))),
            }
        }
        wanted.descending ^= backwards;
        Ok(wanted)
    }

    fn key(&self, row: &Row) -> DateTime<Utc> {
        if self.by_update { row.updated } else { row.created }
    }

    /// The rows that match, in order, and the order as `orderby`.
    fn select(&self, rows: Vec<Row>) -> (Vec<Row>, String) {
        let mut rows: Vec<Row> = rows
            .into_iter()
            .filter(|row| self.with_deleted || !row.deleted)
            .filter(|row| self.clauses.iter().all(|clause| clause.holds(row)))
            .filter(|row| match self.start {
                Some(start) if self.descending => self.key(row) <= start,
                Some(start) => self.key(row) >= start,
                None => true,
            })
            .collect();
        rows.sort_by_key(|row| self.key(row));
        if self.descending {
            rows.reverse();
        }
        let sign = if self.descending { '-' } else { '+' };
        (rows, format!("{sign}{}", if self.by_update { "updated" } else { "created" }))
    }

    fn body(&self, rows: Vec<Row>, page: &Value, links: &Value) -> Response {
        let items: Vec<Value> = rows.into_iter().map(|row| row.shown).collect();
        let body = json!({
            (self.kind.member): items,
            "_page": page,
            "_links": links,
            "version": self.kind.version,
        });
        Response::json(200, body)
    }

    /// The requested page. `path` is that of the list, for the link to the next page.
    ///
    /// If more items have the same time than fit a page, the next page starts where this one did.
    pub(super) fn page(&self, path: &str, rows: Vec<Row>, links: Links) -> Response {
        let (mut rows, order) = self.select(rows);
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(self.kind.precision, true);
        let start = rows.first().map(|row| self.key(row)).or(self.start).map(text);
        let next = if self.kind.overlaps && links.past_end {
            rows.get(..self.limit).unwrap_or(&rows).last()
        } else {
            rows.get(self.limit)
        };
        let next = next.map(|row| text(self.key(row)));
        // As with the service, the host is another one, and limit and property are missing.
        let links = match (&next, links.form) {
            (None, _) | (_, LinkForm::Absent) => json!({}),
            (Some(next), form) => {
                let href = format!("{LINKS}{path}?orderby={order}&start={next}");
                match form {
                    LinkForm::Text => json!({ "next": href }),
                    _ => json!({ "next": { "href": href } }),
                }
            }
        };
        rows.truncate(self.limit);
        let mut page = json!({ "orderby": order, "count": rows.len() });
        for (name, value) in [("start", start), ("next", next), ("property", self.property.clone())]
        {
            add(&mut page, value.map(|value| (name, value.into())));
        }
        self.body(rows, &page, &links)
    }

    /// The requested page of a list with numbered pages; past the end it is empty. As in samples, the path of links is wrong.
    pub(super) fn numbered_page(&self, rows: Vec<Row>, links: Links) -> Response {
        let (rows, order) = self.select(rows);
        let shown = self.page.saturating_add(1).saturating_mul(self.limit);
        let goes_on = links.past_end || rows.len() > shown;
        let skipped = self.page.saturating_mul(self.limit);
        let rows: Vec<Row> = rows.into_iter().skip(skipped).take(self.limit).collect();
        let link = |page: usize| {
            let href = format!("{LINKS}/queries/alert-subscriptions?orderby={order}&page={page}");
            json!({ "href": href })
        };
        let mut links = json!({});
        add(&mut links, goes_on.then(|| ("next", link(self.page.saturating_add(1)))));
        add(&mut links, self.page.checked_sub(1).map(|before| ("prev", link(before))));
        let page = json!({
            "orderby": order,
            "page": self.page,
            "count": rows.len(),
            "pageSize": self.limit,
        });
        self.body(rows, &page, &links)
    }
}

/// How many of the rows match. The only parameter is `property`, and it is optional.
pub(super) fn count(
    kind: &'static Kind,
    query: &[(String, String)],
    rows: &[Row],
) -> Result<usize, Refusal> {
    let clauses = match query {
        [] => Vec::new(),
        [(name, value)] if name == "property" => clauses(kind, value)
            .ok_or_else(|| bad_request("invalid value of parameter property"))?,
        _ => return Err(bad_request("only property is known here, once")),
    };
    let holds = |row: &&Row| clauses.iter().all(|clause| clause.holds(row));
    Ok(rows.iter().filter(holds).count())
}

/// Whether the newest come first, and whether the order is by the last change.
fn order(value: &str) -> Option<(bool, bool)> {
    // A plus sign that was not escaped arrives as a space.
    let by_update = match value.strip_prefix(['-', '+', ' ']).unwrap_or(value) {
        "created" => false,
        "updated" => true,
        _ => return None,
    };
    Some((value.starts_with('-'), by_update))
}

fn clauses(kind: &'static Kind, property: &str) -> Option<Vec<Clause>> {
    property.split(',').map(|text| Clause::read(kind, text)).collect()
}

/// One `field operator value` of a `property` filter.
struct Clause {
    field: &'static str,
    operator: &'static str,
    /// Alternatives; more than one only for `referenced_datasets`.
    values: Vec<String>,
    /// Set for the two time fields, unless the filter searches text in them.
    time: Option<DateTime<Utc>>,
}

impl Clause {
    fn read(kind: &Kind, text: &str) -> Option<Self> {
        let (name, rest) = text.split_at(text.find(['>', '<', '=', '!', '~'])?);
        let operator = OPERATORS.into_iter().find(|sign| rest.starts_with(sign))?;
        let value = rest.strip_prefix(operator)?;
        let (field, allowed) = kind.fields.iter().find(|(field, _)| *field == name)?;
        let mut clause = Self { field, operator, values: vec![value.to_owned()], time: None };
        let sound = match *field {
            "created" | "updated" if operator != "~" => {
                clause.time = moment(value);
                clause.time.is_some()
            }
            "externalTrigger" => matches!(value, "true" | "false"),
            "referenced_datasets" => {
                clause.values = value.split("||").map(str::to_owned).collect();
                clause.values.len() <= 10 && clause.values.iter().all(|id| !id.is_empty())
            }
            _ => !value.is_empty(),
        };
        (sound && allowed.contains(&operator)).then_some(clause)
    }

    fn holds(&self, row: &Row) -> bool {
        let time = match self.field {
            "created" => Some(row.created),
            "updated" => Some(row.updated),
            _ => None,
        };
        match (time, self.time) {
            (Some(time), Some(wanted)) => self.compare(&time, &wanted),
            (Some(time), None) => {
                let text = time.to_rfc3339_opts(SecondsFormat::Millis, true);
                self.values.iter().any(|part| text.contains(part.as_str()))
            }
            (None, _) => {
                let own = row.facts.iter().filter(|(name, _)| *name == self.field);
                let mut own = own.map(|(_, value)| value.as_str());
                match self.operator {
                    "!=" => own.all(|own| self.values.iter().all(|value| value != own)),
                    "~" => own.any(|own| self.values.iter().any(|part| own.contains(part))),
                    _ => own.any(|own| self.values.iter().any(|v| self.compare(own, v.as_str()))),
                }
            }
        }
    }

    fn compare<T: PartialOrd + ?Sized>(&self, own: &T, wanted: &T) -> bool {
        match self.operator {
            ">" => own > wanted,
            "<" => own < wanted,
            ">=" => own >= wanted,
            "<=" => own <= wanted,
            "!=" => own != wanted,
            _ => own == wanted,
        }
    }
}

/// Date or time stamp in ISO form. Without a zone it is UTC. Plain numbers are not times.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    if let Ok(time) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f") {
        return Some(time.and_utc());
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc())
}

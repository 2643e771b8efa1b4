//! Lists: parameters, `property` filters, and pages found by key.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::responses::{Refusal, bad_request};
use super::state::LINKS;
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

/// One item of a list: what it is ordered and filtered by, and how it looks.
pub(super) struct Row {
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    /// Fields other than the two times; one with several values is there several times.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) deleted: bool,
    pub(super) shown: Value,
}

/// What sets one list apart from another.
pub(super) struct Kind {
    /// Name of the array in the answer.
    member: &'static str,
    /// Filter fields and the operators each allows.
    fields: &'static [(&'static str, &'static [&'static str])],
    /// Parameters beyond the four all lists have; each is `true` or `false`.
    switches: &'static [&'static str],
    newest_first: bool,
    /// Whether a page is followed by one that begins with its last item, rather than with the item after it.
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
    overlaps: false,
    precision: SecondsFormat::Secs,
    version: 1,
};

pub(super) const SCHEDULES: Kind = Kind {
    member: "schedules",
    fields: &[("created", &[">", "<"]), ("templateId", &["=="]), ("userId", &["=="])],
    switches: &[],
    newest_first: false,
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
    overlaps: false,
    precision: SecondsFormat::Millis,
    version: 1,
};

pub(super) const TEMPLATES: Kind = Kind {
    member: "templates",
    fields: &[("name", &["~", "=="]), ("userId", &["=="]), ("lastUpdatedBy", &["=="])],
    switches: &["isPrevLink"],
    newest_first: true,
    overlaps: true,
    precision: SecondsFormat::Millis,
    version: 1,
};

/// Templates, as far as they can be counted.
pub(super) const TEMPLATE_COUNT: Kind = Kind { fields: &[("userId", &["=="])], ..TEMPLATES };

/// All alerts; those of one person are `items`. Their pages have numbers, see [`Numbered`].
pub(super) const ALERTS: Kind = Kind {
    member: "alerts",
    fields: &[("id", &["=="]), ("assetId", &["=="]), ("status", &["=="]), ("alertType", &["=="])],
    switches: &[],
    newest_first: true,
    overlaps: false,
    precision: SecondsFormat::Millis,
    version: 1,
};

pub(super) const USER_ALERTS: Kind = Kind { member: "items", ..ALERTS };

/// What a caller asked of a list.
pub(super) struct Wanted {
    kind: &'static Kind,
    by_update: bool,
    descending: bool,
    limit: usize,
    start: Option<DateTime<Utc>>,
    property: Option<String>,
    clauses: Vec<Clause>,
    with_deleted: bool,
}

impl Wanted {
    /// Reads the parameters; anything unknown, repeated or out of range is refused.
    pub(super) fn read(kind: &'static Kind, query: &[(String, String)]) -> Result<Self, Refusal> {
        let mut wanted = Self {
            kind,
            by_update: false,
            descending: kind.newest_first,
            limit: 20,
            start: None,
            property: None,
            clauses: Vec::new(),
            with_deleted: false,
        };
        let mut backwards = false;
        for (position, (name, value)) in query.iter().enumerate() {
            let refused = || bad_request(&format!("invalid value of parameter {name}"));
            if query.iter().take(position).any(|(other, _)| other == name) {
                return Err(bad_request(&format!("parameter {name} repeated")));
            }
            match name.as_str() {
                "orderby" => {
                    (wanted.descending, wanted.by_update) = order(value).ok_or_else(refused)?;
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|n| (1..=1000).contains(n));
                    wanted.limit = limit.ok_or_else(refused)?;
                }
                "start" => wanted.start = Some(moment(value).ok_or_else(refused)?),
                "property" => {
                    wanted.clauses = clauses(kind, value).ok_or_else(refused)?;
                    wanted.property = Some(value.clone());
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

    /// The page asked for. `path` is the list's own, for the link to the next page.
    ///
    /// More items of one moment than fit a page make the next page start where this one did.
    pub(super) fn page(&self, path: &str, rows: Vec<Row>, form: LinkForm) -> Response {
        let key = |row: &Row| {
            if self.by_update { row.updated } else { row.created }
        };
        let mut rows: Vec<Row> = rows
            .into_iter()
            .filter(|row| self.with_deleted || !row.deleted)
            .filter(|row| self.clauses.iter().all(|clause| clause.holds(row)))
            .filter(|row| match self.start {
                Some(start) if self.descending => key(row) <= start,
                Some(start) => key(row) >= start,
                None => true,
            })
            .collect();
        rows.sort_by_key(key);
        if self.descending {
            rows.reverse();
        }

        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(self.kind.precision, true);
        let sign = if self.descending { '-' } else { '+' };
        let field = if self.by_update { "updated" } else { "created" };
        let start = rows.first().map(key).or(self.start).map(text);
        let next = if self.kind.overlaps {
            rows.get(..self.limit).unwrap_or(&rows).last()
        } else {
            rows.get(self.limit)
        };
        let next = next.map(key).map(text);
        // The host is foreign, and limit and property are dropped: so does the service.
        let links = match (&next, form) {
            (None, _) | (_, LinkForm::Absent) => json!({}),
            (Some(next), form) => {
                let href = format!("{LINKS}{path}?orderby={sign}{field}&start={next}");
                match form {
                    LinkForm::Text => json!({ "next": href }),
                    _ => json!({ "next": { "href": href } }),
                }
            }
        };
        rows.truncate(self.limit);
        let mut page = json!({ "orderby": format!("{sign}{field}"), "count": rows.len() });
        if let Some(page) = page.as_object_mut() {
            for (name, value) in
                [("start", start), ("next", next), ("property", self.property.clone())]
            {
                page.extend(value.map(|value| (name.to_owned(), value.into())));
            }
        }
        let items: Vec<Value> = rows.into_iter().map(|row| row.shown).collect();
        let body = json!({
            (self.kind.member): items,
            "_page": page,
            "_links": links,
            "version": self.kind.version,
        });
        Response::json(200, body)
    }
}

/// What a caller asked of a list whose pages have numbers, from 0.
pub(super) struct Numbered {
    kind: &'static Kind,
    by_update: bool,
    descending: bool,
    size: usize,
    page: usize,
    clauses: Vec<Clause>,
}

impl Numbered {
    /// As [`Wanted::read`].
    pub(super) fn read(kind: &'static Kind, query: &[(String, String)]) -> Result<Self, Refusal> {
        let descending = kind.newest_first;
        let mut wanted =
            Self { kind, by_update: false, descending, size: 50, page: 0, clauses: Vec::new() };
        for (position, (name, value)) in query.iter().enumerate() {
            let refused = || bad_request(&format!("invalid value of parameter {name}"));
            if query.iter().take(position).any(|(other, _)| other == name) {
                return Err(bad_request(&format!("parameter {name} repeated")));
            }
            match name.as_str() {
                "orderby" => {
                    (wanted.descending, wanted.by_update) = order(value).ok_or_else(refused)?;
                }
                "pagesize" => {
                    let size = value.parse().ok().filter(|n| (1..=50).contains(n));
                    wanted.size = size.ok_or_else(refused)?;
                }
                "page" => wanted.page = value.parse().map_err(|_| refused())?,
                "property" => wanted.clauses = clauses(kind, value).ok_or_else(refused)?,
                _ => return Err(bad_request(&format!("unknown parameter {name}"))),
            }
        }
        Ok(wanted)
    }

    /// The page asked for; past the end it is empty. It always links on, and with a wrong path: so do samples.
    pub(super) fn page(&self, rows: Vec<Row>) -> Response {
        let holds = |row: &Row| self.clauses.iter().all(|clause| clause.holds(row));
        let mut rows: Vec<Row> = rows.into_iter().filter(holds).collect();
        rows.sort_by_key(|row| if self.by_update { row.updated } else { row.created });
        if self.descending {
            rows.reverse();
        }
        let begin = self.page.saturating_mul(self.size);
        let items = rows.into_iter().skip(begin).take(self.size).map(|row| row.shown);
        let items: Vec<Value> = items.collect();

        let sign = if self.descending { '-' } else { '+' };
        let orderby = format!("{sign}{}", if self.by_update { "updated" } else { "created" });
        let link = |page: usize| {
            let href = format!("{LINKS}/queries/alert-subscriptions?orderby={orderby}&page={page}");
            json!({ "href": href })
        };
        let mut links = json!({ "next": link(self.page.saturating_add(1)) });
        if let (Some(links), Some(before)) = (links.as_object_mut(), self.page.checked_sub(1)) {
            links.insert("prev".to_owned(), link(before));
        }
        let page = json!({
            "orderby": orderby,
            "page": self.page,
            "count": items.len(),
            "pageSize": self.size,
        });
        let body = json!({
            (self.kind.member): items,
            "_page": page,
            "_links": links,
            "version": self.kind.version,
        });
        Response::json(200, body)
    }
}

/// How many of these a caller would find who gives no parameter but perhaps `property`.
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

/// Whether the newest come first, and whether by the last change.
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
    /// Set for the two time fields, unless text is looked for in them.
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

//! What a request contains, and its checks.

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::cron::Cron;
use super::responses::{Api, ParsedRequest, Refusal};

/// The header of a token where the web tier uses `Authorization` for itself.
const TOKEN_HEADER: &str = "x-esri-authorization";

/// The parameters of a request, and the tokens it carries.
pub(super) struct Sent<'c> {
    pub(super) call: &'c ParsedRequest,
    /// Below `/admin` and the like, decoded.
    pub(super) parts: Vec<String>,
    /// All tokens of the headers.
    pub(super) header_tokens: Vec<&'c str>,
    /// The token of the form, or of the URL.
    pub(super) form_token: Option<String>,
    format: Option<String>,
    /// Everything but `f` and the token, in the order sent.
    fields: Vec<(String, String)>,
    fault: Option<&'static str>,
    /// What the vendor accepts, but advises against.
    risk: Option<&'static str>,
}

impl<'c> Sent<'c> {
    /// `root` is that of the API.
    pub(super) fn new(call: &'c ParsedRequest, root: &str) -> Self {
        let bearer = |name| call.credential(name, "bearer");
        let form = call.media_type() == "application/x-www-form-urlencoded";
        let get = call.method == "GET";
        let fault = if get && !call.body.is_empty() {
            Some("a GET has no body")
        } else if !get && !form && !call.body.is_empty() {
            Some("a POST is application/x-www-form-urlencoded")
        } else {
            None
        };
        let risk = if get || (form && call.query.is_empty()) {
            None
        } else {
            Some("the parameters of a POST belong in a form")
        };
        let mut parts = call.parts(root).unwrap_or_default();
        parts.retain(|part| !part.is_empty());
        let mut sent = Self {
            call,
            parts,
            header_tokens: [TOKEN_HEADER, "authorization"].into_iter().filter_map(bearer).collect(),
            form_token: None,
            format: None,
            fields: Vec::new(),
            fault,
            risk,
        };
        let form = form_urlencoded::parse(if get { b"" } else { &call.body }).into_owned();
        let in_url = call.query.iter().map(|pair| (true, pair.clone()));
        for (in_url, (name, value)) in in_url.chain(form.map(|pair| (false, pair))) {
            let known = match name.as_str() {
                "f" => &mut sent.format,
                "token" => {
                    if in_url {
                        sent.risk = Some("a token does not belong in a URL");
                    }
                    &mut sent.form_token
                }
                _ => {
                    sent.fields.push((name, value));
                    continue;
                }
            };
            if known.replace(value).is_some() {
                sent.fault = Some("a parameter is repeated");
            }
        }
        sent
    }

    pub(super) fn pretty(&self) -> bool {
        self.format.as_deref() == Some("pjson")
    }

    /// Checks that the request can be parsed.
    pub(super) fn check_form(&self, strict: bool) -> Result<(), Refusal> {
        let fault = self.fault.or(self.risk.filter(|_| strict));
        fault.map_or(Ok(()), |fault| Err(Refusal::bad_request(fault)))
    }

    /// Checks that the request asks for JSON, too.
    pub(super) fn check(&self, api: Api, strict: bool) -> Result<(), Refusal> {
        self.check_form(strict)?;
        if matches!(self.format.as_deref(), Some("json" | "pjson")) {
            return Ok(());
        }
        Err(Refusal::Page(
            200,
            match api {
                Api::Admin => "Administrator Directory of the fake",
                Api::PortalAdmin => "Portal Administrator Directory of the fake",
                Api::NotebookServer => "Notebook Server Administrator Directory of the fake",
                Api::Sharing => "Portal Directory of the fake",
            },
        ))
    }

    /// Refuses all parameters but these, and each that is repeated.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        for (position, (name, _)) in self.fields.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Refusal::bad_request(&format!(
                    "'{name}' is not a parameter of this operation"
                )));
            }
            if self.fields.iter().take(position).any(|(other, _)| other == name) {
                return Err(Refusal::bad_request(&format!("'{name}' is repeated")));
            }
        }
        Ok(())
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.field(name).filter(|value| !value.is_empty()).ok_or_else(|| missing(name))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.field(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| cannot_be(name, text))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        let Some(text) = self.field(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| cannot_be(name, text))
    }
}

pub(super) fn missing(name: &str) -> Refusal {
    Refusal::bad_request(&format!("'{name}' is required"))
}

pub(super) fn cannot_be(name: &str, text: &str) -> Refusal {
    Refusal::bad_request(&format!("'{name}' cannot be '{text}'"))
}

/// The types of tasks that the Sharing API can create.
const KINDS: [&str; 7] = [
    "ExecuteNotebook",
    "UpdateInsightsWorkbook",
    "ExecuteSceneCook",
    "ExecuteWorkflowManager",
    "ExecuteReport",
    "GPService",
    "RunDataPipeline",
];

const CRON: [&str; 5] = ["minute", "hour", "dayOfMonth", "month", "dayOfWeek"];

/// The fields of a request that creates or updates a task.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) title: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) parameters: Option<Value>,
    pub(super) item: Option<String>,
    pub(super) url: Option<String>,
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) cron: Option<Cron>,
    pub(super) most: Option<i64>,
    pub(super) active: Option<bool>,
}

impl Draft {
    /// Of an administrator's task. Only backups can be created.
    pub(super) fn of_admin(sent: &Sent<'_>, old: Option<&str>) -> Result<Self, Refusal> {
        let draft = Self::read(sent, if old.is_some() { &["itemId"] } else { &[] })?;
        let kind = draft.kind(old)?;
        if old.is_none() && kind != "CreateBackup" {
            return Err(cannot_be("type", kind));
        }
        match &draft.parameters {
            Some(Value::Object(backup)) if kind == "CreateBackup" => check_backup(backup)?,
            None if old.is_none() => return Err(missing("parameters")),
            _ => {}
        }
        draft.whole(old)
    }

    /// Of a user's task. Updates, too, must name the kind.
    pub(super) fn of_user(sent: &Sent<'_>, old: Option<&str>) -> Result<Self, Refusal> {
        let own: &[&str] =
            if old.is_some() { &["itemId", "taskUrl", "isActive"] } else { &["itemId", "taskURL"] };
        let draft = Self::read(sent, own)?;
        sent.required("type")?;
        let kind = draft.kind(old)?;
        if !KINDS.contains(&kind) {
            return Err(cannot_be("type", kind));
        }
        let needs_parameters = matches!(kind, "ExecuteSceneCook" | "ExecuteReport");
        if old.is_none() && needs_parameters && draft.parameters.is_none() {
            return Err(missing("parameters"));
        }
        if old.is_none() && kind == "GPService" && draft.url.is_none() {
            return Err(missing("taskURL"));
        }
        let needs_item = !matches!(kind, "ExecuteReport" | "GPService");
        match draft.item.as_deref() {
            None if needs_item && old.is_none() => return Err(missing("itemId")),
            Some(item) if !is_item(item) => return Err(cannot_be("itemId", item)),
            _ => {}
        }
        draft.whole(old)
    }

    fn read(sent: &Sent<'_>, own: &[&str]) -> Result<Self, Refusal> {
        let mut known =
            vec!["title", "type", "parameters", "startDate", "endDate", "maxOccurrences"];
        known.extend(CRON);
        known.extend(own);
        sent.only(&known)?;
        let text = |name: &str| sent.field(name).map(str::to_owned);
        let date = |name: &str| {
            let at = sent.number(name)?;
            let bad = |ms: &i64| chrono::DateTime::from_timestamp_millis(*ms).is_none();
            at.filter(bad).map_or(Ok(at), |ms| Err(cannot_be(name, &ms.to_string())))
        };
        let parameters = match sent.field("parameters") {
            // Esri's own samples send it like this.
            None | Some("") => None,
            Some(text) => {
                let read: Option<Map<String, Value>> = serde_json::from_str(text).ok();
                Some(
                    read.ok_or_else(|| Refusal::bad_request("'parameters' is not a JSON object"))?
                        .into(),
                )
            }
        };
        let cron = if CRON.iter().any(|name| sent.field(name).is_some()) {
            let [minute, hour, day_of_month, month, day_of_week] =
                CRON.map(|name| sent.required(name).map(str::to_owned));
            let cron = Cron {
                minute: minute?,
                hour: hour?,
                day_of_month: day_of_month?,
                month: month?,
                day_of_week: day_of_week?,
            };
            cron.fault().map_or(Ok(()), |fault| Err(Refusal::bad_request(&fault)))?;
            Some(cron)
        } else {
            None
        };
        let most = sent.number("maxOccurrences")?;
        if let Some(wrong) = most.filter(|most| *most < 1 && *most != -1) {
            return Err(cannot_be("maxOccurrences", &wrong.to_string()));
        }
        Ok(Self {
            title: text("title"),
            kind: text("type"),
            parameters,
            item: text("itemId"),
            url: text("taskURL").or_else(|| text("taskUrl")),
            start: date("startDate")?,
            end: date("endDate")?,
            cron,
            most,
            active: sent.flag("isActive")?,
        })
    }

    /// The type of the task, which cannot change.
    fn kind<'a>(&'a self, old: Option<&'a str>) -> Result<&'a str, Refusal> {
        match (self.kind.as_deref(), old) {
            (Some(new), Some(old)) if new != old => Err(cannot_be("type", new)),
            (new, old) => new.or(old).ok_or_else(|| missing("type")),
        }
    }

    /// A new task needs a schedule.
    fn whole(self, old: Option<&str>) -> Result<Self, Refusal> {
        if old.is_none() && self.cron.is_none() {
            return Err(missing("minute"));
        }
        Ok(self)
    }
}

/// 32 hexadecimal digits.
pub(super) fn is_item(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn check_backup(backup: &Map<String, Value>) -> Result<(), Refusal> {
    for name in ["name", "storeName", "passcode"] {
        let text = backup.get(name).and_then(Value::as_str).unwrap_or_default();
        if text.is_empty() {
            return Err(missing(name));
        }
        if name == "passcode" && text.chars().count() < 8 {
            return Err(Refusal::bad_request("'passcode' has fewer than 8 characters"));
        }
    }
    let stranger = backup.iter().find(|(name, value)| !fits_backup(name, value));
    stranger.map_or(Ok(()), |(name, _)| {
        Err(Refusal::bad_request(&format!("'{name}' does not fit a backup")))
    })
}

/// Whether a backup may have this member. Which of `metaData` are needed is not documented.
fn fits_backup(name: &str, value: &Value) -> bool {
    let of_meta_data = |(name, value): (&String, &Value)| match name.as_str() {
        "recurring" => value.is_boolean(),
        "startTime" => value.is_string(),
        "retention" => {
            let unit = value["type"].as_str();
            matches!(unit, Some("day" | "week" | "month")) && value["value"].is_u64()
        }
        _ => false,
    };
    match name {
        "name" | "storeName" | "passcode" | "description" | "itemId" => value.is_string(),
        "retentionOffset" => value.is_i64(),
        "metaData" => value.as_object().is_some_and(|meta| meta.iter().all(of_meta_data)),
        _ => false,
    }
}

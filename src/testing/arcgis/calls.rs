//! What a caller sent, taken apart.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::form_urlencoded;
use wiremock::Request;

use super::answers::{Answer, Api};
use super::cron::Cron;

/// The header that carries a token where the web tier has use for `Authorization`.
const TOKEN_HEADER: &str = "x-esri-authorization";

/// One request: where it goes, what it carries.
pub(super) struct Call {
    pub(super) method: String,
    /// Below `/admin` and the like, decoded.
    pub(super) parts: Vec<String>,
    pub(super) referer: Option<String>,
    /// All tokens of the headers.
    pub(super) header_tokens: Vec<String>,
    /// The token of the form.
    pub(super) form_token: Option<String>,
    format: Option<String>,
    /// Everything but `f` and the token, in the order sent.
    fields: Vec<(String, String)>,
    fault: Option<&'static str>,
}

impl Call {
    /// `path` is what follows the root of the API.
    pub(super) fn read(request: &Request, path: &str) -> Self {
        let decode = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let header = |name: &str| {
            let value = request.headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let bearer = |name: &str| {
            let value = header(name)?;
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        };
        let query = request.url.query().unwrap_or_default();
        let form = header("content-type").is_some_and(|mime| {
            let mime = mime.split(';').next().unwrap_or_default();
            mime.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
        let get = request.method.as_str() == "GET";
        let fault = if get && !request.body.is_empty() {
            Some("a GET has no body")
        } else if !get && !form {
            Some("a POST is application/x-www-form-urlencoded")
        } else if !get && !query.is_empty() {
            Some("the parameters of a POST belong in its body")
        } else {
            None
        };
        let source = if get { query.as_bytes() } else { &request.body };
        let mut call = Self {
            method: request.method.to_string(),
            parts: path.split('/').filter(|part| !part.is_empty()).map(decode).collect(),
            referer: header("referer"),
            header_tokens: [TOKEN_HEADER, "authorization"].into_iter().filter_map(bearer).collect(),
            form_token: None,
            format: None,
            fields: Vec::new(),
            fault,
        };
        for (name, value) in form_urlencoded::parse(source) {
            let known = match name.as_ref() {
                "f" => &mut call.format,
                "token" if get => {
                    call.fault = Some("a token does not belong in a URL");
                    continue;
                }
                "token" => &mut call.form_token,
                _ => {
                    call.fields.push((name.into_owned(), value.into_owned()));
                    continue;
                }
            };
            if known.replace(value.into_owned()).is_some() {
                call.fault = Some("a parameter is there twice");
            }
        }
        call
    }

    pub(super) fn pretty(&self) -> bool {
        self.format.as_deref() == Some("pjson")
    }

    /// Whether JSON was asked for, and in a way that can be read.
    pub(super) fn check(&self, api: Api) -> Result<(), Answer> {
        if let Some(fault) = self.fault {
            return Err(Answer::bad_request(fault));
        }
        if matches!(self.format.as_deref(), Some("json" | "pjson")) {
            return Ok(());
        }
        Err(Answer::Page(
            200,
            match api {
                Api::Admin => "Administrator Directory of the fake",
                Api::PortalAdmin => "Portal Administrator Directory of the fake",
                Api::Sharing => "Portal Directory of the fake",
            },
        ))
    }

    /// Refuses every parameter but these, and each that is there twice.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Answer> {
        for (position, (name, _)) in self.fields.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Answer::bad_request(&format!("'{name}' is no parameter of this")));
            }
            if self.fields.iter().take(position).any(|(other, _)| other == name) {
                return Err(Answer::bad_request(&format!("'{name}' is there twice")));
            }
        }
        Ok(())
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Answer> {
        self.field(name).filter(|value| !value.is_empty()).ok_or_else(|| missing(name))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Answer> {
        let Some(text) = self.field(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| cannot_be(name, text))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Answer> {
        let Some(text) = self.field(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| cannot_be(name, text))
    }
}

pub(super) fn missing(name: &str) -> Answer {
    Answer::bad_request(&format!("'{name}' is required"))
}

pub(super) fn cannot_be(name: &str, text: &str) -> Answer {
    Answer::bad_request(&format!("'{name}' cannot be '{text}'"))
}

/// What a task can be made for with the Sharing API.
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

/// A task as somebody wants it: what is sent to create or update one.
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
    pub(super) fn of_admin(call: &Call, old: Option<&str>) -> Result<Self, Answer> {
        let draft = Self::read(call, if old.is_some() { &["itemId"] } else { &[] })?;
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
    pub(super) fn of_user(call: &Call, old: Option<&str>) -> Result<Self, Answer> {
        let own: &[&str] =
            if old.is_some() { &["itemId", "taskUrl", "isActive"] } else { &["itemId", "taskURL"] };
        let draft = Self::read(call, own)?;
        call.required("type")?;
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

    fn read(call: &Call, own: &[&str]) -> Result<Self, Answer> {
        let mut known =
            vec!["title", "type", "parameters", "startDate", "endDate", "maxOccurrences"];
        known.extend(CRON);
        known.extend(own);
        call.only(&known)?;
        let text = |name: &str| call.field(name).map(str::to_owned);
        let date = |name: &str| {
            let at = call.number(name)?;
            let bad = |ms: &i64| chrono::DateTime::from_timestamp_millis(*ms).is_none();
            at.filter(bad).map_or(Ok(at), |ms| Err(cannot_be(name, &ms.to_string())))
        };
        let parameters = match call.field("parameters") {
            // Esri's own samples send it like this.
            None | Some("") => None,
            Some(text) => {
                let read: Option<Map<String, Value>> = serde_json::from_str(text).ok();
                Some(
                    read.ok_or_else(|| Answer::bad_request("'parameters' is no JSON object"))?
                        .into(),
                )
            }
        };
        let cron = if CRON.iter().any(|name| call.field(name).is_some()) {
            let [minute, hour, day_of_month, month, day_of_week] =
                CRON.map(|name| call.required(name).map(str::to_owned));
            let cron = Cron {
                minute: minute?,
                hour: hour?,
                day_of_month: day_of_month?,
                month: month?,
                day_of_week: day_of_week?,
            };
            cron.fault().map_or(Ok(()), |fault| Err(Answer::bad_request(&fault)))?;
            Some(cron)
        } else {
            None
        };
        let most = call.number("maxOccurrences")?;
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
            active: call.flag("isActive")?,
        })
    }

    /// The kind it has or had. A task keeps its kind.
    fn kind<'a>(&'a self, old: Option<&'a str>) -> Result<&'a str, Answer> {
        match (self.kind.as_deref(), old) {
            (Some(new), Some(old)) if new != old => Err(cannot_be("type", new)),
            (new, old) => new.or(old).ok_or_else(|| missing("type")),
        }
    }

    /// A new task needs a schedule.
    fn whole(self, old: Option<&str>) -> Result<Self, Answer> {
        if old.is_none() && self.cron.is_none() {
            return Err(missing("minute"));
        }
        Ok(self)
    }
}

/// 32 hexadecimal digits.
fn is_item(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn check_backup(backup: &Map<String, Value>) -> Result<(), Answer> {
    for name in ["name", "storeName", "passcode"] {
        let text = backup.get(name).and_then(Value::as_str).unwrap_or_default();
        if text.is_empty() {
            return Err(missing(name));
        }
        if name == "passcode" && text.chars().count() < 8 {
            return Err(Answer::bad_request("'passcode' has fewer than 8 characters"));
        }
    }
    let stranger = backup.iter().find(|(name, value)| !fits_backup(name, value));
    stranger.map_or(Ok(()), |(name, _)| {
        Err(Answer::bad_request(&format!("'{name}' does not fit a backup")))
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

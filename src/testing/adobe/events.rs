//! The events of runs, and the journal that keeps them.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::FakeAdobe;
use super::responses::{
    ParsedRequest, Refusal, Reply, bad_request, check_gateway, invalid, not_found,
};
use super::state::{State, USER, add, text_of};
use crate::testing::kit::Response;

/// Where the journal is.
pub(super) const JOURNAL: &str =
    "/events/organizations/104512/integrations/238716/5c0f9a7e-3b1d-4e8a-9f26-7d4c1b0a8e35";
const SANDBOX_ID: &str = "8e1b6d40-9a25-4c73-b6f8-02d5e7c9a314";
const FLOW_ID: &str = "f7a3c9e1-4d68-4b02-95e7-6c1f8d0b2a49";
/// Events in a response that has no `limit`.
const PAGE: usize = 100;

/// What happened to runs, oldest first.
#[derive(Default)]
pub(super) struct Journal {
    events: Vec<Value>,
    /// How many of them have expired.
    expired: usize,
}

impl Journal {
    pub(super) fn clear(&mut self) {
        self.events.clear();
    }

    pub(super) fn expire(&mut self) {
        self.expired = self.events.len();
    }

    /// After how many events a request begins.
    fn start(&self, call: &ParsedRequest, now: DateTime<Utc>) -> Result<usize, Refusal> {
        let mut parameters = call.parameters()?;
        parameters.retain(|(name, _)| *name != "limit");
        match parameters[..] {
            [] => Ok(self.expired),
            [("latest", "true")] => Ok(self.events.len()),
            [("since", wanted)] => {
                let known = (0..=self.events.len()).find(|&events| position(events) == wanted);
                let known = known.ok_or_else(|| invalid("since"))?;
                if known < self.expired {
                    let why = format!("Events at position {wanted} have expired.");
                    return Err(Response::new(410, "text/plain", why));
                }
                Ok(known)
            }
            [("seek", ago)] => {
                let begin = now - duration(ago).ok_or_else(|| invalid("seek"))?;
                let is_before = |event: &Value| {
                    let time: Option<DateTime<Utc>> = text_of(event, "time")?.parse().ok();
                    Some(time? < begin)
                };
                let before = |event: &&Value| is_before(event).unwrap_or_default();
                Ok(self.events.iter().take_while(before).count().max(self.expired))
            }
            _ => Err(bad_request("give one of since, latest and seek, or none")),
        }
    }
}

/// How long ago `-PT2H` is. Seconds and minutes are known, too, and no combinations.
fn duration(ago: &str) -> Option<TimeDelta> {
    let (number, unit) = ago.strip_prefix("-PT")?.split_at_checked(ago.len().checked_sub(4)?)?;
    let seconds = match unit {
        "H" => 3600,
        "M" => 60,
        "S" => 1,
        _ => return None,
    };
    TimeDelta::try_seconds(number.parse::<u32>().ok()?.into())?.checked_mul(seconds)
}

/// The position after so many events.
fn position(events: usize) -> String {
    format!("heron:{events:08x}-6b2d-4e9f-8a17-c35d0e7f4b61:1f8c2a64-90d3-4b7e-a5f1-{events:012x}")
}

/// A run that is in an event.
pub(super) struct Happened<'a> {
    pub(super) run: &'a str,
    pub(super) query: &'a str,
    pub(super) created: DateTime<Utc>,
    /// When it ended, and whether it succeeded.
    pub(super) end: Option<(DateTime<Utc>, bool)>,
}

impl State {
    /// Keeps the event of a run that has started or ended, and sends it.
    pub(super) fn announce(
        &mut self,
        schedule: &str,
        happened: &Happened<'_>,
    ) -> Result<(), Refusal> {
        let id = self.kit.new_uuid();
        let name = text_of(&self.schedule(schedule)?.query, "name");
        let time = happened.end.map_or(happened.created, |(ended, _)| ended);
        let event = json!({
            "specversion": "1.0",
            "type": "com.adobe.platform.queryservice.run",
            "source": format!("urn:uuid:{FLOW_ID}"),
            "id": id,
            "time": time.to_rfc3339_opts(SecondsFormat::Secs, true),
            "datacontenttype": "application/json",
            "eventid": id,
            "event_id": id,
            "recipientclientid": FakeAdobe::CLIENT_ID,
            "recipient_client_id": FakeAdobe::CLIENT_ID,
            "data": happened.payload(&id, name.as_deref().unwrap_or(schedule)),
        });
        self.kit.notify(&event.to_string());
        self.journal.events.push(event);
        Ok(())
    }
}

impl Happened<'_> {
    /// What Query Service says. It does not name the schedule, and at the start it does not name the run.
    fn payload(&self, id: &str, name: &str) -> Value {
        let created = self.created.timestamp_millis();
        let updated = self.end.map_or(created, |(ended, _)| ended.timestamp_millis());
        let (status, alert) = match self.end {
            None => ("inProgress", "Query Service Scheduled Query Start"),
            Some((_, true)) => ("success", "Query Service Scheduled Query Success"),
            Some((_, false)) => ("failed", "Query Run Failure"),
        };
        let mut payload = json!({
            "id": id,
            "createdAt": created,
            "updatedAt": updated,
            "createdBy": USER,
            "updatedBy": USER,
            "createdClient": "acp_foundation_queryService",
            "updatedClient": "acp_foundation_queryService",
            "sandboxId": SANDBOX_ID,
            "sandboxName": FakeAdobe::SANDBOX,
            "imsOrgId": FakeAdobe::ORG_ID,
            "flowId": FLOW_ID,
            "flowName": name,
            "providerRefId": self.query,
            "etag": format!("\"{updated:x}\""),
            "alertName": alert,
            "metrics": { "statusSummary": { "status": status } },
            "activities": [],
        });
        if self.end.is_some() {
            let duration = json!({ "startedAtUTC": created, "completedAtUTC": updated });
            let extensions = json!({ "scheduleRunId": self.run, "queryId": self.query });
            let activity = json!({
                "id": self.query,
                "name": "Query Activity",
                "contextId": self.query,
                "updatedAtUTC": 0,
                "durationSummary": duration,
                "statusSummary": { "status": status, "extensions": extensions },
            });
            let summary = json!({ "status": status, "activityRefs": [self.query] });
            let metrics = json!({ "durationSummary": duration, "statusSummary": summary });
            add(&mut payload, [("metrics", metrics), ("activities", json!([activity]))]);
        }
        payload
    }
}

/// Serves a part of the journal; `None` if the request is not for it.
pub(super) fn route(state: &mut State, call: &ParsedRequest) -> Option<Reply> {
    (call.path == JOURNAL).then(|| read(state, call))
}

fn read(state: &mut State, call: &ParsedRequest) -> Reply {
    check_gateway(call, "x-ims-org-id", &state.kit.tokens)?;
    if call.method != "GET" {
        return Err(not_found("path"));
    }
    call.no_body()?;
    let limit = match call.parameter("limit").map(str::parse) {
        None => None,
        Some(Ok(limit @ 1..)) => Some(limit),
        Some(_) => return Err(invalid("limit")),
    };
    let now = state.kit.now();
    let since = state.journal.start(call, now)?;
    let events = &state.journal.events;

    let found: Vec<_> =
        (since + 1..).zip(events.iter().skip(since)).take(limit.unwrap_or(PAGE)).collect();
    let last = position(since + found.len());
    let link = |path: &str, relation: &str| {
        let limit = limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
        format!("<{JOURNAL}{path}?since={last}{limit}>; rel=\"{relation}\"")
    };
    let mut response = if found.is_empty() {
        let mut nothing_new = Response::empty(204);
        nothing_new.header("retry-after", "1");
        nothing_new.header("link", &link("/validate", "validate"));
        nothing_new
    } else {
        let entry = |(number, event)| json!({ "position": position(number), "event": event });
        let entries: Vec<_> = found.into_iter().map(entry).collect();
        let page = json!({ "last": last, "count": entries.len() });
        let body = json!({ "events": entries, "_page": page });
        Response::json(200, body).with_media_type("application/vnd.adobecloud.events+json")
    };
    response.header("link", &link("", "next"));
    Ok(response)
}

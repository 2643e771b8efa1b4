//! What Adobe I/O Events sends when a scheduled query starts or ends, by [webhook](super::Webhook) and in the
//! [journal](super::Journal).
//!
//! Source: Adobe I/O Events, "Receive events"; Query Service's payload: Experience Platform, "Subscribe to alert notifications".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{RunId, VENDOR, account};
use crate::run::Event;
use crate::wire::{RawJson, lenient, model, repair};

model! {
    /// One event.
    ///
    /// Source: Adobe I/O Events, FAQ. `recipient_client_id` is the old name, which is sent beside the new one until the end of 2026.
    /// Inferred: which of `data` and `event` has the payload of Query Service is not documented; providers that do not speak
    /// `CloudEvents` have `event`.
    pub(super) struct Envelope {
        recipientclientid: Option<Box<str>> as "recipientclientid" with lenient::text,
        recipient_client_id: Option<Box<str>> as "recipient_client_id" with lenient::text,
        data: Option<RawJson>,
        event: Option<RawJson>,
    }
}

impl Envelope {
    /// Whether it is addressed to this client. Old and new name must not contradict each other.
    pub(super) fn is_for(&self, client_id: &str) -> bool {
        let mut names = self.recipientclientid.iter().chain(&self.recipient_client_id).peekable();
        names.peek().is_some() && names.all(|name| **name == *client_id)
    }

    /// Adds what it means to waits to those of other events.
    #[inline]
    pub(super) fn add_to(&self, events: &mut Vec<Event>) {
        let mut payloads = self.data.iter().chain(&self.event);
        let payload = payloads.find_map(|json| repair::read::<Payload>(json.json()));
        for event in payload.unwrap_or_default().events() {
            if !events.contains(&event) {
                events.push(event);
            }
        }
    }
}

model! {
    /// What Query Service says. It does not name the schedule.
    ///
    /// Inferred: the page was readable only in translations, so no member is required.
    #[derive(Default)]
    struct Payload {
        ims_org_id: Option<Box<str>> as "imsOrgId" with lenient::text,
        sandbox_name: Option<Box<str>> as "sandboxName" with lenient::text,
        metrics: Option<Metrics> as "metrics" with lenient::object,
        activities: Vec<Activity> as "activities" with lenient::list,
    }
}

model! {
    /// Of the whole run, or of one of its activities.
    struct Metrics {
        status_summary: Option<StatusSummary> as "statusSummary" with lenient::object,
    }
}

type Activity = Metrics;

model! {
    struct StatusSummary {
        status: Option<Box<str>> as "status" with lenient::text,
        extensions: Option<Extensions> as "extensions" with lenient::object,
    }
}

model! {
    struct Extensions {
        schedule_run_id: Option<Box<str>> as "scheduleRunId" with lenient::text,
    }
}

impl Payload {
    /// One event for each run that it names.
    fn events(&self) -> Vec<Event> {
        let mut event = Event::of(VENDOR);
        if let (Some(org_id), Some(sandbox)) = (&self.ims_org_id, &self.sandbox_name) {
            event = event.scope(account(org_id, sandbox));
        }
        let summaries = self.activities.iter().filter_map(|one| one.status_summary.as_ref());
        let runs =
            summaries.filter_map(|summary| summary.extensions.as_ref()?.schedule_run_id.as_deref());
        let events: Vec<Event> = runs.map(|run| event.clone().run(as_listed(run))).collect();
        // The event of a start names no run and says itself that nothing has ended. This status is never taken for more: if it is
        // wrong, a wait learns of the end by its next poll.
        if events.is_empty() && !self.has_just_begun() { vec![event] } else { events }
    }

    fn has_just_begun(&self) -> bool {
        let summary = self.metrics.as_ref().and_then(|metrics| metrics.status_summary.as_ref());
        summary.and_then(|summary| summary.status.as_deref()) == Some("inProgress")
    }
}

/// The run's id as lists of runs have it, in base64. Other places of the API also have it decoded.
fn as_listed(run: &str) -> Box<str> {
    let is_decoded = RunId::from(run).decode().is_none() && run.contains("__");
    if is_decoded { STANDARD.encode(run).into() } else { run.into() }
}

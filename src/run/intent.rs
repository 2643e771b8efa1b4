//! The intent of a start: what is written down before a trigger is sent. Data, and the arithmetic of its time.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::model::{RunRef, Target};
use crate::error::{Error, Result};
use crate::wire::stable_hash;

/// A start of a run that was prepared, so that any process can find out what became of it. Made by
/// [`prepare`](super::RunProviderExt::prepare), read by [`recover`](super::RunProviderExt::recover).
///
/// Store it before [`Prepared::start`](super::Prepared::start). It is a serde value, prints to one line of JSON, parses back, and
/// holds no secret. A list of runs makes it some kilobytes long.
///
/// Replace a stored intent only if it is still the one that you read (`UPDATE … WHERE intent = …`): of two workers that both
/// found that nothing was started, and both prepared anew, only the one whose update succeeds may start. Equal intents print
/// equal lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartIntent {
    id: Box<str>,
    pub(super) target: Target,
    /// The run's id, where the caller names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Box<str>>,
    /// By the clock of the machine, before the runs were listed.
    prepared: DateTime<Utc>,
    /// By the vendor's clock, when it listed the runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_time: Option<DateTime<Utc>>,
    pub(super) bounds: Bounds,
    /// The runs that were there before, where the run is found by listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) known: Option<KnownRuns>,
}

/// How long each step may take at most, from preparing a start to the run's appearance in the list. The promise that no run is
/// started twice rests on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bounds {
    /// The trigger is sent within this time, or not at all.
    #[serde(with = "millis", rename = "lease_ms")]
    pub(super) lease: Duration,
    /// What was sent arrives within this time, or never.
    #[serde(with = "millis", rename = "arrival_ms")]
    pub(super) arrival: Duration,
    /// The clocks of two machines differ by this much at most.
    #[serde(with = "millis", rename = "skew_ms")]
    pub(super) skew: Duration,
    /// The vendor lists a run within this time after the trigger arrived.
    #[serde(with = "millis", rename = "grace_ms")]
    pub(super) grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            arrival: Duration::from_secs(30),
            skew: Duration::from_secs(30),
            grace: Duration::from_secs(60),
        }
    }
}

impl Bounds {
    /// From preparing the start until it is certain that whatever it started is listed.
    pub(super) fn total(self) -> Duration {
        [self.lease, self.arrival, self.skew, self.grace]
            .into_iter()
            .fold(Duration::ZERO, Duration::saturating_add)
    }

    /// From preparing the start until nothing of it can arrive any more.
    fn arrived(self) -> Duration {
        self.lease.saturating_add(self.arrival).saturating_add(self.skew)
    }
}

/// What the clocks say at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The wall clock of this machine.
    pub(super) local: DateTime<Utc>,
    /// The vendor's clock, if the vendor says.
    pub(super) server: Option<DateTime<Utc>>,
    /// How long this process has had the intent, by the monotonic clock.
    pub(super) held: Duration,
}

impl StartIntent {
    pub(super) fn new(
        target: Target,
        run: Option<&RunRef>,
        prepared: DateTime<Utc>,
        bounds: Bounds,
    ) -> Self {
        // The operating system provides the keys, so that two processes that prepare in one nanosecond get different ids.
        let random = || RandomState::new().hash_one(prepared).to_be_bytes();
        let id = URL_SAFE_NO_PAD.encode([random(), random()].concat());
        Self {
            id: id.into(),
            target,
            run: run.map(|run| run.id().into()),
            prepared,
            server_time: None,
            bounds,
            known: None,
        }
    }

    pub(super) fn after(mut self, known: KnownRuns, server_time: Option<DateTime<Utc>>) -> Self {
        (self.known, self.server_time) = (Some(known), server_time);
        self
    }

    /// Its id: no other intent has the same.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is to be run; in the account of the provider that prepared it, if that [names one](super::RunProvider::scope).
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The run, where the caller names it. It may not have been started.
    #[must_use]
    pub fn run(&self) -> Option<RunRef> {
        self.run.as_deref().map(|id| self.target.run(id))
    }

    /// When it was prepared, by the clock of the machine that did so.
    #[must_use]
    pub fn prepared(&self) -> DateTime<Utc> {
        self.prepared
    }

    /// Whether this machine's clock was not set back since the intent was prepared, as far as the skew allows to tell.
    pub(super) fn believes(&self, local: DateTime<Utc>) -> bool {
        self.passed(self.prepared, local).is_some()
    }

    /// The time between two readings of a clock, unless the clock was set back in between.
    fn passed(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Duration> {
        let late = (from - to).to_std().unwrap_or_default();
        (late <= self.bounds.skew).then(|| (to - from).to_std().unwrap_or_default())
    }

    /// How long it is still too early to decide what became of it. Zero if it is decided by what the vendor lists now.
    ///
    /// The clock that shows the least time since the intent was prepared is believed, so that no clock that runs ahead can decide
    /// too early. A clock that shows a time before the intent was set back, and is not asked. The time that this process itself
    /// has had the intent has passed in any case.
    pub(super) fn undecided_for(&self, now: Moment) -> Duration {
        let local = self.passed(self.prepared, now.local);
        let server = self.server_time.zip(now.server);
        let server = server.and_then(|(from, to)| self.passed(from, to));
        let least = local.into_iter().chain(server).min().unwrap_or_default();
        self.bounds.total().saturating_sub(least.max(now.held))
    }

    /// When it was prepared, by the clock of the vendor or the machine: that which says the earlier time.
    pub(super) fn began(&self) -> DateTime<Utc> {
        self.server_time.map_or(self.prepared, |time| time.min(self.prepared))
    }

    /// Whether a run was created after whatever this start sent had arrived, by the clocks of vendor and machine both.
    pub(super) fn is_later(&self, created: DateTime<Utc>) -> bool {
        let from = self.server_time.map_or(self.prepared, |time| time.max(self.prepared));
        let arrived = TimeDelta::from_std(self.bounds.arrived()).unwrap_or(TimeDelta::MAX);
        from.checked_add_signed(arrived).is_some_and(|last| created > last)
    }
}

impl fmt::Display for StartIntent {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for StartIntent {
    type Err = Error;

    #[inline]
    fn from_str(line: &str) -> Result<Self> {
        serde_json::from_str(line).map_err(|_| {
            Error::config(
                "this is not the intent of a start; pass the line that was stored, unchanged",
            )
        })
    }
}

/// The runs of a target that were there at one moment, as marks of their ids: of a thousand runs, two have the same mark once in
/// 10^13 times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownRuns {
    /// What part of the list was read.
    pub(super) part: Part,
    /// Sorted.
    #[serde(with = "packed")]
    marks: Vec<u64>,
}

/// Which part of a list of runs is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// All runs.
    #[default]
    Whole,
    /// The newest runs, of a list that is sorted newest first.
    Newest,
    /// Too few to tell what is new: the list is long, and not sorted newest first.
    Some,
}

impl KnownRuns {
    pub(super) fn insert(&mut self, run: &RunRef) {
        let mark = stable_hash(run.id());
        if let Err(place) = self.marks.binary_search(&mark) {
            self.marks.insert(place, mark);
        }
    }

    pub(super) fn contains(&self, run: &RunRef) -> bool {
        self.marks.binary_search(&stable_hash(run.id())).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }
}

/// Marks as one text: eight bytes each, smallest first.
mod packed {
    use super::URL_SAFE_NO_PAD;
    use base64::Engine as _;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        marks: &[u64],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = marks.iter().flat_map(|mark| mark.to_be_bytes()).collect();
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u64>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        let (marks, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(D::Error::custom("the marks of the known runs are cut short"));
        }
        let mut marks: Vec<_> = marks.iter().map(|mark| u64::from_be_bytes(*mark)).collect();
        marks.sort_unstable();
        Ok(marks)
    }
}

/// Durations in milliseconds.
mod millis {
    use super::Duration;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_later_than_a_start_once_everything_that_it_sent_has_arrived() {
        let target = Target::new(crate::vendor::Vendor::new("acme"), "nightly");
        let (prepared, bounds) = (DateTime::UNIX_EPOCH, Bounds::default());
        let arrived = TimeDelta::from_std(bounds.arrived()).unwrap();
        let intent = StartIntent::new(target, None, prepared, bounds);
        assert!(!intent.is_later(prepared + arrived));
        assert!(intent.is_later(prepared + arrived + TimeDelta::milliseconds(1)));
    }
}

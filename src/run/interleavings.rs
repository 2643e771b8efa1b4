//! A model of how a run is started exactly once, and a search through everything that can happen in it.
//!
//! One job has one row in a store: nothing, an intent, or a run. Two workers execute the protocol: prepare a start, swap its
//! intent into the row, check the lease, send the trigger, save the run; or recover the intent that they find in the row. Between
//! any two of their steps any time may pass, so a worker may freeze at every step and wake up later, and it may be killed and
//! start again from the row. The vendor carries out a trigger and lists its run as late as the bounds allow; triggers and
//! responses get lost; the wall clocks of the machines differ; and the monotonic clock of a frozen machine may stand still.
//!
//! Each search visits all states that can be reached within a horizon, about 200,000: time for a start, its recovery, a second
//! start and the recovery of that one. In each state it checks that no second run was started, and that each worker, if it is left
//! alone with a network that works, ends with the run in the row. What a worker decides is decided by the code of the crate:
//! [`Lease`], [`StartIntent`] and [`decided_by`].
//!
//! The other tests take away one part of the protocol, or one assumption. The search must then find the second run, and prints the
//! shortest story that leads to it: `cargo test --lib interleavings -- --nocapture`.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::intent::{Bounds, KnownRuns, Moment, StartIntent};
use super::model::{RunRef, Target};
use super::recover::{Recovery, decided_by};
use super::search::Look;
use crate::client::{Clock, Hands, Lease, SystemClock};
use crate::vendor::Vendor;

// What the world keeps to, in seconds. Time passes second by second.
const LEASE: u8 = 1;
const ARRIVAL: u8 = 1;
const SKEW: u8 = 1;
const GRACE: u8 = 1;

/// Everything that may differ from one moment to the next.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    /// The true time, which nobody knows.
    now: u8,
    row: Row,
    workers: [Worker; 2],
    /// The run that the vendor has.
    run: Option<Run>,
    /// The vendor has a second run: the promise is broken.
    second_run: bool,
}

/// What the store holds for the job.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Row {
    Empty,
    Intent(Intent),
    Run,
}

/// What makes one [`StartIntent`] differ from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Intent {
    worker: u8,
    /// By the worker's wall clock.
    prepared: i8,
    /// The vendor's time when it listed the runs, if it says.
    listed: Option<u8>,
    /// The run was there before.
    knows_run: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Run {
    started_by: Intent,
    created: u8,
    is_listed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Worker {
    next: Next,
    /// Its wall clock is ahead of the true time by this much.
    ahead: i8,
    /// Seconds by its monotonic clock since it took the time of its lease, or read an intent, as far as they matter.
    timer: u8,
    /// The trigger that it has sent and that is under way, and for how long. It arrives even if its sender is dead.
    trigger: Option<(Intent, u8)>,
}

/// What a worker does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Next {
    ReadRow,
    Prepare {
        old: Option<Intent>,
    },
    ListBefore {
        old: Option<Intent>,
        prepared: i8,
    },
    StoreIntent {
        old: Option<Intent>,
        new: Intent,
    },
    CheckAndSend(Intent),
    /// Only if a worker may freeze between the check and the sending.
    Send(Intent),
    Receive(Intent),
    SaveRun {
        of: Intent,
    },
    TakeTime {
        of: Intent,
    },
    ListAndDecide {
        of: Intent,
        wall: i8,
        held: u8,
    },
    /// It has found out that the row holds the run.
    Nothing,
    CallForHelp {
        of: Intent,
    },
    /// It has given the job to a person. This should never happen.
    Helpless,
}

/// A state, the number of the one before it, and the step between them.
type Found = (State, Option<usize>, Step);

/// Who does what.
type Step = (&'static str, &'static str);

const WORKERS: [&str; 2] = ["worker A", "worker B"];

impl State {
    /// Nothing has happened, and the wall clocks are ahead by this much.
    fn first(ahead: [i8; 2]) -> Self {
        let worker = |ahead| Worker { next: Next::ReadRow, ahead, timer: 0, trigger: None };
        let workers = ahead.map(worker);
        Self { now: 0, row: Row::Empty, workers, run: None, second_run: false }
    }

    fn wall(&self, me: usize) -> i8 {
        self.now.cast_signed() + self.workers[me].ahead
    }

    fn with_row(self, row: Row) -> Self {
        Self { row, ..self }
    }

    fn then(mut self, me: usize, next: Next) -> Self {
        self.workers[me].next = next;
        if !next.holds_lease() && !matches!(next, Next::TakeTime { .. }) {
            self.workers[me].timer = 0;
        }
        self
    }

    /// The trigger of a worker arrives.
    fn arrived(mut self, me: usize) -> Self {
        if let Some((started_by, _)) = self.workers[me].trigger.take() {
            self.second_run = self.run.is_some();
            self.run = Some(Run { started_by, created: self.now, is_listed: false });
        }
        self
    }

    /// The vendor must list the run before the next second.
    fn list_is_due(&self) -> bool {
        self.run.is_some_and(|run| !run.is_listed && self.now >= run.created + GRACE)
    }

    fn listed_run(&self) -> Option<Run> {
        self.run.filter(|run| run.is_listed)
    }

    fn violation(&self, all: bool) -> Option<&'static str> {
        let asks = |worker: &Worker| worker.next == Next::Helpless;
        if self.second_run {
            Some("a second run was started")
        } else if all && self.workers.iter().any(asks) {
            Some("a worker cannot tell which run is its own")
        } else if self.row == Row::Run && self.run.is_none() {
            Some("the row has a run that does not exist")
        } else {
            None
        }
    }
}

impl Next {
    fn holds_lease(self) -> bool {
        matches!(self, Self::ListBefore { .. } | Self::StoreIntent { .. } | Self::CheckAndSend(_))
    }
}

/// The world, and the protocol as the workers execute it.
#[allow(clippy::struct_excessive_bools, reason = "each is a yes or no of its own")]
struct Model {
    /// How long a recovery waits, according to the intents.
    bounds: Bounds,
    lease_asks: Clocks,
    /// The store replaces what is in the row only if it is what the worker has read.
    store_compares: bool,
    may_freeze_before_sending: bool,
    caller_names_run: bool,
    vendor_says_time: bool,
    monotonic_clock_may_stop: bool,
    /// A worker that recovers does not only ask the wall clock: it counts the seconds in which it has had the intent.
    waits_in_process: bool,
    /// The wall clocks are ahead of the true time by so much.
    ahead: [i8; 2],
    /// The wall clock of worker A may be set back by so much, once.
    set_back_by: i8,
    /// The search ends after so many seconds.
    horizon: u8,
    /// Whether anything but a second run is a violation, too.
    check_all: bool,
    intents: RefCell<HashMap<Intent, Rc<StartIntent>>>,
    monotonic_zero: Instant,
}

/// The clocks that the check of a lease asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clocks {
    Both,
    Monotonic,
    Wall,
    None,
}

impl Model {
    fn new() -> Self {
        Self {
            bounds: Bounds {
                lease: seconds(LEASE),
                arrival: seconds(ARRIVAL),
                skew: seconds(SKEW),
                grace: seconds(GRACE),
            },
            lease_asks: Clocks::Both,
            store_compares: true,
            may_freeze_before_sending: false,
            caller_names_run: false,
            vendor_says_time: false,
            monotonic_clock_may_stop: true,
            waits_in_process: false,
            ahead: [0, SKEW.cast_signed()],
            set_back_by: 0,
            horizon: 8,
            check_all: true,
            intents: RefCell::default(),
            monotonic_zero: SystemClock.now(),
        }
    }

    /// Everything that can happen next. First what a world without failures does, and time passes when there is nothing else to do.
    fn steps(&self, state: &State) -> Vec<(Step, State)> {
        let mut steps = Vec::new();
        for me in [0, 1] {
            if state.workers[me].trigger.is_some() {
                steps.push((("the vendor", "starts a run"), state.arrived(me)));
            }
        }
        if let Some(run) = state.run.filter(|run| !run.is_listed) {
            let run = Some(Run { is_listed: true, ..run });
            steps.push((("the vendor", "lists the run"), State { run, ..*state }));
        }
        for me in [0, 1] {
            for (does, next) in self.work(state, me) {
                steps.push(((WORKERS[me], does), next));
            }
        }
        // Nothing is gained by waiting before anybody has done anything.
        let has_begun = state.row != Row::Empty
            || state.workers.iter().any(|worker| worker.next != Next::ReadRow);
        if has_begun && !state.list_is_due() {
            let mut passes = |does, clock_runs| {
                steps.push((("time", does), self.tick(*state, clock_runs)));
            };
            passes("passes", [true, true]);
            if self.monotonic_clock_may_stop {
                passes("passes, and A's monotonic clock stands still", [false, true]);
                passes("passes, and B's monotonic clock stands still", [true, false]);
                passes("passes, and both monotonic clocks stand still", [false, false]);
            }
        }
        for me in [0, 1] {
            let next = state.workers[me].next;
            if !matches!(next, Next::ReadRow | Next::Nothing) {
                steps.push((
                    (WORKERS[me], "is killed, and begins again"),
                    state.then(me, Next::ReadRow),
                ));
            }
        }
        if self.set_back_by > 0 && state.workers[0].ahead == self.ahead[0] {
            let mut next = *state;
            next.workers[0].ahead -= self.set_back_by;
            steps.push(((WORKERS[0], "has its wall clock set back"), next));
        }
        steps
    }

    /// A second passes. The monotonic clocks of the workers run, or stand still.
    fn tick(&self, mut state: State, clock_runs: [bool; 2]) -> State {
        state.now += 1;
        for (worker, runs) in state.workers.iter_mut().zip(clock_runs) {
            let counts_to = match worker.next {
                next if next.holds_lease() => LEASE,
                Next::TakeTime { .. } if self.waits_in_process => LEASE + ARRIVAL + SKEW + GRACE,
                _ => 0,
            };
            worker.timer += u8::from(runs && worker.timer < counts_to);
            // A trigger that is late never arrives.
            let in_time = worker.trigger.filter(|(_, age)| *age < ARRIVAL);
            worker.trigger = in_time.map(|(intent, age)| (intent, age + 1));
        }
        state
    }

    /// What a worker can do next.
    fn work(&self, state: &State, me: usize) -> Vec<(&'static str, State)> {
        let Worker { next, timer, .. } = state.workers[me];
        let wall = state.wall(me);
        let one = |does, next| vec![(does, state.then(me, next))];
        match next {
            Next::ReadRow => match state.row {
                Row::Empty => one("reads the row: nothing", Next::Prepare { old: None }),
                Row::Intent(of) => one("reads the row: an intent", Next::TakeTime { of }),
                Row::Run => one("reads the row: a run", Next::Nothing),
            },
            Next::Prepare { old } => {
                one("takes the time of its lease", Next::ListBefore { old, prepared: wall })
            }
            Next::ListBefore { old, prepared } => {
                let new = Intent {
                    worker: u8::from(me == 1),
                    prepared,
                    listed: self.vendor_says_time.then_some(state.now),
                    knows_run: state.listed_run().is_some(),
                };
                one("lists the runs that are there", Next::StoreIntent { old, new })
            }
            Next::StoreIntent { old, new } => {
                if self.store_compares && state.row != old.map_or(Row::Empty, Row::Intent) {
                    return one("cannot store its intent: the row has changed", Next::ReadRow);
                }
                let stored = state.with_row(Row::Intent(new));
                vec![("stores its intent", stored.then(me, Next::CheckAndSend(new)))]
            }
            Next::CheckAndSend(intent) if self.lease_is_over(intent, timer, wall) => {
                one("is refused to send: the lease is over", Next::Prepare { old: Some(intent) })
            }
            Next::CheckAndSend(intent) if self.may_freeze_before_sending => {
                one("checks its lease", Next::Send(intent))
            }
            Next::CheckAndSend(intent) | Next::Send(intent) => {
                let mut sent = state.then(me, Next::Receive(intent));
                sent.workers[me].trigger = Some((intent, 0));
                vec![("sends the trigger", sent)]
            }
            Next::Receive(intent) => {
                let mut steps = Vec::new();
                if state.run.is_some_and(|run| run.started_by == intent) {
                    steps.extend(one("receives the run's id", Next::SaveRun { of: intent }));
                }
                if state.listed_run().is_some() && !intent.knows_run {
                    steps.extend(one("finds the run in the list", Next::SaveRun { of: intent }));
                }
                steps.extend(one("receives no response", Next::ReadRow));
                steps
            }
            Next::SaveRun { of } => {
                if self.store_compares && state.row != Row::Intent(of) {
                    return one("cannot save the run: the row has changed", Next::ReadRow);
                }
                vec![("saves the run", state.with_row(Row::Run).then(me, Next::Nothing))]
            }
            Next::TakeTime { of } => {
                let intent = self.intent(of);
                let now = Moment { local: utc(wall), server: None, held: seconds(timer) };
                let is_named = self.caller_names_run
                    && state.listed_run().is_some_and(|run| run.started_by == of);
                if is_named {
                    one("finds the run by its name", Next::SaveRun { of })
                } else if intent.believes(now.local) && !intent.undecided_for(now).is_zero() {
                    Vec::new()
                } else {
                    one(
                        "takes the time: late enough to decide",
                        Next::ListAndDecide { of, wall, held: timer },
                    )
                }
            }
            Next::ListAndDecide { of, wall, held } => {
                let server = self.vendor_says_time.then(|| self.vendor_time(state.now));
                let now = Moment { local: utc(wall), server, held: seconds(held) };
                if !self.intent(of).undecided_for(now).is_zero() {
                    return one("lists the runs: too early to decide", Next::TakeTime { of });
                }
                let (does, next) = self.decide(state, of, server);
                one(does, next)
            }
            // The run may be that of a later intent, which another worker has stored.
            Next::CallForHelp { of } if state.row != Row::Intent(of) => {
                one("asks nobody: the row has changed", Next::ReadRow)
            }
            Next::CallForHelp { .. } => one("asks a person", Next::Helpless),
            Next::Nothing | Next::Helpless => Vec::new(),
        }
    }

    fn decide(
        &self,
        state: &State,
        of: Intent,
        server: Option<DateTime<Utc>>,
    ) -> (&'static str, Next) {
        let intent = self.intent(of);
        let mut look = Look { is_complete: true, server_time: server, ..Look::default() };
        if let Some(run) = state.listed_run() {
            let reference = self.reference(run.started_by);
            if !intent.known.as_ref().is_some_and(|known| known.contains(&reference)) {
                look.ours.insert(reference, Some(self.vendor_time(run.created)));
            }
        }
        match decided_by(&intent, &HashSet::new(), look) {
            Ok(Recovery::Started(_)) => ("lists the runs: ours is there", Next::SaveRun { of }),
            Ok(Recovery::NotStarted) => {
                ("lists the runs: nothing was started", Next::Prepare { old: Some(of) })
            }
            _ => ("lists the runs and cannot decide", Next::CallForHelp { of }),
        }
    }

    fn lease_is_over(&self, intent: Intent, timer: u8, wall: i8) -> bool {
        let (asks, begun) = (self.lease_asks, intent.prepared);
        let clock = |timer, wall| Hands(self.monotonic_zero + seconds(timer), utc(wall));
        let timer = if matches!(asks, Clocks::Both | Clocks::Monotonic) { timer } else { 0 };
        let wall = if matches!(asks, Clocks::Both | Clocks::Wall) { wall } else { begun };
        Lease::new(&clock(0, begun), seconds(LEASE)).is_over(&clock(timer, wall))
    }

    /// The vendor's clock is wrong by as much as does no harm: by anything, if the vendor says what time it is.
    fn vendor_time(&self, now: u8) -> DateTime<Utc> {
        utc(now.cast_signed() + if self.vendor_says_time { 50 } else { SKEW.cast_signed() })
    }

    /// The run that this start makes. An id that the vendor chooses may be the same for each: the search ends at the second run.
    fn reference(&self, started_by: Intent) -> RunRef {
        let Intent { worker, prepared, .. } = started_by;
        if self.caller_names_run {
            target().run(format!("{}-{prepared}", WORKERS[usize::from(worker)]))
        } else {
            target().run("chosen-by-vendor")
        }
    }

    fn intent(&self, key: Intent) -> Rc<StartIntent> {
        let mut intents = self.intents.borrow_mut();
        let made = || {
            let run = self.reference(key);
            let name = self.caller_names_run.then_some(&run);
            let intent = StartIntent::new(target(), name, utc(key.prepared), self.bounds);
            if name.is_some() {
                return Rc::new(intent);
            }
            let mut known = KnownRuns::default();
            if key.knows_run {
                known.insert(&run);
            }
            Rc::new(intent.after(known, key.listed.map(|now| self.vendor_time(now))))
        };
        Rc::clone(intents.entry(key).or_insert_with(made))
    }

    /// Visits every state within the horizon, and returns how many there are, or the shortest story that breaks the promise.
    fn search(&self) -> Result<usize, String> {
        // Each state with the number of the one before it, in the order in which they are found.
        let first = State::first(self.ahead);
        let mut found: Vec<Found> = vec![(first, None, ("", ""))];
        let mut seen = States::from_iter([first]);
        let mut finish = States::default();
        let mut number = 0;
        while let Some((state, ..)) = found.get(number).copied() {
            let stuck =
                |me: &usize| self.check_all && !self.finishes_alone(state, *me, &mut finish);
            let stuck =
                [0, 1].into_iter().find(stuck).map(|_| "a worker alone does not finish the job");
            if let Some(why) = state.violation(self.check_all).or(stuck) {
                return Err(story(&found, number, why));
            }
            for (step, next) in self.steps(&state) {
                if next.now <= self.horizon && seen.insert(next) {
                    found.push((next, Some(number), step));
                }
            }
            number += 1;
        }
        Ok(number)
    }

    /// Whether a worker ends with the run in the row if the other one is dead, and nothing fails any more.
    fn finishes_alone(&self, mut state: State, me: usize, known: &mut States) -> bool {
        let other = &mut state.workers[1 - me];
        *other = Worker { next: Next::Nothing, ahead: 0, timer: 0, ..*other };
        let mut path = Vec::new();
        while state.row != Row::Run && !known.contains(&state) {
            path.push(state);
            let mut next = self.steps(&state).into_iter().map(|(_, next)| next);
            match next.find(|next| !path.contains(next)) {
                Some(next) if path.len() < 100 => state = next,
                _ => return false,
            }
        }
        known.extend(path);
        true
    }
}

fn story(found: &[Found], last: usize, why: &str) -> String {
    let mut lines = vec![why.to_owned()];
    let mut number = Some(last);
    while let Some((state, before, (who, does))) = number.map(|number| found[number]) {
        lines.push(match before {
            Some(_) => format!("{:>2} s  {who} {does}", state.now),
            None => format!(
                "wall clocks of A and B: {:+} s, {:+} s",
                state.workers[0].ahead, state.workers[1].ahead
            ),
        });
        number = before;
    }
    lines.reverse();
    lines.join("\n")
}

fn target() -> Target {
    Target::new(Vendor::new("acme"), "nightly")
}

fn seconds(seconds: u8) -> Duration {
    Duration::from_secs(seconds.into())
}

fn utc(seconds: i8) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(1) + TimeDelta::seconds(seconds.into())
}

type States = HashSet<State, BuildHasherDefault<Mixer>>;

/// A hasher for small numbers: with the standard one, the searches take twice as long in a debug build.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// The number of an enum's variant.
    fn write_isize(&mut self, number: isize) {
        self.write_u8(number.to_le_bytes()[0]);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

fn holds(model: &Model) {
    let states = model.search().unwrap_or_else(|story| panic!("\n{story}"));
    println!("{states} states");
    assert!(states > 50_000, "{states} states are too few to say anything");
}

/// The search finds a second run.
fn breaks(model: Model) {
    let story = Model { check_all: false, ..model }.search().expect_err("no second run");
    println!("\n{story}");
    assert!(story.ends_with("a second run was started"), "{story}");
}

#[test]
fn one_run_is_started_whatever_happens() {
    holds(&Model::new());
}

#[test]
fn one_run_is_started_by_workers_that_wait_in_their_processes() {
    holds(&Model { waits_in_process: true, horizon: 6, ..Model::new() });
}

#[test]
fn one_run_is_started_if_the_caller_names_it() {
    holds(&Model { caller_names_run: true, horizon: 7, ..Model::new() });
}

#[test]
fn one_run_is_started_if_a_wall_clock_is_set_back_within_the_skew() {
    let skew = SKEW.cast_signed();
    holds(&Model { ahead: [skew, skew], set_back_by: skew, horizon: 6, ..Model::new() });
}

/// The wall clock of worker A is set back by more than the skew.
fn set_back_far() -> Model {
    Model {
        vendor_says_time: true,
        monotonic_clock_may_stop: false,
        set_back_by: 4,
        horizon: 5,
        ..Model::new()
    }
}

#[test]
fn a_wall_clock_that_is_set_back_far_does_no_harm_if_the_vendor_says_its_time() {
    holds(&set_back_far());
    breaks(Model { vendor_says_time: false, ..set_back_far() });
}

#[test]
fn the_lease_must_be_checked() {
    breaks(Model { lease_asks: Clocks::None, ..Model::new() });
}

#[test]
fn the_lease_must_be_checked_by_both_clocks() {
    breaks(Model { lease_asks: Clocks::Monotonic, ..Model::new() });
    breaks(Model { lease_asks: Clocks::Wall, ..set_back_far() });
}

#[test]
fn two_clocks_that_are_wrong_at_once_are_too_much() {
    breaks(Model { monotonic_clock_may_stop: true, ..set_back_far() });
}

#[test]
fn the_store_must_compare_before_it_replaces() {
    breaks(Model { store_compares: false, ..Model::new() });
}

#[test]
fn each_of_the_four_bounds_is_needed() {
    let (bounds, none) = (Model::new().bounds, Duration::ZERO);
    breaks(Model { bounds: Bounds { lease: none, ..bounds }, ..Model::new() });
    breaks(Model { bounds: Bounds { arrival: none, ..bounds }, ..Model::new() });
    breaks(Model { bounds: Bounds { skew: none, ..bounds }, ..Model::new() });
    breaks(Model { bounds: Bounds { grace: none, ..bounds }, ..Model::new() });
}

/// What the crate cannot exclude: it checks the lease when the head of the request is about to be written, but not later.
#[test]
fn a_worker_that_freezes_between_the_check_and_the_sending_may_start_a_second_run() {
    breaks(Model { may_freeze_before_sending: true, ..Model::new() });
}

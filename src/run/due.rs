//! Which targets of a wait for many runs are polled next.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Instant;

use super::model::{RunRef, Target};

/// Runs that are to be polled, by target.
#[derive(Default)]
pub(super) struct Due {
    /// The targets that are still to be polled in this round.
    round: BTreeMap<Target, BTreeSet<RunRef>>,
    /// Runs that have joined and were not polled yet, and those that an event concerns: they do not wait for a round.
    fresh: BTreeMap<Target, BTreeSet<RunRef>>,
    /// Of `fresh`, the target that was polled last.
    last_fresh: Option<Target>,
    /// The target that was polled last was of `fresh`.
    last_was_fresh: bool,
    /// Targets that are being polled.
    busy: BTreeSet<Target>,
    /// Targets that are not polled before this time: their server asked for a pause, or an event came soon after a poll.
    held: BTreeMap<Target, Instant>,
}

// Inline: only programs that wait for many runs compile the maps.
impl Due {
    /// Adds a run to the round.
    #[inline]
    pub(super) fn add(&mut self, run: &RunRef) {
        self.round.entry(run.target().clone()).or_default().insert(run.clone());
    }

    /// Adds a run to the round if its target is in it.
    #[inline]
    pub(super) fn add_to_its_target(&mut self, run: &RunRef) {
        if let Some(runs) = self.round.get_mut(run.target()) {
            runs.insert(run.clone());
        }
    }

    /// Adds a run that waits for no round. Whether it is new among them.
    #[inline]
    pub(super) fn add_fresh(&mut self, run: &RunRef) -> bool {
        self.fresh.entry(run.target().clone()).or_default().insert(run.clone())
    }

    /// Moves fresh runs of the round's targets into the round.
    #[inline]
    pub(super) fn bring_fresh_along(&mut self) {
        for (target, runs) in &mut self.round {
            runs.extend(self.fresh.remove(target).into_iter().flatten());
        }
    }

    #[inline]
    pub(super) fn is_fresh(&self, run: &RunRef) -> bool {
        self.fresh.get(run.target()).is_some_and(|fresh| fresh.contains(run))
    }

    #[inline]
    pub(super) fn remove_fresh(&mut self, run: &RunRef) {
        if let Entry::Occupied(mut fresh) = self.fresh.entry(run.target().clone()) {
            fresh.get_mut().remove(run);
            if fresh.get().is_empty() {
                fresh.remove();
            }
        }
    }

    /// The target is not polled before this time.
    #[inline]
    pub(super) fn hold(&mut self, target: &Target, until: Instant) {
        let held = self.held.entry(target.clone()).or_insert(until);
        *held = until.max(*held);
    }

    /// Forgets the holds that are over.
    #[inline]
    pub(super) fn release(&mut self, now: Instant) {
        self.held.retain(|_, until| *until > now);
    }

    /// When the first of the targets with fresh runs is free, if one is held.
    #[inline]
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.fresh.keys().filter_map(|target| self.held.get(target)).min().copied()
    }

    #[inline]
    pub(super) fn begin_poll(&mut self, target: Target) {
        self.busy.insert(target);
    }

    #[inline]
    pub(super) fn end_poll(&mut self, target: &Target) {
        self.busy.remove(target);
    }

    /// The polls that are under way have been dropped.
    #[inline]
    pub(super) fn end_polls(&mut self) {
        self.busy.clear();
    }

    /// Whether the target can be polled now: it is not held, and not being polled.
    #[inline]
    pub(super) fn is_free(&self, target: &Target, now: Instant) -> bool {
        self.held.get(target).is_none_or(|until| *until <= now) && !self.busy.contains(target)
    }

    /// Whether there is a target to poll now.
    #[inline]
    pub(super) fn is_any_free(&self, now: Instant) -> bool {
        !self.round.is_empty() || self.fresh.keys().any(|target| self.is_free(target, now))
    }

    #[inline]
    pub(super) fn is_round_over(&self) -> bool {
        self.round.is_empty()
    }

    /// The next target to poll, with its runs: a fresh one or one of the round. They take turns, and so do the fresh ones: events
    /// that keep coming for some targets hold up neither the round nor the others.
    #[inline]
    pub(super) fn next(&mut self, now: Instant) -> Option<(Target, BTreeSet<RunRef>)> {
        let is_turn_of_round = std::mem::take(&mut self.last_was_fresh);
        let in_round = self.round.first_key_value().map(|(target, _)| target);
        let target =
            in_round.filter(|_| is_turn_of_round).or(self.next_fresh(now)).or(in_round)?.clone();
        let mut runs = self.round.remove(&target).unwrap_or_default();
        if self.is_free(&target, now)
            && let Some(fresh) = self.fresh.remove(&target)
        {
            runs.extend(fresh);
            self.last_was_fresh = true;
            self.last_fresh = Some(target.clone());
        }
        Some((target, runs))
    }

    /// The next target with fresh runs that can be polled, after the last one in their order.
    #[inline]
    fn next_fresh(&self, now: Instant) -> Option<&Target> {
        let after = self.last_fresh.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.fresh.range((after, Bound::Unbounded)).map(|(target, _)| target);
        later.chain(self.fresh.keys()).find(|target| self.is_free(target, now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::{Clock as _, SystemClock, Vendor};

    fn run(target: &str, id: &str) -> RunRef {
        Target::new(Vendor::new("own"), target).run(id)
    }

    /// The targets and runs that are polled one after the other, each until the next one begins.
    fn polled(due: &mut Due, now: Instant) -> Vec<String> {
        let mut polled = Vec::new();
        while let Some((target, runs)) = due.next(now) {
            let runs: Vec<_> = runs.iter().map(RunRef::id).collect();
            polled.push(format!("{}: {}", target.id(), runs.join(" ")));
        }
        polled
    }

    #[test]
    fn the_round_and_fresh_targets_take_turns() {
        let (mut due, now) = (Due::default(), SystemClock.now());
        for target in ["a", "b", "c"] {
            due.add(&run(target, "of-round"));
        }
        for target in ["x", "y", "c"] {
            assert!(due.add_fresh(&run(target, "fresh")));
        }
        assert!(!due.add_fresh(&run("x", "fresh")), "it is there already");
        let expected = ["c: fresh of-round", "a: of-round", "x: fresh", "b: of-round", "y: fresh"];
        assert_eq!(polled(&mut due, now), expected);
        assert!(due.is_round_over() && !due.is_any_free(now));
        due.add_fresh(&run("x", "fresh"));
        assert!(due.is_round_over() && due.is_any_free(now));
        due.hold(run("x", "fresh").target(), now + Duration::from_secs(1));
        due.add(&run("a", "of-round"));
        assert!(!due.is_round_over() && due.is_any_free(now));
    }

    #[test]
    fn fresh_targets_go_on_after_the_one_that_was_polled_last() {
        let (mut due, now) = (Due::default(), SystemClock.now());
        // An event for `a` comes after each poll.
        let fresh = |due: &mut Due| ["a", "b", "c"].map(|target| due.add_fresh(&run(target, "r")));
        let mut order = Vec::new();
        for _ in 0..4 {
            fresh(&mut due);
            order.push(due.next(now).unwrap().0.id().to_owned());
        }
        assert_eq!(order, ["a", "b", "c", "a"]);
    }

    #[test]
    fn a_target_is_not_polled_while_it_is_held_or_polled() {
        let (mut due, now) = (Due::default(), SystemClock.now());
        let later = now + Duration::from_secs(9);
        let [held, other] = [run("held", "1"), run("other", "2")];
        due.hold(held.target(), later);
        due.hold(held.target(), now);
        assert_eq!(due.held_until(), None, "nothing waits for it");
        due.add_fresh(&held);
        assert_eq!((due.held_until(), due.is_any_free(now)), (Some(later), false));
        assert_eq!(polled(&mut due, now), [""; 0]);
        due.add_fresh(&other);
        due.hold(other.target(), now + Duration::from_secs(5));
        assert_eq!(due.held_until(), Some(now + Duration::from_secs(5)));
        due.release(now + Duration::from_secs(5));
        assert_eq!(due.held_until(), Some(later), "the other one is free");
        due.begin_poll(other.target().clone());
        assert!(!due.is_free(other.target(), now) && due.next(now).is_none());
        due.end_poll(other.target());
        assert_eq!(polled(&mut due, now), ["other: 2"]);
        assert!(due.is_free(held.target(), later));
        assert_eq!(polled(&mut due, later), ["held: 1"]);
    }

    #[test]
    fn a_fresh_run_comes_with_its_target_and_goes_with_its_end() {
        let (mut due, now) = (Due::default(), SystemClock.now());
        let [first, second, other] = [run("t", "1"), run("t", "2"), run("u", "3")];
        due.add(&first);
        due.add_to_its_target(&second);
        due.add_to_its_target(&other);
        assert_eq!(polled(&mut due, now), ["t: 1 2"]);

        due.add(&first);
        due.add_fresh(&second);
        due.add_fresh(&other);
        due.bring_fresh_along();
        assert_eq!((due.is_fresh(&second), due.is_fresh(&other)), (false, true));
        due.remove_fresh(&other);
        due.remove_fresh(&other);
        assert_eq!(polled(&mut due, now), ["t: 1 2"]);
        assert!(!due.is_any_free(now));

        // A round's target that is held meanwhile is polled all the same, without the fresh run that it is held for.
        due.add(&first);
        due.add_fresh(&second);
        due.hold(first.target(), now + Duration::from_secs(1));
        assert_eq!(polled(&mut due, now), ["t: 1"]);
        assert_eq!(due.held_until(), Some(now + Duration::from_secs(1)));
    }
}

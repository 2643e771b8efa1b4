//! Which run is ours? The list of runs is read before a trigger and after it, and compared.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::intent::{KnownRuns, Part};
use super::model::{RunRef, Target};
use super::provider::{RecentRuns, RunProvider};
use crate::client::CallLimits;
use crate::error::Result;
use crate::paging::page::{Endless, LoopGuard};
use crate::paging::walk::endless;

/// Runs that are read at most, of a list that is not sorted newest first.
const MOST_RUNS: usize = 10_000;

/// How often a list that becomes shorter while it is read is read.
const MOST_READS: usize = 3;

/// Runs that are known at most, of a list that is sorted newest first.
const MOST_KNOWN: usize = 500;

/// The known runs reach back this far, unless there are [`MOST_KNOWN`] of them: a vendor may call the time for which a run was
/// due its creation, and sort a new run among older ones.
const REACH: TimeDelta = TimeDelta::days(1);

/// Reads the runs that are there before a trigger, and the vendor's time.
pub(super) async fn known_runs<P: RunProvider + ?Sized>(
    provider: &P,
    target: &Target,
    limits: &CallLimits,
) -> Result<(KnownRuns, Option<DateTime<Utc>>)> {
    type Read = (KnownRuns, Option<DateTime<Utc>>, Order);

    let enough = |(known, server_time, order): &mut Read, recent: RecentRuns| {
        *server_time = server_time.or(recent.server_time);
        for run in &recent.page.items {
            known.insert(&run.run);
            order.add(run.created);
        }
        order.is_newest_first() && (order.reach() >= REACH || known.len() >= MOST_KNOWN)
    };
    let ((mut known, server_time, _), end) = walk(provider, target, limits, enough).await?;
    known.part = match end {
        End::Reached => Part::Whole,
        End::Enough => Part::Newest,
        End::TooFar => Part::Some,
    };
    Ok((known, server_time))
}

/// Runs, with the times of their creation.
pub(super) type Runs = HashMap<RunRef, Option<DateTime<Utc>>>;

/// What the list has that was not known before.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Runs that a trigger of ours would make.
    pub(super) ours: Runs,
    /// Runs that somebody else seems to have started.
    pub(super) doubtful: Runs,
    /// Everything was read that may hold a new run.
    pub(super) is_complete: bool,
    /// The vendor's time when it began to list.
    pub(super) server_time: Option<DateTime<Utc>>,
    /// Runs that ended after this time are still there.
    pub(super) kept_since: Option<DateTime<Utc>>,
}

impl Look {
    /// Reads the list again, as far as a new run may stand in it: to the last of the known runs, or to its end.
    ///
    /// A new run is one that was not there before. Its time does not exclude it: times are the vendor's idea of when a run is due.
    pub(super) async fn take<P: RunProvider + ?Sized>(
        provider: &P,
        target: &Target,
        known: &KnownRuns,
        limits: &CallLimits,
    ) -> Result<Self> {
        /// The look, the known runs that were met, and the unknown ones behind the last of them so far: these are new if another
        /// known run follows.
        type Read = (Look, HashSet<RunRef>, Vec<(RunRef, Option<DateTime<Utc>>, bool)>);

        let enough = |(look, met, behind): &mut Read, recent: RecentRuns| {
            look.server_time = look.server_time.or(recent.server_time);
            look.kept_since = look.kept_since.max(recent.kept_since);
            for run in recent.page.items {
                if known.contains(&run.run) {
                    met.insert(run.run);
                    look.add(behind.drain(..));
                } else {
                    let doubtful = recent.doubtful.contains(&run.run);
                    behind.push((run.run, run.created, doubtful));
                }
            }
            known.part == Part::Newest && met.len() >= known.len()
        };
        let ((mut look, met, mut behind), end) = walk(provider, target, limits, enough).await?;
        if known.part != Part::Newest || met.is_empty() {
            look.add(behind.drain(..));
        }
        look.is_complete = known.part != Part::Some && end != End::TooFar;
        Ok(look)
    }

    /// For a start that began at this time: a run that has ended since must still be listed, if it is to be complete.
    pub(super) fn of_start_at(mut self, began: Option<DateTime<Utc>>) -> Self {
        let is_kept = |since| began.is_some_and(|began| since <= began);
        self.is_complete &= self.kept_since.is_none_or(is_kept);
        self
    }

    /// Leaves out the runs of other starts of the target, which may have been written down without an account.
    pub(super) fn without(mut self, target: &Target, others: &HashSet<RunRef>) -> Self {
        let others = others.iter().filter(|other| other.target().is(target));
        let others: HashSet<_> = others.map(RunRef::id).collect();
        self.ours.retain(|run, _| !others.contains(run.id()));
        self.doubtful.retain(|run, _| !others.contains(run.id()));
        self
    }

    fn add(&mut self, runs: impl Iterator<Item = (RunRef, Option<DateTime<Utc>>, bool)>) {
        for (run, created, doubtful) in runs {
            let runs = if doubtful { &mut self.doubtful } else { &mut self.ours };
            runs.insert(run, created);
        }
    }
}

/// Where a walk over a list stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// At the end of the list.
    Reached,
    /// Where its caller had read enough.
    Enough,
    /// At the limit for the runs that are read.
    TooFar,
}

/// Reads page after page until `enough` says so. A list that becomes shorter meanwhile is read again: one of its runs may have moved
/// to a page that was read before.
async fn walk<P: RunProvider + ?Sized, R: Default>(
    provider: &P,
    target: &Target,
    limits: &CallLimits,
    mut enough: impl FnMut(&mut R, RecentRuns) -> bool,
) -> Result<(R, End)> {
    for _ in 0..MOST_READS {
        let mut read = R::default();
        let end = walk_once(provider, target, limits, |page| enough(&mut read, page)).await?;
        if let Some(end) = end {
            return Ok((read, end));
        }
    }
    let why = format!("the list lost items each of the {MOST_READS} times that it was read");
    Err(endless("runs.list", Endless(why)))
}

/// `None` if the list became shorter.
async fn walk_once<P: RunProvider + ?Sized>(
    provider: &P,
    target: &Target,
    limits: &CallLimits,
    mut enough: impl FnMut(RecentRuns) -> bool,
) -> Result<Option<End>> {
    let (mut guard, mut cursor, mut runs, mut total) = (LoopGuard::default(), None, 0, None);
    loop {
        guard.admit(cursor.as_ref()).map_err(|why| endless("runs.list", why))?;
        let mut recent = provider.recent_runs(target, cursor, limits).await?;
        guard.count(recent.page.items.is_empty());
        runs += recent.page.items.len();
        cursor = recent.page.next.take();
        let before = std::mem::replace(&mut total, recent.page.total);
        if before.zip(total).is_some_and(|(before, now)| now < before) {
            return Ok(None);
        }
        if enough(recent) {
            return Ok(Some(End::Enough));
        }
        if cursor.is_none() {
            return Ok(Some(End::Reached));
        }
        if runs >= MOST_RUNS {
            return Ok(Some(End::TooFar));
        }
    }
}

/// What the times of a list's runs say about its order.
#[derive(Default)]
pub(super) struct Order {
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
    is_mixed: bool,
    /// Pages with a dated run.
    pages: usize,
}

impl Order {
    fn add(&mut self, created: Option<DateTime<Utc>>) {
        let Some(created) = created else { return };
        self.is_mixed |= self.last.is_some_and(|last| created > last);
        self.first.get_or_insert(created);
        self.last = Some(created);
    }

    fn reach(&self) -> TimeDelta {
        self.first.zip(self.last).map_or(TimeDelta::zero(), |(first, last)| first - last)
    }

    pub(super) fn add_page(&mut self, created: impl Iterator<Item = Option<DateTime<Utc>>>) {
        let mut is_dated = false;
        for created in created {
            is_dated |= created.is_some();
            self.add(created);
        }
        self.pages += usize::from(is_dated);
    }

    /// Whether all that follows is older. Some providers sort each page by itself, so that one page does not show the order of the
    /// list.
    pub(super) fn is_past(&self, time: DateTime<Utc>) -> bool {
        self.pages > 1 && self.is_newest_first() && self.last.is_some_and(|last| last < time)
    }

    /// Nothing else is believed: a list of equal times may go either way.
    fn is_newest_first(&self) -> bool {
        !self.is_mixed && self.reach() > TimeDelta::zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of runs that were created so many seconds after some moment, in the order of the list; -1 is one without a time.
    fn order(pages: &[&[i64]]) -> Order {
        let mut order = Order::default();
        for page in pages {
            let created = page.iter().map(|second| DateTime::from_timestamp(*second, 0));
            order.add_page(created.map(|created| created.filter(|time| time.timestamp() >= 0)));
        }
        order
    }

    #[test]
    fn a_list_is_newest_first_only_if_all_its_times_say_so() {
        for (page, is_newest_first, reach) in [
            (&[9, 7, 7, 2][..], true, 7),
            (&[9, -1, 2], true, 7),
            (&[9, 2, 7], false, 2),
            (&[9, 10, 2], false, 7),
            (&[2, 9], false, -7),
            (&[9, 9, 9], false, 0),
            (&[9], false, 0),
            (&[], false, 0),
        ] {
            let order = order(&[page]);
            assert_eq!(order.is_newest_first(), is_newest_first, "{page:?}");
            assert_eq!(order.reach(), TimeDelta::seconds(reach), "{page:?}");
        }
    }

    #[test]
    fn a_list_is_past_a_time_when_two_pages_say_so_and_the_last_run_is_older() {
        for (pages, past) in [
            (&[&[9, 8][..], &[7, 5]][..], true),
            (&[&[9, 8], &[7, 6]], false),
            (&[&[9, 8, 7, 5]], false),
            (&[&[9, 8, 7, 5], &[-1]], false),
            (&[&[8, 9], &[7, 5]], false),
        ] {
            let time = DateTime::from_timestamp(6, 0).unwrap();
            assert_eq!(order(pages).is_past(time), past, "{pages:?}");
        }
    }
}

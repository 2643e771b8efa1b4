//! Pages of a list, and what guards a walk over them: data only.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

/// Where a list continues. Opaque: store it, and resume in another process with [`Pages::resume_at`](super::Pages::resume_at).
///
/// It holds no credential. It belongs to the request it came from, with the same filters and order.
///
/// ```
/// use scheduled_runs::Cursor;
///
/// let cursor = Cursor::new("page=2");
/// let stored = serde_json::to_string(&cursor).unwrap();
/// assert_eq!(serde_json::from_str::<Cursor>(&stored).unwrap(), cursor);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// A cursor from a vendor's token.
    #[must_use]
    pub fn new(token: impl Into<Box<str>>) -> Self {
        Self(token.into())
    }

    /// The vendor's token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens of some vendors carry filter values.
        write!(f, "Cursor({} bytes)", self.0.len())
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items, in the vendor's order.
    pub items: Vec<T>,
    /// Where the list continues; `None` on the last page.
    pub next: Option<Cursor>,
    /// How many items the whole list has, where the vendor says so.
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// A page.
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self { items, next, total: None }
    }

    /// The same page with other items.
    #[must_use]
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        let Self { items, next, total } = self;
        Page { items: items.into_iter().map(change).collect(), next, total }
    }
}

/// Where a walk over a list is, and what guards it: everything but the calls.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) guard: LoopGuard,
    overlap: OverlapFilter,
    /// Of the page that is fetched next.
    cursor: Option<Cursor>,
    /// The page at the cursor was admitted.
    is_admitted: bool,
    is_done: bool,
    last: Option<LastPage>,
    again: Again,
}

/// Whether the page at the cursor was read before.
#[derive(Default)]
enum Again {
    #[default]
    No,
    /// It was, and the list continues here, or ends.
    Then(Option<Cursor>),
}

/// The page that was taken in last.
struct LastPage {
    cursor: Option<Cursor>,
    total: Option<u64>,
    items: u64,
}

impl Walk {
    pub(crate) fn start_at(&mut self, cursor: Cursor) {
        self.cursor = Some(cursor);
    }

    /// The page that is fetched next. `None` means the first page, or the end.
    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether the next page is one that was read before.
    pub(crate) fn reads_again(&self) -> bool {
        matches!(self.again, Again::Then(_))
    }

    /// Whether the page at the cursor may be fetched.
    pub(crate) fn admit(&mut self) -> Result<(), Endless> {
        if !self.is_admitted && !self.reads_again() {
            self.guard.admit(self.cursor.as_ref())?;
        }
        self.is_admitted = true;
        Ok(())
    }

    /// Takes the page at the cursor in: drops the items that the pages before had, and moves on.
    ///
    /// A counted list that has become shorter may have moved items from this page into the one before, which is then read again.
    pub(crate) fn take_in<T>(
        &mut self,
        page: &mut Page<T>,
        key: impl Fn(&T) -> Option<&str>,
    ) -> Result<(), Endless> {
        let items = u64::try_from(page.items.len()).unwrap_or(u64::MAX);
        let missing = self.last.as_ref().and_then(|last| last.total?.checked_sub(page.total?));
        let missing = missing.filter(|missing| *missing > 0);
        let is_last = page.next.is_none() && missing.is_none() && !self.reads_again();
        let has_keys = page.items.first().is_some_and(|item| key(item).is_some());
        self.overlap.apply(page, key, is_last);
        self.guard.count(page.items.is_empty());
        self.is_admitted = false;

        let here = LastPage { cursor: self.cursor.take(), total: page.total, items };
        let last = self.last.replace(here);
        if let (Some(missing), Some(last)) = (missing, last) {
            if missing > last.items || !has_keys || self.reads_again() {
                let why = format!("the list lost {missing} items while it was read; read it again");
                return Err(Endless(why));
            }
            self.again = Again::Then(page.next.clone());
            self.cursor = last.cursor;
            return Ok(());
        }
        self.cursor = match std::mem::take(&mut self.again) {
            Again::No => page.next.clone(),
            Again::Then(next) => next,
        };
        self.is_done = self.cursor.is_none();
        Ok(())
    }
}

/// Drops the items of a page that one of the two pages before had, for vendors whose pages overlap.
#[derive(Default)]
pub(crate) struct OverlapFilter {
    /// The keys of the last page that had any, and those of the one before.
    last: HashSet<Box<str>>,
    before: HashSet<Box<str>>,
}

impl OverlapFilter {
    /// Drops the items that the pages before had. Nothing overlaps with the last page.
    fn apply<T>(&mut self, page: &mut Page<T>, key: impl Fn(&T) -> Option<&str>, is_last: bool) {
        let followed = if is_last { &[] } else { &*page.items };
        let keys: HashSet<Box<str>> = followed.iter().filter_map(&key).map(Into::into).collect();
        let is_new = |key: &str| !self.last.contains(key) && !self.before.contains(key);
        if !self.last.is_empty() {
            page.items.retain(|item| key(item).is_none_or(is_new));
        }
        // An empty page has no keys: the next one overlaps with what came before it.
        if !keys.is_empty() {
            self.before = std::mem::replace(&mut self.last, keys);
        }
    }
}

/// Finds pagination loops: walks that would never end. It remembers a bounded number of cursors, however long the list.
pub(crate) struct LoopGuard {
    pub(crate) pages: usize,
    pub(crate) max_pages: usize,
    empty: usize,
    pub(crate) max_empty: usize,
    /// The last few cursors: finds short loops at once.
    recent: VecDeque<u64>,
    /// One older cursor, moved at every power of two (Brent): finds loops of any length.
    anchor: Option<u64>,
}

/// Why no further page may be fetched.
#[derive(Debug)]
pub(crate) struct Endless(pub(crate) String);

impl Default for LoopGuard {
    fn default() -> Self {
        Self {
            pages: 0,
            max_pages: 100_000,
            empty: 0,
            max_empty: 1_000,
            recent: VecDeque::new(),
            anchor: None,
        }
    }
}

impl LoopGuard {
    const RECENT: usize = 32;

    /// Counts a page, unless the page at this cursor must not be fetched.
    pub(crate) fn admit(&mut self, cursor: Option<&Cursor>) -> Result<(), Endless> {
        if self.pages >= self.max_pages {
            return Err(self.too_many());
        }
        if self.empty > self.max_empty {
            return Err(Endless(format!("the list continues after {} empty pages", self.empty)));
        }
        self.pages += 1;
        let Some(cursor) = cursor else { return Ok(()) };
        let mut hasher = DefaultHasher::new();
        cursor.hash(&mut hasher);
        let seen = hasher.finish();
        if self.anchor == Some(seen) || self.recent.contains(&seen) {
            return Err(Endless(format!("the cursor of page {} was used before", self.pages)));
        }
        if self.pages.is_power_of_two() {
            self.anchor = Some(seen);
        }
        if self.recent.len() == Self::RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(seen);
        Ok(())
    }

    pub(crate) fn too_many(&self) -> Endless {
        let pages = self.max_pages;
        Endless(format!("the list continues after {pages} pages; raise `max_pages`"))
    }

    /// Notes whether the page that was fetched is empty.
    pub(crate) fn count(&mut self, empty: bool) {
        self.empty = if empty { self.empty + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(tokens: impl IntoIterator<Item = String>) -> (usize, Option<String>) {
        let mut guard = LoopGuard::default();
        guard.admit(None).unwrap();
        for (admitted, token) in tokens.into_iter().enumerate() {
            if let Err(Endless(why)) = guard.admit(Some(&Cursor::new(token))) {
                return (admitted, Some(why));
            }
            guard.count(false);
        }
        (0, None)
    }

    #[test]
    fn a_cursor_that_repeats_is_found_before_its_page_is_fetched_again() {
        let repeats = |page: usize| Some(format!("the cursor of page {page} was used before"));
        let cycle = |length: usize| {
            std::iter::repeat_with(move || 0..length).flatten().map(|n| n.to_string())
        };
        assert_eq!(walk(cycle(1)), (1, repeats(3)));
        assert_eq!(walk(cycle(2)), (2, repeats(4)));
        assert_eq!(walk(cycle(32)), (32, repeats(34)));
        // A long loop is found within two and a half rounds.
        let (admitted, why) = walk(cycle(1000));
        assert_eq!(why, repeats(admitted + 2));
        assert!((1000..=2500).contains(&admitted), "{admitted}");
    }

    #[test]
    fn an_honest_list_is_walked_to_its_end_in_bounded_memory() {
        let mut guard = LoopGuard::default();
        for page in 0..100_000 {
            guard.admit(Some(&Cursor::new(page.to_string()))).unwrap();
        }
        assert!(guard.recent.len() <= LoopGuard::RECENT);
        let Endless(why) = guard.admit(Some(&Cursor::new("x"))).unwrap_err();
        assert_eq!(why, "the list continues after 100000 pages; raise `max_pages`");
    }

    #[test]
    fn empty_pages_in_a_row_are_bounded_and_items_reset_the_count() {
        let mut guard = LoopGuard { max_empty: 2, ..LoopGuard::default() };
        for page in 0..10 {
            guard.admit(Some(&Cursor::new(page.to_string()))).unwrap();
            guard.count(page % 2 == 0);
        }
        guard.count(true);
        guard.count(true);
        assert!(guard.admit(Some(&Cursor::new("a"))).is_ok());
        guard.count(true);
        let Endless(why) = guard.admit(Some(&Cursor::new("b"))).unwrap_err();
        assert_eq!(why, "the list continues after 3 empty pages");
    }

    fn key<'a>(item: &'a &'static str) -> Option<&'a str> {
        (!item.is_empty()).then_some(item)
    }

    fn page(next: Option<&str>, total: u64, items: &[&'static str]) -> Page<&'static str> {
        let mut page = Page::new(items.to_vec(), next.map(Cursor::new));
        page.total = Some(total);
        page
    }

    #[test]
    fn a_list_that_lost_no_more_than_a_page_is_read_again_from_that_page() {
        for (lost, goes_on) in [(1, true), (2, true), (3, false)] {
            let mut walk = Walk::default();
            walk.take_in(&mut page(Some("2"), 9, &["a", "b"]), key).unwrap();
            let taken = walk.take_in(&mut page(Some("3"), 9 - lost, &["d"]), key);
            assert_eq!(taken.is_ok(), goes_on, "{lost} items");
            assert_eq!(walk.reads_again(), goes_on, "{lost} items");
        }
    }

    #[test]
    fn a_page_that_is_read_again_overlaps_with_the_next_one_also_if_it_has_become_the_last() {
        let mut walk = Walk::default();
        walk.take_in(&mut page(Some("2"), 9, &["a", "b"]), key).unwrap();
        walk.take_in(&mut page(Some("3"), 8, &["d", "e"]), key).unwrap();
        let (mut again, mut third) = (page(None, 8, &["b", "c"]), page(None, 8, &["c", "f"]));
        walk.take_in(&mut again, key).unwrap();
        assert_eq!((again.items, walk.cursor()), (vec!["c"], Some(&Cursor::new("3"))));
        walk.take_in(&mut third, key).unwrap();
        assert_eq!((third.items, walk.is_done()), (vec!["f"], true));
    }

    #[test]
    fn a_cursor_is_a_plain_serde_value_and_its_debug_print_shows_nothing() {
        let cursor = Cursor::new("start=2020&x=canary");
        let json = serde_json::to_string(&cursor).unwrap();
        assert_eq!(json, r#""start=2020&x=canary""#);
        assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        assert_eq!(format!("{cursor:?}"), "Cursor(19 bytes)");
    }
}

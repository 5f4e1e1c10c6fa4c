//! Lists of threads, linked through the threads themselves.
//!
//! Invariant: a thread is in one list at most, and stays alive while it is: a thread that is ready has not ended, and one that
//! has ended holds a reference to itself until it is reaped.

use core::ptr::NonNull;

use crate::ready::{LEVELS, Levels};
use crate::thread::Control;

/// A thread in a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item(NonNull<Control>);

// SAFETY: a pointer to something that any vCPU may use.
unsafe impl Send for Item {}

impl Item {
    /// This thread, which has to stay while it is in a list.
    pub(crate) fn new(control: &Control) -> Self {
        Self(NonNull::from(control))
    }

    pub(crate) fn as_ptr(self) -> NonNull<Control> {
        self.0
    }

    /// The thread.
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: by the invariant of the lists.
        unsafe { self.0.as_ref() }
    }
}

/// A list, first in, first out.
#[derive(Clone, Copy)]
pub(crate) struct List {
    first: Option<Item>,
    last: Option<Item>,
}

impl List {
    pub(crate) const EMPTY: Self = Self { first: None, last: None };

    pub(crate) fn push(&mut self, item: Item) {
        item.control().next.set(None);
        match self.last {
            Some(last) => last.control().next.set(Some(item.0)),
            None => self.first = Some(item),
        }
        self.last = Some(item);
    }

    /// Takes the first that fits.
    pub(crate) fn take(&mut self, fits: &mut dyn FnMut(&Item) -> bool) -> Option<Item> {
        let mut previous: Option<Item> = None;
        let mut here = self.first;
        while let Some(item) = here {
            let next = item.control().next.get().map(Item);
            if fits(&item) {
                match previous {
                    Some(previous) => previous.control().next.set(next.map(|next| next.0)),
                    None => self.first = next,
                }
                if next.is_none() {
                    self.last = previous;
                }
                return Some(item);
            }
            previous = here;
            here = next;
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

/// A list for each level.
pub(crate) struct Lists([List; LEVELS]);

impl Lists {
    pub(crate) const EMPTY: Self = Self([List::EMPTY; LEVELS]);
}

impl Levels for Lists {
    type Item = Item;

    fn push(&mut self, level: usize, item: Item) {
        self.0[level].push(item);
    }

    fn take(&mut self, level: usize, fits: &mut dyn FnMut(&Item) -> bool) -> Option<Item> {
        self.0[level].take(fits)
    }

    fn is_empty(&self, level: usize) -> bool {
        self.0[level].is_empty()
    }
}

//! Kernel stacks, each with a guard page below.
//!
//! Xen pushes exception frames on the stack that is in use, and has no other to switch to: a stack that runs over
//! must hit an unmapped page at once, which ends the domain, rather than write into whatever is below. Invariant:
//! below the lowest page of a stack is a page that is not mapped.

use core::fmt;
use core::ops::Range;

use console::lock::Lock;
use console::types::{Mfn, PAGE_SIZE};

use crate::area::{Area, AreaError, Place};
use crate::bedrock::tables;
use crate::entry::Access;
use crate::frames::{self, FrameRun};
use crate::layout;
use crate::page_tables::MapError;
use crate::translate::pfn_to_mfn;

const PAGE: u64 = PAGE_SIZE as u64;

/// Why there is no stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StackError {
    /// No addresses for it.
    Area(AreaError),
    /// Its pages can't be mapped.
    Map(MapError),
    /// Fewer frames are free than it has pages.
    OutOfMemory,
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Area(error) => fmt::Display::fmt(error, f),
            Self::Map(error) => fmt::Display::fmt(error, f),
            Self::OutOfMemory => f.write_str("out of memory"),
        }
    }
}

impl core::error::Error for StackError {}

/// A stack, gone when it is dropped. Nothing may run on it then.
#[derive(Debug)]
pub struct Stack {
    area: Area,
    /// Behind the area, as fields are dropped in order: frames are free when nothing shows them any more.
    _frames: FrameRun,
}

static PLACE: Lock<Place> = Lock::new(Place::new(layout::STACKS.start + PAGE..layout::STACKS.end));

impl Stack {
    /// Makes a stack of this many bytes, rounded up to pages.
    ///
    /// # Errors
    /// For 0 bytes, and for more than is free in one piece.
    pub fn new(bytes: usize) -> Result<Self, StackError> {
        const STEP: usize = 32;
        // The page that stays unmapped behind one stack is the guard page of the next, and the region's first page is
        // the first one's.
        let area = Area::reserve_in(&PLACE, bytes).map_err(StackError::Area)?;
        let frames = frames::allocate(area.pages() as u64).map_err(|_| StackError::OutOfMemory)?;
        let pfns = frames.pfns();
        let mut stack = Self { area, _frames: frames };
        let mut mfns = [Mfn(0); STEP];
        let (mut page, mut count) = (0, 0);
        for mfn in pfns.filter_map(pfn_to_mfn) {
            mfns[count] = mfn;
            count += 1;
            if count == STEP || page + count == stack.area.pages() {
                stack.area.map(page, &mfns[..count], Access::ReadWrite).map_err(StackError::Map)?;
                page += count;
                count = 0;
            }
        }
        Ok(stack)
    }

    /// The first address behind it: where rsp begins. A multiple of the page size.
    pub fn top(&self) -> u64 {
        self.area.range().end
    }

    /// Its addresses.
    pub fn range(&self) -> Range<u64> {
        self.area.range()
    }

    /// The page below it, which isn't mapped.
    pub fn guard(&self) -> Range<u64> {
        self.area.range().start - PAGE..self.area.range().start
    }
}

/// A stack as its addresses tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The stack.
    pub range: Range<u64>,
    /// The guard page below it.
    pub guard: Range<u64>,
}

/// The stack that an address lies in, or whose guard page it lies in, as the page tables have it.
///
/// For reports: locks nothing and runs through no exercise. Of a stack of more than 16 MiB it finds a part.
pub fn find(address: u64) -> Option<Found> {
    const MOST: u64 = 4096;
    let page = address & !(PAGE - 1);
    let mapped = |page: &u64| layout::STACKS.contains(page) && tables::lookup(*page).is_some();
    let inside = if mapped(&page) { page } else { page + PAGE };
    let above = (0..MOST).map(|number| inside + number * PAGE).take_while(mapped).count() as u64;
    let below = (1..MOST).map(|number| inside - number * PAGE).take_while(mapped).count() as u64;
    let range = inside - below * PAGE..inside + above * PAGE;
    (above > 0 && layout::STACKS.contains(&address)).then(|| Found { guard: range.start - PAGE..range.start, range })
}

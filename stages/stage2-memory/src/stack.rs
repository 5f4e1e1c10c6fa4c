//! Kernel stacks, each with a guard page below.
//!
//! Xen pushes exception frames on the stack that is in use, and has no other to switch to: a stack that runs over
//! must hit an unmapped page at once, which ends the domain, rather than write into whatever is below. No code of the guest runs
//! then that could say whose stack it was. So that stands at the top of each, where the harness finds it in what is left of the
//! guest (`Label`).
//!
//! Invariant: below the lowest page of a stack is a page that is not mapped.

use core::fmt::{self, Write};
use core::mem::MaybeUninit;
use core::ops::Range;

use console::lock::Lock;
use console::types::{Mfn, PAGE_SIZE};

use crate::area::{Area, AreaError, Place};
use crate::bedrock::tables;
use crate::entry::Access;
use crate::frames::{self, FrameRun};
use crate::layout;
use crate::mmu::BATCH;
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

/// What stands in the highest bytes of a stack: whose it is.
#[repr(C, align(64))]
struct Label {
    mark: [u8; 8],
    /// Behind the text there are zeros.
    text: [u8; 56],
}

const MARK: [u8; 8] = *b"stack of";

/// A stack, gone when it is dropped. Nothing may run on it then.
#[derive(Debug)]
pub struct Stack {
    area: Area,
    /// Behind the area, as fields are dropped in order: frames are free when nothing shows them any more.
    _frames: FrameRun,
}

static PLACE: Lock<Place> = Lock::new(Place::new(layout::STACKS.start + PAGE..layout::STACKS.end));

impl Stack {
    /// Makes a stack of this many bytes, rounded up to pages. The highest 64 are taken by its label.
    ///
    /// # Errors
    /// For 0 bytes, and for more than is free in one piece.
    pub fn new(bytes: usize) -> Result<Self, StackError> {
        const STEP: usize = BATCH;
        // The page that stays unmapped behind one stack is the guard page of the next, and the region's first page is
        // the first one's.
        let area = Area::reserve_in(&PLACE, bytes).map_err(StackError::Area)?;
        let frames = frames::allocate(area.pages() as u64).map_err(|_| StackError::OutOfMemory)?;
        let pfns = frames.pfns();
        let mut stack = Self { area, _frames: frames };
        // Not initialised: most stacks have a few pages, for which that would be the larger part of the work.
        let mut mfns = [const { MaybeUninit::<Mfn>::uninit() }; STEP];
        let (mut page, mut count) = (0, 0);
        for mfn in pfns.filter_map(pfn_to_mfn) {
            mfns[count].write(mfn);
            count += 1;
            if count == STEP || page + count == stack.area.pages() {
                // SAFETY: so many have been written.
                let mfns = unsafe { mfns[..count].assume_init_ref() };
                stack.area.map(page, mfns, Access::ReadWrite).map_err(StackError::Map)?;
                page += count;
                count = 0;
            }
        }
        stack.label(format_args!("somebody"));
        Ok(stack)
    }

    /// Notes whose stack it is: 56 bytes of that are kept.
    pub fn label(&self, owner: fmt::Arguments<'_>) {
        let mut text = Text { bytes: [0; 56], length: 0 };
        let _ = text.write_fmt(owner); // what doesn't fit is left out
        // SAFETY: the pages are mapped and this stack's, the place is aligned, and nothing else is ever put there.
        unsafe { (self.top() as *mut Label).write_volatile(Label { mark: MARK, text: text.bytes }) };
    }

    /// The first address behind what can be used of it: where rsp begins. A multiple of 64.
    pub fn top(&self) -> u64 {
        self.area.range().end - size_of::<Label>() as u64
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

/// As much of a text as fits.
struct Text {
    bytes: [u8; 56],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.length..];
        let fits = text.floor_char_boundary(room.len());
        room[..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.length += fits;
        Ok(())
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

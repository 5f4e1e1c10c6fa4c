//! Addresses to map things at, on demand: frames of our own, frames of other domains, devices' pages.
//!
//! An [`Area`] owns a range of addresses, not the frames that it maps. Behind each area a page stays unmapped, so that
//! running over its end is a fault, not a visit to the neighbour. Mapping does all or nothing.
//!
//! Invariants: no two areas overlap; when an area is dropped, nothing is mapped in it any more and no vCPU remembers
//! that it was.

use core::fmt;
use core::ops::Range;

use alloc::vec::Vec;
use console::lock::Lock;
use console::types::{Mfn, PAGE_SIZE};
use x86_64::VirtAddr;

use crate::entry::Access;
use crate::layout;
use crate::live_tables::{Reader, change};
use crate::page_tables::{self, MapError, Walk};
use crate::tlb;

const PAGE: u64 = PAGE_SIZE as u64;

/// Why there is no area.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AreaError {
    /// Nobody needs 0 bytes.
    Empty,
    /// There are no so many addresses left.
    NoAddresses,
    /// The kernel can't remember one more area.
    OutOfMemory,
}

impl fmt::Display for AreaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an area of 0 bytes",
            Self::NoAddresses => "no range of so many addresses is left",
            Self::OutOfMemory => "out of memory",
        })
    }
}

impl core::error::Error for AreaError {}

/// A range of addresses to map frames at.
#[derive(Debug)]
pub struct Area {
    range: Range<u64>,
    place: &'static Lock<Place>,
}

static AREAS: Lock<Place> = Lock::new(Place::new(layout::AREA));

impl Area {
    /// Reserves addresses for this many bytes, rounded up to pages. Nothing is mapped there yet.
    ///
    /// # Errors
    /// For 0 bytes, and when addresses, or memory to keep the books, are used up.
    pub fn reserve(bytes: usize) -> Result<Self, AreaError> {
        Self::reserve_in(&AREAS, bytes)
    }

    pub(crate) fn reserve_in(place: &'static Lock<Place>, bytes: usize) -> Result<Self, AreaError> {
        let pages = (bytes as u64).div_ceil(PAGE);
        if pages == 0 {
            return Err(AreaError::Empty);
        }
        let start = place.lock().reserve(pages + 1)?;
        Ok(Self { range: start..start + pages * PAGE, place })
    }

    /// Its addresses.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Its first byte.
    pub fn address(&self) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(self.range.start as usize)
    }

    /// How many pages it has.
    pub fn pages(&self) -> usize {
        ((self.range.end - self.range.start) / PAGE) as usize
    }

    /// Maps these frames at adjacent pages, the first of which is number `page`.
    ///
    /// Whoever maps a frame of his own sees to it that two uses of it don't disturb one another: it is in the direct
    /// map too.
    ///
    /// # Errors
    /// [`MapError::BadAddress`] for pages that the area doesn't have; else as [`page_tables::map`]. All or nothing.
    pub fn map(&mut self, page: usize, frames: &[Mfn], access: Access) -> Result<(), MapError> {
        let address = self.page(page, frames.len())?;
        change(|tables| page_tables::map(tables, address, frames, access.flags()))
    }

    /// Unmaps `count` pages, and flushes. Afterwards their frames may be used for something else.
    ///
    /// # Errors
    /// [`MapError::BadAddress`] for pages that the area doesn't have, and [`MapError::NotMapped`] if one of
    /// them isn't mapped. All or nothing.
    pub fn unmap(&mut self, page: usize, count: usize) -> Result<(), MapError> {
        let address = self.page(page, count)?;
        change(|tables| page_tables::unmap(tables, address, count))?;
        tlb::flush(address.as_u64()..address.as_u64() + count as u64 * PAGE);
        Ok(())
    }

    /// The address of a page, if there are `count` of them from there on.
    fn page(&self, page: usize, count: usize) -> Result<VirtAddr, MapError> {
        let fits = page.checked_add(count).is_some_and(|end| end <= self.pages());
        let address = VirtAddr::try_new(self.range.start + page as u64 * PAGE);
        address.ok().filter(|_| fits).ok_or(MapError::BadAddress)
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        let mut page = 0;
        while page < self.pages() {
            let mapped = (page..self.pages()).take_while(|page| self.is_mapped(*page)).count();
            if mapped > 0 {
                let unmapped = self.unmap(page, mapped);
                assert!(unmapped.is_ok(), "{:#x?} can't be unmapped: {unmapped:?}", self.range);
            }
            page += mapped.max(1);
        }
        self.place.lock().release(self.range.start, self.pages() as u64 + 1);
    }
}

impl Area {
    fn is_mapped(&self, page: usize) -> bool {
        let walk = self.page(page, 1).map(|address| page_tables::walk(&Reader, address));
        matches!(walk, Ok(Walk::Mapped(_)))
    }
}

/// The free addresses of a region: ranges of pages, in order, none adjacent to the next.
#[derive(Debug)]
pub(crate) struct Place {
    region: Range<u64>,
    free: Option<Vec<Range<u64>>>,
    /// How many reservations there are.
    taken: usize,
}

impl Place {
    pub(crate) const fn new(region: Range<u64>) -> Self {
        Self { region, free: None, taken: 0 }
    }

    /// Takes the lowest range of so many pages.
    pub(crate) fn reserve(&mut self, pages: u64) -> Result<u64, AreaError> {
        let region = self.region.clone();
        let free = self.free.get_or_insert_default();
        // There is at most one free range before each reservation, and one behind the last: with room for these, a
        // release never needs memory.
        free.try_reserve(self.taken + 2 - free.len().min(self.taken + 2)).map_err(|_| AreaError::OutOfMemory)?;
        if self.taken == 0 && free.is_empty() {
            free.push(region);
        }
        let bytes = pages.checked_mul(PAGE).ok_or(AreaError::NoAddresses)?;
        let index = free.iter().position(|range| range.end - range.start >= bytes).ok_or(AreaError::NoAddresses)?;
        let start = free[index].start;
        free[index].start += bytes;
        if free[index].is_empty() {
            free.remove(index);
        }
        self.taken += 1;
        Ok(start)
    }

    /// Gives a range back.
    pub(crate) fn release(&mut self, start: u64, pages: u64) {
        let Some(free) = self.free.as_mut() else { return };
        let end = start + pages * PAGE;
        let index = free.partition_point(|range| range.start < start);
        let joins_last = index > 0 && free[index - 1].end == start;
        let joins_next = free.get(index).is_some_and(|next| next.start == end);
        match (joins_last, joins_next) {
            (true, true) => free[index - 1].end = free.remove(index).end,
            (true, false) => free[index - 1].end = end,
            (false, true) => free[index].start = start,
            (false, false) => free.insert(index, start..end),
        }
        self.taken -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_taken_lowest_first_and_join_again() {
        let mut place = Place::new(0x10_0000..0x10_0000 + 10 * PAGE);
        let [a, b, c] = [2, 3, 1].map(|pages| place.reserve(pages).unwrap());
        assert_eq!([a, b, c], [0x10_0000, 0x10_2000, 0x10_5000]);
        assert_eq!(place.reserve(5), Err(AreaError::NoAddresses));
        place.release(a, 2);
        place.release(c, 1);
        assert_eq!(place.reserve(3), Ok(c));
        place.release(b, 3);
        assert_eq!(place.reserve(5), Ok(a));
        place.release(c, 3);
        place.release(a, 5);
        let free = place.free.as_ref().unwrap();
        assert_eq!((free.len(), &free[0]), (1, &(0x10_0000..0x10_0000 + 10 * PAGE)));
        assert_eq!(place.reserve(u64::MAX), Err(AreaError::NoAddresses));
    }

    #[test]
    fn a_release_never_needs_memory() {
        let mut place = Place::new(0x10_0000..0x10_0000 + (1 << 30));
        let starts: Vec<u64> = (0..1000).map(|_| place.reserve(1).unwrap()).collect();
        let capacity = place.free.as_ref().unwrap().capacity();
        starts.iter().step_by(2).for_each(|start| place.release(*start, 1));
        assert_eq!(place.free.as_ref().unwrap().capacity(), capacity);
    }
}

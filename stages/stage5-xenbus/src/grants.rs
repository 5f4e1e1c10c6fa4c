//! The grant table: memory that other domains may reach.
//!
//! Follows Xen's `public/grant_table.h`. The table is made of frames that belong to Xen and are mapped here
//! (`GNTTABOP_setup_table`), 512 entries each; it grows frame by frame up to what the toolstack allows.
//!
//! A [`SharedPage`] is the safe way: it owns its page, and the page isn't free again before nobody can reach it. If the other
//! domain still has it mapped when it is dropped, it is put aside and tried again later.
//!
//! Invariants: a reference is free only while its entry is void; each that is not has one [`Grant`], which is used up by ending it.

use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use alloc::vec::Vec;
use console::Errno;
use console::lock::Lock;
use console::types::{Domid, Mfn, PAGE_SIZE, Pfn};
use memory::area::Area;
use memory::entry::Access as PageAccess;
use memory::frames::{self, FrameRun};
use memory::translate::pfn_to_mfn;
use threads::time::{Nanoseconds, now};

use crate::grant_entry::{self, Access, Entry, FreeList};
use crate::grant_hypercall as hypercall;

/// Entries in a frame of the table.
pub const ENTRIES: u32 = (PAGE_SIZE / ENTRY) as u32;
const ENTRY: usize = 8;
/// More frames than any toolstack gives by default (64).
const MOST_FRAMES: u32 = 256;

/// Why memory can't be granted, mapped or copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantError {
    /// All references are in use, and the table can't grow.
    NoReferences,
    /// The frame is too high in the machine for an entry.
    FrameTooHigh(Mfn),
    /// There is no memory, or there are no addresses.
    OutOfMemory,
    /// Xen refuses the hypercall.
    Xen(Errno),
    /// Xen refuses one operation: a status of `GNTST_*`, negative.
    Refused(i16),
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReferences => f.write_str("all grant references are in use"),
            Self::FrameTooHigh(mfn) => write!(f, "machine frame {:#x} is too high to be granted", mfn.0),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Xen(error) => write!(f, "Xen refuses: {error}"),
            Self::Refused(status) => write!(f, "Xen refuses the grant: {}", hypercall::status_name(*status)),
        }
    }
}

impl core::error::Error for GrantError {}

/// The number of an entry, which the other domain has to be told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GrantRef(pub u32);

/// How the table is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Entries that the table has room for, at its present size.
    pub entries: u32,
    /// References in use.
    pub used: u32,
    /// Pages that were dropped while another domain had them mapped, and still has.
    pub deferred: usize,
}

struct Table {
    /// Where its frames are mapped, and where more would be.
    area: Area,
    frames: u32,
    most: u32,
    first: Option<u32>,
    /// For each reference the next free one; 0 for none, as reference 0 is never free.
    next: Vec<u32>,
    used: u32,
    deferred: Vec<SharedPage>,
}

static TABLE: Lock<Option<Table>> = Lock::new(None);

/// Maps the table's first frame.
pub(crate) fn start() -> Result<(), GrantError> {
    let most = hypercall::most_frames().map_err(GrantError::Xen)?.min(MOST_FRAMES);
    let area = Area::reserve(most as usize * PAGE_SIZE).map_err(|_| GrantError::OutOfMemory)?;
    let table = Table { area, frames: 0, most, first: None, next: Vec::new(), used: 0, deferred: Vec::new() };
    *TABLE.lock() = Some(table);
    Ok(())
}

/// How the table is used at this moment.
pub fn statistics() -> Statistics {
    retry_deferred();
    TABLE.lock().as_ref().map_or(Statistics::default(), |table| Statistics {
        entries: table.frames * ENTRIES,
        used: table.used,
        deferred: table.deferred.len(),
    })
}

/// A frame that another domain may reach, and the right to end that. Whoever drops it leaves the frame granted for ever.
#[derive(PartialEq, Eq, Debug)]
#[must_use = "the frame stays granted unless this is ended"]
pub struct Grant(GrantRef);

impl Grant {
    /// Lets a domain reach one of our frames.
    ///
    /// # Errors
    /// If there is no reference left, or the frame can't be named.
    ///
    /// # Safety
    /// Until [`end`](Self::end) has taken the grant back, the domain may read the frame at any moment, and write it if `access` says so:
    /// it must be memory that Rust code treats accordingly.
    pub unsafe fn new(domain: Domid, frame: Pfn, access: Access) -> Result<Self, GrantError> {
        let mfn = pfn_to_mfn(frame).ok_or(GrantError::OutOfMemory)?;
        let mut guard = TABLE.lock();
        let table = guard.as_mut().ok_or(GrantError::OutOfMemory)?;
        let reference = grant_entry::allocate(table).map_err(|_| GrantError::NoReferences)?;
        assert!(reference < table.frames * ENTRIES, "the grant table has no reference {reference}");
        match grant_entry::grant(&table.entry(reference), domain, mfn, access) {
            Ok(()) => {
                table.used += 1;
                Ok(Self(GrantRef(reference)))
            }
            Err(error) => {
                grant_entry::release(table, reference);
                Err(GrantError::FrameTooHigh(error.0))
            }
        }
    }

    /// What the other domain has to be told.
    pub fn reference(&self) -> GrantRef {
        self.0
    }

    /// Takes the grant back, and frees its reference.
    ///
    /// # Errors
    /// The grant, while the other domain has the frame mapped.
    pub fn end(self) -> Result<(), Self> {
        let mut guard = TABLE.lock();
        let Some(table) = guard.as_mut() else { return Err(self) };
        if grant_entry::end(&table.entry(self.0.0)).is_err() {
            return Err(self);
        }
        grant_entry::release(table, self.0.0);
        table.used -= 1;
        Ok(())
    }

    /// Whether another domain has the frame mapped at this moment.
    pub fn is_mapped(&self) -> bool {
        let guard = TABLE.lock();
        let flags = guard.as_ref().map_or(0, |table| table.entry(self.0.0).flags());
        flags & (grant_entry::READING | grant_entry::WRITING) != 0
    }
}

/// Tries again to take back what was mapped when it was dropped. Returns how much still is.
pub fn retry_deferred() -> usize {
    let waiting = TABLE.lock().as_mut().map(|table| core::mem::take(&mut table.deferred)).unwrap_or_default();
    drop(waiting); // each one that still can't go puts itself aside again
    TABLE.lock().as_ref().map_or(0, |table| table.deferred.len())
}

impl Table {
    fn entry(&self, reference: u32) -> LiveEntry {
        LiveEntry { place: self.area.address().wrapping_add(reference as usize * ENTRY) }
    }
}

impl FreeList for Table {
    fn first(&self) -> Option<u32> {
        self.first
    }

    fn set_first(&mut self, reference: Option<u32>) {
        self.first = reference;
    }

    fn next(&self, reference: u32) -> Option<u32> {
        Some(self.next[reference as usize]).filter(|next| *next != 0)
    }

    fn set_next(&mut self, reference: u32, next: Option<u32>) {
        self.next[reference as usize] = next.unwrap_or(0);
    }

    // ANCHOR: grow
    fn grow(&mut self) -> Option<Range<u32>> {
        if self.frames == self.most {
            return None;
        }
        self.next.try_reserve(ENTRIES as usize).ok()?;
        let frames = hypercall::set_up(self.frames + 1).ok()?;
        let new = *frames.get(self.frames as usize)?;
        self.area.map(self.frames as usize, &[new], PageAccess::ReadWrite).ok()?;
        let range = self.frames * ENTRIES..(self.frames + 1) * ENTRIES;
        self.frames += 1;
        self.next.resize(range.end as usize, 0);
        Some(range)
    }
    // ANCHOR_END: grow
}

/// An entry of the real table.
struct LiveEntry {
    place: *mut u8,
}

impl LiveEntry {
    fn flags_word(&self) -> &AtomicU16 {
        // SAFETY: `Table::entry` made the place from a reference that the table has: mapped for ever, aligned, and accessed
        // atomically by everybody.
        unsafe { AtomicU16::from_ptr(self.place.cast()) }
    }
}

impl Entry for LiveEntry {
    fn set_frame(&self, frame: u32) {
        // SAFETY: as in `flags_word`.
        unsafe { AtomicU32::from_ptr(self.place.wrapping_add(4).cast()) }.store(frame, Ordering::Relaxed);
    }

    fn set_domain(&self, domain: u16) {
        // SAFETY: as in `flags_word`.
        unsafe { AtomicU16::from_ptr(self.place.wrapping_add(2).cast()) }.store(domain, Ordering::Relaxed);
    }

    fn flags(&self) -> u16 {
        self.flags_word().load(Ordering::Acquire)
    }

    fn publish(&self, flags: u16) {
        self.flags_word().store(flags, Ordering::Release);
    }

    fn compare_exchange(&self, expected: u16, new: u16) -> Result<(), u16> {
        self.flags_word().compare_exchange(expected, new, Ordering::SeqCst, Ordering::SeqCst).map(drop)
    }
}

/// Copies bytes of which some are another domain's too. The compiler knows nothing of it: that makes it as good as volatile.
///
/// # Safety
/// `length` bytes must be mapped at `from`, and as many at `to`, writable.
pub(crate) unsafe fn copy_shared(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: by this function's contract. Eight bytes a step, as `memcpy` does, then what is left.
    unsafe {
        core::arch::asm!(
            "rep movsq", "mov ecx, {rest:e}", "rep movsb", rest = in(reg) length % 8,
            inout("rcx") length / 8 => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags),
        );
    }
}

/// A page that another domain may use, until it is revoked or dropped.
#[derive(Debug)]
pub struct SharedPage {
    reference: GrantRef,
    /// Taken when the grant has ended.
    shared: Option<(Grant, FrameRun)>,
}

impl SharedPage {
    /// Shares a page of zeros.
    ///
    /// # Errors
    /// If there is no memory, or no reference.
    pub fn new(domain: Domid, access: Access) -> Result<Self, GrantError> {
        retry_deferred();
        let page = frames::allocate_zeroed(1).map_err(|_| GrantError::OutOfMemory)?;
        // SAFETY: the page is reached through this value's methods alone, which know that it changes.
        let grant = unsafe { Grant::new(domain, page.first(), access) }?;
        Ok(Self { reference: grant.reference(), shared: Some((grant, page)) })
    }

    /// What the other domain has to be told.
    pub fn reference(&self) -> GrantRef {
        self.reference
    }

    /// The page, to be accessed by volatile or atomic operations, as it may change at any moment.
    pub fn address(&self) -> *mut u8 {
        self.shared.as_ref().map_or(core::ptr::null_mut(), |(_, page)| page.address())
    }

    /// Whether another domain has it mapped at this moment.
    pub fn is_mapped(&self) -> bool {
        self.shared.as_ref().is_some_and(|(grant, _)| grant.is_mapped())
    }

    /// Copies bytes into the page.
    ///
    /// # Panics
    /// If they don't fit.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= PAGE_SIZE, "{} bytes at {offset} are not in a page", bytes.len());
        // SAFETY: within the page, which is this value's.
        unsafe { copy_shared(self.address().wrapping_add(offset), bytes.as_ptr(), bytes.len()) };
    }

    /// Copies bytes out of the page.
    ///
    /// # Panics
    /// If there aren't so many.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        assert!(offset + bytes.len() <= PAGE_SIZE, "{} bytes at {offset} are not in a page", bytes.len());
        // SAFETY: as in `write`.
        unsafe { copy_shared(bytes.as_mut_ptr(), self.address().wrapping_add(offset), bytes.len()) };
    }

    /// Takes the page back.
    ///
    /// # Errors
    /// While the other domain has it mapped: then all is as it was.
    pub fn revoke(mut self) -> Result<FrameRun, Self> {
        let Some((grant, page)) = self.shared.take() else { return Err(self) };
        match grant.end() {
            Ok(()) => Ok(page),
            Err(grant) => {
                self.shared = Some((grant, page));
                Err(self)
            }
        }
    }

    /// Takes the page back, and waits until the deadline for the other domain to unmap it.
    ///
    /// # Errors
    /// If it is still mapped then.
    pub fn revoke_until(mut self, deadline: Nanoseconds) -> Result<FrameRun, Self> {
        loop {
            match self.revoke() {
                Ok(page) => return Ok(page),
                Err(busy) if now() >= deadline => return Err(busy),
                Err(busy) => self = busy,
            }
            threads::thread::sleep(core::time::Duration::from_millis(1));
        }
    }
}

// ANCHOR: drop
impl Drop for SharedPage {
    fn drop(&mut self) {
        let Some((grant, page)) = self.shared.take() else { return };
        let Err(grant) = grant.end() else { return }; // and the page is free again
        // The other domain could still write into it: nobody else may have it until that is over.
        let aside = Self { reference: self.reference, shared: Some((grant, page)) };
        let mut guard = TABLE.lock();
        let deferred = guard.as_mut().map(|table| &mut table.deferred);
        match deferred.and_then(|deferred| deferred.try_reserve(1).ok().map(|()| deferred)) {
            Some(deferred) => deferred.push(aside),
            None => core::mem::forget(aside),
        }
    }
}
// ANCHOR_END: drop

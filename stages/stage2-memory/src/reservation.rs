//! Frames given back to Xen, and taken again; and frames that a domain may have and never had.
//!
//! Follows `XENMEM_decrease_reservation` and `XENMEM_populate_physmap` in Xen's `public/memory.h`. Our number for such a frame
//! stays; only there is no machine frame behind it for a while: its entry in the P2M list says so, and the direct map
//! shows nothing there.
//!
//! Invariant: a frame goes back to Xen only when nothing of ours maps it any more, and is handed out again only when it is mapped.

use console::Errno;
use console::lock::Lock;
use console::types::{Domid, Mfn, Pfn};
use console::xen::{hypercall, number};

use crate::area::Area;
use crate::bedrock::direct_map::{self, PIECE};
use crate::entry::{Access, Entry};
use crate::frames::{self, FrameRun};
use crate::mmu::{self, BATCH, Request};
use crate::tlb;
use crate::translate::{self, INVALID, pfn_to_mfn, set_machine_frame};

/// The most frames that go, or come, at a time.
pub const MOST: u64 = BATCH as u64;

/// Frames of ours behind which there is no memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Absent {
    first: Pfn,
    count: u64,
}

impl Absent {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first `count` of them, which is not 0, and the others.
    pub fn split(self, count: u64) -> (Self, Option<Self>) {
        let count = count.clamp(1, self.count);
        let rest = Self { first: Pfn(self.first.0 + count), count: self.count - count };
        (Self { count, ..self }, (rest.count > 0).then_some(rest))
    }
}

/// Gives frames back to Xen, as many of the run's first as it takes; the others are free afterwards.
///
/// # Errors
/// If Xen takes none, or there are more than [`MOST`].
pub fn give_back(run: FrameRun) -> Result<Absent, Errno> {
    let count = run.count();
    if count > MOST {
        return Err(Errno::EINVAL);
    }
    let mut machine = [0; BATCH];
    for (pfn, machine) in run.pfns().zip(&mut machine) {
        *machine = pfn_to_mfn(pfn).ok_or(Errno::EINVAL)?.0;
    }
    map(run.first(), count, |_| Entry::EMPTY);
    let start = run.address().addr() as u64;
    tlb::flush(start..start + run.bytes() as u64);
    let done = change(DECREASE_RESERVATION, &mut machine[..count as usize]);
    let gone = done.unwrap_or(0).min(count);
    let first = run.leak();
    for number in 0..gone {
        set_machine_frame(Pfn(first.0 + number), None);
    }
    // What Xen didn't take is as it was.
    map(Pfn(first.0 + gone), count - gone, direct_map_entry);
    if gone < count {
        // SAFETY: the run's own frames, which nobody else has.
        drop(unsafe { FrameRun::from_leaked(Pfn(first.0 + gone), count - gone) });
    }
    if gone == 0 { Err(done.err().unwrap_or(Errno::EINVAL)) } else { Ok(Absent { first, count: gone }) }
}

/// Takes frames from Xen again. Returns what there is memory for, which is free when it is dropped, and what is still absent.
pub fn take_again(absent: Absent) -> (Option<FrameRun>, Option<Absent>) {
    let Absent { first, count } = absent;
    let mut frames = [0; BATCH];
    for (number, frame) in frames[..count as usize].iter_mut().enumerate() {
        *frame = first.0 + number as u64;
    }
    let come = change(POPULATE_PHYSMAP, &mut frames[..count as usize]).unwrap_or(0).min(count);
    for (number, mfn) in (0..come).zip(frames) {
        set_machine_frame(Pfn(first.0 + number), Some(Mfn(mfn)));
    }
    map(first, come, direct_map_entry);
    // SAFETY: the absent frames were this value's, and there is memory behind these again.
    let run = (come > 0).then(|| unsafe { FrameRun::from_leaked(first, come) });
    let rest = Absent { first: Pfn(first.0 + come), count: count - come };
    (run, (rest.count > 0).then_some(rest))
}

/// Where the second P2M list is; see [`translate`].
static LIST: Lock<Option<Area>> = Lock::new(None);

/// Entries of that list in a page.
const ENTRIES: u64 = (console::types::PAGE_SIZE / size_of::<u64>()) as u64;

// ANCHOR: extend
/// Gives numbers to frames that we may have, up to `maxmem`, and never had: some, not all of them. Nothing is behind them yet. `None`
/// if there are no more, or there is no memory to keep account of them: each 512 take a page of the P2M list and one of the direct map.
pub fn extend() -> Option<Absent> {
    let mut list = LIST.lock();
    let (first, next, limit) = (translate::first_pages(), translate::pages(), translate::limit());
    let behind = next.checked_sub(first).filter(|_| next < limit)?;
    if list.is_none() {
        let area = Area::reserve((limit - first) as usize * size_of::<u64>()).ok()?;
        translate::set_more(area.address().cast());
        *list = Some(area);
    }
    frames::reach(Pfn(next)).ok()?;
    if behind.is_multiple_of(ENTRIES) {
        let page = frames::allocate(1).ok()?;
        for entry in 0..ENTRIES as usize {
            // SAFETY: within the page, which is ours.
            unsafe { page.address().cast::<u64>().wrapping_add(entry).write_volatile(INVALID) };
        }
        let frame = pfn_to_mfn(page.first())?;
        list.as_mut()?.map((behind / ENTRIES) as usize, &[frame], Access::ReadWrite).ok()?;
        page.leak(); // it is the list's
    }
    let ends = [next + MOST, next + ENTRIES - behind % ENTRIES, (next + 1).next_multiple_of(PIECE), limit];
    let end = ends.into_iter().min()?;
    translate::set_pages(end);
    Some(Absent { first: Pfn(next), count: end - next })
}
// ANCHOR_END: extend

const DECREASE_RESERVATION: u64 = 1;
const POPULATE_PHYSMAP: u64 = 6;

/// `struct xen_memory_reservation`.
#[repr(C)]
struct Reservation {
    frames: u64,
    count: u64,
    order: u32,
    flags: u32,
    domain: u16,
}

/// Makes the hypercall. Returns how many frames it was done for.
fn change(operation: u64, frames: &mut [u64]) -> Result<u64, Errno> {
    let pointer = frames.as_mut_ptr().expose_provenance() as u64;
    let count = frames.len() as u64;
    let reservation = Reservation { frames: pointer, count, order: 0, flags: 0, domain: Domid::SELF.0 };
    let argument = (&raw const reservation).expose_provenance() as u64;
    // SAFETY: laid out as Xen's; the frames are the caller's, and not mapped anywhere.
    unsafe { hypercall(number::MEMORY_OP, [operation, argument, 0, 0]) }
}

fn direct_map_entry(pfn: Pfn) -> Entry {
    pfn_to_mfn(pfn).map_or(Entry::EMPTY, |mfn| Entry::new(mfn, Access::ReadWrite.flags()))
}

/// Changes the direct map's entries for these frames.
fn map(first: Pfn, count: u64, entry: impl Fn(Pfn) -> Entry) {
    let mut requests = [Request::NONE; BATCH];
    for (request, number) in requests.iter_mut().zip(0..count) {
        let pfn = Pfn(first.0 + number);
        *request = direct_map::request(pfn, entry(pfn));
    }
    // SAFETY: the frames are the caller's, and nobody else uses what the direct map shows of them.
    let changed = unsafe { mmu::update(&requests[..count as usize]) };
    assert!(changed.is_ok(), "Xen refused to change the direct map at {first:?}: {changed:?}");
}

//! Frames given back to Xen, and taken again.
//!
//! Follows `XENMEM_decrease_reservation` and `XENMEM_populate_physmap` in Xen's `public/memory.h`. Our number for such a frame
//! stays; only there is no machine frame behind it for a while: its entry in the P2M list says so, and the direct map
//! shows nothing there.
//!
//! Invariant: a frame goes back to Xen only when nothing of ours maps it any more, and is handed out again only when it is mapped.

use console::Errno;
use console::types::{Domid, Mfn, Pfn};
use console::xen::{hypercall, number};

use crate::bedrock::direct_map;
use crate::entry::{Access, Entry};
use crate::frames::FrameRun;
use crate::mmu::{self, BATCH, Request};
use crate::tlb;
use crate::translate::{pfn_to_mfn, set_machine_frame};

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

//! The frame allocator: who has which frame of our memory.
//!
//! Frames are handed out in runs of adjacent pfns; which ones, exercise 2a decides. Every frame that is handed out
//! can be read and written through the direct map. Memory is mapped there on first use: when no free run is long
//! enough, the direct map grows by a piece of 2 MiB, whose frames become free, until there is no more memory.
//!
//! Invariants: a frame has one owner, a [`FrameRun`], or is free. Two frames are always set aside for the tables that
//! the growth itself needs.

use core::fmt;
use core::mem::ManuallyDrop;

use console::boot_info::StartInfo;
use console::lock::Lock;
use console::types::{PAGE_SIZE, Pfn};

use crate::bedrock::direct_map::{self, DirectMap};
use crate::block_tree::BlockTrees;
use crate::free_blocks;
use crate::layout;
use crate::translate::{limit, pages};

/// There are no frames left, or no run of so many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for OutOfMemory {}

/// Adjacent frames, and their owner: they are free again when it is dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct FrameRun {
    first: Pfn,
    count: u64,
}

impl FrameRun {
    /// Takes over frames that [`FrameRun::leak`] parted with.
    ///
    /// # Safety
    /// The frames must be the caller's, and nothing may use them behind the run's back.
    pub unsafe fn from_leaked(first: Pfn, count: u64) -> Self {
        Self { first, count }
    }

    /// The first frame.
    pub fn first(&self) -> Pfn {
        self.first
    }

    /// How many frames there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them.
    pub fn pfns(&self) -> impl DoubleEndedIterator<Item = Pfn> + use<> {
        (self.first.0..self.first.0 + self.count).map(Pfn)
    }

    /// Where the direct map shows the first.
    pub fn address(&self) -> *mut u8 {
        layout::direct_map(self.first)
    }

    /// How many bytes there are.
    pub fn bytes(&self) -> usize {
        self.count as usize * PAGE_SIZE
    }

    /// Never frees them. Returns the first.
    pub fn leak(self) -> Pfn {
        ManuallyDrop::new(self).first
    }
}

impl Drop for FrameRun {
    fn drop(&mut self) {
        let mut memory = MEMORY.lock();
        let Some(memory) = memory.as_mut() else { return };
        let freed = free_blocks::free(&mut memory.blocks, self.first, self.count);
        assert!(freed.is_ok(), "{} frames from {:?} on can't be freed: {freed:?}", self.count, self.first);
        memory.free += self.count;
    }
}

/// What is known of our memory, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// All that the domain has, or had: what went back to Xen is among it.
    pub total: u64,
    /// What was in use before the allocator began: image, P2M list, tables, its own bitmaps.
    pub reserved: u64,
    /// What can still be handed out, mapped or not.
    pub free: u64,
    /// How much of the memory the direct map shows.
    pub mapped: u64,
}

struct Memory {
    blocks: BlockTrees<'static>,
    map: DirectMap,
    /// For the tables of the next growth.
    spare: [Option<Pfn>; 2],
    /// Frames in `blocks`.
    free: u64,
    reserved: u64,
}

static MEMORY: Lock<Option<Memory>> = Lock::new(None);

/// Brings up the direct map and the allocator.
///
/// # Panics
/// If there is too little memory to begin with.
pub(crate) fn start(start_info: &StartInfo<'_>) {
    /// To begin with: enough for what is allocated while the kernel starts, and for the tables of the first growth.
    const FIRST: u64 = 16;
    let words = BlockTrees::words(limit());
    let bitmap_frames = (words * 8).div_ceil(PAGE_SIZE) as u64;
    let (map, bitmaps) = direct_map::start(start_info, bitmap_frames + FIRST);
    // SAFETY: the direct map shows these frames now, `start` says that they are free, and nobody else gets them.
    let words = unsafe { core::slice::from_raw_parts_mut(layout::direct_map(bitmaps).cast::<u64>(), words) };
    let blocks = BlockTrees::new(words, limit());
    let first = bitmaps.0 + bitmap_frames;
    let mut memory = Memory { blocks, map, spare: [None; 2], free: 0, reserved: first };
    memory.add(first..memory.map.mapped().min(pages()));
    memory.set_aside();
    *MEMORY.lock() = Some(memory);
}

/// Takes `count` adjacent frames, with whatever they hold.
///
/// # Errors
/// If there is no run of so many free frames; 0 frames are none.
pub fn allocate(count: u64) -> Result<FrameRun, OutOfMemory> {
    MEMORY.lock().as_mut().and_then(|memory| memory.allocate(count)).ok_or(OutOfMemory)
}

/// Takes `count` adjacent frames, filled with zeros.
///
/// # Errors
/// As [`allocate`].
pub fn allocate_zeroed(count: u64) -> Result<FrameRun, OutOfMemory> {
    let run = allocate(count)?;
    // SAFETY: the run is ours, and the direct map shows it.
    unsafe { run.address().write_bytes(0, run.bytes()) };
    Ok(run)
}

/// Gives frames back; the same as dropping the run.
///
/// # Panics
/// If the allocator knows better who has them.
pub fn free(run: FrameRun) {
    drop(run);
}

/// Makes a place in the direct map for the frame of this number, the next one that gets one.
pub(crate) fn reach(pfn: Pfn) -> Result<(), OutOfMemory> {
    MEMORY.lock().as_mut().and_then(|memory| memory.reach(pfn)).ok_or(OutOfMemory)
}

/// How much memory there is, and how much of it is free.
pub fn statistics() -> Statistics {
    MEMORY.lock().as_ref().map_or(Statistics::default(), |memory| {
        let unmapped = pages().saturating_sub(memory.map.mapped());
        let Memory { free, reserved, .. } = *memory;
        Statistics { total: pages(), reserved, free: free + unmapped, mapped: memory.map.mapped().min(pages()) }
    })
}

impl Memory {
    // ANCHOR: allocate
    fn allocate(&mut self, count: u64) -> Option<FrameRun> {
        loop {
            if let Some(first) = free_blocks::allocate(&mut self.blocks, count) {
                assert!(
                    first.0 >= self.reserved && first.0 + count <= self.map.mapped(),
                    "{first:?} is not free memory"
                );
                self.free -= count;
                return Some(FrameRun { first, count });
            }
            if count == 0 || count > pages() || !self.grow() {
                return None;
            }
        }
    }
    // ANCHOR_END: allocate

    /// Maps more memory. Returns whether there was more.
    fn grow(&mut self) -> bool {
        match self.map_next(pages()) {
            Some(frames) => {
                self.add(frames);
                self.set_aside();
                true
            }
            None => {
                // There is no more to map, so what was set aside for it is free after all.
                let spare = core::mem::take(&mut self.spare);
                spare.into_iter().flatten().for_each(|pfn| self.add(pfn.0..pfn.0 + 1));
                spare.iter().any(Option::is_some)
            }
        }
    }

    /// Maps the next piece of memory, up to frame number `end`. Returns its frames.
    fn map_next(&mut self, end: u64) -> Option<core::ops::Range<u64>> {
        let Self { blocks, map, spare, free, .. } = self;
        let mut given_back = [None; 2];
        let take = || match spare.iter_mut().find_map(Option::take) {
            Some(pfn) => Some(pfn),
            None => free_blocks::allocate(blocks, 1).inspect(|_| *free -= 1),
        };
        let give = |pfn| given_back[0] = Some(pfn);
        let grown = map.grow(end, take, give);
        for pfn in given_back.into_iter().flatten() {
            self.add(pfn.0..pfn.0 + 1);
        }
        grown
    }

    /// Makes a place in the direct map for a frame that has no number yet: all others have theirs then.
    fn reach(&mut self, pfn: Pfn) -> Option<()> {
        while self.map.mapped() < pages() {
            let mapped = self.map.mapped();
            if !self.grow() || self.map.mapped() == mapped {
                return None;
            }
        }
        if pfn.0 >= self.map.mapped() {
            self.map_next(limit())?;
        }
        Some(())
    }

    /// Hands frames to the allocator.
    fn add(&mut self, frames: core::ops::Range<u64>) {
        let count = frames.end - frames.start;
        if count > 0 {
            let added = free_blocks::free(&mut self.blocks, Pfn(frames.start), count);
            assert!(added.is_ok(), "frames {frames:?} can't be added: {added:?}");
            self.free += count;
        }
    }

    /// Sees to it that the next growth finds frames for its tables.
    fn set_aside(&mut self) {
        if self.map.mapped() < pages() {
            for spare in self.spare.iter_mut().filter(|spare| spare.is_none()) {
                *spare = free_blocks::allocate(&mut self.blocks, 1);
                self.free -= u64::from(spare.is_some());
            }
        }
    }
}

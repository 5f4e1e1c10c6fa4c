//! Host tests of the exercises: a quick look before Xen is booted. They give no points.

mod frame_allocator {
    use std::cell::Cell;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use console::types::Pfn;
    use fastrand::Rng;

    use crate::free_blocks::{FreeBlocks, FreeError, ORDERS, allocate, free};

    /// A set that is as simple as can be, and counts what is asked of it.
    #[derive(Clone, Default)]
    struct Set {
        frames: u64,
        blocks: BTreeSet<(u32, Pfn)>,
        operations: Cell<u32>,
    }

    impl FreeBlocks for Set {
        fn frames(&self) -> u64 {
            self.frames
        }
        fn contains(&self, order: u32, first: Pfn) -> bool {
            self.operations.set(self.operations.get() + 1);
            self.blocks.contains(&(order, first))
        }
        fn next(&self, order: u32, from: Pfn) -> Option<Pfn> {
            self.operations.set(self.operations.get() + 1);
            self.blocks.range((order, from)..=(order, Pfn(u64::MAX))).next().map(|(_, first)| *first)
        }
        fn insert(&mut self, order: u32, first: Pfn) {
            self.operations.set(self.operations.get() + 1);
            assert!(first.0.is_multiple_of(1 << order), "a block of order {order} can't begin at {first:?}");
            assert!(first.0 + (1 << order) <= self.frames, "there are no such frames");
            assert!(self.blocks.insert((order, first)), "the block is in the set already");
        }
        fn remove(&mut self, order: u32, first: Pfn) {
            self.operations.set(self.operations.get() + 1);
            assert!(self.blocks.remove(&(order, first)), "the block is not in the set");
        }
    }

    impl Set {
        fn of(frames: u64, blocks: &[(u32, u64)]) -> Self {
            let blocks = blocks.iter().map(|(order, first)| (*order, Pfn(*first))).collect();
            Self { frames, blocks, operations: Cell::new(0) }
        }
        fn shown(&self) -> Vec<(u32, u64)> {
            self.blocks.iter().map(|(order, first)| (*order, first.0)).collect()
        }
        /// The frames in its blocks; panics if one is in two.
        fn free_frames(&self) -> BTreeSet<u64> {
            let mut all = BTreeSet::new();
            for (order, first) in &self.blocks {
                for pfn in first.0..first.0 + (1 << order) {
                    assert!(all.insert(pfn), "frame {pfn} is in two blocks");
                }
            }
            all
        }
        fn assert_no_buddies(&self) {
            for (order, first) in self.blocks.iter().filter(|(order, _)| order + 1 < ORDERS) {
                assert!(!self.blocks.contains(&(*order, Pfn(first.0 ^ 1 << order))), "{first:?} has a free buddy");
            }
        }
    }

    #[test]
    fn three_of_sixteen() {
        let mut set = Set::of(16, &[(4, 0)]);
        assert_eq!(allocate(&mut set, 3), Some(Pfn(0)));
        assert_eq!(set.shown(), [(0, 3), (2, 4), (3, 8)]);
        assert_eq!(free(&mut set, Pfn(0), 3), Ok(()));
        assert_eq!(set.shown(), [(4, 0)]);
    }

    #[test]
    fn the_smallest_block_that_is_large_enough_and_of_these_the_lowest() {
        let mut set = Set::of(64, &[(4, 0), (2, 20), (2, 28), (1, 34)]);
        assert_eq!(allocate(&mut set, 3), Some(Pfn(20)));
        assert_eq!(allocate(&mut set, 2), Some(Pfn(34)));
        assert_eq!(allocate(&mut set, 5), Some(Pfn(0)));
        assert_eq!((allocate(&mut set, 9), allocate(&mut set, 0), allocate(&mut set, u64::MAX)), (None, None, None));
    }

    #[test]
    fn what_is_free_or_not_there_can_not_be_freed() {
        let mut set = Set::of(63, &[(3, 8)]);
        let before = set.shown();
        for (first, count) in [(8, 8), (11, 1), (0, 9), (15, 3), (4, 20)] {
            assert_eq!(free(&mut set, Pfn(first), count), Err(FreeError::AlreadyFree), "{count} from {first}");
        }
        for (first, count) in [(63, 1), (62, 2), (20, 0), (u64::MAX, 2)] {
            assert_eq!(free(&mut set, Pfn(first), count), Err(FreeError::NoFrames), "{count} from {first}");
        }
        assert_eq!(set.shown(), before);
    }

    #[test]
    fn any_workload_keeps_the_rules_and_loses_nothing() {
        for seed in 0..12 {
            let mut rng = Rng::with_seed(seed);
            let frames = rng.u64(1..700);
            let mut set = Set { frames, ..Set::default() };
            assert_eq!(free(&mut set, Pfn(0), frames), Ok(()));
            let start = set.shown();
            let mut runs: Vec<(Pfn, u64)> = Vec::new();
            for _ in 0..250 {
                set.operations.set(0);
                if runs.is_empty() || rng.bool() {
                    let count = rng.u64(1..=60);
                    let before = set.free_frames();
                    match allocate(&mut set, count) {
                        Some(first) => {
                            assert!((first.0..first.0 + count).all(|pfn| before.contains(&pfn)), "seed {seed}");
                            assert_eq!(set.free_frames().len() as u64, before.len() as u64 - count);
                            runs.push((first, count));
                        }
                        None => assert!(set.blocks.iter().all(|(order, _)| 1 << order < count), "seed {seed}"),
                    }
                } else {
                    let (first, count) = runs.swap_remove(rng.usize(..runs.len()));
                    assert_eq!(free(&mut set, first, count), Ok(()), "seed {seed}");
                }
                set.assert_no_buddies();
                assert!(set.operations.get() <= 250, "a step took {} operations", set.operations.get());
            }
            runs.drain(..).for_each(|(first, count)| assert_eq!(free(&mut set, first, count), Ok(())));
            assert_eq!(set.shown(), start, "seed {seed}");
        }
    }
}

mod mapping {
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use console::Errno;
    use console::types::Mfn;
    use fastrand::Rng;
    use x86_64::VirtAddr;

    use crate::entry::{Access, Entry, Flags, TABLE};
    use crate::page_tables::{MapError, PageTables, Refused, Tables, Walk, map, unmap, walk};

    /// Tables by their frames, which are numbered from 100 on; the root is 100.
    struct Fake {
        tables: BTreeMap<u64, Vec<Entry>>,
        most: usize,
        refuse: Option<Mfn>,
    }

    impl Fake {
        fn new() -> Self {
            Self { tables: [(100, std::vec![Entry::EMPTY; 512])].into(), most: 100, refuse: None }
        }
        fn pages(&self) -> usize {
            let entries = self.tables.values().flatten().filter(|entry| entry.is_present());
            entries.filter(|entry| !self.tables.contains_key(&entry.frame().0)).count()
        }
    }

    impl Tables for Fake {
        fn root(&self) -> Mfn {
            Mfn(100)
        }
        fn entry(&self, table: Mfn, index: usize) -> Entry {
            self.tables[&table.0][index]
        }
    }

    impl PageTables for Fake {
        fn new_table(&mut self) -> Result<Mfn, MapError> {
            if self.tables.len() == self.most {
                return Err(MapError::OutOfMemory);
            }
            let frame = 100 + self.tables.len() as u64;
            self.tables.insert(frame, std::vec![Entry::EMPTY; 512]);
            Ok(Mfn(frame))
        }
        fn set(&mut self, table: Mfn, index: usize, frames: &[Mfn], flags: Flags) -> Result<(), Refused> {
            assert!(index + frames.len() <= 512, "a table has 512 entries");
            for (done, frame) in frames.iter().enumerate() {
                if self.refuse == Some(*frame) {
                    return Err(Refused { done, errno: Errno::EINVAL });
                }
                if self.tables.contains_key(&frame.0) {
                    assert_eq!(flags, TABLE);
                }
                self.tables.get_mut(&table.0).unwrap()[index + done] = Entry::new(*frame, flags);
            }
            Ok(())
        }
        fn clear(&mut self, table: Mfn, index: usize, count: usize) {
            self.tables.get_mut(&table.0).unwrap()[index..index + count].fill(Entry::EMPTY);
        }
    }

    const BASE: VirtAddr = VirtAddr::new_truncate(0xffff_9000_0000_0000);
    const READ: Flags = Access::Read.flags();

    fn frames(count: usize) -> Vec<Mfn> {
        (0..count as u64).map(|number| Mfn(5000 + 3 * number)).collect()
    }

    fn page(number: u64) -> VirtAddr {
        BASE + number * 4096
    }

    #[test]
    fn a_run_across_tables_is_walked_to_its_frames() {
        let mut fake = Fake::new();
        assert_eq!(walk(&fake, page(500)), Walk::Missing(4));
        assert_eq!(map(&mut fake, page(500), &frames(600), READ), Ok(()));
        assert_eq!((fake.pages(), fake.tables.len()), (600, 1 + 2 + 3));
        for number in 0..600 {
            assert_eq!(walk(&fake, page(500 + number)), Walk::Mapped(Entry::new(Mfn(5000 + 3 * number), READ)));
        }
        assert_eq!(walk(&fake, page(499)), Walk::Missing(1));
        assert_eq!(walk(&fake, page(512 * 512)), Walk::Missing(3));
    }

    #[test]
    fn what_is_taken_or_missing_stops_everything() {
        let mut fake = Fake::new();
        map(&mut fake, page(3), &frames(1), READ).unwrap();
        assert_eq!(map(&mut fake, page(0), &frames(5), READ), Err(MapError::AlreadyMapped(page(3))));
        assert_eq!(unmap(&mut fake, page(2), 2), Err(MapError::NotMapped(page(2))));
        assert_eq!(unmap(&mut fake, page(3), 2), Err(MapError::NotMapped(page(4))));
        assert_eq!((fake.pages(), unmap(&mut fake, page(3), 1), fake.pages()), (1, Ok(()), 0));
    }

    #[test]
    fn what_can_not_be_finished_is_undone() {
        for seed in 0..50 {
            let mut rng = Rng::with_seed(seed);
            let mut fake = Fake::new();
            let (start, count) = (rng.u64(..512), rng.usize(1..1500));
            let frames = frames(count);
            let expected = if rng.bool() {
                fake.refuse = Some(frames[rng.usize(..count)]);
                MapError::Refused(Errno::EINVAL)
            } else {
                let tables = (start as usize + count).div_ceil(512);
                fake.most = 1 + 2 + rng.usize(..tables);
                MapError::OutOfMemory
            };
            assert_eq!(map(&mut fake, page(start), &frames, READ), Err(expected), "seed {seed}");
            assert_eq!(fake.pages(), 0, "seed {seed}");
        }
    }

    #[test]
    fn only_pages_that_a_guest_may_map() {
        let mut fake = Fake::new();
        for address in [0xffff_8000_0000_0000, 0x7fff_ffff_f000, 0x1234] {
            let address = VirtAddr::new(address);
            assert_eq!(map(&mut fake, address, &frames(2), READ), Err(MapError::BadAddress), "{address:?}");
        }
        assert_eq!(unmap(&mut fake, VirtAddr::new(0xffff_ffff_ffff_f000), 2), Err(MapError::BadAddress));
        assert_eq!(map(&mut fake, VirtAddr::new(0xffff_ffff_ffff_f000), &frames(1), READ), Ok(()));
    }
}

mod growth {
    use core::alloc::Layout;
    use std::vec::Vec;

    use console::types::Pfn;

    use crate::heap_space::{GrowError, HeapSpace, Run, grow};
    use crate::page_tables::MapError;

    const START: u64 = 0x10_0000;

    #[derive(Default)]
    struct Fake {
        grown: u64,
        room: u64,
        free: Vec<u64>,
        maps: Vec<(u64, u64)>,
        extended: Vec<u64>,
        most: Option<usize>,
    }

    impl HeapSpace for Fake {
        fn end(&self) -> u64 {
            START + self.grown
        }
        fn limit(&self) -> u64 {
            START + self.room * 4096
        }
        fn take(&mut self, pages: u64) -> Option<Run> {
            let run = self.free.iter_mut().find(|run| **run >= pages)?;
            *run -= pages;
            Some(Run { first: Pfn(0), pages })
        }
        fn give(&mut self, run: Run) {
            self.free.push(run.pages);
        }
        fn map(&mut self, address: u64, run: &Run) -> Result<(), MapError> {
            if self.most == Some(self.maps.len()) {
                return Err(MapError::OutOfMemory);
            }
            self.maps.push(((address - START) / 4096, run.pages));
            Ok(())
        }
        fn unmap(&mut self, address: u64, pages: u64) {
            assert_eq!((address, pages), (START, self.maps.drain(..).map(|(_, pages)| pages).sum()));
            self.free.push(pages);
        }
        fn extend(&mut self, bytes: u64) {
            self.extended.push(bytes / 4096);
            self.grown += bytes;
        }
    }

    fn grown(mut fake: Fake, size: usize) -> (Result<(), GrowError>, Fake) {
        let free = |fake: &Fake| fake.free.iter().sum::<u64>();
        let before = free(&fake);
        let result = grow(&mut fake, Layout::from_size_align(size, 16).unwrap());
        assert_eq!(free(&fake) + fake.extended.iter().sum::<u64>(), before, "frames are lost");
        (result, fake)
    }

    #[test]
    fn frames_in_pieces_make_one_heap() {
        let fake = Fake { room: 1000, free: std::vec![3, 20, 7], ..Fake::default() };
        let (result, fake) = grown(fake, 25 * 4096);
        assert_eq!((result, &fake.extended[..]), (Ok(()), &[26][..]));
        assert_eq!(fake.maps, [(0, 13), (13, 6), (19, 6), (25, 1)]);
    }

    #[test]
    fn less_than_wanted_will_do_but_not_less_than_needed() {
        let few = || Fake { room: 1000, free: std::vec![2, 2], ..Fake::default() };
        assert_eq!(grown(few(), 100).1.extended, [4]);
        let (result, fake) = grown(few(), 5 * 4096);
        assert_eq!((result, fake.extended.len()), (Err(GrowError::OutOfMemory), 0));
        let (result, _) = grown(Fake { most: Some(1), ..few() }, 3 * 4096);
        assert_eq!(result, Err(GrowError::Map(MapError::OutOfMemory)));
    }

    #[test]
    fn the_limit_holds() {
        let fake = |room| Fake { room, free: std::vec![1 << 20], ..Fake::default() };
        assert_eq!(grown(fake(10), 40_000).0, Ok(()));
        assert_eq!(grown(fake(10), 100).1.extended, [10]);
        assert_eq!(grown(fake(10), 10 * 4096).0, Err(GrowError::NoRoom));
        assert_eq!(grown(fake(10), isize::MAX as usize - 15).0, Err(GrowError::NoRoom));
    }
}

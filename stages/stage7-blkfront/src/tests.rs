//! Host tests: a quick look at the exercises before Xen is booted, and what needs no Xen. They give no points.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "as in every test; helpers are no test functions")]

mod gate;
mod hostile;

mod request {
    use std::vec::Vec;

    use crate::blkif::Operation;
    use crate::error::Reason;
    use crate::requests::{Limits, Part, Request, Segment, check, cut, encode, spread};
    use xenbus::grants::GrantRef;

    #[test]
    fn a_transfer_is_cut_and_spread_to_the_last_sector() {
        let part = |sector, sectors| Part { sector, sectors };
        assert_eq!(cut(100, 200, 11), [part(100, 88), part(188, 88), part(276, 24)]);
        let pages = [GrantRef(7), GrantRef(9), GrantRef(11)];
        let segment = |page, last| Segment { page: GrantRef(page), first: 0, last };
        assert_eq!(spread(10, &pages), [segment(7, 7), segment(9, 1)]);
    }

    #[test]
    fn what_is_beyond_the_end_is_refused() {
        let limits = Limits { sectors: 80, block: 8, read_only: true, segments: 11 };
        assert_eq!(check(&limits, Operation::Read, 72, 8), Ok(()));
        assert_eq!(check(&limits, Operation::Read, 76, 8), Err(Reason::Unaligned));
        assert_eq!(check(&limits, Operation::Write, 72, 8), Err(Reason::ReadOnly));
        let beyond = Reason::BeyondEnd { end: u64::MAX, size: 40960 };
        assert_eq!(check(&limits, Operation::Read, u64::MAX - 7, 8), Err(beyond));
    }

    #[test]
    fn words_are_the_backends() {
        let segments: Vec<Segment> = (0..2).map(|page| Segment { page: GrantRef(page), first: 0, last: 7 }).collect();
        let (operation, handle, id) = (Operation::Write, 0xca00, 5);
        let request = Request { operation, handle, id, sector: 9, sectors: 0, segments: &segments, table: None };
        assert_eq!(encode(&request)[..5], [0xca00_0201, 5, 9, 7 << 40, 1 | 7 << 40]);
        let indirect = Request { table: Some(GrantRef(3)), ..request };
        assert_eq!(encode(&indirect)[..5], [0x2_0106, 5, 9, 0x3_0000_ca00, 0]);
    }
}

mod completion {
    use crate::completions::{Table, begin, finish};

    #[test]
    fn an_id_is_good_for_once() {
        let mut table = Table::new(2);
        let (first, second) = (begin(&mut table, 'a').unwrap(), begin(&mut table, 'b').unwrap());
        assert_eq!((first, second, begin(&mut table, 'c')), (1 << 32, 1 << 32 | 1, Err('c')));
        assert_eq!((finish(&mut table, first), finish(&mut table, first)), (Some('a'), None));
        assert_eq!(begin(&mut table, 'd'), Ok(2 << 32));
        assert_eq!((finish(&mut table, first), finish(&mut table, u64::MAX)), (None, None));
    }
}

mod cache {
    use std::vec::Vec;

    use crate::block_cache::{Blocks, Cache, flush, load};

    #[derive(Default)]
    struct Device {
        written: Vec<u64>,
        flushes: u32,
        broken: bool,
    }

    impl Blocks for Device {
        type Error = ();

        fn read(&mut self, _: u64, _: &mut [u8]) -> Result<(), ()> {
            Ok(())
        }
        fn write(&mut self, block: u64, _: &[u8]) -> Result<(), ()> {
            self.written.push(block);
            if self.broken { Err(()) } else { Ok(()) }
        }
        fn flush(&mut self) -> Result<(), ()> {
            self.flushes += 1;
            Ok(())
        }
    }

    fn dirty(cache: &mut Cache, device: &mut Device, block: u64) {
        let index = load(cache, device, block, false).unwrap();
        cache.slots[index].dirty = true;
    }

    #[test]
    fn dirty_blocks_are_written_in_order_before_the_flush() {
        let (mut cache, mut device) = (Cache::new(4).unwrap(), Device::default());
        [9, 3, 7].into_iter().for_each(|block| dirty(&mut cache, &mut device, block));
        assert_eq!(flush(&mut cache, &mut device), Ok(()));
        assert_eq!((&device.written[..], device.flushes, cache.dirty()), (&[3, 7, 9][..], 1, 0));
        assert_eq!((flush(&mut cache, &mut device), device.flushes), (Ok(()), 1));
    }

    #[test]
    fn what_could_not_be_written_is_still_there() {
        let (mut cache, mut device) = (Cache::new(1).unwrap(), Device::default());
        dirty(&mut cache, &mut device, 5);
        device.broken = true;
        assert_eq!(load(&mut cache, &mut device, 6, false), Err(()));
        assert_eq!((cache.slots[0].block, cache.slots[0].dirty), (Some(5), true));
        assert_eq!((flush(&mut cache, &mut device), device.flushes), (Err(()), 0));
    }
}

mod name {
    use std::string::ToString;

    use crate::name::Name;

    #[test]
    fn numbers_are_names() {
        let names = [51712, 51728, 51713, (1 << 28) + (26 << 8), 768].map(|number| Name::of(number).to_string());
        assert_eq!(names, ["xvda", "xvdb", "xvda1", "xvdaa", "vbd-768"]);
        assert_eq!(Name::of(51712), Name::new("xvda"));
    }
}

mod date {
    use core::time::Duration;
    use std::string::ToString;

    use crate::date::Date;

    #[test]
    fn days_are_counted_with_leap_days() {
        let at = |seconds| Date::at(Duration::from_secs(seconds)).to_string();
        assert_eq!(at(0), "1970-01-01 00:00:00");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(at(4_107_542_399), "2100-02-28 23:59:59");
        assert_eq!(at(4_107_542_400), "2100-03-01 00:00:00");
        assert_eq!(at(1_790_000_000), "2026-09-21 14:13:20");
    }
}

mod files {
    use crate::files::{FileReason, names, parent};

    #[test]
    fn paths_are_names() {
        assert_eq!(names("/a//b c/./d").unwrap(), ["a", "b c", "d"]);
        assert_eq!(parent("x").unwrap(), (std::vec![], "x"));
        assert_eq!(parent("/"), Err(FileReason::IsDirectory));
        for bad in ["a/../b", "a\0b", &"x".repeat(256), &"x/".repeat(5000)] {
            assert_eq!(names(bad), Err(FileReason::BadName));
        }
    }
}

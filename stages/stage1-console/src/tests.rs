//! Host tests of the exercises: a quick look before Xen is booted. They give no points.

mod hypercall {
    use crate::Errno;
    use crate::xen::decode;

    #[test]
    fn only_the_last_4095_negative_numbers_are_errors() {
        assert_eq!(decode(0), Ok(0));
        assert_eq!(decode(i64::MAX), Ok(i64::MAX as u64));
        assert_eq!(decode(-38), Err(Errno::ENOSYS));
        assert_eq!(decode(-1).map_err(Errno::number), Err(1));
        assert_eq!(decode(-4095).map_err(Errno::number), Err(4095));
        assert_eq!(decode(-4096), Ok(-4096_i64 as u64));
        assert_eq!(decode(i64::MIN), Ok(1 << 63));
    }
}

mod ring {
    use std::vec::Vec;

    use crate::console_ring::{ConsolePage, OUT_SIZE, OutRing, write};

    /// A ring whose producer stands at `producer` and holds `used` bytes.
    struct Ring {
        slots: Vec<u8>,
        producer: u32,
        consumer: u32,
        publishes: usize,
    }

    impl Ring {
        fn new(producer: u32, used: u32) -> Self {
            Self { slots: [0; OUT_SIZE].into(), producer, consumer: producer.wrapping_sub(used), publishes: 0 }
        }
    }

    impl OutRing for Ring {
        fn consumer(&self) -> u32 {
            self.consumer
        }
        fn producer(&self) -> u32 {
            self.producer
        }
        fn store(&mut self, slot: usize, byte: u8) {
            assert_eq!(self.publishes, 0, "a byte was stored after the index that announces it");
            self.slots[slot] = byte;
        }
        fn publish(&mut self, producer: u32) {
            self.producer = producer;
            self.publishes += 1;
        }
    }

    #[test]
    fn a_text_goes_to_the_producers_slot() {
        let mut ring = Ring::new(2048 + 5, 3);
        assert_eq!(write(&mut ring, b"text"), 4);
        assert_eq!(&ring.slots[4..10], b"\0text\0");
        assert_eq!((ring.producer, ring.publishes), (2048 + 9, 1));
    }

    #[test]
    fn slots_and_indexes_wrap() {
        let mut ring = Ring::new(u32::MAX - 1, 0);
        assert_eq!(write(&mut ring, b"text"), 4);
        assert_eq!((&ring.slots[..2], &ring.slots[2046..]), (&b"xt"[..], &b"te"[..]));
        assert_eq!(ring.producer, 2);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut ring = Ring::new(100, 2046);
        assert_eq!(write(&mut ring, b"text"), 2);
        assert_eq!(ring.producer, 102);
        assert_eq!(write(&mut Ring::new(100, 2048), b"text"), 0);
        let mut ring = Ring::new(100, 0);
        assert_eq!((write(&mut ring, b""), ring.publishes), (0, 0));
    }

    #[test]
    fn a_ring_that_claims_too_much_is_full() {
        for used in [2049, 5000, u32::MAX] {
            let mut ring = Ring::new(100, used);
            assert_eq!((write(&mut ring, b"text"), ring.publishes), (0, 0));
        }
    }

    #[test]
    fn the_real_page_is_laid_out_as_xens() {
        let mut page = std::vec![0u64; 512];
        let base = page.as_mut_ptr().cast::<u8>();
        // SAFETY: the vector is a page's memory, and is touched through this pointer only. (Its alignment is a
        // u64's, which the indexes need.)
        let mut console = unsafe { ConsolePage::new(base) };
        assert_eq!(write(&mut console, b"out"), 3);
        // SAFETY: within the page.
        unsafe { base.wrapping_add(5).copy_from(b"in".as_ptr(), 2) };
        // SAFETY: within the page, and aligned.
        unsafe { base.wrapping_add(0xc00).cast::<[u32; 2]>().write([5, 7]) };
        let mut typed = [0; 8];
        assert_eq!((console.read(&mut typed), &typed[..2]), (2, &b"in"[..]));
        assert_eq!(console.read(&mut typed), 0);
        let bytes = |offset: usize, length: usize| -> Vec<u8> {
            page.iter().flat_map(|word| word.to_le_bytes()).skip(offset).take(length).collect()
        };
        assert_eq!(bytes(0x400, 4), b"out\0");
        assert_eq!(bytes(0xc00, 16), [7, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
    }
}

mod start_info {
    use std::vec::Vec;

    use crate::boot_info::{CommandLine, Flags, MAGIC, START_INFO_SIZE, StartInfoError, parse};
    use crate::types::{Mfn, Port};

    fn page(command_line: &[u8]) -> Vec<u8> {
        let mut page = std::vec![0; START_INFO_SIZE];
        page[..MAGIC.len()].copy_from_slice(MAGIC.as_bytes());
        page[0x20] = 64;
        page[0x30..0x38].copy_from_slice(&[3, 0, 0, 0x80, 0xff, 0xff, 0xff, 0xff]);
        page[0x49] = 1;
        page[0x50..0x58].copy_from_slice(&[2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        page[0x488] = 9;
        page[0x80..0x80 + command_line.len()].copy_from_slice(command_line);
        page
    }

    fn command_line(field: &[u8]) -> std::string::String {
        parse(&page(field)).unwrap().command_line.into()
    }

    #[test]
    fn the_fields_are_found() {
        let page = page(b"");
        let info = parse(&page).unwrap();
        assert_eq!((info.nr_pages, info.console_mfn, info.console_evtchn), (64, Mfn(0x100), Port(2)));
        assert_eq!((info.flags, info.nr_p2m_frames), (Flags::PRIVILEGED | Flags::INITIAL_DOMAIN, 9));
    }

    #[test]
    fn another_page_is_refused() {
        let good = page(b"");
        assert_eq!(parse(&good[..START_INFO_SIZE - 1]), Err(StartInfoError::TooShort(START_INFO_SIZE - 1)));
        assert_eq!(parse(&[]), Err(StartInfoError::TooShort(0)));
        for offset in 0..=MAGIC.len() {
            let mut bad = good.clone();
            bad[offset] ^= 1;
            assert_eq!(parse(&bad), Err(StartInfoError::BadMagic));
        }
    }

    #[test]
    fn the_command_line_is_the_text_before_the_nul() {
        assert_eq!(command_line(b"app=hello\0left over"), "app=hello");
        assert_eq!(command_line(b"caf\xc3\xa9\0"), "caf\u{e9}");
        assert_eq!(command_line(b"caf\xc3\0"), "caf");
        assert_eq!(command_line(b"\xff\0"), "");
        assert_eq!(command_line(&[b'x'; 1024]).len(), 1024);
    }

    #[test]
    fn words_are_keys_with_or_without_values() {
        let words: Vec<_> =
            CommandLine(" \tapp=hello  quiet=\tflag a=b=c ").tokens().map(|t| (t.key, t.value)).collect();
        assert_eq!(words, [("app", Some("hello")), ("quiet", Some("")), ("flag", None), ("a", Some("b=c"))]);
        assert_eq!(CommandLine(" \t ").tokens().count(), 0);
    }

    #[test]
    fn the_last_value_of_a_key_wins() {
        let line = CommandLine("app=hello log=info app=echo app");
        assert_eq!((line.get("app"), line.get("log"), line.get("size")), (Some("echo"), Some("info"), None));
    }
}

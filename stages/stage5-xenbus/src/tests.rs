//! Host tests of the exercises: a quick look before Xen is booted. They give no points.

mod connection;
mod details;

mod shared_page {
    use crate::grants::copy_shared;

    #[test]
    fn bytes_are_copied_from_anywhere_to_anywhere_and_none_beside_them() {
        let source: [u8; 64] = core::array::from_fn(|index| index as u8 + 1);
        for length in 0..=40 {
            for (from, to) in [(0, 0), (1, 0), (0, 3), (5, 7)] {
                let mut target = [0; 64];
                // SAFETY: both are 64 bytes, and no more than 47 are passed over or copied.
                unsafe { copy_shared(target.as_mut_ptr().wrapping_add(to), source[from..].as_ptr(), length) };
                let mut expected = [0; 64];
                expected[to..to + length].copy_from_slice(&source[from..from + length]);
                assert_eq!(target, expected, "{length} bytes from {from} to {to}");
            }
        }
    }
}

mod grant {
    use std::cell::Cell;

    use crate::grant_entry::{Access, Busy, Entry, NoReferences, allocate, end, grant, release};
    use crate::under_test::References;
    use console::types::{Domid, Mfn};

    #[derive(Default)]
    struct Fields {
        frame: Cell<u32>,
        domain: Cell<u16>,
        flags: Cell<u16>,
        /// What the flags become before the next exchange.
        later: Cell<Option<u16>>,
    }

    impl Entry for Fields {
        fn set_frame(&self, frame: u32) {
            assert_eq!(self.flags.get(), 0, "the entry was published before it was filled");
            self.frame.set(frame);
        }
        fn set_domain(&self, domain: u16) {
            assert_eq!(self.flags.get(), 0, "the entry was published before it was filled");
            self.domain.set(domain);
        }
        fn flags(&self) -> u16 {
            self.flags.get()
        }
        fn publish(&self, flags: u16) {
            self.flags.set(flags);
        }
        fn compare_exchange(&self, expected: u16, new: u16) -> Result<(), u16> {
            self.flags.set(self.later.take().unwrap_or(self.flags.get()));
            if self.flags.get() == expected {
                self.flags.set(new);
                Ok(())
            } else {
                Err(self.flags.get())
            }
        }
    }

    #[test]
    fn an_entry_is_filled_and_voided() {
        let entry = Fields::default();
        assert_eq!(grant(&entry, Domid(3), Mfn(0x1234), Access::ReadOnly), Ok(()));
        assert_eq!((entry.frame.get(), entry.domain.get(), entry.flags.get()), (0x1234, 3, 5));
        assert_eq!((end(&entry), entry.flags.get()), (Ok(()), 0));
        assert!(grant(&entry, Domid(3), Mfn(1 << 32), Access::ReadWrite).is_err());
    }

    #[test]
    fn what_is_mapped_at_the_last_moment_stays() {
        let entry = Fields::default();
        entry.flags.set(1);
        entry.later.set(Some(1 | 16));
        assert_eq!((end(&entry), entry.flags.get()), (Err(Busy), 17));
    }

    #[test]
    fn references_are_handed_out_once() {
        let mut list = References::growing_by(&[10]);
        assert_eq!([allocate(&mut list), allocate(&mut list)], [Ok(8), Ok(9)]);
        assert_eq!(allocate(&mut list), Err(NoReferences));
        release(&mut list, 8);
        release(&mut list, 9);
        assert_eq!([allocate(&mut list), allocate(&mut list)], [Ok(9), Ok(8)]);
    }
}

mod wire {
    use std::string::String;
    use std::vec::Vec;

    use crate::protocol::{ERROR, Refusal, Request, StoreError, encode, parse_header, parse_reply, parse_strings};

    #[test]
    fn a_write_has_its_header_and_no_last_nul() {
        let mut out = Vec::new();
        encode(&Request::Write { node: "data/x", value: b"y" }, 7, 9, &mut out).unwrap();
        assert_eq!(out, b"\x0b\0\0\0\x07\0\0\0\x09\0\0\0\x08\0\0\0data/x\0y");
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let mut out = Vec::new();
        let refused = encode(&Request::Write { node: "x", value: &[0; 4096] }, 1, 0, &mut out);
        assert_eq!((refused, out.len()), (Err(StoreError::TooLong(4098)), 0));
        assert_eq!(encode(&Request::Read(""), 1, 0, &mut out), Err(StoreError::BadPath));
    }

    #[test]
    fn replies_and_errors_are_told_apart() {
        let asked = Request::Read("x").kind();
        assert_eq!(parse_reply(asked, asked.number(), b"value"), Ok(&b"value"[..]));
        assert_eq!(parse_reply(asked, ERROR, b"ENOENT\0"), Err(StoreError::Refused(Refusal::NotFound)));
        assert_eq!(parse_reply(asked, ERROR, b"EODD\0"), Err(StoreError::Refused(Refusal::Other)));
        assert_eq!(parse_reply(asked, 11, b"OK\0"), Err(StoreError::Garbled));
        let mut header = [0; 16];
        header[12..14].copy_from_slice(&4097_u16.to_le_bytes());
        assert_eq!(parse_header(&header), Err(StoreError::Garbled));
    }

    #[test]
    fn lists_end_with_a_nul() {
        assert_eq!(parse_strings(b"one\0two\0").unwrap(), ["one", "two"]);
        assert_eq!(parse_strings(b"").unwrap(), Vec::<String>::new());
        assert_eq!(parse_strings(b"one\0two"), Err(StoreError::Garbled));
    }
}

mod transaction {
    use std::cell::Cell;
    use std::vec::Vec;

    use crate::protocol::{Refusal, StoreError};
    use crate::transactions::{Nodes, TransactionId, run, take};

    const AGAIN: StoreError = StoreError::Refused(Refusal::Again);

    #[derive(Default)]
    struct Store {
        open: Cell<i32>,
        conflicts: Cell<u32>,
        writes: Cell<u32>,
        value: &'static [u8],
    }

    impl Nodes for Store {
        fn start(&self) -> Result<TransactionId, StoreError> {
            self.open.set(self.open.get() + 1);
            Ok(TransactionId(5))
        }
        fn end(&self, _: TransactionId, commit: bool) -> Result<(), StoreError> {
            self.open.set(self.open.get() - 1);
            let conflicts = self.conflicts.get();
            self.conflicts.set(conflicts.saturating_sub(u32::from(commit)));
            if commit && conflicts > 0 { Err(AGAIN) } else { Ok(()) }
        }
        fn read(&self, _: TransactionId, _: &str) -> Result<Vec<u8>, StoreError> {
            Ok(self.value.to_vec())
        }
        fn write(&self, _: TransactionId, _: &str, _: &[u8]) -> Result<(), StoreError> {
            self.writes.set(self.writes.get() + 1);
            Ok(())
        }
    }

    #[test]
    fn a_conflict_begins_anew_but_not_for_ever() {
        let store = Store::default();
        store.conflicts.set(2);
        assert_eq!((run(&store, 3, &mut |_| Ok(1)), store.open.get()), (Ok(1), 0));
        store.conflicts.set(3);
        assert_eq!((run(&store, 3, &mut |_| Ok(1)), store.open.get()), (Err(StoreError::Conflict), 0));
        let failed = run(&store, 3, &mut |_| Err::<(), _>(StoreError::Garbled));
        assert_eq!((failed, store.open.get()), (Err(StoreError::Garbled), 0));
    }

    #[test]
    fn nothing_is_no_command() {
        let store = Store::default();
        assert_eq!((take(&store, "x"), store.writes.get(), store.open.get()), (Ok(None), 0, 0));
        let store = Store { value: b"halt", ..Store::default() };
        assert_eq!((take(&store, "x"), store.writes.get()), (Ok(Some(b"halt".to_vec())), 1));
    }
}

mod handshake {
    use std::string::{String, ToString};

    use crate::state::{Action, Frontend, State, Step, Style, perform, step};

    #[test]
    fn a_disk_comes_and_goes() {
        let mut own = State::Initialising;
        let way = [
            (State::Initialising, Action::Wait),
            (State::InitWait, Action::Publish),
            (State::Connected, Action::Connect),
            (State::Closing, Action::Release),
            (State::Closed, Action::Wait),
            (State::InitWait, Action::Restart),
        ];
        for (backend, action) in way {
            let step = step(own, backend, Style::InTwoSteps);
            assert_eq!(step.action, action, "{backend} {own}");
            own = step.state;
        }
        assert_eq!(own, State::Initialising);
        assert_eq!(step(own, State::InitWait, Style::InOneStep).state, State::Connected);
    }

    #[derive(Default)]
    struct Noted(String);

    impl Frontend for Noted {
        type Error = ();

        fn publish(&mut self) -> Result<(), ()> {
            self.0 += "publish ";
            Err(())
        }
        fn connect(&mut self) -> Result<(), ()> {
            self.0 += "connect ";
            Ok(())
        }
        fn pause(&mut self) {}
        fn resume(&mut self) -> Result<(), ()> {
            Ok(())
        }
        fn release(&mut self) {
            self.0 += "release ";
        }
        fn tell(&mut self, state: State) -> Result<(), ()> {
            self.0 += &(state.number().to_string() + " ");
            Ok(())
        }
        fn complain(&mut self, (): ()) {
            self.0 += "complain ";
        }
    }

    #[test]
    fn work_comes_before_the_word_and_a_failure_ends_closed() {
        let mut frontend = Noted::default();
        let connected = Step { action: Action::Connect, state: State::Connected };
        assert_eq!(perform(&mut frontend, State::Initialised, connected), State::Connected);
        let publish = Step { action: Action::Publish, state: State::Initialised };
        assert_eq!(perform(&mut frontend, State::Initialising, publish), State::Closed);
        assert_eq!(frontend.0, "connect 4 publish complain 5 release 6 ");
    }
}

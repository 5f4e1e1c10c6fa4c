//! Host tests of the exercises: a quick look before Xen is booted. They give no points.

mod scan {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use console::types::Port;

    use crate::pending::{PORTS, PendingPorts, WORDS, scan};

    /// The ports, and where Xen's half of the interface can be played.
    struct State {
        pending: [u64; WORDS],
        enabled: [u64; WORDS],
        selector: u64,
        flag: bool,
    }

    impl State {
        fn new() -> RefCell<Self> {
            RefCell::new(Self { pending: [0; WORDS], enabled: [u64::MAX; WORDS], selector: 0, flag: false })
        }

        fn raise(&mut self, port: u32) {
            let (word, bit) = (port as usize / 64, 1 << (port % 64));
            if self.pending[word] & bit == 0 {
                self.pending[word] |= bit;
                self.selector |= 1 << word;
                self.flag = true;
            }
        }
    }

    struct Ports<'a>(&'a RefCell<State>);

    impl PendingPorts for Ports<'_> {
        fn flag(&self) -> bool {
            self.0.borrow().flag
        }
        fn clear_flag(&mut self) {
            self.0.borrow_mut().flag = false;
        }
        fn take_selector(&mut self) -> u64 {
            std::mem::take(&mut self.0.borrow_mut().selector)
        }
        fn pending(&self, word: usize) -> u64 {
            self.0.borrow().pending[word]
        }
        fn enabled(&self, word: usize) -> u64 {
            self.0.borrow().enabled[word]
        }
        fn clear_pending(&mut self, port: Port) {
            self.0.borrow_mut().pending[port.0 as usize / 64] &= !(1 << (port.0 % 64));
        }
    }

    fn delivered(state: &RefCell<State>) -> Vec<u32> {
        let mut ports = Vec::new();
        scan(&mut Ports(state), |port| ports.push(port.0));
        ports.sort_unstable();
        ports
    }

    #[test]
    fn ports_at_the_ends_of_words_have_their_numbers() {
        let edges = [1, 31, 32, 63, 64, 1023, 1024, 4095];
        let state = State::new();
        edges.iter().for_each(|port| state.borrow_mut().raise(*port));
        assert_eq!(delivered(&state), edges);
        assert_eq!(delivered(&state), []);
    }

    #[test]
    fn a_port_that_is_not_enabled_stays_pending() {
        let state = State::new();
        [70, 71].iter().for_each(|port| state.borrow_mut().raise(*port));
        state.borrow_mut().enabled[1] = !(1 << 6);
        assert_eq!(delivered(&state), [71]);
        assert_eq!(state.borrow().pending[1], 1 << 6);
    }

    #[test]
    fn what_comes_during_a_delivery_is_delivered_as_well() {
        let state = State::new();
        state.borrow_mut().raise(100);
        let mut ports = Vec::new();
        scan(&mut Ports(&state), |port| {
            ports.push(port.0);
            if ports.len() < 4 {
                state.borrow_mut().raise(100);
                state.borrow_mut().raise(7);
            }
        });
        ports.sort_unstable();
        assert!(ports.iter().filter(|port| **port == 100).count() >= 2 && ports.contains(&7), "{ports:?}");
        assert_eq!(state.borrow().pending, [0; WORDS]);
    }

    /// Any number of ports, sent to any number of times from handlers: each comes as often as it was raised.
    #[test]
    fn nothing_is_lost_and_nothing_comes_twice() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let state = State::new();
            let mut raised: BTreeMap<u32, u32> = BTreeMap::new();
            let mut raise = |port: u32| {
                let fresh = state.borrow().pending[port as usize / 64] & 1 << (port % 64) == 0;
                state.borrow_mut().raise(port);
                *raised.entry(port).or_default() += u32::from(fresh);
            };
            (0..rng.usize(1..40)).for_each(|_| raise(rng.u32(1..PORTS)));
            let mut came: BTreeMap<u32, u32> = BTreeMap::new();
            let mut more = rng.usize(..40);
            scan(&mut Ports(&state), |port| {
                *came.entry(port.0).or_default() += 1;
                if more > 0 {
                    more -= 1;
                    raise(if rng.bool() { port.0 } else { rng.u32(1..PORTS) });
                }
            });
            assert_eq!(came, raised, "seed {seed}");
        }
    }
}

mod pvclock {
    use std::cell::Cell;
    use std::sync::atomic::AtomicU64;

    use crate::clock::{TimeInfo, latest, read, scale};

    #[test]
    fn ticks_are_shifted_multiplied_and_divided() {
        assert_eq!(scale(1000, 1 << 31, 0), 500);
        assert_eq!(scale(1000, 1 << 31, 1), 1000);
        assert_eq!(scale(1000, 1 << 31, -1), 250);
        assert_eq!(scale(3, 1 << 31, 0), 1);
    }

    #[test]
    fn large_products_are_not_cut() {
        // A day at 3 GHz: the product takes 80 bits.
        assert_eq!(scale(86_400 * 3_000_000_000, 0x5555_5555, 0), 86_399_999_979_883);
        assert_eq!(scale(u64::MAX, u32::MAX, 0), u64::MAX - (1 << 32));
        assert_eq!(scale(u64::MAX, u32::MAX, 32), u64::MAX);
        assert_eq!(scale(u64::MAX, 1 << 31, -32), 0x7fff_ffff);
    }

    /// A time whose version is that of `versions` in turn, the last one for ever, and its system time a thousand times that.
    struct Info {
        versions: &'static [u32],
        asked: Cell<usize>,
        ticks: u64,
    }

    impl Info {
        fn now(&self) -> u32 {
            self.versions[self.asked.get().min(self.versions.len() - 1)]
        }
    }

    impl TimeInfo for Info {
        fn version(&self) -> u32 {
            let version = self.now();
            self.asked.set(self.asked.get() + 1);
            version
        }
        fn tsc_timestamp(&self) -> u64 {
            5000
        }
        fn system_time(&self) -> u64 {
            u64::from(self.now()) * 1000
        }
        fn multiplier(&self) -> u32 {
            1 << 31
        }
        fn shift(&self) -> i8 {
            0
        }
        fn ticks(&self) -> u64 {
            self.ticks
        }
    }

    fn reading(versions: &'static [u32], ticks: u64) -> u64 {
        read(&Info { versions, asked: Cell::new(0), ticks })
    }

    #[test]
    fn time_goes_on_from_the_timestamp_and_never_back() {
        assert_eq!(reading(&[4], 5200), 4100);
        assert_eq!(reading(&[4], 5000), 4000);
        assert_eq!(reading(&[4], 4000), 4000);
    }

    #[test]
    fn a_version_that_is_odd_or_changes_means_begin_again() {
        assert_eq!(reading(&[3, 4], 5000), 4000);
        assert_eq!(reading(&[2, 4, 6], 5000), 6000);
        assert_eq!(reading(&[2, 3, 5, 8], 5000), 8000);
    }

    #[test]
    fn the_latest_reading_counts() {
        let place = AtomicU64::new(0);
        let readings = [5, 3, 9, 8, 10];
        assert_eq!(readings.map(|reading| latest(&place, reading)), [5, 5, 9, 9, 10]);
    }

    #[test]
    fn no_thread_falls_behind_another() {
        let place = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let place = &place;
                scope.spawn(move || {
                    let mut before = 0;
                    for round in 0..20_000 {
                        let now = latest(place, round * 4 + thread);
                        assert!(now >= before && now >= round * 4 + thread, "{now} after {before}");
                        before = now;
                    }
                });
            }
        });
    }
}

mod timer_queue {
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use crate::timer_heap::{Entry, TimerHeap, insert, pop_due, remove};

    struct Heap(Vec<Entry>);

    impl TimerHeap for Heap {
        fn length(&self) -> usize {
            self.0.len()
        }
        fn get(&self, place: usize) -> Entry {
            self.0[place]
        }
        fn swap(&mut self, one: usize, other: usize) {
            self.0.swap(one, other);
        }
        fn push(&mut self, entry: Entry) {
            self.0.push(entry);
        }
        fn pop(&mut self) -> Option<Entry> {
            self.0.pop()
        }
    }

    fn entry(deadline: u64, sequence: u64) -> Entry {
        Entry { deadline, sequence, slot: sequence as u32 }
    }

    #[test]
    fn the_earliest_comes_first_and_equal_ones_in_their_order() {
        let mut heap = Heap(Vec::new());
        for (sequence, deadline) in [30, 10, 20, 10, 30].into_iter().enumerate() {
            insert(&mut heap, entry(deadline, sequence as u64));
        }
        let order: Vec<u64> = std::iter::from_fn(|| pop_due(&mut heap, 100)).map(|entry| entry.sequence).collect();
        assert_eq!(order, [1, 3, 2, 0, 4]);
    }

    #[test]
    fn nothing_is_due_before_its_time() {
        let mut heap = Heap(Vec::new());
        assert_eq!(pop_due(&mut heap, u64::MAX), None);
        insert(&mut heap, entry(10, 0));
        assert_eq!(pop_due(&mut heap, 9), None);
        assert_eq!(pop_due(&mut heap, 10), Some(entry(10, 0)));
    }

    #[test]
    fn what_fills_a_gap_may_belong_further_up() {
        let mut heap = Heap(Vec::new());
        for (sequence, deadline) in [1, 100, 2, 101, 102, 3, 4].into_iter().enumerate() {
            insert(&mut heap, entry(deadline, sequence as u64));
        }
        assert_eq!(remove(&mut heap, 3), Some(entry(101, 3)));
        assert_eq!(remove(&mut heap, 6), None);
        let order: Vec<u64> = std::iter::from_fn(|| pop_due(&mut heap, 200)).map(|entry| entry.deadline).collect();
        assert_eq!(order, [1, 2, 3, 4, 100, 102]);
    }

    /// Anything in any order: the heap hands out what a sorted set does.
    #[test]
    fn a_heap_is_as_good_as_a_sorted_set() {
        for seed in 0..100 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut heap, mut set) = (Heap(Vec::new()), BTreeSet::new());
            let mut now = 0;
            for sequence in 0..300 {
                match rng.u8(..6) {
                    0..3 => {
                        let new = entry(now + rng.u64(..50), sequence);
                        insert(&mut heap, new);
                        set.insert(new);
                    }
                    3 if !set.is_empty() => {
                        let place = rng.usize(..heap.0.len());
                        let wanted = heap.0[place];
                        assert_eq!(remove(&mut heap, place), Some(wanted), "seed {seed}");
                        set.remove(&wanted);
                    }
                    _ => {
                        now += rng.u64(..20);
                        let due = set.first().copied().filter(|first| first.deadline <= now);
                        assert_eq!(pop_due(&mut heap, now), due, "seed {seed}");
                        set.retain(|entry| Some(*entry) != due);
                    }
                }
                let broken = (1..heap.0.len()).any(|place| heap.0[place] < heap.0[(place - 1) / 2]);
                assert!(!broken, "seed {seed}: an entry is earlier than the one before it");
            }
        }
    }
}

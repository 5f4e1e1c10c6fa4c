//! Checks of exercise 3a: `pending::scan` on ports that note each access, and on which events come at the worst of
//! moments.

use core::cell::RefCell;
use core::fmt;

use console::bedrock::{List, Record, Reporter};
use console::types::Port;
use events::pending::{self, PORTS, PendingPorts, WORDS};
use fastrand::Rng;

/// The ports at the ends of something.
const EDGES: [u32; 8] = [1, 31, 32, 63, 64, 1023, 1024, 4095];

/// Runs the checks of this exercise on private objects.
pub fn run(reporter: &Reporter) {
    reporter.check("3a.ports", ports);
    reporter.check("3a.masked", masked);
    reporter.check("3a.again", again);
    reporter.check("3a.order", order);
}

/// Ports at the ends of words and of the whole, and some between.
///
/// Draws: `count = rng.usize(5..=20)`; `count` times `rng.u32(1..4096)`. Raises 1, 31, 32, 63, 64, 1023, 1024, 4095 and
/// those. `case=none` comes after it: nothing is pending, but the flag and all of the selector are set.
/// Records, as every scan here: see [`Noted::record`].
fn ports(rng: &mut Rng, record: &Record) {
    let noted = RefCell::new(Noted::new());
    let count = rng.usize(5..=20);
    EDGES.iter().for_each(|port| noted.borrow_mut().raise(*port));
    for _ in 0..count {
        noted.borrow_mut().raise(rng.u32(1..PORTS));
    }
    scan(&noted);
    noted.borrow().record(record, "edges");

    let noted = RefCell::new(Noted { flag: true, selector: u64::MAX, ..Noted::new() });
    scan(&noted);
    noted.borrow().record(record, "none");
}

/// Ports that are masked, or another vCPU's, and one that a handler masks.
///
/// Draws: 24 times `rng.u32(1..4096)`, a port that is raised, and `rng.u8(..3)`: with 1 it is masked afterwards, with 2
/// it is another vCPU's. Then `word = rng.u32(..64)`; `low = rng.u32(1..31)`; `high = rng.u32(32..64)`:
/// `case=handler` raises ports `64 * word + low` and `64 * word + high`, and whichever is delivered first masks the other;
/// it records `deliveries` and `left`, how many.
fn masked(rng: &mut Rng, record: &Record) {
    let noted = RefCell::new(Noted::new());
    for _ in 0..24 {
        let port = rng.u32(1..PORTS);
        noted.borrow_mut().raise(port);
        if rng.u8(..3) != 0 {
            noted.borrow_mut().disable(port);
        }
    }
    scan(&noted);
    noted.borrow().record(record, "disabled");

    let word = rng.u32(..64);
    let pair = [64 * word + rng.u32(1..31), 64 * word + rng.u32(32..64)];
    let noted = RefCell::new(Noted { mask_other: Some(pair), ..Noted::new() });
    pair.iter().for_each(|port| noted.borrow_mut().raise(*port));
    scan(&noted);
    let noted = noted.borrow();
    let deliveries: u32 = noted.deliveries.iter().map(|count| u32::from(*count)).sum();
    let left: u32 = noted.pending.iter().map(|word| word.count_ones()).sum();
    record.saw(format_args!("case=handler deliveries={deliveries} left={left}"));
}

/// Events that come while others are taken.
///
/// Draws for each case in this order. `same`: `port = rng.u32(1..4096)`, `times = rng.u8(1..=5)`: the port is raised
/// again during its first `times` deliveries. `other`: `port = rng.u32(70..4096)`, `lower = rng.u32(1..64)`:
/// the first delivery of `port` raises `lower`. `flag` and `selector`: `port` and `late`, both `rng.u32(1..4096)`: `late`
/// is raised right behind the first clearing of the flag, and the first taking of the selector.
fn again(rng: &mut Rng, record: &Record) {
    let port = rng.u32(1..PORTS);
    let times = rng.u8(1..=5);
    let noted = RefCell::new(Noted { during: Some((port, port, times)), ..Noted::new() });
    noted.borrow_mut().raise(port);
    scan(&noted);
    noted.borrow().record(record, "same");

    let port = rng.u32(70..PORTS);
    let lower = rng.u32(1..64);
    let noted = RefCell::new(Noted { during: Some((port, lower, 1)), ..Noted::new() });
    noted.borrow_mut().raise(port);
    scan(&noted);
    noted.borrow().record(record, "other");

    let (port, late) = (rng.u32(1..PORTS), rng.u32(1..PORTS));
    let noted = RefCell::new(Noted { behind_flag: Some(late), ..Noted::new() });
    noted.borrow_mut().raise(port);
    scan(&noted);
    noted.borrow().record(record, "flag");

    let (port, late) = (rng.u32(1..PORTS), rng.u32(1..PORTS));
    let noted = RefCell::new(Noted { behind_selector: Some(late), ..Noted::new() });
    noted.borrow_mut().raise(port);
    scan(&noted);
    noted.borrow().record(record, "selector");
}

/// The accesses for some ports, and their order.
///
/// Draws: `count = rng.usize(5..=20)`; `count` times `rng.u32(1..4096)`. Records `early`: deliveries of a port that was
/// still pending; `unordered`: takings of the selector without a clearing of the flag right before; `others`: loads of
/// words of which the selector said nothing; `idle`: clearings of bits that weren't set.
fn order(rng: &mut Rng, record: &Record) {
    let noted = RefCell::new(Noted::new());
    for _ in 0..rng.usize(5..=20) {
        noted.borrow_mut().raise(rng.u32(1..PORTS));
    }
    scan(&noted);
    let Noted { early, unordered, others, idle, .. } = *noted.borrow();
    record.saw(format_args!("early={early} unordered={unordered} others={others} idle={idle}"));
}

fn scan(noted: &RefCell<Noted>) {
    pending::scan(&mut Ports(noted), |port| noted.borrow_mut().delivered(port));
}

/// The state of the ports, what came out, and what is to happen meanwhile.
struct Noted {
    pending: [u64; WORDS],
    enabled: [u64; WORDS],
    selector: u64,
    flag: bool,

    deliveries: [u8; PORTS as usize],
    taken: u64,
    cleared_flag: bool,
    early: u32,
    unordered: u32,
    others: u32,
    idle: u32,

    /// When the first port is delivered, the second is raised, this often.
    during: Option<(u32, u32, u8)>,
    /// Whichever of these is delivered first masks the other.
    mask_other: Option<[u32; 2]>,
    behind_flag: Option<u32>,
    behind_selector: Option<u32>,
}

impl Noted {
    fn new() -> Self {
        Self {
            pending: [0; WORDS],
            enabled: [u64::MAX; WORDS],
            selector: 0,
            flag: false,
            deliveries: [0; PORTS as usize],
            taken: 0,
            cleared_flag: false,
            early: 0,
            unordered: 0,
            others: 0,
            idle: 0,
            during: None,
            mask_other: None,
            behind_flag: None,
            behind_selector: None,
        }
    }

    /// What Xen does with an event.
    fn raise(&mut self, port: u32) {
        let (word, bit) = place(port);
        if self.pending[word] & bit != 0 {
            return;
        }
        self.pending[word] |= bit;
        if self.enabled[word] & bit == 0 || self.selector & 1 << word != 0 {
            return;
        }
        self.selector |= 1 << word;
        self.flag = true;
    }

    fn disable(&mut self, port: u32) {
        let (word, bit) = place(port);
        self.enabled[word] &= !bit;
    }

    fn delivered(&mut self, port: Port) {
        let Some(count) = self.deliveries.get_mut(port.0 as usize) else { return };
        *count = count.saturating_add(1);
        let (word, bit) = place(port.0);
        self.early += u32::from(self.pending[word] & bit != 0);
        if let Some((first, second, times)) = self.during
            && first == port.0
            && times > 0
        {
            self.during = Some((first, second, times - 1));
            self.raise(second);
        }
        if let Some([one, other]) = self.mask_other.filter(|pair| pair.contains(&port.0)) {
            self.mask_other = None;
            self.disable(if port.0 == one { other } else { one });
        }
    }

    /// Records `delivered`, the ports in rising order, each with `*` and how often if that was more than once; `left`, those
    /// that are still pending; `flag` and `selector`.
    fn record(&self, record: &Record, case: &str) {
        let delivered = (0..PORTS).zip(&self.deliveries).filter(|(_, count)| **count > 0);
        let delivered = List(delivered.map(|(port, count)| Times(port, *count)));
        let left = List((0..PORTS).filter(|port| {
            let (word, bit) = place(*port);
            self.pending[word] & bit != 0
        }));
        let (flag, selector) = (u8::from(self.flag), self.selector);
        record.saw(format_args!("case={case} delivered={delivered} left={left} flag={flag} selector={selector}"));
    }
}

/// A port, and how often it was delivered.
struct Times(u32, u8);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(port, 1) => write!(f, "{port}"),
            Self(port, count) => write!(f, "{port}*{count}"),
        }
    }
}

/// What the exercise gets.
struct Ports<'a>(&'a RefCell<Noted>);

impl PendingPorts for Ports<'_> {
    fn flag(&self) -> bool {
        self.0.borrow().flag
    }

    fn clear_flag(&mut self) {
        let mut noted = self.0.borrow_mut();
        noted.flag = false;
        noted.cleared_flag = true;
        if let Some(port) = noted.behind_flag.take() {
            noted.raise(port);
        }
    }

    fn take_selector(&mut self) -> u64 {
        let mut noted = self.0.borrow_mut();
        noted.unordered += u32::from(!noted.cleared_flag);
        noted.cleared_flag = false;
        noted.taken = core::mem::take(&mut noted.selector);
        let taken = noted.taken;
        if let Some(port) = noted.behind_selector.take() {
            noted.raise(port);
        }
        taken
    }

    fn pending(&self, word: usize) -> u64 {
        let mut noted = self.0.borrow_mut();
        noted.others += u32::from(noted.taken & 1 << word == 0);
        noted.pending[word]
    }

    fn enabled(&self, word: usize) -> u64 {
        self.0.borrow().enabled[word]
    }

    fn clear_pending(&mut self, port: Port) {
        assert!(port.0 < PORTS, "there is no port {}", port.0);
        let mut noted = self.0.borrow_mut();
        let (word, bit) = place(port.0);
        noted.idle += u32::from(noted.pending[word] & bit == 0);
        noted.pending[word] &= !bit;
    }
}

fn place(port: u32) -> (usize, u64) {
    (port as usize / WORDS, 1 << (port % 64))
}

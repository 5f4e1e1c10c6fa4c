//! Checks of exercise 4a: `context::switch` and `context::prepare`, on stacks of their own.

use core::cell::{Cell, UnsafeCell};

use console::bedrock::{Digest, List, Record, Reporter};
use fastrand::Rng;
use threads::context;
use threads::under_test::switch::{Arrival, Registers, arrive, control_words, set_control_words, with_registers};

const STACK: usize = 8192;
const STACKS: usize = 6;

#[repr(align(64))]
struct Stacks(UnsafeCell<[[u8; STACK]; STACKS]>);

// SAFETY: the checks run one after the other, on one vCPU.
unsafe impl Sync for Stacks {}

static STACK_MEMORY: Stacks = Stacks(UnsafeCell::new([[0; STACK]; STACKS]));

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("4a.start", start);
    reporter.check("4a.registers", registers);
    reporter.check("4a.float", float);
    reporter.check("4a.many", many);
}

/// The top of one of the stacks, lowered by so many words of 16 bytes.
fn top(stack: usize, lowered: usize) -> u64 {
    let base = STACK_MEMORY.0.get().expose_provenance();
    (base + (stack + 1) * STACK - 16 * lowered) as u64
}

/// A stack that begins with `entry(argument)`.
fn prepare(top: u64, entry: unsafe extern "sysv64" fn(u64) -> !, argument: u64) -> u64 {
    // SAFETY: the stacks are static, larger than that, and nobody else's.
    unsafe { context::prepare(top, entry, argument) }
}

/// Two stacks that go back and forth: where the registers of each are while the other runs.
#[derive(Default)]
struct Ways {
    here: Cell<u64>,
    there: Cell<u64>,
}

impl Ways {
    /// From the check to the other stack, and back.
    fn go(&self) {
        // SAFETY: the other stack was prepared, or has saved its registers there.
        unsafe { context::switch(self.here.as_ptr(), self.there.get()) };
    }

    /// From the other stack to the check.
    fn back(&self) {
        // SAFETY: the check has saved its registers there.
        unsafe { context::switch(self.there.as_ptr(), self.here.get()) };
    }
}

/// What a check and the code on another stack share: cells, of which one side at a time has the use.
fn shared<'a, T>(address: u64) -> &'a T {
    // SAFETY: the checks pass the address of such a value, and keep it until the end.
    unsafe { &*core::ptr::with_exposed_provenance::<T>(address as usize) }
}

fn address<T>(of: &T) -> u64 {
    core::ptr::from_ref(of).expose_provenance() as u64
}

/// What a new stack finds.
///
/// Draws, three times: `lowered = rng.usize(..64)`, `rounding = rng.u32(1..=3)`. While the other side has that rounding mode in both
/// control words, a stack is prepared at the top of stack 0, lowered by `lowered` times 16 bytes, and switched to twice.
/// Records for each: `room`, from rsp up to the top; `align`, rsp modulo 16; `rbp`; `mxcsr` and `x87`, as the new stack found them;
/// `runs`.
fn start(rng: &mut Rng, record: &Record) {
    for _ in 0..3 {
        let lowered = rng.usize(..64);
        let rounding = rng.u32(1..=3);
        let top = top(0, lowered);
        let mut arrival = Arrival::default();
        let load = prepare(top, arrive, (&raw mut arrival).expose_provenance() as u64);
        let before = control_words();
        // SAFETY: nothing computes with floating-point numbers here.
        unsafe { set_control_words(rounded(rounding)) };
        there(&mut arrival, load);
        let own = own(&arrival);
        there(&mut arrival, own);
        // SAFETY: as before.
        unsafe { set_control_words(before) };
        let Arrival { rsp, rbp, mxcsr, x87, runs, .. } = arrival;
        let room = top.wrapping_sub(rsp);
        record.saw(format_args!("room={room} align={} rbp={rbp} mxcsr={mxcsr} x87={x87} runs={runs}", rsp % 16));
    }
}

/// The usual control words with another rounding mode: bits 13 and 14 of MXCSR, 10 and 11 of the other.
fn rounded(mode: u32) -> (u32, u16) {
    (context::INITIAL_MXCSR | mode << 13, context::INITIAL_X87 | (mode as u16) << 10)
}

/// Goes to the stack that an arrival belongs to; `load` is where its registers are. It comes back by `arrival.back`.
fn there(arrival: &mut Arrival, load: u64) {
    let back = &raw mut arrival.back;
    // SAFETY: the other side goes back to what is stored there, and `load` is its own.
    unsafe { context::switch(back, load) };
}

fn own(arrival: &Arrival) -> u64 {
    // SAFETY: the other side has written it.
    unsafe { (&raw const arrival.own).read_volatile() }
}

/// Both sides keep values in the registers.
///
/// Draws: twice six times `rng.u64(..)`: `mine`, `theirs`. The other side, on stack 1, switches back with `theirs` in its registers,
/// twice; this side switches there with `mine`, twice.
/// Records `side=mine` for both switches, then `side=theirs` for its first: `values`, what the registers held afterwards.
fn registers(rng: &mut Rng, record: &Record) {
    let mine: Registers = core::array::from_fn(|_| rng.u64(..));
    let theirs: Registers = core::array::from_fn(|_| rng.u64(..));
    let other = Other { ways: Ways::default(), values: theirs, after: Cell::new([0; 6]) };
    other.ways.there.set(prepare(top(1, 0), keep_values, address(&other)));
    for _ in 0..2 {
        let mut values = mine;
        let Ways { here, there } = &other.ways;
        // SAFETY: the other stack was prepared, or has saved its registers there.
        unsafe { with_registers(&raw mut values, here.as_ptr(), there.get()) };
        record.saw(format_args!("side=mine values={}", List(values.iter())));
    }
    record.saw(format_args!("side=theirs values={}", List(other.after.get().iter())));
}

struct Other {
    ways: Ways,
    values: Registers,
    after: Cell<Registers>,
}

unsafe extern "sysv64" fn keep_values(other: u64) -> ! {
    let other = shared::<Other>(other);
    loop {
        let mut values = other.values;
        let Ways { here, there } = &other.ways;
        // SAFETY: the check has saved its registers there.
        unsafe { with_registers(&raw mut values, there.as_ptr(), here.get()) };
        other.after.set(values);
    }
}

/// Both sides have rounding modes of their own.
///
/// Draws: `mine = rng.u32(..4)`; `theirs = rng.u32(..4)`. This side sets `mine`, goes to stack 2, where `theirs` is set, comes back,
/// goes there again and comes back again.
/// Records `side=mine` after the first switch, `side=theirs` as the other side found them when it ran again, `side=mine` at the end:
/// `mxcsr` and `x87`.
fn float(rng: &mut Rng, record: &Record) {
    let mine = rng.u32(..4);
    let theirs = rng.u32(..4);
    let modes = Modes { ways: Ways::default(), words: rounded(theirs), found: Cell::new((0, 0)) };
    modes.ways.there.set(prepare(top(2, 0), keep_modes, address(&modes)));
    let before = control_words();
    // SAFETY: nothing computes with floating-point numbers here.
    unsafe { set_control_words(rounded(mine)) };
    modes.ways.go();
    let first = control_words();
    modes.ways.go();
    let last = control_words();
    // SAFETY: as before.
    unsafe { set_control_words(before) };
    for (side, (mxcsr, x87)) in [("mine", first), ("theirs", modes.found.get()), ("mine", last)] {
        // The low six bits of MXCSR are flags of what was computed, not modes.
        record.saw(format_args!("side={side} mxcsr={} x87={x87}", mxcsr & !0x3f));
    }
}

struct Modes {
    ways: Ways,
    words: (u32, u16),
    found: Cell<(u32, u16)>,
}

unsafe extern "sysv64" fn keep_modes(modes: u64) -> ! {
    let modes = shared::<Modes>(modes);
    // SAFETY: nothing computes with floating-point numbers here.
    unsafe { set_control_words(modes.words) };
    loop {
        modes.ways.back();
        modes.found.set(control_words());
    }
}

/// Several stacks take turns.
///
/// Draws: `stacks = rng.usize(2..=6)`; `turns = rng.usize(200..=400)`; for each stack `rng.u64(..)`, its number; for each turn
/// `rng.usize(..stacks)`, whose turn it is. In turn number t (from 0), a stack's number n becomes
/// `n.rotate_left(7) ^ t * 0x9e3779b97f4a7c15`, its sum (0 at first) grows by n, and its product (1 at first) is multiplied by
/// `n | 1`, all wrapping; `n ^ sum ^ product` goes into a digest. All three are local variables of the stack's own.
/// Records: `stacks`, `turns`, `digest`.
fn many(rng: &mut Rng, record: &Record) {
    let stacks = rng.usize(2..=STACKS);
    let turns = rng.usize(200..=400);
    let players: [Player; STACKS] = core::array::from_fn(|_| Player::default());
    for player in &players[..stacks] {
        player.number.set(rng.u64(..));
    }
    for (index, player) in players[..stacks].iter().enumerate() {
        player.ways.there.set(prepare(top(index, 0), play, address(player)));
    }
    let mut digest = Digest::default();
    for turn in 0..turns as u64 {
        let player = &players[rng.usize(..stacks)];
        player.turn.set(turn);
        player.ways.go();
        digest.add(player.number.get());
    }
    record.saw(format_args!("stacks={stacks} turns={turns} digest={}", digest.value()));
}

#[derive(Default)]
struct Player {
    ways: Ways,
    number: Cell<u64>,
    turn: Cell<u64>,
}

unsafe extern "sysv64" fn play(player: u64) -> ! {
    let player = shared::<Player>(player);
    let mut number = player.number.get();
    let (mut sum, mut product) = (0_u64, 1_u64);
    loop {
        number = number.rotate_left(7) ^ player.turn.get().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        sum = sum.wrapping_add(number);
        product = product.wrapping_mul(number | 1);
        player.number.set(number ^ sum ^ product);
        player.ways.back();
    }
}

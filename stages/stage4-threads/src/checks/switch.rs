//! Checks of exercise 4a: `context::switch` and `context::prepare`, on stacks of their own.

use core::cell::UnsafeCell;

use console::bedrock::{Record, Reporter};
use fastrand::Rng;
use threads::context;
use threads::under_test::switch::{Arrival, Registers, arrive, control_words, set_control_words, with_registers};

use super::{Digest, List};

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

fn switch(save: &mut u64, load: u64) {
    // SAFETY: `load` was prepared, or saved by the switch back.
    unsafe { context::switch(save, load) };
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
    let mut other = Other { back: 0, own: 0, values: theirs, after: [0; 6] };
    let this = &raw mut other;
    let mut load = prepare(top(1, 0), keep_values, this.expose_provenance() as u64);
    for _ in 0..2 {
        let mut values = mine;
        // SAFETY: within `other`, which stays.
        let back = unsafe { &raw mut (*this).back };
        // SAFETY: the other side goes back to what is stored there, and `load` is its own.
        unsafe { with_registers(&raw mut values, back, load) };
        record.saw(format_args!("side=mine values={}", List(values.iter())));
        // SAFETY: the other side doesn't run.
        load = unsafe { (*this).own };
    }
    // SAFETY: as above.
    let after = unsafe { (*this).after };
    record.saw(format_args!("side=theirs values={}", List(after.iter())));
}

struct Other {
    back: u64,
    own: u64,
    values: Registers,
    after: Registers,
}

unsafe extern "sysv64" fn keep_values(other: u64) -> ! {
    let this = core::ptr::with_exposed_provenance_mut::<Other>(other as usize);
    loop {
        // SAFETY: the check keeps `other`, and waits.
        let (mut values, back) = unsafe { ((*this).values, (*this).back) };
        // SAFETY: as above.
        let own = unsafe { &raw mut (*this).own };
        // SAFETY: the check has saved its registers at `back`.
        unsafe { with_registers(&raw mut values, own, back) };
        // SAFETY: the check waits.
        unsafe { (*this).after = values };
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
    let mut modes = Modes { back: 0, own: 0, words: rounded(theirs), found: (0, 0) };
    let this = &raw mut modes;
    let load = prepare(top(2, 0), keep_modes, this.expose_provenance() as u64);
    let before = control_words();
    // SAFETY: nothing computes with floating-point numbers here.
    unsafe { set_control_words(rounded(mine)) };
    // SAFETY: the check keeps `modes`, and the other side goes back.
    unsafe { context::switch(&raw mut (*this).back, load) };
    let first = control_words();
    // SAFETY: the other side doesn't run.
    let own = unsafe { (*this).own };
    // SAFETY: as above.
    unsafe { context::switch(&raw mut (*this).back, own) };
    let last = control_words();
    // SAFETY: as before.
    unsafe { set_control_words(before) };
    // SAFETY: the other side doesn't run.
    let found = unsafe { (*this).found };
    for (side, (mxcsr, x87)) in [("mine", first), ("theirs", found), ("mine", last)] {
        // The low six bits of MXCSR are flags of what was computed, not modes.
        record.saw(format_args!("side={side} mxcsr={} x87={x87}", mxcsr & !0x3f));
    }
}

struct Modes {
    back: u64,
    own: u64,
    words: (u32, u16),
    found: (u32, u16),
}

unsafe extern "sysv64" fn keep_modes(modes: u64) -> ! {
    let this = core::ptr::with_exposed_provenance_mut::<Modes>(modes as usize);
    // SAFETY: nothing computes with floating-point numbers here, and the check waits.
    unsafe { set_control_words((*this).words) };
    loop {
        // SAFETY: the check waits.
        let back = unsafe { (*this).back };
        // SAFETY: the check has saved its registers at `back`.
        unsafe { context::switch(&raw mut (*this).own, back) };
        // SAFETY: the check waits.
        unsafe { (*this).found = control_words() };
    }
}

/// Several stacks take turns.
///
/// Draws: `stacks = rng.usize(2..=6)`; `turns = rng.usize(200..=400)`; for each stack `rng.u64(..)`, its number; for each turn
/// `rng.usize(..stacks)`, whose turn it is. In its turn number t (from 0), a stack's number n becomes
/// `n.rotate_left(7) ^ t * 0x9e3779b97f4a7c15` (wrapping), and the new n goes into a digest.
/// Records: `stacks`, `turns`, `digest`.
fn many(rng: &mut Rng, record: &Record) {
    let stacks = rng.usize(2..=STACKS);
    let turns = rng.usize(200..=400);
    let mut players = [Player::default(); STACKS];
    for player in players.iter_mut().take(stacks) {
        player.number = rng.u64(..);
    }
    let players = players.as_mut_ptr();
    for index in 0..stacks {
        let player = players.wrapping_add(index);
        let load = prepare(top(index, 0), play, player.expose_provenance() as u64);
        // SAFETY: in the array, and the player doesn't run.
        unsafe { (*player).own = load };
    }
    let mut digest = Digest::new();
    for turn in 0..turns as u64 {
        let player = players.wrapping_add(rng.usize(..stacks));
        // SAFETY: in the array, and the player doesn't run.
        let load = unsafe {
            (*player).turn = turn;
            (*player).own
        };
        let mut back = 0;
        // SAFETY: as above.
        unsafe { (*player).back = &raw mut back };
        switch(&mut back, load);
        // SAFETY: as above.
        digest.add(unsafe { (*player).number });
    }
    record.saw(format_args!("stacks={stacks} turns={turns} digest={}", digest.0));
}

#[derive(Clone, Copy)]
struct Player {
    number: u64,
    turn: u64,
    own: u64,
    back: *mut u64,
}

impl Default for Player {
    fn default() -> Self {
        Self { number: 0, turn: 0, own: 0, back: core::ptr::null_mut() }
    }
}

unsafe extern "sysv64" fn play(player: u64) -> ! {
    let this = core::ptr::with_exposed_provenance_mut::<Player>(player as usize);
    // SAFETY: the check keeps the player, and waits.
    let mut number = unsafe { (*this).number };
    loop {
        // SAFETY: as above.
        let (turn, back) = unsafe { ((*this).turn, *(*this).back) };
        number = number.rotate_left(7) ^ turn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // SAFETY: as above.
        unsafe { (*this).number = number };
        // SAFETY: the check has saved its registers at `back`.
        unsafe { context::switch(&raw mut (*this).own, back) };
    }
}

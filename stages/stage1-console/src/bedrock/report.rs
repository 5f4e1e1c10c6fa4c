//! The last words of a guest: one report for a panic, a fault, or an exercise that isn't written yet.
//!
//! The harness reads these lines, and so does whoever looks at a plain Xen host's console. After the report the
//! domain ends with reason *crash*.
//!
//! Invariant: a report always ends, in a crash shutdown. It runs through no exercise, takes no lock and allocates
//! nothing, so it may begin anywhere, inside the console's lock included. Nothing else runs meanwhile, on this vCPU or
//! another. A second panic or fault while one is being reported gets a short report; a third gets none.

use core::fmt::{self, Write};
use core::ops::Range;
use core::panic::{Location, PanicInfo};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::exception::{self, ErrorCode};
use super::raw_ring::{self, RawConsole};
use super::trap::TrapFrame;
use super::{alone, backtrace, power, region, start, symbols};

/// What later stages know and stage 1 doesn't. A report calls these in the middle of a failure: they must not
/// fault, lock or allocate.
pub struct Hooks {
    /// The number of the vCPU that asks.
    pub cpu: fn() -> u32,
    /// The stack that this rsp lies in; an empty range if it is no stack.
    pub stack: fn(rsp: u64) -> Range<u64>,
    /// What is at an address that stage 1 doesn't know.
    pub region: fn(address: u64) -> Option<&'static str>,
    /// The number and the name of the thread that runs, if there are threads.
    pub thread: fn() -> Option<(u64, &'static str)>,
}

static STAGE1: Hooks = Hooks { cpu: || 0, stack: |_| start::boot_stack(), region: |_| None, thread: || None };
static HOOKS: AtomicPtr<Hooks> = AtomicPtr::new(ptr::null_mut());

/// Tells reports what a later stage has added.
pub fn set_hooks(hooks: &'static Hooks) {
    HOOKS.store(ptr::from_ref(hooks).cast_mut(), Ordering::Release);
}

pub(super) fn hooks() -> &'static Hooks {
    // SAFETY: the pointer is null or came from a `&'static Hooks`.
    unsafe { HOOKS.load(Ordering::Acquire).as_ref() }.unwrap_or(&STAGE1)
}

/// Reports a panic; the `#[panic_handler]` that [`entry!`](crate::entry) defines.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    let frame = TrapFrame::here();
    let nested = begin();
    let place = Place(info.location());
    let _ = writeln!(RawConsole, "panic{} at {place}: {}", nested.words(), info.message());
    if nested == Nested::No {
        registers(&frame);
        callers(&frame, None);
    }
    record(format_args!("panic {place} {}", info.message()));
    power::crash()
}

/// Reports an exception that nothing handles.
pub fn fault(frame: &TrapFrame) -> ! {
    let cr2 = fault_address(frame.vector);
    let nested = begin();
    let (vector, error) = (frame.vector, frame.error);
    let name = exception::name(vector);
    let _ = write!(RawConsole, "fault{}: {name} (vector {vector}) error {error:#x}", nested.words());
    let _ = write!(RawConsole, "{}", ErrorCode { vector, error });
    if let Some(cr2) = cr2 {
        let unknown = if error & exception::PRESENT == 0 { "unmapped memory" } else { "no known region" };
        let _ = write!(RawConsole, " cr2 {cr2:#x} in {}", region::name(cr2).unwrap_or(unknown));
    }
    let _ = writeln!(RawConsole);
    // ANCHOR: fault
    if nested == Nested::No {
        registers(frame);
        callers(frame, Some(frame.rip));
    }
    let rip = frame.rip;
    let cr2 = cr2.unwrap_or(0);
    record(format_args!("fault vector={vector} error={error:#x} rip={rip:#x} cr2={cr2:#x}"));
    power::crash()
    // ANCHOR_END: fault
}

/// Reports that the guest came upon an exercise that isn't written yet: what [`lab_todo!`](crate::lab_todo) calls.
#[track_caller]
pub fn not_attempted(exercise: &str) -> ! {
    let place = Place(Some(Location::caller()));
    if cfg!(not(guest)) {
        panic!("exercise {exercise} is not attempted yet: {place}");
    }
    begin();
    let _ = writeln!(RawConsole, "exercise {exercise} is not attempted yet: {place}");
    record(format_args!("todo {exercise} {place}"));
    power::crash()
}

/// In a check run, tells the harness too.
fn record(content: fmt::Arguments<'_>) {
    #[cfg(feature = "checks")]
    super::reporter::record(content);
    #[cfg(not(feature = "checks"))]
    let _ = content;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nested {
    No,
    Once,
}

impl Nested {
    fn words(self) -> &'static str {
        match self {
            Self::No => "",
            Self::Once => " inside a report",
        }
    }
}

/// How often a report has begun.
static DEPTH: AtomicU32 = AtomicU32::new(0);

fn begin() -> Nested {
    alone::take_over((hooks().cpu)());
    let nested = match DEPTH.fetch_add(1, Ordering::Relaxed) {
        0 => Nested::No,
        1 => Nested::Once,
        _ => power::crash(),
    };
    raw_ring::start_line();
    nested
}

struct Place<'a>(Option<&'a Location<'a>>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(location) => write!(f, "{}:{}", location.file(), location.line()),
            None => f.write_str("?:0"),
        }
    }
}

fn fault_address(vector: u64) -> Option<u64> {
    if vector != exception::PAGE_FAULT {
        return None;
    }
    let address: u64;
    // SAFETY: reading cr2 has no effect; Xen emulates it for the guest's kernel.
    unsafe { core::arch::asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    Some(address)
}

fn registers(frame: &TrapFrame) {
    let TrapFrame { rip, rsp, rbp, rflags, rax, rbx, rcx, rdx, rsi, rdi, r8, r9, .. } = frame;
    let TrapFrame { r10, r11, r12, r13, r14, r15, .. } = frame;
    let cpu = (hooks().cpu)();
    let mut out = RawConsole;
    if let Some((number, name)) = (hooks().thread)() {
        let _ = writeln!(out, "  thread {number} ({name})");
    }
    let _ = writeln!(out, "  cpu {cpu}  rip {rip:#018x} rsp {rsp:#018x} rbp {rbp:#018x} rflags {rflags:#x}");
    let _ = writeln!(out, "  rax {rax:#018x} rbx {rbx:#018x} rcx {rcx:#018x} rdx {rdx:#018x}");
    let _ = writeln!(out, "  rsi {rsi:#018x} rdi {rdi:#018x} r8  {r8:#018x} r9  {r9:#018x}");
    let _ = writeln!(out, "  r10 {r10:#018x} r11 {r11:#018x} r12 {r12:#018x} r13 {r13:#018x}");
    let _ = writeln!(out, "  r14 {r14:#018x} r15 {r15:#018x}");
}

/// Lists the callers: first `faulted`, the instruction itself, then the addresses to which its callers return.
fn callers(frame: &TrapFrame, faulted: Option<u64>) {
    let mut number = 0;
    let mut line = |address: u64, inside: u64| {
        let _ = write!(RawConsole, "  #{number} {address:#x}");
        if let Some(symbol) = symbols::lookup(inside) {
            let _ = write!(RawConsole, " {}+{:#x}", symbol.name, address.wrapping_sub(inside) + symbol.offset);
        }
        let _ = writeln!(RawConsole);
        number += 1;
    };
    if let Some(rip) = faulted {
        line(rip, rip);
    }
    // A call may be the last instruction of its function: the byte before the return address is in it for certain.
    backtrace::walk(frame.rbp, (hooks().stack)(frame.rsp), |address| line(address, address.wrapping_sub(1)));
}

//! What the kernel stands on before, and beneath, every exercise.
//!
//! From the first instruction to `main`, and again from a panic to the end of the domain, only this folder
//! runs. It has its own plain versions of what the exercises ask for (hypercall, ring, `start_info`), which no
//! exercise can name. So a guest with a broken exercise, or none, still protects its memory, reports faults,
//! and ends cleanly.
//!
//! Read in this order: `start` (the first instructions), `notes`, this file, [`cpu`], `protect`, `trap`, [`report`].

#[cfg(feature = "checks")]
pub use reporter::{Record, Reporter};
#[cfg(feature = "checks")]
pub use shown::{Digest, Hex, List};

mod alone;
mod backtrace;
pub mod cpu;
mod exception;
mod frames;
mod image;
#[cfg(guest)]
mod memory_functions;
#[cfg(guest)]
mod notes;
pub mod power;
mod protect;
mod raw_hypercall;
mod raw_ring;
mod raw_start_info;
mod region;
pub mod report;
#[cfg(feature = "checks")]
mod reporter;
#[cfg(feature = "checks")]
mod seal;
#[cfg(feature = "checks")]
mod shown;
mod start;
mod symbols;
mod trap;

pub use frames::machine_to_physical;
pub use image::Image;
pub use protect::boot_mapped;
pub use raw_start_info::START_INFO_SIZE;
pub use start::{boot_stack, boot_stack_guard, first_ticks};
pub use symbols::{Symbol, lookup as lookup_symbol};
pub use trap::{STUB_SIZE, TrapFrame, TrapInfo, VECTORS};

use raw_hypercall::{number, raw_hypercall};
use raw_start_info::RawStartInfo;

/// What a program's `main` begins with.
pub struct Entry {
    /// What the program calls itself, for the banner.
    pub name: &'static str,
    /// A private copy of the page that Xen passed.
    pub start_info: &'static [u8],
    /// Writes the records of a check run; `None` in an ordinary one.
    #[cfg(feature = "checks")]
    pub reporter: Option<Reporter>,
}

static START_INFO: spin::Once<[u8; START_INFO_SIZE]> = spin::Once::new();

// ANCHOR: enter
/// The way from the first instructions to `main`: makes the report path work, then protects memory.
///
/// # Safety
/// Only for the entry point that [`entry!`](crate::entry) defines, with the address that Xen passed.
pub unsafe fn enter(start_info: u64, name: &'static str, main: fn(Entry)) -> ! {
    // SAFETY: by this function's contract.
    let start_info = unsafe { RawStartInfo::new(start_info) };
    cpu::install();
    raw_ring::connect(start_info);
    trap::install();
    protect::apply(start_info);
    main(Entry {
        name,
        #[cfg(feature = "checks")]
        reporter: Reporter::take(start_info), // wipes its token: before the copy, and before any exercise
        start_info: START_INFO.call_once(|| start_info.copy()),
    });
    power::off()
}
// ANCHOR_END: enter

/// Offers the processor to other vCPUs (`SCHEDOP_yield`), for whoever waits without anything better to do.
pub fn offer_processor() {
    const SCHEDOP_YIELD: u64 = 0;
    // SAFETY: yielding takes no pointer and changes nothing.
    unsafe { raw_hypercall(number::SCHED_OP, [SCHEDOP_YIELD, 0, 0, 0]) };
}

/// What the debug registers of a further vCPU hold from its start: `debugreg` in `struct vcpu_guest_context`. In a check
/// run, records that are written there need it.
pub fn debug_registers() -> [u64; 8] {
    #[cfg(feature = "checks")]
    let [a, b, c, d] = seal::given_away().map(u64::from);
    #[cfg(not(feature = "checks"))]
    let [a, b, c, d] = [0; 4];
    [a, b, c, d, 0, 0, 0, 0]
}

/// Makes a program bootable: `console::entry!("stage 1: console", main)`, with `fn main(entry: Entry)`.
///
/// It stands in the program, not in a library, because what it defines may exist only once: the symbol that the first
/// instructions call, and the panic handler. `#[cfg(guest)]` stands in front of it.
#[macro_export]
macro_rules! entry {
    ($name:literal, $main:path) => {
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn stardust_start(start_info: u64) -> ! {
                // SAFETY: this is the entry point, and the address came in rsi from Xen.
                unsafe { $crate::bedrock::enter(start_info, $name, $main) }
            }

            #[panic_handler]
            fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
                $crate::bedrock::report::panic(info)
            }

            // The prebuilt `core` was compiled to unwind and asks for these; nothing here ever unwinds.
            #[unsafe(no_mangle)]
            extern "C" fn rust_eh_personality() {}
            #[unsafe(no_mangle)]
            extern "C" fn _Unwind_Resume() {}
        };
    };
}

/// Marks an exercise that isn't written yet: `lab_todo!("1a", ring, bytes)`.
///
/// The further arguments are the function's own, so that they count as used. Reaching it ends the guest with a
/// report that says *not attempted*, which the harness tells from *wrong*.
#[macro_export]
macro_rules! lab_todo {
    ($exercise:literal $(, $argument:expr)* $(,)?) => {{
        $(let _ = &$argument;)*
        $crate::bedrock::report::not_attempted($exercise)
    }};
}

//! Stage 1 of Stardust: a kernel that boots under Xen and talks on its console.
//!
//! A paravirtualised guest has no firmware, no devices and no privileged instructions. Xen loads the image,
//! maps it, and jumps to its entry point with the address of one page, `start_info`. This crate takes it from
//! there:
//!
//! - [`bedrock`] is the ground: the first instructions, memory protection, exceptions, the report of a failure,
//!   shutdown;
//! - [`boot_info`] reads what Xen passed;
//! - [`xen`] makes hypercalls;
//! - [`lock`] is the kernel's spinlock; [`idle`] and [`ending`] are where later stages have their part;
//! - [`console_ring`], [`output`] and [`input`] are the console, [`logger`] its log;
//! - [`demo`] holds the programs that `app=` on the command line chooses from, and [`options`] the other keys;
//! - [`mod@bench`] measures.
//!
//! Three files are exercises: `ring.rs` (1a), `start_info.rs` (1b) and `hypercall.rs` (1c). Each is a private
//! module with a public, documented function in front of it, its only caller. A reference for each is in
//! `solutions/stage1-console`; the features `ref-ring`, `ref-start-info` and `ref-hypercall` choose it instead.
//!
//! A program is made bootable by [`entry!`], and calls [`boot`] first. Later stages add to this one in the same
//! way: their `boot` calls this one's, then sets up what is theirs.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod bedrock;
pub mod bench;
pub mod boot_info;
pub mod console_ring;
pub mod demo;
pub mod ending;
mod errno;
pub mod idle;
pub mod input;
pub mod lock;
pub mod logger;
pub mod options;
pub mod output;
mod patience;
#[cfg(test)]
mod tests;
pub mod types;
#[cfg(feature = "checks")]
pub mod under_test;
pub mod xen;

#[cfg_attr(feature = "ref-ring", path = "../../../solutions/stage1-console/ring.rs")]
#[forbid(unsafe_code)]
mod ring;

#[cfg_attr(feature = "ref-start-info", path = "../../../solutions/stage1-console/start_info.rs")]
#[forbid(unsafe_code)]
mod start_info;

#[cfg_attr(feature = "ref-hypercall", path = "../../../solutions/stage1-console/hypercall.rs")]
#[forbid(unsafe_op_in_unsafe_fn)]
mod hypercall;

pub use bedrock::{Entry, power};
pub use errno::Errno;
/// The log, as every crate of the kernel uses it.
pub use log;

use bedrock::Image;
use boot_info::{CommandLine, StartInfo};
use console_ring::ConsolePage;

/// What is known about this guest once stage 1 is up.
pub struct Boot {
    /// What Xen passed.
    pub start_info: StartInfo<'static>,
    /// The command line.
    pub command_line: CommandLine<'static>,
}

static BOOT: spin::Once<Boot> = spin::Once::new();

// ANCHOR: boot
/// Brings up stage 1: reads `start_info`, opens the console, sets up the log, and prints the banner.
///
/// # Panics
/// If the page that Xen passed makes no sense.
pub fn boot(entry: &Entry) -> &'static Boot {
    static SHOWN: spin::Once<()> = spin::Once::new();
    let boot = prepare(entry);
    SHOWN.call_once(|| {
        banner(entry.name, boot);
        bench::TO_BANNER.reached();
        let start_info = &boot.start_info;
        log::debug!("{} page table pages at {:#x}", start_info.nr_pt_frames, start_info.pt_base);
        log::debug!("list of machine frames at {:#x}", start_info.mfn_list);
    });
    boot
}

/// All of [`boot`] but the banner. The second call does nothing.
///
/// # Panics
/// As [`boot`].
pub fn prepare(entry: &Entry) -> &'static Boot {
    BOOT.call_once(|| {
        let start_info = match boot_info::parse(entry.start_info) {
            Ok(start_info) => start_info,
            Err(error) => panic!("this is no guest of Xen's: {error}"),
        };
        open_console(&start_info);
        let boot = Boot { start_info, command_line: CommandLine(start_info.command_line) };
        logger::start(boot.command_line);
        boot
    })
}
// ANCHOR_END: boot

/// What [`boot`] found out, once it has run.
pub fn booted() -> Option<&'static Boot> {
    BOOT.get()
}

// ANCHOR: open_console
fn open_console(start_info: &StartInfo<'_>) {
    let pfn = bedrock::machine_to_physical(start_info.console_mfn);
    assert!(pfn.0 < start_info.nr_pages, "the console's page, {:?}, is not ours", start_info.console_mfn);
    // SAFETY: Xen's builder maps the console's page with the rest of the boot memory. From here on, this value and the
    // report path access it, both only by volatile loads and stores.
    let page = unsafe { ConsolePage::new(pfn.boot_address() as *mut u8) };
    output::open(page, start_info.console_evtchn);
}
// ANCHOR_END: open_console

fn banner(name: &str, boot: &Boot) {
    println!("Stardust {name}");
    let mut buffer = [0; xen::CAPABILITIES_SIZE];
    match (xen::version(), xen::capabilities(&mut buffer)) {
        (Ok(version), Ok(capabilities)) => println!("Xen {}.{} ({capabilities})", version.major, version.minor),
        (Err(error), _) | (_, Err(error)) => println!("Xen of unknown version: {error}"),
    }
    println!("command line: {}", boot.command_line.0);
    let pages = boot.start_info.nr_pages;
    println!("memory: {pages} pages ({} MiB)", pages >> 8);
    println!("vCPUs: {}", xen::vcpu_count());
    println!("image: {}", Image::running());
    let (stack, guard) = (bedrock::boot_stack(), bedrock::boot_stack_guard());
    println!("boot stack: {:#x}..{:#x} guard {:#x}", stack.start, stack.end, guard.start);
}

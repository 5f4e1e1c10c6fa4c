//! What an exception's vector and error code mean.
//!
//! Follows the processor manuals (volume 3, "Exception and Interrupt Reference"), and Xen's `arch/x86/pv/traps.c` for what Xen
//! changes: the user bit of a page fault's error code is 0 in the kernel. Invariant: nothing here can fail, as
//! it is used in the middle of a report.

use core::fmt;

/// The processor's name for an exception.
pub fn name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug",
        2 => "NMI",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack segment fault",
        13 => "general protection",
        14 => "page fault",
        16 => "x87 floating point",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD floating point",
        20 => "virtualisation",
        21 => "control protection",
        _ => "reserved exception",
    }
}

/// The vector of a page fault, the one exception that comes with an address.
pub const PAGE_FAULT: u64 = 14;

/// The bit of a page fault's error code that says that the page is there, but not for this.
pub const PRESENT: u64 = 1;

/// Shows an error code in words: `(write, present)` for a page fault, the selector for the others, nothing for 0.
pub struct ErrorCode {
    /// Which exception it came with.
    pub vector: u64,
    /// The code.
    pub error: u64,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error;
        if self.vector != PAGE_FAULT {
            return if error == 0 { Ok(()) } else { write!(f, " (selector {:#x})", error & 0xfff8) };
        }
        let access = if error & 0x10 != 0 {
            "execute"
        } else if error & 2 != 0 {
            "write"
        } else {
            "read"
        };
        let page = if error & PRESENT != 0 { "present" } else { "not present" };
        let user = if error & 4 != 0 { ", user" } else { "" };
        let reserved = if error & 8 != 0 { ", reserved bit" } else { "" };
        write!(f, " ({access}, {page}{user}{reserved})")
    }
}

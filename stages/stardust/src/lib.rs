//! Stardust: what an application is built on.
//!
//! An application and this crate become one image, which Xen boots. All stages of the kernel are in it; here are the parts
//! of them that an application calls, under names that don't tell which stage they are from:
//!
//! | for | there is |
//! |---|---|
//! | beginning | [`main!`](crate::main), [`command_line`], [`options`] |
//! | speaking | [`println!`], [`print!`], [`log`] |
//! | doing several things | [`thread`], [`sync`] between threads, [`executor`] for async tasks |
//! | time | [`time`] |
//! | the network | [`net`] |
//! | disks and files | [`disk`], [`files`] |
//! | the toolstack | [`xenstore`], [`power`] |
//! | memory | `alloc`, whose allocator is the kernel's |
//!
//! A whole application:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! stardust::main!("hello", main);
//!
//! fn main() {
//!     stardust::println!("Hello, world.");
//! }
//! ```
//!
//! `images/http` is one that serves pages. `cargo harness run` boots an application, `cargo harness image` writes what a
//! Xen host needs.
//!
//! The feature `reference` takes the references of all exercises; without it, the kernel is what you have made of it.
//! The harness turns it on unless it is told otherwise.
#![no_std]

#[cfg(not(guest))]
extern crate std;

mod program;

pub use console::{log, options, power, print, println};
pub use netfront::net;
pub use program::Outcome;
#[doc(hidden)]
pub use program::{__console, __run};
pub use threads::{executor, sync, thread};
pub use xenbus::store as xenstore;

/// Disks: bytes at any offset of those that the guest has.
pub mod disk {
    pub use blkfront::cached::CachedDisk;
    pub use blkfront::disk::Disk;
    pub use blkfront::disks::{configured, list};
    pub use blkfront::error::DiskError;
}

/// Files: on a disk, or in memory.
pub mod files {
    pub use blkfront::date::Date;
    pub use blkfront::fat::Fat;
    pub use blkfront::files::{Entry, FileError, FileReason, Files};
    pub use blkfront::ram_files::RamFiles;
}

/// What time it is, and how long something takes.
pub mod time {
    pub use core::time::Duration;
    pub use events::clock::wall;
    pub use threads::time::{Nanoseconds, after, now};
}

/// The command line that the guest was booted with.
pub fn command_line() -> console::boot_info::CommandLine<'static> {
    console::boot_info::CommandLine(console::booted().map_or("", |boot| boot.command_line.0))
}

//! Stage 7 of Stardust: disks.
//!
//! A disk of the guest's is a file or a device of dom0's. A driver there, the backend, does the reading and writing; the driver here
//! says what, in a ring that both share, and offers the pages for it.
//!
//! - [`disk`] is what the rest of the kernel uses; [`disks`] are those that are there; [`name`] and [`error`] are theirs;
//! - [`requests`] turn bytes into the words of [`blkif`]; [`completions`] find what a response belongs to;
//! - [`block_cache`] keeps blocks in memory, [`cached`] those of a disk; [`held`] sees to them when the guest ends;
//! - [`files`] are in memory ([`ram_files`]) or on a disk ([`fat`]), with a [`date`];
//! - [`ring`], [`pages`], [`call`] and [`queue`] carry them; [`gate`] keeps writers apart; `transfer` has many under way, and `watch`
//!   gives up on those that take too long; `driver` agrees with the backend.
//!
//! Three files are exercises: `request.rs` (7a), `completion.rs` (7b) and `cache.rs` (7c). Each is a private module with public,
//! documented functions in front of it, its only callers. References are in `solutions/stage7-blkfront`.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "fuzz"))]
extern crate std;

mod bench;
pub mod blkif;
pub mod block_cache;
pub mod cached;
pub mod call;
pub mod completions;
pub mod date;
pub mod demo;
pub mod disk;
pub mod disks;
mod driver;
pub mod error;
pub mod fat;
pub mod files;
pub mod gate;
pub mod held;
#[cfg(any(test, feature = "fuzz"))]
pub mod hostile;
pub mod name;
pub mod pages;
pub mod queue;
pub mod ram_files;
pub mod requests;
pub mod ring;
#[cfg(test)]
mod tests;
mod transfer;
mod watch;

#[cfg_attr(feature = "ref-request", path = "../../../solutions/stage7-blkfront/request.rs")]
#[forbid(unsafe_code)]
mod request;

#[cfg_attr(feature = "ref-completion", path = "../../../solutions/stage7-blkfront/completion.rs")]
#[forbid(unsafe_code)]
mod completion;

#[cfg_attr(feature = "ref-cache", path = "../../../solutions/stage7-blkfront/cache.rs")]
#[forbid(unsafe_code)]
mod cache;

pub use console;
pub use demo::DEMOS;
pub use driver::KEYS;

use console::boot_info::CommandLine;
use console::{Boot, Entry, println};
use xenbus::frontend;

// ANCHOR: boot
/// Brings up the stages below, then has all disks driven.
///
/// # Panics
/// If the stages below do.
pub fn boot(entry: &Entry) -> &'static Boot {
    static UP: spin::Once<()> = spin::Once::new();
    let boot = netfront::boot(entry);
    prepare(entry);
    UP.call_once(banner);
    boot
}
// ANCHOR_END: boot

/// Has all disks driven, without a word about it. The second call does nothing.
///
/// # Panics
/// As [`boot`].
pub fn prepare(entry: &Entry) {
    static UP: spin::Once<()> = spin::Once::new();
    netfront::prepare(entry);
    UP.call_once(|| {
        console::ending::before_end(held::let_go);
        driver::start(console::booted().map_or(CommandLine(""), |boot| boot.command_line));
        if let Err(error) = frontend::start().and_then(|()| watch::start()) {
            panic!("devices can't be followed: {error}");
        }
        console::bench::register(bench::BENCHMARKS);
    });
}

/// The disks, connected or not.
fn banner() {
    match disks::configured() {
        Ok(names) if names.is_empty() => println!("disks: none"),
        Ok(names) => {
            let names: alloc::vec::Vec<_> = names.iter().map(name::Name::as_str).collect();
            println!("disks: {}", names.join(" "));
        }
        Err(error) => println!("disks: unknown, as {error}"),
    }
}

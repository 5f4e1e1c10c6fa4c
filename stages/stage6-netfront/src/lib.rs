//! Stage 6 of Stardust: network interfaces, and what is spoken over them.
//!
//! A network interface of a guest is two rings of requests, a backend in another domain that answers them, and a bridge behind it.
//! This crate has the driver for our side, and protocols on top:
//!
//! - [`shared_ring`]: a ring that two domains share; [`netif`]: what stands in a network interface's two;
//! - [`rx`] and [`tx`]: frames that come and go; [`pages`]: where they lie meanwhile;
//! - [`queue`]: a pair of rings with its event channels; [`queues`]: all of an interface's; [`link`]: an interface as it comes and goes; [`signal`]: how it wakes a thread;
//! - [`phy`]: the interface as smoltcp sees it; [`checksum`]: what need not be computed twice;
//! - [`net`]: connections, datagrams and names, for threads and tasks.
//!
//! Four files are exercises: `indices.rs` (6a), `receive.rs` (6b), `transmit.rs` (6c) and `device.rs` (6d). Each is a private
//! module with public, documented functions in front of it, its only callers. References are in `solutions/stage6-netfront`.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "fuzz"))]
extern crate std;

mod bench;
pub mod checksum;
pub mod demo;
#[cfg(any(test, feature = "fuzz"))]
pub mod hostile;
pub mod link;
pub mod net;
pub mod netif;
pub mod pages;
pub mod phy;
pub mod queue;
pub mod queues;
pub mod random;
pub mod rx;
pub mod segments;
pub mod shared_ring;
pub mod signal;
pub mod statistics;
#[cfg(test)]
mod tests;
pub mod tx;

#[cfg_attr(feature = "ref-indices", path = "../../../solutions/stage6-netfront/indices.rs")]
#[forbid(unsafe_code)]
mod indices;

#[cfg_attr(feature = "ref-receive", path = "../../../solutions/stage6-netfront/receive.rs")]
#[forbid(unsafe_code)]
mod receive;

#[cfg_attr(feature = "ref-transmit", path = "../../../solutions/stage6-netfront/transmit.rs")]
#[forbid(unsafe_code)]
mod transmit;

#[cfg_attr(feature = "ref-device", path = "../../../solutions/stage6-netfront/device.rs")]
#[forbid(unsafe_code)]
mod device;

pub use console;
pub use demo::DEMOS;

use console::{Boot, Entry, println};
use xenbus::store::Store;

// ANCHOR: boot
/// Brings up the stages below, then has all network interfaces driven.
///
/// # Panics
/// If the stages below do.
pub fn boot(entry: &Entry) -> &'static Boot {
    static UP: spin::Once<()> = spin::Once::new();
    let boot = xenbus::boot(entry);
    UP.call_once(|| {
        // Without any there is no folder.
        let interfaces = Store::shared().directory("device/vif").unwrap_or_default();
        println!("network interfaces: {}", interfaces.len());
        net::start(boot.command_line);
        console::bench::register(bench::BENCHMARKS);
    });
    boot
}
// ANCHOR_END: boot

/// Brings up what the checks of this stage need, without a word about it. The second call does nothing.
///
/// # Panics
/// As [`boot`].
pub fn prepare(entry: &Entry) {
    xenbus::prepare(entry);
}

//! Stage 5 of Stardust: the way to devices, and to the toolstack.
//!
//! A paravirtual device is a driver here, a driver in another domain, memory that both can reach, and a place to agree on
//! all that. This crate adds the last two, and what a guest owes to the toolstack:
//!
//! - [`grants`]: memory that another domain may use, until it may no more; [`grant_entry`] is the table's entry;
//! - [`store`] and [`watch`]: xenstore, for any number of threads and tasks; below them [`protocol`], [`store_ring`],
//!   [`connection`], [`call`] and [`mailbox`]; [`transactions`] are several changes as one;
//! - [`state`]: the handshake of a frontend and its backend; [`frontend`]: all devices of a kind, as they come and go;
//! - [`control`]: what `xl shutdown`, `xl mem-set`, `xl sysrq` and `xl vcpu-set` ask for; [`balloon`] gives memory back.
//!
//! Four files are exercises: `grant.rs` (5a), `wire.rs` (5b), `transaction.rs` (5c) and `handshake.rs` (5d). Each is a private
//! module with public, documented functions in front of it, its only callers. References are in `solutions/stage5-xenbus`.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "fuzz"))]
extern crate std;

pub mod balloon;
mod bench;
pub mod call;
pub mod connection;
pub mod control;
pub mod demo;
pub mod directory;
pub mod foreign;
pub mod frontend;
pub mod grant_entry;
mod grant_hypercall;
pub mod grants;
#[cfg(any(test, feature = "fuzz"))]
pub mod hostile;
pub mod mailbox;
pub mod protocol;
pub mod state;
pub mod store;
pub mod store_ring;
#[cfg(test)]
mod tests;
pub mod transactions;
#[cfg(any(test, feature = "checks"))]
pub mod under_test;
pub mod watch;

#[cfg_attr(feature = "ref-grant", path = "../../../solutions/stage5-xenbus/grant.rs")]
#[forbid(unsafe_code)]
mod grant;

#[cfg_attr(feature = "ref-wire", path = "../../../solutions/stage5-xenbus/wire.rs")]
#[forbid(unsafe_code)]
mod wire;

#[cfg_attr(feature = "ref-transaction", path = "../../../solutions/stage5-xenbus/transaction.rs")]
#[forbid(unsafe_code)]
mod transaction;

#[cfg_attr(feature = "ref-handshake", path = "../../../solutions/stage5-xenbus/handshake.rs")]
#[forbid(unsafe_code)]
mod handshake;

pub use console;
pub use demo::DEMOS;

use console::{Boot, Entry, println};
use store::Store;

// ANCHOR: boot
/// Brings up the stages below, then the way to xenstore, the grant table, and the threads that do what dom0 asks for.
///
/// # Panics
/// If the stages below do, or if there is no way to xenstore.
pub fn boot(entry: &Entry) -> &'static Boot {
    static UP: spin::Once<()> = spin::Once::new();
    let boot = threads::boot(entry);
    prepare(entry);
    UP.call_once(|| {
        banner();
        if let Err(error) = control::start().and_then(|()| frontend::start()) {
            panic!("dom0's wishes can't be followed: {error}");
        }
    });
    boot
}
// ANCHOR_END: boot

/// Brings up all of this stage that takes no thread of its own, without a word about it. The second call does nothing.
///
/// # Panics
/// As [`boot`].
pub fn prepare(entry: &Entry) {
    static UP: spin::Once<()> = spin::Once::new();
    threads::prepare(entry);
    UP.call_once(|| {
        let Some(boot) = console::booted() else { panic!("the console is not up") };
        if let Err(error) = store::open(&boot.start_info) {
            panic!("there is no way to xenstore: {error}");
        }
        if let Err(error) = grants::start() {
            panic!("there is no grant table: {error}");
        }
        console::bench::register(bench::BENCHMARKS);
    });
}

fn banner() {
    match Store::shared().read_number("domid") {
        Ok(domain) => println!("domain: {domain}"),
        Err(error) => println!("domain: unknown, as {error}"),
    }
}

//! Stage 4 of Stardust: threads on every vCPU, ways to wait for one another, and async tasks.
//!
//! Up to here the kernel did one thing at a time, on one vCPU. This crate adds:
//!
//! - [`context`]: leaving one stack for another; [`thread`]: what is made of that;
//! - [`ready`]: whose turn it is; `scheduler`: who runs where, and for how long;
//! - [`smp`]: the other vCPUs; [`cpu_set`] names some of them;
//! - [`wait_queue`]: how a thread waits; [`sync`]: what it waits for;
//! - [`executor`]: tasks, which are futures that share threads.
//!
//! Four files are exercises: `switch.rs` (4a), `run_queue.rs` (4b), `locks.rs` (4c) and `vcpu_context.rs` (4d). Each is a
//! private module with public, documented functions in front of it, its only callers. The references are in
//! `solutions/stage4-threads`.
#![no_std]

extern crate alloc;
#[cfg(not(guest))]
extern crate std;

pub use console::{self, lab_todo};
pub use {events, memory};

#[cfg(not(loom))]
mod bench;
pub mod context;
pub mod cpu_set;
#[cfg(not(loom))]
pub mod demo;
pub mod executor;
#[cfg(all(test, loom))]
mod models;
mod park;
pub mod ready;
#[cfg(not(loom))]
mod report;
#[cfg(not(loom))]
mod scheduler;
#[cfg(not(loom))]
pub mod smp;
#[cfg(not(loom))]
mod start;
pub mod sync;
pub mod sys;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(not(loom))]
pub mod thread;
pub mod time;
#[cfg(all(feature = "checks", not(loom)))]
pub mod under_test;
pub mod wait_queue;

#[cfg_attr(feature = "ref-run-queue", path = "../../../solutions/stage4-threads/run_queue.rs")]
#[forbid(unsafe_code)]
mod run_queue;

#[cfg_attr(feature = "ref-locks", path = "../../../solutions/stage4-threads/locks.rs")]
#[forbid(unsafe_code)]
mod locks;

#[cfg_attr(feature = "ref-switch", path = "../../../solutions/stage4-threads/switch.rs")]
#[forbid(unsafe_op_in_unsafe_fn)]
mod switch;

#[cfg_attr(feature = "ref-vcpu-context", path = "../../../solutions/stage4-threads/vcpu_context.rs")]
#[forbid(unsafe_code)]
#[cfg(not(loom))]
mod vcpu_context;

/// What this stage understands on the command line.
pub const KEYS: &[console::options::Key] = &[sync::order::KEY];

#[cfg(not(loom))]
pub use demo::DEMOS;
#[cfg(not(loom))]
pub use scheduler::{set_slice, slice};
#[cfg(not(loom))]
pub use start::{boot, prepare};

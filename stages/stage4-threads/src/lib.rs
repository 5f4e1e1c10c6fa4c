//! Stage 4 of Stardust: threads on every vCPU, ways to wait for one another, and async tasks.
#![no_std]

#[cfg(not(guest))]
extern crate std;

pub use console::lab_todo;

pub mod context;
mod park;
pub mod ready;
pub mod smp;
pub mod sync;
pub mod sys;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(all(test, loom))]
mod models;
pub mod time;
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
mod vcpu_context;

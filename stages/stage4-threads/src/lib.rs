//! Stage 4 of Stardust: threads on every vCPU, ways to wait for one another, and async tasks.
#![no_std]

#[cfg(not(guest))]
extern crate std;

pub use console::lab_todo;

mod park;
pub mod ready;
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

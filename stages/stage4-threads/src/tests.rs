//! What can be tested without Xen.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "as in every test; helpers are no test functions")]

mod locks;
mod run_queue;
mod sync;

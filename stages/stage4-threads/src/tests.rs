//! What can be tested without Xen.

mod locks;
mod run_queue;
mod sync;

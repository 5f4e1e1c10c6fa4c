//! The harness on the real thing: QEMU, Xen, dom0 and guests.
//!
//! One program rather than one for each file, so that tests that wait for a guest leave the processor to others.
//! The host image and its saved state come from the ordinary cache and are made there if need be.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "as in every test; helpers are no test functions")]

mod application;
mod bench;
mod bless;
mod classroom50;
mod common;
mod corpus;
mod dom0;
mod export;
mod faults;
mod gdb;
mod grade;
mod gradescope;
mod handout;
mod lab;
mod loom;
mod machine;
mod new_exercise;
mod run;
mod soak;
mod stage2;
mod stage3;
mod stage4;
mod stage5;
mod stage6;
mod stage7;
mod student;
mod terminal;
mod verify;
mod workflow;

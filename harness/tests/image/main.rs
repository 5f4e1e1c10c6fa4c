//! Guest images from end to end, short of booting them: built, verified, written, and looked up in.
//!
//! The guests are a page of code each, compiled and linked with the guest's own flags in a temporary folder.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod build;
mod support;
mod verify;
mod write;

//! The host side of Stardust: builds the stages, boots them under the real Xen in a test host, checks what
//! they do, and reports it.

pub mod cache;
pub mod error;
pub mod host;
pub mod machine;
pub mod ui;

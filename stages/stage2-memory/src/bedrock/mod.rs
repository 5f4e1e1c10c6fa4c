//! What stage 2 stands on, beneath its exercises.
//!
//! Memory must be there before it can be handed out: [`direct_map`] makes all of it visible, and [`tables`] reads the
//! live page tables. Reports use these too, so that a kernel whose exercises are broken, or missing, can still say
//! what lies at an address ([`region`]). No exercise can name this folder.

mod builders;
pub(crate) mod direct_map;
pub mod region;
pub(crate) mod tables;

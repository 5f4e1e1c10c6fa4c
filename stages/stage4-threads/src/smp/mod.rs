//! The other vCPUs.

pub mod context;

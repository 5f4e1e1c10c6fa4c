//! Directories that are too large for one message: xenstore sends them in parts.
//!
//! Each part begins with the directory's *generation*, which is another one after each change: then reading begins anew. The last
//! part ends with an empty name.
//!
//! Invariant: whatever the daemon says, no more than [`MOST`] bytes are held.

use alloc::string::String;
use alloc::vec::Vec;

use crate::call::Reply;
use crate::protocol::{self, StoreError};

/// Bytes of names in a directory: a hundred times what a host full of domains has.
pub const MOST: usize = 256 << 10;

/// Joins the parts that `ask` gets, each from an offset on, as long as `goes_on` says so.
///
/// # Errors
/// What `ask` says; [`StoreError::Garbled`] for what is no part of a directory, and for one without an end;
/// [`StoreError::TimedOut`] when `goes_on` says no.
pub fn join(mut ask: impl FnMut(usize) -> Reply, mut goes_on: impl FnMut() -> bool) -> Result<Vec<String>, StoreError> {
    let mut names: Vec<u8> = Vec::new();
    let mut generation = None;
    while goes_on() {
        let part = ask(names.len())?;
        let end = part.iter().position(|byte| *byte == 0).ok_or(StoreError::Garbled)?;
        let (now, rest) = (part[..end].to_vec(), &part[end + 1..]);
        if *generation.get_or_insert_with(|| now.clone()) != now {
            names.clear();
            generation = None;
            continue;
        }
        if rest.is_empty() || names.len() + rest.len() > MOST {
            return Err(StoreError::Garbled);
        }
        if rest == b"\0" || rest.ends_with(b"\0\0") {
            names.extend_from_slice(&rest[..rest.len() - 1]);
            return protocol::parse_strings(&names);
        }
        names.extend_from_slice(rest);
    }
    Err(StoreError::TimedOut)
}

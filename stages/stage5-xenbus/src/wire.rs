//! Exercise 5b: xenstore's messages. (Its reference is solutions/stage5-xenbus/wire.rs.)
//!
//! [`protocol`](crate::protocol) describes them, and has the types.

use alloc::string::String;
use alloc::vec::Vec;

use console::lab_todo;

use crate::protocol::{HEADER_SIZE, Header, Kind, Request, StoreError};

/// Looks whether a path can be sent.
///
/// - An empty one, and one with a NUL in it: `BadPath`.
/// - More than `ABSOLUTE_MAX` bytes if it begins with `/`, or more than `RELATIVE_MAX` if it doesn't: `TooLong`, with how many
///   bytes it has.
pub fn check_path(node: &str) -> Result<(), StoreError> {
    lab_todo!("5b", node)
}

/// Appends a request to `out`: the header, then the payload that the table of `protocol` says.
///
/// - Each path in it has to pass `check_path`. A token, or a permission, with a NUL in it: `BadPath`.
/// - More than `PAYLOAD_MAX` bytes of payload: `TooLong`, with how many.
/// - Where there is an error, `out` is as it was.
pub fn encode(request: &Request<'_>, id: u32, transaction: u32, out: &mut Vec<u8>) -> Result<(), StoreError> {
    lab_todo!("5b", request, id, transaction, out)
}

/// Reads a header: four numbers of 32 bits, little endian. More than `PAYLOAD_MAX` bytes of payload: `Garbled`.
pub fn parse_header(bytes: &[u8; HEADER_SIZE]) -> Result<Header, StoreError> {
    lab_todo!("5b", bytes)
}

/// Takes a reply apart: what a request of kind `asked` got.
///
/// - A reply of kind `ERROR`: `Refused`, with the refusal of that name. The name may be followed by a NUL.
/// - A reply of another kind than `asked`: `Garbled`.
/// - Else the payload.
pub fn parse_reply(asked: Kind, kind: u32, payload: &[u8]) -> Result<&[u8], StoreError> {
    lab_todo!("5b", asked, kind, payload)
}

/// Takes a list of texts apart, each of which ends with a NUL. No bytes are an empty list. Bytes behind the last NUL, or a text
/// that isn't UTF-8: `Garbled`.
pub fn parse_strings(payload: &[u8]) -> Result<Vec<String>, StoreError> {
    lab_todo!("5b", payload)
}

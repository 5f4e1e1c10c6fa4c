//! Reference for exercise 5b: xenstore's messages.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::protocol::{
    ABSOLUTE_MAX, ERROR, HEADER_SIZE, Header, Kind, PAYLOAD_MAX, RELATIVE_MAX, Refusal, Request, StoreError,
};

/// Looks whether a path can be sent.
pub fn check_path(node: &str) -> Result<(), StoreError> {
    let most = if node.starts_with('/') { ABSOLUTE_MAX } else { RELATIVE_MAX };
    if node.is_empty() || node.contains('\0') {
        return Err(StoreError::BadPath);
    }
    if node.len() > most {
        return Err(StoreError::TooLong(node.len()));
    }
    Ok(())
}

/// Appends a request to `out`.
pub fn encode(request: &Request<'_>, id: u32, transaction: u32, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let payload = payload(request)?;
    if payload.len() > PAYLOAD_MAX {
        return Err(StoreError::TooLong(payload.len()));
    }
    for number in [request.kind().number(), id, transaction, payload.len() as u32] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&payload);
    Ok(())
}

fn payload(request: &Request<'_>) -> Result<Vec<u8>, StoreError> {
    let mut payload = Vec::new();
    match *request {
        Request::Directory(node)
        | Request::Read(node)
        | Request::GetPermissions(node)
        | Request::MakeDirectory(node)
        | Request::Remove(node) => put_path(&mut payload, node)?,
        Request::Watch { node, token } | Request::Unwatch { node, token } => {
            put_path(&mut payload, node)?;
            put_text(&mut payload, token)?;
        }
        Request::TransactionStart | Request::ResetWatches => payload.push(0),
        Request::TransactionEnd { commit } => payload.extend_from_slice(if commit { b"T\0" } else { b"F\0" }),
        Request::GetDomainPath(domain) => put_text(&mut payload, &domain.0.to_string())?,
        Request::Write { node, value } => {
            put_path(&mut payload, node)?;
            payload.extend_from_slice(value);
        }
        Request::SetPermissions { node, permissions } => {
            put_path(&mut payload, node)?;
            permissions.iter().try_for_each(|permission| put_text(&mut payload, permission))?;
        }
        Request::DirectoryPart { node, offset } => {
            put_path(&mut payload, node)?;
            put_text(&mut payload, &offset.to_string())?;
        }
    }
    Ok(payload)
}

fn put_path(payload: &mut Vec<u8>, node: &str) -> Result<(), StoreError> {
    check_path(node)?;
    put_text(payload, node)
}

fn put_text(payload: &mut Vec<u8>, text: &str) -> Result<(), StoreError> {
    if text.contains('\0') {
        return Err(StoreError::BadPath);
    }
    payload.extend_from_slice(text.as_bytes());
    payload.push(0);
    Ok(())
}

/// Reads a header.
pub fn parse_header(bytes: &[u8; HEADER_SIZE]) -> Result<Header, StoreError> {
    let number = |index: usize| u32::from_le_bytes(core::array::from_fn(|byte| bytes[4 * index + byte]));
    let header = Header { kind: number(0), id: number(1), transaction: number(2), length: number(3) };
    if header.length as usize > PAYLOAD_MAX { Err(StoreError::Garbled) } else { Ok(header) }
}

/// Takes a reply apart.
pub fn parse_reply(asked: Kind, kind: u32, payload: &[u8]) -> Result<&[u8], StoreError> {
    if kind == ERROR {
        let name = payload.strip_suffix(b"\0").unwrap_or(payload);
        return Err(StoreError::Refused(Refusal::named(name)));
    }
    if kind == asked.number() { Ok(payload) } else { Err(StoreError::Garbled) }
}

/// Takes a list of texts apart.
pub fn parse_strings(payload: &[u8]) -> Result<Vec<String>, StoreError> {
    if payload.is_empty() {
        return Ok(Vec::new());
    }
    let texts = payload.strip_suffix(b"\0").ok_or(StoreError::Garbled)?.split(|byte| *byte == 0);
    texts.map(|text| String::from_utf8(text.to_vec()).map_err(|_| StoreError::Garbled)).collect()
}

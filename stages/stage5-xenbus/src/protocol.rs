//! What is said to xenstore and back.
//!
//! Follows `public/io/xs_wire.h` and `docs/misc/xenstore.txt` in Xen's sources. A message is a header and a payload. The
//! header is four numbers of 32 bits, little endian:
//!
//! | offset | field | |
//! |---|---|---|
//! | 0 | `type` | what is asked; in a reply the same, or [`ERROR`] |
//! | 4 | `req_id` | a number of the caller's choice, which the reply repeats |
//! | 8 | `tx_id` | the transaction, or 0 |
//! | 12 | `len` | bytes of payload |
//!
//! and the payload of each request (`|` stands for a NUL):
//!
//! | request | type | payload | payload of the reply |
//! |---|---|---|---|
//! | `Directory` | 1 | `path\|` | `name\|` for each child |
//! | `Read` | 2 | `path\|` | the value, as it is |
//! | `GetPermissions` | 3 | `path\|` | `permission\|` for each, such as `n0`, `r5` |
//! | `Watch`, `Unwatch` | 4, 5 | `path\|token\|` | `OK\|` |
//! | `TransactionStart` | 6 | `\|` | `number\|`, in decimal |
//! | `TransactionEnd` | 7 | `T\|` to commit, `F\|` to abort | `OK\|` |
//! | `GetDomainPath` | 10 | `domain\|`, in decimal | `path\|` |
//! | `Write` | 11 | `path\|value`, the value as it is | `OK\|` |
//! | `MakeDirectory`, `Remove` | 12, 13 | `path\|` | `OK\|` |
//! | `SetPermissions` | 14 | `path\|permission\|` with one or more permissions | `OK\|` |
//! | `ResetWatches` | 21 | `\|` | `OK\|` |
//! | `DirectoryPart` | 22 | `path\|offset\|`, in decimal | `generation\|` and a part of `Directory`'s reply |
//!
//! The daemon also sends messages of type 15, [`WATCH_EVENT`], that nobody asked for: `path|token|`.
//!
//! Invariant: a message that is longer than the daemon takes never gets to it: it would close the connection, and there is no
//! other. What comes from the daemon is checked before it is believed.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use console::types::Domid;

use crate::wire as exercise;

/// Bytes in a header.
pub const HEADER_SIZE: usize = 16;
/// The most bytes of payload (`XENSTORE_PAYLOAD_MAX`).
pub const PAYLOAD_MAX: usize = 4096;
/// The most bytes of a path that begins with `/` (`XENSTORE_ABS_PATH_MAX`).
pub const ABSOLUTE_MAX: usize = 3072;
/// The most bytes of any other path, which begins at the domain's own folder (`XENSTORE_REL_PATH_MAX`).
pub const RELATIVE_MAX: usize = 2048;
/// The type of a reply that says why not (`XS_ERROR`).
pub const ERROR: u32 = 16;
/// The type of a message that says that something below a watched path has changed (`XS_WATCH_EVENT`).
pub const WATCH_EVENT: u32 = 15;

/// A header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What is asked, or answered.
    pub kind: u32,
    /// The number of the request.
    pub id: u32,
    /// The transaction, or 0.
    pub transaction: u32,
    /// Bytes of payload.
    pub length: u32,
}

/// What can be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the table of the module says it")]
pub enum Request<'a> {
    Directory(&'a str),
    Read(&'a str),
    GetPermissions(&'a str),
    Watch { node: &'a str, token: &'a str },
    Unwatch { node: &'a str, token: &'a str },
    TransactionStart,
    TransactionEnd { commit: bool },
    GetDomainPath(Domid),
    Write { node: &'a str, value: &'a [u8] },
    MakeDirectory(&'a str),
    Remove(&'a str),
    SetPermissions { node: &'a str, permissions: &'a [&'a str] },
    ResetWatches,
    DirectoryPart { node: &'a str, offset: usize },
}

/// The type of a request, without its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind(u32);

impl Kind {
    /// Its number in a header.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl Request<'_> {
    /// Its type.
    pub const fn kind(&self) -> Kind {
        Kind(match self {
            Self::Directory(_) => 1,
            Self::Read(_) => 2,
            Self::GetPermissions(_) => 3,
            Self::Watch { .. } => 4,
            Self::Unwatch { .. } => 5,
            Self::TransactionStart => 6,
            Self::TransactionEnd { .. } => 7,
            Self::GetDomainPath(_) => 10,
            Self::Write { .. } => 11,
            Self::MakeDirectory(_) => 12,
            Self::Remove(_) => 13,
            Self::SetPermissions { .. } => 14,
            Self::ResetWatches => 21,
            Self::DirectoryPart { .. } => 22,
        })
    }
}

/// Why the daemon refuses, by its own names (`xsd_errors` in `xs_wire.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// `EINVAL`: the request makes no sense.
    Invalid,
    /// `EACCES`: the node is not ours to read, or to write.
    Denied,
    /// `EEXIST`: it is there already.
    Exists,
    /// `ENOENT`: there is no such node.
    NotFound,
    /// `ENOSPC` or `EQUOTA`: the domain has as much of it as it may.
    Quota,
    /// `E2BIG`: too large for the daemon, or for what it allows this domain.
    TooLarge,
    /// `EAGAIN`: a transaction conflicts with what others did. Begin anew.
    Again,
    /// `ENOSYS`: this daemon doesn't know the request.
    Unknown,
    /// `EBUSY`: not now.
    Busy,
    /// Any other.
    Other,
}

const NAMES: [(&str, Refusal); 12] = [
    ("EINVAL", Refusal::Invalid),
    ("EACCES", Refusal::Denied),
    ("EPERM", Refusal::Denied),
    ("EROFS", Refusal::Denied),
    ("EEXIST", Refusal::Exists),
    ("ENOENT", Refusal::NotFound),
    ("ENOSPC", Refusal::Quota),
    ("EQUOTA", Refusal::Quota),
    ("E2BIG", Refusal::TooLarge),
    ("EAGAIN", Refusal::Again),
    ("ENOSYS", Refusal::Unknown),
    ("EBUSY", Refusal::Busy),
];

impl Refusal {
    /// The refusal of this name.
    pub fn named(name: &[u8]) -> Self {
        NAMES.iter().find(|(known, _)| known.as_bytes() == name).map_or(Self::Other, |(_, refusal)| *refusal)
    }
}

/// What can go wrong with xenstore.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreError {
    /// The daemon refuses.
    Refused(Refusal),
    /// So many bytes are more than the daemon takes; nothing was sent.
    TooLong(usize),
    /// An empty path, or a NUL in a text; nothing was sent.
    BadPath,
    /// The daemon said something that makes no sense.
    Garbled,
    /// There is no connection to the daemon any more.
    Disconnected,
    /// No answer until the deadline.
    TimedOut,
    /// A transaction came into conflict with others each time that it was tried.
    Conflict,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Refusal::Invalid) => f.write_str("xenstore takes no such request"),
            Self::Refused(Refusal::Denied) => f.write_str("xenstore doesn't allow it"),
            Self::Refused(Refusal::Exists) => f.write_str("the node exists already"),
            Self::Refused(Refusal::NotFound) => f.write_str("there is no such node"),
            Self::Refused(Refusal::Quota) => f.write_str("xenstore gives this domain no more"),
            Self::Refused(Refusal::TooLarge) => f.write_str("that is too large for xenstore"),
            Self::Refused(Refusal::Again) => f.write_str("the transaction has to begin anew"),
            Self::Refused(Refusal::Unknown) => f.write_str("this xenstore can't do that"),
            Self::Refused(Refusal::Busy) => f.write_str("xenstore is busy"),
            Self::Refused(Refusal::Other) => f.write_str("xenstore refuses"),
            Self::TooLong(bytes) => write!(f, "{bytes} bytes are more than xenstore takes"),
            Self::BadPath => f.write_str("this is no path for xenstore"),
            Self::Garbled => f.write_str("xenstore's answer makes no sense"),
            Self::Disconnected => f.write_str("the connection to xenstore is broken"),
            Self::TimedOut => f.write_str("xenstore didn't answer in time"),
            Self::Conflict => f.write_str("too many conflicts with other transactions"),
        }
    }
}

impl core::error::Error for StoreError {}

/// Looks whether a path can be sent; exercise 5b.
///
/// # Errors
/// [`StoreError::BadPath`] for an empty one, and one with a NUL; [`StoreError::TooLong`] for one that is too long for its kind.
pub fn check_path(path: &str) -> Result<(), StoreError> {
    exercise::check_path(path)
}

/// Appends a request to `out`; exercise 5b.
///
/// # Errors
/// As [`check_path`], for each path in it; [`StoreError::BadPath`] for another text with a NUL in it;
/// [`StoreError::TooLong`] for more than [`PAYLOAD_MAX`] bytes of payload. `out` is then as it was.
pub fn encode(request: &Request<'_>, id: u32, transaction: u32, out: &mut Vec<u8>) -> Result<(), StoreError> {
    exercise::encode(request, id, transaction, out)
}

/// Reads a header; exercise 5b.
///
/// # Errors
/// [`StoreError::Garbled`] for one that announces more than [`PAYLOAD_MAX`] bytes.
pub fn parse_header(bytes: &[u8; HEADER_SIZE]) -> Result<Header, StoreError> {
    exercise::parse_header(bytes)
}

/// Takes the reply to a request of kind `asked` apart; exercise 5b.
///
/// # Errors
/// [`StoreError::Refused`] for an error, [`StoreError::Garbled`] for a reply to something else.
pub fn parse_reply(asked: Kind, kind: u32, payload: &[u8]) -> Result<&[u8], StoreError> {
    exercise::parse_reply(asked, kind, payload)
}

/// Takes a list of texts apart, each of which ends with a NUL; exercise 5b.
///
/// # Errors
/// [`StoreError::Garbled`] for what is no such list.
pub fn parse_strings(payload: &[u8]) -> Result<Vec<String>, StoreError> {
    exercise::parse_strings(payload)
}

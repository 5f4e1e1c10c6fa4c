//! What can go wrong with a disk.
//!
//! Invariant: an error names the disk that it is about, and says what happened in words.

use core::fmt;

use xenbus::grants::GrantError;
use xenbus::protocol::StoreError;

use crate::name::Name;

/// Something didn't work, and with which disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskError {
    /// The disk.
    pub disk: Name,
    /// What happened.
    pub reason: Reason,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The guest has no disk of this name.
    NoSuchDisk,
    /// The backend has not connected, or not answered, in time.
    TimedOut,
    /// What the backend says about the disk makes no sense, or there was no memory for it. The log says what.
    Unusable,
    /// The disk was detached.
    Detached,
    /// Only reading is allowed.
    ReadOnly,
    /// The bytes, or some of them, are beyond the end.
    BeyondEnd {
        /// Where the last of them would end.
        end: u64,
        /// Where the disk ends.
        size: u64,
    },
    /// The bytes don't begin and end where blocks do, which has to be for this operation.
    Unaligned,
    /// The backend can't do this.
    Unsupported,
    /// The backend could not do it: the medium failed.
    Failed,
    /// The backend says what can't be true. It isn't listened to any more.
    Lied(&'static str),
    /// There is no memory.
    OutOfMemory,
    /// There is no memory, or no grant reference, for pages that the backend has to reach.
    Grant(GrantError),
    /// Xenstore can't tell about the disk.
    Store(StoreError),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchDisk => f.write_str("there is no such disk"),
            Self::TimedOut => f.write_str("the backend does not answer"),
            Self::Unusable => f.write_str("the disk can't be connected"),
            Self::Detached => f.write_str("the disk was detached"),
            Self::ReadOnly => f.write_str("the disk is read-only"),
            Self::BeyondEnd { end, size } => write!(f, "byte {end} is beyond the end of the disk at {size}"),
            Self::Unaligned => f.write_str("that is not made of whole blocks"),
            Self::Unsupported => f.write_str("the backend can't do that"),
            Self::Failed => f.write_str("the backend reports an I/O error"),
            Self::Lied(what) => write!(f, "the backend is not to be believed: {what}"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Grant(error) => fmt::Display::fmt(error, f),
            Self::Store(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.disk, self.reason)
    }
}

impl core::error::Error for Reason {}
impl core::error::Error for DiskError {}

impl From<GrantError> for Reason {
    fn from(error: GrantError) -> Self {
        Self::Grant(error)
    }
}

impl From<StoreError> for Reason {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

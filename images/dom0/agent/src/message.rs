//! Messages: what the harness asks, what the agent answers, and what it tells unasked.
//!
//! Invariant: an agent answers every call exactly once, in any order. Domains are named by their xl name, which
//! stays the same over a reboot, a save and a restore; paths are absolute paths in dom0.

use crate::CreateOptions;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A request on its way to the agent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// The reply carries the same number.
    pub id: u64,
    /// How long the agent may work on it, in milliseconds.
    pub time_ms: u32,
    /// What to do.
    pub request: Request,
}

/// What the agent can do. The comment on each names its reply where that is not [`Reply::Done`].
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // The fields are named in the comments.
pub enum Request {
    /// Sets dom0's clock, in nanoseconds since 1970: a restored dom0 lives in the past. [`Reply::Hello`]
    Hello { unix_nanos: u64 },
    /// Writes `bytes` into a file at `offset`, making the file and its folder where needed.
    Write {
        path: String,
        offset: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Sets a file's length; new bytes are zero and take no room.
    SetLength { path: String, bytes: u64 },
    /// A file's length. [`Reply::Number`]
    Length { path: String },
    /// At most `bytes` bytes of a file from `offset`; fewer at its end. [`Reply::Bytes`]
    Read { path: String, offset: u64, bytes: u32 },
    /// Removes a file or a folder with what is in it.
    Remove { path: String },
    /// Runs a program and waits for it. [`Reply::Exec`]
    Exec {
        argv: Vec<String>,
        #[serde(with = "serde_bytes")]
        stdin: Vec<u8>,
    },
    /// Makes a domain and, unless `paused`, starts it. [`Reply::Number`]: its domid
    Create(CreateOptions),
    /// Starts a saved domain from `path`, configured as `options`. [`Reply::Number`]: its domid
    Restore { options: CreateOptions, path: String },
    /// Saves a domain to `path`; afterwards it is gone, or runs on if `leave_running`.
    Save { domain: String, path: String, leave_running: bool },
    /// Stops a domain's vCPUs.
    Pause { domain: String },
    /// Lets them run on.
    Unpause { domain: String },
    /// Asks the guest to power off.
    Shutdown { domain: String },
    /// Asks the guest to reboot.
    Reboot { domain: String },
    /// Ends a domain at once.
    Destroy { domain: String },
    /// Sets how many vCPUs the guest should have online.
    SetVcpus { domain: String, vcpus: u32 },
    /// Sets the balloon's target in KiB.
    SetMemory { domain: String, kib: u64 },
    /// Adds a network interface.
    AttachNetwork { domain: String, vif: crate::Vif },
    /// Removes the network interface of number `index`.
    DetachNetwork { domain: String, index: u32 },
    /// Adds a disk.
    AttachBlock { domain: String, disk: crate::Disk },
    /// Removes a disk by its name in the guest, such as `xvdb`.
    DetachBlock { domain: String, vdev: String },
    /// Types `bytes` on the console. [`Reply::Number`]: how many were taken; fewer where the guest reads slowly
    ConsoleInput {
        domain: String,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Reads a xenstore node. [`Reply::Value`]: `None` where there is none
    StoreRead { path: String },
    /// Writes a xenstore node, making it where needed.
    StoreWrite {
        path: String,
        #[serde(with = "serde_bytes")]
        value: Vec<u8>,
    },
    /// Removes a xenstore node and what is below it.
    StoreRemove { path: String },
    /// Lists the children of a xenstore node. [`Reply::Names`]
    StoreList { path: String },
    /// Watches a xenstore node, or `@introduceDomain` or `@releaseDomain`. [`Reply::Number`]: the watch
    StoreWatch { path: String },
    /// Ends a watch.
    StoreUnwatch { watch: u64 },
    /// Reports every frame that an interface of dom0 sends or receives. [`Reply::Number`]: the capture
    Capture { interface: String },
    /// Ends a capture.
    StopCapture { capture: u64 },
    /// Sends a raw Ethernet frame out of an interface: into the guest where that is its `vifN.M`.
    Inject {
        interface: String,
        #[serde(with = "serde_bytes")]
        frame: Vec<u8>,
    },
    /// Sets an interface of dom0 up or down.
    SetLink { interface: String, up: bool },
    /// Maps a page that a guest has granted to dom0, for reading and writing. [`Reply::Number`]: the mapping
    MapGrant { domain: String, reference: u32 },
    /// Bytes of a mapped page. [`Reply::Bytes`]
    ReadGrant { mapping: u64, offset: u32, bytes: u32 },
    /// Changes bytes of a mapped page.
    WriteGrant {
        mapping: u64,
        offset: u32,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Unmaps a page.
    UnmapGrant { mapping: u64 },
    /// Xen's messages since the last such request (`xl dmesg`). [`Reply::Bytes`]
    XenMessages,
}

/// What comes back.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It is done.
    Done,
    /// The agent is there, on this version of Xen.
    Hello {
        /// As `4.17.5`.
        xen: String,
    },
    /// A count or an identifier.
    Number(u64),
    /// Bytes.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The value of a node that may not exist.
    Value(Option<serde_bytes::ByteBuf>),
    /// Names.
    Names(Vec<String>),
    /// How a program ended.
    Exec(ExecOutput),
}

/// What a program left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecOutput {
    /// Its exit status; 128 and the signal's number if a signal ended it.
    pub status: i32,
    /// The first [`crate::CHUNK`] bytes of its output.
    #[serde(with = "serde_bytes")]
    pub stdout: Vec<u8>,
    /// The same of its errors.
    #[serde(with = "serde_bytes")]
    pub stderr: Vec<u8>,
    /// Whether there was more of either.
    pub truncated: bool,
}

/// Everything the agent sends.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromAgent {
    /// The answer to the call of number `id`.
    Reply {
        /// The call's number.
        id: u64,
        /// The answer, or why there is none.
        result: Result<Reply, String>,
    },
    /// Something happened.
    Event(Event),
    /// What the agent received was not of this protocol.
    Garbage(String),
}

/// What happened in dom0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // The fields say it.
pub enum Event {
    /// A guest printed something: the exact bytes, in order.
    Console {
        domain: String,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Console bytes that nobody fetched in time were dropped here. Made by the harness's side.
    ConsoleLost { domain: String, bytes: u64 },
    /// A guest stopped running. Everything that it printed has been sent before.
    Exited { domain: String, domid: u32, reason: Reason },
    /// Its successor runs, after a reboot.
    Restarted { domain: String, domid: u32 },
    /// Nothing is left of the domain: name, disks and memory are free again.
    Gone { domain: String },
    /// A watched xenstore node changed. Each watch fires once by itself when it is set.
    Store { watch: u64, path: String },
    /// A frame on a captured interface; `sent` tells frames that leave through it from those that arrive on it.
    Frame {
        capture: u64,
        sent: bool,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Frames that nobody fetched in time were dropped here. Made by the harness's side.
    FramesLost { frames: u64 },
}

/// Why a guest stopped running: Xen's shutdown code (`xen/include/public/sched.h`, SHUTDOWN_*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// It switched itself off.
    Poweroff,
    /// It asked to be started again.
    Reboot,
    /// It was saved.
    Suspend,
    /// It crashed: by itself, or Xen saw no way to go on with it.
    Crash,
    /// Its watchdog timer ran out.
    Watchdog,
    /// It asked for a soft reset.
    SoftReset,
    /// Destroyed from outside.
    Destroyed,
    /// A code that has no name.
    Other(u32),
}

impl Reason {
    /// The reason behind one of Xen's codes.
    pub fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Poweroff,
            1 => Self::Reboot,
            2 => Self::Suspend,
            3 => Self::Crash,
            4 => Self::Watchdog,
            5 => Self::SoftReset,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poweroff => write!(f, "poweroff"),
            Self::Reboot => write!(f, "reboot"),
            Self::Suspend => write!(f, "suspend"),
            Self::Crash => write!(f, "crash"),
            Self::Watchdog => write!(f, "watchdog"),
            Self::SoftReset => write!(f, "soft reset"),
            Self::Destroyed => write!(f, "destroyed"),
            Self::Other(code) => write!(f, "shutdown code {code}"),
        }
    }
}

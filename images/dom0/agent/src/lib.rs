//! The protocol between the harness and the agent in the test host's dom0.
//!
//! They talk over a virtio-serial port, a byte stream that either side may find garbage in: the harness sends
//! [`Call`]s, the agent answers each with a reply of the same number and sends [`Event`]s of its own accord.
//!
//! Invariant: everything either side reads passes through a [`Decoder`], which never panics, never buffers more
//! than one frame, and reports what is not a frame.

mod config;
mod frame;
mod message;

pub use config::{Action, CreateOptions, Disk, Kind, TscMode, Vif};
pub use frame::{Decoder, Garbage, MAX_PAYLOAD, decode, encode};
pub use message::{Call, Event, ExecOutput, FromAgent, Reason, Reply, Request};

/// The version of the protocol. Every frame carries it; raise it with each change to a message.
pub const VERSION: u16 = 2;

/// The name of the virtio-serial port.
pub const PORT: &str = "org.stardust.agent";

/// What the agent prints on dom0's console once it waits for its first frame.
pub const READY: &str = "stardust: agent ready";

/// The most bytes of a file, a console or a process's output that one message carries.
pub const CHUNK: usize = 256 << 10;

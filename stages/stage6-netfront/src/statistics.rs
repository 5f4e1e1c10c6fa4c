//! What an interface has done so far.

use core::fmt;

/// Counts since the interface was connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Frames received.
    pub received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Frames that came and could not be used.
    pub dropped: u64,
    /// Frames whose checksum was wrong.
    pub damaged: u64,
    /// Frames sent.
    pub sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Frames that could not be sent, and parts that the backend refused.
    pub failed: u64,
    /// Events sent to the backend.
    pub events_sent: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, bytes_received, dropped, damaged, sent, bytes_sent, failed, events_sent } = self;
        write!(f, "received {received} frames, {bytes_received} bytes, dropped {dropped}, damaged {damaged}; ")?;
        write!(f, "sent {sent} frames, {bytes_sent} bytes, failed {failed}; {events_sent} events")
    }
}

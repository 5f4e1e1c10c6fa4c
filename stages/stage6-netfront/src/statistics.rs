//! What an interface has done so far.

use core::fmt;
use core::ops::Add;

/// Counts since the interface was first connected.
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
    /// First packets of connections that a listener had no room for.
    pub turned_away: u64,
    /// How often the backend broke the rules, which ends the connection to it.
    pub broken: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            bytes_received: self.bytes_received + other.bytes_received,
            dropped: self.dropped + other.dropped,
            damaged: self.damaged + other.damaged,
            sent: self.sent + other.sent,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            failed: self.failed + other.failed,
            events_sent: self.events_sent + other.events_sent,
            turned_away: self.turned_away + other.turned_away,
            broken: self.broken + other.broken,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, bytes_received, dropped, damaged, sent, bytes_sent, failed, .. } = self;
        write!(f, "received {received} frames, {bytes_received} bytes, dropped {dropped}, damaged {damaged}; ")?;
        write!(f, "sent {sent} frames, {bytes_sent} bytes, failed {failed}; {} events; ", self.events_sent)?;
        write!(f, "turned away {}, broken {}", self.turned_away, self.broken)
    }
}

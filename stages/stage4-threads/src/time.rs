//! Deadlines.
//!
//! All waiting in this crate is until a point in time, never for a span: whoever waits again after a wake-up that wasn't for
//! him would otherwise wait longer and longer. Invariant: the clock behind [`now`] never runs backward.

use core::time::Duration;

pub use events::clock::Nanoseconds;
#[cfg(guest)]
pub use events::clock::now;

/// The time: in a host build, since the first call.
#[cfg(not(guest))]
pub fn now() -> Nanoseconds {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    Nanoseconds(START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64)
}

/// The time at which `span` from now will be over; the end of all time where that is too far.
pub fn after(span: Duration) -> Nanoseconds {
    now().after(span)
}

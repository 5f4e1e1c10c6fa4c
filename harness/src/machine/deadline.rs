//! Deadlines: how long the harness waits for anything, and what it says when the time is over.
//!
//! Invariant: every wait on the machine ends. The figures in the code are for an ordinary machine; a slow one
//! stretches them all by one factor.

use crate::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

/// The machine's factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deadlines {
    scale: f64,
}

impl Deadlines {
    /// Waits `scale` times as long as on an ordinary machine; never shorter.
    pub fn scaled(scale: f64) -> Self {
        Self { scale: if scale.is_finite() { scale.clamp(1., 100.) } else { 1. } }
    }

    /// So many of an ordinary machine's seconds on this one.
    pub fn seconds(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.scale)
    }

    /// A deadline in so many of an ordinary machine's seconds from now.
    pub fn within(&self, seconds: f64) -> Deadline {
        Deadline::after(self.seconds(seconds))
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::scaled(1.)
    }
}

/// A moment by which something has to have happened.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    begun: Instant,
    allowed: Duration,
}

impl Deadline {
    /// So long from now.
    pub fn after(allowed: Duration) -> Self {
        Self { begun: Instant::now(), allowed }
    }

    /// What is left.
    pub fn left(&self) -> Duration {
        self.allowed.saturating_sub(self.begun.elapsed())
    }

    /// Whether it has passed.
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// What to report when it has passed: what was awaited, and where things stood.
    pub fn missed(&self, awaited: impl fmt::Display, standing: impl fmt::Display) -> Error {
        Error::fault(format!("{awaited}: nothing within {:.1} s. {standing}", self.allowed.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_machine_waits_longer_and_no_factor_waits_shorter_or_for_ever() {
        assert_eq!(Deadlines::scaled(2.5).seconds(4.), Duration::from_secs(10));
        for factor in [0., -1., f64::NAN] {
            assert_eq!(Deadlines::scaled(factor).seconds(4.), Duration::from_secs(4));
        }
        assert!(Deadlines::scaled(f64::INFINITY).seconds(4.) < Duration::from_secs(1000));
    }

    #[test]
    fn a_time_out_says_what_was_awaited_and_where_it_stood() {
        let deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.is_over());
        let error = deadline.missed("a reply", "Xen's console is empty").to_string();
        assert_eq!(error, "a reply: nothing within 0.0 s. Xen's console is empty");
    }
}

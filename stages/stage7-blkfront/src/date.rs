//! Dates, as people and file systems write them.
//!
//! Invariant: each day from 1970 on is counted, leap days too (the Gregorian calendar, in UTC).

use core::fmt;
use core::time::Duration;

#[cfg(not(test))]
use events::clock::wall;

/// A date and a time of day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Date {
    /// The year.
    pub year: u16,
    /// The month, from 1.
    pub month: u8,
    /// The day, from 1.
    pub day: u8,
    /// The hour, from 0.
    pub hour: u8,
    /// The minute.
    pub minute: u8,
    /// The second.
    pub second: u8,
}

impl Date {
    /// The first that FAT has: what is told of things that have no date.
    pub const EARLIEST: Self = Self { year: 1980, month: 1, day: 1, hour: 0, minute: 0, second: 0 };

    /// Now, by the host's clock.
    pub fn now() -> Self {
        Self::at(wall())
    }

    /// So long after the beginning of 1970.
    pub fn at(since_1970: Duration) -> Self {
        let seconds = since_1970.as_secs();
        let (mut days, rest) = (seconds / 86400, (seconds % 86400) as u32);
        let mut year = 1970;
        while days >= days_of_year(year) {
            days -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while days >= days_of_month(year, month) {
            days -= days_of_month(year, month);
            month += 1;
        }
        let (hour, minute, second) = ((rest / 3600) as u8, (rest / 60 % 60) as u8, (rest % 60) as u8);
        Self { year: year as u16, month, day: days as u8 + 1, hour, minute, second }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

/// The clock of the machine that the tests run on.
#[cfg(test)]
fn wall() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn days_of_month(year: u64, month: u8) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

//! The errors of Xen's hypercalls.
//!
//! Xen numbers its errors as Linux does (`public/errno.h`) and returns them negated. Invariant: an [`Errno`] lies
//! in 1..=4095, the range that a hypercall's result reserves for errors.

use core::fmt;

/// Why Xen refused a hypercall.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(u16);

/// The numbers that Xen's public interface uses, with their names.
const NAMES: [(u16, &str); 17] = [
    (1, "EPERM"),
    (2, "ENOENT"),
    (3, "ESRCH"),
    (5, "EIO"),
    (7, "E2BIG"),
    (9, "EBADF"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (16, "EBUSY"),
    (17, "EEXIST"),
    (19, "ENODEV"),
    (22, "EINVAL"),
    (28, "ENOSPC"),
    (38, "ENOSYS"),
    (95, "EOPNOTSUPP"),
];

impl Errno {
    /// The largest number that is an error.
    pub const MAX: u16 = 4095;
    /// No such thing, for example a vCPU beyond the last.
    pub const ENOENT: Self = Self(2);
    /// A pointer to memory that isn't mapped.
    pub const EFAULT: Self = Self(14);
    /// An argument that makes no sense.
    pub const EINVAL: Self = Self(22);
    /// A hypercall that this Xen doesn't have.
    pub const ENOSYS: Self = Self(38);

    /// The error with this (positive) number; `None` outside 1..=4095.
    pub const fn new(number: u16) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// Its positive number, as in Linux's `errno.h`.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its name, if Xen's public interface has one.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(number, _)| *number == self.0).map(|(_, name)| *name)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Errno {}

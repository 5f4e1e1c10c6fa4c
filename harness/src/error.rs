//! What can go wrong in the harness itself, and the exit status each kind ends in.
//!
//! A lab that fails its checks is a result, not an error. An [`Error`] is for everything that kept the
//! harness from getting that far, and it always says what to do next where something can be done.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

/// Why a command could not do its work. The number is the process's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was built does not compile.
    Build = 2,
    /// The guest crashed, hung, or ran out of time.
    Guest = 3,
    /// A rule of the course is broken.
    Rule = 4,
    /// The command line asks for something that does not exist.
    Usage = 64,
    /// The machine lacks something: QEMU, a package, disk space, a permission.
    Missing = 69,
    /// The harness or its test host is at fault.
    Fault = 70,
}

/// A failure to report: what happened, and the next thing to do.
#[derive(Debug)]
pub struct Error {
    /// Decides the exit status.
    pub kind: Kind,
    /// One or more sentences on what happened.
    pub message: String,
    /// A command or an action that helps, where there is one.
    pub next: Option<String>,
}

/// The result of everything in the harness that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), next: None }
    }

    /// A mistake on the command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Something that the machine lacks.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(Kind::Missing, message)
    }

    /// A fault of the harness or its test host.
    pub fn fault(message: impl Into<String>) -> Self {
        Self::new(Kind::Fault, message)
    }

    /// Adds the next thing to do.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// What another's error means: the machine lacks what only its user can mend, or the harness is at fault.
    pub fn from_io(error: &std::io::Error, doing: impl fmt::Display) -> Self {
        let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        let kind = match error.kind() {
            ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::PermissionDenied
            | ErrorKind::NotFound
            | ErrorKind::NotADirectory => Kind::Missing,
            _ => Kind::Fault,
        };
        let made = Self::new(kind, format!("{doing}: {error}"));
        if full { made.next("free some space, or point STARDUST_CACHE at a larger disk") } else { made }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        match &self.next {
            Some(next) => write!(f, "\n  next: {next}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Turns another library's error into ours, with what was being done.
pub trait Context<T> {
    /// Says what was being done when it failed.
    fn doing(self, doing: impl fmt::Display) -> Result<T>;

    /// The same for a file: `doing("read", path)` reads as "read /x/y: no such file".
    fn on(self, verb: &str, path: &Path) -> Result<T>
    where
        Self: Sized,
    {
        self.doing(format_args!("{verb} {}", path.display()))
    }
}

impl<T> Context<T> for std::io::Result<T> {
    fn doing(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Error::from_io(&error, doing))
    }
}

impl<T> Context<T> for std::result::Result<T, rustix::io::Errno> {
    fn doing(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Error::from_io(&error.into(), doing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_missing_and_says_what_to_do() {
        let full: std::io::Result<()> = Err(std::io::ErrorKind::StorageFull.into());
        let error = full.doing("write x").map_err(|e| (e.kind, e.to_string())).unwrap_err();
        assert_eq!(error.0, Kind::Missing);
        assert!(error.1.contains("next: free some space"), "{}", error.1);
    }
}

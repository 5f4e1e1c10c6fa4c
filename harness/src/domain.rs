//! One guest from its creation to its end, with what it prints: for commands that look at guests, not at the work in
//! them.
//!
//! Invariant: a domain is gone when its [`Domain`] is dropped, and every wait for one has a deadline.

use crate::error::{Error, Kind, Result};
use crate::machine::{Action, CreateOptions, Deadline, Disk, Event, Machine, Reason};
use crate::tail;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Domains of this process: no two on one test host share a name.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A name that no domain has had.
pub fn fresh_name(what: &str) -> String {
    format!("{what}-{}", MADE.fetch_add(1, Ordering::Relaxed))
}

/// The first disk of a guest that is about to be made: so many MiB of zeros, in this file of dom0's.
pub fn empty_disk(machine: &Machine, path: &str, mib: u32) -> Result<Disk> {
    machine.agent().put_from(path, std::io::repeat(0), u64::from(mib) << 20)?;
    Ok(Disk { path: path.into(), vdev: "xvda".into(), writable: true })
}

/// A domain under way.
pub struct Domain<'a> {
    machine: &'a Machine,
    name: String,
    id: u32,
    /// What it has printed.
    pub console: Vec<u8>,
    /// Bytes of its console that were dropped on the way, because nobody looked for too long.
    pub lost: u64,
    /// How often it has rebooted and gone on.
    pub reboots: u64,
    restarts: bool,
    ended: Option<Reason>,
}

impl<'a> Domain<'a> {
    /// Makes a domain.
    pub fn create(machine: &'a Machine, options: &CreateOptions) -> Result<Self> {
        let id = machine.agent().create(options)?.domid;
        let (name, restarts) = (options.name.clone(), options.on_reboot == Action::Restart);
        Ok(Self { machine, name, id, console: Vec::new(), lost: 0, reboots: 0, restarts, ended: None })
    }

    /// Its name, by which dom0 knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Xen's number for it, which changes when it reboots.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Lets one run that was made paused.
    pub fn unpause(&self) -> Result<()> {
        self.machine.agent().unpause(&self.name)
    }

    /// Types on its console.
    pub fn type_in(&self, bytes: &[u8]) -> Result<()> {
        self.machine.agent().console_input(&self.name, bytes)
    }

    /// Listens until it ends or `enough` says so; returns why it ended, if it did.
    ///
    /// # Errors
    /// When the deadline is over, with what was printed last.
    pub fn listen(&mut self, deadline: Deadline, enough: impl Fn(&Self) -> bool) -> Result<Option<&Reason>> {
        while self.ended.is_none() && !enough(self) {
            if deadline.is_over() {
                return Err(self.failed("did not end in time"));
            }
            match self.machine.agent().events().next(Duration::from_millis(200))? {
                Some(Event::Console { domain, bytes }) if domain == self.name => self.console.extend(bytes),
                Some(Event::ConsoleLost { domain, bytes }) if domain == self.name => self.lost += bytes,
                Some(Event::Restarted { domain, .. }) if domain == self.name => self.reboots += 1,
                Some(Event::Exited { domain, reason, .. }) if domain == self.name => {
                    self.ended = Some(reason).filter(|reason| *reason != Reason::Reboot || !self.restarts);
                }
                _ => {}
            }
        }
        Ok(self.ended.as_ref())
    }

    /// Listens until it has powered off.
    ///
    /// # Errors
    /// When it ends in any other way, or not in time.
    pub fn power_off(&mut self, deadline: Deadline) -> Result<()> {
        match self.listen(deadline, |_| false)? {
            Some(Reason::Poweroff) => Ok(()),
            other => {
                let how = other.map_or_else(|| "went on".to_owned(), |reason| format!("ended with {reason}"));
                Err(self.failed(&how))
            }
        }
    }

    /// Whether it has printed this.
    pub fn has_said(&self, words: &[u8]) -> bool {
        self.console.windows(words.len()).any(|part| part == words)
    }

    /// What it has printed, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.console).replace('\r', "")
    }

    /// That the guest did something else than it was to do, with its last words.
    pub fn failed(&self, how: &str) -> Error {
        let words = match tail(&self.text(), 6) {
            words if words.is_empty() => "; it printed nothing".to_owned(),
            words => format!("; its console ends with:\n    {}", words.replace('\n', "\n    ")),
        };
        Error::new(Kind::Guest, format!("the guest {} {how}{words}", self.name))
    }
}

impl Drop for Domain<'_> {
    fn drop(&mut self) {
        // Xen may have been told to keep one that crashed.
        if matches!(self.ended, None | Some(Reason::Crash)) {
            // Where this fails the test host is lost, and whoever needs it next will hear of it.
            let _ = self.machine.agent().destroy(&self.name);
        }
    }
}

//! Ctrl-C and its relatives: everything ends at once and nothing half-made stays behind.
//!
//! QEMU and the programs that the harness starts die with it by themselves. What is left is the terminal's mode
//! and folders that were being filled; they register here, and the signal's thread puts them right before it
//! ends the process.

use rustix::termios::{OptionalActions, Termios, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Pending {
    folders: Vec<PathBuf>,
    terminal: Option<Termios>,
}

static PENDING: Mutex<Pending> = Mutex::new(Pending { folders: Vec::new(), terminal: None });

fn pending() -> MutexGuard<'static, Pending> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on a signal to end is obeyed in good order. Call it once, first thing.
pub fn watch() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let pending = pending();
            if let Some(before) = &pending.terminal {
                let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
            }
            for folder in &pending.folders {
                let _ = std::fs::remove_dir_all(folder);
            }
            crate::ui::tell("\ninterrupted");
            std::process::exit(128 + signal);
        }
    });
}

/// Remembers how the terminal was, to put it back; `None` when that is done.
pub fn restores_terminal(before: Option<Termios>) {
    pending().terminal = before;
}

/// A folder that a signal removes, until this is dropped.
pub struct Unfinished {
    folder: PathBuf,
}

impl Unfinished {
    /// Registers `folder`.
    pub fn new(folder: &Path) -> Self {
        pending().folders.push(folder.to_owned());
        Self { folder: folder.to_owned() }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        pending().folders.retain(|folder| *folder != self.folder);
    }
}

//! Ctrl-C and its relatives: everything ends at once and nothing half-made stays behind.
//!
//! Programs under way, the terminal's mode, and files and folders that are being filled register here. The signal's thread
//! puts them right before it ends the process.

use rustix::process::{Pid, Signal, kill_process_group};
use rustix::termios::{OptionalActions, Termios, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Pending {
    groups: Vec<Pid>,
    unfinished: Vec<PathBuf>,
    terminal: Option<Termios>,
}

static PENDING: Mutex<Pending> = Mutex::new(Pending { groups: Vec::new(), unfinished: Vec::new(), terminal: None });

fn pending() -> MutexGuard<'static, Pending> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on a signal to end is obeyed in good order. Call it once, first thing.
pub fn watch() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Held to the end: nobody starts another program.
            let pending = pending();
            if let Some(before) = &pending.terminal {
                let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
            }
            // Before what they may be writing is removed.
            pending.groups.iter().for_each(|group| kill(*group));
            clear(128 + signal, &pending.unfinished);
        }
    });
}

/// Remembers how the terminal was, to put it back; `None` when that is done.
pub fn restores_terminal(before: Option<Termios>) {
    pending().terminal = before;
}

/// Waits for the process's end if a signal is ending it: what goes wrong meanwhile is the signal's doing.
pub fn settle() {
    drop(pending());
}

/// Removes its arguments, says so, and ends with the status in `$0`. What was killed may still end what it was about to write.
const CLEAR: &str = "trap '' INT TERM HUP PIPE
tries=0
until /bin/rm -rf -- \"$@\" 2>/dev/null || [ $((tries += 1)) -gt 500 ]; do /bin/sleep 0.01; done
printf '\\ninterrupted\\n' >&2
exit \"$0\"";

/// Removes `paths` and ends the process with `status`.
///
/// The shell takes the process over: of the harness, no thread is left that might go on to fill what is removed.
fn clear(status: i32, paths: &[PathBuf]) {
    let failed = Command::new("/bin/sh").args(["-c", CLEAR, &status.to_string()]).args(paths).exec();
    crate::ui::tell(format_args!("\ninterrupted; /bin/sh: {failed}"));
    std::process::exit(status);
}

fn kill(group: Pid) {
    // The group may be gone: its leader has ended, with all it had started, and only waits to be waited for.
    let _ = kill_process_group(group, Signal::KILL);
}

/// A program's process group, which a signal kills.
#[derive(Clone, Debug)]
pub struct Group(Pid);

impl Group {
    /// Starts a program that is to lead a group of its own.
    pub fn start(command: &mut Command) -> io::Result<(Self, Child)> {
        // Under the lock, so that no signal comes between the start and the note of it.
        let mut pending = pending();
        let child = command.spawn()?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        pending.groups.push(group);
        Ok((Self(group), child))
    }

    /// Kills all of it, unless it has ended.
    pub fn kill(&self) {
        let pending = pending();
        if pending.groups.contains(&self.0) {
            kill(self.0);
        }
    }

    /// Kills what the leader, which has ended, left running, and waits for the leader with `wait`. The number may be
    /// another's from here on.
    pub fn end(&self, wait: impl FnOnce() -> io::Result<ExitStatus>) -> io::Result<ExitStatus> {
        let mut pending = pending();
        kill(self.0);
        pending.groups.retain(|group| *group != self.0);
        wait()
    }
}

/// A file or a folder that a signal removes, until this is dropped.
pub struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// Makes it, and registers its path.
    ///
    /// # Errors
    /// As `make`.
    pub fn make<T: AsRef<Path>>(make: impl FnOnce() -> io::Result<T>) -> io::Result<(Self, T)> {
        // Under the lock, so that no signal comes between the two.
        let mut pending = pending();
        let made = make()?;
        let path = made.as_ref().to_owned();
        pending.unfinished.push(path.clone());
        Ok((Self { path }, made))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        pending().unfinished.retain(|path| *path != self.path);
    }
}

//! One QEMU process: its command line, its pipes, its death.
//!
//! QEMU gets its agent port, QMP, serial console and saved state as inherited descriptors (`-chardev socket,fd=N`), so
//! there are no socket files that another run could meet or a killed one leave behind.
//!
//! Invariant: QEMU ends when its [`Qemu`] is dropped, and also when the harness dies in any way: the thread that
//! started it, to which PR_SET_PDEATHSIG is tied, lives until QEMU has ended.

use crate::error::{Context, Error, Result};
use crate::machine::deadline::Deadline;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getppid, pidfd_open, pidfd_send_signal, set_parent_process_death_signal,
};
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// QEMU's name.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// What installs it on Debian.
pub const INSTALL: &str = "sudo apt-get install -y --no-install-recommends qemu-system-x86";
/// How much of what QEMU and Xen print is kept.
const KEEP: usize = 1 << 20;

/// QEMU's version, as it says it: `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`.
pub fn version() -> Result<String> {
    let output = Command::new(PROGRAM).arg("--version").output().map_err(|error| not_started(&error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(line) if output.status.success() => Ok(line.to_owned()),
        _ => Err(Error::missing(format!("{PROGRAM} --version ended with {}", output.status)).next(INSTALL)),
    }
}

/// A QEMU that runs.
pub struct Qemu {
    process: OwnedFd,
    console: Arc<Printed>,
    errors: Arc<Printed>,
    ended: Arc<Ended>,
}

/// What QEMU is to be started with.
pub struct Spec {
    /// The machine's part of the command line.
    pub machine: Vec<String>,
    /// Where relative paths in it lead.
    pub dir: PathBuf,
    /// A saved state to begin with.
    pub state: Option<OwnedFd>,
}

/// The harness's ends of what connects it with QEMU.
pub struct Ends {
    /// The agent's port.
    pub agent: UnixStream,
    /// QEMU's monitor.
    pub qmp: UnixStream,
}

impl Qemu {
    /// Starts QEMU.
    pub fn start(spec: Spec) -> Result<(Self, Ends)> {
        let pair = || UnixStream::pair().doing("make a socket pair");
        let (agent, agent_end) = pair()?;
        let (qmp, qmp_end) = pair()?;
        let (serial, serial_end) = pair()?;
        let mut arguments: Vec<OsString> = spec.machine.into_iter().map(OsString::from).collect();
        let mut inherited: Vec<OwnedFd> = Vec::new();
        for (id, end) in [("agent", agent_end), ("qmp", qmp_end), ("serial", serial_end)] {
            arguments.extend(["-chardev".into(), format!("socket,id={id},fd={}", end.as_raw_fd()).into()]);
            inherited.push(end.into());
        }
        if let Some(state) = spec.state {
            arguments.extend(["-incoming".into(), format!("fd:{}", state.as_raw_fd()).into()]);
            inherited.push(state);
        }
        let ended = Arc::new(Ended::default());
        let console = Printed::follow(serial);
        let (process, errors) = run(arguments, &spec.dir, inherited, ended.clone())?;
        Ok((Self { process, console, errors: Printed::follow(errors), ended }, Ends { agent, qmp }))
    }

    /// What Xen and dom0's kernel printed, its last mebibyte.
    pub fn console(&self) -> &Arc<Printed> {
        &self.console
    }

    /// Kills QEMU.
    pub fn kill(&self) {
        // It may have ended already.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
    }

    /// How QEMU is, for an error: its end and last words, or what Xen printed last.
    pub fn standing(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let (console, errors, ended) = (self.console.clone(), self.errors.clone(), self.ended.clone());
        move || {
            let mut told = match ended.wait(std::time::Duration::from_millis(300)) {
                Some(status) => format!("QEMU has ended ({status})"),
                None => "QEMU runs".to_owned(),
            };
            let mut tell = |who: &str, text: String, lines: usize| {
                let last: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
                let last = &last[last.len().saturating_sub(lines)..];
                if !last.is_empty() {
                    told += &format!("; {who}:\n    {}", last.join("\n    "));
                }
            };
            tell("it said", errors.text(), 8);
            tell("Xen's console ends with", console.text(), 4);
            told
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
        // So that nothing of it is left when the caller goes on; a killed process ends in milliseconds.
        self.ended.wait(std::time::Duration::from_secs(5));
    }
}

/// Runs QEMU in a thread that lives as long; returns its handle and its errors.
fn run(
    arguments: Vec<OsString>,
    dir: &Path,
    inherited: Vec<OwnedFd>,
    ended: Arc<Ended>,
) -> Result<(OwnedFd, impl Read + use<>)> {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(dir);
    // A process group of its own, so that Ctrl-C reaches the harness alone, which then ends QEMU.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let numbers: Vec<RawFd> = inherited.iter().map(AsRawFd::as_raw_fd).collect();
    debug_assert!(numbers.iter().all(|&number| number > 2));
    let kept: Vec<OwnedFd> = inherited;
    let harness = getpid();
    let between_fork_and_exec = move || {
        for descriptor in &kept {
            fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The harness may have died before that took effect.
        if getppid() == Some(harness) { Ok(()) } else { Err(io::Error::from(io::ErrorKind::BrokenPipe)) }
    };
    // SAFETY: between fork and exec the closure only makes system calls, which are async-signal-safe; it neither
    // allocates nor locks.
    unsafe { command.pre_exec(between_fork_and_exec) };
    let (started, start) = channel();
    std::thread::spawn(move || {
        let spawned = command.spawn();
        // Drops the harness's copies of QEMU's descriptors: only then does QEMU's death close them.
        drop(command);
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => return drop(started.send(Err(error))),
        };
        let handle = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(rustix::io::Errno::SRCH);
        let handle = handle.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let errors = child.stderr.take();
        let begun =
            handle.map_err(io::Error::from).and_then(|handle| Ok((handle, errors.ok_or(io::ErrorKind::Other)?)));
        if begun.is_err() {
            let _ = child.kill();
        }
        let _ = started.send(begun);
        ended.set(child.wait());
    });
    let begun = start.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    begun.doing(format_args!("start {PROGRAM} in {}", dir.display()))
}

fn not_started(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::missing(format!("{PROGRAM} is not installed: the test host runs in it")).next(INSTALL)
        }
        _ => Error::from_io(error, format_args!("start {PROGRAM}")),
    }
}

/// How QEMU ended.
#[derive(Default)]
struct Ended {
    status: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

impl Ended {
    fn set(&self, status: io::Result<ExitStatus>) {
        *self.lock() = Some(status.unwrap_or_default());
        self.changed.notify_all();
    }

    fn wait(&self, time: std::time::Duration) -> Option<ExitStatus> {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |status| status.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of what something printed. A thread always reads on, so the printer never waits.
#[derive(Default)]
pub struct Printed {
    kept: Mutex<Vec<u8>>,
    grew: Condvar,
}

impl Printed {
    fn follow(mut source: impl Read + Send + 'static) -> Arc<Self> {
        let printed = Arc::new(Self::default());
        let follower = printed.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                let mut kept = follower.lock();
                kept.extend_from_slice(&buffer[..count]);
                if kept.len() > 2 * KEEP {
                    let old = kept.len() - KEEP;
                    kept.drain(..old);
                }
                follower.grew.notify_all();
            }
        });
        printed
    }

    /// It, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    /// Waits until it holds `words`; false if the time is over before.
    pub fn wait_for(&self, words: &str, deadline: Deadline) -> bool {
        let holds = |kept: &[u8]| kept.windows(words.len()).any(|window| window == words.as_bytes());
        let waited = self.grew.wait_timeout_while(self.lock(), deadline.left(), |kept| !holds(kept));
        holds(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

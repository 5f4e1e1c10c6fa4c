//! One QEMU process: its command line, its pipes, its death.
//!
//! QEMU gets its agent port, QMP, serial console and saved state as inherited descriptors (`-chardev socket,fd=N`), so
//! there are no socket files that another run could meet or a killed one leave behind.
//!
//! Invariant: QEMU ends when its [`Qemu`] is dropped, and also when the harness dies in any way: see [`process`].

use crate::error::{Context, Error, Result};
use crate::machine::deadline::Deadline;
use crate::prerequisites;
use crate::process::{self, Launch, Running};
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// QEMU's name.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// What installs it on Debian.
pub const INSTALL: &str = "sudo apt-get install -y --no-install-recommends qemu-system-x86";
/// How much of what QEMU and Xen print is kept.
const KEEP: usize = 1 << 20;

/// QEMU's version, as it says it: `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`.
pub fn version() -> Result<String> {
    if prerequisites::find(PROGRAM).is_none() {
        let error = Error::missing(format!("{PROGRAM} is not installed: the test host runs in it"));
        return Err(error.next(INSTALL));
    }
    let dumb = || Error::missing(format!("{PROGRAM} is here, but doesn't tell its version")).next(INSTALL);
    process::version(PROGRAM).ok_or_else(dumb)
}

/// A QEMU that runs.
pub struct Qemu {
    process: Running,
    console: Arc<Printed>,
    errors: Arc<Printed>,
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
        debug_assert!(inherited.iter().all(|descriptor| descriptor.as_raw_fd() > 2));
        let console = Printed::follow(serial);
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(&spec.dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = Launch::new(command).inheriting(inherited).start();
        let mut process = started.doing(format_args!("start {PROGRAM} in {}", spec.dir.display()))?;
        let errors = process.stderr.take().map(Printed::follow).unwrap_or_default();
        Ok((Self { process, console, errors }, Ends { agent, qmp }))
    }

    /// What Xen and dom0's kernel printed, its last mebibyte.
    pub fn console(&self) -> &Arc<Printed> {
        &self.console
    }

    /// Kills QEMU.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// How QEMU is, for an error: its end and last words, or what Xen printed last.
    pub fn standing(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let (console, errors, ended) = (self.console.clone(), self.errors.clone(), self.process.ended());
        move || {
            let mut told = match ended.wait(Duration::from_millis(300)) {
                Some(status) => format!("QEMU has ended ({})", status.unwrap_or_default()),
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

//! Other programs: each runs within a bound of time, and none outlives the harness.
//!
//! A program leads a process group of its own, so that Ctrl-C reaches the harness alone, and so that what it has started can
//! be ended with it. A thread keeps it: PR_SET_PDEATHSIG is tied to the thread that starts a program, so that one lives as
//! long; it also ends the program at its limit. What a program has started itself is ended in all these cases but one: where
//! the harness is killed (`kill -9`), only the program dies with it. Where that matters, the harness starts it itself.
//!
//! Invariant: the group is signalled only while its leader has not been waited for, so never a stranger that got its number.

use crate::error::{Context, Result};
use crate::interrupt::Group;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getpid, getppid, pidfd_open, set_parent_process_death_signal, setrlimit,
};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most output kept of one stream; the rest is read and thrown away.
const KEPT: usize = 4 << 20;

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status; `None` where its time was up and it was killed.
    pub status: Option<ExitStatus>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// Whether it ended in time, and well.
    pub fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// Runs `command` without input, for `limit` at most. At the limit it is killed with all it has started.
pub fn run(mut command: Command, limit: Duration) -> Result<Finished> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Launch::new(command).within(limit).start().doing(format_args!("start {name}"))?;
    let (out, err) = (running.stdout.take(), running.stderr.take());
    std::thread::scope(|scope| {
        let out = scope.spawn(move || collect(out));
        let err = scope.spawn(move || collect(err));
        let text = |thread: std::thread::ScopedJoinHandle<'_, String>| thread.join().unwrap_or_default();
        Ok(Finished { stdout: text(out), stderr: text(err), status: running.wait() })
    })
}

/// The first line of what a program says to `--version`; `None` where it isn't there, or has nothing to say.
pub fn version(program: impl AsRef<OsStr>) -> Option<String> {
    let mut command = Command::new(program);
    command.arg("--version");
    let said = run(command, Duration::from_secs(30)).ok()?;
    said.success().then(|| said.stdout.lines().next().unwrap_or_default().trim().to_owned())
}

fn collect(stream: Option<impl Read>) -> String {
    let mut kept = Vec::new();
    let mut piece = [0; 16 * 1024];
    if let Some(mut stream) = stream {
        while let Ok(count) = stream.read(&mut piece) {
            if count == 0 {
                break;
            }
            let room = KEPT.saturating_sub(kept.len()).min(count);
            kept.extend_from_slice(&piece[..room]);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Done by the keeper's thread before it starts the program.
type Prepare = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// A program that is about to run.
pub struct Launch {
    command: Command,
    limit: Option<Duration>,
    inherited: Vec<OwnedFd>,
    limits: Vec<(Resource, Rlimit)>,
    prepare: Option<Prepare>,
}

impl Launch {
    /// One that may run for ever.
    pub fn new(command: Command) -> Self {
        Self { command, limit: None, inherited: Vec::new(), limits: Vec::new(), prepare: None }
    }

    /// It is killed when it has run for so long.
    pub fn within(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// It has these descriptors, under their numbers. The harness's own are closed.
    pub fn inheriting(self, inherited: Vec<OwnedFd>) -> Self {
        Self { inherited, ..self }
    }

    /// It, and each process that it starts, may use no more than this.
    pub fn limited(self, limits: Vec<(Resource, Rlimit)>) -> Self {
        Self { limits, ..self }
    }

    /// `prepare` restricts the thread that starts the program, and so the program.
    pub fn caged(self, prepare: impl FnOnce() -> io::Result<()> + Send + 'static) -> Self {
        Self { prepare: Some(Box::new(prepare)), ..self }
    }

    /// Starts it.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn start(self) -> io::Result<Running> {
        let (started, start) = channel();
        let ended = Arc::new(Ended::default());
        let seen = ended.clone();
        std::thread::spawn(move || self.keep(&started, &seen));
        let Begun { group, stdout, stderr } = start.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
        Ok(Running { group, stdout, stderr, ended })
    }

    /// The keeper's whole life.
    fn keep(mut self, started: &Sender<io::Result<Begun>>, ended: &Ended) {
        let limit = self.limit;
        let spawned = self.spawn();
        // Closes the harness's copies of what the program has inherited: only then does its death close them.
        drop(self);
        let (group, mut child, handle) = match spawned {
            Ok(spawned) => spawned,
            Err(error) => return drop(started.send(Err(error))),
        };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let _ = started.send(Ok(Begun { group: group.clone(), stdout, stderr }));
        let late = !exits(&handle, limit);
        if late {
            group.kill();
            exits(&handle, None);
        }
        let status = group.end(|| child.wait());
        ended.set(Some(status.unwrap_or_default()).filter(|_| !late));
    }

    fn spawn(&mut self) -> io::Result<(Group, Child, OwnedFd)> {
        if let Some(prepare) = self.prepare.take() {
            prepare()?;
        }
        let (inherited, limits) = (std::mem::take(&mut self.inherited), std::mem::take(&mut self.limits));
        let harness = getpid();
        let between_fork_and_exec = move || {
            for descriptor in &inherited {
                fcntl_setfd(descriptor, FdFlags::empty())?;
            }
            for (resource, limit) in &limits {
                setrlimit(*resource, *limit)?;
            }
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The harness may have died before that took effect.
            if getppid() == Some(harness) { Ok(()) } else { Err(io::Error::from(io::ErrorKind::BrokenPipe)) }
        };
        // SAFETY: between fork and exec the closure only makes system calls, which are async-signal-safe; it neither
        // allocates nor locks.
        unsafe { self.command.pre_exec(between_fork_and_exec) };
        let (group, mut child) = Group::start(self.command.process_group(0))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH);
        match pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty())) {
            Ok(handle) => Ok((group, child, handle)),
            Err(error) => {
                group.kill();
                let _ = group.end(|| child.wait());
                Err(error.into())
            }
        }
    }
}

/// Waits until a process has ended, for `limit` at most. Returns whether it has.
fn exits(process: &OwnedFd, limit: Option<Duration>) -> bool {
    let start = Instant::now();
    loop {
        let left = limit.map(|limit| limit.saturating_sub(start.elapsed()));
        let timeout = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        match poll(&mut [PollFd::new(process, PollFlags::IN)], timeout.as_ref()) {
            Err(Errno::INTR) => {}
            // It can't be told when it ends: whoever waits for it then does.
            Err(_) => return true,
            Ok(ready) => return ready > 0,
        }
    }
}

struct Begun {
    group: Group,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

/// A program that runs. Dropped, it is killed with all that it has started.
pub struct Running {
    /// What it prints, where its command has a pipe for it.
    pub stdout: Option<ChildStdout>,
    /// What it complains of, likewise.
    pub stderr: Option<ChildStderr>,
    group: Group,
    ended: Arc<Ended>,
}

impl Running {
    /// Kills it with all that it has started.
    pub fn kill(&self) {
        self.group.kill();
    }

    /// Waits for its end; `None` where its time was up.
    pub fn wait(&self) -> Option<ExitStatus> {
        self.ended.wait(Duration::MAX).flatten()
    }

    /// Its end, to be looked at from elsewhere.
    pub fn ended(&self) -> Arc<Ended> {
        self.ended.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        // So that nothing of it is left when the caller goes on; a killed process ends in milliseconds.
        self.ended.wait(Duration::from_secs(5));
    }
}

/// How a program ended, once it has.
#[derive(Default)]
pub struct Ended {
    status: Mutex<Option<Option<ExitStatus>>>,
    changed: Condvar,
}

impl Ended {
    fn set(&self, status: Option<ExitStatus>) {
        *self.lock() = Some(status);
        self.changed.notify_all();
    }

    /// Waits for the end, for so long at most: its status, which is none where the program's own time was up.
    pub fn wait(&self, time: Duration) -> Option<Option<ExitStatus>> {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |status| status.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Option<Option<ExitStatus>>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Finished {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, limit).unwrap()
    }

    #[test]
    fn output_and_status_come_back() {
        let finished = sh("echo out; echo err >&2; exit 3", Duration::from_secs(5));
        assert_eq!(finished.status.unwrap().code(), Some(3));
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
    }

    #[test]
    fn at_the_limit_it_is_killed_with_its_children() {
        let start = Instant::now();
        let finished = sh("sleep 60 & sleep 60", Duration::from_millis(100));
        assert!(finished.status.is_none() && start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn what_it_leaves_running_is_ended_with_it() {
        let start = Instant::now();
        let finished = sh("sleep 60 & exit 0", Duration::from_secs(50));
        assert!(finished.success() && start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_flood_is_cut() {
        assert_eq!(sh("head -c 9000000 /dev/zero", Duration::from_secs(20)).stdout.len(), KEPT);
    }

    #[test]
    fn a_program_that_is_not_there_is_said_so_and_a_dropped_one_ends() {
        let error = Launch::new(Command::new("/nowhere")).start().err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let mut command = Command::new("sleep");
        command.arg("60");
        let running = Launch::new(command).start().unwrap();
        let ended = running.ended();
        assert!(ended.wait(Duration::from_millis(20)).is_none());
        drop(running);
        assert!(ended.wait(Duration::ZERO).is_some());
    }
}

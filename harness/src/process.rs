//! Running another program with a bound on its time.

use crate::error::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
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
pub fn run(command: &mut Command, limit: Duration) -> Result<Finished> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().doing(format_args!("start {name}"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let out = scope.spawn(move || collect(out));
        let err = scope.spawn(move || collect(err));
        let status = wait(&mut child, limit);
        // Whatever it left running would keep the pipes open.
        kill_group(&child);
        let _ = child.wait();
        let text = |thread: std::thread::ScopedJoinHandle<'_, String>| thread.join().unwrap_or_default();
        Ok(Finished { status: status.doing(format_args!("wait for {name}"))?, stdout: text(out), stderr: text(err) })
    })
}

fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn kill_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // The group is gone already where the program ended with all it had started.
        let _ = kill_process_group(group, Signal::KILL);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_status_come_back() {
        let mut command = Command::new("sh");
        let finished = run(command.args(["-c", "echo out; echo err >&2; exit 3"]), Duration::from_secs(5)).unwrap();
        assert_eq!(finished.status.unwrap().code(), Some(3));
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
    }

    #[test]
    fn at_the_limit_it_is_killed_with_its_children() {
        let start = Instant::now();
        let mut command = Command::new("sh");
        let finished = run(command.args(["-c", "sleep 60 & sleep 60"]), Duration::from_millis(100)).unwrap();
        assert!(finished.status.is_none() && start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_flood_is_cut() {
        let mut command = Command::new("sh");
        let finished = run(command.args(["-c", "head -c 9000000 /dev/zero"]), Duration::from_secs(20)).unwrap();
        assert_eq!(finished.stdout.len(), KEPT);
    }
}

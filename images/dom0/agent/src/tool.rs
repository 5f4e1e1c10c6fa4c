//! Runs programs of dom0 with a deadline, and collects what they print.
//!
//! Invariant: a run ends when its program ends or its time is over, even if a child of the program holds the
//! pipes open or the program never reads its input; output is kept up to [`agent::CHUNK`] bytes each.

use agent::ExecOutput;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

/// Runs `argv` with `stdin` until `deadline`.
pub fn run(argv: &[String], stdin: &[u8], deadline: Instant) -> Result<ExecOutput, String> {
    let (program, arguments) = argv.split_first().ok_or("there is no program to run")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut stdout = Output::new(child.stdout.take());
    let mut stderr = Output::new(child.stderr.take());
    let collected = collect(&mut child, stdin, &mut stdout, &mut stderr, deadline);
    if collected.is_err() {
        kill_group(child.id());
    }
    let status = child.wait().map_err(|error| format!("{program}: {error}"))?;
    if let Err(why) = collected {
        let so_far = [&stdout.kept[..], &stderr.kept[..]].concat();
        return Err(format!("{}: {why}. It printed: {}", argv.join(" "), String::from_utf8_lossy(&so_far).trim()));
    }
    Ok(ExecOutput {
        status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stdout: stdout.kept,
        stderr: stderr.kept,
        truncated: stdout.truncated || stderr.truncated,
    })
}

/// Runs `xl`; an error holds what it printed.
pub fn xl(arguments: &[&str], deadline: Instant) -> Result<ExecOutput, String> {
    let argv: Vec<String> = ["xl"].iter().chain(arguments).map(|&word| word.to_owned()).collect();
    let output = run(&argv, &[], deadline)?;
    if output.status == 0 {
        return Ok(output);
    }
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    Err(format!("{} ended with {}: {}", argv.join(" "), output.status, String::from_utf8_lossy(&printed).trim()))
}

/// Kills a program that was started in a process group of its own, with all its children.
pub fn kill_group(leader: u32) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // It may be gone already.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Feeds and reads a program until it ends.
fn collect(
    child: &mut Child,
    mut input: &[u8],
    stdout: &mut Output<impl Read + AsFd>,
    stderr: &mut Output<impl Read + AsFd>,
    deadline: Instant,
) -> Result<(), String> {
    let fail = |error: rustix::io::Errno| error.to_string();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("it has no process id")?;
    let ended = pidfd_open(pid, PidfdFlags::empty()).map_err(fail)?;
    let mut stdin = child.stdin.take().filter(|_| !input.is_empty());
    if let Some(pipe) = &stdin {
        nonblocking(pipe).map_err(fail)?;
    }
    loop {
        let mut waits = vec![PollFd::new(&ended, PollFlags::IN)];
        waits.extend(stdout.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        waits.extend(stderr.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        waits.extend(stdin.iter().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|error| error.to_string())?;
        if poll(&mut waits, Some(&left)).map_err(fail)? == 0 {
            return Err("it did not end in time".into());
        }
        let over = !waits[0].revents().is_empty();
        stdout.read();
        stderr.read();
        feed(&mut stdin, &mut input);
        if over {
            return Ok(());
        }
    }
}

fn feed(stdin: &mut Option<ChildStdin>, input: &mut &[u8]) {
    let Some(pipe) = stdin else { return };
    match pipe.write(input) {
        Ok(count) => *input = &input[count..],
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return,
        // It does not want the rest.
        Err(_) => *input = &[],
    }
    if input.is_empty() {
        *stdin = None;
    }
}

/// One of a program's output pipes, and what came out of it.
struct Output<P> {
    pipe: Option<P>,
    kept: Vec<u8>,
    truncated: bool,
}

impl<P: Read + AsFd> Output<P> {
    fn new(pipe: Option<P>) -> Self {
        let pipe = pipe.filter(|pipe| nonblocking(pipe).is_ok());
        Self { pipe, kept: Vec::new(), truncated: false }
    }

    /// Takes what is there.
    fn read(&mut self) {
        let mut buffer = [0; 16 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let room = agent::CHUNK - self.kept.len();
                    self.kept.extend_from_slice(&buffer[..count.min(room)]);
                    self.truncated |= count > room;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

fn nonblocking(pipe: &impl AsFd) -> rustix::io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(pipe)?;
    rustix::fs::fcntl_setfl(pipe, flags | OFlags::NONBLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sh(script: &str, stdin: &[u8], seconds: f32) -> Result<ExecOutput, String> {
        let argv = ["sh", "-c", script].map(str::to_owned);
        run(&argv, stdin, Instant::now() + Duration::from_secs_f32(seconds))
    }

    #[test]
    fn input_output_errors_and_status_are_kept_apart() {
        let input = vec![b'x'; 200_000];
        let output = sh("cat; echo oops >&2; exit 7", &input, 10.).unwrap();
        assert_eq!((output.status, output.stdout == input, &output.stderr[..]), (7, true, &b"oops\n"[..]));
        assert_eq!(sh("kill -9 $$", b"", 10.).unwrap().status, 137);
        assert_eq!(sh("exec 0<&-; echo no", &input, 10.).unwrap().stdout, b"no\n");
    }

    #[test]
    fn a_program_that_hangs_is_killed_and_one_that_leaves_a_child_is_not_waited_for() {
        let error = sh("echo begun; sleep 60", b"", 0.3).unwrap_err();
        assert!(error.contains("did not end in time. It printed: begun"), "{error}");
        let start = Instant::now();
        assert_eq!(sh("sleep 5 & echo done", b"", 10.).unwrap().stdout, b"done\n");
        assert!(start.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_flood_is_cut() {
        let output = sh("head -c 1000000 /dev/zero", b"", 10.).unwrap();
        assert_eq!((output.stdout.len(), output.truncated), (agent::CHUNK, true));
    }
}

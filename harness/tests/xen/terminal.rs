//! `harness run` with a person at a terminal: the keys that are commands to the harness.

use crate::common::{harness, repository};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetattr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What comes on a stream, line by line.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    let stream = BufReader::new(stream);
    std::thread::spawn(move || {
        stream.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).unwrap_or_default()
    });
    lines
}

/// Waits for a line that holds `text`.
#[track_caller]
fn until(lines: &Receiver<String>, text: &str) {
    let mut said = Vec::new();
    loop {
        match lines.recv_timeout(Duration::from_secs(120)) {
            Ok(line) => said.push(line),
            Err(error) => panic!("{error}: no {text:?} in {said:#?}"),
        }
        if said.last().is_some_and(|line| line.contains(text)) {
            return;
        }
    }
}

#[test]
fn keys_pause_shut_down_and_leave_and_the_terminal_is_as_it_was() {
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap().into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    let before = format!("{:?}", tcgetattr(&terminal).unwrap());
    let mut child = harness(repository(), &["run", "stage1", "--solution", "--cmdline", "app=echo"])
        .stdin(terminal.try_clone().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (console, said) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
    let mut user = File::from(user);
    let mut press = |keys: &str| user.write_all(keys.as_bytes()).unwrap();

    until(&said, "Ctrl-] then: q leave");
    until(&console, "Stardust stage 1: console");
    assert_ne!(format!("{:?}", tcgetattr(&terminal).unwrap()), before, "keys come one by one");
    press("first\r");
    until(&console, "echo: first");
    press("\x1d?");
    until(&said, "Ctrl-] then: q leave");
    press("\x1dp");
    until(&said, "paused; Ctrl-] p goes on");
    press("second\r");
    let silent = console.recv_timeout(Duration::from_secs(2));
    assert!(silent.is_err(), "a guest that is paused says {silent:?}");
    press("\x1dp");
    until(&said, "goes on");
    until(&console, "echo: second");
    press("\x1ds");
    until(&said, "asking the guest to shut down; stages obey from stage 5 on");
    press("\x1dq");
    let status = child.wait().unwrap().code();
    assert_eq!(status, Some(0), "{:?}", said.iter().collect::<Vec<_>>());
    assert_eq!(format!("{:?}", tcgetattr(&terminal).unwrap()), before);
}

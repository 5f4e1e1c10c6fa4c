//! What goes wrong: QEMU dies, the harness dies, the saved machine is damaged, the disk is full.

use crate::{image, start, start_in, until};
use harness::{cache, error};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn qemu_dying_is_an_error_that_says_so_at_once() {
    let machine = start();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| machine.agent().exec(&["sleep", "60"], b""));
        std::thread::sleep(Duration::from_millis(300));
        machine.kill();
        let error = call.join().unwrap().unwrap_err().message;
        assert!(error.contains("run sleep 60") && error.contains("QEMU has ended (signal: 9"), "{error}");
    });
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(machine.agent().events().next(Duration::ZERO).is_err());
    assert!(machine.agent().exec(&["true"], b"").is_err());
}

#[test]
fn two_machines_do_not_meet() {
    let machines = [start(), start()];
    for (at, machine) in machines.iter().enumerate() {
        machine.agent().put("/images/mine", &[at as u8]).unwrap();
    }
    for (at, machine) in machines.iter().enumerate() {
        assert_eq!(machine.agent().get("/images/mine").unwrap(), [at as u8]);
    }
}

/// Not a test by itself: holds a machine until it is killed.
#[test]
#[ignore = "the next test runs it in a process of its own"]
fn holds_a_machine() {
    let _machine = start();
    println!("\nholding");
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_harness_that_is_killed_leaves_no_qemu() {
    use std::io::{BufRead, BufReader};
    let mut harness = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "failures::holds_a_machine", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(harness.stdout.take().unwrap());
    assert!(output.lines().map_while(Result::ok).any(|line| line.contains("holding")));
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    let qemus: Vec<u32> = pids.filter(|&pid| parent(pid) == Some(harness.id())).collect();
    assert_eq!(qemus.len(), 1);
    harness.kill().unwrap();
    harness.wait().unwrap();
    let path = format!("/proc/{}/stat", qemus[0]);
    // Gone, or dead and not yet collected by whoever inherits it.
    until(|| std::fs::read_to_string(&path).map_or(true, |stat| stat.contains(") Z ")));
}

#[test]
fn a_damaged_state_is_found_out_and_made_anew() {
    drop(start());
    let cache = tempfile::tempdir().unwrap();
    let ours = |name: &str| name.starts_with("machine-normal-") && !name.ends_with(".lock");
    let entries = std::fs::read_dir(cache::root().unwrap()).unwrap().flatten();
    for entry in entries.filter(|entry| ours(&entry.file_name().to_string_lossy())) {
        let copy = cache.path().join(entry.file_name());
        std::fs::create_dir(&copy).unwrap();
        std::fs::copy(entry.path().join("manifest.toml"), copy.join("manifest.toml")).unwrap();
        let mut state = std::fs::read(entry.path().join("state")).unwrap();
        let middle = state.len() / 2;
        state[middle] ^= 1;
        std::fs::write(copy.join("state"), state).unwrap();
    }
    let machine = start_in(cache.path()).unwrap();
    assert_eq!(machine.agent().exec(&["true"], b"").unwrap().status, 0);
    drop(machine);
    // And the new one is right.
    let begun = Instant::now();
    drop(start_in(cache.path()).unwrap());
    assert!(begun.elapsed() < Duration::from_secs(8));
}

/// Not a test by itself: runs where the cache is on a small disk.
#[test]
#[ignore = "the next test runs it on a disk of its own"]
fn has_no_room() {
    let error = start_in(Path::new(&std::env::var_os("SMALL_DISK").unwrap())).err().unwrap();
    assert_eq!(error.kind, error::Kind::Missing);
    assert!(error.message.contains("the saved test host needs"), "{error}");
    assert!(error.next.unwrap().contains("free some space"));
}

#[test]
fn a_full_disk_is_an_error_that_says_so() {
    image();
    let disk = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=20m tmpfs \"$SMALL_DISK\" || exit 99
                  exec \"$0\" --exact failures::has_no_room --ignored";
    let run = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("SMALL_DISK", disk.path())
        .stdout(Stdio::null())
        .status();
    match run.map(|status| status.code()) {
        Ok(Some(0)) => {}
        _ if !allowed_to_mount() => println!("skipped: this machine lets nobody mount a disk of his own"),
        other => panic!("{other:?}"),
    }
}

fn allowed_to_mount() -> bool {
    let run = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status();
    run.is_ok_and(|status| status.success())
}

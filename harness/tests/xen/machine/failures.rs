//! What goes wrong: QEMU dies, the harness dies, the saved machine is damaged, the disk is full.

use super::{start, start_in};
use harness::cache;

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
    // Long before the program would have ended, on the busiest machine.
    assert!(begun.elapsed() < Duration::from_secs(40));
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

#[test]
#[ignore = "long"]
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
    // And the new one is right: it is not made once more.
    let made = || {
        let entries = std::fs::read_dir(cache.path()).unwrap().flatten();
        let manifests = entries.map(|entry| std::fs::read_to_string(entry.path().join("manifest.toml")));
        manifests.flatten().collect::<Vec<_>>()
    };
    let before = made();
    drop(start_in(cache.path()).unwrap());
    assert_eq!((before.is_empty(), made()), (false, before));
}

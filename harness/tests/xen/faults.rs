//! The harness's own faults: what it says and leaves behind when the machine lets it down.

use crate::common::{Ended, Lab, harness, repository, run};
use harness::cache;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HANG: [&str; 5] = ["run", "stage1", "--solution", "--cmdline", "app=hang"];

/// A guest that does nothing for ever, and the QEMU that it runs in.
pub fn hanging(arguments: &[&str]) -> (Child, u32) {
    let mut child = harness(repository(), arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = String::new();
    let mut piece = [0; 1024];
    while !seen.contains("hanging") {
        let count = child.stdout.as_mut().unwrap().read(&mut piece).unwrap();
        assert!(count > 0, "the console ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    let qemu = qemu_of(child.id()).expect("a guest runs without QEMU");
    (child, qemu)
}

/// The QEMU that a process started, whichever of its threads did.
pub fn qemu_of(parent: u32) -> Option<u32> {
    child_of(parent, "qemu")
}

/// The child of a process whose program's name begins like this.
fn child_of(parent: u32, name: &str) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let children = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids: Vec<u32> = children.flat_map(|list| list.split(' ').flat_map(str::parse).collect::<Vec<u32>>()).collect();
    pids.into_iter()
        .find(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.starts_with(name)))
}

/// A check whose host tests never end, and the process that they are in.
fn looping(lab: &Lab) -> (Child, u32) {
    lab.change("ring.rs", "    ring.publish(next);", "    while ring.producer() != next {}\n    ring.publish(next);");
    let arguments = ["check", "1a", "--format", "json", "--out", "results.json"];
    let mut child = harness(lab.root(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let since = Instant::now();
    loop {
        // Named after the library that is tested.
        if let Some(tests) = child_of(child.id(), "console-") {
            return (child, tests);
        }
        assert!(child.try_wait().unwrap().is_none() && since.elapsed() < Duration::from_secs(120), "no test was run");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_loop_in_a_host_test_ends_with_the_harness() {
    let lab = Lab::solved();
    let (child, tests) = looping(&lab);
    send(child.id(), Signal::INT);
    end(child).with(130);
    gone_soon(tests);
    let results = results(&lab.root().join("results.json"));
    assert!(results["error"].as_str().unwrap().contains("it was interrupted"), "{results}");
    assert_eq!(results["exercises"][0]["checks"][0]["status"], "infra");
    lab.solve("ring.rs");
    let (mut child, tests) = looping(&lab);
    send(child.id(), Signal::KILL);
    child.wait().unwrap();
    gone_soon(tests);
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

#[track_caller]
fn gone_soon(pid: u32) {
    let since = Instant::now();
    // A process that has ended and waits to be collected by whoever adopted it has no command line any more.
    while fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty()) {
        assert!(since.elapsed() < Duration::from_secs(20), "{pid} outlives the harness");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn end(child: Child) -> Ended {
    child.wait_with_output().unwrap().into()
}

/// An empty folder for a cache of its own, on the disk that the tests build on.
fn empty_cache() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn results(file: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn without_qemu_the_one_command_to_type_is_printed_and_written() {
    let folder = tempfile::tempdir().unwrap();
    // An apt that installs nothing, also for root.
    std::os::unix::fs::symlink("/bin/true", folder.path().join("apt-get")).unwrap();
    let file = folder.path().join("results.json");
    let arguments = ["check", "stage1", "--solution", "--format", "json", "--out", file.to_str().unwrap()];
    let output = harness(repository(), &arguments).env("PATH", folder.path()).output().unwrap();
    let said = Ended::from(output).with(69).stderr;
    let advice = "sudo apt-get install -y --no-install-recommends qemu-system-x86\n";
    assert!(said.contains("QEMU is not installed") && said.contains(&format!("\n  next: {advice}")), "{said}");
    let results = results(&file);
    assert!(results["error"].as_str().unwrap().contains(advice.trim()), "{results}");
    assert_eq!(results["totals"]["points"], 0);
}

#[test]
fn a_qemu_that_dies_is_a_fault_of_the_host_not_of_the_guest() {
    let (child, qemu) = hanging(&HANG);
    send(qemu, Signal::KILL);
    let said = end(child).with(70).stderr;
    assert!(said.contains("QEMU"), "{said}");
}

#[test]
fn qemu_dies_with_the_harness_even_when_that_is_killed() {
    let (mut child, qemu) = hanging(&HANG);
    send(child.id(), Signal::KILL);
    child.wait().unwrap();
    gone_soon(qemu);
}

#[test]
fn an_interrupt_ends_everything_with_status_130() {
    let (child, qemu) = hanging(&HANG);
    send(child.id(), Signal::INT);
    end(child).with(130);
    gone_soon(qemu);
}

/// The command ends in good order at a signal that comes `later` than it begins to fill something in `folder`.
#[track_caller]
fn leaves_nothing(arguments: &[&str], folder: &Path, later: Duration) {
    let mut child = harness(repository(), arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let since = Instant::now();
    while fs::read_dir(folder).unwrap().next().is_none() {
        assert!(child.try_wait().unwrap().is_none() && since.elapsed() < Duration::from_secs(60), "it makes nothing");
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(later);
    send(child.id(), Signal::INT);
    end(child).with(130);
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_interrupt_leaves_nothing_half_made_in_the_users_folders() {
    let folder = empty_cache();
    let place = |name: &str| folder.path().join(name).display().to_string();
    run(repository(), &["host", "build"]).with(0);
    leaves_nothing(&["host", "export", &place("host")], folder.path(), Duration::ZERO);
    // While files are copied, at moments enough to meet each step of that; and while what was copied is compiled.
    for later in (0..40).step_by(4).chain([3000]) {
        let arguments = ["handout", "--release", "1", "--out", &place("class")];
        leaves_nothing(&arguments, folder.path(), Duration::from_millis(later));
    }
}

#[test]
fn a_cache_that_cannot_be_used_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let ended: Ended = harness(repository(), &["check", "stage1", "--solution"])
        .env("STARDUST_CACHE", file.path().join("cache"))
        .output()
        .unwrap()
        .into();
    // A file where a folder should be.
    let said = ended.with(69).stderr;
    assert!(said.contains(&file.path().display().to_string()), "{said}");
}

/// A harness whose cargo says that it has linked `file`.
fn with_linked(file: &Path) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let message = format!(
        r#"{{"reason":"compiler-artifact","package_id":"p","target":{{"name":"s"}},"executable":"{}","fresh":true}}"#,
        file.display()
    );
    let cargo = folder.path().join("cargo");
    fs::write(&cargo, format!("#!/bin/sh\necho '{message}'\n")).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    harness(repository(), &["build", "stage1", "--solution=1a"]).env("PATH", path).output().unwrap().into()
}

#[test]
fn what_is_no_image_is_refused_with_a_sentence() {
    let folder = empty_cache();
    let file = folder.path().join("linked");
    for (content, why) in [
        (&b""[..], "is empty (0 bytes)"),
        (b"#!/bin/sh\n", "is not an ELF file: it doesn't begin with 7f 'E' 'L' 'F'"),
        (b"\x7fELF\x02\x01\x01", "is a truncated ELF file: 7 bytes"),
    ] {
        fs::write(&file, content).unwrap();
        let said = with_linked(&file).with(70).stderr;
        assert!(said.contains(why), "{said}");
        assert!(said.contains("target/guest/linked/stage1-console-") && said.contains("build it again"), "{said}");
    }
}

/// What a check finds of a guest that is silent for ever from a place in the stage's program on: how the first exercise
/// and the whole end, and why the latter.
fn silent_before(place: &str) -> (String, String, String) {
    let lab = Lab::solved();
    lab.change("main.rs", place, &format!("while !entry.name.is_empty() {{ core::hint::spin_loop() }}\n    {place}"));
    let arguments = ["check", "stage1", "--timeout-scale", "0.3", "--format", "json"];
    let ended = lab.run(&arguments).with(3);
    let results: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let (exercise, whole) = (&results["exercises"][0], &results["integration"]);
    (text(&exercise["status"]), text(&whole["status"]), text(&whole["message"]))
}

#[test]
fn a_guest_that_hangs_before_the_checks_or_behind_them_is_told_as_such() {
    let said = "no end within 6 s: a loop that never ends, or a wait for nothing";
    assert_eq!(silent_before("let word = entry"), ("blocked".into(), "timeout".into(), said.into()));
    assert_eq!(silent_before("let boot ="), ("pass".into(), "timeout".into(), said.into()));
}

#[test]
fn two_at_once_do_not_disturb_one_another() {
    let start = || {
        harness(repository(), &["check", "stage1", "--solution"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let (first, second) = (start(), start());
    for child in [first, second] {
        let ended = end(child).with(0);
        assert!(ended.stdout.contains("the reference passes all checks"), "{}", ended.stdout);
    }
}

#[test]
#[ignore = "long"]
fn a_guest_that_floods_its_console_loses_nothing() {
    const BYTES: usize = 10 << 20;
    let command_line = format!("app=pattern size={BYTES}");
    let arguments = ["run", "stage1", "--solution", "--timeout", "400", "--cmdline", &command_line];
    let ended = run(repository(), &arguments).with(0);
    let lines = ended.stdout.lines().filter(|line| line.len() == 62);
    let numbers: Vec<usize> = lines.filter_map(|line| usize::from_str_radix(line.get(..8)?, 16).ok()).collect();
    assert!(numbers.iter().copied().eq(0..BYTES / 64), "{} of {} lines", numbers.len(), BYTES / 64);
}

/// Runs a shell script where it may mount things, which needs no root where the system lets users have namespaces.
fn with_mounts(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-e", "-c", script]);
    command
}

#[test]
fn a_disk_too_small_for_a_saved_machine_is_told_before_it_is_booted() {
    let place = empty_cache();
    let built = run(repository(), &["host", "build"]).with(0).stdout;
    let image = built.split(':').next().unwrap_or_default();
    // Room for the image, which is put there, but not for the machine's state.
    let script = format!(
        "mount -t tmpfs -o size=80m none {place}; mkdir {place}/host; cp -r {image} {place}/host/; \
         export STARDUST_CACHE={place}; cd {repository}; \
         set +e; {harness} run stage1 --solution; echo status=$?; find {place} -name '*.making'; ls {place}",
        place = place.path().display(),
        repository = repository().display(),
        harness = env!("CARGO_BIN_EXE_harness"),
    );
    if !with_mounts("mount -t tmpfs none /mnt").status().is_ok_and(|status| status.success()) {
        return println!("skipped: this machine lets nobody mount a disk of his own");
    }
    let ended: Ended = with_mounts(&script).output().unwrap().into();
    assert!(ended.stdout.contains("status=69"), "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("free some space"), "{}", ended.stderr);
    assert!(!ended.stdout.contains(".making"), "{}", ended.stdout);
}

/// A cache with the packages that the test host is made of, and nothing else; and how much they are.
fn packages() -> (tempfile::TempDir, u64) {
    run(repository(), &["host", "build"]).with(0);
    let (place, from) = (empty_cache(), cache::root().unwrap().join("host/packages"));
    fs::create_dir_all(place.path().join("host/packages")).unwrap();
    let mut bytes = 0;
    for entry in fs::read_dir(from).expect("the packages that the test host was made of") {
        let entry = entry.unwrap();
        bytes += fs::copy(entry.path(), place.path().join("host/packages").join(entry.file_name())).unwrap();
    }
    (place, bytes)
}

#[test]
#[ignore = "long"]
fn a_disk_that_fills_up_is_told_and_what_was_downloaded_stays() {
    if !with_mounts("mount -t tmpfs none /mnt").status().is_ok_and(|status| status.success()) {
        return println!("skipped: this machine lets nobody mount a disk of his own");
    }
    let (packages, bytes) = packages();
    // Room for a part of the image that is made of them.
    let script = format!(
        "mount -t tmpfs -o size={size} none /mnt; cp -r {from}/host /mnt/; export STARDUST_CACHE=/mnt; cd {repository}; \
         set +e; {harness} host build; echo status=$?; ls /mnt/host; ls /mnt/host/packages | wc -l",
        size = bytes + (8 << 20),
        from = packages.path().display(),
        repository = repository().display(),
        harness = env!("CARGO_BIN_EXE_harness"),
    );
    let ended: Ended = with_mounts(&script).output().unwrap().into();
    let said = format!("{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("status=69\n"), "{said}");
    assert!(ended.stderr.contains("No space left on device") && ended.stderr.contains("free some space"), "{said}");
    assert!(!ended.stdout.contains("making"), "{said}");
    let kept = fs::read_dir(packages.path().join("host/packages")).unwrap().count();
    assert!(ended.stdout.ends_with(&format!("\n{kept}\n")), "{said}");
}

#[test]
#[ignore = "long"]
fn a_test_host_that_was_damaged_is_built_again() {
    let (cache, _) = packages();
    let build = || {
        let output = harness(repository(), &["host", "build"]).env("STARDUST_CACHE", cache.path()).output().unwrap();
        Ended::from(output).with(0)
    };
    let image = build().stdout.split(':').next().unwrap().to_owned();
    let kernel = Path::new(&image).join("vmlinuz");
    let right = fs::read(&kernel).unwrap();
    let mut wrong = right.clone();
    wrong[right.len() / 2] ^= 1;
    fs::write(&kernel, wrong).unwrap();
    let said = build().stderr;
    assert!(said.contains("The test host in the cache is damaged (vmlinuz): building it again"), "{said}");
    assert!(fs::read(&kernel).unwrap() == right);
    assert!(!build().stderr.contains("damaged"));
}

#[test]
fn an_interrupted_first_build_leaves_nothing_half_made() {
    let cache = empty_cache();
    let mut child = harness(repository(), &["host", "build"])
        .env("STARDUST_CACHE", cache.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let since = Instant::now();
    while making(cache.path()).is_empty() {
        assert!(since.elapsed() < Duration::from_secs(120), "the build does not begin");
        assert!(child.try_wait().unwrap().is_none(), "the build ended before it began");
        std::thread::sleep(Duration::from_millis(5));
    }
    send(child.id(), Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(making(cache.path()), Vec::<PathBuf>::new());
}

/// Everything below a folder that is being made.
fn making(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    paths
        .flat_map(|path| {
            let unfinished = path.extension().is_some_and(|extension| extension == "making");
            if unfinished { vec![path] } else { making(&path) }
        })
        .collect()
}

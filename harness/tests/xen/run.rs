//! `harness run` on the reference of stage 1: what a guest does on a real Xen, and how it ends.

use crate::common::{self, Ended, harness, holds, repository, run};
use crate::machine::Ready;
use harness::machine::Reason;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

fn boot(command_line: &str) -> Ended {
    common::boot("stage1", &[], command_line)
}

/// Boots with this memory and these vCPUs.
fn boot_sized(memory: &str, vcpus: &str) -> Ended {
    common::boot("stage1", &["--memory", memory, "--vcpus", vcpus], "")
}

#[test]
fn hello_says_what_it_runs_on_and_powers_off() {
    let ended = boot("app=hello log=debug").with(0);
    for line in
        ["Stardust stage 1: console", "command line: app=hello log=debug", "memory: 8192 pages (32 MiB)", "vCPUs: 1"]
    {
        assert!(ended.stdout.lines().any(|said| said == line), "{line:?} in\n{}", ended.stdout);
    }
    assert!(ended.stdout.ends_with("bye: poweroff\r\n"), "{:?}", ended.stdout);
    assert!(!ended.stdout.contains('\0'));
    assert_eq!(ended.stdout.matches('\n').count(), ended.stdout.matches("\r\n").count());
}

#[test]
#[ignore = "long"]
fn odd_sizes_boot_from_4_mib_on() {
    for (memory, pages) in [("4", 1024), ("5", 1280), ("33", 8448), ("1023", 261_888)] {
        let ended = boot_sized(memory, "1").with(0);
        let line = format!("memory: {pages} pages ({memory} MiB)");
        assert!(ended.stdout.contains(&line), "{line:?} in\n{}", ended.stdout);
    }
}

#[test]
#[ignore = "long"]
fn more_memory_than_the_usual_host_has_gets_the_large_one() {
    let ended = boot_sized("4096", "2").with(0);
    assert!(ended.stdout.contains("memory: 1048576 pages (4096 MiB)"), "{}", ended.stdout);
}

#[test]
fn vcpus_are_counted() {
    for vcpus in ["2", "33"] {
        let ended = boot_sized("32", vcpus).with(0);
        assert!(ended.stdout.contains(&format!("vCPUs: {vcpus}\r\n")), "{}", ended.stdout);
    }
}

#[test]
fn an_unknown_key_or_value_prints_the_accepted_ones_and_goes_on() {
    let ended = boot("app=nothing colour=red log=loud").with(0);
    for said in ["app=nothing; accepted: hello", "colour", "log=loud; accepted: "] {
        assert!(ended.stdout.contains(said), "{said:?} in\n{}", ended.stdout);
    }
    assert!(ended.stdout.contains("bye: poweroff"));
}

#[test]
fn a_panic_is_reported_once_with_functions_and_lines_and_is_a_crash() {
    let ended = boot("app=panic").with(3);
    assert_eq!(ended.stdout.matches("panic at ").count(), 1, "{}", ended.stdout);
    assert!(ended.stdout.contains("console::demo::fault::panic+0x"), "{}", ended.stdout);
    assert!(ended.stdout.contains(" at stages/stage1-console/src/demo/fault.rs:"), "{}", ended.stdout);
    assert!(ended.stderr.contains("the guest ended: crash"), "{}", ended.stderr);
}

#[test]
fn a_panic_with_the_console_locked_or_within_a_panic_still_ends_in_a_crash() {
    let file = "stages/stage1-console/src/demo/fault.rs:";
    for (how, reports) in [
        ("locked", &[("panic at ", ": the console is locked")][..]),
        ("nested", &[("panic at ", ": "), ("panic inside a report at ", ": a panic within a panic")]),
    ] {
        let ended = boot(&format!("app=panic panic={how}")).with(3);
        let said: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with("panic ")).collect();
        assert_eq!(said.len(), reports.len(), "{how}: {}", ended.stdout);
        for (line, (begin, end)) in said.iter().zip(reports) {
            assert!(line.starts_with(&format!("{begin}{file}")) && line.ends_with(end), "{how}: {line:?}");
        }
        assert!(ended.stderr.contains("the guest ended: crash"), "{how}: {}", ended.stderr);
    }
}

#[test]
#[ignore = "long"]
fn faults_are_named() {
    let cases = [
        ("null", "page fault (vector 14)", "null page"),
        ("text", "page fault (vector 14) error 0x3 (write, present)", "in text"),
        ("rodata", "page fault (vector 14) error 0x3 (write, present)", "in rodata"),
        ("exec", "page fault (vector 14) error 0x11 (execute, present)", "in data"),
        ("opcode", "invalid opcode (vector 6)", ""),
        ("divide", "divide error (vector 0)", ""),
        ("privileged", "general protection (vector 13)", ""),
        ("noncanonical", "general protection (vector 13)", ""),
        ("breakpoint", "breakpoint (vector 3)", ""),
    ];
    for (kind, name, region) in cases {
        let ended = boot(&format!("app=fault fault={kind}")).with(3);
        let line = ended.stdout.lines().find(|line| line.starts_with("fault: ")).unwrap_or_default();
        assert!(line.contains(name) && line.contains(region), "{kind}: {line:?} in\n{}", ended.stdout);
        assert_eq!(ended.stdout.matches("fault: ").count(), 2, "once, and once announced: {}", ended.stdout);
    }
}

#[test]
fn xens_own_crash_dump_is_decoded_to_function_and_line() {
    let ended = boot("app=fault fault=stack").with(3);
    assert!(ended.stderr.contains("Xen crashed the domain: overflow of the boot stack in "), "{}", ended.stderr);
    assert!(ended.stderr.contains("stages/stage1-console/src/demo/fault.rs:"), "{}", ended.stderr);
}

/// On a busy machine xenconsoled turns to a guest so late that the guest has come and gone; here it is made to.
#[test]
#[ignore = "long"]
fn what_a_guest_printed_is_kept_however_late_dom0_reads_it() {
    // The second one has taken its grant table over, where dom0's grant of the console ring stands too.
    for (stage, banner) in [("console", "Stardust stage 1: console"), ("xenbus", "Stardust stage 5: xenbus")] {
        let ready = Ready::with(stage);
        let dom0 = |script: &str| ready.agent().exec(&["sh", "-c", script], b"").unwrap();
        let mut domain = ready.start_paused("app=fault fault=null");
        dom0("kill -STOP $(pidof xenconsoled)");
        dom0("(sleep 1; kill -CONT $(pidof xenconsoled)) >/dev/null 2>&1 &");
        domain.unpause().unwrap();
        let ended = domain.listen(ready.within(60.0), |_| false).unwrap();
        assert_eq!(ended, Some(&Reason::Crash));
        holds(&domain.text(), &[banner, "about to fault: null"]);
    }
}

/// xl cleans up after a guest that powers off, and is in the way of another xl that was to destroy it.
#[test]
#[ignore = "long"]
fn a_guest_may_end_while_it_is_destroyed() {
    let ready = Ready::with("console");
    for _ in 0..8 {
        let mut domain = ready.start("app=hello");
        domain.listen(ready.within(60.0), |domain| domain.has_said(b"bye")).unwrap();
        ready.agent().destroy(domain.name()).unwrap();
    }
}

/// The text of `app=pattern`, as its documentation gives it.
fn pattern_holds(text: &str, bytes: usize) {
    let begin = text.find("\r\n00000000 ").map_or(0, |at| at + 2);
    let body = &text[begin..text.rfind("bye").unwrap_or(text.len())];
    assert_eq!(body.len(), bytes, "the pattern is not whole");
    for (number, line) in body.split_inclusive('\n').enumerate() {
        let letters: String = (0..53).map(|k| char::from(b'a' + ((7 * number + k) % 26) as u8)).collect();
        let expected = format!("{number:08x} {letters}\r\n");
        assert_eq!(line, &expected[..line.len()], "line {number}");
    }
}

#[test]
fn text_printed_right_before_the_end_arrives_whole() {
    let ended = boot("app=pattern size=65536").with(0);
    pattern_holds(&ended.stdout, 65536);
}

#[test]
#[ignore = "long"]
fn a_guest_that_never_ends_is_ended() {
    let ended = run(repository(), &["run", "stage1", "--solution", "--timeout", "3", "--cmdline", "app=hang"]).with(3);
    assert!(ended.stderr.contains("no end within 3 s"), "{}", ended.stderr);
}

/// What a kernel of a console weighs, and that a tenth of it at most is names.
#[test]
fn the_first_stage_is_shipped_in_64_kib() {
    let said = run(repository(), &["build", "stage1", "--solution"]).with(0).stdout;
    let sizes = said.lines().next().and_then(|line| line.rsplit_once(": ")).expect(&said).1;
    let kib: Vec<f64> = sizes.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [stripped, names, ..] = kib[..] else { panic!("{sizes}") };
    assert!(sizes.contains("KiB stripped + ") && stripped <= 64.0 && names <= stripped / 10.0, "{sizes}");
}

/// A console without what differs from build to build and from run to run: numbers, and what was inlined where.
fn steady(text: &str) -> Vec<String> {
    let numbers = |line: &str| {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let words = words.filter(|word| !word.starts_with(|c: char| c.is_ascii_digit()));
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let lines = text.lines().skip_while(|line| !line.starts_with("Stardust"));
    let lines = lines.take_while(|line| !line.starts_with("[the guest"));
    lines.map(|line| numbers(line.split(" (inlined").next().unwrap_or_default())).collect()
}

/// The book's consoles are recorded by book/record.sh; here they are compared with what the kernel prints now.
#[test]
#[ignore = "long"]
fn the_consoles_of_the_book_are_still_true() {
    let script = std::fs::read_to_string(repository().join("book/record.sh")).unwrap();
    let recorded: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("record ")).collect();
    assert!(recorded.len() >= 6);
    for words in recorded {
        let (name, rest) = words.split_once(' ').unwrap();
        let (stage, command_line) = rest.split_once(" --cmdline ").unwrap_or((rest, ""));
        let now = common::boot(stage, &[], command_line.trim_matches('\'')).stdout;
        let then = std::fs::read_to_string(repository().join(format!("book/src/runs/{name}.txt"))).unwrap();
        assert_eq!(steady(&now), steady(&then), "book/record.sh makes {name}.txt anew");
    }
}

#[test]
fn an_image_names_no_folder_of_the_machine_it_was_built_on() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    run(repository(), &["build", "stage1", "--solution", "--out", image.to_str().unwrap()]).with(0);
    let bytes = std::fs::read(image).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("stages/stage1-console/src/"), "a panic tells its file");
    for folder in [repository().to_str().unwrap(), &std::env::var("HOME").unwrap()] {
        assert!(!holds(&format!("{folder}/")), "the image names {folder}");
    }
}

#[test]
fn what_is_typed_comes_back_and_reboot_and_quit_are_obeyed() {
    let mut child =
        harness(repository(), &["run", "stage1", "--solution", "--timeout", "120", "--cmdline", "app=echo"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut seen = String::new();
    let mut piece = [0; 4096];
    let mut wait_for = |what: &str, times: usize, seen: &mut String| {
        while seen.matches(what).count() < times {
            let count = stdout.read(&mut piece).unwrap();
            assert!(count > 0, "the console ended before {what:?}:\n{seen}");
            seen.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    };
    wait_for("Stardust stage 1", 1, &mut seen);
    stdin.write_all("gr\u{fc}\u{df}e \u{1f980} to Xen\r".as_bytes()).unwrap();
    wait_for("gr\u{fc}\u{df}e \u{1f980} to Xen\r\n", 1, &mut seen);
    stdin.write_all(b"\xff\xc3\r").unwrap();
    stdin.write_all(b"reboot\r").unwrap();
    wait_for("Stardust stage 1", 2, &mut seen);
    stdin.write_all(b"quit\r").unwrap();
    wait_for("bye: poweroff", 1, &mut seen);
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.status, Some(0), "{seen}");
    assert!(ended.stderr.contains("rebooted: it is domain "), "{}", ended.stderr);
}

/// Boots with bytes on standard input, as `printf ... | cargo harness run` does.
fn boot_fed(bytes: &[u8], more: &[&str], command_line: &str) -> Ended {
    let arguments = ["run", "stage1", "--solution", "--cmdline", command_line];
    let mut child = harness(repository(), &[&arguments[..], more].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    // The harness may end before it has read all of it.
    let fed = std::thread::spawn(move || drop(stdin.write_all(&bytes)));
    let ended = child.wait_with_output().unwrap().into();
    fed.join().unwrap();
    ended
}

#[test]
#[ignore = "long"]
fn a_guest_need_not_read_what_is_piped_in() {
    // It is there before the console is, and the guest is gone before it is taken.
    for _ in 0..3 {
        assert!(boot_fed(b"hi\n", &["--timeout", "60"], "app=hello").with(0).stdout.ends_with("bye: poweroff\r\n"));
    }
    // More than any buffer on its way holds, to one that never reads.
    let ended = boot_fed(&[b'y'; 1 << 20], &["--timeout", "14"], "app=hang").with(3);
    assert!(ended.stderr.contains("no end within 14 s"), "{}", ended.stderr);
}

#[test]
fn all_that_is_piped_in_arrives() {
    let lines: Vec<String> = (0..500).map(|number| format!("line {number} of what is piped in")).collect();
    let ended = boot_fed((lines.join("\r") + "\rquit\r").as_bytes(), &["--timeout", "120"], "app=echo").with(0);
    let echoed: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with("line ")).collect();
    assert_eq!(echoed, lines);
}

#[test]
#[ignore = "long"]
fn a_disk_comes_back_to_its_place_and_its_loss_is_told() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.img"), folder.path().join("disk.img"));
    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    let content: Vec<u8> = (0..3 << 20).map(|n: u32| if n < 1 << 20 { (n / 512) as u8 } else { 0 }).collect();
    std::fs::write(&real, &content).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.img", &link).unwrap();
    let disk = link.to_str().unwrap();
    let node = || std::fs::metadata(&real).unwrap().ino();
    let before = node();
    // It is left while it runs.
    boot_fed(b"", &["--timeout", "2", "--disk", disk], "app=hang").with(3);
    assert!(link.is_symlink() && node() != before, "another file has taken the place of the one that is pointed at");
    assert!(std::fs::read(&link).unwrap() == content);
    let after = std::fs::metadata(&real).unwrap();
    assert_eq!(after.mode() & 0o7777, 0o640);
    assert!(after.blocks() * 512 < 2 << 20, "zeros take room: {} blocks", after.blocks());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);

    let large = folder.path().join("large.img");
    std::fs::File::create(&large).unwrap().set_len(300 << 20).unwrap();
    let said = |disk: &Path| run(repository(), &["run", "stage1", "--disk", disk.to_str().unwrap()]).with(64).stderr;
    assert!(said(&large).contains("disks of 300 MiB are more than the test host can hold: 256 MiB in all"));
    assert!(said(folder.path()).contains("Is a directory"), "{}", said(folder.path()));

    let arguments = ["run", "stage1", "--solution", "--cmdline", "app=hang", "--disk", disk];
    let (child, qemu) = crate::faults::hanging(&arguments);
    kill_process(Pid::from_raw(i32::try_from(qemu).unwrap()).unwrap(), Signal::KILL).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap()).with(70);
    assert!(ended.stderr.contains(&format!("what the guest wrote to {} is lost", real.display())), "{}", ended.stderr);
    assert!(std::fs::read(&link).unwrap() == content);
}

#[test]
fn requests_that_make_no_sense_are_refused_with_what_would() {
    let said = |arguments: &[&str]| {
        let mut all = vec!["run", "stage1", "--solution"];
        all.extend(arguments);
        run(repository(), &all).with(64).stderr
    };
    for memory in ["0", "1", "3"] {
        assert!(said(&["--memory", memory]).contains("a guest needs memory: at least 4 MiB"));
    }
    assert!(said(&["--memory", "9999999"]).contains("more than the test host can give"));
    assert!(said(&["--memory", "64", "--maxmem", "32"]).contains("less than --memory"));
    assert!(said(&["--disk", "/no/such/disk"]).contains("/no/such/disk"));
    assert!(said(&["--vcpus", "0"]).contains("--vcpus"));
    assert!(said(&["--forward", "80"]).contains("HOST:GUEST"));
}

//! The machine and its agent against the real thing: QEMU, Xen, dom0, and a Linux PV guest.
//!
//! Most tests share one machine, one at a time; a test leaves no domain behind, so the order does not matter. The
//! host image and its saved state come from the ordinary cache and are made there if need be.

use harness::host::{self, HostImage};
use harness::machine::{Action, CreateOptions, Disk, Event, Machine, Options, Reason, Vif};
use harness::ui::Ui;
use harness::{cache, error};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How much longer than usual to wait: the tests may share their machine with others.
const SCALE: f64 = 3.;

fn image() -> &'static HostImage {
    static IMAGE: OnceLock<HostImage> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let repo = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let options = host::Options { repo, locked: false };
        host::ensure(&cache::root().unwrap(), &options, &Ui::new()).unwrap_or_else(|error| panic!("{error}"))
    })
}

fn start_in(cache_root: &Path) -> error::Result<Machine> {
    Machine::start(cache_root, image(), &Options { scale: SCALE, ..Options::default() }, &Ui::new())
}

fn start() -> Machine {
    start_in(&cache::root().unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

/// The machine that the tests share. It dies with the process.
fn shared() -> MutexGuard<'static, Machine> {
    static MACHINE: OnceLock<Mutex<Machine>> = OnceLock::new();
    let machine = MACHINE.get_or_init(|| {
        let machine = start();
        put_linux(&machine);
        Mutex::new(machine)
    });
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

const KERNEL: &str = "/images/linux";
const RAMDISK: &str = "/images/linux.initramfs";

fn put_linux(machine: &Machine) {
    machine.agent().put(KERNEL, &std::fs::read(image().linux_guest_kernel()).unwrap()).unwrap();
    machine.agent().put(RAMDISK, &std::fs::read(image().linux_guest_initramfs()).unwrap()).unwrap();
}

fn linux(name: &str) -> CreateOptions {
    CreateOptions {
        ramdisk: Some(RAMDISK.into()),
        cmdline: "console=hvc0 quiet loglevel=4 mitigations=off".into(),
        memory_mib: 128,
        maxmem_mib: Some(128),
        ..CreateOptions::new(name, KERNEL)
    }
}

/// A Linux guest and what has been heard of it.
struct Guest<'a> {
    machine: &'a Machine,
    name: String,
    printed: String,
    events: Vec<Event>,
}

impl<'a> Guest<'a> {
    fn boot(machine: &'a Machine, options: &CreateOptions) -> Self {
        let domain = machine.agent().create(options).unwrap_or_else(|error| panic!("{error}"));
        let mut guest = Self { machine, name: domain.name, printed: String::new(), events: Vec::new() };
        guest.ready();
        guest
    }

    /// Waits for the shell, and stops it from echoing what is typed.
    fn ready(&mut self) {
        self.expect("linux guest: ready");
        self.expect("# ");
        let quiet = b"PS1=; stty -echo; echo qui''et\n";
        self.machine.agent().console_input(&self.name, quiet).unwrap();
        self.expect("quiet\r\n");
    }

    /// Waits until the guest has printed `text` and forgets everything up to it.
    fn expect(&mut self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(at) = self.printed.find(text) {
                let before = self.printed[..at].to_owned();
                self.printed.drain(..at + text.len());
                return before;
            }
            self.listen(begun, text);
        }
    }

    /// Types a command and returns what it prints.
    fn run(&mut self, command: &str) -> String {
        let line = format!("{command}; echo end-of-it\n");
        self.machine.agent().console_input(&self.name, line.as_bytes()).unwrap();
        self.expect("end-of-it\r\n").replace('\r', "").trim().to_owned()
    }

    /// Waits for an event and forgets those before it.
    fn event<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            while !self.events.is_empty() {
                if let Some(found) = wanted(&self.events.remove(0)) {
                    return found;
                }
            }
            self.listen(begun, what);
        }
    }

    fn exit(&mut self) -> Reason {
        self.event("exit", |event| match event {
            Event::Exited { reason, .. } => Some(*reason),
            _ => None,
        })
    }

    fn gone(&mut self) {
        self.event("gone", |event| matches!(event, Event::Gone { .. }).then_some(()));
    }

    fn listen(&mut self, begun: Instant, awaited: &str) {
        let limit = Duration::from_secs_f64(40. * SCALE);
        if begun.elapsed() > limit {
            panic!("{:?} did not come. Printed: {:?}\n{}", awaited, self.printed, self.machine.standing());
        }
        match self.machine.agent().events().next(Duration::from_secs(1)).unwrap_or_else(|error| panic!("{error}")) {
            Some(Event::Console { domain, bytes }) if domain == self.name => {
                self.printed += &String::from_utf8_lossy(&bytes);
            }
            Some(event) => self.events.push(event),
            None => {}
        }
    }
}

#[test]
fn files_of_32_mib_come_back_unchanged() {
    let machine = shared();
    let agent = machine.agent();
    let mut random = fastrand::Rng::with_seed(1);
    let data: Vec<u8> = (0..4 << 20).flat_map(|_| random.u64(..).to_le_bytes()).collect();
    let begun = Instant::now();
    agent.put("/images/test/data", &data).unwrap();
    let put = begun.elapsed();
    assert!(agent.get("/images/test/data").unwrap() == data);
    println!("32 MiB put in {put:?}, fetched in {:?}", begun.elapsed() - put);
    // Zeros take no room: this is more than dom0 has.
    agent.put_from("/images/test/disk", std::io::repeat(0), 1 << 30).unwrap();
    let blocks = agent.exec(&["stat", "-c", "%s %b", "/images/test/disk"], b"").unwrap();
    assert_eq!(blocks.stdout, b"1073741824 0\n");
    agent.remove("/images/test").unwrap();
    assert!(agent.get("/images/test/data").unwrap_err().message.contains("No such file"));
}

#[test]
fn programs_run_in_dom0_whose_clock_is_right() {
    let machine = shared();
    let agent = machine.agent();
    let output = agent.exec(&["sh", "-c", "cat; echo oops >&2; exit 7"], b"typed").unwrap();
    assert_eq!((output.status, &output.stdout[..], &output.stderr[..]), (7, &b"typed"[..], &b"oops\n"[..]));
    let seconds = agent.exec(&["date", "+%s"], b"").unwrap().stdout;
    let there: u64 = String::from_utf8(seconds).unwrap().trim().parse().unwrap();
    let here = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(here.abs_diff(there) <= 2, "{here} {there}");
    let error = agent.exec_within(&["sleep", "60"], b"", Duration::from_millis(200)).unwrap_err();
    assert!(error.message.contains("run sleep 60: sleep 60: it did not end in time"), "{error}");
    assert!(agent.exec(&["no-such-program"], b"").unwrap_err().message.contains("No such file"));
}

#[test]
fn xenstore_is_read_written_listed_and_watched() {
    let machine = shared();
    let agent = machine.agent();
    agent.store_write("/test/a", b"one\0two").unwrap();
    agent.store_write("/test/b", b"").unwrap();
    assert_eq!(agent.store_read("/test/a").unwrap().unwrap(), b"one\0two");
    assert_eq!(agent.store_read("/test/none").unwrap(), None);
    let mut names = agent.store_list("/test").unwrap();
    names.sort();
    assert_eq!(names, ["a", "b"]);
    let watch = agent.store_watch("/test/a").unwrap();
    let mut seen = Vec::new();
    let mut next = || loop {
        match agent.events().next(Duration::from_secs(10)).unwrap() {
            Some(Event::Store { watch: fired, path }) if fired == watch => return seen.push(path),
            Some(_) => {}
            None => panic!("no event"),
        }
    };
    next();
    agent.store_write("/test/a", b"three").unwrap();
    next();
    agent.store_remove("/test/a").unwrap();
    next();
    assert_eq!(seen, ["/test/a", "/test/a", "/test/a"]);
    agent.store_unwatch(watch).unwrap();
    assert!(agent.store_unwatch(watch).is_err());
    agent.store_remove("/test").unwrap();
    assert!(agent.store_read("not a path").is_err());
}

#[test]
fn garbage_on_the_port_is_reported_and_survived() {
    let machine = shared();
    let agent = machine.agent();
    let mut random = fastrand::Rng::with_seed(2);
    for round in 0..20 {
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1 + round * 300).collect();
        agent.send_raw(&noise).unwrap();
    }
    // A frame that ends too soon swallows the calls that follow until the agent gives it up after two seconds. What
    // is left of them is then read as what it is, so they may be answered or not, but the agent lives on.
    agent.send_raw(b"SdAg\x01\0\0\0\xff\xff\0\0").unwrap();
    let _ = agent.exec_within(&["true"], b"", Duration::from_secs(1));
    assert_eq!(agent.exec(&["true"], b"").unwrap().status, 0);
}

#[test]
fn a_linux_guest_is_driven() {
    let machine = shared();
    let agent = machine.agent();
    let introduced = agent.store_watch("@introduceDomain").unwrap();
    let options = CreateOptions { vcpus: 1, maxvcpus: Some(2), vifs: vec![Vif::default()], ..linux("driven") };
    let mut guest = Guest::boot(&machine, &options);
    agent.store_unwatch(introduced).unwrap();
    let times = guest.events.iter().filter(|event| matches!(event, Event::Store { .. })).count();
    assert!(times >= 2, "@introduceDomain fires when it is watched and when the domain is made: {times}");
    let taken = agent.create(&options).unwrap_err().message;
    assert!(taken.contains("there is a domain driven already"), "{taken}");

    // Console, both ways.
    assert_eq!(guest.run("echo $((6 * 7))"), "42");
    assert_eq!(guest.run("dd if=/dev/zero bs=1k count=64 2>/dev/null | tr '\\0' x").len(), 65536);

    // Paused, it answers nothing; unpaused, it goes on.
    agent.pause("driven").unwrap();
    agent.console_input("driven", b"echo woken\n").unwrap();
    while let Some(event) = agent.events().next(Duration::from_millis(700)).unwrap() {
        assert!(!matches!(event, Event::Console { .. }), "{event:?}");
    }
    agent.unpause("driven").unwrap();
    guest.expect("woken\r\n");

    // vCPUs and memory.
    assert_eq!(guest.run("nproc"), "1");
    agent.set_vcpus("driven", 2).unwrap();
    until(|| {
        guest.run("echo 1 > /sys/devices/system/cpu/cpu1/online");
        guest.run("nproc") == "2"
    });
    let total = |guest: &mut Guest| -> u64 { guest.run("awk '/MemTotal/{print $2}' /proc/meminfo").parse().unwrap() };
    let before = total(&mut guest);
    agent.set_memory("driven", 96 << 10).unwrap();
    until(|| total(&mut guest) < before - (24 << 10));
    agent.set_memory("driven", 128 << 10).unwrap();
    until(|| total(&mut guest) == before);

    // A disk comes, is written, goes.
    agent.put("/images/disk", &[0; 1 << 20]).unwrap();
    let disk = Disk { path: "/images/disk".into(), vdev: "xvdb".into(), writable: true };
    agent.attach_block("driven", &disk).unwrap();
    until(|| guest.run("cat /sys/block/xvdb/size") == "2048");
    guest.run("echo from the guest > /dev/xvdb; sync");
    agent.detach_block("driven", "xvdb").unwrap();
    until(|| guest.run("ls /sys/block").split_whitespace().all(|name| name != "xvdb"));
    assert!(agent.get("/images/disk").unwrap().starts_with(b"from the guest\n"));
    agent.remove("/images/disk").unwrap();

    // So does a network interface.
    agent.attach_network("driven", &Vif { mac: Some("00:16:3e:00:00:42".into()), ..Vif::default() }).unwrap();
    until(|| guest.run("cat /sys/class/net/eth1/address") == "00:16:3e:00:00:42");
    agent.detach_network("driven", 1).unwrap();
    until(|| guest.run("ls /sys/class/net").split_whitespace().all(|name| name != "eth1"));

    agent.shutdown("driven").unwrap();
    assert_eq!(guest.exit(), Reason::Poweroff);
    guest.gone();
    assert!(agent.pause("driven").is_err());
}

#[test]
fn frames_are_captured_and_injected_and_links_go_down() {
    let machine = shared();
    let agent = machine.agent();
    let mac = [0x00, 0x16, 0x3e, 0x00, 0x00, 0x01];
    let vif = Vif { mac: Some("00:16:3e:00:00:01".into()), ..Vif::default() };
    let options = linux("wired");
    let cmdline = format!("{} address=10.0.2.20/24", options.cmdline);
    let mut guest = Guest::boot(&machine, &CreateOptions { vifs: vec![vif], cmdline, ..options });
    let domid = agent.exec(&["xl", "domid", "wired"], b"").unwrap().stdout;
    let interface = format!("vif{}.0", String::from_utf8(domid).unwrap().trim());

    // "Who has 10.0.2.20?", asked by nobody who exists; the guest's own interface answers.
    let capture = agent.capture(&interface).unwrap();
    let asker = [0x02, 0, 0, 0, 0, 0x99];
    let arp = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    let mut question = [&[0xff; 6][..], &asker, &arp, &asker, &[10, 0, 2, 99], &[0; 6], &[10, 0, 2, 20]].concat();
    question.resize(60, 0);
    agent.inject(&interface, &question).unwrap();
    guest.event("an ARP reply", |event| match event {
        Event::Frame { capture: at, sent: false, bytes } if *at == capture => {
            (bytes[..6] == asker && bytes[6..12] == mac && bytes[12..14] == [8, 6] && bytes[21] == 2).then_some(())
        }
        _ => None,
    });

    // The same through the bridge, where a capture sees what passes by.
    let passing = agent.capture("xenbr0").unwrap();
    guest.run("ping -c 1 -W 1 10.0.2.77");
    guest.event("an ARP question", |event| match event {
        Event::Frame { capture, bytes, .. } => (*capture == passing && bytes[6..12] == mac).then_some(()),
        _ => None,
    });
    agent.stop_capture(passing).unwrap();

    let reaches_dom0 = "ping -c 1 -W 1 10.0.2.1 > /dev/null && echo yes || echo no";
    agent.set_link(&interface, false).unwrap();
    until(|| guest.run(reaches_dom0) == "no");
    agent.set_link(&interface, true).unwrap();
    until(|| guest.run(reaches_dom0) == "yes");
    agent.stop_capture(capture).unwrap();
    assert!(agent.capture("no-such").is_err());
    agent.destroy("wired").unwrap();
    assert_eq!(guest.exit(), Reason::Destroyed);
    guest.gone();
}

#[test]
fn a_saved_guest_goes_on_where_it_was() {
    let machine = shared();
    let agent = machine.agent();
    let options = linux("saved");
    let mut guest = Guest::boot(&machine, &options);
    guest.run("kept=remembered");
    agent.save("saved", "/images/saved", true).unwrap();
    assert_eq!(guest.run("echo $kept"), "remembered");
    agent.save("saved", "/images/saved", false).unwrap();
    assert_eq!(guest.exit(), Reason::Suspend);
    guest.gone();
    agent.restore(&options, "/images/saved").unwrap();
    guest.printed.clear();
    assert_eq!(guest.run("echo $kept"), "remembered");
    agent.remove("/images/saved").unwrap();
    agent.destroy("saved").unwrap();
    assert_eq!(guest.exit(), Reason::Destroyed);
    guest.gone();
    // Destroying what is gone is no mistake.
    agent.destroy("saved").unwrap();
}

#[test]
fn exits_are_told_apart() {
    let machine = shared();
    let agent = machine.agent();
    let mut guest = Guest::boot(&machine, &CreateOptions { on_reboot: Action::Restart, ..linux("ends") });
    agent.reboot("ends").unwrap();
    assert_eq!(guest.exit(), Reason::Reboot);
    guest.event("its restart", |event| matches!(event, Event::Restarted { .. }).then_some(()));
    guest.ready();
    agent.xen_messages().unwrap();
    agent.console_input("ends", b"echo c > /proc/sysrq-trigger\n").unwrap();
    assert_eq!(guest.exit(), Reason::Crash);
    guest.gone();
    assert!(agent.xen_messages().unwrap().len() < 4000);
    let error = agent.create(&CreateOptions { memory_mib: 1 << 20, ..linux("huge") }).unwrap_err().message;
    assert!(error.contains("could not create the domain huge: xl could not make huge"), "{error}");
    let error = agent.create(&CreateOptions { ramdisk: None, ..CreateOptions::new("none", "/none") }).unwrap_err();
    assert!(error.message.contains("xl could not make none"), "{error}");
}

#[test]
fn a_flood_arrives_whole_and_leaves_no_room_taken() {
    let machine = shared();
    let agent = machine.agent();
    let mut guest = Guest::boot(&machine, &linux("flood"));
    let line = b"dd if=/dev/zero bs=1k count=1024 2>/dev/null | tr '\\0' x; poweroff -f\n";
    agent.console_input("flood", line).unwrap();
    assert_eq!(guest.exit(), Reason::Poweroff);
    assert_eq!(guest.printed.matches('x').count(), 1 << 20, "bytes are lost");
    guest.gone();
    let used = agent.exec(&["sh", "-c", "du -sk /var/log/xen/console | cut -f1"], b"").unwrap().stdout;
    let used: u32 = String::from_utf8(used).unwrap().trim().parse().unwrap();
    assert!(used < 400, "{used} KiB of logs");
}

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
        .args(["--exact", "holds_a_machine", "--ignored", "--nocapture"])
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

fn until(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs_f64(20. * SCALE), "it never came to be so");
        std::thread::sleep(Duration::from_millis(100));
    }
}

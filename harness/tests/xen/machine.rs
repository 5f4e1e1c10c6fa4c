//! The machine and its agent against the real thing: QEMU, Xen, dom0, and a Linux PV guest.
//!
//! Most tests share one machine, one at a time; a test leaves no domain behind, so the order does not matter. The
//! host image and its saved state come from the ordinary cache and are made there if need be.

use harness::host::{self, HostImage};
use harness::machine::{Action, CreateOptions, Disk, Event, Forward, GUEST_ADDRESS, Machine, Options, Reason, Vif};
use harness::ui::Ui;
use harness::{cache, error};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How much longer than usual to wait: the tests may share their machine with others.
const SCALE: f64 = 3.;

fn image() -> &'static HostImage {
    static IMAGE: OnceLock<HostImage> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let repo = crate::common::repository().to_owned();
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

/// Everything that can be done to a guest, on one guest: booting Linux takes longest of all.
#[test]
fn a_linux_guest_is_driven() {
    let machine = shared();
    let agent = machine.agent();
    let introduced = agent.store_watch("@introduceDomain").unwrap();
    let options = linux("driven");
    let options = CreateOptions {
        vcpus: 1,
        maxvcpus: Some(2),
        vifs: vec![Vif { mac: Some(address(MAC)), ..Vif::default() }],
        cmdline: format!("{} address={GUEST_ADDRESS}/24 httpd", options.cmdline),
        ..options
    };
    let mut guest = Guest::boot(&machine, &options);
    agent.store_unwatch(introduced).unwrap();
    let times = guest.events.iter().filter(|event| matches!(event, Event::Store { .. })).count();
    assert!(times >= 2, "@introduceDomain fires when it is watched and when the domain is made: {times}");
    let taken = agent.create(&options).unwrap_err().message;
    assert!(taken.contains("there is a domain driven already"), "{taken}");

    step("console and pause", || console_and_pause(&mut guest));
    step("vCPUs and memory", || vcpus_and_memory(&mut guest));
    step("disks", || disks(&mut guest));
    step("interfaces", || interfaces(&mut guest));
    step("frames and links", || frames_and_links(&mut guest));
    step("forward", || forward(&guest));
    step("save and restore", || save_and_restore(&mut guest, &options));
    step("flood", || flood(&mut guest));

    agent.shutdown("driven").unwrap();
    assert_eq!(guest.exit(), Reason::Poweroff);
    guest.gone();
    assert!(agent.pause("driven").is_err());
}

fn step(name: &str, run: impl FnOnce()) {
    let begun = Instant::now();
    run();
    println!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
}

fn console_and_pause(guest: &mut Guest) {
    let agent = guest.machine.agent();
    assert_eq!(guest.run("echo $((6 * 7))"), "42");
    agent.pause("driven").unwrap();
    agent.console_input("driven", b"echo woken\n").unwrap();
    while let Some(event) = agent.events().next(Duration::from_millis(500)).unwrap() {
        assert!(!matches!(event, Event::Console { .. }), "{event:?}");
    }
    agent.unpause("driven").unwrap();
    guest.expect("woken\r\n");
}

fn vcpus_and_memory(guest: &mut Guest) {
    let agent = guest.machine.agent();
    assert_eq!(guest.run("nproc"), "1");
    agent.set_vcpus("driven", 2).unwrap();
    until(|| {
        guest.run("echo 1 > /sys/devices/system/cpu/cpu1/online");
        guest.run("nproc") == "2"
    });
    let total = |guest: &mut Guest| -> u64 { guest.run("awk '/MemTotal/{print $2}' /proc/meminfo").parse().unwrap() };
    let before = total(guest);
    agent.set_memory("driven", 96 << 10).unwrap();
    until(|| total(guest) < before - (24 << 10));
    agent.set_memory("driven", 128 << 10).unwrap();
    until(|| total(guest) == before);
}

fn disks(guest: &mut Guest) {
    let agent = guest.machine.agent();
    agent.put("/images/disk", &[0; 1 << 20]).unwrap();
    let disk = Disk { path: "/images/disk".into(), vdev: "xvdb".into(), writable: true };
    agent.attach_block("driven", &disk).unwrap();
    until(|| guest.run("cat /sys/block/xvdb/size") == "2048");
    guest.run("echo from the guest > /dev/xvdb; sync");
    agent.detach_block("driven", "xvdb").unwrap();
    until(|| guest.run("ls /sys/block").split_whitespace().all(|name| name != "xvdb"));
    assert!(agent.get("/images/disk").unwrap().starts_with(b"from the guest\n"));
    agent.remove("/images/disk").unwrap();
}

fn interfaces(guest: &mut Guest) {
    let agent = guest.machine.agent();
    let second = [0, 0x16, 0x3e, 0, 0, 0x42];
    agent.attach_network("driven", &Vif { mac: Some(address(second)), ..Vif::default() }).unwrap();
    until(|| guest.run("cat /sys/class/net/eth1/address") == address(second));
    agent.detach_network("driven", 1).unwrap();
    until(|| guest.run("ls /sys/class/net").split_whitespace().all(|name| name != "eth1"));
}

const MAC: [u8; 6] = [0, 0x16, 0x3e, 0, 0, 1];

fn address(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn frames_and_links(guest: &mut Guest) {
    let agent = guest.machine.agent();
    let domid = agent.exec(&["xl", "domid", "driven"], b"").unwrap().stdout;
    let interface = format!("vif{}.0", String::from_utf8(domid).unwrap().trim());

    // "Who has 10.0.2.15?", asked by nobody who exists; the guest's own interface answers.
    let capture = agent.capture(&interface).unwrap();
    let asker = [0x02, 0, 0, 0, 0, 0x99];
    let arp = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    let mut question = [&[0xff; 6][..], &asker, &arp, &asker, &[10, 0, 2, 99], &[0; 6], &[10, 0, 2, 15]].concat();
    question.resize(60, 0);
    agent.inject(&interface, &question).unwrap();
    guest.event("an ARP reply", |event| match event {
        Event::Frame { capture: at, sent: false, bytes } if *at == capture => {
            (bytes[..6] == asker && bytes[6..12] == MAC && bytes[12..14] == [8, 6] && bytes[21] == 2).then_some(())
        }
        _ => None,
    });

    // The same through the bridge, where a capture sees what passes by.
    let passing = agent.capture("xenbr0").unwrap();
    guest.run("ping -c 1 -W 1 10.0.2.77");
    guest.event("an ARP question", |event| match event {
        Event::Frame { capture, bytes, .. } => (*capture == passing && bytes[6..12] == MAC).then_some(()),
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
}

fn forward(guest: &Guest) {
    use std::io::{Read, Write};
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    guest.machine.forward(Forward { host: port, guest: 80 }).unwrap();
    let error = guest.machine.forward(Forward { host: port, guest: 81 }).unwrap_err();
    assert!(error.message.contains(&format!("port {port} of this machine cannot be forwarded")), "{error}");
    let mut page = String::new();
    until(|| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let asked = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
        asked.and_then(|()| stream.read_to_string(&mut page)).is_ok() && page.contains("hello from a Linux PV guest")
    });
}

fn save_and_restore(guest: &mut Guest, options: &CreateOptions) {
    let agent = guest.machine.agent();
    guest.run("kept=remembered");
    agent.save("driven", "/images/saved", true).unwrap();
    assert_eq!(guest.run("echo $kept"), "remembered");
    agent.save("driven", "/images/saved", false).unwrap();
    assert_eq!(guest.exit(), Reason::Suspend);
    guest.gone();
    agent.restore(options, "/images/saved").unwrap();
    agent.remove("/images/saved").unwrap();
    guest.printed.clear();
    assert_eq!(guest.run("echo $kept"), "remembered");
}

/// More than a guest's console takes without being slowed down by xenconsoled.
fn flood(guest: &mut Guest) {
    let agent = guest.machine.agent();
    let printed = guest.run("dd if=/dev/zero bs=1k count=1024 2>/dev/null | tr '\\0' x");
    assert_eq!((printed.len(), printed.matches('x').count()), (1 << 20, 1 << 20), "bytes are lost");
    let used = agent.exec(&["du", "-sk", "/var/log/xen/console"], b"").unwrap().stdout;
    let used: u32 = String::from_utf8(used).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!(used < 500, "{used} KiB of logs");
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

    let domain = agent.create(&CreateOptions { paused: true, ..linux("paused") }).unwrap();
    let listed = agent.exec(&["xl", "list", "paused"], b"").unwrap().stdout;
    assert!(String::from_utf8_lossy(&listed).contains("--p---"), "{domain:?}");
    agent.destroy("paused").unwrap();
    assert_eq!(guest.exit(), Reason::Destroyed);
    guest.gone();
    // Destroying what is gone is no mistake.
    agent.destroy("paused").unwrap();

    let error = agent.create(&CreateOptions { memory_mib: 1 << 20, ..linux("huge") }).unwrap_err().message;
    assert!(error.contains("could not create the domain huge: xl could not make huge"), "{error}");
    let error = agent.create(&CreateOptions { ramdisk: None, ..CreateOptions::new("none", "/none") }).unwrap_err();
    assert!(error.message.contains("xl could not make none"), "{error}");
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

fn until(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs_f64(20. * SCALE), "it never came to be so");
        std::thread::sleep(Duration::from_millis(100));
    }
}

//! What can be done to a guest, done to a Linux guest.

use super::guest::{Guest, linux, with_linux};
use super::until;
use harness::machine::{Action, CreateOptions, Disk, Event, Forward, GUEST_ADDRESS, Reason, Vif};
use std::time::{Duration, Instant};

/// Everything that can be done to a guest, on one guest: booting Linux takes longest of all.
#[test]
#[ignore = "long"]
fn a_linux_guest_is_driven() {
    let machine = with_linux();
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
    let printed = guest.run("dd if=/dev/zero bs=1k count=256 2>/dev/null | tr '\\0' x");
    assert_eq!((printed.len(), printed.matches('x').count()), (256 << 10, 256 << 10), "bytes are lost");
    let used = agent.exec(&["du", "-sk", "/var/log/xen/console"], b"").unwrap().stdout;
    let used: u32 = String::from_utf8(used).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!(used < 500, "{used} KiB of logs");
}

#[test]
#[ignore = "long"]
fn exits_are_told_apart() {
    let machine = with_linux();
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

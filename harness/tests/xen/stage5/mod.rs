//! Stage 5 on a real Xen: xenstore, grants, devices, and what dom0 asks for.
//!
//! The tests share the machine of `machine`, one at a time, and the stage's image, which is built once.

mod daemons;

use crate::common::{holds, numbers};
use crate::machine::{Ready, until};
use crate::stage6::in_dom0;
use harness::domain::Domain;
use harness::machine::{Disk, Reason, Vif};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

fn ready() -> Ready {
    Ready::with("xenbus")
}

/// What `app=xenstore` says, whichever daemon answers.
const ANSWERS: &[&str] = &[
    "data/demo: written",
    "after its removal: there is no such node",
    "somebody else's: xenstore doesn't allow it",
    "too long: 5010 bytes are more than xenstore takes",
    "too long a path: 10000 bytes are more than xenstore takes",
    "answers to 32 callers: 640 of 640 right",
    "answers to 100 tasks: 100 right",
    "increments: 20",
];

#[test]
fn xenstore_answers_many_callers_and_refuses_by_name() {
    let text = ready().said("app=xenstore");
    holds(&text, ANSWERS);
}

/// With Xen's default scheduler dom0 was left asleep for 20 seconds at a time on a machine as busy as this.
#[test]
#[ignore = "long"]
fn a_busy_machine_loses_no_answers() {
    let done = AtomicBool::new(false);
    let ready = ready();
    let text = std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        let text = std::panic::catch_unwind(AssertUnwindSafe(|| ready.said("app=xenstore")));
        done.store(true, Ordering::Relaxed);
        text.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    holds(&text, &["answers to 32 callers: 640 of 640 right", "answers to 100 tasks: 100 right"]);
}

#[test]
#[ignore = "long"]
fn a_thousand_rapid_changes_lose_none_that_matters() {
    let machine = ready();
    let mut domain = machine.start("app=watch");
    machine.wait_for(&mut domain, "watching data/watched");
    let path = format!("/local/domain/{}/data/watched", domain.id());
    for number in 0..1000 {
        machine.agent().store_write(&format!("{path}/{}", number % 7), number.to_string().as_bytes()).unwrap();
    }
    machine.wait_for(&mut domain, "data/watched/5 is 999\n");
    machine.agent().store_write(&path, b"end").unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
    let text = domain.text();
    for last in 993..1000 {
        assert!(text.contains(&format!("data/watched/{} is {last}\n", last % 7)), "{last} in\n{text}");
    }
    assert!(text.contains("data/watched is end"), "{text}");
}

/// Requests from threads on four vCPUs, on a machine that has two.
#[test]
fn callers_on_four_vcpus_get_their_own_answers() {
    let mut machine = ready();
    machine.shape.vcpus = 4;
    let text = machine.said("app=xenstore");
    holds(
        &text,
        &["cpu 3 up", "answers to 32 callers: 640 of 640 right", "answers to 100 tasks: 100 right", "increments: 20"],
    );
    assert!(text.lines().any(|line| line.contains(" of them listed, then: ")), "{text}");
}

/// More different events than a mailbox holds (1024), while nobody takes one: one for all of them is left, and what is to be seen by it
/// is all there.
#[test]
#[ignore = "long"]
fn more_events_than_there_is_room_for_become_one() {
    let machine = ready();
    let mut domain = machine.start("app=watch rest=20000");
    machine.wait_for(&mut domain, "watching data/watched");
    let path = format!("/local/domain/{}/data/watched", domain.id());
    let script =
        format!("i=0; while [ $i -lt 1500 ]; do echo {path}/$i $i; i=$((i+1)); done | xargs -n 300 xenstore-write");
    in_dom0(&machine, &script);
    machine.wait_for(&mut domain, "data/watched/1499 is 1499\n");
    machine.agent().store_write(&format!("{path}/7"), b"later").unwrap();
    machine.wait_for(&mut domain, "data/watched/7 is later\n");
    machine.agent().store_write(&path, b"end").unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
    let text = domain.text();
    let events = numbers(&text.lines().filter(|line| line.ends_with(" events")).collect::<String>(), "")[0];
    // How many there were when it looked depends on how fast dom0 wrote; those behind the overflow came by themselves.
    assert!((1025..=1500).contains(&numbers(&text, "data/watched has ")[0]), "{text}");
    assert!((3..=1026).contains(&events), "{text}");
    println!("{events} events");
}

#[test]
fn grants_are_mapped_copied_revoked_and_used_up() {
    let text = ready().said("app=grants");
    holds(
        &text,
        &[
            "mapped: seen through a grant",
            "mapped by somebody: true",
            "revoked while it was mapped: no",
            "revoked once it is not: true",
            "the other is mapped then: false",
            "copied: through a grant (true)",
            "copied beyond the end of a page: no",
            "32759 references, then: all grant references are in use",
            "32759 ended, and then one more: true",
        ],
    );
}

/// Starts a guest that shares a page with dom0, and maps it.
fn sharing<'a>(machine: &'a Ready, command_line: &str) -> (Domain<'a>, u32, u64) {
    let mut domain = machine.start(command_line);
    machine.wait_for(&mut domain, " for dom0");
    let reference = numbers(&domain.text(), "reference: ")[0] as u32;
    let mapping = machine.agent().map_grant(domain.name(), reference).unwrap();
    assert_eq!(machine.agent().read_grant(mapping, 0, 16).unwrap(), b"shared with dom0");
    machine.wait_for(&mut domain, "it is mapped");
    (domain, reference, mapping)
}

#[test]
#[ignore = "long"]
fn a_page_is_ours_again_when_dom0_is_done_with_it_and_not_before() {
    let machine = ready();
    let agent = machine.agent();
    let (mut domain, reference, mapping) = sharing(&machine, "app=share");
    assert!(domain.listen(machine.within(1.), |_| false).is_err(), "{}", domain.text());
    assert!(!domain.text().contains("ours again"), "{}", domain.text());
    agent.write_grant(mapping, 0, b"Written").unwrap();
    agent.unmap_grant(mapping).unwrap();
    machine.wait_for(&mut domain, "it is ours again, and begins with 'W'");
    assert!(agent.map_grant(domain.name(), reference).is_err());
    domain.power_off(machine.within(60.0)).unwrap();

    let (mut domain, reference, mapping) = sharing(&machine, "app=share patience=200");
    machine.wait_for(&mut domain, "it is still mapped, and put aside: 1");
    // What is put aside is nobody else's: it holds what it held.
    assert_eq!(agent.read_grant(mapping, 0, 16).unwrap(), b"shared with dom0");
    agent.unmap_grant(mapping).unwrap();
    machine.wait_for(&mut domain, "nothing is put aside any more");
    assert!(agent.map_grant(domain.name(), reference).is_err());
    domain.power_off(machine.within(60.0)).unwrap();
}

#[test]
#[ignore = "long"]
fn shutdown_and_reboot_are_obeyed_and_acknowledged() {
    let machine = ready();
    let mut domain = machine.start("app=wait");
    machine.wait_for(&mut domain, "waiting");
    let control = format!("/local/domain/{}/control", domain.id());
    for (feature, value) in [("suspend", "0"), ("reboot", "1"), ("poweroff", "1")] {
        let path = format!("{control}/feature-{feature}");
        until(|| machine.agent().store_read(&path).unwrap().as_deref() == Some(value.as_bytes()));
    }
    machine.agent().store_write(&format!("{control}/shutdown"), b"suspend").unwrap();
    machine.wait_for(&mut domain, "dom0 asks to suspend, which this kernel can't");
    assert_eq!(machine.agent().store_read(&format!("{control}/shutdown")).unwrap().as_deref(), Some(&b""[..]));
    let asked = Instant::now();
    machine.agent().shutdown(domain.name()).unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
    println!("obeyed in {:?}, xl included", asked.elapsed());
    assert!(domain.text().contains("dom0 asks to power off"), "{}", domain.text());

    let mut domain = machine.start("app=wait");
    machine.wait_for(&mut domain, "waiting");
    machine.agent().reboot(domain.name()).unwrap();
    let ended = domain.listen(machine.within(60.0), |domain| domain.reboots > 0).unwrap().cloned();
    assert!(domain.reboots > 0 || ended == Some(Reason::Reboot), "{}", domain.text());
}

#[test]
#[ignore = "long"]
fn sysrq_memory_and_vcpus_follow_dom0() {
    let machine = ready();
    let mut domain = machine.start("app=wait");
    machine.wait_for(&mut domain, "waiting");
    let agent = machine.agent();
    let sysrq = |domain: &Domain<'_>, letter: &str| {
        assert_eq!(agent.exec(&["xl", "sysrq", domain.name(), letter], b"").unwrap().status, 0);
        // The letter is taken out of its node: that is the answer.
        let node = format!("/local/domain/{}/control/sysrq", domain.id());
        until(|| agent.store_read(&node).unwrap().is_none_or(|left| left.is_empty()));
    };
    for (letter, said) in [
        ("h", "sysrq h: reBoot Crash Devices Memory pOweroff Threads\n"),
        ("m", "sysrq: 16384 frames, "),
        ("m", " grant references in use, 0 deferred\n"),
        ("t", " control "),
        ("t", " xenbus "),
    ] {
        sysrq(&domain, letter);
        machine.wait_for(&mut domain, said);
    }

    // 64 MiB at first. Less, then more again, then less than can be done.
    agent.set_memory(domain.name(), 40 << 10).unwrap();
    machine.wait_for(&mut domain, "memory: 16384 frames before, 10240 now");
    assert_eq!(mebibytes(&machine, &domain), 40);
    agent.set_memory(domain.name(), 56 << 10).unwrap();
    machine.wait_for(&mut domain, "memory: 10240 frames before, 14336 now");
    assert_eq!(mebibytes(&machine, &domain), 56);
    agent.set_memory(domain.name(), 64 << 10).unwrap();
    machine.wait_for(&mut domain, "memory: 14336 frames before, 16384 now");

    agent.set_vcpus(domain.name(), 1).unwrap();
    machine.wait_for(&mut domain, "cpu 1 down");
    agent.set_vcpus(domain.name(), 2).unwrap();
    machine.wait_for_times(&mut domain, "cpu 1 up", 2);
    sysrq(&domain, "o");
    domain.power_off(machine.within(60.0)).unwrap();

    for (letter, reason) in [("b", Reason::Reboot), ("c", Reason::Crash)] {
        let mut domain = machine.start("app=devices");
        machine.wait_for(&mut domain, "waiting");
        agent.attach_network(domain.name(), &Vif::default()).unwrap();
        machine.wait_for(&mut domain, "vif 0: connected");
        sysrq(&domain, "d");
        machine.wait_for(&mut domain, "sysrq: vif 0 Connected\n");
        sysrq(&domain, letter);
        let ended = domain.listen(machine.within(60.0), |_| false).unwrap().cloned();
        assert_eq!(ended, Some(reason), "{}", domain.text());
    }
}

/// What `xl list` says that a domain has, in MiB.
fn mebibytes(machine: &Ready, domain: &Domain<'_>) -> u64 {
    let listed = machine.agent().exec(&["xl", "list", domain.name()], b"").unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    listed.lines().nth(1).and_then(|line| line.split_whitespace().nth(2)?.parse().ok()).unwrap()
}

/// A guest that begins with less than it may have. Neither number is a multiple of 2 MiB, and 200 MiB are more than 128.
#[test]
#[ignore = "long"]
fn memory_grows_to_maxmem_and_shrinks_again() {
    let mut machine = ready();
    (machine.shape.memory, machine.shape.maxmem) = (33, Some(201));
    let agent = machine.agent();
    let mut domain = machine.start("app=grow frames=51456");
    machine.wait_for(&mut domain, "waiting for 51456 frames");
    let mut now = 33;
    for (round, mib) in [100, 201, 40, 201, 34, 150, 201].into_iter().enumerate() {
        agent.set_memory(domain.name(), mib << 10).unwrap();
        machine.wait_for(&mut domain, &format!("memory: {} frames before, {} now", now * 256, mib * 256));
        assert_eq!(mebibytes(&machine, &domain), mib, "round {round}:\n{}", domain.text());
        if mib == 201 {
            let times = domain.text().matches("waiting for").count();
            machine.wait_for_times(&mut domain, "free before ", times);
        }
        now = mib;
    }
    let text = domain.text();
    let used: Vec<Vec<u64>> =
        text.lines().filter(|line| line.contains("the highest number")).map(|line| numbers(line, "")).collect();
    assert_eq!(used.len(), 3, "{text}");
    for [count, highest, wrong] in used.iter().map(|line| <[u64; 3]>::try_from(&line[..]).unwrap()) {
        assert!(count > 49_000 && highest > 51_000 && highest <= 51_456 && wrong == 0, "{text}");
    }
    for line in text.lines().filter(|line| line.starts_with("free before")) {
        let [before, after] = numbers(line, "free")[..] else { panic!("{line}") };
        assert!(after + 64 >= before, "{line}");
    }
    println!("{text}");
    assert_eq!(agent.exec(&["xl", "sysrq", domain.name(), "o"], b"").unwrap().status, 0);
    domain.power_off(machine.within(60.0)).unwrap();
}

#[test]
#[ignore = "long"]
fn devices_come_and_go_with_real_backends() {
    let machine = ready();
    let agent = machine.agent();
    agent.put_from("/images/test/disk", std::io::repeat(0), 8 << 20).unwrap();
    let mut domain = machine.start("app=devices log=info");
    machine.wait_for(&mut domain, "waiting");
    let disk = Disk { path: "/images/test/disk".into(), vdev: "xvda".into(), writable: true };
    for round in 1..=2 {
        agent.attach_block(domain.name(), &disk).unwrap();
        machine.wait_for_times(&mut domain, "vbd 51712: connected, 16384 sectors", round);
        agent.detach_block(domain.name(), "xvda").unwrap();
        machine.wait_for_times(&mut domain, "vbd 51712: gone", round);
    }
    // The backend's driver is loaded anew, and goes on with what it finds.
    agent.attach_block(domain.name(), &disk).unwrap();
    machine.wait_for_times(&mut domain, "vbd 51712: connected, 16384 sectors", 3);
    let closed = domain.text().matches("-> Closed").count();
    let rebind = "cd /sys/bus/xen-backend/drivers/vbd && echo vbd-N-51712 > unbind && echo vbd-N-51712 > bind";
    in_dom0(&machine, &rebind.replace('N', &domain.id().to_string()));
    machine.wait_for_times(&mut domain, "vbd 51712: connected, 16384 sectors", 4);
    assert_eq!(domain.text().matches("-> Closed").count(), closed, "{}", domain.text());
    agent.detach_block(domain.name(), "xvda").unwrap();
    machine.wait_for_times(&mut domain, "vbd 51712: gone", 3);
    for round in 1..=2 {
        agent.attach_network(domain.name(), &Vif::default()).unwrap();
        machine.wait_for_times(&mut domain, "vif 0: connected", round);
        agent.detach_network(domain.name(), 0).unwrap();
        machine.wait_for_times(&mut domain, "vif 0: gone", round);
    }
    let text = domain.text();
    holds(&text, &["vbd 51712: ring mapped: true", "vif 0: ring mapped: true"]);
    agent.remove("/images/test").unwrap();
    machine.agent().shutdown(domain.name()).unwrap_or_else(|error| panic!("{error}\n{}", domain.text()));
    domain.power_off(machine.within(60.0)).unwrap();
}

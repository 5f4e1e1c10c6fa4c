//! Xenstore by another daemon, and by one that is replaced while it runs.

use super::{ANSWERS, ready};
use crate::common::holds;
use crate::machine::Ready;
use crate::stage6::in_dom0;
use harness::machine::{Disk, Vif};

/// Oxenstored has no requests for large directories, and other limits. It is what XenServer has.
#[test]
#[ignore = "long"]
fn all_of_it_holds_with_oxenstored() {
    let machine = Ready::with_oxenstored("xenbus");
    let agent = machine.agent();
    let which = in_dom0(&machine, "cat /proc/cmdline; ps | grep -c '[o]xenstored'");
    assert!(which.contains("xenstored=oxenstored") && which.ends_with("1\n"), "{which}");
    let text = machine.said("app=xenstore");
    // It tells what it can't do, and it has quotas of its own: 1000 nodes a domain.
    let large = text.lines().find(|line| line.contains(" children, ")).unwrap_or_else(|| panic!("{text}"));
    assert!(large.contains("not listed: ") && large.contains(", then: "), "{large}");
    println!("{large}");
    holds(&text, ANSWERS);
    let mut domain = machine.start("app=watch");
    machine.wait_for(&mut domain, "watching data/watched");
    let path = format!("/local/domain/{}/data/watched", domain.id());
    for number in 0..200 {
        agent.store_write(&format!("{path}/{}", number % 7), number.to_string().as_bytes()).unwrap();
    }
    agent.store_write(&path, b"end").unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
    for last in 193..200 {
        let line = format!("data/watched/{} is {last}\n", last % 7);
        assert!(domain.text().contains(&line), "{line} in\n{}", domain.text());
    }
    let mut domain = machine.start("app=devices log=info");
    machine.wait_for(&mut domain, "waiting");
    agent.put_from("/images/test/disk", std::io::repeat(0), 8 << 20).unwrap();
    let disk = Disk { path: "/images/test/disk".into(), vdev: "xvda".into(), writable: true };
    agent.attach_block(domain.name(), &disk).unwrap();
    machine.wait_for(&mut domain, "vbd 51712: connected, 16384 sectors");
    agent.detach_block(domain.name(), "xvda").unwrap();
    machine.wait_for(&mut domain, "vbd 51712: gone");
    agent.attach_network(domain.name(), &Vif::default()).unwrap();
    machine.wait_for(&mut domain, "vif 0: connected");
    agent.detach_network(domain.name(), 0).unwrap();
    machine.wait_for(&mut domain, "vif 0: gone");
    agent.shutdown(domain.name()).unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
}

/// Xenstored hands all it knows to a new process of its own, connections and watches included. Guests notice nothing.
#[test]
fn a_daemon_that_is_replaced_forgets_nothing() {
    let machine = ready();
    let agent = machine.agent();
    let mut domain = machine.start("app=watch");
    machine.wait_for(&mut domain, "watching data/watched");
    let path = format!("/local/domain/{}/data/watched", domain.id());
    for round in 0..3 {
        agent.store_write(&path, format!("before {round}").as_bytes()).unwrap();
        machine.wait_for(&mut domain, &format!("data/watched is before {round}\n"));
        in_dom0(&machine, "xenstore-control live-update -t 30 $(readlink -f $(which xenstored))");
        // The new program was told where the old one had left what it knew.
        let started = in_dom0(&machine, "tr '\\0' ' ' < /proc/$(pidof xenstored)/cmdline");
        assert!(started.contains(" -U") || started.contains("--live-update"), "{started}");
        agent.store_write(&path, format!("after {round}").as_bytes()).unwrap();
        machine.wait_for(&mut domain, &format!("data/watched is after {round}\n"));
    }
    println!("{}", domain.text());
    agent.store_write(&path, b"end").unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
}

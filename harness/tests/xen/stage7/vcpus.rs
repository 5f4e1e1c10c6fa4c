//! vCPUs that are switched off while others still send them events.

use super::{FOLDER, SIZE, disk, ready};
use crate::stage6::in_dom0;
use std::time::Duration;

/// Each queue of a disk has an event channel to a vCPU of its own. The answers that come to one that is switched off are somebody else's.
#[test]
#[ignore = "long"]
fn requests_and_pings_are_answered_while_vcpus_come_and_go() {
    let mut machine = ready();
    (machine.shape.vcpus, machine.shape.interfaces) = (4, 1);
    let disk = disk(&machine, "xvda", SIZE, true);
    // A request that has no answer after ten seconds has failed.
    let command_line = "app=disk-hold disk-patience=10 ip=10.0.2.15/24";
    let mut domain = machine.start_as(command_line, |options| options.disks = vec![disk.clone()]);
    machine.wait_for(&mut domain, "xvda: in use\n");
    in_dom0(&machine, "ping -c 1 -W 20 10.0.2.15; (ping -i 0.05 -W 20 10.0.2.15 >/tmp/pings & echo $! >/tmp/pinging)");
    for round in 1..=3 {
        machine.agent().set_vcpus(domain.name(), 1).unwrap();
        machine.wait_for_times(&mut domain, "cpu 3 down\n", round);
        std::thread::sleep(Duration::from_secs(1));
        // More than the machine has.
        in_dom0(&machine, &format!("xl vcpu-set --ignore-host {} 4", domain.name()));
        machine.wait_for_times(&mut domain, "cpu 3 up\n", round + 1);
        std::thread::sleep(Duration::from_secs(1));
    }
    machine.agent().set_vcpus(domain.name(), 1).unwrap();
    machine.wait_for_times(&mut domain, "cpu 3 down\n", 4);
    std::thread::sleep(Duration::from_secs(12));
    let pings = in_dom0(&machine, "kill -INT $(cat /tmp/pinging); sleep 1; cat /tmp/pings; rm /tmp/pings /tmp/pinging");
    let lost = pings.lines().find(|line| line.contains("packet loss")).unwrap_or_else(|| panic!("{pings}"));
    assert!(lost.contains(" 0% packet loss"), "{lost}");
    machine.agent().detach_block(domain.name(), "xvda").unwrap();
    machine.wait_for(&mut domain, "then 64 of 64 tasks were told: the disk was detached\n");
    assert!(!domain.text().contains("not answered"), "{}", domain.text());
    println!("{lost}\n{}", domain.text());
    machine.agent().shutdown(domain.name()).unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
    machine.agent().remove(FOLDER).unwrap();
}

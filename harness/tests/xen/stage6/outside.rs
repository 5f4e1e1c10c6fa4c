//! What dom0 sees of an interface, and what a guest sees of dom0's end.

use super::{ECHO, SERVING, connect, echo, echoing, end, forwarded, in_dom0, random, ready};
use crate::common::{holds, numbers};
use harness::machine::{Event, Machine};
use std::io::Write;
use std::time::Duration;

/// What xenstore has below a path, as `path = value` with the whole path below it.
fn nodes(machine: &Machine, path: &str) -> Vec<String> {
    let listed = in_dom0(machine, &format!("xenstore-ls -f {path}"));
    let below = listed.lines().filter_map(|line| line.strip_prefix(path)?.strip_prefix('/'));
    below.map(|line| line.replace('"', "").replace(" = ", "=")).collect()
}

#[test]
#[ignore = "long"]
fn four_queues_with_two_event_channels_each_are_used() {
    let mut machine = ready();
    machine.shape.vcpus = 4;
    let mut domain = echoing(&machine);
    let front = nodes(&machine, &format!("/local/domain/{}/device/vif/0", domain.id()));
    let back = nodes(&machine, &format!("/local/domain/0/backend/vif/{}/0", domain.id()));
    let has = |nodes: &[String], line: &str| assert!(nodes.iter().any(|node| node == line), "{line} in {nodes:#?}");
    has(&back, "multi-queue-max-queues=4");
    has(&back, "feature-split-event-channels=1");
    has(&back, "state=4");
    for line in [
        "state=4",
        "multi-queue-num-queues=4",
        "request-rx-copy=1",
        "feature-rx-notify=1",
        "feature-sg=1",
        "feature-no-csum-offload=0",
        "feature-ipv6-csum-offload=1",
        "feature-gso-tcpv4=1",
        "feature-gso-tcpv6=0",
    ] {
        has(&front, line);
    }
    // Each number is another one, and there is none but these.
    let mut values = std::collections::BTreeSet::new();
    for queue in 0..4 {
        for key in ["tx-ring-ref", "rx-ring-ref", "event-channel-tx", "event-channel-rx"] {
            let node = front.iter().find_map(|node| node.strip_prefix(&format!("queue-{queue}/{key}=")));
            let kind = if key.ends_with("ref") { "page" } else { "port" };
            assert!(
                values.insert((kind, node.unwrap_or_else(|| panic!("queue-{queue}/{key} in {front:#?}")).to_owned()))
            );
        }
    }
    assert!(
        !front.iter().any(|node| node.starts_with("event-channel") || node.starts_with("tx-ring-ref")),
        "{front:#?}"
    );
    // Connections of many ports go through several of them, as dom0 counts its interrupts.
    for seed in 0..24 {
        echo(forwarded(&machine, 7), &random(seed, 3000));
    }
    let counted = in_dom0(&machine, "grep vif /proc/interrupts");
    let busy = |direction: &str| {
        let lines = counted.lines().filter(|line| line.trim_end().ends_with(direction));
        let counts: Vec<u64> = lines.map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap()).collect();
        assert_eq!(counts.len(), 4, "{counted}");
        counts.into_iter().filter(|count| *count > 2).count()
    };
    assert!(busy("-tx") >= 2, "{counted}");
    end(&machine, &mut domain);
}

#[test]
#[ignore = "long"]
fn whoever_is_busy_anyway_is_not_told() {
    let machine = ready();
    let mut domain = echoing(&machine);
    echo(forwarded(&machine, 7), &random(1, 1 << 20));
    let text = end(&machine, &mut domain);
    let [_, received, _, _, _, sent, _, _, events, ..] = numbers(&text, "vif 0: received")[..] else {
        panic!("{text}")
    };
    // Each round of work could have told of pages that are offered and of frames that are sent, of which there are as many as segments, or fewer.
    assert!(events < (1 << 20) / 1460, "{text}");
    println!("{events} events for {received} frames received and {sent} sent");
}

#[test]
#[ignore = "long"]
fn segments_are_not_cut_within_the_machine() {
    let machine = ready();
    let mut domain = echoing(&machine);
    let agent = machine.agent();
    let capture = agent.capture(&format!("vif{}.0", domain.id())).unwrap();
    echo(forwarded(&machine, 7), &random(1, 200_000));
    // What the guest sent, and what was sent to it.
    let mut longest = [0, 0];
    while let Some(event) = agent.events().next(Duration::from_secs(1)).unwrap() {
        if let Event::Frame { sent, bytes, .. } = event {
            let longest = &mut longest[usize::from(sent)];
            *longest = bytes.len().max(*longest);
        }
    }
    agent.stop_capture(capture).unwrap();
    assert!(longest.iter().all(|bytes| *bytes > 1514), "{longest:?}");
    println!("the longest frames: {longest:?} bytes");
    end(&machine, &mut domain);
}

#[test]
#[ignore = "long"]
fn the_command_line_chooses_the_interface() {
    let mut machine = ready();
    machine.shape.interfaces = 2;
    // Forwarded ports lead to this address, whoever has it.
    let mut domain = machine.start(&format!("{ECHO} vif=1"));
    machine.wait_for(&mut domain, SERVING);
    holds(&domain.text(), &["interface: vif 1, 00:16:3e:5d:06:01, MTU 1500, queues 2", "address: 10.0.2.15"]);
    echo(forwarded(&machine, 7), &random(1, 50_000));
    let text = end(&machine, &mut domain);
    let received = |vif: &str| numbers(&text, vif)[1];
    assert!(received("vif 1: received") > 5, "{text}");
    assert_eq!(text.matches(" frames, ").count(), 4, "both interfaces have counts: {text}");

    let text = machine.said(&format!("{ECHO} vif=7"));
    holds(&text, &["netecho: there is no network interface vif 7"]);
}

#[test]
#[ignore = "long"]
fn a_cable_that_is_pulled_is_said_and_so_is_its_return() {
    let machine = ready();
    let mut domain = echoing(&machine);
    let mut stream = connect(forwarded(&machine, 7));
    stream.write_all(b"connected").unwrap();
    let vif = format!("vif{}.0", domain.id());
    machine.agent().set_link(&vif, false).unwrap();
    // A connection asks now and then whether the other end is still there.
    machine.wait_for(&mut domain, "vif 0: the backend takes nothing any more: is its link down?");
    machine.agent().set_link(&vif, true).unwrap();
    machine.wait_for(&mut domain, "vif 0: the backend takes frames again");
    echo(forwarded(&machine, 7), &random(1, 5000));
    drop(stream);
    assert_eq!(end(&machine, &mut domain).matches("takes nothing any more").count(), 1);
}

#[test]
#[ignore = "long"]
fn an_address_that_is_in_use_is_said_with_the_other_machine() {
    let machine = ready();
    in_dom0(&machine, "ip addr add 10.0.2.15/24 dev xenbr0");
    let other = in_dom0(&machine, "cat /sys/class/net/xenbr0/address");
    let mut domain = machine.start("app=net ip=10.0.2.15/24");
    machine.wait_for(&mut domain, &format!("vif 0: 10.0.2.15 is in use already, by {}", other.trim()));
    in_dom0(&machine, "ip addr del 10.0.2.15/24 dev xenbr0");
    machine.agent().shutdown(domain.name()).unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
}

#[test]
#[ignore = "long"]
fn without_a_server_the_interface_has_no_address() {
    let machine = ready();
    in_dom0(&machine, "ip link set eth0 down");
    let text = machine.said("app=net");
    in_dom0(&machine, "ip link set eth0 up");
    holds(&text, &["network: vif 0 has no address"]);
}

//! The other end of an interface: Linux's backend as it comes, goes, and begins anew.

use super::{ECHO, PATIENCE, SERVING, connect, echo, end, forwarded, in_dom0, random, ready};
use crate::machine::until;
use harness::domain::Domain;
use harness::machine::{Machine, Vif};
use std::io::{Read, Write};

/// What a guest has written about its first interface, as xenstore shows it.
fn frontend(machine: &Machine, domain: &Domain<'_>) -> String {
    in_dom0(machine, &format!("xenstore-ls /local/domain/{}/device/vif/0", domain.id()))
}

/// The value of a line of xenstore's.
fn value<'a>(listed: &'a str, key: &str) -> Option<&'a str> {
    let line = listed.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(" = \""));
    line.map(|value| value.trim_end_matches('"'))
}

#[test]
#[ignore = "long"]
fn an_interface_comes_and_goes_under_open_connections() {
    let machine = ready();
    let agent = machine.agent();
    let mut domain = machine.start(&format!("{ECHO} log=info"));
    machine.wait_for(&mut domain, SERVING);
    let port = forwarded(&machine, 7);
    let mut stream = connect(port);
    let vif = Vif { mac: Some("00:16:3e:5d:06:00".to_owned()), ..Vif::default() };
    for round in 1..=2 {
        stream.write_all(b"before").unwrap();
        stream.read_exact(&mut [0; 6]).unwrap();
        agent.detach_network(domain.name(), 0).unwrap();
        machine.wait_for_times(&mut domain, "vif 0: gone", round);
        stream.write_all(b"meanwhile").unwrap();
        agent.attach_network(domain.name(), &vif).unwrap();
        machine.wait_for_times(&mut domain, "Initialising -> Connected", round + 1);
        // The connection is the same: what was sent into the void is sent again.
        let mut back = [0; 9];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"meanwhile");
    }
    // A cable that is pulled, and put back.
    let name = format!("vif{}.0", domain.id());
    agent.set_link(&name, false).unwrap();
    stream.write_all(b"pulled").unwrap();
    agent.set_link(&name, true).unwrap();
    stream.read_exact(&mut [0; 6]).unwrap();
    drop(stream);
    end(&machine, &mut domain);
}

/// The toolstack takes the interface away and makes another one of the same name, and the guest sees nothing of it but the end.
#[test]
#[ignore = "long"]
fn an_interface_that_is_made_anew_unseen_is_connected_anew() {
    let machine = ready();
    let agent = machine.agent();
    let mut domain = machine.start(&format!("{ECHO} log=info"));
    machine.wait_for(&mut domain, SERVING);
    echo(forwarded(&machine, 7), b"before");
    agent.pause(domain.name()).unwrap();
    // It waits ten seconds for the frontend, and does without it then.
    let _ = agent.exec_within(&["xl", "network-detach", domain.name(), "0"], b"", PATIENCE);
    assert!(agent.store_list(&format!("/local/domain/{}/device/vif", domain.id())).is_err());
    let vif = Vif { mac: Some("00:16:3e:5d:06:00".to_owned()), ..Vif::default() };
    agent.attach_network(domain.name(), &vif).unwrap();
    agent.unpause(domain.name()).unwrap();
    machine.wait_for_times(&mut domain, "Initialising -> Connected", 2);
    echo(forwarded(&machine, 7), &random(1, 5000));
    end(&machine, &mut domain);
}

/// Takes the backend's driver off the first interface and puts it on again, with what the toolstack's script does for a new one.
fn bind_anew(machine: &Machine, domain: &Domain<'_>) {
    let rebind = "cd /sys/bus/xen-backend/drivers/vif && echo vif-N-0 > unbind && echo vif-N-0 > bind && \
                  ip link set vifN.0 up && brctl addif xenbr0 vifN.0 && \
                  xenstore-write /local/domain/0/backend/vif/N/0/hotplug-status connected";
    in_dom0(machine, &rebind.replace('N', &domain.id().to_string()));
}

/// What Linux's backend does when its driver is loaded anew: it goes on with the rings where the last one stopped.
#[test]
#[ignore = "long"]
fn a_backend_goes_on_where_another_has_stopped() {
    let machine = ready();
    let mut domain = machine.start(&format!("{ECHO} log=info"));
    machine.wait_for(&mut domain, SERVING);
    let mut stream = connect(forwarded(&machine, 7));
    for round in 0..3 {
        let sent = random(round, 2000);
        stream.write_all(&sent).unwrap();
        let mut back = vec![0; sent.len()];
        stream.read_exact(&mut back).unwrap();
        assert!(back == sent, "round {round}");
        bind_anew(&machine, &domain);
    }
    echo(forwarded(&machine, 7), &random(9, 5000));
    drop(stream);
    assert!(!end(&machine, &mut domain).contains("Connected -> "), "{}", domain.text());
}

/// The backend closes, and is another one then: with one queue instead of four, and one event channel instead of two. What was said to
/// the first must not be found by the second.
#[test]
#[ignore = "long"]
fn a_backend_that_begins_anew_finds_nothing_of_what_was_said_before() {
    let mut machine = ready();
    machine.shape.vcpus = 4;
    let mut domain = machine.start(&format!("{ECHO} log=info"));
    machine.wait_for(&mut domain, SERVING);
    let listed = frontend(&machine, &domain);
    assert_eq!(value(&listed, "multi-queue-num-queues"), Some("4"), "{listed}");
    let backend_state = format!("/local/domain/0/backend/vif/{}/0/state", domain.id());
    machine.agent().store_write(&backend_state, b"5").unwrap();
    machine.wait_for(&mut domain, "Connected -> Closed");
    until(|| machine.agent().store_read(&backend_state).unwrap().as_deref() == Some(b"6"));
    let parameters = "cd /sys/module/xen_netback/parameters";
    in_dom0(&machine, &format!("{parameters}; echo 1 > max_queues; echo N > separate_tx_rx_irq"));
    bind_anew(&machine, &domain);
    in_dom0(&machine, &format!("{parameters}; echo 4 > max_queues; echo Y > separate_tx_rx_irq"));
    machine.wait_for_times(&mut domain, "Initialising -> Connected", 2);
    echo(forwarded(&machine, 7), &random(2, 5000));
    let listed = frontend(&machine, &domain);
    assert_eq!(value(&listed, "multi-queue-num-queues"), None, "{listed}");
    assert!(value(&listed, "event-channel").is_some(), "{listed}");
    for gone in ["queue-", "event-channel-tx", "event-channel-rx"] {
        assert!(!listed.contains(gone), "{listed}");
    }
    end(&machine, &mut domain);
}

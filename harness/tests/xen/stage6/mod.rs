//! Stage 6 on a real Xen: a guest's network, as dom0 and this machine see it.
//!
//! The tests share the machine of `machine`, one at a time, and the stage's image, which is built once. Connections come through QEMU, whose
//! forwarded ports end at 10.0.2.15.

mod backend;
mod frames;
mod names;
mod outside;
mod peer;

use crate::common::{holds, numbers};
use crate::machine::Ready;
use harness::domain::Domain;
use harness::machine::{Forward, Machine};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const ECHO: &str = "app=netecho ip=10.0.2.15/24 gw=10.0.2.2";
const SERVING: &str = "echo on port 7";
/// How long a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

fn ready() -> Ready {
    Ready::with("netfront")
}

/// A guest that echoes.
fn echoing(machine: &Ready) -> Domain<'_> {
    let mut domain = machine.start(ECHO);
    machine.wait_for(&mut domain, SERVING);
    domain
}

/// Another port of this machine that leads to this one of the guest.
pub fn forwarded(machine: &Machine, guest: u16) -> u16 {
    let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    machine.forward(Forward { host, guest }).unwrap();
    host
}

pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The same from a port that no other connection has: QEMU hands that number on to the guest, who sees one address and one port for all
/// ports of ours, while Linux gives the same number to connections with different ends.
fn connect_as_nobody_else(port: u16) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes through a connection and compares what comes back until its end.
fn echo(port: u16, bytes: &[u8]) {
    let stream = connect(port);
    let mut back = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (&stream).write_all(bytes).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let ended = (&stream).read_to_end(&mut back);
        assert!(ended.is_ok(), "{ended:?} behind {} bytes of {}", back.len(), bytes.len());
    });
    assert!(back == bytes, "{} bytes of {} came back", back.len(), bytes.len());
}

/// Runs a command in dom0.
pub fn in_dom0(machine: &Machine, command: &str) -> String {
    let output = machine.agent().exec_within(&["sh", "-c", command], b"", Duration::from_secs(120)).unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status, 0, "{command}: {said}");
    said
}

/// Ends a guest that echoes, and returns what it has printed.
fn end(machine: &Machine, domain: &mut Domain<'_>) -> String {
    drop(connect(forwarded(machine, 9)));
    domain.power_off(machine.within(60.0)).unwrap_or_else(|error| panic!("{error}"));
    domain.text()
}

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..length).map(|_| rng.u8(..)).collect()
}

#[test]
#[ignore = "long"]
fn pings_of_all_sizes_are_answered() {
    let machine = ready();
    let mut domain = echoing(&machine);
    for size in [0, 1, 56, 1000, 1472, 1473, 4000, 7000] {
        let said = in_dom0(&machine, &format!("ping -c 3 -W 20 -s {size} 10.0.2.15"));
        assert!(said.contains(" 0% packet loss"), "{size} bytes: {said}");
    }
    // Not faster: busybox has room for few answers, and loses others by itself.
    let said = in_dom0(&machine, "ping -c 200 -i 0.02 -W 20 10.0.2.15 | tail -3");
    assert!(said.contains(" 0% packet loss"), "{said}");
    println!("{said}");
    in_dom0(&machine, "echo 0 > /proc/sys/net/ipv6/conf/xenbr0/disable_ipv6; sleep 3");
    let said = in_dom0(&machine, "ping6 -c 3 -W 20 -I xenbr0 fe80::216:3eff:fe5d:600");
    in_dom0(&machine, "echo 1 > /proc/sys/net/ipv6/conf/xenbr0/disable_ipv6");
    assert!(said.contains(" 0% packet loss"), "{said}");
    println!("{}", end(&machine, &mut domain));
}

#[test]
fn connections_echo_whatever_is_sent() {
    let machine = ready();
    let mut domain = echoing(&machine);
    let port = forwarded(&machine, 7);
    for (seed, size) in [1, 2, 1459, 1460, 1461, 4096, 8192, 8193, 65536, 300_000].into_iter().enumerate() {
        echo(port, &random(seed as u64, size));
    }
    let begun = Instant::now();
    echo(port, &random(99, 2 << 20));
    println!("2 MiB there and back in {:?}", begun.elapsed());

    // As the ancestor answered, whatever the bytes are.
    let stream = connect(forwarded(&machine, 80));
    (&stream).write_all(b"a \xff\x00 \"line\"").unwrap();
    let mut said = String::new();
    (&stream).read_to_string(&mut said).unwrap();
    assert_eq!(said, "SERVER:\t hello! you sent \"a \\xff\\x00 \\\"line\\\"\"\nSERVER:\t goodbye\n");
    let text = end(&machine, &mut domain);
    let [_, _, _, dropped, damaged, _, _, failed, ..] = numbers(&text, "vif 0: received")[..] else { panic!("{text}") };
    assert_eq!((dropped, damaged, failed), (0, 0, 0), "{text}");
    println!("{text}");
}

#[test]
#[ignore = "long"]
fn hundreds_of_connections_at_a_time_in_32_mib() {
    let mut machine = ready();
    (machine.shape.memory, machine.shape.vcpus) = (32, 1);
    let mut domain = echoing(&machine);
    // QEMU takes one connection after the other at each port of its own, and slowly.
    let ports: Vec<u16> = (0..20).map(|_| forwarded(&machine, 7)).collect();
    let begun = Instant::now();
    let mut streams: Vec<TcpStream> = (0..260).map(|number| connect_as_nobody_else(ports[number % 20])).collect();
    for round in 0..3 {
        for (number, stream) in streams.iter_mut().enumerate() {
            stream.write_all(&random((round * 1000 + number) as u64, 700)).unwrap();
        }
        for (number, stream) in streams.iter_mut().enumerate() {
            let mut back = vec![0; 700];
            stream.read_exact(&mut back).unwrap();
            assert!(back == random((round * 1000 + number) as u64, 700), "connection {number}, round {round}");
        }
    }
    println!("780 answers to 260 connections in {:?}", begun.elapsed());
    drop(streams);
    let text = end(&machine, &mut domain);
    holds(&text, &["most connections at a time: 260"]);
}

#[test]
#[ignore = "long"]
fn an_address_comes_by_dhcp_and_no_interface_is_said() {
    let mut machine = ready();
    let mut domain = machine.start("app=net");
    machine.wait_for(&mut domain, "address: 10.0.2.");
    machine.agent().shutdown(domain.name()).unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
    drop(domain);
    machine.shape.interfaces = 0;
    holds(&machine.said(ECHO), &["netecho: there is no network interface"]);
}

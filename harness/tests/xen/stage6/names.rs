//! Names, and addresses of IPv6.

use super::peer::{PEER, Peer};
use super::{SERVING, end, in_dom0, ready};
use crate::common::holds;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::udp;
use smoltcp::time::Duration as Span;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv6Packet, Icmpv6Repr, IpCidr, IpProtocol,
    Ipv6Address, Ipv6Packet, Ipv6Repr, NdiscPrefixInfoFlags, NdiscPrefixInformation, NdiscRepr, NdiscRouterFlags,
};
use std::net::Ipv6Addr;

/// What the server knows of a name: addresses, in the two kinds of records.
fn records(name: &str, kind: u16) -> Option<Vec<Vec<u8>>> {
    let v4 = |last: u8| vec![10, 1, 2, last];
    let v6 = |last: u16| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last).octets().to_vec();
    Some(match (name, kind) {
        ("both.example" | "liar.example", 1) => vec![v4(3), v4(4)],
        ("both.example", 28) => vec![v6(3)],
        ("four.example", 1) => vec![v4(9)],
        ("six.example", 28) => vec![v6(6)],
        ("four.example" | "six.example" | "liar.example", _) => vec![],
        _ => return None,
    })
}

/// The answer to a question (RFC 1035, section 4.1).
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    while *question.get(at)? != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8(question.get(at + 1..at + 1 + length)?.to_vec()).ok()?);
        at += 1 + length;
    }
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let found = records(&labels.join("."), kind);
    let (code, records) = found.map_or((3, Vec::new()), |records| (0, records));
    let count = (records.len() as u16).to_be_bytes();
    let mut reply = [&question[..2], &[0x81, 0x80 | code, 0, 1], &count, &[0; 4], &question[12..at + 5]].concat();
    for record in records {
        reply.extend([0xc0, 12]); // the name stands at byte 12
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60]);
        reply.extend((record.len() as u16).to_be_bytes());
        reply.extend(record);
    }
    Some(reply)
}

#[test]
#[ignore = "long"]
fn names_become_addresses_and_nonsense_is_no_answer() {
    let machine = ready();
    let names = "names=both.example,four.example,six.example,liar.example,none.example,10.9.8.7,fd00::7,a..b";
    let command_line = format!("app=resolve {names} ip=10.0.2.15/24 gw=10.0.2.2 dns=10.0.2.53");
    let mut domain = machine.start(&command_line);
    let mut server = Peer::new(&machine, &domain, &["10.0.2.53/24".parse().unwrap()]);
    let socket = server.udp(53);
    let mut rng = fastrand::Rng::with_seed(53);
    server.live(&mut domain, |server, domain| {
        let socket = server.sockets.get_mut::<udp::Socket<'_>>(socket);
        while let Ok((question, from)) = socket.recv() {
            let question = question.to_vec();
            let Some(right) = answer(&question) else { panic!("{question:02x?}") };
            if question.windows(4).any(|part| part == b"liar") {
                // Noise, answers cut off anywhere, with another number, a name that leads to itself, a count that lies.
                for _ in 0..10 {
                    let mut wrong = right.clone();
                    match rng.u8(..6) {
                        0 => wrong = (0..rng.usize(..100)).map(|_| rng.u8(..)).collect(),
                        1 => wrong.truncate(rng.usize(..right.len())),
                        2 => wrong[0] ^= 0x55,
                        3 if wrong.len() > question.len() => wrong[question.len() + 1] = question.len() as u8,
                        4 => wrong[2] ^= 0x80, // a question
                        _ => wrong.extend([0xff; 300]),
                    }
                    if wrong != right && !(wrong.starts_with(&right)) {
                        socket.send_slice(&wrong, from).unwrap();
                    }
                }
            }
            socket.send_slice(&right, from).unwrap();
        }
        domain.text().contains("bye: poweroff")
    });
    drop(server);
    let text = domain.text();
    holds(
        &text,
        &[
            "interface: vif 0, 00:16:3e:5d:06:00, MTU 1500, queues 2",
            "both.example: 10.1.2.3 10.1.2.4 fd00::3",
            "four.example: 10.1.2.9",
            "six.example: fd00::6",
            "none.example: there is no such name",
            "10.9.8.7: 10.9.8.7",
            "fd00::7: fd00::7",
            "a..b: there is no such name",
        ],
    );
    println!("{text}");
}

/// Has dom0 speak IPv6 for a while.
fn with_ipv6<R>(machine: &harness::machine::Machine, run: impl FnOnce() -> R) -> R {
    in_dom0(
        machine,
        "echo 0 > /proc/sys/net/ipv6/conf/xenbr0/disable_ipv6; echo 0 > /proc/sys/net/ipv6/conf/lo/disable_ipv6",
    );
    in_dom0(machine, "echo 0 > /proc/sys/net/ipv6/conf/xenbr0/accept_dad; ip -6 addr add fd00:5d::1/64 dev xenbr0");
    in_dom0(machine, "ip -6 addr add fd00:99::1/128 dev lo");
    let result = run();
    in_dom0(
        machine,
        "echo 1 > /proc/sys/net/ipv6/conf/xenbr0/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6",
    );
    result
}

#[test]
#[ignore = "long"]
fn connections_and_datagrams_come_by_ipv6_too() {
    let machine = ready();
    let mut domain = machine.start("app=netecho ip=10.0.2.15/24 ip6=fd00:5d::15/64 gw6=fd00:5d::1");
    machine.wait_for(&mut domain, SERVING);
    holds(&domain.text(), &["address: fd00:5d::15", "address: fe80::216:3eff:fe5d:600"]);
    with_ipv6(&machine, || {
        let file = "dd if=/dev/urandom of=/tmp/six bs=1000 count=200 2>/dev/null";
        let said = in_dom0(
            &machine,
            &format!("{file}; nc -w 20 fd00:5d::15 7 </tmp/six >/tmp/back; cmp /tmp/six /tmp/back && echo same"),
        );
        assert_eq!(said, "same\n");
        let said = in_dom0(&machine, "echo six | nc -w 20 fd00:5d::15 80");
        assert!(said.contains("hello! you sent \"six\\n\""), "{said}");
        for (from, size) in [("fd00:5d::1", 56), ("fd00:5d::1", 1400), ("fd00:99::1", 56)] {
            let said = in_dom0(&machine, &format!("ping6 -c 3 -W 20 -s {size} -I {from} fd00:5d::15"));
            assert!(said.contains(" 0% packet loss"), "{from}: {said}");
        }
        in_dom0(&machine, "rm /tmp/six /tmp/back");
    });
    // Datagrams, of which dom0 has no program.
    let mut peer = Peer::new(&machine, &domain, &["fd00:5d::77/64".parse::<IpCidr>().unwrap()]);
    let socket = peer.udp(4000);
    let guest = "[fd00:5d::15]:7".parse::<std::net::SocketAddr>().unwrap();
    for size in [0, 1, 100, 1452] {
        let sent = super::random(size as u64, size);
        peer.sockets.get_mut::<udp::Socket<'_>>(socket).send_slice(&sent, guest).unwrap();
        peer.live(&mut domain, |peer, _| match peer.sockets.get_mut::<udp::Socket<'_>>(socket).recv() {
            Ok((back, _)) => {
                assert!(back == sent, "{size} bytes");
                true
            }
            Err(_) => false,
        });
    }
    drop(peer);
    end(&machine, &mut domain);
}

/// What a router says of a network, to all (RFC 4861, section 4.2).
fn advertisement(prefix: Ipv6Address) -> Vec<u8> {
    let router = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x77);
    let all = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let lifetime = Span::from_secs(1800);
    let told = NdiscPrefixInformation {
        prefix_len: 64,
        flags: NdiscPrefixInfoFlags::ON_LINK | NdiscPrefixInfoFlags::ADDRCONF,
        valid_lifetime: lifetime,
        preferred_lifetime: lifetime,
        prefix,
    };
    let message = Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
        hop_limit: 64,
        flags: NdiscRouterFlags::empty(),
        router_lifetime: lifetime,
        reachable_time: Span::from_secs(0),
        retrans_time: Span::from_secs(0),
        lladdr: Some(EthernetAddress(PEER).into()),
        mtu: None,
        prefix_info: Some(told),
    });
    let payload_len = message.buffer_len();
    let packet =
        Ipv6Repr { src_addr: router, dst_addr: all, next_header: IpProtocol::Icmpv6, payload_len, hop_limit: 255 };
    let dst_addr = EthernetAddress([0x33, 0x33, 0, 0, 0, 1]);
    let header = EthernetRepr { src_addr: EthernetAddress(PEER), dst_addr, ethertype: EthernetProtocol::Ipv6 };
    let mut bytes = vec![0; 14 + packet.buffer_len() + payload_len];
    header.emit(&mut EthernetFrame::new_unchecked(&mut bytes));
    packet.emit(&mut Ipv6Packet::new_unchecked(&mut bytes[14..]));
    let icmp = &mut Icmpv6Packet::new_unchecked(&mut bytes[54..]);
    message.emit(&router, &all, icmp, &ChecksumCapabilities::default());
    bytes
}

#[test]
#[ignore = "long"]
fn a_router_tells_the_address() {
    let machine = ready();
    let mut domain = machine.start("app=netecho ip=none ip6=auto");
    let mut router = Peer::new(&machine, &domain, &["fe80::77/64".parse::<IpCidr>().unwrap()]);
    router.seen = Some(Vec::new());
    // The guest asks whether there is one (type 133).
    router.live(&mut domain, |router, _| {
        let asked =
            |frame: &Vec<u8>| frame.len() > 54 && frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 133;
        router.seen.as_ref().unwrap().iter().any(asked)
    });
    assert!(!domain.text().contains("address: "), "{}", domain.text());
    router.cable.put(&advertisement(Ipv6Address::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 0)));
    router.live(&mut domain, |_, domain| domain.text().contains(SERVING));
    holds(&domain.text(), &["address: fd00:77::216:3eff:fe5d:600"]);
    drop(router);
    machine.agent().shutdown(domain.name()).unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
}

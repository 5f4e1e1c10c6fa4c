//! Frames as they are on the wire: of every length, and such as no honest machine sends.

use super::peer::{PEER, Peer};
use super::{ECHO, PATIENCE, SERVING, connect, echo, echoing, end, forwarded, in_dom0, random, ready};
use crate::common::numbers;
use crate::machine::Ready;
use harness::course::FIRST_MAC;
use harness::domain::Domain;
use harness::machine::{Event, Machine, Vif};
use smoltcp::socket::tcp;
use smoltcp::wire::IpCidr;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

#[test]
fn datagrams_come_back_as_they_were() {
    let machine = ready();
    let mut domain = echoing(&machine);
    let agent = machine.agent();
    let vif = format!("vif{}.0", domain.id());
    let capture = agent.capture(&vif).unwrap();
    for (seed, size) in [0, 1, 2, 17, 18, 100, 1000, 1471, 1472].into_iter().enumerate() {
        let sent = random(seed as u64, size);
        agent.inject(&vif, &datagram(&sent)).unwrap();
        let begun = Instant::now();
        // From the guest, of UDP, and from the echo's port.
        let back = loop {
            assert!(begun.elapsed() < PATIENCE, "{size} bytes did not come back");
            match agent.events().next(Duration::from_millis(200)).unwrap() {
                Some(Event::Frame { sent: false, bytes, .. })
                    if bytes.len() >= 42 && bytes[23] == 17 && bytes[35] == 7 =>
                {
                    break bytes;
                }
                _ => {}
            }
        };
        assert_eq!((&back[..6], &back[26..30], &back[30..34]), (&PEER[..], &[10, 0, 2, 15][..], &[10, 0, 2, 77][..]));
        assert!(back[42..42 + size] == sent, "{size} bytes");
    }
    agent.stop_capture(capture).unwrap();
    end(&machine, &mut domain);
}

/// What the guest has in use, by its own account: connections, sockets, blocks of memory, bytes, grants and pages put aside.
fn in_use(machine: &Machine) -> [u64; 6] {
    let mut said = String::new();
    // We hang up first: so it is no connection of the guest's that has to be remembered for a while.
    BufReader::new(connect(forwarded(machine, 11))).read_line(&mut said).unwrap();
    numbers(&said, "connections ")[..].try_into().unwrap()
}

/// The same when nothing changes any more: half-open connections give up after ten seconds, forgotten ones after a minute.
fn settled(machine: &Machine) -> [u64; 6] {
    let (mut last, mut times) = (in_use(machine), 0);
    while times < 15 {
        std::thread::sleep(Duration::from_secs(1));
        let now = in_use(machine);
        times = if now == last { times + 1 } else { 0 };
        last = now;
    }
    last
}

/// Waits until there is no more in use than before. A list that was longer than ever keeps its room, and a ring its pages; but what is lost
/// with one frame in ten is more than that.
fn has_lost_nothing(machine: &Machine, before: [u64; 6]) {
    let begun = Instant::now();
    loop {
        let now = in_use(machine);
        let [bytes, grants] = [3, 4].map(|at| now[at].saturating_sub(before[at]));
        let same = [0, 1, 2, 5].iter().all(|at| now[*at] <= before[*at]);
        if same && bytes <= 4096 && grants <= 64 {
            return println!("in use before {before:?}, and {now:?} afterwards");
        }
        let seconds = begun.elapsed().as_secs();
        assert!(seconds < 180, "after {seconds} seconds there are still {now:?} in use, and not {before:?}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Everything that an interface should survive, in an order of this seed's.
fn mischief(machine: &Ready, domain: &mut Domain<'_>, seed: u64) {
    let agent = machine.agent();
    let vif = format!("vif{}.0", domain.id());
    let mut rng = fastrand::Rng::with_seed(seed);
    let source = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];
    let header = |kind: u16| [&FIRST_MAC[..], &source, &kind.to_be_bytes()].concat();
    for _ in 0..300 {
        // Noise behind a header of each kind; then packets that begin well and are cut, or lie about their lengths.
        let length = rng.usize(0..1486);
        let noise: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
        let kind = rng.choice([0x0800, 0x0806, 0x86dd, 0x1234, 0x8100]).unwrap();
        agent.inject(&vif, &[header(kind), noise].concat()).unwrap();
        let mut packet = syn(&mut rng);
        match rng.u8(..4) {
            0 => packet.truncate(rng.usize(14..packet.len())),
            1 => packet[16..18].copy_from_slice(&rng.u16(..).to_be_bytes()),
            2 => packet[14] = rng.u8(..),
            _ => {
                let at = rng.usize(14..packet.len());
                packet[at] ^= 1 << rng.u8(..8);
            }
        }
        agent.inject(&vif, &packet).unwrap();
    }
    // Longer than the guest's frames are: of two and of three slots.
    in_dom0(machine, &format!("ip link set {vif} mtu 9000"));
    for length in [1515, 4096, 4097, 5000, 8192, 9014] {
        agent.inject(&vif, &[header(0x0800), vec![0x45; length - 14]].concat()).unwrap();
    }
    in_dom0(machine, &format!("ip link set {vif} mtu 1500"));
    let mut peer = Peer::new(machine, domain, &["10.0.2.77/24".parse::<IpCidr>().unwrap()]);
    // First packets of connections that nobody goes on with, more than a listener has room for; then resets of connections that
    // aren't there.
    for number in 0..400 {
        let mut packet = syn(&mut rng);
        if number % 4 == 0 {
            packet[14 + 20 + 3] = 11; // a port with a backlog of two
        }
        agent.inject(&vif, &seal(packet)).unwrap();
    }
    for _ in 0..200 {
        let mut reset = syn(&mut rng);
        reset[14 + 20 + 13] = 4;
        agent.inject(&vif, &seal(reset)).unwrap();
    }
    // Connections that are there, and are reset: in the middle of what is said, or before anything is.
    let mut ports = 10_000_u16..;
    for _ in 0..3 {
        let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
        let sockets = (0..32).map(|_| peer.sockets.add(tcp::Socket::new(buffer(), buffer())));
        let handles: Vec<_> = sockets.collect();
        let state = |peer: &Peer<'_>, handle| peer.sockets.get::<tcp::Socket<'_>>(handle).state();
        peer.live(domain, |peer, _| {
            for handle in &handles {
                // Also again: whoever is slow may have to give way, as long as the flood isn't forgotten.
                if state(peer, *handle) == tcp::State::Closed {
                    peer.connect(*handle, (Ipv4Addr::new(10, 0, 2, 15), 7), ports.next().unwrap());
                }
            }
            handles.iter().all(|handle| state(peer, *handle) == tcp::State::Established)
        });
        for (number, handle) in handles.iter().enumerate() {
            let socket = peer.sockets.get_mut::<tcp::Socket<'_>>(*handle);
            if number % 2 == 0 {
                socket.send_slice(&random(seed, 2000)).unwrap();
            }
        }
        let mut turns = 0;
        peer.live(domain, |peer, _| {
            turns += 1;
            if turns == 20 {
                handles.iter().for_each(|handle| peer.sockets.get_mut::<tcp::Socket<'_>>(*handle).abort());
            }
            turns > 20 && handles.iter().all(|handle| state(peer, *handle) == tcp::State::Closed)
        });
        handles.into_iter().for_each(|handle| drop(peer.sockets.remove(handle)));
    }
}

#[test]
#[ignore = "long"]
fn garbage_leaves_the_guest_as_it_was() {
    let machine = ready();
    let mut domain = echoing(&machine);
    // What is made once and kept is there after the first time.
    mischief(&machine, &mut domain, 6);
    let before = settled(&machine);
    mischief(&machine, &mut domain, 7);
    for seed in 0..5 {
        echo(forwarded(&machine, 7), &random(seed, 20_000));
    }
    has_lost_nothing(&machine, before);
    let text = end(&machine, &mut domain);
    let [_, _, _, dropped, .., turned_away, broken] = numbers(&text, "vif 0: received")[..] else { panic!("{text}") };
    assert!(dropped >= 2 * 6 && turned_away > 50 && broken == 0, "{text}");
    println!("{text}");
}

/// dom0's bridge, with longer frames.
struct Long<'a>(&'a Machine);

impl<'a> Long<'a> {
    fn new(machine: &'a Machine) -> Self {
        in_dom0(machine, "ip link set xenbr0 mtu 9000");
        Self(machine)
    }
}

impl Drop for Long<'_> {
    fn drop(&mut self) {
        let _ = self.0.agent().exec(&["ip", "link", "set", "xenbr0", "mtu", "1500"], b"");
    }
}

/// A bridge whose frames are longer than a page.
#[test]
#[ignore = "long"]
fn frames_of_nine_thousand_bytes_go_both_ways() {
    let mut machine = ready();
    machine.shape.interfaces = 0;
    let mut domain = machine.start(ECHO);
    let long = Long::new(&machine);
    let mac = FIRST_MAC.map(|byte| format!("{byte:02x}")).join(":");
    let vif = Vif { mac: Some(mac), more: Some("mtu=9000".to_owned()), ..Vif::default() };
    machine.agent().attach_network(domain.name(), &vif).unwrap();
    machine.wait_for(&mut domain, SERVING);
    assert!(domain.text().contains("MTU 9000"), "{}", domain.text());
    // dom0's bridge has to learn of the new port; until then a frame may be lost.
    in_dom0(&machine, "for i in 1 2 3 4 5 6 7 8 9; do ping -c 1 -W 2 10.0.2.15 >/dev/null && break; done");
    for size in [1472, 4054, 4055, 8000, 8972] {
        let said = in_dom0(&machine, &format!("ping -c 3 -W 20 -s {size} 10.0.2.15"));
        assert!(said.contains(" 0% packet loss"), "{size} bytes: {said}");
    }
    let file = "dd if=/dev/urandom of=/tmp/jumbo bs=100000 count=20 2>/dev/null";
    let said = in_dom0(
        &machine,
        &format!("{file}; nc -w 60 10.0.2.15 7 </tmp/jumbo >/tmp/back; cmp /tmp/jumbo /tmp/back && echo same"),
    );
    assert_eq!(said, "same\n");
    in_dom0(&machine, "rm /tmp/jumbo /tmp/back; echo end | nc -w 20 10.0.2.15 9 || true");
    domain.power_off(machine.within(60.0)).unwrap();
    drop(long);
    let text = domain.text();
    let [_, _, _, dropped, damaged, _, _, failed, ..] = numbers(&text, "vif 0: received")[..] else { panic!("{text}") };
    assert_eq!((dropped, damaged, failed), (0, 0, 0), "{text}");
    println!("{text}");
}

/// A datagram for the echo, from that machine.
fn datagram(payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| (bytes as u16).to_be_bytes();
    let mut frame = [&FIRST_MAC[..], &PEER, &[8, 0, 0x45, 0], &length(28 + payload.len())].concat();
    frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 2, 77, 10, 0, 2, 15]);
    let header = frame[14..34].chunks(2).fold(0, |sum, pair| sum + u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    frame[24..26].copy_from_slice(&(!((header & 0xffff) + (header >> 16)) as u16).to_be_bytes());
    frame.extend(4000_u16.to_be_bytes());
    frame.extend(7_u16.to_be_bytes());
    frame.extend(length(8 + payload.len()));
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// The first packet of a connection to the echo, from somewhere.
fn syn(rng: &mut fastrand::Rng) -> Vec<u8> {
    let from = Ipv4Addr::new(10, 0, 2, rng.u8(100..200));
    let mut frame = [&FIRST_MAC[..], &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 8, 0]].concat();
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(from.octets());
    frame.extend([10, 0, 2, 15]);
    frame.extend(rng.u16(1024..).to_be_bytes());
    frame.extend(7_u16.to_be_bytes());
    frame.extend(rng.u32(..).to_be_bytes());
    frame.extend([0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0]);
    seal(frame)
}

/// Fills in both checksums of a packet made by `syn`.
fn seal(mut frame: Vec<u8>) -> Vec<u8> {
    let sum = |bytes: &[u8], start: u32| {
        let total = bytes.chunks(2).fold(start, |sum, pair| sum + u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let folded = (total & 0xffff) + (total >> 16);
        !(((folded & 0xffff) + (folded >> 16)) as u16)
    };
    frame[24..26].fill(0);
    let header = sum(&frame[14..34], 0);
    frame[24..26].copy_from_slice(&header.to_be_bytes());
    frame[50..52].fill(0);
    let pseudo =
        frame[26..34].chunks(2).fold(6 + 20, |sum, pair| sum + u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let segment = sum(&frame[34..54], pseudo);
    frame[50..52].copy_from_slice(&segment.to_be_bytes());
    frame
}

//! The protocols of one interface, and the thread that works for them.
//!
//! smoltcp is a state machine: somebody has to call it when a frame has come, when one of its timers is due, and when a socket has
//! something to send. The last is done by whoever uses the socket; the first two by a thread, which sleeps until the interface's
//! [`Signal`](crate::signal::Signal) is raised or the next timer is due. With nothing to do, nothing runs.
//!
//! Invariants: the stack's lock comes before the link's. A socket that was dropped stays until its connection has ended, but not for ever.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use smoltcp::iface::{self, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::{dhcpv4, dns, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use threads::sync::Mutex;
use threads::thread::{Builder, SpawnError};
use threads::time::{Nanoseconds, now};

use super::claim::Claim;
use super::config::{Config, Ipv4, Ipv6};
use super::gate::{Gate, Introduced};
use super::listener::Waiting;
use super::silence::{Change, Silence};
use super::{CHANGED, CONFIG, STACKS};
use crate::link::{Link, Mac, State};
use crate::phy::{Phy, Wire};
use crate::queues::Queues;
use crate::statistics::Counts;

/// Rounds of work before others may have the lock.
const ROUNDS: usize = 2;
/// How long a connection may take to end when nobody has its socket any more.
const LINGER: Duration = Duration::from_secs(60);
/// So many connections may remember that they have ended.
const REMEMBERED: usize = 32;
/// The first of the ports that nobody has to ask for (RFC 6335).
pub(super) const EPHEMERAL: u16 = 49152;

/// The protocols of an interface.
pub struct Stack {
    link: Arc<Link>,
    inner: Mutex<Inner>,
}

/// What is behind the stack's lock.
pub(super) struct Inner {
    config: Config,
    face: Option<Interface>,
    generation: u32,
    /// All sockets.
    pub sockets: SocketSet<'static>,
    dhcp: Option<SocketHandle>,
    /// The socket for names.
    pub dns: SocketHandle,
    /// Names that are asked for at this moment.
    pub questions: usize,
    servers: Vec<IpAddress>,
    lease: Option<(Ipv4Cidr, Option<smoltcp::wire::Ipv4Address>)>,
    /// Sockets that wait for connections.
    pub listeners: BTreeMap<u64, Waiting>,
    orphans: Vec<(SocketHandle, Nanoseconds)>,
    introduced: Introduced,
    claim: Claim,
    silence: Silence,
    asleep_until: Option<Nanoseconds>,
    next_port: u16,
    next_listener: u64,
}

impl Stack {
    /// The stack of this interface: an earlier one, or a new one.
    pub(crate) fn of(name: &str) -> Result<Arc<Self>, SpawnError> {
        let mut stacks = STACKS.lock();
        if let Some(stack) = stacks.iter().find(|stack| stack.link.name() == name) {
            return Ok(stack.clone());
        }
        let config = CONFIG.get().copied().unwrap_or_else(|| Config::read(console::boot_info::CommandLine("")));
        let number = name.parse().ok();
        let config = match config.interface {
            Some(wanted) if number != Some(wanted) => config.of_others(),
            None if !stacks.is_empty() => config.of_others(),
            _ => config,
        };
        let stack = Arc::new(Self { link: Arc::new(Link::new(name)), inner: Mutex::new(Inner::new(config)) });
        let own = stack.clone();
        Builder::new().name("network").spawn(move || own.run())?;
        stacks.push(stack.clone());
        drop(stacks);
        CHANGED.wake();
        Ok(stack)
    }

    /// The interface.
    pub fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// The interface's number among the domain's.
    pub fn number(&self) -> u32 {
        self.link.name().parse().unwrap_or(0) // the toolstack gives them numbers
    }

    /// The interface in a line, for people: its number, its Ethernet address, and what was agreed upon with the backend.
    pub fn describe(&self) -> String {
        let state = self.link.wait_for(|| self.link.state().lock());
        let name = self.link.name();
        match (&state.queues, state.address) {
            (Some(queues), Some(address)) if state.up => {
                format!("vif {name}, {}, MTU {}, queues {}", Mac(address), queues.mtu(), queues.len())
            }
            _ => format!("vif {name}, not connected"),
        }
    }

    /// How many sockets there are, those that only listen and those that are about to end among them.
    pub fn sockets(&self) -> usize {
        self.look(|inner| inner.sockets.iter().count())
    }

    /// Another machine that uses the IPv4 address of the interface, if one was noticed.
    pub fn rival(&self) -> Option<EthernetAddress> {
        self.look(|inner| inner.claim.other())
    }

    /// Its addresses, if it is connected; those that are good on this link only, last.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let inner = self.link.wait_for(|| self.inner.lock());
        let up = self.link.state().lock().up;
        let Some(face) = inner.face.as_ref().filter(|_| up) else { return Vec::new() };
        let mut addresses: Vec<IpAddr> = face.ip_addrs().iter().map(|cidr| cidr.address().into()).collect();
        addresses.sort_by_key(|address| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()));
        let global = addresses.iter().any(|address| !matches!(address, IpAddr::V6(a) if a.is_unicast_link_local()));
        // As long as a server or a router is asked, the interface isn't ready.
        let asks = inner.dhcp.is_some() || inner.config.ipv6 == Ipv6::Auto;
        if global || !asks { addresses } else { Vec::new() }
    }

    /// What the interface has done so far, also before it was detached and attached again.
    pub fn counts(&self) -> Counts {
        self.link.wait_for(|| self.link.state().lock()).counts()
    }

    /// The thread.
    fn run(&self) {
        loop {
            let deadline = {
                let mut inner = self.inner.lock();
                let deadline = inner.work(&self.link);
                inner.asleep_until = deadline;
                deadline
            };
            // There is more to be done at once: but first it is the turn of those who wait for what was done.
            if deadline.is_some_and(|deadline| now() >= deadline) {
                self.link.let_others();
            } else {
                self.link.signal().wait(deadline);
            }
        }
    }

    // ANCHOR: with
    /// Does something with the sockets, and then what there is to be done because of it.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.link.wait_for(|| self.inner.lock());
        let result = change(&mut inner);
        let deadline = inner.work(&self.link);
        // The thread sleeps until another time.
        if let Some(deadline) = deadline
            && inner.asleep_until.is_none_or(|asleep_until| deadline < asleep_until)
        {
            inner.asleep_until = Some(deadline);
            self.link.signal().raise();
        }
        result
    }
    // ANCHOR_END: with

    /// Does something that gives the protocols nothing to do.
    pub(super) fn look<R>(&self, look: impl FnOnce(&mut Inner) -> R) -> R {
        look(&mut self.link.wait_for(|| self.inner.lock()))
    }
}

impl Inner {
    fn new(config: Config) -> Self {
        let mut sockets = SocketSet::new(Vec::new());
        let dhcp = (config.ipv4 == Ipv4::Dhcp).then(|| sockets.add(dhcpv4::Socket::new()));
        let servers: Vec<IpAddress> = config.dns.into_iter().collect();
        let dns = sockets.add(dns::Socket::new(&servers, Vec::new()));
        Self {
            config,
            face: None,
            generation: 0,
            sockets,
            dhcp,
            dns,
            questions: 0,
            servers,
            lease: None,
            listeners: BTreeMap::new(),
            orphans: Vec::new(),
            introduced: Introduced::default(),
            claim: Claim::default(),
            silence: Silence::default(),
            asleep_until: None,
            next_port: EPHEMERAL + (random() % 8192) as u16,
            next_listener: 0,
        }
    }

    /// The interface's side of smoltcp, once it was connected.
    pub fn face(&mut self) -> Option<(&mut Interface, &mut SocketSet<'static>)> {
        Some((self.face.as_mut()?, &mut self.sockets))
    }

    /// A number for a listener.
    pub fn number(&mut self) -> u64 {
        self.next_listener += 1;
        self.next_listener
    }

    /// A port that no socket has, for one that doesn't care.
    pub fn free_port(&mut self) -> Option<u16> {
        (0..u16::MAX - EPHEMERAL).find_map(|_| {
            self.next_port = self.next_port.checked_add(1).unwrap_or(EPHEMERAL);
            (!self.is_used(self.next_port)).then_some(self.next_port)
        })
    }

    fn is_used(&self, port: u16) -> bool {
        self.sockets.iter().any(|(_, socket)| match socket {
            smoltcp::socket::Socket::Tcp(socket) => {
                socket.local_endpoint().is_some_and(|local| local.port == port) || socket.listen_endpoint().port == port
            }
            smoltcp::socket::Socket::Udp(socket) => socket.endpoint().port == port,
            _ => false,
        })
    }

    /// A connection whose socket nobody has any more: it ends by itself.
    pub fn abandon(&mut self, handle: SocketHandle) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        // Whoever still sends has to learn that nobody listens.
        if socket.can_recv() {
            socket.abort()
        } else {
            socket.close()
        }
        self.orphans.push((handle, threads::time::after(LINGER)));
    }

    // ANCHOR: work
    /// Does all there is to be done. Returns when there will be more, even if nothing comes.
    fn work(&mut self, link: &Link) -> Option<Nanoseconds> {
        let mut state = link.state().lock();
        let State { queues: Some(queues), up: true, generation, address: Some(address), .. } = &mut *state else {
            return None;
        };
        if self.generation != *generation {
            self.generation = *generation;
            self.begin(queues, *address);
        }
        let mac = *address;
        let mut face = self.face.take()?;
        let mut deadline = None;
        for round in 1..=ROUNDS {
            let now = instant(now());
            self.take_frames(&mut face, queues, mac, now);
            // A router may have told of a network: then there is an address more.
            let before = face.ip_addrs().len();
            face.poll_maintenance(now);
            if face.ip_addrs().len() != before {
                CHANGED.wake();
            }
            self.mind_address(link, &face, queues, mac);
            while face.poll_egress(now, &mut Phy(queues), &mut self.sockets) == PollResult::SocketStateChanged {}
            self.follow_dhcp(&mut face);
            self.tidy();
            let settled = queues.settle();
            deadline = match (settled.more, face.poll_delay(now, &self.sockets)) {
                (true, _) => Some(Duration::ZERO),
                // What can't be sent now needs no timer: an event will come.
                (false, Some(delay)) if settled.full => Some(Duration::from(delay).max(Duration::from_millis(100))),
                (false, delay) => delay.map(Duration::from),
            };
            if deadline != Some(Duration::ZERO) || round == ROUNDS {
                break;
            }
        }
        self.face = Some(face);
        let (answers, waiting) = queues.reap();
        match self.silence.look(answers, waiting, now()) {
            None => {}
            Some(Change::Silent) => {
                log::warn!("vif {}: the backend takes nothing any more: is its link down?", link.name())
            }
            Some(Change::Answers) => log::warn!("vif {}: the backend takes frames again", link.name()),
        }
        if queues.is_broken() {
            let queues = state.disconnect();
            log::error!("vif {}: the backend breaks the rules, and is left alone: {}", link.name(), state.counts());
            drop(state);
            drop(queues);
            return None;
        }
        let linger = self.orphans.iter().map(|(_, deadline)| *deadline).min();
        let more = [linger, self.claim.deadline(), self.silence.deadline()];
        deadline.map(threads::time::after).into_iter().chain(more.into_iter().flatten()).min()
    }
    // ANCHOR_END: work

    /// Hands the protocols as many frames as may be taken in a round.
    fn take_frames(&mut self, face: &mut Interface, queues: &mut Queues, mac: EthernetAddress, now: Instant) {
        loop {
            let full: Vec<u16> = self.listeners.values().filter(|one| one.full).map(|one| one.port).collect();
            let (introduced, claim, own) = (&mut self.introduced, &mut self.claim, own_address(face));
            let mut gate = Gate { queues, full, introduced, claim, mac, own };
            match face.poll_ingress_single(now, &mut Phy(&mut gate), &mut self.sockets) {
                PollIngressSingleResult::None => return,
                PollIngressSingleResult::PacketProcessed => {}
                // The next frame may be for a socket that takes the place of this one.
                PollIngressSingleResult::SocketStateChanged => self.refresh_listeners(),
            }
        }
    }

    /// Asks whether others use our address, says so if they do, and tells those who ask that it is ours.
    fn mind_address(&mut self, link: &Link, face: &Interface, queues: &mut Queues, mac: EthernetAddress) {
        let time = now();
        self.claim.set(own_address(face).map(|own| own.address()), time);
        if let Some((address, other)) = self.claim.take_news(time) {
            log::warn!("vif {}: {address} is in use already, by {}", link.name(), Mac(other));
        }
        while self.claim.is_due(time)
            && queues.can_send()
            && let Some(frame) = self.claim.due(mac, time)
        {
            queues.send(frame, false);
        }
    }

    /// Has each listener notice who has come.
    pub fn refresh_listeners(&mut self) {
        for listener in self.listeners.values_mut() {
            listener.refresh(&mut self.sockets);
        }
    }

    /// The interface was connected: perhaps with another address, and to another network.
    fn begin(&mut self, queues: &mut Queues, address: EthernetAddress) {
        let mut config = iface::Config::new(HardwareAddress::Ethernet(address));
        config.random_seed = random();
        config.slaac = self.config.ipv6 == Ipv6::Auto;
        let mut face = Interface::new(config, &mut Phy(queues), instant(now()));
        let local = link_local(address);
        face.update_ip_addrs(|addresses| {
            if let Ipv4::Static(cidr) = self.config.ipv4 {
                let _ = addresses.push(IpCidr::Ipv4(cidr)); // there is room for eight
            }
            if let Ipv6::Static(cidr) = self.config.ipv6 {
                let _ = addresses.push(IpCidr::Ipv6(cidr));
            }
            if !addresses.iter().any(|known| known.address() == local.address().into()) {
                let _ = addresses.push(IpCidr::Ipv6(local));
            }
        });
        if let Some(gateway) = self.config.gateway {
            let _ = face.routes_mut().add_default_ipv4_route(gateway); // there is room for two
        }
        if let Some(gateway) = self.config.gateway6 {
            let _ = face.routes_mut().add_default_ipv6_route(gateway);
        }
        if let Some(dhcp) = self.dhcp {
            self.sockets.get_mut::<dhcpv4::Socket<'_>>(dhcp).reset();
            self.lease = None;
        }
        self.introduced.clear();
        self.claim = Claim::default();
        self.silence = Silence::default();
        self.face = Some(face);
        CHANGED.wake();
    }

    fn follow_dhcp(&mut self, face: &mut Interface) {
        let Some(dhcp) = self.dhcp else { return };
        let lease = match self.sockets.get_mut::<dhcpv4::Socket<'_>>(dhcp).poll() {
            None => return,
            Some(dhcpv4::Event::Deconfigured) => None,
            Some(dhcpv4::Event::Configured(config)) => {
                if self.config.dns.is_none() {
                    self.servers = config.dns_servers.iter().map(|server| IpAddress::Ipv4(*server)).collect();
                }
                Some((config.address, config.router))
            }
        };
        if self.lease == lease {
            return;
        }
        face.update_ip_addrs(|addresses| {
            addresses.retain(|cidr| matches!(cidr, IpCidr::Ipv6(_)));
            if let Some((address, _)) = lease {
                let _ = addresses.insert(0, IpCidr::Ipv4(address)); // there is room for eight
            }
        });
        face.routes_mut().remove_default_ipv4_route();
        if let Some(gateway) = self.config.gateway.or(lease.and_then(|(_, router)| router)) {
            let _ = face.routes_mut().add_default_ipv4_route(gateway); // there is room for two
        }
        self.sockets.get_mut::<dns::Socket<'_>>(self.dns).update_servers(&self.servers);
        self.lease = lease;
        match lease {
            Some((address, _)) => log::info!("network: {address}, by DHCP"),
            None => log::info!("network: the address by DHCP is no longer ours"),
        }
        CHANGED.wake();
    }

    /// Forgets connections that have ended, and those that don't end.
    fn tidy(&mut self) {
        self.refresh_listeners();
        let time = now();
        let mut waiting = self.orphans.len();
        let sockets = &mut self.sockets;
        self.orphans.retain(|(handle, deadline)| {
            let state = sockets.get::<tcp::Socket<'_>>(*handle).state();
            let over = match state {
                tcp::State::Closed => true,
                tcp::State::TimeWait => waiting > REMEMBERED,
                _ => time >= *deadline,
            };
            if over {
                waiting -= 1;
                sockets.remove(*handle);
            }
            !over
        });
    }
}

/// The IPv4 address of an interface, with its network.
fn own_address(face: &Interface) -> Option<Ipv4Cidr> {
    face.ip_addrs().iter().find_map(|cidr| match cidr {
        IpCidr::Ipv4(cidr) => Some(*cidr),
        IpCidr::Ipv6(_) => None,
    })
}

/// smoltcp's measure of time.
fn instant(time: Nanoseconds) -> Instant {
    Instant::from_micros((time.0 / 1000) as i64)
}

/// The address that an interface has by itself (RFC 4291, appendix A).
fn link_local(EthernetAddress(mac): EthernetAddress) -> Ipv6Cidr {
    let [a, b, c, d, e, f] = mac.map(u16::from);
    let address = Ipv6Address::new(0xfe80, 0, 0, 0, (a ^ 2) << 8 | b, c << 8 | 0xff, 0xfe00 | d, e << 8 | f);
    Ipv6Cidr::new(address, 64)
}

/// A number that others can't easily know: for ports and sequence numbers. From the processor if it has one, mixed with the time.
fn random() -> u64 {
    let mut mixed = now().0 ^ crate::random::ticks().rotate_left(32) ^ crate::random::hardware();
    // The finaliser of MurmurHash3: each bit of the input changes half of the output's.
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        mixed = (mixed ^ mixed >> 33).wrapping_mul(factor);
    }
    mixed ^ mixed >> 33
}

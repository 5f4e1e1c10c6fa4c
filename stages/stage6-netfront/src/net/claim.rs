//! Whether our IPv4 address is ours alone.
//!
//! Follows RFC 5227, except that nothing waits for it: a service is to answer at once, and an address that is in use by another
//! machine as well is a mistake of somebody's that the network can't heal. So it is said, with the other's Ethernet address: otherwise
//! one looks for a long time for the reason why every second connection works. Others are told that the address is in use, and where:
//! they may remember another machine that had it before.
//!
//! Invariant: what others send costs one line a [`WHILE`], however much it is.

use alloc::vec::Vec;
use core::time::Duration;

use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Ipv4Address,
};
use threads::time::Nanoseconds;

/// How often others are asked, and how long after one another. After the first time they are told.
const PROBES: u8 = 3;
const BETWEEN: Duration = Duration::from_secs(1);
/// How long it is before the same is said again.
const WHILE: Duration = Duration::from_secs(60);

/// The address that we use, and what is known about others who do.
#[derive(Default)]
pub(crate) struct Claim {
    address: Option<Ipv4Address>,
    probes: u8,
    /// They have to be told where the address is.
    announce: bool,
    /// When others are asked again.
    next: Nanoseconds,
    /// Who uses it, too, and until when that has been said.
    other: Option<(EthernetAddress, Nanoseconds)>,
    /// Who has asked whether the address is free.
    asked_by: Option<EthernetAddress>,
    /// Whom a frame has just shown to use it.
    seen: Option<EthernetAddress>,
}

impl Claim {
    /// Says which address is used from now on.
    pub fn set(&mut self, address: Option<Ipv4Address>, now: Nanoseconds) {
        if self.address != address {
            let probes = if address.is_some() { PROBES } else { 0 };
            *self = Self { address, probes, announce: address.is_some(), next: now, ..Self::default() };
        }
    }

    /// Looks at a frame that has come.
    pub fn look(&mut self, frame: &[u8], own: EthernetAddress) {
        let Some(address) = self.address else { return };
        let Ok(ethernet) = EthernetFrame::new_checked(frame) else { return };
        if ethernet.ethertype() != EthernetProtocol::Arp {
            return;
        }
        let packet = ArpPacket::new_checked(ethernet.payload());
        let Ok(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        }) = packet.and_then(|packet| ArpRepr::parse(&packet))
        else {
            return;
        };
        if source_hardware_addr == own || !source_hardware_addr.is_unicast() {
            return;
        }
        if source_protocol_addr == address {
            self.seen = Some(source_hardware_addr);
        } else if source_protocol_addr.is_unspecified()
            && target_protocol_addr == address
            && operation == ArpOperation::Request
        {
            self.asked_by = Some(source_hardware_addr);
        }
    }

    /// Whoever turns out to use the address, too: once a while.
    pub fn take_news(&mut self, now: Nanoseconds) -> Option<(Ipv4Address, EthernetAddress)> {
        let seen = self.seen.take()?;
        if self.other.is_some_and(|(other, until)| other == seen && now < until) {
            return None;
        }
        self.other = Some((seen, now.after(WHILE)));
        Some((self.address?, seen))
    }

    /// Whoever uses the address, too, as far as is known.
    pub fn other(&self) -> Option<EthernetAddress> {
        self.other.map(|(other, _)| other)
    }

    /// Whether something has to be sent now.
    pub fn is_due(&self, now: Nanoseconds) -> bool {
        self.asked_by.is_some() || self.announce || (self.probes > 0 && now >= self.next)
    }

    /// What has to be sent now, if anything.
    pub fn due(&mut self, own: EthernetAddress, now: Nanoseconds) -> Option<Vec<u8>> {
        let address = self.address.filter(|_| self.is_due(now))?;
        if let Some(asker) = self.asked_by.take() {
            return Some(arp(ArpOperation::Reply, (own, address), (asker, Ipv4Address::UNSPECIFIED)));
        }
        if self.announce && self.probes < PROBES {
            self.announce = false;
            return Some(arp(ArpOperation::Request, (own, address), (EthernetAddress::BROADCAST, address)));
        }
        self.probes -= 1;
        self.next = now.after(BETWEEN);
        Some(arp(ArpOperation::Request, (own, Ipv4Address::UNSPECIFIED), (EthernetAddress::BROADCAST, address)))
    }

    /// When something will have to be sent, even if nothing comes.
    pub fn deadline(&self) -> Option<Nanoseconds> {
        (self.probes > 0).then_some(self.next)
    }
}

/// A frame with a packet of ARP, from one to another.
pub(super) fn arp(
    operation: ArpOperation,
    (source_hardware_addr, source_protocol_addr): (EthernetAddress, Ipv4Address),
    (dst_addr, target_protocol_addr): (EthernetAddress, Ipv4Address),
) -> Vec<u8> {
    let target_hardware_addr = if dst_addr.is_broadcast() { EthernetAddress([0; 6]) } else { dst_addr };
    let said = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr,
        source_protocol_addr,
        target_hardware_addr,
        target_protocol_addr,
    };
    let header = EthernetRepr { src_addr: source_hardware_addr, dst_addr, ethertype: EthernetProtocol::Arp };
    let mut bytes = alloc::vec![0; header.buffer_len() + said.buffer_len()];
    header.emit(&mut EthernetFrame::new_unchecked(&mut bytes));
    said.emit(&mut ArpPacket::new_unchecked(&mut bytes[header.buffer_len()..]));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
    const OTHER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
    const ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);

    fn at(seconds: u64) -> Nanoseconds {
        Nanoseconds(seconds * 1_000_000_000)
    }

    #[test]
    fn others_are_asked_three_times_and_told_apart() {
        let mut claim = Claim::default();
        assert_eq!((claim.due(OWN, at(1)), claim.deadline()), (None, None));
        claim.set(Some(ADDRESS), at(1));
        for second in 1..=3 {
            assert_eq!(claim.deadline(), Some(at(second)));
            let probe = claim.due(OWN, at(second)).unwrap();
            assert_eq!((probe.len(), &probe[..6], &probe[28..32]), (42, &[0xff; 6][..], &[0; 4][..]));
            if second == 1 {
                let told = claim.due(OWN, at(second)).unwrap();
                assert_eq!((&told[28..32], &told[38..42]), (&ADDRESS.octets()[..], &ADDRESS.octets()[..]));
                claim.look(&told, OWN);
            }
            assert_eq!(claim.due(OWN, at(second)), None);
            claim.set(Some(ADDRESS), at(second));
            // Our own question, as a bridge may bring it back.
            claim.look(&probe, OWN);
        }
        assert_eq!((claim.due(OWN, at(9)), claim.deadline(), claim.take_news(at(9))), (None, None, None));

        let reply = arp(ArpOperation::Reply, (OTHER, ADDRESS), (OWN, ADDRESS));
        for _ in 0..3 {
            claim.look(&reply, OWN);
        }
        assert_eq!((claim.take_news(at(9)), claim.other()), (Some((ADDRESS, OTHER)), Some(OTHER)));
        claim.look(&reply, OWN);
        assert_eq!(claim.take_news(at(60)), None);
        claim.look(&reply, OWN);
        assert_eq!(claim.take_news(at(70)), Some((ADDRESS, OTHER)));

        // Others speak of themselves.
        let others = arp(ArpOperation::Request, (OTHER, Ipv4Address::new(10, 0, 2, 16)), (OWN, ADDRESS));
        claim.look(&others, OWN);
        assert_eq!((claim.take_news(at(200)), claim.due(OWN, at(200))), (None, None));
        claim.set(None, at(201));
        assert_eq!(claim.other(), None);
    }

    #[test]
    fn whoever_asks_whether_the_address_is_free_is_told() {
        let mut claim = Claim::default();
        claim.set(Some(ADDRESS), at(0));
        let probe =
            arp(ArpOperation::Request, (OTHER, Ipv4Address::UNSPECIFIED), (EthernetAddress::BROADCAST, ADDRESS));
        claim.look(&probe, OWN);
        let reply = claim.due(OWN, at(0)).unwrap();
        assert_eq!((&reply[..6], &reply[6..12], reply[21]), (&OTHER.0[..], &OWN.0[..], 2));
        assert_eq!(&reply[28..32], &ADDRESS.octets());
        // A question of ours is still due, and a word.
        assert!(claim.due(OWN, at(0)).is_some_and(|probe| probe[21] == 1));
        assert!(claim.due(OWN, at(0)).is_some());
        for length in 0..probe.len() {
            claim.look(&probe[..length], OWN);
        }
        assert_eq!(claim.due(OWN, at(0)), None);
    }
}

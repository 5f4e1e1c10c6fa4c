//! What the command line says about the network.
//!
//! | key | value | without it |
//! |---|---|---|
//! | `ip` | `10.0.2.15/24`; `dhcp`; `none` | `dhcp` |
//! | `gw` | `10.0.2.2` | what DHCP says |
//! | `ip6` | `fd00::15/64`; `auto` for what routers say | a link-local address alone |
//! | `gw6` | `fd00::1` | |
//! | `dns` | `10.0.2.3` | what DHCP says |
//! | `vif` | the number of the interface | the first |
//!
//! The addresses are those of the interface that sockets are of; the others have what servers and routers give them.
//!
//! Invariant: a mistake in one value leaves the others as they are.

use core::net::IpAddr;

use console::boot_info::CommandLine;
use console::options::{Key, Values};
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

/// How IPv4 addresses are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ipv4 {
    /// A server is asked.
    Dhcp,
    /// This one.
    Static(Ipv4Cidr),
    /// There is none.
    None,
}

/// How IPv6 addresses are found. There always is a link-local one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ipv6 {
    /// There is no other.
    LinkLocal,
    /// What routers say.
    Auto,
    /// This one.
    Static(Ipv6Cidr),
}

/// What is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// IPv4.
    pub ipv4: Ipv4,
    /// Where packets go that are for other networks.
    pub gateway: Option<Ipv4Address>,
    /// IPv6.
    pub ipv6: Ipv6,
    /// The same for IPv6.
    pub gateway6: Option<Ipv6Address>,
    /// Whom to ask for names.
    pub dns: Option<IpAddress>,
    /// The interface that sockets are of.
    pub interface: Option<u32>,
}

/// The keys.
pub const KEYS: &[Key] = &[
    Key { name: "ip", values: Values::Like("an address as 10.0.2.15/24, dhcp or none", |text| ipv4(text).is_some()) },
    Key { name: "gw", values: Values::Like("an address as 10.0.2.2", |text| text.parse::<Ipv4Address>().is_ok()) },
    Key { name: "ip6", values: Values::Like("an address as fd00::15/64, or auto", |text| ipv6(text).is_some()) },
    Key { name: "gw6", values: Values::Like("an address as fd00::1", |text| text.parse::<Ipv6Address>().is_ok()) },
    Key { name: "dns", values: Values::Like("an address as 10.0.2.3", |text| text.parse::<IpAddr>().is_ok()) },
    Key { name: "vif", values: Values::Number },
];

fn ipv4(text: &str) -> Option<Ipv4> {
    match text {
        "dhcp" => Some(Ipv4::Dhcp),
        "none" => Some(Ipv4::None),
        _ => text.parse::<Ipv4Cidr>().ok().filter(|cidr| cidr.address().is_usable()).map(Ipv4::Static),
    }
}

fn ipv6(text: &str) -> Option<Ipv6> {
    match text {
        "auto" => Some(Ipv6::Auto),
        _ => text.parse::<Ipv6Cidr>().ok().filter(|cidr| !cidr.address().is_multicast()).map(Ipv6::Static),
    }
}

trait Usable {
    fn is_usable(&self) -> bool;
}

impl Usable for Ipv4Address {
    fn is_usable(&self) -> bool {
        !self.is_unspecified() && !self.is_multicast() && !self.is_broadcast()
    }
}

impl Config {
    /// Reads the command line.
    pub fn read(line: CommandLine<'_>) -> Self {
        Self {
            ipv4: line.get("ip").and_then(ipv4).unwrap_or(Ipv4::Dhcp),
            gateway: line.get("gw").and_then(|text| text.parse().ok()),
            ipv6: line.get("ip6").and_then(ipv6).unwrap_or(Ipv6::LinkLocal),
            gateway6: line.get("gw6").and_then(|text| text.parse().ok()),
            dns: line.get("dns").and_then(|text| text.parse::<IpAddr>().ok()).map(IpAddress::from),
            interface: line.get("vif").and_then(|text| text.parse().ok()),
        }
    }

    /// What holds for interfaces that sockets are not of: an address that the command line names is not theirs.
    pub fn of_others(self) -> Self {
        Self {
            ipv4: if matches!(self.ipv4, Ipv4::Static(_)) { Ipv4::None } else { self.ipv4 },
            ipv6: if matches!(self.ipv6, Ipv6::Static(_)) { Ipv6::LinkLocal } else { self.ipv6 },
            gateway: None,
            gateway6: None,
            ..self
        }
    }
}

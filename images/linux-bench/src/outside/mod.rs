//! What dom0 sees of a guest: how soon and how fast it serves a page by HTTP, and whether it answers each of many pings.
//!
//! The same for every guest. Invariant: until the guest's first byte nothing else runs in dom0.

mod carrier;
mod domain;
mod first_byte;
mod http;
mod ping;

pub use ping::flood;

use std::net::Ipv4Addr;
use std::process::Command;

/// For connections that are refused, or time out.
const PORT: u16 = 80;

/// Has the guest begin, and measures.
pub fn measure(domain: &str, address: &str, mac: &str) -> Result<(), String> {
    let domain: u16 = domain.parse().map_err(|error| format!("{domain}: {error}"))?;
    let address: Ipv4Addr = address.parse().map_err(|error| format!("{address}: {error}"))?;
    introduce(address, mac)?;

    let first = first_byte::after_the_start(domain, address)?;
    std::thread::sleep(crate::REST);
    let figures = [
        ("first-http-byte", Ok(vec![first])),
        ("ping", ping::round_trips(address)),
        ("http-request", http::requests(address, 1)),
        ("http-request-of-64", http::requests(address, 64)),
    ];
    let mut told = Vec::new();
    for (name, samples) in figures {
        told.push((name, Some(samples.map_err(|error| format!("{name}: {error}"))?)));
    }
    crate::report(0, told);
    Ok(())
}

/// Tells dom0 the guest's Ethernet address. It would ask for it once a second, and the first byte would wait for that.
fn introduce(address: Ipv4Addr, mac: &str) -> Result<(), String> {
    let arp = Command::new("arp").args(["-s", &address.to_string(), mac]).output();
    let arp = arp.map_err(|error| format!("arp: {error}"))?;
    arp.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&arp.stderr).into_owned())
}

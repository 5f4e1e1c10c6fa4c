//! The guest that a stage's checks run in, as `lab.toml` describes it.

use crate::machine::{Action, CreateOptions, Vif};
use serde::Deserialize;

/// What the guest of a check gets from Xen.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuestShape {
    /// Memory in MiB.
    pub memory: u32,
    /// Memory in MiB that it may grow to, where that is more.
    pub maxmem: Option<u32>,
    /// Virtual processors.
    pub vcpus: u32,
    /// Event channel ports, where `xl`'s own limit of 1023 is too low.
    pub event_channels: Option<u32>,
    /// Network interfaces. The first has the address [`FIRST_MAC`], the next ones those behind it.
    pub interfaces: u8,
    /// MiB of the disk `xvda` that a check's guest has: zeros at each boot, and dom0 can look into it.
    pub disk: Option<u32>,
}

/// The Ethernet address of a guest's first interface: of those that Xen's vendor has set aside for guests.
pub const FIRST_MAC: [u8; 6] = [0x00, 0x16, 0x3e, 0x5d, 0x06, 0x00];

impl Default for GuestShape {
    fn default() -> Self {
        Self { memory: 32, maxmem: None, vcpus: 1, event_channels: None, interfaces: 0, disk: None }
    }
}

impl GuestShape {
    /// The domain of this shape that boots an image of dom0's.
    pub fn options(&self, name: String, kernel: &str, command_line: &str) -> CreateOptions {
        CreateOptions {
            cmdline: command_line.to_owned(),
            memory_mib: self.memory,
            maxmem_mib: self.maxmem,
            vcpus: self.vcpus,
            max_event_channels: self.event_channels,
            vifs: (0..self.interfaces).map(interface).collect(),
            // What a guest has printed is still in its ring when Xen crashes it, and goes with the domain.
            on_crash: Action::Preserve,
            ..CreateOptions::new(name, kernel)
        }
    }
}

/// The interface of this number.
fn interface(number: u8) -> Vif {
    let [a, b, c, d, e, f] = FIRST_MAC;
    let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{:02x}", f + number);
    Vif { mac: Some(mac), ..Vif::default() }
}

//! The demos about devices: `app=devices`, and `app=wait`, which does nothing but what dom0 asks for.
//!
//! A driver that goes through the whole handshake with a real backend, and makes no use of the device: enough to see devices come
//! and go, by `xl block-attach`, `xl network-attach` and their opposites.
//!
//! Invariant: an unused ring looks empty to the backend.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use console::boot_info::CommandLine;
use console::println;
use events::port::{self, Binding};

use crate::frontend::{self, Details, Device, DeviceError, Driver, Kind};
use crate::grant_entry::Access;
use crate::grants::SharedPage;
use crate::state::Style;

/// Connects to every disk and network interface, and says so.
pub(super) fn devices(command_line: CommandLine<'_>) {
    frontend::register(Kind { name: "vbd", style: Style::InTwoSteps, make: |_| Box::new(Idle::default()) });
    frontend::register(Kind { name: "vif", style: Style::InOneStep, make: |_| Box::new(Idle::default()) });
    wait(command_line);
}

/// Waits for ever, for those who want to see what dom0 can ask for.
pub(super) fn wait(_: CommandLine<'_>) {
    println!("waiting");
    loop {
        threads::thread::park(None);
    }
}

/// A driver of a device that nobody uses.
#[derive(Default)]
struct Idle {
    rings: Vec<SharedPage>,
    port: Option<Binding>,
    name: Option<Device>,
}

impl Driver for Idle {
    fn publish(&mut self, device: &Device) -> Result<Details, DeviceError> {
        let rings: &[&str] = if device.kind == "vif" { &["tx-ring-ref", "rx-ring-ref"] } else { &["ring-ref"] };
        let mut details = Details::new();
        self.name = Some(device.clone());
        for ring in rings {
            let page = SharedPage::new(device.backend_domain, Access::ReadWrite)?;
            // An empty ring (`SHARED_RING_INIT` in `public/io/ring.h`): both sides want to hear of the first entry.
            page.write(4, &1_u32.to_le_bytes());
            page.write(12, &1_u32.to_le_bytes());
            details.push(((*ring).into(), format!("{}", page.reference().0)));
            self.rings.push(page);
        }
        let port = port::allocate_unbound(device.backend_domain, |_| {}, 0)?;
        details.push(("event-channel".into(), format!("{}", port.port().0)));
        self.port = Some(port);
        let more: &[(&str, &str)] = match device.kind {
            "vif" => &[("request-rx-copy", "1"), ("feature-no-csum-offload", "1"), ("feature-sg", "0")],
            _ => &[("protocol", "x86_64-abi"), ("feature-persistent", "0")],
        };
        details.extend(more.iter().map(|(key, value)| ((*key).into(), (*value).into())));
        Ok(details)
    }

    fn connect(&mut self, device: &Device) -> Result<(), DeviceError> {
        let [sectors] = device.backend_numbers(["sectors"])?;
        match (device.kind, sectors) {
            ("vbd", None) => return Err(DeviceError::Backend("the backend doesn't say how large the disk is")),
            (_, Some(sectors)) => println!("{} {}: connected, {sectors} sectors", device.kind, device.name),
            (_, None) => println!("{} {}: connected", device.kind, device.name),
        }
        println!("{} {}: ring mapped: {}", device.kind, device.name, self.rings.iter().all(SharedPage::is_mapped));
        Ok(())
    }

    fn release(&mut self) {
        self.port = None;
        let rings = self.rings.len();
        self.rings.clear();
        let (device, deferred) = (self.name.take(), crate::grants::statistics().deferred);
        if let Some(Device { kind, name, .. }) = device {
            println!("{kind} {name}: released, {deferred} of {rings} pages still mapped");
        }
    }
}

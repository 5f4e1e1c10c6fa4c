//! The guest of a check session: a domain of the real Xen in the test host.

use super::expect::Facts;
use super::outside::{DISK, Outside};
use super::session::{Guest, Happened};
use crate::course::GuestShape;
use crate::domain::empty_disk;
use crate::error::Result;
use crate::machine::{Event, Machine, Reason};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where the image is put in dom0.
const KERNEL: &str = "/images/guest";

/// Boots of this process: a test host serves many sessions, and no two of their domains share a name.
static BOOTS: AtomicU32 = AtomicU32::new(0);

/// Boots one image again and again, each time as a domain of a new name. What is left of them is destroyed when dropped.
pub struct XenGuest<'a> {
    machine: &'a Machine,
    shape: &'a GuestShape,
    name: String,
    running: bool,
    /// Those that crashed: Xen keeps them, and their memory tells more of the crash.
    crashed: Vec<String>,
    outside: Option<Outside<'a>>,
    first: Option<u32>,
}

/// What dom0 says about the machine.
pub fn facts(machine: &Machine) -> Result<Facts> {
    let info = machine.xen_info()?;
    let field = |name: &str| info.get(name).cloned().unwrap_or_default();
    let version = format!("{}.{}", field("xen_major"), field("xen_minor"));
    Ok(Facts { xen_version: version, xen_extra: field("xen_extra"), xen_capabilities: field("xen_caps") })
}

impl<'a> XenGuest<'a> {
    /// Puts the image into dom0.
    pub fn new(machine: &'a Machine, image: &[u8], shape: &'a GuestShape) -> Result<Self> {
        machine.agent().put(KERNEL, image)?;
        Ok(Self {
            machine,
            shape,
            name: String::new(),
            running: false,
            crashed: Vec::new(),
            outside: None,
            first: None,
        })
    }

    /// The id of the first domain, which tells Xen's word on these boots from that on earlier ones.
    pub fn first_domain(&self) -> u32 {
        self.first.unwrap_or(0)
    }
}

impl Drop for XenGuest<'_> {
    fn drop(&mut self) {
        self.outside = None;
        for name in self.crashed.iter().chain(self.running.then_some(&self.name)) {
            // Where this fails the test host is lost, and whoever needs it next will hear of it.
            let _ = self.machine.agent().begin_destroy(name);
        }
    }
}

impl Guest for XenGuest<'_> {
    fn boot(&mut self, command_line: &str) -> Result<()> {
        self.outside = None;
        if self.running {
            self.machine.agent().begin_destroy(&self.name)?;
        }
        self.name = format!("stage-{}", BOOTS.fetch_add(1, Ordering::Relaxed));
        let mut options = self.shape.options(self.name.clone(), KERNEL, command_line);
        if let Some(mib) = self.shape.disk {
            options.disks.push(empty_disk(self.machine, DISK, mib)?);
        }
        let domain = self.machine.agent().create(&options)?;
        self.first.get_or_insert(domain.domid);
        self.outside = Some(Outside::new(self.machine.agent(), domain));
        self.running = true;
        Ok(())
    }

    fn next(&mut self, patience: Duration) -> Happened {
        let held = self.outside.as_mut().and_then(Outside::held);
        match held.map_or_else(|| self.machine.agent().events().next(patience), |event| Ok(Some(event))) {
            Ok(Some(Event::Frame { sent: false, bytes, .. })) => {
                self.outside.iter_mut().for_each(|outside| outside.note(bytes.clone()));
                Happened::Nothing
            }
            Err(error) => Happened::Lost(error.to_string()),
            Ok(Some(Event::Console { domain, bytes })) if domain == self.name => Happened::Printed(bytes),
            Ok(Some(Event::Exited { domain, reason, .. })) if domain == self.name => {
                self.running = false;
                if reason == Reason::Crash {
                    self.crashed.push(self.name.clone());
                }
                Happened::Ended(reason.to_string())
            }
            // An event of an earlier boot, or none at all: the session looks at its own deadline.
            Ok(_) => Happened::Nothing,
        }
    }

    fn ask_dom0(&mut self, asked: &BTreeMap<String, String>) -> (&'static str, String) {
        match &mut self.outside {
            Some(outside) => outside.answer(asked),
            None => ("dom0", "error".to_owned()),
        }
    }
}

//! The frontend: how a disk connects, and goes.
//!
//! Follows Xen's `public/io/blkif.h`, "XenStore Nodes", and Linux's `drivers/block/xen-blkback/xenbus.c`. Each feature takes both
//! sides: what the backend offers, and what the command line allows.
//!
//! | node | whose | |
//! |---|---|---|
//! | `max-ring-page-order`, `ring-page-order`, `ring-ref<n>` | back, front, front | a ring of more than one page |
//! | `multi-queue-max-queues`, `multi-queue-num-queues`, `queue-<n>/` | back, front, front | a ring for each vCPU |
//! | `feature-persistent` | both | the backend keeps our pages mapped |
//! | `feature-max-indirect-segments` | back | requests of more than 11 segments |
//! | `feature-flush-cache`, `feature-discard` | back | what it can do besides reading and writing |
//! | `sectors`, `sector-size`, `info` | back | the disk |
//!
//! Invariant: a disk is in the list while its backend is connected, and no longer.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use console::boot_info::CommandLine;
use console::options::{Key, Values};
use xenbus::frontend::{self, Details, Device, DeviceError, Driver, Kind};
use xenbus::state::Style;

use crate::blkif::{DIRECT, SECTOR};
use crate::disk::{Disk, Facts};
use crate::disks;
use crate::error::Reason;
use crate::name::Name;
use crate::pages::Pool;
use crate::queue::Queue;
use crate::requests::Limits;

/// Segments of a request at most: 256 KiB.
const MOST_SEGMENTS: u64 = 64;
/// Pages of a ring, as a power of two: room for 128 requests.
const ORDER: u64 = 2;
/// How long a backend may take to answer a request.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Bits of `info`: the disk is read-only (`VDISK_READONLY`).
const READ_ONLY: u64 = 4;

const ON_OFF: Values = Values::OneOf(&["on", "off"]);

/// What the command line may say about disks.
pub const KEYS: &[Key] = &[
    Key { name: "disk-persistent", values: ON_OFF },
    Key { name: "disk-indirect", values: ON_OFF },
    Key { name: "disk-flush", values: ON_OFF },
    Key { name: "disk-discard", values: ON_OFF },
    Key { name: "disk-ring-order", values: Values::Number },
    Key { name: "disk-queues", values: Values::Number },
    Key { name: "disk-patience", values: Values::Number },
];

/// What the command line allows.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    persistent: bool,
    indirect: bool,
    flush: bool,
    discard: bool,
    order: u64,
    queues: u64,
    patience: Duration,
}

impl Wishes {
    /// Reads them. Everything that isn't switched off is on.
    pub fn new(line: CommandLine<'_>) -> Self {
        let on = |key| line.get(key) != Some("off");
        let number =
            |key, most: u64| line.get(key).and_then(|value| value.parse().ok()).map_or(most, |n: u64| n.min(most));
        let patience =
            line.get("disk-patience").and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds > 0);
        Self {
            patience: patience.map_or(PATIENCE, Duration::from_secs),
            persistent: on("disk-persistent"),
            indirect: on("disk-indirect"),
            flush: on("disk-flush"),
            discard: on("disk-discard"),
            order: number("disk-ring-order", ORDER),
            queues: number("disk-queues", u64::from(console::xen::vcpu_count())).max(1),
        }
    }
}

/// Has all disks driven from now on.
pub(crate) fn start(line: CommandLine<'_>) {
    *WISHES.lock() = Some(Wishes::new(line));
    let make = |device: &Device| -> Box<dyn Driver> { Box::new(Frontend::new(device)) };
    frontend::register(Kind { name: "vbd", style: Style::InTwoSteps, make });
}

static WISHES: console::lock::Lock<Option<Wishes>> = console::lock::Lock::new(None);

/// The driver of one disk.
struct Frontend {
    number: u64,
    name: Name,
    wishes: Wishes,
    pool: Option<Arc<Pool>>,
    queues: Vec<Arc<Queue>>,
    disk: Option<Arc<Disk>>,
}

impl Frontend {
    fn new(device: &Device) -> Self {
        let number = device.name.parse().unwrap_or(0);
        let wishes = *WISHES.lock().get_or_insert_with(|| Wishes::new(CommandLine("")));
        Self { number, name: Name::of(number), wishes, pool: None, queues: Vec::new(), disk: None }
    }

    /// What the backend says about the disk.
    fn facts(&self, device: &Device) -> Result<Facts, DeviceError> {
        let [sectors, block, indirect, info, flush, discard, persistent] = device.backend_numbers([
            "sectors",
            "sector-size",
            "feature-max-indirect-segments",
            "info",
            "feature-flush-cache",
            "feature-discard",
            "feature-persistent",
        ])?;
        let sectors = sectors.ok_or(DeviceError::Backend("it doesn't say how large the disk is"))?;
        let block = block.unwrap_or(SECTOR as u64);
        if !block.is_power_of_two() || !(SECTOR as u64..=4096).contains(&block) {
            return Err(DeviceError::Backend("its blocks are of a size that can't be"));
        }
        if sectors > u64::MAX / SECTOR as u64 {
            return Err(DeviceError::Backend("the disk is larger than can be"));
        }
        let indirect = indirect.filter(|_| self.wishes.indirect).unwrap_or(0);
        let limits = Limits {
            sectors,
            block: block / SECTOR as u64,
            read_only: info.unwrap_or(0) & READ_ONLY != 0,
            segments: (indirect.min(MOST_SEGMENTS) as usize).max(DIRECT),
        };
        Ok(Facts {
            limits,
            flush: self.wishes.flush && flush == Some(1),
            discard: self.wishes.discard && discard == Some(1),
            persistent: self.wishes.persistent && persistent == Some(1),
        })
    }

    // ANCHOR: open
    /// Makes the queues, and says what the backend has to know.
    fn open(&mut self, device: &Device) -> Result<Details, DeviceError> {
        let [order, queues] = device.backend_numbers(["max-ring-page-order", "multi-queue-max-queues"])?;
        let order = order.unwrap_or(0).min(self.wishes.order);
        let queues = queues.unwrap_or(1).clamp(1, self.wishes.queues);
        let mut details = Details::new();
        let mut tell = |key: String, value: u64| details.push((key, value.to_string()));
        for index in 0..queues {
            let queue = Queue::open(device.backend_domain, order as u32, index as u32)?;
            let folder = if queues > 1 { format!("queue-{index}/") } else { String::new() };
            let (pages, port) = queue.details();
            match pages[..] {
                [page] if order == 0 => tell(format!("{folder}ring-ref"), page.0.into()),
                _ => pages.iter().enumerate().for_each(|(n, page)| tell(format!("{folder}ring-ref{n}"), page.0.into())),
            }
            port.iter().for_each(|port| tell(format!("{folder}event-channel"), port.0.into()));
            self.queues.push(queue);
        }
        if order > 0 {
            tell("ring-page-order".into(), order);
        }
        if queues > 1 {
            tell("multi-queue-num-queues".into(), queues);
        }
        tell("feature-persistent".into(), self.wishes.persistent.into());
        details.push(("protocol".into(), "x86_64-abi".into()));
        self.pool = Some(Arc::new(Pool::new(device.backend_domain)));
        Ok(details)
    }
    // ANCHOR_END: open
}

impl Driver for Frontend {
    fn publish(&mut self, device: &Device) -> Result<Details, DeviceError> {
        self.release(); // whatever there was before
        disks::set_failed(self.name, false);
        self.open(device).inspect_err(|_| disks::set_failed(self.name, true))
    }

    fn connect(&mut self, device: &Device) -> Result<(), DeviceError> {
        let facts = self.facts(device).inspect_err(|_| disks::set_failed(self.name, true))?;
        if let Some(disk) = &self.disk {
            disk.set_facts(facts); // it has another size now
            return Ok(());
        }
        let pool = self.pool.clone().ok_or(DeviceError::Backend("it is connected to nothing"))?;
        if facts.persistent {
            pool.keep();
        }
        let (handle, patience) = (self.number as u16, self.wishes.patience);
        let disk = Disk::new(self.name, handle, facts, patience, pool, self.queues.clone());
        self.disk = Some(disk.clone());
        disks::add(disk);
        Ok(())
    }

    // ANCHOR: release
    fn release(&mut self) {
        if let Some(disk) = self.disk.take() {
            disks::remove(&disk);
        }
        for queue in self.queues.drain(..) {
            queue.close(Reason::Detached);
        }
        if let Some(pool) = self.pool.take() {
            pool.clear();
        }
    }
    // ANCHOR_END: release
}

//! The disks that are there.
//!
//! Invariant: a disk is found from the moment that its backend is connected until it goes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use console::lock::Lock;
use threads::time::{Nanoseconds, after, now};
use threads::wait_queue::WaitQueue;
use xenbus::frontend;
use xenbus::protocol::{Refusal, StoreError};
use xenbus::state::State;
use xenbus::store::Store;

use crate::disk::Disk;
use crate::error::{DiskError, Reason};
use crate::name::Name;

static DISKS: Lock<Vec<Arc<Disk>>> = Lock::new(Vec::new());
static CHANGED: WaitQueue = WaitQueue::new();

/// How long a backend may take to connect.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a disk that isn't connected yet is looked for in xenstore.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) fn add(disk: Arc<Disk>) {
    let mut disks = DISKS.lock();
    disks.push(disk);
    disks.sort_by_key(|disk| disk.name());
    drop(disks);
    CHANGED.wake(usize::MAX);
}

pub(crate) fn remove(disk: &Arc<Disk>) {
    DISKS.lock().retain(|known| !Arc::ptr_eq(known, disk));
    CHANGED.wake(usize::MAX);
}

/// The disks that are connected, by their names.
pub fn list() -> Vec<Arc<Disk>> {
    DISKS.lock().clone()
}

/// The names of the disks that the toolstack has given this guest, connected or not.
///
/// # Errors
/// If xenstore can't tell.
pub fn configured() -> Result<Vec<Name>, StoreError> {
    match Store::shared().directory("device/vbd") {
        Err(StoreError::Refused(Refusal::NotFound)) => Ok(Vec::new()),
        numbers => {
            let mut names: Vec<Name> = numbers?.iter().filter_map(|text| text.parse().ok()).map(Name::of).collect();
            names.sort();
            Ok(names)
        }
    }
}

fn find(name: Name) -> Option<Arc<Disk>> {
    DISKS.lock().iter().find(|disk| disk.name() == name).cloned()
}

impl Disk {
    /// The disk of this name. One that the toolstack is just about to connect is waited for.
    ///
    /// # Errors
    /// [`Reason::NoSuchDisk`] if there is none, and [`Reason::TimedOut`] or [`Reason::Detached`] for one that doesn't connect.
    pub fn open(name: &str) -> Result<Arc<Self>, DiskError> {
        let disk = Name::new(name);
        let error = |reason| DiskError { disk, reason };
        let deadline = after(PATIENCE);
        loop {
            if let Some(disk) = find(disk) {
                return Ok(disk);
            }
            match configured() {
                Ok(names) if !names.contains(&disk) => return Err(error(Reason::NoSuchDisk)),
                Err(reason) => return Err(error(reason.into())),
                Ok(_) => {}
            }
            if is_closed(disk) {
                return Err(error(Reason::Detached));
            }
            if now() >= deadline {
                return Err(error(Reason::TimedOut));
            }
            wait_for_change(disk, after(LOOK).min(deadline));
        }
    }
}

fn wait_for_change(disk: Name, deadline: Nanoseconds) {
    CHANGED.wait(Some(deadline), || find(disk).is_none());
}

/// Whether the handshake of this disk has ended.
fn is_closed(disk: Name) -> bool {
    let is_this = |number: &str| number.parse().is_ok_and(|number| Name::of(number) == disk);
    let devices = frontend::list();
    devices.iter().any(|(device, state)| device.kind == "vbd" && *state == State::Closed && is_this(&device.name))
}

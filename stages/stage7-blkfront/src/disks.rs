//! The disks that are there.
//!
//! Invariant: a disk is found from the moment that its backend is connected until it goes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use console::lock::Lock;
use threads::time::{Nanoseconds, after, now};
use threads::wait_queue::WaitQueue;
use xenbus::protocol::{Refusal, StoreError};
use xenbus::store::Store;

use crate::disk::Disk;
use crate::error::{DiskError, Reason};
use crate::name::Name;

static DISKS: Lock<Vec<Arc<Disk>>> = Lock::new(Vec::new());
/// Those with which no handshake was possible.
static FAILED: Lock<Vec<Name>> = Lock::new(Vec::new());
static CHANGED: WaitQueue = WaitQueue::new();

/// How long a backend may take to connect.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a disk that isn't connected yet is looked for in xenstore.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) fn add(disk: Arc<Disk>) {
    {
        let mut disks = DISKS.lock();
        disks.push(disk);
        disks.sort_by_key(|disk| disk.name());
    }
    CHANGED.wake(usize::MAX);
}

/// Says whether the handshake with this disk has failed.
pub(crate) fn set_failed(disk: Name, has_failed: bool) {
    let mut failed = FAILED.lock();
    failed.retain(|known| *known != disk);
    if has_failed {
        failed.push(disk);
    }
    drop(failed);
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
    /// [`Reason::NoSuchDisk`] if there is none, and [`Reason::TimedOut`] or [`Reason::Unusable`] for one that doesn't connect.
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
            if FAILED.lock().contains(&disk) {
                return Err(error(Reason::Unusable));
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

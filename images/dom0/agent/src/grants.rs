//! Pages that guests have granted to dom0: mapped through `/dev/xen/gntdev`.
//!
//! Follows Linux's `include/uapi/xen/gntdev.h`. Invariant: a page is mapped from [`Grants::map`] to [`Grants::unmap`], and its
//! guest may change it all the while; it is copied byte by byte and never borrowed.

use crate::locked;
use rustix::fs::{Mode, OFlags};
use rustix::ioctl::{Updater, ioctl};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::collections::HashMap;
use std::ffi::c_void;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

const DEVICE: &str = "/dev/xen/gntdev";
const PAGE: usize = 4096;

/// `IOCTL_GNTDEV_MAP_GRANT_REF`.
const MAP_GRANT_REF: u32 = 0x0018_4700;

/// `struct ioctl_gntdev_map_grant_ref` for one page.
#[repr(C)]
struct MapGrantRef {
    count: u32,
    padding: u32,
    index: u64,
    domain: u32,
    reference: u32,
}

/// The pages that are mapped.
#[derive(Default)]
pub struct Grants {
    mapped: Mutex<HashMap<u64, Mapping>>,
}

/// A page of a guest's, mapped.
pub struct Mapping {
    /// Closing it gives the grant back.
    _device: OwnedFd,
    address: *mut c_void,
}

// SAFETY: the mapping is as good in any thread, and used under the lock.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `Mapping::new`, and nobody has a pointer into it.
        let _ = unsafe { munmap(self.address, PAGE) };
    }
}

impl Mapping {
    /// Maps what a domain granted by this reference.
    pub fn new(domain: u32, reference: u32) -> Result<Self, String> {
        let fail =
            |what: &str, error: rustix::io::Errno| format!("{what} grant {reference} of domain {domain}: {error}");
        let open = rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        let device = open.map_err(|error| format!("{DEVICE}: {error}"))?;
        let mut request = MapGrantRef { count: 1, padding: 0, index: 0, domain, reference };
        // SAFETY: the operation reads and writes this structure.
        let updater = unsafe { Updater::<MAP_GRANT_REF, MapGrantRef>::new(&mut request) };
        // SAFETY: as above.
        unsafe { ioctl(&device, updater) }.map_err(|error| fail("take", error))?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let mapped = unsafe { mmap(std::ptr::null_mut(), PAGE, access, MapFlags::SHARED, &device, request.index) };
        mapped.map(|address| Self { _device: device, address }).map_err(|error| fail("map", error))
    }

    /// Copies bytes out of the page.
    pub fn read(&self, offset: u32, bytes: u32) -> Result<Vec<u8>, String> {
        let place = self.place(offset, bytes as usize)?;
        // SAFETY: within the page, which is mapped as long as this is.
        Ok((0..bytes as usize).map(|index| unsafe { place.wrapping_add(index).read_volatile() }).collect())
    }

    /// Copies bytes into the page.
    fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), String> {
        let place = self.place(offset, bytes.len())?;
        for (index, byte) in bytes.iter().enumerate() {
            // SAFETY: as in `read`.
            unsafe { place.wrapping_add(index).write_volatile(*byte) };
        }
        Ok(())
    }

    fn place(&self, offset: u32, length: usize) -> Result<*mut u8, String> {
        let fits = (offset as usize).checked_add(length).is_some_and(|end| end <= PAGE);
        let place = self.address.cast::<u8>().wrapping_add(offset as usize);
        if fits { Ok(place) } else { Err(format!("{length} bytes at {offset} are not within a page")) }
    }
}

impl Grants {
    /// Maps a page for reading and writing, and returns the mapping's number.
    pub fn map(&self, domain: u32, reference: u32) -> Result<u64, String> {
        let mapping = Mapping::new(domain, reference)?;
        let mut mapped = locked(&self.mapped);
        let number = mapped.keys().max().map_or(1, |last| last + 1);
        mapped.insert(number, mapping);
        Ok(number)
    }

    /// Copies bytes out of a page.
    pub fn read(&self, mapping: u64, offset: u32, bytes: u32) -> Result<Vec<u8>, String> {
        find(&locked(&self.mapped), mapping)?.read(offset, bytes)
    }

    /// Copies bytes into a page.
    pub fn write(&self, mapping: u64, offset: u32, bytes: &[u8]) -> Result<(), String> {
        find(&locked(&self.mapped), mapping)?.write(offset, bytes)
    }

    /// Unmaps a page.
    pub fn unmap(&self, mapping: u64) -> Result<(), String> {
        locked(&self.mapped).remove(&mapping).map(drop).ok_or_else(|| format!("there is no mapping {mapping}"))
    }
}

fn find(mapped: &HashMap<u64, Mapping>, mapping: u64) -> Result<&Mapping, String> {
    mapped.get(&mapping).ok_or_else(|| format!("there is no mapping {mapping}"))
}

//! Memory of other domains: mapped here, or copied.
//!
//! Follows `GNTTABOP_map_grant_ref`, `unmap_grant_ref` and `copy` in Xen's `public/grant_table.h`. Xen fills the page table entry
//! itself, and only Xen may make it empty again; so the addresses come from an [`Area`] whose tables are there already.
//!
//! Invariant: a mapping is whole, or there is none. Its memory changes at any moment, as it is another domain's.

use alloc::vec::Vec;

use console::types::{Domid, PAGE_SIZE, Pfn};
use memory::area::Area;
use memory::entry::Access as PageAccess;
use memory::frames;
use memory::translate::pfn_to_mfn;

use crate::grant_entry::Access;
use crate::grant_hypercall::operate;
use crate::grants::{GrantError, GrantRef};

const MAP: u64 = 0;
const UNMAP: u64 = 1;
const COPY: u64 = 5;

/// `struct gnttab_map_grant_ref`.
#[repr(C)]
struct MapOperation {
    address: u64,
    flags: u32,
    reference: u32,
    domain: u16,
    status: i16,
    handle: u32,
    bus_address: u64,
}

/// `struct gnttab_unmap_grant_ref`.
#[repr(C)]
struct UnmapOperation {
    address: u64,
    bus_address: u64,
    handle: u32,
    status: i16,
}

/// Frames of another domain, mapped at adjacent pages until this is dropped.
pub struct Mapping {
    area: Area,
    handles: Vec<u32>,
}

impl Mapping {
    // ANCHOR: map
    /// Maps what a domain has granted us, all of it or nothing.
    ///
    /// # Errors
    /// If Xen refuses one of the references, and if there is no memory for the mapping.
    pub fn new(domain: Domid, references: &[GrantRef], access: Access) -> Result<Self, GrantError> {
        const HOST_MAP: u32 = 2;
        const READ_ONLY: u32 = 4;
        let flags = if access == Access::ReadOnly { HOST_MAP | READ_ONLY } else { HOST_MAP };
        let area = prepare(references.len())?;
        let page = |index: usize| area.range().start + (index * PAGE_SIZE) as u64;
        let mut operations: Vec<MapOperation> = references
            .iter()
            .enumerate()
            .map(|(index, reference)| {
                let (address, reference) = (page(index), reference.0);
                MapOperation { address, flags, reference, domain: domain.0, status: -1, handle: 0, bus_address: 0 }
            })
            .collect();
        // SAFETY: laid out as Xen's; the addresses are the area's, where nothing is mapped.
        unsafe { operate(MAP, &mut operations) }.map_err(GrantError::Xen)?;
        let refused = operations.iter().map(|operation| operation.status).find(|status| *status != 0);
        let mapped = operations.iter().filter(|operation| operation.status == 0);
        match refused {
            None => Ok(Self { handles: mapped.map(|operation| operation.handle).collect(), area }),
            Some(status) => {
                unmap(mapped.map(|operation| (operation.address, operation.handle)));
                Err(GrantError::Refused(status))
            }
        }
    }
    // ANCHOR_END: map

    /// The first byte of the first page.
    pub fn address(&self) -> *mut u8 {
        self.area.address()
    }

    /// How many pages are mapped.
    pub fn pages(&self) -> usize {
        self.handles.len()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start = self.area.range().start;
        let pages = self.handles.iter().enumerate();
        unmap(pages.map(|(index, handle)| (start + (index * PAGE_SIZE) as u64, *handle)));
    }
}

/// An area in which nothing is mapped, but for which there are page tables.
fn prepare(pages: usize) -> Result<Area, GrantError> {
    let mut area = Area::reserve(pages * PAGE_SIZE).map_err(|_| GrantError::OutOfMemory)?;
    // Mapping anything there makes the tables, which stay.
    let any = frames::allocate(1).map_err(|_| GrantError::OutOfMemory)?;
    let frame = pfn_to_mfn(any.first()).ok_or(GrantError::OutOfMemory)?;
    for page in 0..pages {
        area.map(page, &[frame], PageAccess::Read).map_err(|_| GrantError::OutOfMemory)?;
    }
    area.unmap(0, pages).map_err(|_| GrantError::OutOfMemory)?;
    Ok(area)
}

fn unmap(mappings: impl Iterator<Item = (u64, u32)>) {
    let operation = |(address, handle)| UnmapOperation { address, bus_address: 0, handle, status: 0 };
    let mut operations: Vec<UnmapOperation> = mappings.map(operation).collect();
    // SAFETY: laid out as Xen's; nobody uses these addresses any more.
    let done = unsafe { operate(UNMAP, &mut operations) };
    let all = operations.iter().all(|operation| operation.status == 0);
    assert!(done.is_ok() && all, "Xen refused to unmap a grant: {done:?}");
}

/// One end of a copy: bytes from `offset` on, within one page.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Of a page that a domain has granted us.
    Granted(Domid, GrantRef),
    /// Of a page of our own.
    Own(Pfn),
}

#[repr(C)]
struct Place {
    frame: u64,
    domain: u16,
    offset: u16,
}

/// `struct gnttab_copy`.
#[repr(C)]
struct CopyOperation {
    source: Place,
    target: Place,
    length: u16,
    flags: u16,
    status: i16,
}

/// Has Xen copy bytes between two pages, of which at least one is another domain's.
///
/// # Errors
/// If Xen refuses: bytes beyond the end of a page, or a reference that isn't granted.
///
/// # Safety
/// If the target is a page of our own, its bytes must not be anybody's but the caller's.
pub unsafe fn copy(source: (End, u16), target: (End, u16), length: u16) -> Result<(), GrantError> {
    const SOURCE_GRANTED: u16 = 1;
    const TARGET_GRANTED: u16 = 2;
    let place = |(end, offset): (End, u16), granted: u16| match end {
        End::Granted(domain, GrantRef(reference)) => {
            Ok((Place { frame: reference.into(), domain: domain.0, offset }, granted))
        }
        End::Own(pfn) => {
            let frame = pfn_to_mfn(pfn).ok_or(GrantError::OutOfMemory)?.0;
            Ok((Place { frame, domain: Domid::SELF.0, offset }, 0))
        }
    };
    let (source, source_flag) = place(source, SOURCE_GRANTED)?;
    let (target, target_flag) = place(target, TARGET_GRANTED)?;
    let mut operations = [CopyOperation { source, target, length, flags: source_flag | target_flag, status: -1 }];
    // SAFETY: laid out as Xen's; what is written is the caller's promise.
    unsafe { operate(COPY, &mut operations) }.map_err(GrantError::Xen)?;
    match operations[0].status {
        0 => Ok(()),
        status => Err(GrantError::Refused(status)),
    }
}

const _: () = assert!(size_of::<MapOperation>() == 32 && size_of::<UnmapOperation>() == 24);
const _: () = assert!(size_of::<CopyOperation>() == 40);

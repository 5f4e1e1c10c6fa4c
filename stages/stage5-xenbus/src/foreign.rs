//! Memory of other domains: mapped here, or copied.
//!
//! Follows `GNTTABOP_map_grant_ref`, `unmap_grant_ref` and `copy` in Xen's `public/grant_table.h`. Xen fills the page table entry
//! itself, and only Xen may make it empty again; so the addresses come from an [`Area`] whose tables are there already.
//!
//! To end a mapping takes no memory: it may be done because there is none left.
//!
//! Invariant: a mapping is whole, or there is none. Its memory changes at any moment, as it is another domain's.

use alloc::vec::Vec;
use core::array;
use core::mem::ManuallyDrop;
use core::time::Duration;

use console::Errno;
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

/// Operations that Xen gets at a time: few enough to stand on a thread's stack, as what is unmapped must need no memory.
const BATCH: usize = 32;

/// Frames of another domain, mapped at adjacent pages until this is dropped.
pub struct Mapping {
    area: ManuallyDrop<Area>,
    mapped: Vec<Mapped>,
}

/// A page of the area, and what Xen calls what is mapped there.
#[derive(Clone, Copy)]
struct Mapped {
    address: u64,
    handle: u32,
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
        let mut mapped = Vec::new();
        mapped.try_reserve_exact(references.len()).map_err(|_| GrantError::OutOfMemory)?;
        let area = ManuallyDrop::new(prepare(references.len())?);
        let mut mapping = Self { area, mapped }; // from here on, dropping it unmaps what is mapped
        let mut address = mapping.area.range().start;
        for references in references.chunks(BATCH) {
            let mut operations: [MapOperation; BATCH] = array::from_fn(|index| {
                let reference = references.get(index).map_or(0, |reference| reference.0);
                let address = address + (index * PAGE_SIZE) as u64;
                MapOperation { address, flags, reference, domain: domain.0, status: -1, handle: 0, bus_address: 0 }
            });
            let operations = &mut operations[..references.len()];
            // SAFETY: laid out as Xen's; the addresses are the area's, where nothing is mapped.
            let done = carry_out(operations, |operations| unsafe { operate(MAP, operations) });
            let works = operations.iter().filter(|operation| operation.status == 0);
            mapping
                .mapped
                .extend(works.map(|operation| Mapped { address: operation.address, handle: operation.handle }));
            done?;
            address += (references.len() * PAGE_SIZE) as u64;
        }
        Ok(mapping)
    }
    // ANCHOR_END: map

    /// The first byte of the first page.
    pub fn address(&self) -> *mut u8 {
        self.area.address()
    }

    /// How many pages are mapped.
    pub fn pages(&self) -> usize {
        self.mapped.len()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let mut result = Ok(());
        for mapped in self.mapped.chunks(BATCH) {
            let mut operations: [UnmapOperation; BATCH] = array::from_fn(|index| {
                let Mapped { address, handle } = mapped[index.min(mapped.len() - 1)];
                UnmapOperation { address, bus_address: 0, handle, status: -1 }
            });
            // SAFETY: laid out as Xen's; nobody uses these addresses any more.
            let unmap = |operations: &mut [UnmapOperation]| unsafe { operate(UNMAP, operations) };
            result = result.and(carry_out(&mut operations[..mapped.len()], unmap));
        }
        match result {
            // SAFETY: this is the one drop, and the area isn't used behind it.
            Ok(()) => unsafe { ManuallyDrop::drop(&mut self.area) },
            // Somebody's frame is still there: nothing else may ever be.
            Err(error) => log::error!("{} pages stay mapped: {error}", self.mapped.len()),
        }
    }
}

/// An operation that Xen says the outcome of: a status of `GNTST_*`.
trait Operation {
    fn status(&self) -> i16;
}

impl Operation for MapOperation {
    fn status(&self) -> i16 {
        self.status
    }
}

impl Operation for UnmapOperation {
    fn status(&self) -> i16 {
        self.status
    }
}

impl Operation for CopyOperation {
    fn status(&self) -> i16 {
        self.status
    }
}

/// Has Xen carry out operations. One that it can't do now, as it has to get the frame from somewhere first, is tried again.
///
/// # Errors
/// The first that failed; the others were carried out, or failed, too.
fn carry_out<O: Operation>(
    operations: &mut [O],
    mut operate: impl FnMut(&mut [O]) -> Result<(), Errno>,
) -> Result<(), GrantError> {
    const NOT_NOW: i16 = -12; // GNTST_eagain
    const ATTEMPTS: u32 = 10; // a second in all
    operate(operations).map_err(GrantError::Xen)?;
    for operation in operations.chunks_mut(1) {
        for attempt in 0..ATTEMPTS {
            if operation[0].status() != NOT_NOW {
                break;
            }
            pause(Duration::from_millis(1 << attempt));
            operate(operation).map_err(GrantError::Xen)?;
        }
    }
    let refused = operations.iter().map(Operation::status).find(|status| *status != 0);
    refused.map_or(Ok(()), |status| Err(GrantError::Refused(status)))
}

fn pause(time: Duration) {
    #[cfg(not(test))]
    threads::thread::sleep(time);
    #[cfg(test)]
    let _ = time;
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
    carry_out(&mut operations, |operations| unsafe { operate(COPY, operations) })
}

const _: () = assert!(size_of::<MapOperation>() == 32 && size_of::<UnmapOperation>() == 24);
const _: () = assert!(size_of::<CopyOperation>() == 40);

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    struct Counted {
        /// How often Xen says that it can't now.
        refusals: u32,
        then: i16,
        status: i16,
        tries: u32,
    }

    impl Operation for Counted {
        fn status(&self) -> i16 {
            self.status
        }
    }

    fn xen(operations: &mut [Counted]) -> Result<(), Errno> {
        for one in operations {
            one.status = if one.tries < one.refusals { -12 } else { one.then };
            one.tries += 1;
        }
        Ok(())
    }

    #[test]
    fn what_can_not_be_done_now_is_tried_again_and_nothing_else() {
        let one = |refusals, then| Counted { refusals, then, status: -1, tries: 0 };
        let mut operations = vec![one(0, 0), one(3, 0), one(0, 0), one(1, 0)];
        assert_eq!(carry_out(&mut operations, xen), Ok(()));
        assert!(operations.iter().all(|one| one.tries == one.refusals + 1));

        let mut operations = vec![one(2, -3), one(0, -9), one(1, 0)];
        assert_eq!(carry_out(&mut operations, xen), Err(GrantError::Refused(-3)));
        assert_eq!(operations.iter().map(|one| one.tries).collect::<Vec<_>>(), [3, 1, 2]);

        // For ever is too long.
        assert_eq!(carry_out(&mut [one(u32::MAX, 0)], xen), Err(GrantError::Refused(-12)));
        assert_eq!(carry_out(&mut [one(0, 0)], |_| Err(Errno::EINVAL)), Err(GrantError::Xen(Errno::EINVAL)));
    }
}

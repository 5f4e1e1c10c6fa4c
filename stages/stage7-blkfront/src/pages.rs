//! Pages that a backend can reach: the ring's, and those that data goes through.
//!
//! Data is copied into pages of the disk's own, and out of them. A backend reaches whole pages; what else is in a page of somebody's
//! buffer is none of its business. Where both sides agree on *persistent grants* the backend keeps the pages mapped, and the same ones
//! are used again and again; mapping them costs it more than copying costs us. Otherwise each page is granted for one request.
//!
//! Invariant: a page that the backend may still reach isn't free memory. (See [`SharedPage`].) And whatever becomes of a request,
//! its pages go back to where they came from.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;
use core::sync::atomic::{AtomicU32, Ordering};

use console::lock::Lock;
use console::types::{Domid, PAGE_SIZE};
use xenbus::grant_entry::Access;
use xenbus::grants::{GrantError, SharedPage};

use crate::ring::Shared;

/// The memory of a ring: pages that need not be neighbours.
pub struct RingPages(pub Vec<SharedPage>);

impl RingPages {
    /// As many pages as the order says: 2 to its power.
    ///
    /// # Errors
    /// If there is no memory, or no reference.
    pub fn new(backend: Domid, order: u32) -> Result<Self, GrantError> {
        (0..1 << order).map(|_| SharedPage::new(backend, Access::ReadWrite)).collect::<Result<_, _>>().map(Self)
    }

    fn place(&self, offset: usize) -> *mut u8 {
        self.0[offset / PAGE_SIZE].address().wrapping_add(offset % PAGE_SIZE)
    }
}

impl Shared for RingPages {
    fn bytes(&self) -> usize {
        self.0.len() * PAGE_SIZE
    }

    fn load_u32(&self, offset: usize) -> u32 {
        // SAFETY: within a page of ours, and aligned, as the offset is a multiple of 4.
        unsafe { self.place(offset).cast::<u32>().read_volatile() }
    }

    fn store_u32(&self, offset: usize, value: u32) {
        // SAFETY: as in `load_u32`.
        unsafe { self.place(offset).cast::<u32>().write_volatile(value) }
    }

    fn load(&self, offset: usize) -> u64 {
        // SAFETY: as in `load_u32`, with a multiple of 8.
        unsafe { self.place(offset).cast::<u64>().read_volatile() }
    }

    fn store(&self, offset: usize, value: u64) {
        // SAFETY: as in `load`.
        unsafe { self.place(offset).cast::<u64>().write_volatile(value) }
    }
}

/// Where the pages for data come from.
pub struct Pool {
    backend: Domid,
    /// Those that the backend has mapped, and that nobody uses now. `None` if each is granted for one request only.
    kept: Lock<Option<Vec<SharedPage>>>,
    made: AtomicU32,
}

impl Pool {
    /// For this backend.
    pub fn new(backend: Domid) -> Self {
        Self { backend, kept: Lock::new(None), made: AtomicU32::new(0) }
    }

    /// From now on pages are kept for further requests.
    pub fn keep(&self) {
        *self.kept.lock() = Some(Vec::new());
    }

    /// How many pages were granted so far.
    pub fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }

    /// Takes so many pages. Whatever a page held for an earlier request of this disk may still be in it.
    ///
    /// # Errors
    /// If there is no memory, or no reference.
    pub fn take(self: &Arc<Self>, count: usize, access: Access) -> Result<Pages, GrantError> {
        let mut pages = Vec::new();
        pages.try_reserve_exact(count).map_err(|_| GrantError::OutOfMemory)?;
        let keeps = match &mut *self.kept.lock() {
            Some(kept) => {
                // The last ones first: those are what the backend's caches hold.
                let from = kept.len().saturating_sub(count);
                pages.extend(kept.drain(from..));
                true
            }
            None => false,
        };
        // What is kept is for reading and writing, whatever it is needed for now.
        let access = if keeps { Access::ReadWrite } else { access };
        let mut pages = Pages { pool: self.clone(), pages };
        while pages.pages.len() < count {
            pages.pages.push(SharedPage::new(self.backend, access)?);
            self.made.fetch_add(1, Ordering::Relaxed);
        }
        Ok(pages)
    }

    fn give_back(&self, pages: Vec<SharedPage>) {
        if let Some(kept) = &mut *self.kept.lock()
            && kept.try_reserve(pages.len()).is_ok()
        {
            return kept.extend(pages);
        }
        drop(pages); // which ends the grants
    }

    /// The backend is gone, or goes.
    pub fn clear(&self) {
        let kept = self.kept.lock().take();
        drop(kept);
    }
}

/// Pages for the data of a request. When they are dropped, the pool has them again.
pub struct Pages {
    pool: Arc<Pool>,
    pages: Vec<SharedPage>,
}

impl Deref for Pages {
    type Target = [SharedPage];

    fn deref(&self) -> &[SharedPage] {
        &self.pages
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.pool.give_back(core::mem::take(&mut self.pages));
    }
}

/// Copies bytes into pages, the first to the beginning of the first page.
pub fn fill(pages: &[SharedPage], skip: usize, bytes: &[u8]) {
    each_part(skip, bytes.len(), |page, offset, range| pages[page].write(offset, &bytes[range]));
}

/// Copies bytes out of pages, `skip` of which are left out.
pub fn drain(pages: &[SharedPage], skip: usize, bytes: &mut [u8]) {
    each_part(skip, bytes.len(), |page, offset, range| pages[page].read(offset, &mut bytes[range]));
}

/// Cuts `length` bytes from `skip` on where pages end: page, offset in it, and which of the bytes they are.
fn each_part(skip: usize, length: usize, mut run: impl FnMut(usize, usize, core::ops::Range<usize>)) {
    let mut done = 0;
    while done < length {
        let (page, offset) = ((skip + done) / PAGE_SIZE, (skip + done) % PAGE_SIZE);
        let here = (PAGE_SIZE - offset).min(length - done);
        run(page, offset, done..done + here);
        done += here;
    }
}

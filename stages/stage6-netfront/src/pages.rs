//! Pages that a backend may use as long as the interface is connected.
//!
//! A page is granted when it is first needed and stays so: to grant and to revoke each frame's page would cost more than to copy the
//! frame. So a page is either *spare*, or *offered* in a ring; the backend could read or write it in both states, but what it does to a
//! spare page nobody looks at.
//!
//! Invariant: a [`Page`] is held by one side at a time: it is taken from the spare ones, and given back.

use alloc::vec::Vec;

use console::types::{Domid, PAGE_SIZE};
use xenbus::grant_entry::Access;
use xenbus::grants::{GrantRef, SharedPage};

/// A page of a [`Pool`], by its number.
#[derive(PartialEq, Eq, Debug)]
pub struct Page(u16);

impl Page {
    /// For those who make pools of their own: checks and tests.
    pub fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.0
    }
}

/// Where pages come from, and how their content is reached. Tests have pages that nobody shares.
pub trait Memory {
    /// Makes one more page. Returns whether there is one.
    fn grow(&mut self) -> bool;

    /// What the backend has to be told for this page.
    fn reference(&self, number: u16) -> GrantRef;

    /// Copies bytes out of a page, as they are at this moment.
    fn read(&self, number: u16, offset: usize, bytes: &mut [u8]);

    /// Copies bytes to the beginning of a page.
    fn write(&self, number: u16, bytes: &[u8]);
}

/// The pages of one direction.
pub struct Pool<S> {
    memory: S,
    made: u16,
    most: u16,
    spare: Vec<u16>,
}

impl<S: Memory> Pool<S> {
    /// A pool of at most so many pages, none of which is made yet.
    pub fn new(memory: S, most: u16) -> Self {
        Self { memory, made: 0, most, spare: Vec::new() }
    }

    /// Takes a page that nobody uses: the one that was given back last, as it is still in the cache.
    pub fn take(&mut self) -> Option<Page> {
        if let Some(number) = self.spare.pop() {
            return Some(Page(number));
        }
        // Room to take it back without memory, first of all.
        let room = self.made < self.most && self.spare.try_reserve(usize::from(self.made) + 1).is_ok();
        (room && self.memory.grow()).then(|| {
            self.made += 1;
            Page(self.made - 1)
        })
    }

    /// Gives a page back.
    pub fn give_back(&mut self, page: Page) {
        // A page that never was is no page of this pool.
        if page.0 < self.made && self.spare.len() < usize::from(self.made) {
            self.spare.push(page.0);
        }
    }

    /// Pages that were made, and those of them that are spare.
    pub fn counts(&self) -> (usize, usize) {
        (usize::from(self.made), self.spare.len())
    }

    /// The memory behind them.
    pub fn memory(&self) -> &S {
        &self.memory
    }
}

/// Pages that are granted to a domain.
pub struct Granted {
    pages: Vec<SharedPage>,
    domain: Domid,
    access: Access,
}

impl Granted {
    /// None yet.
    pub fn new(domain: Domid, access: Access) -> Self {
        Self { pages: Vec::new(), domain, access }
    }
}

impl Memory for Granted {
    fn grow(&mut self) -> bool {
        if self.pages.try_reserve(1).is_err() {
            return false;
        }
        match SharedPage::new(self.domain, self.access) {
            Ok(page) => {
                self.pages.push(page);
                true
            }
            Err(error) => {
                log::debug!("no page for the network: {error}");
                false
            }
        }
    }

    fn reference(&self, number: u16) -> GrantRef {
        self.pages[usize::from(number)].reference()
    }

    fn read(&self, number: u16, offset: usize, bytes: &mut [u8]) {
        self.pages[usize::from(number)].read(offset, bytes);
    }

    fn write(&self, number: u16, bytes: &[u8]) {
        self.pages[usize::from(number)].write(0, &bytes[..bytes.len().min(PAGE_SIZE)]);
    }
}

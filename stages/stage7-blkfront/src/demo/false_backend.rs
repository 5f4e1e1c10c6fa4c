//! A backend in the same guest, which does as it is told: for `app=disk-faults`.
//!
//! A domain may grant a page to itself, and connect an event channel to itself, so one guest can play both parts. This one maps the ring
//! and the pages of requests as a real backend does, and has the disk in memory. But it answers only when it is told to, and what.
//!
//! Invariant: the driver under test is the real one. It sees a ring, an event channel and answers, and no difference.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use console::types::{Domid, PAGE_SIZE};
use events::port::{self, Binding};
use threads::thread;
use threads::time::{after, now};
use xenbus::foreign::Mapping;
use xenbus::frontend::DeviceError;
use xenbus::grant_entry::Access;
use xenbus::grants::{GrantError, GrantRef};

use crate::blkif::{DIRECT, INDIRECT_OPERATION, SECTOR};
use crate::queue::Queue;
use crate::ring::{ENTRY, Shared};

/// How long it waits for a request.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pages of the frontend's, mapped here.
struct Mapped(Mapping);

impl Mapped {
    fn place(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.bytes(), "offset {offset} of {} pages", self.0.pages());
        self.0.address().wrapping_add(offset)
    }
}

impl Shared for Mapped {
    fn bytes(&self) -> usize {
        self.0.pages() * PAGE_SIZE
    }

    fn load_u32(&self, offset: usize) -> u32 {
        // SAFETY: within the mapping, as `place` has made sure, and aligned, as the trait demands.
        unsafe { self.place(offset).cast::<u32>().read_volatile() }
    }

    fn store_u32(&self, offset: usize, value: u32) {
        // SAFETY: as in `load_u32`.
        unsafe { self.place(offset).cast::<u32>().write_volatile(value) }
    }

    fn load(&self, offset: usize) -> u64 {
        // SAFETY: as in `load_u32`.
        unsafe { self.place(offset).cast::<u64>().read_volatile() }
    }

    fn store(&self, offset: usize, value: u64) {
        // SAFETY: as in `load_u32`.
        unsafe { self.place(offset).cast::<u64>().write_volatile(value) }
    }
}

/// A request, as it was in the ring.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its id.
    pub id: u64,
    /// What it asks for: `BLKIF_OP_*`, of an indirect one that of its segments.
    pub operation: u8,
    /// Whether its segments are in a page of their own.
    pub indirect: bool,
    /// The first sector.
    pub sector: u64,
    /// Page, first sector in it, last sector.
    segments: Vec<(GrantRef, usize, usize)>,
}

/// The backend.
pub struct Backend {
    own: Domid,
    ring: Mapped,
    port: Binding,
    entries: u32,
    consumed: u32,
    produced: u32,
    /// Pages that it keeps mapped, as one does with persistent grants.
    kept: BTreeMap<GrantRef, Mapped>,
    /// What is on the disk.
    pub bytes: Vec<u8>,
}

impl Backend {
    /// Connects to a queue, with a disk of so many sectors.
    ///
    /// # Errors
    /// If Xen refuses to map the ring or to connect the event channel.
    pub fn connect(own: Domid, queue: &Arc<Queue>, sectors: usize) -> Result<Self, DeviceError> {
        let (pages, front) = queue.details();
        let front = front.ok_or(DeviceError::Backend("the queue has no port"))?;
        let ring = Mapped(Mapping::new(own, &pages, Access::ReadWrite)?);
        let port = port::bind_interdomain(own, front, |_| {}, 0)?;
        let (entries, bytes) = (queue.room(), vec![0; sectors * SECTOR]);
        Ok(Self { own, ring, port, entries, consumed: 0, produced: 0, kept: BTreeMap::new(), bytes })
    }

    fn entry(&self, number: u32) -> usize {
        64 + (number % self.entries) as usize * ENTRY
    }

    /// Takes the next request, if there is one.
    pub fn take(&mut self) -> Result<Option<Taken>, GrantError> {
        if self.ring.load_u32(0) == self.consumed {
            return Ok(None);
        }
        let place = self.entry(self.consumed);
        self.consumed = self.consumed.wrapping_add(1);
        self.ring.store_u32(4, self.consumed.wrapping_add(1));
        let word = |index: usize| self.ring.load(place + 8 * index);
        let (first, id, sector) = (word(0), word(1), word(2));
        let indirect = first as u8 == INDIRECT_OPERATION;
        let segments: Vec<u64> = if indirect {
            let count = (first >> 16) as u16;
            let table = Mapped(Mapping::new(self.own, &[GrantRef((word(3) >> 32) as u32)], Access::ReadOnly)?);
            (0..count.into()).map(|index| table.load(8 * index)).collect()
        } else {
            (0..usize::from((first >> 8) as u8).min(DIRECT)).map(|index| word(3 + index)).collect()
        };
        let operation = if indirect { (first >> 8) as u8 } else { first as u8 };
        let part = |word: u64| (GrantRef(word as u32), (word >> 32) as u8 as usize, (word >> 40) as u8 as usize);
        let segments = segments.into_iter().filter(|_| operation < 2).map(part).collect();
        Ok(Some(Taken { id, operation, indirect, sector, segments }))
    }

    /// Waits for a request. `None` if none comes.
    pub fn wait(&mut self) -> Result<Option<Taken>, GrantError> {
        self.wait_for(PATIENCE)
    }

    /// Waits for a request for so long.
    pub fn wait_for(&mut self, span: Duration) -> Result<Option<Taken>, GrantError> {
        let deadline = after(span);
        loop {
            let taken = self.take()?;
            if taken.is_some() || now() >= deadline {
                return Ok(taken);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Reads or writes what a request asks for. Its pages stay mapped.
    pub fn carry_out(&mut self, taken: &Taken) -> Result<(), GrantError> {
        let mut at = taken.sector as usize * SECTOR;
        for (page, first, last) in &taken.segments {
            if !self.kept.contains_key(page) {
                self.kept.insert(*page, Mapped(Mapping::new(self.own, &[*page], Access::ReadWrite)?));
            }
            let Some(mapped) = self.kept.get(page) else { continue };
            for offset in (first * SECTOR..(last + 1) * SECTOR).step_by(8) {
                let Some(bytes) = self.bytes.get_mut(at..at + 8) else { continue };
                if taken.operation == 0 {
                    mapped.store(offset, u64::from_ne_bytes(bytes.try_into().unwrap_or_default()));
                } else {
                    bytes.copy_from_slice(&mapped.load(offset).to_ne_bytes());
                }
                at += 8;
            }
        }
        Ok(())
    }

    /// Answers with this id and status, and sends an event.
    pub fn answer(&mut self, id: u64, status: i16) {
        let place = self.entry(self.produced);
        self.ring.store(place, id);
        self.ring.store(place + 8, u64::from(status as u16) << 16);
        self.produced = self.produced.wrapping_add(1);
        self.ring.store_u32(8, self.produced);
        let _ = self.port.notify(); // a frontend that is gone needs none
    }

    /// Carries out what is asked, and answers, until nothing has come for a while.
    pub fn serve(&mut self, span: Duration) -> Result<(), GrantError> {
        while let Some(taken) = self.wait_for(span)? {
            self.carry_out(&taken)?;
            self.answer(taken.id, 0);
        }
        Ok(())
    }
}

//! A disk, as the rest of the kernel uses it.
//!
//! ```text
//! let disk = Disk::open("xvda")?;
//! disk.write(1000, b"anywhere")?;                 // a thread sleeps until it is done
//! disk.read_async(1000, &mut bytes).await?;       // a task lets others run meanwhile
//! disk.flush()?;                                  // and now it stays, whatever happens
//! ```
//!
//! Any number of threads and tasks may use it at a time, with bytes from anywhere to anywhere. Where they don't begin and end at a
//! block, the rest of the block is read first and written back.
//!
//! Invariant: every wait ends. A backend has so long for each request as the disk's patience says, however many requests an operation
//! takes; and when the disk is detached, all waits end.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;

use console::lock::Lock;
use threads::executor::{self, Either};
use threads::time::Nanoseconds;

use crate::blkif::{DIRECT, Operation, SECTOR};
use crate::error::{DiskError, Reason};
use crate::gate::Gate;
use crate::name::Name;
use crate::pages::Pool;
use crate::queue::{self, Counts, Job, Queue};
use crate::requests::{self, Limits};
use crate::watch;

/// What is known about a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// What it allows.
    pub limits: Limits,
    /// The disk loses what was written but not flushed, if the power goes.
    pub flush: bool,
    /// It can be told what nobody needs.
    pub discard: bool,
    /// The backend keeps our pages mapped.
    pub persistent: bool,
}

/// A disk.
pub struct Disk {
    name: Name,
    handle: u16,
    facts: Lock<Facts>,
    patience: Duration,
    pub(crate) pool: Arc<Pool>,
    queues: Vec<Arc<Queue>>,
    pub(crate) gate: Gate,
    /// Requests that weren't answered in time, when it was last looked at.
    late: AtomicUsize,
    /// It was told that the backend lies.
    told: AtomicBool,
}

impl Disk {
    /// A disk whose backend is connected.
    pub(crate) fn new(
        name: Name,
        handle: u16,
        facts: Facts,
        patience: Duration,
        pool: Arc<Pool>,
        queues: Vec<Arc<Queue>>,
    ) -> Arc<Self> {
        let (facts, gate) = (Lock::new(facts), Gate::default());
        let (late, told) = (AtomicUsize::new(0), AtomicBool::new(false));
        let disk = Arc::new(Self { name, handle, facts, patience, pool, queues, gate, late, told });
        watch::look_after(&disk);
        disk
    }

    /// What it is called.
    pub fn name(&self) -> Name {
        self.name
    }

    /// What the backend knows it by.
    pub fn handle(&self) -> u16 {
        self.handle
    }

    /// What is known about it.
    pub fn facts(&self) -> Facts {
        *self.facts.lock()
    }

    /// The backend has said something new.
    pub(crate) fn set_facts(&self, facts: Facts) {
        *self.facts.lock() = facts;
    }

    /// How long the backend may take to answer a request.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.facts().limits.sectors * SECTOR as u64
    }

    /// How many bytes a block has: transfers of whole blocks are the fastest.
    pub fn block_size(&self) -> usize {
        self.facts().limits.block as usize * SECTOR
    }

    /// What its queues have done so far.
    pub fn counts(&self) -> impl Iterator<Item = Counts> + '_ {
        self.queues.iter().map(|queue| queue.counts())
    }

    /// How many requests can be under way at a time, in all its queues.
    pub fn room(&self) -> u32 {
        self.queues.iter().map(|queue| queue.room()).sum()
    }

    /// How many pages were granted for it so far.
    pub fn pages_granted(&self) -> u32 {
        self.pool.made()
    }

    /// Reads bytes from anywhere.
    ///
    /// # Errors
    /// As all of these: [`DiskError`] has the list.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.block_on(self.read_async(offset, bytes))
    }

    /// Writes bytes to anywhere. What was written stays for sure once a later [`flush`](Self::flush) is done.
    ///
    /// # Errors
    /// As [`read`](Self::read). Some of it may have been written then.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.block_on(self.write_async(offset, bytes))
    }

    /// Waits until what was written is where it stays.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn flush(&self) -> Result<(), DiskError> {
        self.block_on(self.flush_async())
    }

    /// Tells the disk that nobody needs these bytes any more, which have to be whole blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn discard(&self, offset: u64, length: u64) -> Result<(), DiskError> {
        self.block_on(self.discard_async(offset, length))
    }

    fn block_on<T>(&self, work: impl Future<Output = Result<T, DiskError>>) -> Result<T, DiskError> {
        self.wait(None, work)
    }

    /// Has this thread wait for one of the disk's futures, not beyond a deadline if there is one.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Nanoseconds>,
        work: impl Future<Output = Result<T, DiskError>>,
    ) -> Result<T, DiskError> {
        let Some(deadline) = deadline else { return executor::block_on(work) };
        match executor::block_on(executor::select(work, executor::sleep_until(deadline))) {
            Either::First(result) => result,
            Either::Second(_) => Err(self.error(Reason::TimedOut)),
        }
    }

    /// [`read`](Self::read) for a task.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_async(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.read_bytes(offset, bytes).await.map_err(|reason| self.error(reason))
    }

    /// [`write`](Self::write) for a task.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn write_async(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.write_bytes(offset, bytes).await.map_err(|reason| self.error(reason))
    }

    /// [`flush`](Self::flush) for a task.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn flush_async(&self) -> Result<(), DiskError> {
        if !self.facts().flush {
            return Ok(()); // what is written is where it stays
        }
        match self.without_data(Operation::Flush, 0, 0).await {
            // It has offered what it can't do. Then what it has written has to be taken for safe, as if it had not.
            Err(Reason::Unsupported) => {
                self.facts.lock().flush = false;
                log::warn!("{}: the backend can't flush, though it said so", self.name);
                Ok(())
            }
            end => end.map_err(|reason| self.error(reason)),
        }
    }

    /// [`discard`](Self::discard) for a task.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn discard_async(&self, offset: u64, length: u64) -> Result<(), DiskError> {
        self.discard_sectors(offset, length).await.map_err(|reason| self.error(reason))
    }

    async fn discard_sectors(&self, offset: u64, length: u64) -> Result<(), Reason> {
        if !offset.is_multiple_of(SECTOR as u64) || !length.is_multiple_of(SECTOR as u64) {
            return Err(Reason::Unaligned);
        }
        let (sector, sectors) = (offset / SECTOR as u64, length / SECTOR as u64);
        let facts = self.facts();
        requests::check(&facts.limits, Operation::Discard, sector, sectors)?;
        if !facts.discard {
            return Err(Reason::Unsupported);
        }
        let end = self.without_data(Operation::Discard, sector, sectors as usize).await;
        if end == Err(Reason::Unsupported) {
            self.facts.lock().discard = false;
            log::warn!("{}: the backend can't discard, though it said so", self.name);
        }
        end
    }

    async fn without_data(&self, operation: Operation, sector: u64, sectors: usize) -> Result<(), Reason> {
        // What is discarded must not be written to meanwhile.
        let passage = if operation == Operation::Discard { Some(self.gate.pass(false).await?) } else { None };
        let hold = passage.as_ref().map(|passage| passage.hold());
        let job = Job { operation, handle: self.handle, sector, sectors, pages: None, table: None, hold };
        self.queue().submit(job)?.await.map(drop)
    }

    /// Requests of more than [`DIRECT`] segments are refused, though the backend takes them by its own words.
    pub(crate) fn make_do_without_indirect(&self) {
        self.facts.lock().limits.segments = DIRECT;
        log::warn!("{}: the backend takes no indirect requests, though it said so", self.name);
    }

    fn error(&self, reason: Reason) -> DiskError {
        DiskError { disk: self.name, reason }
    }

    /// The queue of this vCPU.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queues[threads::smp::current() as usize % self.queues.len()]
    }

    /// Gives up on what has taken too long. Returns how many requests are under way.
    pub(crate) fn give_up(&self) -> usize {
        let (mut under_way, mut late) = (0, 0);
        for queue in &self.queues {
            let (more, too_late) = queue.give_up(self.patience);
            (under_way, late) = (under_way + more, late + too_late);
            if let Some(reason @ Reason::Lied(_)) = queue.closed()
                && !self.told.swap(true, Ordering::Relaxed)
            {
                log::error!("{}: {reason}; lies so far, on all disks: {}", self.name, queue::lies());
            }
        }
        if late > self.late.swap(late, Ordering::Relaxed) {
            log::warn!("{}: requests not answered within {:?}: {late}", self.name, self.patience);
        }
        if late > 0 {
            self.gate.turn_away();
        }
        under_way
    }

    /// Pages for data, from the disk's own, for checks.
    ///
    /// # Errors
    /// If there is no memory, or no reference.
    #[cfg(feature = "checks")]
    pub fn take_pages(&self, count: usize) -> Result<crate::pages::Pages, xenbus::grants::GrantError> {
        self.pool.take(count, xenbus::grant_entry::Access::ReadWrite)
    }

    /// Carries out one request on the first queue: see [`Queue::exchange`].
    #[cfg(feature = "checks")]
    pub fn exchange(&self, request: &[u64; crate::blkif::WORDS]) -> Option<crate::blkif::Response> {
        self.queues[0].exchange(request)
    }
}

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
//! Invariant: every wait of a thread's ends, after [`PATIENCE`] at the latest; and all of them when the disk is detached.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::time::Duration;

use console::lock::Lock;
use console::types::PAGE_SIZE;
use threads::executor::{self, Either};
use threads::time::{Nanoseconds, after};
use xenbus::grant_entry::Access;

use crate::blkif::{DIRECT, Operation, SECTOR, SECTORS_A_PAGE};
use crate::call::{End, Pending};
use crate::error::{DiskError, Reason};
use crate::gate::Gate;
use crate::name::Name;
use crate::pages::{self, Pool};
use crate::queue::{Counts, Job, Queue};
use crate::requests::{self, Limits, Part};

/// How long an operation may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pages of one transfer that are under way at a time.
const WINDOW: usize = 256;

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
    pool: Arc<Pool>,
    queues: Vec<Arc<Queue>>,
    gate: Gate,
}

impl Disk {
    /// A disk whose backend is connected.
    pub(crate) fn new(name: Name, handle: u16, facts: Facts, pool: Arc<Pool>, queues: Vec<Arc<Queue>>) -> Self {
        Self { name, handle, facts: Lock::new(facts), pool, queues, gate: Gate::default() }
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
        let deadline = deadline.unwrap_or(Nanoseconds(u64::MAX)).min(after(PATIENCE));
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
        self.without_data(Operation::Flush, 0, 0).await
    }

    /// [`discard`](Self::discard) for a task.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn discard_async(&self, offset: u64, length: u64) -> Result<(), DiskError> {
        if !offset.is_multiple_of(SECTOR as u64) || !length.is_multiple_of(SECTOR as u64) {
            return Err(self.error(Reason::Unaligned));
        }
        let (sector, sectors) = (offset / SECTOR as u64, length / SECTOR as u64);
        let facts = self.facts();
        requests::check(&facts.limits, Operation::Discard, sector, sectors).map_err(|reason| self.error(reason))?;
        if !facts.discard {
            return Err(self.error(Reason::Unsupported));
        }
        self.without_data(Operation::Discard, sector, sectors as usize).await
    }

    async fn without_data(&self, operation: Operation, sector: u64, sectors: usize) -> Result<(), DiskError> {
        let job = Job { operation, handle: self.handle, sector, sectors, pages: Vec::new(), table: None };
        let end = match self.queue().submit(job) {
            Ok(pending) => pending.await,
            Err(reason) => Err(reason),
        };
        end.map(drop).map_err(|reason| self.error(reason))
    }

    fn error(&self, reason: Reason) -> DiskError {
        DiskError { disk: self.name, reason }
    }

    /// The queue of this vCPU.
    fn queue(&self) -> &Queue {
        &self.queues[threads::smp::current() as usize % self.queues.len()]
    }

    async fn read_bytes(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Reason> {
        let limits = self.facts().limits;
        let (first, skip, sectors) = around(&limits, Operation::Read, offset, bytes.len())?;
        self.read_sectors(&limits, first, sectors, skip, bytes).await
    }

    async fn write_bytes(&self, offset: u64, bytes: &[u8]) -> Result<(), Reason> {
        let limits = self.facts().limits;
        let (first, skip, sectors) = around(&limits, Operation::Write, offset, bytes.len())?;
        if sectors * SECTOR == bytes.len() {
            let _passage = self.gate.pass(false).await;
            return self.write_sectors(&limits, first, bytes).await;
        }
        let _passage = self.gate.pass(true).await;
        let block = limits.block as usize * SECTOR;
        let (mut sector, mut skip, mut rest) = (first, skip, bytes);
        while !rest.is_empty() {
            let whole = if skip == 0 { rest.len() / block * block } else { 0 };
            let here = if whole > 0 { whole } else { rest.len().min(block - skip) };
            let (now, later) = rest.split_at(here);
            if whole > 0 {
                self.write_sectors(&limits, sector, now).await?;
            } else {
                let mut edge = vec![0; block];
                self.read_sectors(&limits, sector, limits.block as usize, 0, &mut edge).await?;
                edge[skip..skip + here].copy_from_slice(now);
                self.write_sectors(&limits, sector, &edge).await?;
            }
            sector += ((skip + here) / SECTOR) as u64;
            (skip, rest) = (0, later);
        }
        Ok(())
    }

    // ANCHOR: read_sectors
    /// Reads sectors, and of their bytes those behind the first `skip`.
    async fn read_sectors(
        &self,
        limits: &Limits,
        sector: u64,
        sectors: usize,
        skip: usize,
        bytes: &mut [u8],
    ) -> Result<(), Reason> {
        let parts = requests::cut(sector, sectors, limits.segments);
        let mut under_way = Window::new(limits.segments);
        let mut done = 0;
        let mut copy = |(part, pages): (Part, Vec<_>)| {
            // The first part has bytes to leave out, and the last may have more than are wanted.
            let from = if part.sector == sector { skip } else { 0 };
            let here = (part.sectors * SECTOR - from).min(bytes.len() - done);
            pages::drain(&pages, from, &mut bytes[done..done + here]);
            done += here;
            self.pool.give_back(pages);
        };
        for part in parts {
            while let Some(oldest) = under_way.take_if_full() {
                copy(oldest.end().await?);
            }
            let pages = self.pool.take(part.sectors.div_ceil(SECTORS_A_PAGE), Access::ReadWrite)?;
            under_way.put(part, self.submit(Operation::Read, part, pages)?);
        }
        while let Some(oldest) = under_way.take() {
            copy(oldest.end().await?);
        }
        Ok(())
    }
    // ANCHOR_END: read_sectors

    async fn write_sectors(&self, limits: &Limits, sector: u64, bytes: &[u8]) -> Result<(), Reason> {
        let mut under_way = Window::new(limits.segments);
        for part in requests::cut(sector, bytes.len() / SECTOR, limits.segments) {
            while let Some(oldest) = under_way.take_if_full() {
                self.pool.give_back(oldest.end().await?.1);
            }
            let pages = self.pool.take(part.sectors.div_ceil(SECTORS_A_PAGE), Access::ReadOnly)?;
            let from = (part.sector - sector) as usize * SECTOR;
            pages::fill(&pages, 0, &bytes[from..from + part.sectors * SECTOR]);
            under_way.put(part, self.submit(Operation::Write, part, pages)?);
        }
        while let Some(oldest) = under_way.take() {
            self.pool.give_back(oldest.end().await?.1);
        }
        Ok(())
    }

    /// Pages for data, from the disk's own, for checks.
    ///
    /// # Errors
    /// If there is no memory, or no reference.
    #[cfg(feature = "checks")]
    pub fn take_pages(&self, count: usize) -> Result<Vec<xenbus::grants::SharedPage>, xenbus::grants::GrantError> {
        self.pool.take(count, Access::ReadWrite)
    }

    /// Gives them back.
    #[cfg(feature = "checks")]
    pub fn give_pages(&self, pages: Vec<xenbus::grants::SharedPage>) {
        self.pool.give_back(pages);
    }

    /// Carries out one request on the first queue: see [`Queue::exchange`].
    #[cfg(feature = "checks")]
    pub fn exchange(&self, request: &[u64; crate::blkif::WORDS]) -> Option<crate::blkif::Response> {
        self.queues[0].exchange(request)
    }

    fn submit(
        &self,
        operation: Operation,
        part: Part,
        pages: Vec<xenbus::grants::SharedPage>,
    ) -> Result<Pending, Reason> {
        let table = if pages.len() > DIRECT { self.pool.take(1, Access::ReadOnly)?.pop() } else { None };
        let Part { sector, sectors } = part;
        self.queue().submit(Job { operation, handle: self.handle, sector, sectors, pages, table })
    }
}

/// The whole blocks around these bytes: the first sector, how many bytes of it are before them, and the number of sectors.
fn around(limits: &Limits, operation: Operation, offset: u64, length: usize) -> Result<(u64, usize, usize), Reason> {
    let block = limits.block * SECTOR as u64;
    let beyond = Reason::BeyondEnd { end: u64::MAX, size: limits.sectors * SECTOR as u64 };
    let end = offset.checked_add(length as u64).ok_or(beyond)?;
    let (first, last) = (offset / block, end.div_ceil(block));
    let sector = first * limits.block;
    let sectors = if length == 0 { 0 } else { (last - first) * limits.block };
    match requests::check(limits, operation, sector, sectors) {
        // The bytes asked for, not those of the blocks.
        Err(Reason::BeyondEnd { size, .. }) => Err(Reason::BeyondEnd { end, size }),
        checked => checked.map(|()| (sector, (offset % block) as usize, sectors as usize)),
    }
}

/// Requests of one transfer that are under way, oldest first.
struct Window {
    most: usize,
    requests: VecDeque<Oldest>,
}

/// The one to wait for next.
struct Oldest {
    part: Part,
    pending: Pending,
}

impl Window {
    fn new(segments: usize) -> Self {
        Self { most: (WINDOW / segments).max(1), requests: VecDeque::new() }
    }

    fn put(&mut self, part: Part, pending: Pending) {
        self.requests.push_back(Oldest { part, pending });
    }

    fn take(&mut self) -> Option<Oldest> {
        self.requests.pop_front()
    }

    fn take_if_full(&mut self) -> Option<Oldest> {
        if self.requests.len() < self.most { None } else { self.take() }
    }
}

impl Oldest {
    async fn end(self) -> Result<(Part, Vec<xenbus::grants::SharedPage>), Reason> {
        let end: End = self.pending.await;
        end.map(|pages| (self.part, pages))
    }
}

const _: () = assert!(SECTOR * SECTORS_A_PAGE == PAGE_SIZE);

//! Transfers: how bytes from anywhere to anywhere become requests, many of which are under way at a time.
//!
//! Invariant: no write begins before it has passed the [`gate`](crate::gate), and each of its requests holds what it has passed by.

use alloc::collections::VecDeque;
use alloc::vec;

use console::types::PAGE_SIZE;
use xenbus::grant_entry::Access;

use crate::blkif::{DIRECT, Operation, SECTOR, SECTORS_A_PAGE};
use crate::call::Pending;
use crate::disk::Disk;
use crate::error::Reason;
use crate::gate::Passage;
use crate::pages::{self, Pages};
use crate::queue::Job;
use crate::requests::{self, Limits, Part};

/// Pages of one transfer that are under way at a time.
const WINDOW: usize = 256;

impl Disk {
    pub(crate) async fn read_bytes(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Reason> {
        let limits = self.facts().limits;
        let (first, skip, sectors) = around(&limits, Operation::Read, offset, bytes.len())?;
        match self.read_sectors(&limits, first, sectors, skip, bytes).await {
            Err(Reason::Unsupported) if limits.segments > DIRECT => {
                self.make_do_without_indirect();
                self.read_sectors(&Limits { segments: DIRECT, ..limits }, first, sectors, skip, bytes).await
            }
            result => result,
        }
    }

    pub(crate) async fn write_bytes(&self, offset: u64, bytes: &[u8]) -> Result<(), Reason> {
        let limits = self.facts().limits;
        let (first, skip, sectors) = around(&limits, Operation::Write, offset, bytes.len())?;
        let passage = self.gate.pass(sectors * SECTOR != bytes.len()).await?;
        match self.write_blocks(&limits, first, skip, bytes, &passage).await {
            Err(Reason::Unsupported) if limits.segments > DIRECT => {
                self.make_do_without_indirect();
                self.write_blocks(&Limits { segments: DIRECT, ..limits }, first, skip, bytes, &passage).await
            }
            result => result,
        }
    }

    /// Writes bytes behind the first `skip` of a sector that a block begins with.
    async fn write_blocks(
        &self,
        limits: &Limits,
        first: u64,
        skip: usize,
        bytes: &[u8],
        passage: &Passage,
    ) -> Result<(), Reason> {
        let block = limits.block as usize * SECTOR;
        let (mut sector, mut skip, mut rest) = (first, skip, bytes);
        while !rest.is_empty() {
            let whole = if skip == 0 { rest.len() / block * block } else { 0 };
            let here = if whole > 0 { whole } else { rest.len().min(block - skip) };
            let (now, later) = rest.split_at(here);
            if whole > 0 {
                self.write_sectors(limits, sector, now, passage).await?;
            } else {
                let mut edge = vec![0; block];
                self.read_sectors(limits, sector, limits.block as usize, 0, &mut edge).await?;
                edge[skip..skip + here].copy_from_slice(now);
                self.write_sectors(limits, sector, &edge, passage).await?;
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
        let mut under_way = Window::new(limits.segments);
        let mut done = 0;
        let mut copy = |(part, pages): (Part, Pages)| {
            // The first part has bytes to leave out, and the last may have more than are wanted.
            let from = if part.sector == sector { skip } else { 0 };
            let here = (part.sectors * SECTOR - from).min(bytes.len() - done);
            pages::drain(&pages, from, &mut bytes[done..done + here]);
            done += here;
        };
        for part in requests::cut(sector, sectors, limits.segments) {
            while let Some(oldest) = under_way.take_if_full() {
                copy(oldest.end().await?);
            }
            let pages = self.pool.take(part.sectors.div_ceil(SECTORS_A_PAGE), Access::ReadWrite)?;
            under_way.put(part, self.submit(Operation::Read, part, pages, None)?);
        }
        while let Some(oldest) = under_way.take() {
            copy(oldest.end().await?);
        }
        Ok(())
    }
    // ANCHOR_END: read_sectors

    async fn write_sectors(&self, limits: &Limits, sector: u64, bytes: &[u8], passage: &Passage) -> Result<(), Reason> {
        let mut under_way = Window::new(limits.segments);
        for part in requests::cut(sector, bytes.len() / SECTOR, limits.segments) {
            while let Some(oldest) = under_way.take_if_full() {
                oldest.end().await?;
            }
            let pages = self.pool.take(part.sectors.div_ceil(SECTORS_A_PAGE), Access::ReadOnly)?;
            let from = (part.sector - sector) as usize * SECTOR;
            pages::fill(&pages, 0, &bytes[from..from + part.sectors * SECTOR]);
            under_way.put(part, self.submit(Operation::Write, part, pages, Some(passage))?);
        }
        while let Some(oldest) = under_way.take() {
            oldest.end().await?;
        }
        Ok(())
    }

    fn submit(
        &self,
        operation: Operation,
        part: Part,
        pages: Pages,
        passage: Option<&Passage>,
    ) -> Result<Pending, Reason> {
        let table = if pages.len() > DIRECT { Some(self.pool.take(1, Access::ReadOnly)?) } else { None };
        let Part { sector, sectors } = part;
        let (handle, pages, hold) = (self.handle(), Some(pages), passage.map(Passage::hold));
        self.queue().submit(Job { operation, handle, sector, sectors, pages, table, hold })
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
    async fn end(self) -> Result<(Part, Pages), Reason> {
        let pages = self.pending.await?.ok_or(Reason::Failed)?;
        Ok((self.part, pages))
    }
}

const _: () = assert!(SECTOR * SECTORS_A_PAGE == PAGE_SIZE);

//! A queue: a ring, what is under way in it, and what waits for room.
//!
//! Requests are accepted at any time and in any number. Those for which the ring has no room wait here, in order. An event of the
//! backend's ends some and lets as many follow, all in the handler, so nobody has to run in between.
//!
//! Invariant: each request that was accepted ends for whoever waits: as the backend says, because the queue is closed, or because there
//! has been no answer for too long. A backend that lies closes it. What a backend can still reach, and the right to write, are a
//! request's own, and stay with it until the backend has answered, or the device is gone.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use console::lock::Lock;
use console::types::{Domid, Port};
use core::time::Duration;
use events::port::{self, Binding, PortError};
use threads::time::{Nanoseconds, now};
use xenbus::grants::{GrantRef, SharedPage};

use crate::blkif::{DIRECT, Operation};
use crate::call::{Call, Pending};
use crate::completions::{self, Lie, Table};
use crate::error::Reason;
use crate::gate::Hold;
use crate::pages::{Pages, RingPages};
use crate::requests::{self, Request};
use crate::ring::Ring;
use crate::watch;

/// What is to be asked of the backend.
pub struct Job {
    /// What it asks for.
    pub operation: Operation,
    /// The disk, as the backend knows it.
    pub handle: u16,
    /// The first sector.
    pub sector: u64,
    /// How many there are.
    pub sectors: usize,
    /// The memory, for reading and writing.
    pub pages: Option<Pages>,
    /// The page where the segments stand, if they are too many for the request itself.
    pub table: Option<Pages>,
    /// The right to write.
    pub hold: Option<Hold>,
}

/// A request that was accepted.
struct Accepted {
    job: Job,
    call: Arc<Call>,
    /// When it was, or when it went into the ring.
    since: Nanoseconds,
    /// How much had been answered by then.
    answers: u64,
}

/// Liars met so far, on all disks.
static LIES: AtomicU32 = AtomicU32::new(0);

/// How often a backend has said what can't be true.
pub fn lies() -> u32 {
    LIES.load(Ordering::Relaxed)
}

/// What a queue has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that went into the ring.
    pub requests: u64,
    /// Of those, the ones with a table of segments.
    pub indirect: u64,
    /// Events sent to the backend.
    pub events: u64,
    /// The most that were in the ring at a time, and not answered.
    pub deepest: u64,
}

/// A queue of a disk's.
pub struct Queue {
    state: Lock<State>,
    counts: [AtomicU64; 4],
}

struct State {
    ring: Option<Ring<RingPages>>,
    port: Option<Binding>,
    table: Table<Accepted>,
    waiting: VecDeque<Accepted>,
    /// How much the backend has answered.
    answers: u64,
    /// When it did last.
    answered: Nanoseconds,
    /// Why nothing is accepted any more.
    closed: Option<Reason>,
}

impl Queue {
    /// Makes the ring and the event channel.
    ///
    /// # Errors
    /// If there is no memory, no reference or no port.
    pub fn open(backend: Domid, order: u32, cpu: u32) -> Result<Arc<Self>, xenbus::frontend::DeviceError> {
        let ring = Ring::new(RingPages::new(backend, order)?);
        let table = Table::new(ring.size());
        let (ring, waiting) = (Some(ring), VecDeque::new());
        let state = State { ring, port: None, table, waiting, answers: 0, answered: now(), closed: None };
        let queue = Arc::new(Self { state: Lock::new(state), counts: Default::default() });
        let binding = Self::bind(&queue, backend)?;
        if cpu > 0 {
            let _ = binding.move_to(cpu); // it would work on the first one, too
        }
        queue.state.lock().port = Some(binding);
        Ok(queue)
    }

    /// The handler finds the queue by its address. That is good as long as the port is open, and [`close`](Self::close) closes it before
    /// the queue can go.
    fn bind(queue: &Arc<Self>, backend: Domid) -> Result<Binding, PortError> {
        let argument = Arc::as_ptr(queue).expose_provenance();
        port::allocate_unbound(
            backend,
            |queue| {
                // SAFETY: see above.
                let queue = unsafe { &*core::ptr::with_exposed_provenance::<Self>(queue) };
                queue.pump();
            },
            argument,
        )
    }

    /// What the backend has to be told: the ring's pages, and the port.
    pub fn details(&self) -> (Vec<GrantRef>, Option<Port>) {
        let state = self.state.lock();
        let pages = state.ring.iter().flat_map(|ring| ring.memory().0.iter().map(SharedPage::reference));
        (pages.collect(), state.port.as_ref().map(Binding::port))
    }

    /// How many requests can be under way at a time.
    pub fn room(&self) -> u32 {
        self.state.lock().ring.as_ref().map_or(0, Ring::size)
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        let [requests, indirect, events, deepest] =
            [0, 1, 2, 3].map(|at: usize| self.counts[at].load(Ordering::Relaxed));
        Counts { requests, indirect, events, deepest }
    }

    // ANCHOR: submit
    /// Accepts a request.
    ///
    /// # Errors
    /// Why the queue is closed, if it is.
    pub fn submit(&self, job: Job) -> Result<Pending, Reason> {
        let call = Arc::new(Call::default());
        let mut state = self.state.lock();
        if let Some(reason) = state.closed {
            return Err(reason);
        }
        let answers = state.answers;
        state.waiting.push_back(Accepted { job, call: call.clone(), since: now(), answers });
        self.start(&mut state);
        drop(state);
        watch::something_is_under_way();
        Ok(Pending(call))
    }

    /// Moves what waits into the ring, as far as there is room.
    fn start(&self, state: &mut State) {
        let State { ring: Some(ring), port, table, waiting, answers: so_far, .. } = state else { return };
        let mut put = 0;
        while let Some(accepted) = waiting.pop_front() {
            let id = match completions::begin(table, accepted) {
                Ok(id) => id,
                Err(accepted) => {
                    waiting.push_front(accepted);
                    break;
                }
            };
            if let Some(Accepted { job, since, answers, .. }) = &mut table.slots[id as u32 as usize].item {
                (*since, *answers) = (now(), *so_far);
                ring.put(&self.encode(job, id));
                put += 1;
            }
        }
        self.counts[3].fetch_max(table.len() as u64, Ordering::Relaxed);
        if put > 0 && ring.publish() {
            self.counts[2].fetch_add(1, Ordering::Relaxed);
            let _ = port.as_ref().map(Binding::notify); // closed: then the backend goes, and everything ends
        }
    }
    // ANCHOR_END: submit

    fn encode(&self, job: &Job, id: u64) -> [u64; crate::blkif::WORDS] {
        let Job { operation, handle, sector, .. } = *job;
        let pages = job.pages.iter().flat_map(|pages| pages.iter());
        let references: Vec<GrantRef> = pages.map(SharedPage::reference).collect();
        let transfers = matches!(operation, Operation::Read | Operation::Write);
        let segments = if transfers { requests::spread(job.sectors, &references) } else { Vec::new() };
        let table = job.table.as_ref().and_then(|table| table.first()).filter(|_| segments.len() > DIRECT);
        if let Some(table) = table {
            for (index, segment) in segments.iter().enumerate() {
                table.write(8 * index, &requests::encode_segment(segment).to_le_bytes());
            }
            self.counts[1].fetch_add(1, Ordering::Relaxed);
        }
        self.counts[0].fetch_add(1, Ordering::Relaxed);
        let table = table.map(SharedPage::reference);
        let sectors = job.sectors as u64;
        requests::encode(&Request { operation, handle, id, sector, sectors, segments: &segments, table })
    }

    /// Takes responses, and lets as many requests follow: the handler of the backend's events.
    pub fn pump(&self) {
        let mut state = self.state.lock();
        let State { ring: Some(ring), table, answers, answered, .. } = &mut *state else { return };
        if table.is_empty() {
            return; // whatever it is, nobody has asked for it
        }
        let collected = completions::collect(ring, table, &mut |Accepted { job, call, .. }, status| {
            (*answers, *answered) = (*answers + 1, now());
            let Job { pages, table, hold, .. } = job;
            drop((table, hold)); // before whoever waits goes on, and makes the next one
            call.finish(end(pages, status));
        });
        match collected {
            Ok(()) => self.start(&mut state),
            Err(Lie(what)) => {
                LIES.fetch_add(1, Ordering::Relaxed);
                let reason = Reason::Lied(what);
                state.closed = Some(reason);
                finish_all(&mut state, reason);
                drop(state);
                watch::look_now();
            }
        }
    }

    // ANCHOR: give_up
    /// Has nobody wait any longer for what the backend has had for all of `patience`, if it has answered nothing meanwhile, or so much
    /// that this was passed over. A slow backend that has much to do gets the time that it takes. Returns how many requests are
    /// under way, and how many of them nobody waits for.
    pub fn give_up(&self, patience: Duration) -> (usize, usize) {
        let mut state = self.state.lock();
        let room = state.table.slots.len() as u64;
        let is_over = |since: Nanoseconds| now().since(since) >= patience;
        let is_silent = is_over(state.answered);
        let mut late = 0;
        for accepted in state.table.slots.iter().filter_map(|slot| slot.item.as_ref()) {
            // No more than the ring has room for can have been in front of it.
            if is_over(accepted.since) && (is_silent || state.answers - accepted.answers >= room) {
                late += 1;
                accepted.call.finish(Err(Reason::TimedOut)); // its slot and its pages stay the backend's
            }
        }
        if is_silent {
            while let Some(accepted) = state.waiting.pop_front_if(|accepted| is_over(accepted.since)) {
                accepted.call.finish(Err(Reason::TimedOut));
            }
        }
        (state.table.len() + state.waiting.len(), late)
    }
    // ANCHOR_END: give_up

    /// Why the queue is closed, if it is.
    pub fn closed(&self) -> Option<Reason> {
        self.state.lock().closed
    }

    /// Carries out one request by looking for its response again and again, without what exercise 7b makes: for checks. The ring must be
    /// unused. `None` if no response comes in time.
    #[cfg(feature = "checks")]
    pub fn exchange(&self, request: &[u64; crate::blkif::WORDS]) -> Option<crate::blkif::Response> {
        use crate::completions::Responses;
        let deadline = threads::time::after(crate::driver::PATIENCE / 4);
        {
            let mut state = self.state.lock();
            let State { ring: Some(ring), port: Some(port), .. } = &mut *state else { return None };
            ring.put(request);
            let _ = ring.publish();
            let _ = port.notify();
        }
        loop {
            {
                let mut state = self.state.lock();
                let State { ring: Some(ring), .. } = &mut *state else { return None };
                if ring.produced() != ring.consumed() {
                    let response = ring.take();
                    ring.set_event(ring.consumed().wrapping_add(1));
                    return Some(response);
                }
            }
            if threads::time::now() >= deadline {
                return None;
            }
            threads::thread::sleep(core::time::Duration::from_millis(1));
        }
    }

    /// Ends all requests, for this reason, and accepts none any more. The backend reaches nothing from then on but what it keeps mapped.
    pub fn close(&self, reason: Reason) {
        let port = {
            let mut state = self.state.lock();
            state.closed.get_or_insert(reason);
            finish_all(&mut state, reason);
            state.ring = None;
            state.port.take()
        };
        drop(port); // waits for the handler, which needs the lock
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close(Reason::Detached);
    }
}

/// How a request ended, by its status.
fn end(pages: Option<Pages>, status: i16) -> crate::call::End {
    match status {
        0 => Ok(pages),
        -2 => Err(Reason::Unsupported),
        // -1, and what no backend should say.
        _ => Err(Reason::Failed),
    }
}

fn finish_all(state: &mut State, reason: Reason) {
    let under_way = state.table.drain();
    for Accepted { job, call, .. } in under_way.into_iter().chain(state.waiting.drain(..)) {
        drop(job); // a page that the backend still has mapped is put aside
        call.finish(Err(reason));
    }
}

const _: () = assert!(crate::ring::ENTRY == 112);

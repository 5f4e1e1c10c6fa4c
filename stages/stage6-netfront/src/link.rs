//! An interface from its appearance to its end, and the driver that follows its backend.
//!
//! Follows Xen's `public/io/netif.h` and what Linux's netback reads. When the backend waits, it has written what it can do
//! (`feature-...`); the frontend makes its queues, and writes where they are and what it can do itself:
//!
//! | key | what we write |
//! |---|---|
//! | `request-rx-copy` | 1: without it, the backend believes none of the others |
//! | `feature-rx-notify` | 1: we tell when there are new pages |
//! | `feature-sg` | 1: a frame may come in several parts |
//! | `feature-no-csum-offload` | 0: a frame of this machine may come without a checksum |
//! | `feature-ipv6-csum-offload` | 1: that holds for IPv6, too |
//! | `feature-gso-tcpv4` | 1: several segments of TCP may come as one frame, over IPv4 |
//! | `feature-gso-tcpv6` | 0: but not over IPv6 |
//! | `multi-queue-num-queues` | how many, if the backend has more than one |
//!
//! Invariant: what lies above the link survives it. Interfaces are detached and attached again, backends end and come back; sockets
//! wait meanwhile.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use smoltcp::wire::EthernetAddress;
use threads::sync::{Mutex, MutexGuard};
use threads::thread;
use threads::time::{after, now};
use xenbus::frontend::{Details, Device, DeviceError, Driver};
use xenbus::protocol::StoreError;
use xenbus::store::Store;

use crate::checksum::Offload;
use crate::queue::{Offer, Queue};
use crate::queues::Queues;
use crate::signal::Signal;
use crate::statistics::Counts;

/// The MTU where nobody says another.
const MTU: usize = 1500;
/// The longest packets that smoltcp, and Linux's netback, take.
const MTU_MAX: usize = 9216;
/// The most queues: each takes memory.
const QUEUES_MAX: u64 = 4;

/// How long those who wait for a lock may take to have it, between two rounds of work.
const MOMENT: Duration = Duration::from_millis(10);

/// An interface.
pub struct Link {
    name: String,
    signal: Signal,
    state: Mutex<State>,
    /// Those who wait for a lock that the work for this interface is done under.
    waiting: AtomicUsize,
}

/// How an interface is at this moment.
#[derive(Default)]
pub struct State {
    /// Its queues, from the handshake on.
    pub queues: Option<Queues>,
    /// The backend is connected.
    pub up: bool,
    /// Counts how often it has come up.
    pub generation: u32,
    /// Its address.
    pub address: Option<EthernetAddress>,
    /// What came and went by queues that are no more.
    past: Counts,
}

impl State {
    /// What has come and gone so far, by all queues there were.
    pub fn counts(&self) -> Counts {
        self.past + self.queues.as_ref().map(Queues::counts).unwrap_or_default()
    }

    /// Ends the connection, and returns what the backend could reach, which is given back when it is dropped. Its counts stay.
    pub fn disconnect(&mut self) -> Option<Queues> {
        self.past = self.counts();
        self.up = false;
        self.queues.take()
    }
}

impl Link {
    /// An interface that nobody is connected to.
    pub fn new(name: &str) -> Self {
        let (name, state) = (String::from(name), Mutex::new(State::default()));
        Self { name, signal: Signal::new(), state, waiting: AtomicUsize::new(0) }
    }

    /// Its number among the interfaces.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Called when there may be something to be done.
    pub fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Its state, to be worked with.
    pub fn state(&self) -> &Mutex<State> {
        &self.state
    }

    /// Takes a lock that the work for this interface is done under.
    pub(crate) fn wait_for<L>(&self, lock: impl FnOnce() -> L) -> L {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let lock = lock();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        lock
    }

    /// Lets those who wait for a lock have it, who were woken when it was given back. Between two rounds of work it is free for so
    /// short a moment that nobody would ever get it on another vCPU, as long as frames come faster than they can be taken.
    pub(crate) fn let_others(&self) {
        let limit = after(MOMENT);
        loop {
            thread::yield_now();
            if self.waiting.load(Ordering::Relaxed) == 0 || now() >= limit {
                return;
            }
        }
    }
}

/// An Ethernet address as Xen and Linux write it.
pub struct Mac(pub EthernetAddress);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, others @ ..] = self.0.0;
        write!(f, "{first:02x}")?;
        others.iter().try_for_each(|byte| write!(f, ":{byte:02x}"))
    }
}

/// Makes the driver of an interface.
pub fn drive(link: Arc<Link>) -> Box<dyn Driver> {
    Box::new(Follower { link })
}

struct Follower {
    link: Arc<Link>,
}

impl Follower {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.link.wait_for(|| self.link.state.lock())
    }
}

impl Driver for Follower {
    // ANCHOR: publish
    fn publish(&mut self, device: &Device) -> Result<Details, DeviceError> {
        let address = read_address(device)?;
        let offered = device.backend_numbers([
            "feature-rx-copy",
            "multi-queue-max-queues",
            "feature-split-event-channels",
            "feature-sg",
            "feature-gso-tcpv4",
            "feature-ipv6-csum-offload",
        ])?;
        let [copies, most, split, gathers, rows, ipv6] = offered.map(|number| number.unwrap_or(0));
        if copies == 0 {
            return Err(DeviceError::Backend("the backend doesn't copy frames"));
        }
        let wanted = (threads::smp::online().iter().count() as u64).min(QUEUES_MAX);
        let count = most.min(wanted).max(1) as usize;
        let offer = Offer {
            split: split != 0,
            gathers: gathers != 0,
            segments: gathers != 0 && rows != 0,
            // Every backend completes checksums over IPv4, unless the toolstack has forbidden it to say so.
            offload: Offload { ipv4: true, ipv6: ipv6 != 0 },
            pages: (256 / count).max(64) as u16,
        };
        let mut queues = Vec::new();
        for _ in 0..count {
            queues.push(Queue::new(device.backend_domain, &offer, &self.link.signal)?);
        }
        let mtu = read_mtu(device, offer.gathers)?;
        let mut details = details(&queues, most > 1);
        let features = [
            ("request-rx-copy", 1),
            ("feature-rx-notify", 1),
            ("feature-sg", 1),
            ("feature-no-csum-offload", 0),
            ("feature-ipv6-csum-offload", 1),
            ("feature-gso-tcpv4", 1),
            ("feature-gso-tcpv6", 0),
        ];
        details.extend(features.iter().map(|(key, value)| (String::from(*key), format!("{value}"))));

        let mut state = self.lock();
        state.address = Some(address);
        state.queues = Some(Queues::new(queues, mtu, offer.offload).with_rows(offer.segments));
        Ok(details)
    }
    // ANCHOR_END: publish

    fn connect(&mut self, _: &Device) -> Result<(), DeviceError> {
        let mut state = self.lock();
        if !core::mem::replace(&mut state.up, true) {
            state.generation += 1;
        }
        if let Some(queues) = &mut state.queues {
            queues.kick();
        }
        drop(state);
        self.link.signal.raise();
        Ok(())
    }

    fn pause(&mut self) {
        self.lock().up = false;
    }

    fn release(&mut self) {
        let queues = self.lock().disconnect();
        drop(queues);
        self.link.signal.raise();
    }
}

/// Where all queues are: in the device's own folder if there is one, otherwise in a folder for each.
fn details(queues: &[Queue], says_how_many: bool) -> Details {
    let mut details = Details::new();
    if says_how_many {
        details.push((String::from("multi-queue-num-queues"), format!("{}", queues.len())));
    }
    match queues {
        [queue] => details.extend(queue.details("")),
        queues => queues.iter().enumerate().for_each(|(number, queue)| {
            details.extend(queue.details(&format!("queue-{number}/")));
        }),
    }
    details
}

fn read_address(device: &Device) -> Result<EthernetAddress, DeviceError> {
    let text = Store::shared().read_text(&format!("{}/mac", device.path))?;
    let parsed = text.trim().parse::<EthernetAddress>().ok().filter(EthernetAddress::is_unicast);
    parsed.ok_or(DeviceError::Backend("the interface has no usable address"))
}

/// The MTU that the toolstack has set. A backend that takes one part a frame takes no more than a page.
fn read_mtu(device: &Device, gathers: bool) -> Result<usize, DeviceError> {
    let mtu = match Store::shared().read_number(&format!("{}/mtu", device.path)) {
        Ok(mtu) => usize::try_from(mtu).unwrap_or(MTU_MAX),
        Err(StoreError::Refused(xenbus::protocol::Refusal::NotFound)) => MTU,
        Err(error) => return Err(error.into()),
    };
    let most = if gathers { MTU_MAX } else { console::types::PAGE_SIZE - crate::netif::SHORTEST };
    if mtu < 576 {
        return Err(DeviceError::Backend("the interface's MTU is less than 576"));
    }
    Ok(mtu.min(most))
}

//! Ports: the domain's ends of event channels, each with a handler.
//!
//! Follows Xen's `public/event_channel.h`. A port is opened with its handler by one of [`bind_virq`], [`bind_ipi`],
//! [`bind_interdomain`], [`allocate_unbound`] and [`adopt`], which return a [`Binding`]; when that is dropped the port
//! closes.
//!
//! Invariant: a port is unmasked only while it has a handler, and once its binding is gone the handler runs no more, on
//! any vCPU. A number that Xen may give away again leads to nothing of its last owner's. A port that can be moved belongs to a
//! vCPU that takes events.

use core::fmt;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use console::Errno;
use console::types::{Domid, Port};

use crate::pending::PORTS;
use crate::shared_info;
use crate::vcpu::{MOST, Vcpu};
use crate::xen::{self, Virq};

/// What runs when a port's event comes: with events masked, on the vCPU that the port belongs to, with the argument
/// that it was bound with. It must be quick, and can't wait.
pub type Handler = fn(usize);

/// Why there is no port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortError {
    /// All ports that this domain may have are open.
    Exhausted,
    /// Xen refuses: there is no such vCPU or domain, or it has opened none for us; or this VIRQ is bound already.
    Refused(Errno),
    /// There is no such port, or it has a handler already.
    Taken(Port),
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted => f.write_str("all event channel ports are in use"),
            Self::Refused(error) => write!(f, "Xen refuses the event channel: {error}"),
            Self::Taken(port) => write!(f, "port {} is in use", port.0),
        }
    }
}

impl core::error::Error for PortError {}

impl From<Errno> for PortError {
    fn from(error: Errno) -> Self {
        const ENOSPC: u16 = 28;
        if error.number() == ENOSPC { Self::Exhausted } else { Self::Refused(error) }
    }
}

/// What is known about a port.
struct Slot {
    handler: AtomicPtr<()>,
    argument: AtomicUsize,
    /// The vCPU that it belongs to; [`HELD`] while somebody moves or closes it.
    vcpu: AtomicU32,
}

/// In the place of a vCPU's number.
const HELD: u32 = u32::MAX;

/// The vCPUs that take events: a bit for each.
static THERE: [AtomicU64; MOST / 64] = [const { AtomicU64::new(0) }; MOST / 64];

static SLOTS: [Slot; PORTS as usize] = [const {
    Slot { handler: AtomicPtr::new(ptr::null_mut()), argument: AtomicUsize::new(0), vcpu: AtomicU32::new(0) }
}; PORTS as usize];

/// A port that is open, with its handler.
#[derive(Debug)]
pub struct Binding {
    port: Port,
}

/// Opens a port for a virtual interrupt of a vCPU.
///
/// # Errors
/// [`PortError::Exhausted`], or [`PortError::Refused`] if this vCPU has one for it already.
pub fn bind_virq(virq: Virq, vcpu: u32, handler: Handler, argument: usize) -> Result<Binding, PortError> {
    connect(xen::bind_virq(virq, vcpu)?, vcpu, handler, argument)
}

/// Opens a port by which any vCPU can interrupt this one.
///
/// # Errors
/// [`PortError::Exhausted`], or [`PortError::Refused`] if there is no such vCPU.
pub fn bind_ipi(vcpu: u32, handler: Handler, argument: usize) -> Result<Binding, PortError> {
    connect(xen::bind_ipi(vcpu)?, vcpu, handler, argument)
}

/// Connects a new port to one that another domain has opened for us. Its first event comes at once.
///
/// # Errors
/// [`PortError::Exhausted`], or [`PortError::Refused`] if there is none for us.
pub fn bind_interdomain(domain: Domid, remote: Port, handler: Handler, argument: usize) -> Result<Binding, PortError> {
    connect(xen::bind_interdomain(domain, remote)?, 0, handler, argument)
}

/// Opens a port for another domain to connect to, which has to be told its number.
///
/// # Errors
/// [`PortError::Exhausted`], or [`PortError::Refused`] for a domain that can't be.
pub fn allocate_unbound(remote: Domid, handler: Handler, argument: usize) -> Result<Binding, PortError> {
    connect(xen::allocate_unbound(remote)?, 0, handler, argument)
}

/// Gives a handler to a port that was opened by somebody else: the console's and xenstore's, by the domain's builder.
///
/// # Errors
/// [`PortError::Taken`] if it has one, or if there can't be such a port.
pub fn adopt(port: Port, handler: Handler, argument: usize) -> Result<Binding, PortError> {
    if !(1..PORTS).contains(&port.0) || !slot(port).handler.load(Ordering::Relaxed).is_null() {
        return Err(PortError::Taken(port));
    }
    connect(port, 0, handler, argument)
}

// ANCHOR: connect
/// The handler first, then the event: a port is masked from the moment that it opens, as [`Binding::drop`] and
/// `shared_info::map` leave it.
fn connect(port: Port, vcpu: u32, handler: Handler, argument: usize) -> Result<Binding, PortError> {
    let slot = slot(port);
    slot.vcpu.store(vcpu, Ordering::Relaxed);
    slot.argument.store(argument, Ordering::Relaxed);
    slot.handler.store(handler as *mut (), Ordering::Release);
    let binding = Binding { port };
    if let Some(vcpu) = Vcpu::of(vcpu) {
        vcpu.own(port, true);
    }
    binding.unmask();
    Ok(binding)
}
// ANCHOR_END: connect

impl Binding {
    /// The port's number.
    pub fn port(&self) -> Port {
        self.port
    }

    /// Has events wait until [`unmask`](Self::unmask). Several that come meanwhile become one.
    pub fn mask(&self) {
        let (word, bit) = place(self.port);
        shared_info::mask(word).fetch_or(bit, Ordering::SeqCst);
    }

    /// Takes events again, first of all one that came meanwhile. May be called on any vCPU.
    ///
    /// Xen does it: if an event came while the port was masked, no selector knows of it, and setting one by hand would be
    /// a race with Xen unless it is the port's own vCPU that does it.
    pub fn unmask(&self) {
        let _ = xen::unmask(self.port); // it can only refuse a port that isn't open
    }

    /// Sends an event to the other end: for an IPI, the vCPU that it was bound for.
    ///
    /// # Errors
    /// If there is no other end.
    pub fn notify(&self) -> Result<(), Errno> {
        console::xen::notify(self.port)
    }

    /// Has the port interrupt another vCPU from now on. Those of IPIs and of a vCPU's own VIRQs can't be moved. Two vCPUs
    /// never run its handler at a time, so this waits for one that runs (and mustn't hold what that one needs).
    ///
    /// # Errors
    /// As Xen's; [`Errno::ENOENT`] for a vCPU that takes no events.
    pub fn move_to(&self, vcpu: u32) -> Result<(), Errno> {
        let before = slot(self.port).hold();
        // Whoever is about to leave has said so before, or waits for this slot.
        let moved = if is_there(vcpu) { relocate(self.port, before, vcpu) } else { Err(Errno::ENOENT) };
        slot(self.port).vcpu.store(if moved.is_ok() { vcpu } else { before }, Ordering::SeqCst);
        moved
    }
}

/// Moves a port that is held from a vCPU to another. An event that is pending comes there.
fn relocate(port: Port, from: u32, to: u32) -> Result<(), Errno> {
    let (word, bit) = place(port);
    let masked = shared_info::mask(word).fetch_or(bit, Ordering::SeqCst) & bit != 0;
    let moved = xen::bind_vcpu(port, to);
    if moved.is_ok() {
        if let Some(from) = Vcpu::of(from) {
            from.own(port, false);
            from.wait_until_delivered(port);
        }
        Vcpu::of(to).iter().for_each(|to| to.own(port, true));
    }
    if !masked {
        let _ = xen::unmask(port); // it can only refuse a port that isn't open
    }
    moved
}

fn is_there(vcpu: u32) -> bool {
    let (word, bit) = place(Port(vcpu));
    vcpu == 0 || THERE.get(word).is_some_and(|there| there.load(Ordering::SeqCst) & bit != 0)
}

/// A vCPU takes events from now on, and ports can be moved to it. (The first always does.)
pub fn arrive(vcpu: u32) {
    let (word, bit) = place(Port(vcpu));
    if let Some(there) = THERE.get(word) {
        there.fetch_or(bit, Ordering::SeqCst);
    }
}

/// The vCPU that this runs on takes no more events: its ports go to the first, but for those that are its own by nature. They don't
/// come back by themselves. Events must be masked.
pub fn leave(vcpu: u32) {
    let (word, bit) = place(Port(vcpu));
    if let Some(there) = THERE.get(word) {
        there.fetch_and(!bit, Ordering::SeqCst);
    }
    for (number, slot) in (0..).zip(&SLOTS) {
        let at = slot.vcpu.load(Ordering::SeqCst);
        if (at != vcpu && at != HELD) || slot.handler.load(Ordering::SeqCst).is_null() {
            continue;
        }
        // Somebody may be moving it here at this moment.
        let before = slot.hold();
        let moved = before == vcpu && relocate(Port(number), vcpu, 0).is_ok();
        slot.vcpu.store(if moved { 0 } else { before }, Ordering::SeqCst);
    }
}

impl Slot {
    /// Keeps others from moving the port or closing it, until the number is stored again that this returns, or another.
    fn hold(&self) -> u32 {
        loop {
            let vcpu = self.vcpu.swap(HELD, Ordering::SeqCst);
            if vcpu != HELD {
                return vcpu;
            }
            console::bedrock::offer_processor();
        }
    }
}

/// Closes the port, and waits for its handler if another vCPU runs it: whoever drops a binding mustn't hold what the handler
/// needs.
impl Drop for Binding {
    fn drop(&mut self) {
        // Nothing of ours may be left when Xen closes the port: from that moment on it may give the number to another vCPU,
        // whose handler and mask these are then. An event that is still pending goes in Xen's `evtchn_close`.
        let slot = slot(self.port);
        let vcpu = slot.hold();
        self.mask();
        if let Some(vcpu) = Vcpu::of(vcpu) {
            vcpu.own(self.port, false);
            vcpu.wait_until_delivered(self.port);
        }
        slot.handler.store(ptr::null_mut(), Ordering::SeqCst);
        slot.vcpu.store(0, Ordering::SeqCst);
        let _ = xen::close(self.port); // it can only refuse a port that isn't open
    }
}

/// Runs a port's handler.
pub(crate) fn deliver(port: Port) {
    let Some(slot) = SLOTS.get(port.0 as usize) else { return };
    let pointer = slot.handler.load(Ordering::Acquire);
    if pointer.is_null() {
        return;
    }
    // SAFETY: only `connect` stores a pointer that isn't null, and it was made of such a function.
    let handler = unsafe { mem::transmute::<*mut (), Handler>(pointer) };
    handler(slot.argument.load(Ordering::Relaxed));
}

/// The word that a port's bit is in, and the bit.
pub(crate) fn place(port: Port) -> (usize, u64) {
    (port.0 as usize / 64, 1 << (port.0 % 64))
}

/// What is known about a port that Xen has opened: it opens none beyond the last.
fn slot(port: Port) -> &'static Slot {
    &SLOTS[port.0 as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pending::PendingPorts;
    use std::boxed::Box;
    use std::sync::mpsc;
    use std::time::Duration;

    /// A vCPU that owns a port with this handler. Nobody else may use its number.
    fn vcpu_with(port: Port, handler: Handler) -> &'static Vcpu {
        let vcpu = Box::leak(Box::new(Vcpu::new(1)));
        slot(port).handler.store(handler as *mut (), Ordering::SeqCst);
        vcpu.own(port, true);
        vcpu
    }

    #[test]
    fn a_port_that_is_lost_between_the_look_and_the_delivery_is_left_alone() {
        static CAME: AtomicU32 = AtomicU32::new(0);
        let port = Port(4001);
        let (word, bit) = place(port);
        let vcpu = vcpu_with(port, |_| CAME.store(1, Ordering::SeqCst));
        shared_info::pending(word).fetch_or(bit, Ordering::SeqCst);
        let mut ports = vcpu.pending();
        assert!(ports.pending(word) & ports.enabled(word) & bit != 0);
        // Another vCPU closes it, and opens another port of the same number, which has an event already.
        vcpu.own(port, false);
        ports.clear_pending(port);
        vcpu.deliver(port);
        assert!(shared_info::pending(word).load(Ordering::SeqCst) & bit != 0, "somebody else's event was taken");
        assert_eq!(CAME.load(Ordering::SeqCst), 0, "somebody else's handler was run");
    }

    #[test]
    fn a_port_that_is_held_is_left_alone() {
        let slot =
            Slot { handler: AtomicPtr::new(ptr::null_mut()), argument: AtomicUsize::new(0), vcpu: AtomicU32::new(3) };
        assert_eq!(slot.hold(), 3);
        let (told, tells) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| told.send(slot.hold()).unwrap());
            assert!(tells.recv_timeout(Duration::from_millis(100)).is_err());
            slot.vcpu.store(2, Ordering::SeqCst);
            assert_eq!(tells.recv_timeout(Duration::from_secs(60)), Ok(2));
        });
    }

    #[test]
    fn only_vcpus_that_take_events_are_there() {
        assert!(is_there(0) && !is_there(70) && !is_there(MOST as u32) && !is_there(u32::MAX));
        arrive(70);
        assert!(is_there(70) && !is_there(71));
        arrive(u32::MAX);
        assert!(!is_there(u32::MAX));
    }

    #[test]
    fn whoever_takes_a_port_away_waits_for_its_handler() {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        static GO_ON: AtomicU32 = AtomicU32::new(0);
        let port = Port(4002);
        let vcpu = vcpu_with(port, |_| {
            RUNS.store(1, Ordering::SeqCst);
            while GO_ON.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
        });
        let handling = std::thread::spawn(move || vcpu.deliver(port));
        while RUNS.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let (sender, done) = mpsc::channel();
        std::thread::spawn(move || {
            vcpu.own(port, false);
            vcpu.wait_until_delivered(port);
            sender.send(()).unwrap();
        });
        assert!(done.recv_timeout(Duration::from_millis(50)).is_err(), "it did not wait");
        GO_ON.store(1, Ordering::SeqCst);
        done.recv_timeout(Duration::from_secs(60)).unwrap();
        handling.join().unwrap();
    }
}

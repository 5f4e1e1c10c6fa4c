//! What this stage knows about each vCPU, and how a vCPU begins to take exceptions and events.
//!
//! Follows `struct vcpu_info` in Xen's `public/xen.h` and `VCPUOP_register_vcpu_info` in its `public/vcpu.h`. Where Xen and a
//! vCPU meet is the front of the block that gs leads to ([`Cpu`]):
//!
//! | offset | field |
//! |---|---|
//! | 0 | `evtchn_upcall_pending`, u8: the flag of [`crate::pending`] |
//! | 1 | `evtchn_upcall_mask`, u8: events are masked |
//! | 8 | `evtchn_pending_sel`, u64: the selector |
//! | 16 | `cr2` of the last page fault |
//! | 32 | `vcpu_time_info`: see [`crate::clock`] |
//!
//! Invariant: from [`register`] on Xen uses this place and no other. The words of a vCPU's own ports are changed before
//! one of them is unmasked, and a port that it has lost is not touched by it any more.

use core::alloc::Layout;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use console::Errno;
use console::bedrock::cpu::{self, Cpu, Slot};
use console::bedrock::offer_processor;
use console::types::{Mfn, PAGE_SIZE, Port, VIRT_BASE};

use crate::pending::{PendingPorts, WORDS};
use crate::port::{self, PortError, place};
use crate::timer::Timers;
use crate::xen::{self, Virq};
use crate::{entry, shared_info};

/// The most vCPUs that a domain of this kind can have with Xen's default limits.
pub const MOST: usize = 128;

static VCPUS: [AtomicPtr<Vcpu>; MOST] = [const { AtomicPtr::new(ptr::null_mut()) }; MOST];

static FIRST: Vcpu = Vcpu::new(0);

/// This stage's part of a vCPU.
pub struct Vcpu {
    id: u32,
    /// The ports that interrupt this vCPU.
    own: [AtomicU64; WORDS],
    /// The port whose event is being taken, or 0.
    handling: AtomicU32,
    pub(crate) in_upcall: AtomicBool,
    pub(crate) upcalls: AtomicU64,
    /// Its timers.
    pub(crate) timers: Timers,
}

impl Vcpu {
    /// A vCPU that has nothing yet.
    pub const fn new(id: u32) -> Self {
        Self {
            id,
            own: [const { AtomicU64::new(0) }; WORDS],
            handling: AtomicU32::new(0),
            in_upcall: AtomicBool::new(false),
            upcalls: AtomicU64::new(0),
            timers: Timers::new(id),
        }
    }

    /// The vCPU that this runs on, once it is registered. Unless events are masked, it may be another by the time of its
    /// use.
    pub fn current() -> Option<&'static Self> {
        let pointer = cpu::current().slot(Slot::Events).load(Ordering::Acquire) as *const Self;
        // SAFETY: 0, or what `register` stored: a reference that stays.
        unsafe { pointer.as_ref() }
    }

    /// The vCPU of this number, if it is registered.
    pub fn of(id: u32) -> Option<&'static Self> {
        // SAFETY: null, or what `register` stored: a reference that stays.
        unsafe { VCPUS.get(id as usize)?.load(Ordering::Acquire).as_ref() }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How often Xen has interrupted it with events.
    pub fn upcalls(&self) -> u64 {
        self.upcalls.load(Ordering::Relaxed)
    }

    /// Counts a port among its own, or no longer.
    pub(crate) fn own(&self, port: Port, own: bool) {
        let (word, bit) = place(port);
        if own {
            self.own[word].fetch_or(bit, Ordering::SeqCst);
        } else {
            self.own[word].fetch_and(!bit, Ordering::SeqCst);
        }
    }

    /// Says that this vCPU, which is the one that runs this, takes a port's event now. `false` if it has lost the port since
    /// it found it pending: then the event, and perhaps the port, are somebody else's.
    ///
    /// Either this sees that the port is gone, or whoever takes it away sees that it is being handled, and waits.
    fn begin(&self, port: Port) -> bool {
        let (word, bit) = place(port);
        self.handling.store(port.0, Ordering::SeqCst);
        self.own[word].load(Ordering::SeqCst) & bit != 0
    }

    /// Runs a port's handler, on this vCPU.
    pub(crate) fn deliver(&self, port: Port) {
        if self.begin(port) {
            port::deliver(port);
        }
        self.all_delivered();
    }

    /// No port's event is being taken any more.
    pub(crate) fn all_delivered(&self) {
        self.handling.store(0, Ordering::SeqCst);
    }

    /// Waits while another vCPU runs a port's handler. The port is none of its own any more.
    pub(crate) fn wait_until_delivered(&self, port: Port) {
        // With events masked this stays on its vCPU; if that is the one, it is the handler that closes its port.
        let in_the_handler = cpu::events_masked() && cpu::current().id() == self.id;
        while !in_the_handler && self.handling.load(Ordering::SeqCst) == port.0 {
            offer_processor();
        }
    }

    /// The pending ports as this vCPU sees them, which is the one that this must run on.
    pub(crate) fn pending(&'static self) -> LivePorts {
        LivePorts { vcpu: self, vcpu_info: cpu::current().vcpu_info() }
    }
}

/// The pending ports of a vCPU.
pub(crate) struct LivePorts {
    vcpu: &'static Vcpu,
    vcpu_info: *mut u8,
}

impl LivePorts {
    fn flag_byte(&self) -> &AtomicU8 {
        // SAFETY: the field's place in `struct vcpu_info`, which stays.
        unsafe { AtomicU8::from_ptr(self.vcpu_info) }
    }
}

impl PendingPorts for LivePorts {
    fn flag(&self) -> bool {
        self.flag_byte().load(Ordering::SeqCst) != 0
    }

    fn clear_flag(&mut self) {
        self.flag_byte().store(0, Ordering::SeqCst);
    }

    fn take_selector(&mut self) -> u64 {
        // SAFETY: the field's place in `struct vcpu_info`, which stays, and aligned.
        unsafe { AtomicU64::from_ptr(self.vcpu_info.wrapping_add(8).cast()) }.swap(0, Ordering::SeqCst)
    }

    fn pending(&self, word: usize) -> u64 {
        shared_info::pending(word).load(Ordering::SeqCst)
    }

    fn enabled(&self, word: usize) -> u64 {
        !shared_info::mask(word).load(Ordering::SeqCst) & self.vcpu.own[word].load(Ordering::SeqCst)
    }

    fn clear_pending(&mut self, port: Port) {
        // `deliver` comes next, and says the same again.
        if self.vcpu.begin(port) {
            let (word, bit) = place(port);
            shared_info::pending(word).fetch_and(!bit, Ordering::SeqCst);
        }
    }
}

/// Why a vCPU can't take events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegisterError {
    /// There are [`MOST`] already.
    TooMany,
    /// There is no memory for it.
    OutOfMemory,
    /// The block is nowhere that Xen could find it.
    NotMapped,
    /// There is no port for its timer.
    Port(PortError),
    /// Xen refuses: there is no such vCPU, or it is registered already.
    Refused(Errno),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "there are {MOST} vCPUs already"),
            Self::OutOfMemory => f.write_str("no memory for one more vCPU"),
            Self::NotMapped => f.write_str("the vCPU's block isn't mapped"),
            Self::Port(error) => fmt::Display::fmt(error, f),
            Self::Refused(error) => write!(f, "Xen refuses: {error}"),
        }
    }
}

impl core::error::Error for RegisterError {}

impl From<Errno> for RegisterError {
    fn from(error: Errno) -> Self {
        Self::Refused(error)
    }
}

/// Makes a vCPU known to this stage and to Xen: where its `vcpu_info` is, and its timer's port. It must be the one that
/// this runs on, or one that hasn't started yet.
///
/// # Errors
/// See [`RegisterError`].
pub fn register(cpu: &'static Cpu) -> Result<(), RegisterError> {
    let slot = VCPUS.get(cpu.id() as usize).ok_or(RegisterError::TooMany)?;
    let vcpu = if cpu.id() == 0 { &FIRST } else { room(cpu.id())? };
    let (frame, offset) = place_of(cpu)?;
    // SAFETY: blocks stay for ever, and their front is what this is for.
    unsafe { xen::register_vcpu_info(cpu.id(), frame, offset) }?;
    slot.store(ptr::from_ref(vcpu).cast_mut(), Ordering::Release);
    cpu.slot(Slot::Events).store((&raw const *vcpu).addr() as u64, Ordering::Release);
    fence(Ordering::SeqCst);
    let timer = port::bind_virq(Virq::TIMER, cpu.id(), crate::timer::fired, 0).map_err(RegisterError::Port)?;
    core::mem::forget(timer); // for ever, as the vCPU
    Ok(())
}

/// Has the vCPU that this runs on take exceptions and events by this stage's entries, save the whole extended state, and
/// tick no more. Events stay masked: the caller unmasks them.
///
/// # Errors
/// As Xen's.
pub fn start() -> Result<(), RegisterError> {
    #[cfg(guest)]
    crate::extended_state::enable();
    xen::set_trap_table(entry::trap_table())?;
    // SAFETY: this is the entry for events.
    unsafe { xen::register_callback(xen::Callback::Event, entry::event_address()) }?;
    // SAFETY: this is the entry for the failsafe callback.
    unsafe { xen::register_callback(xen::Callback::Failsafe, entry::failsafe_address()) }?;
    xen::stop_periodic_timer(cpu::current().id())?;
    Ok(())
}

/// Where the image's pages are in the machine: the address of `start_info`'s list.
static MACHINE_FRAMES: AtomicU64 = AtomicU64::new(0);

/// Learns from `start_info` where the machine's frames are listed.
pub(crate) fn set_machine_frames(list: u64) {
    MACHINE_FRAMES.store(list, Ordering::Release);
}

/// The machine frame that a block's front lies in, and how far into it. The first block lies in the image; a further one
/// wherever memory was free.
fn place_of(cpu: &'static Cpu) -> Result<(Mfn, u32), RegisterError> {
    let address = cpu.vcpu_info().addr() as u64;
    if cpu.id() != 0 {
        let (frame, offset) = memory::translate::address_to_machine(address).ok_or(RegisterError::NotMapped)?;
        return Ok((frame, offset as u32));
    }
    let pfn = (address - VIRT_BASE) / PAGE_SIZE as u64;
    let list = MACHINE_FRAMES.load(Ordering::Acquire) as *const u64;
    // SAFETY: the list has an entry for each of our frames, and the block is in one.
    let mfn = unsafe { list.wrapping_add(pfn as usize).read_volatile() };
    Ok((Mfn(mfn), (address % PAGE_SIZE as u64) as u32))
}

/// Room for this stage's part of a further vCPU, for ever.
fn room(id: u32) -> Result<&'static Vcpu, RegisterError> {
    let layout = Layout::new::<Vcpu>();
    // SAFETY: the layout isn't empty.
    let room = unsafe { alloc::alloc::alloc(layout) }.cast::<Vcpu>();
    if room.is_null() {
        return Err(RegisterError::OutOfMemory);
    }
    // SAFETY: the room is as large and as aligned as it must be, and nobody else's.
    unsafe { room.write(Vcpu::new(id)) };
    // SAFETY: it has just been written, and is never freed.
    Ok(unsafe { &*room })
}

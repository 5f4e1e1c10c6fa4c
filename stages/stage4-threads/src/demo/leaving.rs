//! A part of the demo `app=online`: a vCPU that is being switched off, but still runs something, sees what others map.

use core::sync::atomic::{AtomicU32, Ordering};

use console::lock::Lock;
use console::println;
use console::types::{Mfn, PAGE_SIZE};
use memory::area::Area;
use memory::entry::Access;
use memory::frames::{self, FrameRun};
use memory::translate::pfn_to_mfn;

use crate::cpu_set::CpuSet;
use crate::smp;
use crate::thread::{self, Builder};

/// How far it has come: a number of the steps below.
static STEP: AtomicU32 = AtomicU32::new(0);
/// The page has been looked at, so that the vCPU remembers where it is; from here on it takes no events.
const LOOKED: u32 = 1;
/// Another page is mapped there.
const CHANGED: u32 = 2;

/// Switches `cpu` off while it masks events and so can't leave yet, maps another page, and lets it look again.
pub(super) fn run(cpu: u32) {
    let (Some((one, _one)), Some((other, _other))) = (page(1), page(2)) else { return println!("no pages") };
    let Ok(mut area) = Area::reserve(PAGE_SIZE) else { return println!("no area") };
    if area.map(0, &[one], Access::Read).is_err() {
        return println!("the area can't be mapped");
    }
    let address = area.address().expose_provenance();
    STEP.store(0, Ordering::SeqCst);
    thread::current().set_affinity(CpuSet::one(0)); // not behind the looker, which lets nobody else run
    let looker = Builder::new().name("looker").affinity(CpuSet::one(cpu)).spawn(move || look_twice(address));
    let changer = Builder::new().name("changer").affinity(CpuSet::one(0)).spawn(move || {
        wait_for(LOOKED);
        while smp::online().contains(cpu) {
            thread::yield_now();
        }
        let changed = area.unmap(0, 1).and_then(|()| area.map(0, &[other], Access::Read));
        STEP.store(CHANGED, Ordering::SeqCst);
        (changed, area)
    });
    let (Ok(looker), Ok(changer)) = (looker, changer) else { return println!("no threads") };
    wait_for(LOOKED);
    let off = smp::set_online(cpu, false);
    let (changed, _area) = changer.join();
    let [before, after] = looker.join();
    println!("cpu {cpu} off: {off:?}; {changed:?}; it saw page {before}, then page {after}");
    println!("cpu {cpu} on: {:?}", smp::set_online(cpu, true));
    thread::current().set_affinity(CpuSet::ALL);
}

/// A page that begins with this number.
fn page(number: u32) -> Option<(Mfn, FrameRun)> {
    let frame = frames::allocate(1).ok()?;
    // SAFETY: the frame is nobody else's, and the direct map shows it.
    unsafe { frame.address().cast::<u32>().write_volatile(number) };
    Some((pfn_to_mfn(frame.first())?, frame))
}

fn look_twice(address: usize) -> [u32; 2] {
    static ALONE: Lock<()> = Lock::new(());
    let _masked = ALONE.lock();
    let before = look(address);
    STEP.store(LOOKED, Ordering::SeqCst);
    while STEP.load(Ordering::SeqCst) != CHANGED {
        console::xen::yield_now();
    }
    [before, look(address)]
}

fn look(address: usize) -> u32 {
    // SAFETY: the area is there until this thread has been joined, and there is always a page mapped when this looks.
    unsafe { core::ptr::with_exposed_provenance::<u32>(address).read_volatile() }
}

fn wait_for(step: u32) {
    while STEP.load(Ordering::SeqCst) < step {
        thread::yield_now();
    }
}

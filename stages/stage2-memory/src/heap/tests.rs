//! Slabs and caches under any sequence of calls. What is checked is what a heap promises: a block is nobody else's, as large and as
//! aligned as its class says, and keeps what is in it; and what comes back is used again.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::vec::Vec;

use console::bedrock::cpu::{self, Cpu, Slot};
use core::sync::atomic::Ordering;
use fastrand::Rng;

use super::classes::{CLASSES, alignment, size};
use super::{Statistics, cache, host_base, slab};

/// The blocks that are out, by address, with what is in them.
#[derive(Default)]
struct Out(BTreeMap<usize, (usize, u8)>);

impl Out {
    /// Takes note of a block, and fills it.
    fn add(&mut self, rng: &mut Rng, class: usize, block: *mut u8) {
        let address = block.addr();
        assert_eq!(address % alignment(class), 0, "class {class}");
        let before = self.0.range(..address + size(class)).next_back();
        assert!(before.is_none_or(|(other, (class, _))| other + size(*class) <= address), "two blocks at {address:#x}");
        let byte = rng.u8(..);
        // SAFETY: the block is so large, and nobody else's.
        unsafe { block.write_bytes(byte, size(class)) };
        self.0.insert(address, (class, byte));
    }

    /// Takes a block out, and looks whether it is whole.
    fn take(&mut self, rng: &mut Rng) -> Option<(usize, *mut u8)> {
        let address = *self.0.keys().nth(rng.usize(..self.0.len().max(1)))?;
        let (class, byte) = self.0.remove(&address)?;
        let block = core::ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: it was filled, and nobody else should have touched it.
        let bytes = unsafe { core::slice::from_raw_parts(block, size(class)) };
        assert!(bytes.iter().all(|other| *other == byte), "the block at {address:#x} was changed");
        Some((class, block))
    }

    fn bytes(&self) -> u64 {
        self.0.values().map(|(class, _)| size(*class) as u64).sum()
    }
}

fn statistics() -> Statistics {
    let mut sum = Statistics::default();
    slab::add_to(&mut sum);
    cache::for_each(|cache| cache.add_to(&mut sum));
    sum
}

fn expose(block: *mut u8) -> *mut u8 {
    let _ = block.expose_provenance();
    block
}

#[test]
fn slabs_hand_out_each_block_once_and_give_empty_ones_back() {
    let _alone = host_base::alone();
    let before = (statistics().used, host_base::OUT.load(Ordering::SeqCst));
    for seed in 0..3 {
        let mut rng = Rng::with_seed(seed);
        let mut out = Out::default();
        // Now more are taken, now more are given back; few classes at a time, so that slabs fill.
        for _ in 0..6 {
            let (classes, taking) = (rng.usize(1..=CLASSES), rng.u32(2..9));
            for _ in 0..1200 {
                if rng.u32(..10) < taking {
                    let class = rng.usize(..classes);
                    out.add(&mut rng, class, expose(slab::allocate(class)));
                } else if let Some((_, block)) = out.take(&mut rng) {
                    // SAFETY: it came from there, and nobody uses it any more.
                    unsafe { slab::free(block) };
                }
            }
            assert_eq!(statistics().used - before.0, out.bytes());
        }
        while let Some((_, block)) = out.take(&mut rng) {
            // SAFETY: as above.
            unsafe { slab::free(block) };
        }
        assert_eq!(statistics().used, before.0);
        // One of each class stays.
        assert!(host_base::OUT.load(Ordering::SeqCst) - before.1 <= CLASSES as isize);
    }
}

#[test]
fn a_slab_that_can_not_be_had_is_an_error_that_changes_nothing() {
    let _alone = host_base::alone();
    let mut rng = Rng::with_seed(1);
    let mut out = Out::default();
    let class = CLASSES - 1;
    host_base::refuse_after(3);
    let before = statistics();
    loop {
        let block = slab::allocate(class);
        if block.is_null() {
            break;
        }
        out.add(&mut rng, class, expose(block));
    }
    // Seven of 2 KiB each in three new pieces of 16 KiB, and what other tests' caches have left.
    assert!((21..100).contains(&out.0.len()), "{}", out.0.len());
    let (list, count) = slab::allocate_many(class, 5);
    assert!(list.is_null() && count == 0);
    let now = statistics();
    assert_eq!((now.allocations - before.allocations, now.used - before.used), (out.0.len() as u64, out.bytes()));
    host_base::refuse_after(isize::MAX);
    while let Some((_, block)) = out.take(&mut rng) {
        // SAFETY: it came from there, and nobody uses it any more.
        unsafe { slab::free(block) };
    }
    assert_eq!(statistics().used, before.used);
}

/// Caches of four vCPUs: which one is used is a word in the vCPU's block, so here one thread can be all of them. A block is mostly
/// given back by another vCPU than it was taken by.
#[test]
fn caches_hand_out_each_block_once_whoever_gives_it_back() {
    let _alone = host_base::alone();
    let slot = cpu::current().slot(Slot::Memory);
    let own = slot.load(Ordering::Relaxed);
    let caches: Vec<u64> = (0..4)
        .map(|id| {
            let block: &'static Cpu = Box::leak(Box::new(Cpu::new(id)));
            cache::install(block);
            block.slot(Slot::Memory).load(Ordering::Relaxed)
        })
        .collect();
    assert!(caches.iter().all(|cache| *cache != 0));
    let before = statistics();
    for seed in 0..3 {
        let mut rng = Rng::with_seed(seed);
        let mut out = Out::default();
        for _ in 0..6 {
            let (classes, taking) = (rng.usize(1..=CLASSES), rng.u32(2..9));
            for _ in 0..1200 {
                slot.store(caches[rng.usize(..4)], Ordering::Relaxed);
                if rng.u32(..10) < taking {
                    let class = rng.usize(..classes);
                    out.add(&mut rng, class, expose(cache::allocate(class)));
                } else if let Some((class, block)) = out.take(&mut rng) {
                    // SAFETY: it came from there, and nobody uses it any more.
                    unsafe { cache::free(class, block) };
                }
            }
            assert_eq!(statistics().used.wrapping_sub(before.used), out.bytes());
        }
        while let Some((class, block)) = out.take(&mut rng) {
            slot.store(caches[rng.usize(..4)], Ordering::Relaxed);
            // SAFETY: as above.
            unsafe { cache::free(class, block) };
        }
        let now = statistics();
        assert_eq!(now.used, before.used);
        assert_eq!(now.allocations - before.allocations, now.frees - before.frees);
    }
    // What the caches still have at hand is bounded, so what they keep of slabs is, too.
    assert!(host_base::OUT.load(Ordering::SeqCst) < 400, "{}", host_base::OUT.load(Ordering::SeqCst));
    slot.store(own, Ordering::Relaxed);
}

#[test]
fn a_cache_without_memory_hands_out_nothing_and_recovers() {
    let _alone = host_base::alone();
    let slot = cpu::current().slot(Slot::Memory);
    let own = slot.load(Ordering::Relaxed);
    let block: &'static Cpu = Box::leak(Box::new(Cpu::new(9)));
    cache::install(block);
    slot.store(block.slot(Slot::Memory).load(Ordering::Relaxed), Ordering::Relaxed);
    let mut rng = Rng::with_seed(2);
    let mut out = Out::default();
    let class = CLASSES - 1;
    host_base::refuse_after(2);
    while let Some(block) = Some(cache::allocate(class)).filter(|block| !block.is_null()) {
        out.add(&mut rng, class, expose(block));
    }
    assert!(!out.0.is_empty());
    // One that comes back is there at once for the next, though there is no memory still.
    let (class, block) = out.take(&mut rng).unwrap();
    // SAFETY: it came from there, and nobody uses it any more.
    unsafe { cache::free(class, block) };
    assert_eq!(cache::allocate(class), block);
    assert!(cache::allocate(class).is_null());
    host_base::refuse_after(isize::MAX);
    // SAFETY: as above.
    unsafe { cache::free(class, block) };
    while let Some((class, block)) = out.take(&mut rng) {
        // SAFETY: as above.
        unsafe { cache::free(class, block) };
    }
    slot.store(own, Ordering::Relaxed);
}

#[test]
fn a_block_that_is_given_back_twice_is_found() {
    let _alone = host_base::alone();
    let block = slab::allocate(3);
    // SAFETY: it came from there, and nobody uses it any more.
    unsafe { slab::free(block) };
    let again = std::panic::catch_unwind(|| slab::assert_in_use(block));
    let said = again.unwrap_err();
    let said = said.downcast_ref::<std::string::String>().unwrap();
    assert!(said.contains("was it freed before?"), "{said}");
}

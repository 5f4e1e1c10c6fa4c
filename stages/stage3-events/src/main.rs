//! The program of stage 3: boots, and runs the demo that `app=` names.
#![cfg_attr(guest, no_std, no_main)]

#[cfg(guest)]
console::entry!("stage 3: events", start);

#[cfg(guest)]
fn start(entry: console::Entry) {
    let boot = events::boot(&entry);
    console::demo::run(boot, &[console::demo::DEMOS, events::DEMOS]);
}

#[cfg(not(guest))]
fn main() {
    println!("This is a guest for Xen. To boot it: cargo harness run stage3");
}

#[cfg(guest)]
mod temporary {
    use core::alloc::{GlobalAlloc, Layout};
    use core::sync::atomic::{AtomicUsize, Ordering};
    struct Bump;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    #[repr(align(4096))]
    struct Room(core::cell::UnsafeCell<[u8; 1 << 20]>);
    unsafe impl Sync for Room {}
    static ROOM: Room = Room(core::cell::UnsafeCell::new([0; 1 << 20]));
    unsafe impl GlobalAlloc for Bump {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let at = NEXT.fetch_add(layout.size() + layout.align(), Ordering::Relaxed);
            if at + layout.size() + layout.align() > 1 << 20 {
                return core::ptr::null_mut();
            }
            let base = ROOM.0.get() as usize + at;
            base.next_multiple_of(layout.align()) as *mut u8
        }
        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }
    #[global_allocator]
    static HEAP: Bump = Bump;
}

//! The program of stage 7: boots, and runs the demo that `app=` names.
#![cfg_attr(guest, no_std, no_main)]

#[cfg(guest)]
console::entry!("stage 7: blkfront", start);

#[cfg(guest)]
fn start(entry: console::Entry) {
    let boot = blkfront::boot(&entry);
    console::demo::run(
        boot,
        &[console::demo::DEMOS, memory::DEMOS, events::DEMOS, threads::DEMOS, xenbus::DEMOS, blkfront::DEMOS],
    );
}

#[cfg(not(guest))]
fn main() {
    println!("This is a guest for Xen. To boot it: cargo harness run stage7");
}

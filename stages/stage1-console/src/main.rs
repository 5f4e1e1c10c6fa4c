//! The program of stage 1: boots, and runs the demo that `app=` names.
#![cfg_attr(guest, no_std, no_main)]

#[cfg(all(guest, feature = "checks"))]
mod checks;

#[cfg(guest)]
console::entry!("stage 1: console", start);

#[cfg(guest)]
fn start(entry: console::Entry) {
    let boot = console::boot(&entry);
    console::demo::run(boot, &[console::demo::DEMOS]);
}

#[cfg(not(guest))]
fn main() {
    println!("This is a guest for Xen. To boot it: cargo harness run stage1");
}

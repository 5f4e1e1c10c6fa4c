//! The program of stage 1: boots, and runs the demo that `app=` names.
#![cfg_attr(guest, no_std, no_main)]

#[cfg(all(guest, feature = "checks"))]
mod checks;

#[cfg(guest)]
console::entry!("stage 1: console", start);

#[cfg(guest)]
#[cfg_attr(not(feature = "checks"), allow(unused_mut, reason = "checks take their reporter out of it"))]
// ANCHOR: start
fn start(mut entry: console::Entry) {
    #[cfg(feature = "checks")]
    let word = entry.reporter.take().map(checks::run);

    let boot = console::boot(&entry);

    #[cfg(feature = "checks")]
    if let Some(word) = word {
        console::println!("live: {}", word.escape_ascii());
    }

    console::demo::run(boot, &[console::demo::DEMOS]);
}
// ANCHOR_END: start

#[cfg(not(guest))]
fn main() {
    println!("This is a guest for Xen. To boot it: cargo harness run stage1");
}

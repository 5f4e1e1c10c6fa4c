//! The program of stage 2: boots, and runs the demo that `app=` names.
#![cfg_attr(guest, no_std, no_main)]

#[cfg(all(guest, feature = "checks"))]
mod checks;

#[cfg(guest)]
console::entry!("stage 2: memory", start);

#[cfg(guest)]
#[cfg_attr(not(feature = "checks"), allow(unused_mut, reason = "checks take their reporter out of it"))]
fn start(mut entry: console::Entry) {
    #[cfg(feature = "checks")]
    let word = entry.reporter.take().map(checks::run);

    let boot = memory::boot(&entry);

    #[cfg(feature = "checks")]
    if let Some(word) = word {
        console::println!("live: {}", word.escape_ascii());
    }

    console::demo::run(boot, &[console::demo::DEMOS, memory::DEMOS]);
}

#[cfg(not(guest))]
fn main() {
    println!("This is a guest for Xen. To boot it: cargo harness run stage2");
}

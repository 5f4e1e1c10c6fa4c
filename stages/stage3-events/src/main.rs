//! The program of stage 3: boots, and runs the demo that `app=` names.
#![cfg_attr(guest, no_std, no_main)]

#[cfg(all(guest, feature = "checks"))]
mod checks;

#[cfg(guest)]
console::entry!("stage 3: events", start);

#[cfg(guest)]
#[cfg_attr(not(feature = "checks"), allow(unused_mut, reason = "checks take their reporter out of it"))]
fn start(mut entry: console::Entry) {
    #[cfg(feature = "checks")]
    let word = entry.reporter.take().map(|reporter| checks::run(reporter, entry.start_info));

    let boot = events::boot(&entry);

    #[cfg(feature = "checks")]
    if let Some(word) = word {
        live(word);
    }

    console::demo::run(boot, &[console::demo::DEMOS, events::memory::DEMOS, events::DEMOS]);
}

/// Says the word once the kernel has slept: that takes the scan, the clock and the timers.
#[cfg(all(guest, feature = "checks"))]
fn live(word: [u8; 8]) {
    let before = events::clock::now();
    let span = core::time::Duration::from_millis(20);
    match events::idle::sleep(span) {
        Ok(()) if events::clock::now().since(before) >= span => console::println!("live: {}", word.escape_ascii()),
        Ok(()) => console::println!("awake too early"),
        Err(error) => console::println!("no sleep: {error}"),
    }
}

#[cfg(not(guest))]
fn main() {
    println!("This is a guest for Xen. To boot it: cargo harness run stage3");
}

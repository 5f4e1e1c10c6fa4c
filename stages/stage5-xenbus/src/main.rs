//! The program of stage 5: boots, and runs the demo that `app=` names.
#![cfg_attr(guest, no_std, no_main)]

#[cfg(all(guest, feature = "checks"))]
extern crate alloc;

#[cfg(all(guest, feature = "checks"))]
mod checks;

#[cfg(guest)]
console::entry!("stage 5: xenbus", start);

#[cfg(guest)]
#[cfg_attr(not(feature = "checks"), allow(unused_mut, reason = "checks take their reporter out of it"))]
fn start(mut entry: console::Entry) {
    #[cfg(feature = "checks")]
    let word = entry.reporter.take().map(|reporter| {
        xenbus::prepare(&entry);
        checks::run(reporter)
    });

    let boot = xenbus::boot(&entry);

    #[cfg(feature = "checks")]
    if let Some(word) = word {
        live(&word);
    }

    console::demo::run(boot, &[console::demo::DEMOS, memory::DEMOS, events::DEMOS, threads::DEMOS, xenbus::DEMOS]);
}

/// Says the word once it has been to xenstore and back.
#[cfg(all(guest, feature = "checks"))]
fn live(word: &[u8]) {
    let store = xenbus::store::Store::shared();
    match store.write("data/live", word).and_then(|()| store.read("data/live")) {
        Ok(word) => console::println!("live: {}", word.escape_ascii()),
        Err(error) => console::println!("no word: {error}"),
    }
}

#[cfg(not(guest))]
fn main() {
    println!("This is a guest for Xen. To boot it: cargo harness run stage5");
}

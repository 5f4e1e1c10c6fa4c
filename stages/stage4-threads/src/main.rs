//! The program of stage 4: boots, and runs the demo that `app=` names.
#![cfg_attr(guest, no_std, no_main)]

#[cfg(all(guest, feature = "checks"))]
extern crate alloc;

#[cfg(all(guest, feature = "checks"))]
mod checks;

#[cfg(guest)]
console::entry!("stage 4: threads", start);

#[cfg(guest)]
#[cfg_attr(not(feature = "checks"), allow(unused_mut, reason = "checks take their reporter out of it"))]
fn start(mut entry: console::Entry) {
    #[cfg(feature = "checks")]
    let word = entry.reporter.take().map(|reporter| checks::run(reporter, &entry));

    let boot = threads::boot(&entry);

    #[cfg(feature = "checks")]
    if let Some(word) = word {
        live(word);
    }

    console::demo::run(boot, &[console::demo::DEMOS, memory::DEMOS, events::DEMOS, threads::DEMOS]);
}

/// Has a thread on the last vCPU say the word: that takes a switch, a run queue, a vCPU, and the lock of the join.
#[cfg(all(guest, feature = "checks"))]
fn live(word: [u8; 8]) {
    use threads::cpu_set::CpuSet;
    use threads::thread::Builder;

    let last = threads::smp::online().iter().last().unwrap_or(0);
    let speaker = Builder::new().name("speaker").affinity(CpuSet::one(last)).spawn(move || {
        console::println!("live: {}", word.escape_ascii());
    });
    match speaker {
        Ok(speaker) => speaker.join(),
        Err(error) => console::println!("no thread: {error}"),
    }
}

#[cfg(not(guest))]
fn main() {
    println!("This is a guest for Xen. To boot it: cargo harness run stage4");
}

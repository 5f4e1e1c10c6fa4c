//! The program of stage 7: boots, and runs the demo that `app=` names.
#![cfg_attr(guest, no_std, no_main)]

#[cfg(all(guest, feature = "checks"))]
extern crate alloc;

#[cfg(all(guest, feature = "checks"))]
mod checks;

#[cfg(guest)]
console::entry!("stage 7: blkfront", start);

#[cfg(guest)]
#[cfg_attr(not(feature = "checks"), allow(unused_mut, reason = "checks take their reporter out of it"))]
fn start(mut entry: console::Entry) {
    #[cfg(feature = "checks")]
    let word = entry.reporter.take().map(|reporter| {
        netfront::prepare(&entry);
        // How far the handshake is, and when, differs from boot to boot.
        let level = log::max_level();
        log::set_max_level(log::LevelFilter::Warn);
        blkfront::prepare(&entry);
        let word = checks::run(reporter);
        log::set_max_level(level);
        word
    });

    let boot = blkfront::boot(&entry);

    #[cfg(feature = "checks")]
    if let Some(word) = word {
        live(&word);
    }

    console::demo::run(
        boot,
        &[
            console::demo::DEMOS,
            memory::DEMOS,
            events::DEMOS,
            threads::DEMOS,
            xenbus::DEMOS,
            netfront::DEMOS,
            blkfront::DEMOS,
        ],
    );
}

/// Says the word once it has been through a cache to the disk's last bytes, and back from there.
#[cfg(all(guest, feature = "checks"))]
fn live(word: &[u8; 8]) {
    let said = blkfront::disk::Disk::open("xvda").and_then(|disk| {
        let cache = blkfront::cached::CachedDisk::new(disk.clone(), 4)?;
        let mut read = [0; 8];
        cache.write(disk.size() - 8, word)?;
        cache.flush()?;
        disk.read(disk.size() - 8, &mut read)?;
        Ok(read)
    });
    match said {
        Ok(word) => console::println!("live: {}", word.escape_ascii()),
        Err(error) => console::println!("no word: {error}"),
    }
}

#[cfg(not(guest))]
fn main() {
    println!("This is a guest for Xen. To boot it: cargo harness run stage7");
}

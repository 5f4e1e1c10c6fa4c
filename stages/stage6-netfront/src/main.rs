//! The program of stage 6: boots, and runs the demo that `app=` names.
#![cfg_attr(guest, no_std, no_main)]

#[cfg(all(guest, feature = "checks"))]
extern crate alloc;

#[cfg(all(guest, feature = "checks"))]
mod checks;

#[cfg(guest)]
console::entry!("stage 6: netfront", start);

#[cfg(guest)]
#[cfg_attr(not(feature = "checks"), allow(unused_mut, reason = "checks take their reporter out of it"))]
fn start(mut entry: console::Entry) {
    #[cfg(feature = "checks")]
    let word = entry.reporter.take().map(|reporter| {
        netfront::prepare(&entry);
        checks::run(reporter)
    });

    let boot = netfront::boot(&entry);
    #[cfg(feature = "checks")]
    if let Some(word) = word {
        live(&word);
    }

    console::demo::run(
        boot,
        &[console::demo::DEMOS, memory::DEMOS, events::DEMOS, threads::DEMOS, xenbus::DEMOS, netfront::DEMOS],
    );
}

/// Says the word once dom0 has answered: nobody listens at that port, and its refusal has come all the way.
#[cfg(all(guest, feature = "checks"))]
fn live(word: &[u8]) {
    use core::net::{Ipv4Addr, SocketAddr};
    use core::time::Duration;
    use netfront::net::{self, NetError, TcpStream};

    const PATIENCE: Duration = Duration::from_secs(20);
    let dom0 = SocketAddr::from((Ipv4Addr::new(10, 0, 2, 1), 9));
    match net::wait_until_up(PATIENCE).and_then(|_| TcpStream::connect(dom0, PATIENCE)) {
        Err(NetError::Refused) => console::println!("live: {}", word.escape_ascii()),
        other => console::println!("no word: {other:?}"),
    }
}

#[cfg(not(guest))]
fn main() {
    println!("This is a guest for Xen. To boot it: cargo harness run stage6");
}

//! The agent: runs in the test host's dom0 as `/sbin/agent` and drives Xen's toolstack for the harness.
//!
//! It follows the protocol in this package's library, and drives domains through `xl` (xl(1)), xenstored's socket
//! and xenconsoled's logs.
//!
//! Invariant: it lives as long as dom0. No request and no garbage on the port ends it; a failure is an error in
//! the reply or a line on dom0's console.

mod console;
mod domain;
mod files;
mod grants;
mod network;
mod port;
mod requests;
mod tool;
mod xenstore;

use std::sync::{Arc, Mutex};

fn main() {
    let port = match port::Port::open() {
        Ok(port) => Arc::new(port),
        Err(error) => {
            eprintln!("stardust: agent: {error}");
            std::process::exit(1);
        }
    };
    let console = Arc::new(console::Console::new(port.clone()));
    let agent = Arc::new(Agent {
        domains: domain::Domains::new(port.clone(), console.clone()),
        watches: xenstore::Watches::new(port.clone()),
        captures: network::Captures::new(port.clone()),
        xen_messages: Mutex::default(),
        grants: grants::Grants::default(),
        port,
        console,
    });
    let follower = agent.console.clone();
    std::thread::spawn(move || follower.follow());
    eprintln!("{}", agent::READY);
    let port = agent.port.clone();
    port.receive(|call| requests::handle(&agent, call));
}

/// What the agent keeps between requests.
struct Agent {
    port: Arc<port::Port>,
    console: Arc<console::Console>,
    domains: domain::Domains,
    watches: xenstore::Watches,
    captures: network::Captures,
    grants: grants::Grants,
    /// Xen's messages as last fetched.
    xen_messages: Mutex<Vec<u8>>,
}

/// A lock's content, also after a thread died holding it: no operation leaves it half-changed.
fn locked<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

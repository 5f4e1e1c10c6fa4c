//! The demos of stage 6.

mod echo;

use console::boot_info::CommandLine;
use console::demo::Demo;
use console::println;

use crate::net::config::KEYS;
use crate::net::{self, NetError};

/// What `app=` can name from this stage on.
pub const DEMOS: &[Demo] =
    &[Demo { name: "net", keys: KEYS, run: status }, Demo { name: "netecho", keys: &[], run: echo::echo }];

/// Says what addresses there are, and then answers pings for ever.
fn status(_: CommandLine<'_>) {
    if let Err(error) = say_addresses() {
        return println!("network: {error}");
    }
    loop {
        threads::thread::park(None);
    }
}

/// Says what addresses the interface has, as soon as it has any.
fn say_addresses() -> Result<(), NetError> {
    for address in net::wait_until_up(core::time::Duration::from_secs(30))? {
        println!("address: {address}");
    }
    Ok(())
}

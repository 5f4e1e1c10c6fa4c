//! The demos of stage 6.

mod echo;

use core::time::Duration;

use alloc::string::ToString;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::demo::Demo;
use console::options::{Key, Values};
use console::println;

use crate::net::config::KEYS;
use crate::net::{self, NetError};

/// How long it may take until there is an address, and a server's answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `app=` can name from this stage on.
pub const DEMOS: &[Demo] = &[
    Demo { name: "net", keys: KEYS, run: status },
    Demo { name: "netecho", keys: &[], run: echo::echo },
    Demo { name: "resolve", keys: NAMES, run: resolve },
];

const NAMES: &[Key] =
    &[Key { name: "names", values: Values::Like("names with commas between them", |text| !text.is_empty()) }];

/// Says what addresses there are, and then answers pings for ever.
fn status(_: CommandLine<'_>) {
    if let Err(error) = say_addresses() {
        return println!("network: {error}");
    }
    loop {
        threads::thread::park(None);
    }
}

/// Says what the interface is, and what addresses it has, as soon as it has any.
fn say_addresses() -> Result<(), NetError> {
    let addresses = net::wait_until_up(PATIENCE)?;
    println!("interface: {}", net::interface()?.describe());
    for address in addresses {
        println!("address: {address}");
    }
    Ok(())
}

/// Asks for the addresses of the names that the command line has.
fn resolve(command_line: CommandLine<'_>) {
    if let Err(error) = say_addresses() {
        return println!("resolve: {error}");
    }
    for name in command_line.get("names").unwrap_or("localhost").split(',') {
        match net::resolve(name, PATIENCE) {
            Ok(addresses) => {
                println!("{name}: {}", addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            }
            Err(error) => println!("{name}: {error}"),
        }
    }
}

//! How an application begins and ends.
//!
//! Invariant: the kernel is up before the first line of the application runs, and the guest ends when the last one has: it
//! powers off, or crashes if there was an error, which is what the toolstack's `on_poweroff` and `on_crash` are about.

use core::fmt;

#[doc(hidden)]
pub use console as __console;

/// Makes a function the application: `stardust::main!("name", main)`.
///
/// The name is told on the console. The function takes nothing, and returns nothing or a `Result<(), E>` whose error can
/// be shown. It runs as the first thread, on a stack of 128 KiB.
///
/// What the application understands on its command line, besides the kernel's own keys, stands behind it,
/// so that mistakes can be named: `stardust::main!("name", main, KEYS)` with a slice of [`Key`](crate::options::Key)s.
#[cfg(guest)]
#[macro_export]
macro_rules! main {
    ($name:literal, $main:path) => {
        $crate::main!($name, $main, &[]);
    };
    ($name:literal, $main:path, $keys:expr) => {
        const _: () = {
            use $crate::__console as console;

            fn start(entry: console::Entry) {
                $crate::__run(&entry, $keys, $main);
            }
            console::entry!($name, start);
        };
    };
}

/// Makes a function the application: `stardust::main!("name", main)`.
///
/// The name is told on the console. The function takes nothing, and returns nothing or a `Result<(), E>` whose error can
/// be shown. It runs as the first thread, on a stack of 128 KiB.
///
/// What the application understands on its command line, besides the kernel's own keys, stands behind it,
/// so that mistakes can be named: `stardust::main!("name", main, KEYS)` with a slice of [`Key`](crate::options::Key)s.
// A program of this machine, which says what it is instead.
#[cfg(not(guest))]
#[macro_export]
macro_rules! main {
    ($name:literal, $main:path) => {
        $crate::main!($name, $main, &[]);
    };
    ($name:literal, $main:path, $keys:expr) => {
        const _: () = {
            // SAFETY: the program has no other function of this name, as it is `no_main`.
            #[unsafe(export_name = "main")]
            extern "C" fn main_of_this_machine() -> i32 {
                $crate::__run($name, $keys, $main)
            }
        };
    };
}

/// What an application may return.
pub trait Outcome {
    /// Says what went wrong. Returns whether all went well.
    fn tell(self) -> bool;
}

impl Outcome for () {
    fn tell(self) -> bool {
        true
    }
}

impl<E: fmt::Display> Outcome for Result<(), E> {
    fn tell(self) -> bool {
        match self {
            Ok(()) => true,
            Err(error) => {
                console::println!("error: {error}");
                false
            }
        }
    }
}

/// What [`main!`](crate::main) makes an application of.
#[cfg(guest)]
#[doc(hidden)]
pub fn __run<T: Outcome>(entry: &console::Entry, keys: &[console::options::Key], main: fn() -> T) {
    use console::options;
    let boot = blkfront::boot(entry);
    let stages = [options::KEYS, memory::KEYS, threads::KEYS, netfront::net::config::KEYS, blkfront::KEYS, keys];
    options::review(boot.command_line, &[], &stages);
    if !main().tell() {
        console::power::fail();
    }
}

/// What it makes of it on the machine that it is built on.
#[cfg(not(guest))]
#[doc(hidden)]
pub fn __run<T: Outcome>(name: &str, _: &[console::options::Key], _: fn() -> T) -> i32 {
    std::println!(
        "{name} is a guest for Xen. To boot it: cargo harness run {name}, or run --manifest-path its/Cargo.toml"
    );
    64
}

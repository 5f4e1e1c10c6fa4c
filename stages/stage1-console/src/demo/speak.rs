//! The demos that use the console as intended: `hello`, `echo`, `hang`.
//!
//! Invariant: none takes input for text; a line is bytes until somebody has tested it.

use crate::boot_info::CommandLine;
use crate::input::LineReader;
use crate::{idle, output, power, println};

pub(super) fn hello(_: CommandLine<'_>) {
    println!("Hello from a guest of Xen!");
}

/// Reads lines and says them back. `quit` powers off, `reboot` reboots.
pub(super) fn echo(_: CommandLine<'_>) {
    println!("type a line and press Return; quit or reboot to end");
    let mut reader = LineReader::<128>::new();
    loop {
        let line = reader.read_line();
        match line {
            b"quit" => return,
            b"reboot" => power::reboot(),
            _ => {}
        }
        output::write(b"echo: ");
        output::write(line);
        output::write(b"\n");
    }
}

/// Does nothing for ever: for those who want to see what that looks like from outside.
pub(super) fn hang(_: CommandLine<'_>) {
    println!("hanging");
    idle::wait_until(|| false);
}

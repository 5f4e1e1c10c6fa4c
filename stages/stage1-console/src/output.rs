//! Printing on the console.
//!
//! [`print!`](crate::print) and [`println!`](crate::println) format a text; here it is made fit for a terminal,
//! put into the ring ([`console_ring::write`], `public/io/console.h`), and dom0 is told by an event.
//!
//! Invariant: each call's text stays together (a lock), every `\n` goes out as `\r\n`, a NUL never does, and a
//! dom0 that takes nothing delays the guest by a limited time once, after which output is dropped until there
//! is room again. A panic in here still gets out: reports use a way of their own.

use core::fmt::{self, Write};

use crate::console_ring::{self, ConsolePage};
use crate::lock::{Guard, Lock};
use crate::patience::Patience;
use crate::types::Port;
use crate::xen;

static CONSOLE: Lock<Option<Console>> = Lock::new(None);

/// Prints formatted text.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::output::print(::core::format_args!($($text)*)) };
}

/// Prints formatted text and ends the line.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($text:tt)*) => { $crate::output::print_line(::core::format_args!($($text)*)) };
}

/// What [`print!`](crate::print) calls.
pub fn print(text: fmt::Arguments<'_>) {
    with_console(|console| {
        let _ = console.write_fmt(text);
    });
}

/// What [`println!`](crate::println) calls.
pub fn print_line(text: fmt::Arguments<'_>) {
    with_console(|console| {
        let _ = console.write_fmt(text);
        let _ = console.write_str("\n");
    });
}

/// Prints bytes that need not be text, for example part of a character.
pub fn write(bytes: &[u8]) {
    with_console(|console| console.put_text(bytes));
}

/// Runs something while no other output can come between. Printing inside it is a mistake, and ends in a panic.
pub fn hold<R>(run: impl FnOnce() -> R) -> R {
    let _guard = lock();
    run()
}

/// Makes this page the console. Before, what is printed is lost.
pub fn open(page: ConsolePage, port: Port) {
    *lock() = Some(Console { page, port, last: b'\n', stalled: false });
}

/// Takes what was typed, as much as `buffer` holds, and returns how much that is.
pub(crate) fn read(buffer: &mut [u8]) -> usize {
    let Some(console) = &mut *lock() else { return 0 };
    let count = console.page.read(buffer);
    if count > 0 {
        console.notify(); // there is room again for what dom0 may hold back
    }
    count
}

struct Console {
    page: ConsolePage,
    port: Port,
    /// The byte that went out last.
    last: u8,
    /// The last wait for dom0 was in vain.
    stalled: bool,
}

fn with_console(write: impl FnOnce(&mut Console)) {
    if let Some(console) = &mut *lock() {
        write(console);
        console.notify();
    }
}

/// A lock held for ever is a bug, most likely a value that prints while it is being printed: better a panic
/// than silence.
fn lock() -> Guard<'static, Option<Console>> {
    let patience = Patience::new();
    loop {
        if let Some(guard) = CONSOLE.try_lock() {
            return guard;
        }
        assert!(!CONSOLE.is_held_here(), "something prints while it is being printed");
        assert!(!patience.is_over(), "the console is held for too long");
        core::hint::spin_loop();
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put_text(text.as_bytes());
        Ok(())
    }
}

impl Console {
    /// Puts bytes as a terminal wants them.
    fn put_text(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | 0)) {
            match part.split_last() {
                Some((b'\n', before)) => {
                    self.put(before);
                    self.put(if self.last == b'\r' { b"\n" } else { b"\r\n" });
                }
                Some((0, before)) => self.put(before),
                _ => self.put(part),
            }
        }
    }

    // ANCHOR: put
    /// Puts bytes as they are, waiting for room as long as dom0 makes any.
    fn put(&mut self, mut bytes: &[u8]) {
        self.last = bytes.last().copied().unwrap_or(self.last);
        let mut patience = Patience::new();
        while !bytes.is_empty() {
            let accepted = console_ring::write(&mut self.page, bytes).min(bytes.len());
            bytes = &bytes[accepted..];
            if accepted > 0 {
                self.stalled = false;
                patience = Patience::new();
                if !bytes.is_empty() {
                    self.notify();
                }
            } else if self.stalled || patience.is_over() {
                self.stalled = true;
                return;
            } else {
                xen::yield_now(); // not `idle`, which may take events: the lock is held
            }
        }
    }
    // ANCHOR_END: put

    fn notify(&self) {
        let _ = xen::notify(self.port); // closed: then nobody reads, and nothing can be said about it
    }
}

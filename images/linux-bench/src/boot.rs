//! How long the kernel took to start the first program.
//!
//! Its log has a time for each line (Documentation/ABI/testing/dev-kmsg). The clock starts some way into the boot, so
//! the true figure is larger.

use super::ticks_in;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// What the kernel logs right before it starts the first program.
const LINE: &str = "Run /init as init process";
const O_NONBLOCK: i32 = 0o4000;

/// One sample: from the start of the kernel's clock to the first program.
pub fn to_init() -> Option<Vec<u64>> {
    let mut log = std::fs::File::options().read(true).custom_flags(O_NONBLOCK).open("/dev/kmsg").ok()?;
    let mut record = [0; 8192];
    // Each read gives a record; at the end there is nothing to read.
    while let Ok(length @ 1..) = log.read(&mut record) {
        let text = String::from_utf8_lossy(&record[..length]);
        if text.contains(LINE) {
            // `priority,number,microseconds,flags;text`
            let microseconds = text.split(',').nth(2)?.parse().ok()?;
            return ticks_in(Duration::from_micros(microseconds)).map(|ticks| vec![ticks]);
        }
    }
    None
}

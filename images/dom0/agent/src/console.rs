//! Guests' consoles: output from xenconsoled's logs, input through the pseudo-terminals that it offers.
//!
//! `xenconsoled --log=guest --log-dir=DIR` writes every byte a guest prints to `DIR/guest-NAME.log` and closes that
//! file when the domain is gone (tools/console/daemon/io.c). Unlike the pseudo-terminal, the log loses nothing.
//!
//! Invariant: a guest's bytes are sent once, in order, all of them before its exit is reported. What has been sent is
//! taken out of the file, so that a chatty guest does not fill dom0's memory.

use crate::grants::Mapping;
use crate::{locked, port::Port, xenstore};
use agent::{Event, FromAgent};
use rustix::fs::{FallocateFlags, fallocate, inotify};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const DIR: &str = "/var/log/xen/console";
/// A log is complete when it has not grown for some rounds of this length after its guest stopped. Rounds rather
/// than one long wait: on a machine that stood still meanwhile, a single wait is over before xenconsoled had its turn.
const ROUND: Duration = Duration::from_millis(20);
/// So many rounds are enough as a rule.
const QUIET: u32 = 3;
/// xenconsoled stops listening to a guest that prints much for the rest of a period of 200 ms.
const QUIET_THROTTLED: u32 = 13;
/// xenconsoled may throttle from 30 rings of 2 KiB on; look out for it well before.
const BURST: u64 = 24 << 10;
/// The longest wait for text that is in a guest's ring: a guest that does not tell of it is never read.
const LIMIT: Duration = Duration::from_secs(3);
/// The grant of the console ring, which the toolstack makes (`GNTTAB_RESERVED_CONSOLE`, public/grant_table.h).
const RING_GRANT: u32 = 0;
/// Where `struct xencons_interface` (public/io/console.h) has `out_cons`; `out_prod` follows.
const OUT_CONS: u32 = 3080;
/// The size of its output ring.
const OUT_SIZE: u32 = 2048;
/// Free a log's blocks in steps of this size.
const PUNCH: u64 = 256 << 10;

/// All consoles.
pub struct Console {
    port: Arc<Port>,
    tails: Mutex<HashMap<String, Tail>>,
    changed: Condvar,
}

/// How far a guest's log has been read.
struct Tail {
    file: Option<File>,
    read: u64,
    freed: u64,
    /// How much of it came from the domain's earlier runs.
    earlier: u64,
    grew: Instant,
    /// What came since the log was last silent for a while.
    burst: u64,
    /// How often xenconsoled closed the log: once each time the domain ended.
    closed: u32,
}

impl Console {
    /// No consoles yet; what they print goes to `port`.
    pub fn new(port: Arc<Port>) -> Self {
        if let Err(error) = std::fs::create_dir_all(DIR) {
            eprintln!("stardust: agent: {DIR}: {error}");
        }
        Self { port, tails: Mutex::default(), changed: Condvar::new() }
    }

    /// Begins to follow the domain's log. To be called before the domain is made.
    pub fn begin(&self, domain: &str) {
        // A log of an earlier domain of this name.
        let _ = std::fs::remove_file(log(domain));
        let tail = Tail { file: None, read: 0, freed: 0, earlier: 0, grew: Instant::now(), burst: 0, closed: 0 };
        locked(&self.tails).insert(domain.to_owned(), tail);
    }

    /// How often the log has been closed so far: to be passed to [`Console::settle`].
    pub fn closed(&self, domain: &str) -> u32 {
        locked(&self.tails).get(domain).map_or(0, |tail| tail.closed)
    }

    /// Waits until everything that a guest printed has been sent, once the guest itself has stopped.
    ///
    /// The guest's ring tells how much it printed. On a busy machine a guest can come and go before xenconsoled has
    /// even heard of it, so a log that does not grow proves nothing by itself.
    pub fn settle(&self, domain: &str, domid: u32, closed_before: u32) {
        let limit = Instant::now() + LIMIT;
        let ring = Ring::of(domid);
        let mut tails = locked(&self.tails);
        let (mut read, mut quiet) = (None, 0);
        while let Some(tail) = tails.get_mut(domain) {
            let text = ring.as_ref().and_then(Ring::text);
            self.pump(domain, tail);
            let whole = text.is_some_and(|text| text.printed == (tail.read - tail.earlier) as u32);
            let waiting = text.is_some_and(|text| text.unread > 0);
            quiet = if read == Some(tail.read) && !waiting { quiet + 1 } else { 0 };
            read = Some(tail.read);
            let enough = if tail.burst > BURST { QUIET_THROTTLED } else { QUIET };
            if whole || tail.closed > closed_before || quiet >= enough || Instant::now() >= limit {
                tail.earlier = tail.read;
                return;
            }
            tails = match self.changed.wait_timeout(tails, ROUND) {
                Ok((tails, _)) => tails,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Ends with a domain that is gone.
    pub fn end(&self, domain: &str) {
        let mut tails = locked(&self.tails);
        if let Some(mut tail) = tails.remove(domain) {
            self.pump(domain, &mut tail);
            let _ = std::fs::remove_file(log(domain));
        }
    }

    /// Sends what the logs grow by, for ever.
    pub fn follow(&self) {
        let watch = || {
            use inotify::{CreateFlags, WatchFlags};
            let watch = inotify::init(CreateFlags::CLOEXEC)?;
            inotify::add_watch(&watch, DIR, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::CLOSE_WRITE)?;
            Ok(watch)
        };
        let watch = match watch() {
            Ok(watch) => watch,
            Err(error) => {
                let error: rustix::io::Errno = error;
                return eprintln!("stardust: agent: cannot watch {DIR}: {error}");
            }
        };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(watch, &mut buffer);
        loop {
            let Ok(event) = events.next() else { continue };
            let domain = event.file_name().and_then(|name| name.to_str().ok()).and_then(domain_of);
            let mut tails = locked(&self.tails);
            if let Some((domain, tail)) = domain.and_then(|domain| tails.get_mut(domain).map(|tail| (domain, tail))) {
                self.pump(domain, tail);
                tail.closed += u32::from(event.events().contains(inotify::ReadFlags::CLOSE_WRITE));
                self.changed.notify_all();
            }
        }
    }

    /// Sends what is new.
    fn pump(&self, domain: &str, tail: &mut Tail) {
        if tail.file.is_none() {
            tail.file = File::options().read(true).write(true).open(log(domain)).ok();
        }
        let Some(file) = &tail.file else { return };
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = file.read_at(&mut bytes, tail.read) {
            let (domain, bytes) = (domain.to_owned(), bytes[..count].to_vec());
            self.port.send(&FromAgent::Event(Event::Console { domain, bytes }));
            tail.burst = if tail.grew.elapsed() > ROUND * QUIET_THROTTLED { 0 } else { tail.burst } + count as u64;
            tail.grew = Instant::now();
            tail.read += count as u64;
        }
        if tail.read - tail.freed >= PUNCH {
            // Only a matter of memory; the next step frees what this one could not.
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            if fallocate(file, hole, tail.freed, tail.read - tail.freed).is_ok() {
                tail.freed = tail.read;
            }
        }
    }
}

/// A guest's console ring. What stands there is the guest's word: it decides how long to wait, no more.
struct Ring(Mapping);

/// How much a guest printed.
#[derive(Clone, Copy)]
struct Text {
    /// Bytes since it booted, modulo 2^32.
    printed: u32,
    /// Bytes that xenconsoled has not read.
    unread: u32,
}

impl Ring {
    /// The ring of a domain whose grant of it is as the toolstack made it.
    fn of(domid: u32) -> Option<Self> {
        Mapping::new(domid, RING_GRANT).ok().map(Self)
    }

    /// What its counters say, if that makes sense.
    fn text(&self) -> Option<Text> {
        let counters = self.0.read(OUT_CONS, 8).ok()?;
        let counter = |at: usize| counters[at..].first_chunk().copied().map(u32::from_le_bytes);
        let (taken, printed) = (counter(0)?, counter(4)?);
        Some(Text { printed, unread: printed.wrapping_sub(taken) }).filter(|text| text.unread <= OUT_SIZE)
    }
}

/// Types on a domain's console and returns how many bytes it took.
pub fn input(domid: u32, bytes: &[u8]) -> Result<u64, String> {
    let node = format!("/local/domain/{domid}/console/tty");
    let path = xenstore::read(&node)?.ok_or("the domain's console is not ready")?;
    let path = String::from_utf8(path).map_err(|error| format!("{node}: {error}"))?;
    let flags = rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK;
    let fail = |error: io::Error| format!("{path}: {error}");
    let open = File::options().read(true).write(true).custom_flags(flags.bits() as i32).open(&path);
    let mut terminal = open.map_err(fail)?;
    let mut mode = rustix::termios::tcgetattr(&terminal).map_err(|error| fail(error.into()))?;
    // Otherwise what the guest prints is echoed back to it as input.
    mode.make_raw();
    rustix::termios::tcsetattr(&terminal, rustix::termios::OptionalActions::Now, &mode)
        .map_err(|error| fail(error.into()))?;
    match terminal.write(bytes) {
        Ok(count) => Ok(count as u64),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(fail(error)),
    }
}

fn log(domain: &str) -> PathBuf {
    PathBuf::from(format!("{DIR}/guest-{domain}.log"))
}

fn domain_of(file: &str) -> Option<&str> {
    file.strip_prefix("guest-")?.strip_suffix(".log")
}

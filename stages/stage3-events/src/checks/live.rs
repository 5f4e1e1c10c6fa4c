//! Checks of exercises 3a and 3b on the real thing: ports that Xen makes pending, and a time that it names.
//!
//! A port is bound as an IPI of the vCPU that sends it, so that each send comes back by itself.

use core::sync::atomic::{AtomicU32, Ordering};

use console::bedrock::{Record, Reporter, cpu};
use console::boot_info;
use console::lock::Lock;
use events::pending::PORTS;
use events::port::{self, Binding, PortError};
use events::{clock, under_test};
use fastrand::Rng;

const EDGES: [u32; 6] = [31, 32, 63, 64, 1023, 4095];

/// A wait of Xen's may end early, as dom0 reads the console and says so.
const POLLS: usize = 8;

static COUNTS: [AtomicU32; PORTS as usize] = [const { AtomicU32::new(0) }; PORTS as usize];
static BINDINGS: Lock<[Option<Binding>; PORTS as usize]> = Lock::new([const { None }; PORTS as usize]);

fn count(index: usize) {
    COUNTS[index].fetch_add(1, Ordering::Relaxed);
}

/// Has Xen deliver events to the scan.
///
/// Opens every port that is free, as 5000 would be asked for. Records `error`: `exhausted` at the end of them; `last`:
/// the largest port.
/// Draws for 16 ports, first 31, 32, 63, 64, 1023, 4095, then ten times `rng.u32(100..4095)`: `times = rng.u32(1..=9)`, sends as
/// many events to it, and records `port`, `came`: how many were delivered until the last send returned.
/// Then for `port = rng.u32(100..4095)`: masks it, sends `rng.u32(2..=5)` events, records `masked`, how many came, unmasks it,
/// and records `unmasked`, how many have come then. At last `others`: deliveries of all other ports than these.
pub fn ports(reporter: &Reporter, start_info: &[u8]) {
    reporter.check("3a.xen", |rng, record| {
        bring_up(start_info);
        let error = open_all();
        let bindings = BINDINGS.lock();
        let last = bindings.iter().flatten().map(|binding| binding.port().0).max().unwrap_or(0);
        record.saw(format_args!("error={error} last={last}"));
        drop(bindings);
        send_all(rng, record);
        BINDINGS.lock().iter_mut().for_each(|binding| *binding = None);
    });
}

fn send_all(rng: &mut Rng, record: &Record) {
    let mut expected_elsewhere = 0;
    for round in 0..16 {
        let port = EDGES.get(round).copied().unwrap_or_else(|| rng.u32(100..4095));
        let times = rng.u32(1..=9);
        let came = with_port(port, |binding| with_events(|| send(binding, times)));
        expected_elsewhere += came;
        record.saw(format_args!("port={port} came={came}"));
    }
    let port = rng.u32(100..4095);
    let times = rng.u32(2..=5);
    let masked = with_port(port, |binding| {
        binding.mask();
        with_events(|| send(binding, times));
    });
    let unmasked = with_port(port, |binding| with_events(|| binding.unmask()));
    record.saw(format_args!("port={port} masked={masked} unmasked={}", masked + unmasked));
    let all: u32 = COUNTS.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    record.saw(format_args!("others={}", all - expected_elsewhere - masked - unmasked));
}

/// Does something with a port's binding, and returns how many of its events came meanwhile.
fn with_port(port: u32, run: impl FnOnce(&Binding)) -> u32 {
    let bindings = BINDINGS.lock();
    let found = bindings.iter().position(|binding| binding.as_ref().is_some_and(|one| one.port().0 == port));
    let Some((index, binding)) = found.and_then(|index| Some((index, bindings[index].as_ref()?))) else { return 0 };
    let before = COUNTS[index].load(Ordering::Relaxed);
    run(binding);
    COUNTS[index].load(Ordering::Relaxed) - before
}

fn send(binding: &Binding, times: u32) {
    for _ in 0..times {
        let _ = binding.notify(); // if it fails, that shows in the count
    }
}

/// Takes events meanwhile, and at no other time.
fn with_events(run: impl FnOnce()) {
    cpu::restore_events(false);
    run();
    cpu::mask_events();
}

/// Opens ports until there are no more. Returns what kept it from opening another one.
fn open_all() -> &'static str {
    for index in 0..PORTS as usize {
        match port::bind_ipi(0, count, index) {
            Ok(binding) => BINDINGS.lock()[index] = Some(binding),
            Err(PortError::Exhausted) => return "exhausted",
            Err(_) => return "refused",
        }
    }
    "none"
}

/// Has Xen sleep until a time that the clock names.
///
/// Draws three times `span = rng.u64(400..=500)`, in milliseconds. Xen is asked to wait until the clock's time and `span`
/// (`SCHEDOP_poll`), and again if an event has ended that before, up to [`POLLS`] times. Records `passed`: how many
/// milliseconds have passed then, by the clock; and at last `backward`: of 1000 readings in a row, how many were
/// earlier than the one before.
pub fn time(reporter: &Reporter, start_info: &[u8]) {
    reporter.check("3b.xen", |rng, record| {
        bring_up(start_info);
        for _ in 0..3 {
            let span = rng.u64(400..=500);
            let before = clock::system_time();
            let deadline = before.saturating_add(span * 1_000_000);
            for _ in 0..POLLS {
                if clock::system_time() < deadline {
                    under_test::poll_until(deadline);
                }
            }
            let passed = clock::system_time().saturating_sub(before) / 1_000_000;
            record.saw(format_args!("passed={passed}"));
        }
        let mut before = clock::system_time();
        let mut backward = 0;
        for _ in 0..1000 {
            let now = clock::system_time();
            backward += u32::from(now < before);
            before = now;
        }
        record.saw(format_args!("backward={backward}"));
    });
}

/// Brings up events for the first of these checks; they stay masked.
fn bring_up(start_info: &[u8]) {
    match boot_info::parse(start_info) {
        Ok(start_info) => events::bring_up(&start_info),
        Err(error) => panic!("this is no guest of Xen's: {error}"),
    }
}

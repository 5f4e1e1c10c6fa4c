//! What `harness bench` puts beside the kernel's own figures: a Linux guest's, and what dom0 sees of either guest.
//!
//! - `linux-bench` runs in the test host's Linux PV guest before its shell, and does what compares;
//! - `linux-bench peer` is the other end of either guest's connections, in dom0;
//! - `linux-bench outside DOMAIN ADDRESS MAC` has a guest that is paused begin, and measures in dom0 how it serves;
//! - `linux-bench flood ADDRESS COUNT` pings a guest so often from dom0, which `harness soak` asks for.
//!
//! The first and the third print the lines that the kernel's `app=bench` prints: `bench <name> <least> <median> <samples>`, in ticks of the
//! time stamp counter, which is the same for dom0 and guests. Invariant: nothing is printed before all is measured, and
//! dom0 is left alone for a while before.

mod aio;
mod boot;
mod disk;
mod hand_over;
mod local;
mod outside;
mod peer;
mod tcp;
mod xenstore;

use std::arch::x86_64::_rdtsc;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

/// As many as the kernel takes.
const SAMPLES: usize = 100;
/// As long as the kernel rests.
const REST: Duration = Duration::from_secs(2);

/// A thing to measure; `None` where that isn't possible.
type Measure = fn() -> Option<Vec<u64>>;

const ALL: &[(&str, Measure)] = &[
    ("boot-to-init", boot::to_init),
    ("system-call", local::system_call),
    ("malloc-free-64", || local::malloc_free(64)),
    ("malloc-free-4096", || local::malloc_free(4096)),
    ("map-shared-page", local::map_shared_page),
    ("map-touch-unmap", local::map_touch_unmap),
    ("signal-to-handler", local::signal_to_handler),
    ("sleep-lateness", local::sleep_lateness),
    ("futex-hand-over", hand_over::futex),
    ("preemptive-switch", hand_over::preemption),
    ("pthread-lock-unlock", local::lock_unlock),
    ("pipe-hand-over", hand_over::pipe),
    ("thread-spawn-join", hand_over::spawn_join),
    ("xenstore-read", xenstore::read),
    ("tcp-send-mib", tcp::send),
    ("tcp-receive-mib", tcp::receive),
    ("disk-read-4096", disk::read_block),
    ("disk-read-4096-of-32", disk::read_blocks),
    ("disk-write-4096", disk::write_block),
    ("disk-write-4096-of-32", disk::write_blocks),
    ("disk-read-mib", disk::read_piece),
    ("disk-write-mib", disk::write_piece),
];

/// What takes a second vCPU.
const ACROSS: &[(&str, Measure)] = &[("futex-wake-across", hand_over::across)];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => {
            in_guest();
            Ok(())
        }
        ["peer"] => peer::serve(),
        ["outside", domain, address, mac] => outside::measure(domain, address, mac),
        ["flood", address, count] => outside::flood(address, count),
        _ => Err("linux-bench [peer | outside DOMAIN ADDRESS MAC | flood ADDRESS COUNT]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What a guest measures of itself: with several vCPUs only what takes them.
fn in_guest() {
    std::thread::sleep(REST);
    let overhead = repeat(|| ()).into_iter().min().unwrap_or(0);
    let alone = std::thread::available_parallelism().is_ok_and(|vcpus| vcpus.get() == 1);
    let all = if alone { ALL } else { ACROSS };
    let figures: Vec<_> = all.iter().map(|(name, measure)| (*name, measure())).collect();
    report(overhead, figures);
}

/// Prints what was measured, but for what measuring itself takes.
fn report(overhead: u64, figures: Vec<(&str, Option<Vec<u64>>)>) {
    for (name, samples) in figures {
        let mut samples = samples.unwrap_or_default();
        samples.iter_mut().for_each(|sample| *sample = sample.saturating_sub(overhead));
        samples.sort_unstable();
        match (samples.first(), samples.get(samples.len() / 2)) {
            (Some(min), Some(median)) => println!("bench {name} {min} {median} {}", samples.len()),
            _ => println!("bench {name} failed"),
        }
    }
    println!("bench done");
}

/// What the time stamp counter is now.
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has a time stamp counter, and Linux lets programs read it.
    unsafe { _rdtsc() }
}

/// Ticks of each of [`SAMPLES`] calls.
fn repeat<R>(work: impl FnMut() -> R) -> Vec<u64> {
    repeat_times(SAMPLES, work)
}

/// Ticks of each of so many calls.
fn repeat_times<R>(times: usize, mut work: impl FnMut() -> R) -> Vec<u64> {
    let sample = |_| {
        let begin = ticks();
        black_box(work());
        ticks() - begin
    };
    (0..times).map(sample).collect()
}

/// Ticks in so long, at the rate that the kernel found for the processor.
fn ticks_in(time: Duration) -> Option<u64> {
    let known = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = known.lines().find(|line| line.starts_with("cpu MHz"))?;
    let mhz: f64 = line.split(':').nth(1)?.trim().parse().ok()?;
    Some((time.as_secs_f64() * 1e6 * mhz) as u64)
}

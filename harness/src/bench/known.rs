//! The things that stages measure: in words, what Linux does that compares with each, and what we aim at.
//!
//! Invariant: a guest may measure what is not listed; it is then told by its name alone.

/// A limit on a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// At most so many instructions.
    Instructions(u64),
    /// At most this part of Linux's.
    OfLinux(f64),
    /// At most this part of Linux's time. Instructions are dom0's for the most part, and dom0 does the same for both.
    OfLinuxInTime(f64),
    /// At most so many times what another row has, if there is that.
    OfRow(&'static str, f64),
}

/// What is told by how much of it is done in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// A mebibyte each time.
    Mebibytes,
    /// How often.
    Times,
}

/// One thing.
#[derive(Debug)]
pub struct Known {
    /// What the guest calls it.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// What the program in the Linux guest calls what it compares with.
    pub linux: Option<&'static str>,
    /// How many vCPUs take part.
    pub vcpus: u32,
    /// How much of it is done in a second, where people ask for that.
    pub rate: Option<Rate>,
    /// What we aim at.
    pub aims: &'static [Aim],
}

const fn plain(name: &'static str, title: &'static str) -> Known {
    Known { name, title, linux: None, vcpus: 1, rate: None, aims: &[] }
}

const fn beside(name: &'static str, title: &'static str, linux: &'static str) -> Known {
    Known { linux: Some(linux), ..plain(name, title) }
}

/// Operations a second: 1.2 times as many as Linux's.
const fn iops(name: &'static str, title: &'static str) -> Known {
    Known { rate: Some(Rate::Times), aims: &[Aim::OfLinuxInTime(0.833)], ..beside(name, title, name) }
}

/// Bytes a second: 0.95 times as many as Linux's.
const fn throughput(name: &'static str, title: &'static str) -> Known {
    Known { aims: &[Aim::OfLinuxInTime(1.053)], ..mebibyte(name, title) }
}

const fn mebibyte(name: &'static str, title: &'static str) -> Known {
    Known { rate: Some(Rate::Mebibytes), ..beside(name, title, name) }
}

/// Requests a second: twice as many as Linux's.
const fn requests(name: &'static str, title: &'static str) -> Known {
    Known { rate: Some(Rate::Times), aims: &[Aim::OfLinuxInTime(0.5)], ..beside(name, title, name) }
}

/// All that are known.
pub const ALL: &[Known] = &[
    beside("boot-to-banner", "first instruction to the banner", "boot-to-init"),
    Known {
        aims: &[Aim::Instructions(400_000), Aim::OfRow(SMALL_BOOT, 3.0)],
        ..beside("boot-to-main", "first instruction to main", "boot-to-init")
    },
    plain(SMALL_BOOT, "the same in 32 MiB"),
    plain("loop-of-2001", "a loop of 2001 instructions"),
    beside("hypercall", "the shortest hypercall", "system-call"),
    plain("event-send-refused", "event to no port"),
    plain("console-write-64", "64 bytes into a console ring"),
    plain("frame-alloc-free", "a frame, taken and given back"),
    Known {
        aims: &[Aim::Instructions(120)],
        ..beside("heap-alloc-free-64", "64 bytes of heap, taken and freed", "malloc-free-64")
    },
    beside("heap-alloc-free-4096", "4 KiB of heap, taken and freed", "malloc-free-4096"),
    beside("page-map", "a page, mapped", "map-shared-page"),
    beside("page-map-unmap", "a page, mapped and unmapped", "map-touch-unmap"),
    plain("direct-map-2-mib", "first use of 2 MiB"),
    plain("clock-read", "what time it is"),
    beside("event-loop-back", "event sent to handler begun", "signal-to-handler"),
    plain("timer-set-cancel", "a timer, set and cancelled"),
    beside("timer-lateness", "lateness of a 1 ms timer", "sleep-lateness"),
    Known {
        aims: &[Aim::Instructions(250), Aim::OfLinux(0.2)],
        ..beside("thread-switch", "a thread yields to another", "futex-hand-over")
    },
    beside("thread-switch-preemptive", "a thread's slice ends", "preemptive-switch"),
    beside("thread-hand-over", "a turn by semaphore", "pipe-hand-over"),
    beside("mutex-lock-unlock", "a free mutex, locked and unlocked", "pthread-lock-unlock"),
    beside("mutex-hand-over", "a mutex to a thread that waits", "futex-hand-over"),
    beside("thread-spawn-join", "a thread, begun and joined", "thread-spawn-join"),
    Known { aims: &[Aim::Instructions(150)], ..plain("task-wake", "a task woken to its being polled") },
    Known { vcpus: 2, ..beside("ipi-wake", "a thread on another vCPU, woken", "futex-wake-across") },
    Known { vcpus: 4, ..plain("work-alone", "a piece of work") },
    Known { vcpus: 4, aims: &[Aim::OfRow("work-alone", 0.286)], ..plain("work-of-4", "one of 4, on a vCPU each") },
    plain("grant-end", "a page granted, and the grant ended"),
    plain("grant-map-unmap", "a granted page, mapped and unmapped"),
    plain("grant-copy-4096", "4 KiB of a granted page, copied"),
    beside("xenstore-read", "a read of xenstore, dom0's part too", "xenstore-read"),
    throughput("tcp-send-mib", "1 MiB by TCP, to dom0"),
    throughput("tcp-receive-mib", "1 MiB by TCP, from dom0"),
    iops("disk-read-4096", "4 KiB of a disk, read"),
    iops("disk-read-4096-of-32", "4 KiB of a disk, one of 32 reads"),
    iops("disk-write-4096", "4 KiB of a disk, written"),
    iops("disk-write-4096-of-32", "4 KiB of a disk, one of 32 writes"),
    mebibyte("disk-read-mib", "1 MiB of a disk, read"),
    mebibyte("disk-write-mib", "1 MiB of a disk, written and flushed"),
    Known {
        aims: &[Aim::OfLinux(0.0333)],
        ..beside("first-http-byte", "first instruction to the first byte by HTTP", "first-http-byte")
    },
    Known { aims: &[Aim::OfLinuxInTime(0.7)], ..beside("ping", "a ping from dom0, there and back", "ping") },
    requests("http-request", "a page by HTTP"),
    requests("http-request-of-64", "a page by HTTP, one of 64 at a time"),
    beside("xl-create", "what xl takes to make the guest", "xl-create"),
];

/// What a boot takes with little memory, where it is measured with much.
pub const SMALL_BOOT: &str = "boot-to-main-in-32-mib";

/// Those for which so many vCPUs are needed, joined by commas.
pub fn across(vcpus: u32) -> String {
    let names: Vec<&str> = ALL.iter().filter(|known| known.vcpus == vcpus).map(|known| known.name).collect();
    names.join(",")
}

/// What is known of `name`.
pub fn find(name: &str) -> Option<&'static Known> {
    ALL.iter().find(|known| known.name == name)
}

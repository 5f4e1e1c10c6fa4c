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
    /// What we aim at.
    pub aims: &'static [Aim],
}

const fn plain(name: &'static str, title: &'static str) -> Known {
    Known { name, title, linux: None, aims: &[] }
}

const fn beside(name: &'static str, title: &'static str, linux: &'static str) -> Known {
    Known { name, title, linux: Some(linux), aims: &[] }
}

/// Operations a second: 1.2 times as many as Linux's.
const fn iops(name: &'static str, title: &'static str) -> Known {
    Known { name, title, linux: Some(name), aims: &[Aim::OfLinux(0.833)] }
}

/// All that are known.
pub const ALL: &[Known] = &[
    beside("boot-to-banner", "first instruction to the banner", "boot-to-init"),
    Known {
        name: "boot-to-main",
        title: "first instruction to main",
        linux: Some("boot-to-init"),
        aims: &[Aim::Instructions(400_000)],
    },
    plain("loop-of-2001", "a loop of 2001 instructions"),
    beside("hypercall", "the shortest hypercall", "system-call"),
    plain("event-send-refused", "event to no port"),
    plain("console-write-64", "64 bytes into a console ring"),
    plain("frame-alloc-free", "a frame, taken and given back"),
    Known {
        name: "heap-alloc-free-64",
        title: "64 bytes of heap, taken and freed",
        linux: Some("malloc-free-64"),
        aims: &[Aim::Instructions(120)],
    },
    beside("heap-alloc-free-4096", "4 KiB of heap, taken and freed", "malloc-free-4096"),
    plain("page-map", "a page, mapped"),
    beside("page-map-unmap", "a page, mapped and unmapped", "map-touch-unmap"),
    plain("direct-map-2-mib", "first use of 2 MiB"),
    plain("clock-read", "what time it is"),
    beside("event-loop-back", "event sent to handler begun", "signal-to-handler"),
    plain("timer-set-cancel", "a timer, set and cancelled"),
    beside("timer-lateness", "lateness of a 1 ms timer", "sleep-lateness"),
    Known {
        name: "thread-switch",
        title: "a thread yields to another",
        linux: Some("futex-hand-over"),
        aims: &[Aim::Instructions(250), Aim::OfLinux(0.2)],
    },
    plain("thread-switch-preemptive", "a thread's slice ends"),
    beside("thread-hand-over", "a turn by semaphore", "pipe-hand-over"),
    plain("mutex-lock-unlock", "a free mutex, locked and unlocked"),
    beside("mutex-hand-over", "a mutex to a thread that waits", "futex-hand-over"),
    beside("thread-spawn-join", "a thread, begun and joined", "thread-spawn-join"),
    Known {
        name: "task-wake",
        title: "a task woken to its being polled",
        linux: None,
        aims: &[Aim::Instructions(150)],
    },
    plain("ipi-wake", "a thread on another vCPU, woken"),
    plain("grant-end", "a page granted, and the grant ended"),
    plain("grant-map-unmap", "a granted page, mapped and unmapped"),
    plain("grant-copy-4096", "4 KiB of a granted page, copied"),
    beside("xenstore-read", "a read of xenstore, dom0's part too", "xenstore-read"),
    iops("disk-read-4096", "4 KiB of a disk, read"),
    iops("disk-read-4096-of-32", "4 KiB of a disk, one of 32 reads"),
    iops("disk-write-4096", "4 KiB of a disk, written"),
    iops("disk-write-4096-of-32", "4 KiB of a disk, one of 32 writes"),
    beside("disk-read-mib", "1 MiB of a disk, read", "disk-read-mib"),
    beside("disk-write-mib", "1 MiB of a disk, written and flushed", "disk-write-mib"),
];

/// What is known of `name`.
pub fn find(name: &str) -> Option<&'static Known> {
    ALL.iter().find(|known| known.name == name)
}

//! The demo `app=misuse`: what goes wrong with threads, on purpose, and what is said about it.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::demo::fault;
use console::println;

use crate::cpu_set::CpuSet;
use crate::smp;
use crate::sync::{Completion, Kind, Mutex, RawMutex, RwLock, order};
use crate::thread::{self, Builder};
use crate::time::{after, now};

/// The values of `misuse=`; the first is the default. Up to `locks` they end well.
pub(super) const KINDS: &[&str] = &[
    "stack",
    "memory",
    "join",
    "locks",
    "order",
    "order-shared",
    "order-raw",
    "masked",
    "handler",
    "handler-mutex",
    "handler-shared",
    "handler-raw",
    "twice",
    "panic",
    "storm",
    "fault",
    "held",
    "overflow",
];

/// Does something wrong.
pub(super) fn misuse(command_line: CommandLine<'_>) {
    let kind = command_line.get("misuse").filter(|kind| KINDS.contains(kind)).unwrap_or(KINDS[0]);
    println!("about to misuse: {kind}");
    match kind {
        "memory" => out_of_memory(),
        "join" => joins(),
        "locks" => locks(),
        "order" => in_both_orders(&Mutex::new(()), &Mutex::new(())),
        "order-shared" => in_both_orders(&RwLock::new(()), &RwLock::new(())),
        "order-raw" => in_both_orders(&RawMutex::new(Kind::Plain), &RawMutex::new(Kind::Plain)),
        "masked" => {
            let lock = console::lock::Lock::new(());
            let _guard = lock.lock();
            thread::sleep(Duration::from_millis(1));
        }
        "handler" => in_a_handler(|_| thread::sleep(Duration::from_millis(1))),
        "handler-mutex" => in_a_handler(|_| Mutex::new(()).with(&mut || ())),
        "handler-shared" => in_a_handler(|_| RwLock::new(()).with(&mut || ())),
        "handler-raw" => in_a_handler(|_| RawMutex::new(Kind::Plain).with(&mut || ())),
        "twice" => {
            let lock = console::lock::Lock::new(7_u16);
            let _guard = lock.lock();
            drop(lock.lock());
        }
        "panic" => in_a_thread("unlucky", || panic!("a thread panics")),
        "storm" => storm(),
        "fault" => on_the_second("faulty", || fault::write_to(0x10)),
        "held" => on_the_second("faulty", || console::output::hold(|| fault::write_to(0x10))),
        "overflow" => in_a_thread("deep", || println!("{}", overflow(0))),
        _ => stacks(),
    }
    println!("survived");
}

fn stacks() {
    for size in [0, 1, 1 << 30, 1 << 46, usize::MAX] {
        match Builder::new().stack_size(size).spawn(|| 7) {
            Ok(thread) => println!("stack of {size:#x}: the thread left {}", thread.join()),
            Err(error) => println!("stack of {size:#x}: {error}"),
        }
    }
    let large = [1_u8; 256 * 1024];
    match Builder::new().stack_size(64 * 1024).spawn(move || large[0]) {
        Ok(thread) => println!("a large closure: {}", thread.join()),
        Err(error) => println!("a large closure: {error}"),
    }
}

/// Threads until there is no memory; then memory until there is none, in a thread.
fn out_of_memory() {
    let stop = Arc::new(Completion::new());
    let mut threads = Vec::new();
    let error = loop {
        let waiting = stop.clone();
        if threads.try_reserve(1).is_err() {
            break thread::SpawnError::OutOfMemory;
        }
        match Builder::new().stack_size(256 * 1024).spawn(move || waiting.wait()) {
            Ok(thread) => threads.push(thread),
            Err(error) => break error,
        }
    };
    println!("after {} threads: {error}", if threads.is_empty() { "no" } else { "some" });
    stop.complete();
    threads.into_iter().for_each(thread::JoinHandle::join);
    let hungry = thread::spawn(|| {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut piece = Vec::new();
            if piece.try_reserve_exact(1 << 20).is_err() || pieces.try_reserve(1).is_err() {
                return pieces.len();
            }
            pieces.push(piece);
        }
    });
    match hungry {
        Ok(hungry) => println!("a thread ate {} memory and ended", if hungry.join() > 0 { "all" } else { "no" }),
        Err(error) => println!("no thread: {error}"),
    }
}

fn joins() {
    let Ok(quick) = thread::spawn(|| 42) else { return println!("no thread") };
    while !quick.is_finished() {
        thread::yield_now();
    }
    println!("joined when finished: {}", quick.join());
    let Ok(dropped) = thread::spawn(|| Arc::new(7)) else { return println!("no thread") };
    drop(dropped);
    println!("dropped without joining");
    slow_results();
}

/// Nobody joins these threads, and what they leave has to wait before it can go.
fn slow_results() {
    struct Slow(Arc<Mutex<u32>>);
    impl Drop for Slow {
        fn drop(&mut self) {
            *self.0.lock() += 1;
        }
    }
    const COUNT: u32 = 100;
    let gone = Arc::new(Mutex::new(0));
    for _ in 0..COUNT {
        let left = Slow(gone.clone());
        drop(thread::spawn(move || left));
        // Most of them have ended before, and wait now.
        let guard = gone.lock();
        thread::sleep(Duration::from_micros(500));
        drop(guard);
    }
    while *gone.lock() < COUNT {
        thread::sleep(Duration::from_millis(1));
    }
    println!("{COUNT} results that nobody wanted are gone");
}

fn locks() {
    let mutex = Arc::new(RawMutex::new(Kind::ErrorCheck));
    let me = thread::current().number();
    println!("locked: {:?}", mutex.lock(me, None));
    println!("locked again: {:?}", mutex.lock(me, None));
    let theirs = mutex.clone();
    let other = thread::spawn(move || {
        let me = thread::current().number();
        match theirs.unlock(me) {
            Err(error) => println!("unlocked by another: {error}"),
            Ok(()) => println!("unlocked by another"),
        }
        println!("waited for: {:?}", theirs.lock(me, Some(after(Duration::from_millis(20)))));
    });
    if let Ok(other) = other {
        other.join();
    }
    println!("unlocked: {:?}", mutex.unlock(me));
    println!("unlocked again: {:?}", mutex.unlock(me));
}

/// A lock of any kind.
trait Held {
    /// Runs something while the lock is held.
    fn with(&self, run: &mut dyn FnMut());
}

impl Held for Mutex<()> {
    fn with(&self, run: &mut dyn FnMut()) {
        let _guard = self.lock();
        run();
    }
}

impl Held for RwLock<()> {
    fn with(&self, run: &mut dyn FnMut()) {
        let _guard = self.read();
        run();
    }
}

impl Held for RawMutex {
    fn with(&self, run: &mut dyn FnMut()) {
        let me = thread::current().number();
        if self.lock(me, None).is_ok() {
            run();
            let _ = self.unlock(me);
        }
    }
}

/// Two locks in different orders, one after the other: no deadlock this time.
fn in_both_orders(one: &dyn Held, other: &dyn Held) {
    order::watch();
    one.with(&mut || other.with(&mut || ()));
    other.with(&mut || one.with(&mut || ()));
}

/// In the function of a timer. What is taken there is free.
fn in_a_handler(callback: events::timer::Callback) {
    order::watch();
    let timer = events::timer::set(after(Duration::from_millis(1)), callback, 0);
    thread::sleep(Duration::from_millis(100));
    drop(timer);
}

fn in_a_thread(name: &str, run: fn()) {
    if let Ok(thread) = Builder::new().name(name).spawn(run) {
        thread.join();
    }
}

/// The same on the second vCPU, if there is one.
fn on_the_second(name: &str, run: fn()) {
    let cpu = smp::online().iter().nth(1).unwrap_or(0);
    if let Ok(thread) = Builder::new().name(name).affinity(CpuSet::one(cpu)).spawn(run) {
        thread.join();
    }
}

/// One thread panics while others print without a pause, and the first one has had enough.
fn storm() {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    struct Slow;
    impl fmt::Display for Slow {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            BEGUN.store(true, Ordering::SeqCst);
            let until = after(Duration::from_millis(50));
            while now() < until {
                console::xen::yield_now();
            }
            f.write_str("a thread panics in a storm")
        }
    }
    let noise = || loop {
        println!("noise");
        thread::yield_now();
    };
    for _ in 0..smp::online().iter().count() {
        drop(Builder::new().name("noise").spawn(noise));
    }
    drop(Builder::new().name("unlucky").spawn(|| {
        thread::sleep(Duration::from_millis(50));
        panic!("{Slow}")
    }));
    thread::current().set_priority(15);
    while !BEGUN.load(Ordering::SeqCst) {
        thread::yield_now();
    }
}

#[allow(unconditional_recursion, reason = "this is the demonstration")]
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let room = core::hint::black_box([depth; 64]);
    overflow(depth + 1) + room[(depth % 64) as usize]
}

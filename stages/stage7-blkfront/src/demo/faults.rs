//! What the driver makes of a backend that fails, lies, or is silent: `app=disk-faults`.
//!
//! Each of the functions below is about one kind of it, with a disk and a backend of its own: see [`Backend`]. What it prints
//! begins with its name.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;
use console::types::Domid;
use threads::{executor, thread};
use xenbus::frontend::DeviceError;
use xenbus::grants;
use xenbus::store::Store;

use super::false_backend::Backend;
use crate::blkif::SECTOR;
use crate::disk::{Disk, Facts};
use crate::name::Name;
use crate::pages::Pool;
use crate::queue::{self, Queue};
use crate::requests::Limits;

/// How long the disks here wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Sectors of a disk here.
const SECTORS: u64 = 2048;
/// Bytes that take one request, with a table of segments.
const LARGE: usize = 65536;

type Kind = fn(&'static str, Arc<Disk>, Backend) -> Result<(), DeviceError>;

const KINDS: &[(&str, Kind)] = &[
    ("deep", deep),
    ("errors", errors),
    ("unsupported", unsupported),
    ("slow", slow),
    ("silent", silent),
    ("forgetful", forgetful),
    ("fair", fair),
    ("liar", liar),
];

pub(super) fn faults(_: CommandLine<'_>) {
    for (name, run) in KINDS {
        if let Err(error) = connect(name).and_then(|(disk, backend)| run(name, disk, backend)) {
            println!("{name}: {error}");
        }
    }
}

/// A disk of this name, whose backend is this guest.
fn connect(name: &str) -> Result<(Arc<Disk>, Backend), DeviceError> {
    let own = Domid(Store::shared().read_number("domid")? as u16);
    let queue = Queue::open(own, 2, 0)?;
    let backend = Backend::connect(own, &queue, SECTORS as usize)?;
    let pool = Arc::new(Pool::new(own));
    pool.keep();
    let limits = Limits { sectors: SECTORS, block: 1, read_only: false, segments: 64 };
    let facts = Facts { limits, flush: true, discard: true, persistent: true };
    Ok((Disk::new(Name::new(name), 0, facts, PATIENCE, pool, vec![queue]), backend))
}

/// Many requests, none of which is answered before all have come.
fn deep(name: &'static str, disk: Arc<Disk>, mut backend: Backend) -> Result<(), DeviceError> {
    let writing = spawn(move || {
        let write = |number: u64| {
            let disk = disk.clone();
            async move { disk.write_async(number * SECTOR as u64, &[number as u8; SECTOR]).await }
        };
        let done = executor::block_on(executor::join_all((0..100).map(write)));
        done.iter().filter(|result| result.is_ok()).count()
    })?;
    let mut all = Vec::new();
    while let Some(taken) = backend.wait_for(Duration::from_millis(500))? {
        all.push(taken);
    }
    println!("{name}: {} requests are under way, and none is answered", all.len());
    for taken in all.iter().rev() {
        backend.carry_out(taken)?;
        backend.answer(taken.id, 0);
    }
    println!("{name}: {} of them are done", writing.join());
    Ok(())
}

/// Every request fails.
fn errors(name: &'static str, disk: Arc<Disk>, mut backend: Backend) -> Result<(), DeviceError> {
    let asked = disk.clone();
    let writing = spawn(move || (0..50).filter(|_| asked.write(0, &[1; LARGE]).is_err()).count())?;
    for _ in 0..50 {
        if let Some(taken) = backend.wait()? {
            backend.carry_out(&taken)?;
            backend.answer(taken.id, -1);
        }
    }
    println!("{name}: {} writes failed, for which {} pages were granted", writing.join(), disk.pages_granted());
    println!("{name}: {} pages are set aside", grants::statistics().deferred);
    Ok(())
}

/// The backend can't do what it has offered.
fn unsupported(name: &'static str, disk: Arc<Disk>, mut backend: Backend) -> Result<(), DeviceError> {
    let asked = disk.clone();
    let asking = spawn(move || {
        for _ in 0..2 {
            println!("{name}: flush: {}", shown(asked.flush()));
            println!("{name}: discard: {}", shown(asked.discard(0, 4096)));
            println!("{name}: a large write: {}", shown(asked.write(0, &[7; LARGE])));
        }
    })?;
    let (mut flushes, mut discards, mut indirect) = (0, 0, 0);
    while let Some(taken) = backend.wait_for(Duration::from_millis(500))? {
        backend.carry_out(&taken)?;
        let count = match taken.operation {
            3 => &mut flushes,
            5 => &mut discards,
            _ if taken.indirect => &mut indirect,
            _ => {
                backend.answer(taken.id, 0);
                continue;
            }
        };
        *count += 1;
        backend.answer(taken.id, -2);
    }
    asking.join();
    println!("{name}: asked for {flushes} flushes, {discards} discards and {indirect} indirect writes");
    let right = backend.bytes[..LARGE].iter().all(|byte| *byte == 7);
    println!("{name}: what was written is on the disk: {}", if right { "yes" } else { "no" });
    Ok(())
}

/// There is more to do than the backend can within its time, but it goes on.
fn slow(name: &'static str, disk: Arc<Disk>, mut backend: Backend) -> Result<(), DeviceError> {
    let writing = spawn(move || disk.write(0, &vec![3; SECTORS as usize * SECTOR]))?;
    let mut requests = 0;
    while let Some(taken) = backend.wait_for(PATIENCE)? {
        thread::sleep(PATIENCE * 2 / 5);
        backend.answer(taken.id, 0);
        requests += 1;
    }
    println!("{name}: {requests} requests, each of which took a while: {}", shown(writing.join()));
    Ok(())
}

/// A write isn't answered in time. Others to the same place must not overtake it, as it may be carried out yet.
fn silent(name: &'static str, disk: Arc<Disk>, mut backend: Backend) -> Result<(), DeviceError> {
    let write = |byte: u8| {
        let disk = disk.clone();
        spawn(move || disk.write(8 * SECTOR as u64, &[byte; SECTOR]))
    };
    let first = write(1)?;
    let kept = backend.wait()?;
    println!("{name}: the first write: {}", shown(first.join()));
    let second = write(2)?;
    let overtaken = backend.wait_for(PATIENCE * 2)?.is_some();
    println!("{name}: the second has overtaken it: {}", if overtaken { "yes" } else { "no" });
    println!("{name}: the second write: {}", shown(second.join()));
    if let Some(taken) = kept {
        backend.carry_out(&taken)?;
        backend.answer(taken.id, 0);
    }
    let third = write(3)?;
    backend.serve(Duration::from_millis(500))?;
    println!("{name}: the third write, after the first was answered: {}", shown(third.join()));
    println!("{name}: on the disk is number {}", backend.bytes[8 * SECTOR]);
    Ok(())
}

/// One request is never answered, and all others are.
fn forgetful(name: &'static str, disk: Arc<Disk>, mut backend: Backend) -> Result<(), DeviceError> {
    static DONE: AtomicBool = AtomicBool::new(false);
    let (asked, others) = (disk.clone(), disk.clone());
    let reading = spawn(move || {
        let result = asked.read(0, &mut [0; SECTOR]);
        DONE.store(true, Ordering::SeqCst);
        result
    })?;
    let forgotten = backend.wait()?;
    let reading_too = spawn(move || {
        while !DONE.load(Ordering::SeqCst) {
            if others.read(SECTOR as u64, &mut [0; SECTOR]).is_err() {
                return false;
            }
        }
        true
    })?;
    backend.serve(Duration::from_millis(500))?;
    let known = forgotten.is_some() && reading_too.join();
    println!(
        "{name}: a read: {}; none of the others failed: {}",
        shown(reading.join()),
        if known { "yes" } else { "no" }
    );
    Ok(())
}

/// Some write whole blocks all the time, and one needs a block for itself.
fn fair(name: &'static str, disk: Arc<Disk>, mut backend: Backend) -> Result<(), DeviceError> {
    static DONE: AtomicBool = AtomicBool::new(false);
    static OTHERS: AtomicU32 = AtomicU32::new(0);
    let steady = |number: u64| {
        let disk = disk.clone();
        spawn(move || {
            while !DONE.load(Ordering::SeqCst) && OTHERS.fetch_add(1, Ordering::SeqCst) < 500 {
                let _ = disk.write(number * 4096, &[1; 4096]);
            }
        })
    };
    let steady: Vec<_> = (0..4).map(steady).collect::<Result<_, _>>()?;
    let part = disk.clone();
    let part = spawn(move || {
        while OTHERS.load(Ordering::SeqCst) < 20 {
            thread::sleep(Duration::from_millis(1));
        }
        let before = OTHERS.load(Ordering::SeqCst);
        let result = part.write(100_001, b"part of a block");
        DONE.store(true, Ordering::SeqCst);
        result.map(|()| OTHERS.load(Ordering::SeqCst) - before)
    })?;
    while let Some(taken) = backend.wait_for(Duration::from_millis(500))? {
        thread::sleep(Duration::from_millis(2));
        backend.carry_out(&taken)?;
        backend.answer(taken.id, 0);
    }
    steady.into_iter().for_each(|writer| writer.join());
    match part.join() {
        Ok(others) => println!("{name}: a part of a block was written, and {others} whole ones meanwhile"),
        Err(error) => println!("{error}"),
    }
    Ok(())
}

/// The backend answers what nobody has asked.
fn liar(name: &'static str, disk: Arc<Disk>, mut backend: Backend) -> Result<(), DeviceError> {
    let asked = disk.clone();
    let writing = spawn(move || asked.write(0, &[1; SECTOR]))?;
    if let Some(taken) = backend.wait()? {
        backend.answer(taken.id ^ 1 << 40, 0);
    }
    println!("{name}: a write: {}", shown(writing.join()));
    println!("{name}: another one: {}", shown(disk.write(0, &[1; SECTOR])));
    println!("{name}: backends have lied {} times", queue::lies());
    Ok(())
}

fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<thread::JoinHandle<T>, DeviceError> {
    thread::spawn(run).map_err(|_| DeviceError::Backend("there is no memory for a thread"))
}

fn shown<E: core::fmt::Display>(result: Result<(), E>) -> alloc::string::String {
    result.map_or_else(|error| alloc::format!("{error}"), |()| "done".into())
}

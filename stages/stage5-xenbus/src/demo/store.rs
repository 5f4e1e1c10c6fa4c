//! The demos about xenstore: `app=xenstore`, `app=watch`.
//!
//! Invariant: nothing but the folder `data` is changed, which is the guest's own.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;
use console::types::Domid;
use threads::time::after;
use threads::{executor, thread};

use crate::protocol::{Request, StoreError};
use crate::store::Store;
use crate::watch::Watch;

/// Does one of everything, and says what came of it.
pub(super) fn xenstore(_: CommandLine<'_>) {
    if let Err(error) = try_everything(Store::shared()) {
        println!("xenstore: {error}");
    }
}

fn try_everything(store: Store) -> Result<(), StoreError> {
    println!("name: {}", store.read_text("name")?);
    let path = store.domain_path(Domid(store.read_number("domid")? as u16))?;
    println!("path: {path}");
    println!("its children: {}", store.directory(".").or_else(|_| store.directory(&path))?.join(" "));
    store.write("data/demo", b"written")?;
    println!("data/demo: {}", store.read_text("data/demo")?);
    println!("permissions: {}", store.permissions("data/demo")?.join(" "));
    store.set_permissions("data/demo", &[&store.permissions("data/demo")?[0], "r0"])?;
    store.make_directory("data/folder")?;
    store.remove("data/demo")?;
    println!("after its removal: {}", told(store.read_text("data/demo")));
    println!("somebody else's: {}", told(store.write("/local/domain/0/name", b"mine").map(|()| String::new())));
    println!("too long: {}", told(store.write("data/demo", &[0; 5000]).map(|()| String::new())));
    println!("too long a path: {}", told(store.read_text(&"x".repeat(10_000))));
    large_directory(store)?;
    many_callers(store)?;
    many_tasks(store);
    println!("increments: {}", increments(store)?);
    Ok(())
}

fn told(result: Result<String, StoreError>) -> String {
    result.unwrap_or_else(|error| error.to_string())
}

/// As many names as the daemon lets a domain have in one folder.
fn large_directory(store: Store) -> Result<(), StoreError> {
    let child = |number: usize| format!("data/folder/a-child-with-a-long-name-{number:04}");
    let refused = (0..10_000).find_map(|number| Some((number, store.write(&child(number), b"").err()?)));
    let listed = match store.directory("data/folder") {
        Ok(names) => format!("{} of them listed", names.len()),
        Err(error) => format!("not listed: {error}"),
    };
    match refused {
        Some((made, error)) => println!("{made} children, {listed}, then: {error}"),
        None => println!("10000 children, {listed}"),
    }
    store.remove("data/folder")
}

/// 32 requests at a time, from threads on all vCPUs.
fn many_callers(store: Store) -> Result<(), StoreError> {
    const CALLERS: usize = 32;
    const REQUESTS: usize = 20;
    let call = |caller: usize| {
        move || {
            let path = format!("data/caller-{caller}");
            (0..REQUESTS)
                .filter(|number| {
                    let value = format!("{caller}-{number}");
                    store.write(&path, value.as_bytes()).is_ok() && store.read(&path) == Ok(value.into_bytes())
                })
                .count()
        }
    };
    let callers: Vec<_> = (0..CALLERS).filter_map(|caller| thread::spawn(call(caller)).ok()).collect();
    let right: usize = callers.into_iter().map(thread::JoinHandle::join).sum();
    println!("answers to {CALLERS} callers: {right} of {} right", CALLERS * REQUESTS);
    (0..CALLERS).try_for_each(|caller| store.remove(&format!("data/caller-{caller}")))
}

/// The same from tasks, all of them in this one thread.
fn many_tasks(store: Store) {
    const TASKS: usize = 100;
    let task = async |task: usize| {
        let path = format!("data/task-{task}");
        let value = format!("{task}");
        let right = store.write_async(&path, value.as_bytes()).await.is_ok();
        let same = store.read_async(&path).await == Ok(value.into_bytes());
        let gone = match store.ask(&Request::Remove(&path)) {
            Ok(call) => call.answer().await.is_ok(),
            Err(_) => false,
        };
        right && same && gone
    };
    let results = executor::block_on(executor::join_all((0..TASKS).map(task)));
    println!("answers to {TASKS} tasks: {} right", results.into_iter().filter(|right| *right).count());
}

/// Threads that add to one number, each in a transaction of its own.
fn increments(store: Store) -> Result<u64, StoreError> {
    const THREADS: usize = 4;
    const EACH: usize = 5;
    store.write("data/count", b"0")?;
    let add = move || {
        (0..EACH).try_for_each(|_| {
            loop {
                let added = store.transaction(|store| {
                    let count = store.read_number("data/count")?;
                    store.write("data/count", (count + 1).to_string().as_bytes())
                });
                match added {
                    Err(StoreError::Conflict) => thread::sleep(Duration::from_millis(1)),
                    added => return added,
                }
            }
        })
    };
    let threads: Vec<_> = (0..THREADS).filter_map(|_| thread::spawn(add).ok()).collect();
    threads.into_iter().try_for_each(thread::JoinHandle::join)?;
    store.read_number("data/count")
}

/// Watches `data/watched` and prints each change that it notices, until somebody writes `end`. Before it looks for the first one it rests for
/// `rest=` milliseconds.
pub(super) fn watch(command_line: CommandLine<'_>) {
    const PATH: &str = "data/watched";
    let most = command_line.get("events").and_then(|events| events.parse().ok()).unwrap_or(u64::MAX);
    let Ok(watch) = Watch::new(PATH) else { return println!("{PATH} can't be watched") };
    println!("watching {PATH}");
    let rest = command_line.get("rest").and_then(|rest| rest.parse().ok()).unwrap_or(0);
    thread::sleep(Duration::from_millis(rest));
    let mut events = 0_u64;
    while events < most {
        let event = match watch.next(Some(after(Duration::from_secs(60)))) {
            Ok(event) => event,
            Err(error) => return println!("after {events} events: {error}"),
        };
        events += 1;
        let value = Store::shared().read(&event.path).unwrap_or_default();
        println!("{} is {}", event.path, value.escape_ascii());
        // An event for the folder may stand for many that there was no room for.
        if event.path == PATH
            && let Ok(children) = Store::shared().directory(PATH)
            && !children.is_empty()
        {
            println!("{PATH} has {} children", children.len());
        }
        if value == b"end" {
            break;
        }
    }
    println!("{events} events");
}

//! The machine and its agent against the real thing: QEMU, Xen, dom0, and a Linux PV guest.
//!
//! Most tests share a few machines; a test leaves no domain behind, so the order does not matter. The host image and its
//! saved state come from the ordinary cache and are made there if need be.

mod failures;
mod guest;
mod linux;
mod shared;
mod stage;

pub use shared::shared;
pub use stage::Ready;

use harness::host::{self, HostImage};
use harness::machine::{Event, Machine, Options};
use harness::ui::Ui;
use harness::{cache, error};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How much longer than usual to wait: the tests may share their machine with others.
const SCALE: f64 = 3.;

fn image() -> &'static HostImage {
    static IMAGE: OnceLock<HostImage> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let repo = crate::common::repository().to_owned();
        let options = host::Options { repo, locked: false };
        host::ensure(&cache::root().unwrap(), &options, &Ui::new()).unwrap_or_else(|error| panic!("{error}"))
    })
}

fn start_in(cache_root: &Path) -> error::Result<Machine> {
    Machine::start(cache_root, image(), &Options { scale: SCALE, ..Options::default() }, &Ui::new())
}

fn start() -> Machine {
    start_in(&cache::root().unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

fn start_with(options: &Options) -> Machine {
    let started = Machine::start(&cache::root().unwrap(), image(), options, &Ui::new());
    started.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
#[ignore = "long"]
fn files_of_32_mib_come_back_unchanged() {
    let machine = shared();
    let agent = machine.agent();
    let mut random = fastrand::Rng::with_seed(1);
    let data: Vec<u8> = (0..4 << 20).flat_map(|_| random.u64(..).to_le_bytes()).collect();
    let begun = Instant::now();
    agent.put("/images/test/data", &data).unwrap();
    let put = begun.elapsed();
    assert!(agent.get("/images/test/data").unwrap() == data);
    println!("32 MiB put in {put:?}, fetched in {:?}", begun.elapsed() - put);
    // Zeros take no room: this is more than dom0 has.
    agent.put_from("/images/test/disk", std::io::repeat(0), 1 << 30).unwrap();
    let blocks = agent.exec(&["stat", "-c", "%s %b", "/images/test/disk"], b"").unwrap();
    assert_eq!(blocks.stdout, b"1073741824 0\n");
    agent.remove("/images/test").unwrap();
    assert!(agent.get("/images/test/data").unwrap_err().message.contains("No such file"));
}

#[test]
fn programs_run_in_dom0_whose_clock_is_right() {
    let machine = shared();
    let agent = machine.agent();
    let output = agent.exec(&["sh", "-c", "cat; echo oops >&2; exit 7"], b"typed").unwrap();
    assert_eq!((output.status, &output.stdout[..], &output.stderr[..]), (7, &b"typed"[..], &b"oops\n"[..]));
    let seconds = agent.exec(&["date", "+%s"], b"").unwrap().stdout;
    let there: u64 = String::from_utf8(seconds).unwrap().trim().parse().unwrap();
    let here = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(here.abs_diff(there) <= 2, "{here} {there}");
    let error = agent.exec_within(&["sleep", "60"], b"", Duration::from_millis(200)).unwrap_err();
    assert!(error.message.contains("run sleep 60: sleep 60: it did not end in time"), "{error}");
    assert!(agent.exec(&["no-such-program"], b"").unwrap_err().message.contains("No such file"));
}

#[test]
fn xenstore_is_read_written_listed_and_watched() {
    let machine = shared();
    let agent = machine.agent();
    agent.store_write("/test/a", b"one\0two").unwrap();
    agent.store_write("/test/b", b"").unwrap();
    assert_eq!(agent.store_read("/test/a").unwrap().unwrap(), b"one\0two");
    assert_eq!(agent.store_read("/test/none").unwrap(), None);
    let mut names = agent.store_list("/test").unwrap();
    names.sort();
    assert_eq!(names, ["a", "b"]);
    let watch = agent.store_watch("/test/a").unwrap();
    let mut seen = Vec::new();
    let mut next = || loop {
        match agent.events().next(Duration::from_secs(10)).unwrap() {
            Some(Event::Store { watch: fired, path }) if fired == watch => return seen.push(path),
            Some(_) => {}
            None => panic!("no event"),
        }
    };
    next();
    agent.store_write("/test/a", b"three").unwrap();
    next();
    agent.store_remove("/test/a").unwrap();
    next();
    assert_eq!(seen, ["/test/a", "/test/a", "/test/a"]);
    agent.store_unwatch(watch).unwrap();
    assert!(agent.store_unwatch(watch).is_err());
    agent.store_remove("/test").unwrap();
    assert!(agent.store_read("not a path").is_err());
}

#[test]
fn garbage_on_the_port_is_reported_and_survived() {
    let machine = shared();
    let agent = machine.agent();
    let mut random = fastrand::Rng::with_seed(2);
    for round in 0..20 {
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1 + round * 300).collect();
        agent.send_raw(&noise).unwrap();
    }
    // A frame that ends too soon swallows the calls that follow until the agent gives it up after two seconds. What
    // is left of them is then read as what it is, so they may be answered or not, but the agent lives on.
    agent.send_raw(b"SdAg\x01\0\0\0\xff\xff\0\0").unwrap();
    let _ = agent.exec_within(&["true"], b"", Duration::from_secs(1));
    assert_eq!(agent.exec(&["true"], b"").unwrap().status, 0);
}

pub fn until(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs_f64(20. * SCALE), "it never came to be so");
        std::thread::sleep(Duration::from_millis(100));
    }
}

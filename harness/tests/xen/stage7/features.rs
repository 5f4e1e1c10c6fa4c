//! What front- and backend agree on: each feature is used where it is on, and not where it is off. Dom0 is asked for what it has seen.

use super::disks::written;
use super::{FOLDER, SIZE, disk, ready, same};
use crate::common::holds;
use crate::machine::Ready;
use harness::domain::Domain;
use harness::machine::{BlockDevice, Disk, Geometry};

#[test]
#[ignore = "long"]
fn every_feature_can_be_switched_off() {
    let machine = ready();
    let disk = disk(&machine, "xvda", SIZE, true);
    let off = "disk-persistent=off disk-indirect=off disk-flush=off disk-discard=off disk-ring-order=0 disk-queues=1";
    let text = machine.said_with_disks(&format!("app=disk seed=3 {off}"), std::slice::from_ref(&disk));
    holds(
        &text,
        &[
            "xvda: segments=11 queues=1 ring=32 persistent=false flush=false discard=false",
            "xvda: 0 pieces read back wrong",
            "xvda: done",
        ],
    );
    same(&machine.agent().get(&disk.path).unwrap(), &written(3, SIZE, false), &text);
    machine.agent().remove(FOLDER).unwrap();
}

/// What dom0 and the guest say about a disk's use.
#[derive(Debug)]
struct Seen {
    /// As the frontend has written it to xenstore.
    order: Option<u64>,
    queues: Option<u64>,
    persistent: Option<u64>,
    /// As the backend has counted.
    flushes: u64,
    discards: u64,
    writes: u64,
    /// As the guest has counted: requests of each queue, those of them that were indirect, pages.
    requests: Vec<u64>,
    indirect: u64,
    pages: u64,
}

/// Runs `app=disk` with this on the command line.
fn seen(machine: &Ready, command_line: &str) -> Seen {
    let disk = disk(machine, "xvda", SIZE, true);
    let change = |options: &mut harness::machine::CreateOptions| options.disks = vec![disk.clone()];
    let mut domain = machine.start_as(&format!("app=disk seed=3 hold=on {command_line}"), change);
    machine.wait_for(&mut domain, "xvda: done\n");
    let text = domain.text();
    holds(&text, &["xvda: 0 pieces read back wrong"]);
    let counts: Vec<Vec<u64>> =
        text.lines().filter(|line| line.contains("of them indirect")).map(all_numbers).collect();
    let seen = Seen {
        order: frontend(machine, &domain, "ring-page-order"),
        queues: frontend(machine, &domain, "multi-queue-num-queues"),
        persistent: frontend(machine, &domain, "feature-persistent"),
        flushes: backend(machine, &domain, "f_req"),
        discards: backend(machine, &domain, "ds_req"),
        writes: backend(machine, &domain, "wr_req"),
        requests: counts.iter().map(|counts| counts[0]).collect(),
        indirect: counts.iter().map(|counts| counts[1]).sum(),
        pages: text.lines().find(|line| line.ends_with("pages granted")).map(all_numbers).unwrap()[0],
    };
    machine.agent().shutdown(domain.name()).unwrap();
    domain.power_off(machine.within(60.0)).unwrap();
    let discarded = seen.discards > 0;
    same(&machine.agent().get(&disk.path).unwrap(), &written(3, SIZE, discarded), &text);
    println!("{command_line}: {seen:?}");
    seen
}

fn all_numbers(line: &str) -> Vec<u64> {
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

/// A node of the disk's, written by the guest.
fn frontend(machine: &Ready, domain: &Domain<'_>, key: &str) -> Option<u64> {
    let path = format!("/local/domain/{}/device/vbd/51712/{key}", domain.id());
    let value = machine.agent().store_read(&path).unwrap()?;
    Some(String::from_utf8(value).unwrap().parse().unwrap())
}

/// One of the numbers that Linux's backend keeps of a disk.
fn backend(machine: &Ready, domain: &Domain<'_>, name: &str) -> u64 {
    let path = format!("/sys/bus/xen-backend/devices/vbd-{}-51712/statistics/{name}", domain.id());
    let read = machine.agent().exec(&["cat", &path], b"").unwrap();
    String::from_utf8(read.stdout).unwrap().trim().parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
#[ignore = "long"]
fn each_feature_is_used_unless_it_is_switched_off() {
    let machine = ready();
    let all = seen(&machine, "log=info");
    assert_eq!((all.order, all.queues, all.persistent), (Some(2), Some(2), Some(1)));
    assert!(all.flushes > 0 && all.discards > 0 && all.indirect > 0);
    assert!(all.requests.len() == 2 && all.requests.iter().all(|count| *count > 50), "both queues are used");

    let flush = seen(&machine, "disk-flush=off");
    assert_eq!(flush.flushes, 0);
    let discard = seen(&machine, "disk-discard=off");
    assert_eq!(discard.discards, 0);
    let order = seen(&machine, "disk-ring-order=0");
    assert_eq!(order.order.unwrap_or(0), 0);
    let queues = seen(&machine, "disk-queues=1");
    assert!(queues.queues.unwrap_or(1) == 1 && queues.requests.len() == 1);
    let indirect = seen(&machine, "disk-indirect=off");
    assert_eq!(indirect.indirect, 0);
    // A mebibyte is 4 indirect requests, or 24 others.
    assert!(indirect.writes >= all.writes + 20, "{} and {} writes", indirect.writes, all.writes);
    let persistent = seen(&machine, "disk-persistent=off");
    assert_eq!(persistent.persistent, Some(0));
    assert!(persistent.pages > 2 * all.pages, "{} and {} pages", persistent.pages, all.pages);

    // What is switched off is that, and nothing else.
    for (off, others) in
        [(&flush, "flush"), (&discard, "discard"), (&order, "order"), (&queues, "queues"), (&indirect, "indirect")]
    {
        let same = |name: &str, same: bool| assert!(same || name == others, "{name} is off without {others}");
        same("flush", off.flushes > 0);
        same("discard", off.discards > 0);
        same("order", off.order == Some(2));
        same("queues", off.queues == Some(2));
        same("indirect", off.indirect > 0);
        same("persistent", off.persistent == Some(1));
    }
    machine.agent().remove(FOLDER).unwrap();
}

/// Each request takes 50 ms, so all tasks have theirs under way before the first is done.
#[test]
#[ignore = "long"]
fn more_than_64_requests_are_under_way_at_a_time() {
    let machine = ready();
    let geometry = Geometry { mib: 4, sector: 512, cache_mib: 0, latency_ms: 50 };
    let device = BlockDevice::new(machine.agent(), "slow", geometry).unwrap();
    let disk = Disk { path: device.path(), vdev: "xvda".into(), writable: true };
    let text = machine.said_with_disks("app=disk", &[disk]);
    holds(&text, &["xvda: 0 pieces read back wrong", "xvda: done"]);
    let counts = text.lines().filter(|line| line.contains("of them indirect")).map(all_numbers);
    let deepest = counts.map(|counts| counts[3]).max().unwrap_or(0);
    assert!(deepest >= 64, "{deepest} at a time\n{text}");
}

//! Bytes of disks: those that a guest has written, those that it may not write, and disks that go.

use super::{FILL, FOLDER, SIZE, disk, ready, same};
use crate::common::holds;
use harness::machine::{BlockDevice, Disk, Geometry};

/// An image as `app=disk` has to leave it: see `stages/stage7-blkfront/src/demo/disk.rs`.
pub fn written(seed: u64, size: usize, discarded: bool) -> Vec<u8> {
    let mut image = vec![FILL; size];
    if discarded {
        image[size - 65536..].fill(0);
    }
    let pieces =
        [(0, 4096), (5000, 3), (8190, 10), (16384, 65536), (100_001, 300_007), (1 << 20, 1 << 20), (size - 5, 5)];
    let blocks = (0..192).map(|task| ((3 << 20) + task * 4096, 4096));
    for (offset, length) in pieces.into_iter().chain(blocks).filter(|(offset, length)| offset + length <= size) {
        for (at, byte) in image.iter_mut().enumerate().skip(offset).take(length) {
            *byte = ((at as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        }
    }
    image
}

#[test]
#[ignore = "long"]
fn what_a_guest_writes_is_in_the_image_and_each_disk_is_told_apart() {
    let machine = ready();
    let disks = [
        disk(&machine, "xvda", SIZE, true),
        // Not a whole number of pages, and the last sectors alone.
        disk(&machine, "xvdb", SIZE - 512 * 7, true),
        disk(&machine, "xvdc", SIZE, false),
        disk(&machine, "xvdd", 0, true),
    ];
    let text = machine.said_with_disks("app=disk seed=77", &disks);
    let second = format!("xvdb: {} bytes in blocks of 512, writable", SIZE - 512 * 7);
    holds(
        &text,
        &[
            "xvda: 4194304 bytes in blocks of 512, writable",
            "xvda: segments=64 queues=2 ring=256 persistent=true flush=true discard=true",
            "xvda: 0 pieces read back wrong",
            "xvda: byte 4194306 is beyond the end of the disk at 4194304",
            "xvda: done",
            &second,
            "xvdb: 0 pieces read back wrong",
            "xvdb: done",
            "xvdc: 4194304 bytes in blocks of 512, read-only",
            "xvdc: the disk is read-only",
            "xvdd: 0 bytes in blocks of 512, writable",
            "xvdd: byte 512 is beyond the end of the disk at 0",
        ],
    );
    let agent = machine.agent();
    same(&agent.get(&disks[0].path).unwrap(), &written(77, SIZE, true), &text);
    same(&agent.get(&disks[1].path).unwrap(), &written(77, SIZE - 512 * 7, true), &text);
    same(&agent.get(&disks[2].path).unwrap(), &vec![FILL; SIZE], &text);
    agent.remove(FOLDER).unwrap();
}

#[test]
fn without_a_disk_there_is_an_error_that_names_it() {
    let text = ready().said("app=disk");
    holds(&text, &["no disk is configured", "xvda: there is no such disk", "bye: poweroff"]);
}

#[test]
#[ignore = "long"]
fn sectors_of_4096_bytes_are_kept_to() {
    let machine = ready();
    let geometry = Geometry { mib: (SIZE >> 20) as u64, sector: 4096, cache_mib: 0, latency_ms: 0 };
    let device = BlockDevice::new(machine.agent(), "large-sectors", geometry).unwrap();
    device.put(&vec![FILL; SIZE]).unwrap();
    let disk = Disk { path: device.path(), vdev: "xvda".into(), writable: true };
    let text = machine.said_with_disks("app=disk seed=9", &[disk]);
    holds(&text, &["xvda: 4194304 bytes in blocks of 4096, writable", "xvda: 0 pieces read back wrong", "xvda: done"]);
    let discarded = text.contains("bytes from 4128768 on discarded");
    same(&device.get().unwrap(), &written(9, SIZE, discarded), &text);
}

/// The image has holes where dom0 has no room left.
#[test]
#[ignore = "long"]
fn what_the_medium_can_not_do_reaches_the_caller() {
    let machine = ready();
    let agent = machine.agent();
    let dom0 = |script: &str| assert_eq!(agent.exec(&["sh", "-c", script], b"").unwrap().status, 0, "{script}");
    dom0("mkdir -p /images/small && mount -t tmpfs -o size=1m small /images/small");
    agent.put("/images/small/disk", &vec![0; SIZE]).unwrap();
    let disk = Disk { path: "/images/small/disk".into(), vdev: "xvda".into(), writable: true };
    let text = machine.said_with_disks("app=disk", &[disk]);
    holds(&text, &["xvda: the backend reports an I/O error", "bye: poweroff"]);
    dom0("umount -l /images/small");
}

#[test]
#[ignore = "long"]
fn a_disk_is_detached_with_requests_under_way_and_comes_again() {
    let machine = ready();
    let agent = machine.agent();
    let disk = disk(&machine, "xvda", SIZE, true);
    let mut domain = machine.start("app=disk-hold");
    for round in 1..=3 {
        agent.attach_block(domain.name(), &disk).unwrap();
        machine.wait_for_times(&mut domain, "xvda: in use\n", round);
        std::thread::sleep(std::time::Duration::from_millis(300));
        agent.detach_block(domain.name(), "xvda").unwrap();
        machine.wait_for_times(&mut domain, "then 64 of 64 tasks were told: the disk was detached\n", round);
    }
    agent.shutdown(domain.name()).unwrap();
    domain.power_off(machine.within(60.0)).unwrap_or_else(|error| panic!("{error}\n{}", domain.text()));
    println!("{}", domain.text());
    agent.remove(FOLDER).unwrap();
}

/// Sectors beyond the 2^32nd have numbers that 32 bits don't hold.
#[test]
#[ignore = "long"]
fn a_disk_of_three_tebibytes_is_written_to_its_end() {
    const SIZE: u64 = 3 << 40;
    let machine = ready();
    let agent = machine.agent();
    let disk = Disk { path: format!("{FOLDER}/huge"), vdev: "xvda".into(), writable: true };
    let made =
        agent.exec(&["sh", "-c", &format!("mkdir -p {FOLDER} && truncate -s {SIZE} {}", disk.path)], b"").unwrap();
    assert_eq!(made.status, 0, "{}", String::from_utf8_lossy(&made.stderr));
    // What has to stay as it is, 64 KiB before the end and at 2 TiB.
    agent.put_part(&disk.path, SIZE - 65536 - 4096, &[FILL; 4096]).unwrap();
    agent.put_part(&disk.path, 2 << 40, &[FILL; 4096]).unwrap();
    let text = machine.said_with_disks("app=disk seed=5", std::slice::from_ref(&disk));
    holds(
        &text,
        &[
            &format!("xvda: {SIZE} bytes in blocks of 512, writable"),
            "xvda: 0 pieces read back wrong",
            &format!("xvda: byte {} is beyond the end of the disk at {SIZE}", SIZE + 2),
            "xvda: done",
        ],
    );
    let byte = |at: u64| ((at ^ 5).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    let end = agent.get_part(&disk.path, SIZE - 65536 - 4096, 65536 + 4096).unwrap();
    let mut expected = [vec![FILL; 4096], vec![0; 65536]].concat();
    (SIZE - 5..SIZE).for_each(|at| expected[(at - (SIZE - 65536 - 4096)) as usize] = byte(at));
    same(&end, &expected, &text);
    let over = agent.get_part(&disk.path, (2 << 40) - 1000, 2000).unwrap();
    same(&over, &((2 << 40) - 1000..(2 << 40) + 1000).map(byte).collect::<Vec<_>>(), &text);
    assert_eq!(agent.get_part(&disk.path, (2 << 40) + 1000, 3096).unwrap(), [FILL; 3096]);
    agent.remove(FOLDER).unwrap();
}

//! Stage 7 on a real Xen: disks behind Linux's block backend, and what is in their images.
//!
//! The tests share the machine of `machine`, one at a time, and the stage's image, which is built once.

use crate::common::{holds, repository, run};
use crate::machine::Ready;
use harness::machine::{Disk, Machine};
use harness::prerequisites;
use harness::ui::Ui;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "/images/test";
/// What images are filled with beforehand.
const FILL: u8 = 0xa5;
const SIZE: usize = 4 << 20;

fn ready() -> Ready {
    Ready::with("blkfront")
}

/// A disk with an image of this size.
fn disk(machine: &Machine, vdev: &str, size: usize, writable: bool) -> Disk {
    let path = format!("{FOLDER}/{vdev}");
    machine.agent().put(&path, &vec![FILL; size]).unwrap();
    Disk { path, vdev: vdev.into(), writable }
}

/// An image as `app=disk` has to leave it: see `stages/stage7-blkfront/src/demo/disk.rs`.
fn written(seed: u64, size: usize, discarded: bool) -> Vec<u8> {
    let mut image = vec![FILL; size];
    if discarded {
        image[size - 65536..].fill(0);
    }
    let pieces =
        [(0, 4096), (5000, 3), (8190, 10), (16384, 65536), (100_001, 300_007), (1 << 20, 1 << 20), (size - 5, 5)];
    let blocks = (0..96).map(|task| ((3 << 20) + task * 4096, 4096));
    for (offset, length) in pieces.into_iter().chain(blocks).filter(|(offset, length)| offset + length <= size) {
        for (at, byte) in image.iter_mut().enumerate().skip(offset).take(length) {
            *byte = ((at as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        }
    }
    image
}

/// Where two images differ first.
#[track_caller]
fn same(got: &[u8], expected: &[u8], text: &str) {
    let at = got.iter().zip(expected).position(|(got, expected)| got != expected);
    assert!(got.len() == expected.len() && at.is_none(), "{} bytes; they differ from {at:?} on\n{text}", got.len());
}

#[test]
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

#[test]
fn without_a_disk_there_is_an_error_that_names_it() {
    let text = ready().said("app=disk");
    holds(&text, &["no disk is configured", "xvda: there is no such disk", "bye: poweroff"]);
}

#[test]
fn sectors_of_4096_bytes_are_kept_to() {
    let machine = ready();
    let agent = machine.agent();
    let Disk { path: image, .. } = disk(&machine, "xvda", SIZE, true);
    let device = "/dev/zram0";
    let dom0 = |script: &str| {
        let done = agent.exec(&["sh", "-c", script], b"").unwrap();
        assert_eq!(done.status, 0, "{script}: {}", String::from_utf8_lossy(&done.stderr));
    };
    dom0(&format!("echo {SIZE} > /sys/block/zram0/disksize && dd if={image} of={device} bs=64k"));
    let disk = Disk { path: device.into(), vdev: "xvda".into(), writable: true };
    let text = machine.said_with_disks("app=disk seed=9", &[disk]);
    holds(&text, &["xvda: 4194304 bytes in blocks of 4096, writable", "xvda: 0 pieces read back wrong", "xvda: done"]);
    agent.put(&image, &written(9, SIZE, text.contains("bytes from 4128768 on discarded"))).unwrap();
    dom0(&format!("cmp {image} {device} && echo 1 > /sys/block/zram0/reset"));
    agent.remove(FOLDER).unwrap();
}

/// The image has holes where dom0 has no room left.
#[test]
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

/// An empty FAT file system of so many bits, made on this machine.
fn fat(machine: &Machine, vdev: &str, bits: &str, kib: u64) -> Disk {
    let image = Path::new(env!("CARGO_TARGET_TMPDIR")).join(vdev);
    std::fs::File::create(&image).unwrap().set_len(kib << 10).unwrap();
    tool("mkfs.vfat", &["-F", bits, "-s", "1", image.to_str().unwrap()]);
    let path = format!("{FOLDER}/{vdev}");
    machine.agent().put(&path, &std::fs::read(image).unwrap()).unwrap();
    Disk { path, vdev: vdev.into(), writable: true }
}

/// What a program of this machine prints, which has to be content.
#[track_caller]
pub fn tool(program: &str, arguments: &[&str]) -> Vec<u8> {
    let path = prerequisites::find(program).unwrap();
    let output = Command::new(path).args(arguments).env("TZ", "UTC").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

/// What `app=files` writes: see `stages/stage7-blkfront/src/demo/files.rs`.
fn content(name: &str, size: usize) -> Vec<u8> {
    let start = name.bytes().fold(0_u8, u8::wrapping_add);
    (0..size).map(|at| start.wrapping_add((at * 7) as u8).wrapping_add((at >> 8) as u8)).collect()
}

#[test]
fn other_peoples_programs_read_the_files_that_a_guest_wrote() {
    prerequisites::fat_tools(&Ui::new()).unwrap();
    let machine = ready();
    let garbage = disk(&machine, "xvdd", SIZE, true);
    let disks = [
        fat(&machine, "xvda", "12", 1500),
        fat(&machine, "xvdb", "16", 8 << 10),
        fat(&machine, "xvdc", "32", 36 << 10),
        garbage,
        fat(&machine, "xvde", "12", 128),
    ];
    let text = machine.said_with_disks("app=files", &disks);
    println!("{text}");
    let right = "every file reads back as it was written";
    let lines = ["memory", "xvda", "xvdb", "xvdc"].map(|name| format!("{name}: {right}"));
    holds(&text, &lines.each_ref().map(String::as_str));
    holds(&text, &["xvdd: there is no sound file system", "xvde: there is no room left"]);
    let day = String::from_utf8(tool("date", &["+%F"])).unwrap();
    assert!(text.contains(&format!("moved.log was written at {} ", day.trim())), "{day} in\n{text}");

    let image = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
    let image = image.to_str().unwrap();
    for disk in disks.iter().filter(|disk| disk.vdev != "xvdd") {
        std::fs::write(image, machine.agent().get(&disk.path).unwrap()).unwrap();
        tool("fsck.vfat", &["-n", image]);
        if disk.vdev == "xvde" {
            continue; // as full as it can be, and sound
        }
        let read = |path: &str| tool("mcopy", &["-i", image, &format!("::{path}"), "-"]);
        for (path, size) in
            [("EMPTY.TXT", 0), ("logs/a file with a long name.txt", 5000), ("logs/Old Logs/big.bin", 200_000)]
        {
            assert!(read(path) == content(path, size), "{} {path}", disk.vdev);
        }
        assert_eq!(read("one.bin"), b"short");
        assert!(read("moved.log") == content("entry", 700));
        let appended: Vec<u8> = (0..10).flat_map(|round| content("append", 777)[..777 - round].to_vec()).collect();
        assert!(read("logs/appended") == appended);
        let listed = String::from_utf8(tool("mdir", &["-i", image, "::logs"])).unwrap();
        assert!(!listed.contains("entry-08") && listed.contains("entry-39"), "{listed}");
        assert!(listed.contains(day.trim()), "{listed}");
    }
    machine.agent().remove(FOLDER).unwrap();
}

/// All 100 of them are `harness soak crash`.
#[test]
fn what_was_flushed_survives_a_violent_end() {
    let ended = run(repository(), &["soak", "crash", "--scale", "5"]).with(0);
    println!("{}", ended.stdout);
    assert!(ended.stdout.contains("5 of 100 guests: all of "), "{}", ended.stdout);
}

//! Stage 7 on a real Xen: disks behind Linux's block backend, and what is in their images.
//!
//! The tests share the machine of `machine`, one at a time, and the stage's image, which is built once.

mod backends;
mod disks;
mod end;
mod features;
mod files;
mod vcpus;

use crate::common::{repository, run};
use crate::machine::Ready;
use harness::machine::{Disk, Machine};
use harness::prerequisites;
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

/// Where two images differ first.
#[track_caller]
fn same(got: &[u8], expected: &[u8], text: &str) {
    let at = got.iter().zip(expected).position(|(got, expected)| got != expected);
    assert!(got.len() == expected.len() && at.is_none(), "{} bytes; they differ from {at:?} on\n{text}", got.len());
}

/// An empty FAT file system of so many bits, made on this machine.
fn fat(machine: &Machine, vdev: &str, bits: &str, kib: u64) -> Disk {
    fat_with(machine, vdev, bits, kib, &[])
}

/// The same with these files in it.
fn fat_with(machine: &Machine, vdev: &str, bits: &str, kib: u64, files: &[(&str, &[u8])]) -> Disk {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (image, content) = (folder.join(vdev), folder.join("content"));
    std::fs::File::create(&image).unwrap().set_len(kib << 10).unwrap();
    let image_path = image.to_str().unwrap();
    tool("mkfs.vfat", &["-F", bits, "-s", "1", image_path]);
    for (path, bytes) in files {
        if let Some((above, _)) = path.rsplit_once('/') {
            tool("mmd", &["-i", image_path, &format!("::{above}")]);
        }
        std::fs::write(&content, bytes).unwrap();
        tool("mcopy", &["-i", image_path, content.to_str().unwrap(), &format!("::{path}")]);
    }
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

/// What demos write to files: see `stages/stage7-blkfront/src/demo/files.rs`.
fn content(name: &str, size: usize) -> Vec<u8> {
    let start = name.bytes().fold(0_u8, u8::wrapping_add);
    (0..size).map(|at| start.wrapping_add((at * 7) as u8).wrapping_add((at >> 8) as u8)).collect()
}

/// What is on a disk now, as a file of this machine.
fn image_of(machine: &Machine, disk: &Disk) -> String {
    let image = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
    std::fs::write(&image, machine.agent().get(&disk.path).unwrap()).unwrap();
    image.to_str().unwrap().to_owned()
}

/// All 100 of them are `harness soak crash`.
#[test]
fn what_was_flushed_survives_a_violent_end() {
    let ended = run(repository(), &["soak", "crash", "--scale", "5"]).with(0);
    println!("{}", ended.stdout);
    assert!(ended.stdout.contains("5 of 100 guests: all of "), "{}", ended.stdout);
}

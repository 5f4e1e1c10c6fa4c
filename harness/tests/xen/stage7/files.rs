//! Files that a guest has written to FAT file systems, as other programs see them.

use super::{FOLDER, SIZE, content, disk, fat, fat_with, image_of, ready, tool};
use crate::common::holds;
use harness::machine::Disk;
use harness::prerequisites;
use harness::ui::Ui;

#[test]
#[ignore = "long"]
fn other_peoples_programs_read_the_files_that_a_guest_wrote() {
    prerequisites::fat_tools(&Ui::new()).unwrap();
    let machine = ready();
    let disks = [
        fat_with(&machine, "xvda", "12", 1500, &[("sample.txt", b"a sample")]),
        fat(&machine, "xvdb", "16", 8 << 10),
        fat(&machine, "xvdc", "32", 36 << 10),
        disk(&machine, "xvdd", SIZE, true),
        fat(&machine, "xvde", "12", 128),
        Disk { writable: false, ..fat(&machine, "xvdf", "12", 1500) },
        disk(&machine, "xvdg", 0, true),
    ];
    let text = machine.said_with_disks("app=files", &disks);
    println!("{text}");
    let right = "every file reads back as it was written";
    let lines = ["memory", "xvda", "xvdb", "xvdc"].map(|name| format!("{name}: {right}"));
    holds(&text, &lines.each_ref().map(String::as_str));
    holds(
        &text,
        &[
            "sample.txt: a sample",
            "xvdd: there is no sound file system",
            "xvde: there is no room left",
            "xvdf: the disk is read-only",
            "xvdg: there is no sound file system",
            "bye: poweroff",
        ],
    );
    let day = String::from_utf8(tool("date", &["+%F"])).unwrap();
    assert!(text.contains(&format!("Moved.log was written at {} ", day.trim())), "{day} in\n{text}");

    for disk in disks.iter().filter(|disk| !["xvdd", "xvdg"].contains(&disk.vdev.as_str())) {
        let image = &image_of(&machine, disk);
        tool("fsck.vfat", &["-n", image]);
        if ["xvde", "xvdf"].contains(&disk.vdev.as_str()) {
            continue; // as full as it can be, or as it was, and sound
        }
        let read = |path: &str| tool("mcopy", &["-i", image, &format!("::{path}"), "-"]);
        for (path, size) in
            [("EMPTY.TXT", 0), ("logs/a file with a long name.txt", 5000), ("logs/Old Logs/big.bin", 200_000)]
        {
            assert!(read(path) == content(path, size), "{} {path}", disk.vdev);
        }
        assert_eq!(read("one.bin"), b"short");
        assert!(read("Moved.log") == content("entry", 700));
        let appended: Vec<u8> = (0..10).flat_map(|round| content("append", 777)[..777 - round].to_vec()).collect();
        assert!(read("logs/appended") == appended);
        let mut patched = content("patch", 10_000);
        patched.resize(12_012, 0);
        for (offset, text) in [(5000, &b"in the middle"[..]), (9995, b"over the end"), (12_000, b"behind a gap")] {
            patched[offset..offset + text.len()].copy_from_slice(text);
        }
        assert!(read("patched.bin") == patched);
        assert!(read("cut.bin") == [content("cut", 4097), vec![0; 6000 - 4097]].concat());
        let listed = String::from_utf8(tool("mdir", &["-i", image, "::logs"])).unwrap();
        assert!(!listed.contains("entry-08") && listed.contains("entry-39"), "{listed}");
        assert!(listed.contains(day.trim()), "{listed}");
    }
    machine.agent().remove(FOLDER).unwrap();
}

/// A guest of 16 MiB has no memory for it, and says so.
#[test]
#[ignore = "long"]
fn a_file_larger_than_the_memory_is_an_error() {
    prerequisites::fat_tools(&Ui::new()).unwrap();
    let mut machine = ready();
    machine.shape.memory = 16;
    let large = vec![7; 20 << 20];
    let disk = fat_with(&machine, "xvda", "32", 40 << 10, &[("large.bin", &large)]);
    let text = machine.said_with_disks("app=notes read=large.bin", &[disk]);
    holds(&text, &["large.bin: xvda: there is no memory for so much", "bye: poweroff"]);
    machine.agent().remove(FOLDER).unwrap();
}

/// One disk for each thing that can't be; the tests of the stage itself have many more.
#[test]
#[ignore = "long"]
fn what_makes_no_sense_on_a_disk_is_told_and_nothing_else() {
    prerequisites::fat_tools(&Ui::new()).unwrap();
    let machine = ready();
    let said = |change: fn(&mut [u8]), path: &str| {
        let disk = fat_with(&machine, "xvda", "16", 8 << 10, &[("A.BIN", &[1; 5000]), ("B/C.BIN", b"c")]);
        let mut image = machine.agent().get(&disk.path).unwrap();
        change(&mut image);
        machine.agent().put(&disk.path, &image).unwrap();
        let text = machine.said_with_disks(&format!("app=notes read={path}"), &[disk]);
        holds(&text, &["bye: poweroff"]);
        text
    };
    fn number(image: &[u8], at: usize) -> usize {
        usize::from(u16::from_le_bytes([image[at], image[at + 1]]))
    }
    fn entry(image: &[u8], name: &[u8; 11]) -> usize {
        image.chunks(32).position(|entry| entry.starts_with(name)).unwrap() * 32
    }
    holds(&said(|_| (), "a.bin"), &["a.bin: 5000 bytes"]);
    let loops = |image: &mut [u8]| {
        let first = number(image, entry(image, b"A       BIN") + 26);
        let table = number(image, 14) * 512;
        let second = number(image, table + 2 * first);
        image[table + 2 * second..][..2].copy_from_slice(&(first as u16).to_le_bytes());
    };
    let too_large = |image: &mut [u8]| {
        let at = entry(image, b"A       BIN");
        image[at + 28..at + 32].copy_from_slice(&u32::MAX.to_le_bytes());
    };
    let no_directory = |image: &mut [u8]| {
        let at = entry(image, b"B          ");
        image[at + 26..at + 28].fill(0);
    };
    let small_table = |image: &mut [u8]| image[22..24].copy_from_slice(&1_u16.to_le_bytes());
    for (change, path) in
        [(loops as fn(&mut [u8]), "a.bin"), (too_large, "a.bin"), (no_directory, "b/c.bin"), (small_table, "a.bin")]
    {
        holds(&said(change, path), &[&format!("{path}: xvda: there is no sound file system")]);
    }
    machine.agent().remove(FOLDER).unwrap();
}

//! Files that a guest has written to FAT file systems, as other programs see them.

use super::{FOLDER, SIZE, content, disk, fat, image_of, ready, tool};
use crate::common::holds;
use harness::prerequisites;
use harness::ui::Ui;

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

    for disk in disks.iter().filter(|disk| disk.vdev != "xvdd") {
        let image = &image_of(&machine, disk);
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

//! What is on a disk when a guest ends in order, though nobody has asked for a flush.

use super::{FOLDER, content, fat, image_of, ready, tool};
use crate::machine::Ready;
use harness::domain::Domain;
use harness::machine::{Action, Disk, Machine};
use harness::prerequisites;
use harness::ui::Ui;

/// What `app=notes` has written: see `stages/stage7-blkfront/src/demo/notes.rs`.
#[track_caller]
fn notes_are_there(machine: &Machine, disk: &Disk, text: &str) {
    let image = image_of(machine, disk);
    tool("fsck.vfat", &["-n", &image]);
    for number in 0..60 {
        let note = tool("mcopy", &["-i", &image, &format!("::notes/{number}.txt"), "-"]);
        assert!(note == content("note", 100 * number), "note {number} has {} bytes\n{text}", note.len());
    }
}

fn written<'a>(
    machine: &'a Ready,
    disk: &Disk,
    then: &str,
    change: impl FnOnce(&mut harness::machine::CreateOptions),
) -> Domain<'a> {
    let mut domain = machine.start_as(&format!("app=notes then={then}"), |options| {
        options.disks = vec![disk.clone()];
        change(options);
    });
    machine.wait_for(&mut domain, "60 notes are written, and none is flushed");
    domain
}

fn with_fat(run: impl FnOnce(&Ready, &Disk)) {
    prerequisites::fat_tools(&Ui::new()).unwrap();
    let machine = ready();
    let disk = fat(&machine, "xvda", "16", 8 << 10);
    run(&machine, &disk);
    machine.agent().remove(FOLDER).unwrap();
}

#[test]
#[ignore = "long"]
fn dom0s_wish_to_power_off_loses_nothing_that_was_written() {
    with_fat(|machine, disk| {
        let mut domain = written(machine, disk, "wait", |_| ());
        machine.agent().shutdown(domain.name()).unwrap();
        domain.power_off(machine.within(60.0)).unwrap();
        notes_are_there(machine, disk, &domain.text());
    });
}

#[test]
#[ignore = "long"]
fn dom0s_wish_to_reboot_loses_nothing_either() {
    with_fat(|machine, disk| {
        let mut domain = written(machine, disk, "wait", |options| options.on_reboot = Action::Destroy);
        machine.agent().reboot(domain.name()).unwrap();
        domain.listen(machine.within(60.0), |_| false).unwrap();
        notes_are_there(machine, disk, &domain.text());
    });
}

#[test]
#[ignore = "long"]
fn the_end_of_a_program_loses_nothing_of_its_files() {
    for then in ["return", "leak"] {
        with_fat(|machine, disk| {
            let mut domain = written(machine, disk, then, |_| ());
            domain.power_off(machine.within(60.0)).unwrap();
            notes_are_there(machine, disk, &domain.text());
        });
    }
}

/// The image has holes where dom0 has no room left.
#[test]
#[ignore = "long"]
fn what_is_lost_at_the_end_all_the_same_is_told() {
    prerequisites::fat_tools(&Ui::new()).unwrap();
    let machine = ready();
    let agent = machine.agent();
    let dom0 = |script: &str| assert_eq!(agent.exec(&["sh", "-c", script], b"").unwrap().status, 0, "{script}");
    let there = fat(&machine, "xvda", "16", 8 << 10);
    let disk = Disk { path: "/images/small/disk".into(), ..there.clone() };
    for then in ["return", "leak"] {
        // Room for what describes an empty file system, and not much more.
        dom0("mkdir -p /images/small && mount -t tmpfs -o size=128k small /images/small");
        dom0(&format!("truncate -s 8M {0} && dd if={1} of={0} bs=4k count=24 conv=notrunc", disk.path, there.path));
        let mut domain = written(&machine, &disk, then, |_| ());
        domain.power_off(machine.within(60.0)).unwrap();
        let text = domain.text();
        assert!(text.contains("xvda: the backend reports an I/O error: what was not flushed is lost"), "{text}");
        dom0("umount -l /images/small");
    }
    agent.remove(FOLDER).unwrap();
}

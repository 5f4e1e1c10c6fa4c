//! File systems that can't be: made wrong in one place, where it is known what has to come of it; and anywhere.

use std::sync::Arc;
use std::vec::Vec;

use super::{Memory, do_everything, reason};
use crate::files::{FileError, FileReason, Files};

const CORRUPT: Option<FileReason> = Some(FileReason::Corrupt);

/// A FAT16 file system with files in it.
fn filled() -> Arc<Memory> {
    let memory = Memory::formatted(16, 4 << 10);
    fill_in(&memory);
    memory
}

/// Makes `file` (10 clusters), `other` (4), and `directory` with `inner` (4) and others in it.
fn fill_in(memory: &Arc<Memory>) {
    let files = memory.mount().unwrap();
    files.write("file", &[1; 5000]).unwrap();
    files.write("other", &[2; 2000]).unwrap();
    files.make_directory("directory").unwrap();
    files.write("directory/inner", &[3; 2000]).unwrap();
    for number in 0..20 {
        files.write(&std::format!("directory/long name number {number}"), b"x").unwrap();
    }
}

fn number(memory: &Memory, at: u64) -> u64 {
    u16::from_le_bytes(memory.get(at)).into()
}

fn set_number(memory: &Memory, at: u64, value: u64, bytes: usize) {
    memory.set(at, &value.to_le_bytes()[..bytes]);
}

/// Where the directory entry of this short name is.
pub fn entry(memory: &Memory, name: &[u8; 8]) -> u64 {
    let sectors = memory.sectors();
    let mut entries = sectors.iter().flat_map(|(sector, bytes)| {
        bytes.chunks(32).enumerate().map(move |(index, entry)| (sector * 512 + index as u64 * 32, entry))
    });
    entries.find(|(_, entry)| entry.starts_with(name)).unwrap().0
}

/// The clusters of a chain, by a FAT16 table.
fn chain(memory: &Memory, name: &[u8; 8]) -> Vec<u64> {
    let mut all = Vec::new();
    let mut cluster = number(memory, entry(memory, name) + 26);
    while cluster < 0xfff8 {
        all.push(cluster);
        cluster = number(memory, table(memory) + 2 * cluster);
    }
    all
}

/// Where the first table is.
fn table(memory: &Memory) -> u64 {
    number(memory, 14) * number(memory, 11)
}

/// Changes the table's entry for a cluster, in both copies.
fn set_next(memory: &Memory, cluster: u64, next: u64) {
    let first = table(memory);
    let second = first + number(memory, 22) * number(memory, 11);
    for table in [first, second] {
        set_number(memory, table + 2 * cluster, next, 2);
    }
}

#[test]
fn a_chain_that_leads_back_to_itself_is_no_file() {
    for (from, to) in [(9, 0), (9, 8), (9, 9), (4, 1), (0, 0)] {
        let memory = filled();
        let clusters = chain(&memory, b"FILE    ");
        set_next(&memory, clusters[from], clusters[to]);
        let files = memory.mount().unwrap();
        assert_eq!(reason(files.read("file")), CORRUPT, "{from} to {to}");
        assert_eq!(reason(files.read_at("file", 0, &mut [0; 10])), CORRUPT);
        assert_eq!(reason(files.append("file", b"x")), CORRUPT);
        assert_eq!(reason(files.write_at("file", 0, b"x")), CORRUPT);
        assert_eq!(reason(files.write("file", b"x")), CORRUPT);
        assert_eq!(reason(files.set_size("file", 3)), CORRUPT);
        assert_eq!(files.read("other").unwrap(), [2; 2000]);
        files.remove("file").unwrap();
    }
}

#[test]
fn a_chain_that_is_too_short_or_leads_nowhere_is_no_file() {
    for next in [0xffff, 0, 1, 0xfff7, 60_000] {
        let memory = filled();
        set_next(&memory, chain(&memory, b"FILE    ")[5], next);
        let files = memory.mount().unwrap();
        assert_eq!(reason(files.read("file")), CORRUPT, "{next:#x}");
        assert_eq!(reason(files.append("file", b"x")), CORRUPT, "{next:#x}");
        assert_eq!(files.read("other").unwrap(), [2; 2000]);
    }
}

#[test]
fn sizes_and_first_clusters_that_can_not_be_are_told() {
    for size in [5121, 100_000, 4 << 20, u32::MAX] {
        let memory = filled();
        set_number(&memory, entry(&memory, b"FILE    ") + 28, size.into(), 4);
        let files = memory.mount().unwrap();
        assert_eq!(reason(files.read("file")), CORRUPT, "{size}");
        assert_eq!(reason(files.append("file", b"x")), CORRUPT, "{size}");
    }
    for cluster in [0, 1, 9000, 0xffff] {
        let memory = filled();
        set_number(&memory, entry(&memory, b"FILE    ") + 26, cluster, 2);
        set_number(&memory, entry(&memory, b"DIRECTOR") + 26, cluster, 2);
        let files = memory.mount().unwrap();
        assert_eq!(reason(files.read("file")), CORRUPT, "cluster {cluster}");
        for result in [
            files.list("directory").map(drop),
            files.write("directory/new", b"x"),
            files.make_directory("directory/new"),
            files.rename("other", "directory/other"),
            files.remove("directory"),
        ] {
            assert_eq!(reason(result), CORRUPT, "cluster {cluster}");
        }
    }
}

#[test]
fn directories_that_lead_back_to_themselves_end() {
    let memory = filled();
    let files = memory.mount().unwrap();
    for number in 0..40 {
        files.write(&std::format!("directory/file number {number}"), b"").unwrap();
    }
    let clusters = chain(&memory, b"DIRECTOR");
    assert!(clusters.len() > 2);
    set_next(&memory, *clusters.last().unwrap(), clusters[0]);
    let files = memory.mount().unwrap();
    for result in [
        files.list("directory").map(drop),
        files.read("directory/nothing").map(drop),
        files.write("directory/new", b"x"),
        files.remove("directory"),
    ] {
        assert_eq!(reason(result), CORRUPT);
    }
}

#[test]
fn chains_that_meet_are_told_once_one_is_gone() {
    let memory = filled();
    let (file, other) = (chain(&memory, b"FILE    "), chain(&memory, b"OTHER   "));
    set_next(&memory, other[1], file[5]);
    let files = memory.mount().unwrap();
    let mixed = files.read("other").unwrap();
    assert!(mixed.len() == 2000 && mixed[1024..] == [1; 976], "both can be read");
    files.remove("file").unwrap();
    assert_eq!(reason(files.read("other")), CORRUPT);
    files.remove("other").unwrap();
    files.write("new", &[7; 9000]).unwrap();
    assert_eq!(files.read("new").unwrap(), [7; 9000]);
}

/// Offsets, lengths and values of fields of the first sector.
#[test]
fn a_first_sector_that_can_not_be_is_no_file_system() {
    let mut wrong: Vec<(u64, usize, u64)> = Vec::new();
    wrong.extend([0, 1, 3, 256, 513, 8192, 0xffff].map(|bytes| (11, 2, bytes)));
    wrong.extend([0, 3, 255].map(|sectors| (13, 1, sectors)));
    wrong.extend([0, 0xffff].map(|reserved| (14, 2, reserved)));
    wrong.extend([0, 3, 255].map(|tables| (16, 1, tables)));
    wrong.extend([1, 3, 31].map(|sectors| (22, 2, sectors)));
    wrong.extend([1, 40, 8193, 0xffff].map(|all| (19, 2, all)));
    wrong.push((510, 2, 0));
    let is_no_file_system = |result: Result<(), FileError>, what: (u64, usize, u64)| {
        let text = result.expect_err(&std::format!("{what:?}")).to_string();
        assert_eq!(text, "xvdm: there is no sound file system", "{what:?}");
    };
    use std::string::ToString;
    for (at, bytes, value) in wrong {
        let memory = filled();
        set_number(&memory, at, value, bytes);
        is_no_file_system(memory.mount().map(drop), (at, bytes, value));
    }
    let fat32 = Memory::formatted(32, 40 << 10);
    for (at, bytes, value) in
        [(44, 4, 0), (44, 4, 1), (44, 4, u64::from(u32::MAX)), (48, 2, 0), (48, 2, 100), (36, 4, 1)]
    {
        let memory = fat32.copy(fat32.size);
        set_number(&memory, at, value, bytes);
        is_no_file_system(memory.mount().map(drop), (at, bytes, value));
    }
    for size in [0, 1, 511, 512, 1000, 100_000] {
        is_no_file_system(filled().copy(size).mount().map(drop), (0, 0, size));
    }
}

/// Bytes that are wrong anywhere among those that describe the file system: nothing panics, and everything ends. `FAT_ROUNDS` in the
/// environment has it try more of them.
#[test]
fn whatever_is_on_the_disk_every_operation_ends() {
    let rounds = std::env::var("FAT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(300);
    let clean = [(12, 512), (16, 4 << 10), (32, 40 << 10)].map(|(bits, kib)| {
        let memory = Memory::formatted(bits, kib);
        fill_in(&memory);
        let used: Vec<u64> =
            memory.sectors().into_iter().flat_map(|(sector, _)| sector * 512..(sector + 1) * 512).collect();
        (memory, used)
    });
    let (mut mounted, mut done) = (0, 0);
    for seed in 0..rounds {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (memory, used) = &clean[rng.usize(..clean.len())];
        let memory = memory.copy(memory.size);
        for _ in 0..rng.usize(1..12) {
            let at = match rng.u8(..4) {
                0 => rng.u64(..64),
                1 => rng.u64(512..4096),
                _ => used[rng.usize(..used.len())],
            };
            let [old] = memory.get(at);
            let new = match rng.u8(..4) {
                0 => 0,
                1 => 0xff,
                2 => old ^ 1 << rng.u8(..8),
                _ => rng.u8(..),
            };
            memory.set(at, &[new]);
        }
        let mut order: Vec<u8> = (0..17).collect();
        rng.shuffle(&mut order);
        let all = core::panic::AssertUnwindSafe(|| memory.mount().ok().map(|files| do_everything(&files, &order)));
        let result = std::panic::catch_unwind(all).unwrap_or_else(|_| panic!("seed {seed}"));
        mounted += usize::from(result.is_some());
        done += result.unwrap_or(0);
    }
    assert!(mounted as u64 * 3 > rounds && done > mounted, "{mounted} of {rounds} mounted, {done} things done");
}

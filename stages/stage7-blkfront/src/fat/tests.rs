//! Host tests: full disks, broken ones, and disks that fail, all of them in memory.

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use console::lock::Lock;
use hadris_fat::sync::format::{FatFormatOptions, FatTypeSelection, FatVolumeFormatter};
use threads::time::Nanoseconds;

use super::Fat;
use super::storage::{Cursor, Storage};
use crate::error::{DiskError, Reason};
use crate::files::{FileError, FileReason, Files};
use crate::name::Name;

mod corrupt;

/// More accesses than any operation here needs.
const ENOUGH: u32 = 2_000_000;

/// A disk in memory. What was never written is zeros, and takes none.
pub struct Memory {
    size: u64,
    sectors: Mutex<BTreeMap<u64, [u8; 512]>>,
    /// Accesses since this was last set to 0.
    accesses: Mutex<u32>,
    /// Writes until one fails, and then all of them.
    writes_left: Mutex<Option<u32>>,
}

impl Memory {
    /// A file system of so many bits, in clusters of 512 bytes.
    pub fn formatted(bits: u8, kib: u64) -> Arc<Self> {
        let size = kib << 10;
        let memory =
            Arc::new(Self { size, sectors: Mutex::default(), accesses: Mutex::new(0), writes_left: Mutex::new(None) });
        let fat_type = match bits {
            12 => FatTypeSelection::Fat12,
            16 => FatTypeSelection::Fat16,
            _ => FatTypeSelection::Fat32,
        };
        let options = FatFormatOptions::new(size).fat_type(fat_type).sectors_per_cluster(1);
        let cursor = Cursor::new(memory.clone(), Arc::new(Lock::new(None)));
        FatVolumeFormatter::format(cursor, options).unwrap();
        memory
    }

    /// A copy, which may be shorter.
    pub fn copy(&self, size: u64) -> Arc<Self> {
        let sectors = Mutex::new(self.sectors.lock().unwrap().clone());
        Arc::new(Self { size, sectors, accesses: Mutex::new(0), writes_left: Mutex::new(None) })
    }

    pub fn mount(self: &Arc<Self>) -> Result<Fat, FileError> {
        self.begin();
        Fat::on(self.clone())
    }

    /// Counts accesses from here on.
    pub fn begin(&self) {
        *self.accesses.lock().unwrap() = 0;
    }

    /// The sectors that were written, and what is in them.
    pub fn sectors(&self) -> Vec<(u64, [u8; 512])> {
        self.sectors.lock().unwrap().iter().map(|(sector, bytes)| (*sector, *bytes)).collect()
    }

    /// Bytes, as they are on the disk.
    pub fn get<const N: usize>(&self, offset: u64) -> [u8; N] {
        let sectors = self.sectors.lock().unwrap();
        let byte = |at: u64| sectors.get(&(at / 512)).map_or(0, |sector| sector[at as usize % 512]);
        core::array::from_fn(|at| byte(offset + at as u64))
    }

    /// Changes bytes behind the file system's back.
    pub fn set(&self, offset: u64, bytes: &[u8]) {
        let mut sectors = self.sectors.lock().unwrap();
        for (at, byte) in (offset..).zip(bytes) {
            sectors.entry(at / 512).or_insert([0; 512])[at as usize % 512] = *byte;
        }
    }

    fn access(&self, offset: u64, length: usize) -> Result<(), DiskError> {
        let mut accesses = self.accesses.lock().unwrap();
        *accesses += 1;
        assert!(*accesses < ENOUGH, "it goes on and on");
        let end = offset.saturating_add(length as u64);
        if end <= self.size { Ok(()) } else { Err(self.error(Reason::BeyondEnd { end, size: self.size })) }
    }

    fn error(&self, reason: Reason) -> DiskError {
        DiskError { disk: self.name(), reason }
    }
}

impl Storage for Memory {
    fn name(&self) -> Name {
        Name::new("xvdm")
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.access(offset, bytes.len())?;
        let sectors = self.sectors.lock().unwrap();
        let mut done = 0;
        while done < bytes.len() {
            let at = offset as usize + done;
            let here = (512 - at % 512).min(bytes.len() - done);
            match sectors.get(&(at as u64 / 512)) {
                Some(sector) => bytes[done..done + here].copy_from_slice(&sector[at % 512..][..here]),
                None => bytes[done..done + here].fill(0),
            }
            done += here;
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.access(offset, bytes.len())?;
        if let Some(left) = &mut *self.writes_left.lock().unwrap() {
            *left = left.checked_sub(1).ok_or(self.error(Reason::Failed))?;
        }
        self.set(offset, bytes);
        Ok(())
    }

    fn flush(&self, _: Option<Nanoseconds>) -> Result<(), DiskError> {
        Ok(())
    }
}

fn reason<T>(result: Result<T, FileError>) -> Option<FileReason> {
    result.err().map(|error| error.reason)
}

/// Fills the disk, to its last cluster.
fn fill(memory: &Memory, files: &Fat) {
    for bits in (9..26).rev() {
        memory.begin();
        let _ = files.write(&std::format!("filler{bits}"), &vec![9; 1 << bits]);
    }
    memory.begin();
}

/// The sectors of the tables, which say which clusters are taken.
fn tables(memory: &Memory) -> Vec<(u64, [u8; 512])> {
    let first = u64::from(u16::from_le_bytes(memory.get(14)));
    let short = u64::from(u16::from_le_bytes(memory.get(22)));
    let each = if short > 0 { short } else { u32::from_le_bytes(memory.get(36)).into() };
    let mut sectors = memory.sectors();
    sectors.retain(|(sector, _)| (first..first + 2 * each).contains(sector));
    sectors
}

#[test]
fn what_a_full_disk_refuses_has_changed_nothing() {
    let memory = Memory::formatted(12, 512);
    let files = memory.mount().unwrap();
    files.make_directory("directory").unwrap();
    files.write("kept", &[1; 1000]).unwrap();
    files.write("empty", b"").unwrap();
    fill(&memory, &files);
    let before = tables(&memory);
    let refused = |what: &str, result: Result<(), FileError>| {
        assert_eq!(reason(result), Some(FileReason::NoSpace), "{what}");
    };
    refused("replaced by what is longer", files.write("kept", &[2; 5000]));
    refused("an empty one replaced", files.write("empty", &[2; 5000]));
    refused("made longer", files.append("kept", &[2; 5000]));
    refused("written over the end", files.write_at("kept", 500, &[2; 5000]));
    refused("written behind the end", files.write_at("kept", 5000, b"x"));
    refused("a gap", files.set_size("kept", 5000));
    refused("a new one", files.write("new", &[2; 5000]));
    refused("a new one, to be made longer", files.append("new", &[2; 5000]));
    refused("a directory", files.make_directory("another"));
    assert_eq!(files.read("kept").unwrap(), [1; 1000]);
    assert_eq!(files.entry("empty").unwrap().size, 0);
    assert_eq!(reason(files.read("new")), Some(FileReason::NotFound));
    // The same clusters are taken, too: what was given away was given back.
    assert!(before == tables(&memory), "the table has changed");
    // What takes no room is done.
    files.write("kept", &[3; 1024]).unwrap();
    files.write("kept", &[4; 10]).unwrap();
    files.write_at("kept", 9, b"end").unwrap();
    assert_eq!(files.read("kept").unwrap(), [&[4; 9][..], b"end"].concat());
    let filler = files.list("/").unwrap().into_iter().find(|entry| entry.size >= 8192).unwrap();
    files.remove(&filler.name).unwrap();
    files.write("kept", &[2; 5000]).unwrap();
    assert_eq!(files.read("kept").unwrap(), [2; 5000]);
}

#[test]
fn files_are_written_anywhere_and_made_longer_and_shorter() {
    let memory = Memory::formatted(16, 4 << 10);
    let files = memory.mount().unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut expected, mut other) = (Vec::new(), vec![0x55; 700]);
    files.write("file", b"").unwrap();
    files.write("other", &other).unwrap();
    for turn in 0..600_u32 {
        let bytes: Vec<u8> = (0..rng.usize(..3000)).map(|_| turn as u8).collect();
        match rng.u8(..6) {
            0 => {
                files.write("file", &bytes).unwrap();
                expected = bytes;
            }
            1 => {
                files.append("file", &bytes).unwrap();
                expected.extend(bytes);
            }
            2 => {
                let size = rng.usize(..20_000);
                files.set_size("file", size as u64).unwrap();
                expected.resize(size, 0);
            }
            3 => {
                // Between the clusters of the other one.
                files.append("other", &bytes[..bytes.len() / 10]).unwrap();
                other.extend(&bytes[..bytes.len() / 10]);
            }
            _ => {
                let offset = rng.usize(..expected.len() + 2000);
                files.write_at("file", offset as u64, &bytes).unwrap();
                if !bytes.is_empty() {
                    expected.resize(expected.len().max(offset + bytes.len()), 0);
                    expected[offset..offset + bytes.len()].copy_from_slice(&bytes);
                }
            }
        }
        assert_eq!(files.entry("file").unwrap().size, expected.len() as u64, "turn {turn}");
        let offset = rng.usize(..expected.len() + 100);
        let mut part = [0; 1000];
        let count = files.read_at("file", offset as u64, &mut part).unwrap();
        let there = expected.get(offset..).unwrap_or_default();
        assert!(part[..count] == there[..there.len().min(1000)], "turn {turn}");
    }
    // As the disk has it, and not only as it is remembered.
    drop(files);
    let files = memory.mount().unwrap();
    assert!(files.read("file").unwrap() == expected && files.read("other").unwrap() == other);
}

#[test]
fn clusters_that_a_file_does_not_need_are_not_in_its_way() {
    let memory = Memory::formatted(16, 4 << 10);
    let files = memory.mount().unwrap();
    files.write("file", &[1; 5000]).unwrap();
    files.write("other", &[2; 700]).unwrap();
    // As a guest leaves it that ends while it makes the file longer: the table says more than the directory.
    let at = corrupt::entry(&memory, b"FILE    ");
    for size in [700_u32, 512, 1] {
        memory.set(at + 28, &size.to_le_bytes());
        let files = memory.mount().unwrap();
        assert_eq!(files.read("file").unwrap(), vec![1; size as usize]);
        files.append("file", &[3; 3000]).unwrap();
        let expected = [vec![1; size as usize], vec![3; 3000]].concat();
        assert!(files.read("file").unwrap() == expected, "{size} bytes");
        assert_eq!(files.read("other").unwrap(), [2; 700]);
        files.write("file", &[1; 5000]).unwrap();
    }
}

#[test]
fn an_error_of_the_disks_is_told_as_what_it_is() {
    for writes in 0..60 {
        let memory = Memory::formatted(12, 512);
        let files = memory.mount().unwrap();
        files.write("kept", &[1; 1000]).unwrap();
        *memory.writes_left.lock().unwrap() = Some(writes);
        let result = files.write("new", &[2; 5000]);
        *memory.writes_left.lock().unwrap() = None;
        if let Err(error) = &result {
            assert_eq!(error.to_string(), "xvdm: the backend reports an I/O error");
        }
        assert_eq!(files.read("kept").unwrap(), [1; 1000]);
        assert!(result.is_ok() || writes < 59, "it takes more than {writes} writes");
    }
}

#[test]
fn names_are_kept_and_found() {
    let memory = Memory::formatted(16, 4 << 10);
    let files = memory.mount().unwrap();
    let long = "n".repeat(255);
    let named: [&str; 6] = ["UPPER.TXT", "lower.txt", "Mixed.Txt", "zwölf Äpfel 🌟.txt", ".hidden", &long];
    for name in named {
        files.write(name, name.as_bytes()).unwrap();
    }
    files.make_directory("many").unwrap();
    for number in 0..300 {
        files.write(&std::format!("many/alike in the beginning {number}"), b"").unwrap();
    }
    assert_eq!(files.list("many").unwrap().len(), 300);
    let listed: Vec<String> = files.list("/").unwrap().into_iter().map(|entry| entry.name).collect();
    for name in named {
        assert!(listed.iter().any(|listed| listed == name), "{name}");
        assert_eq!(files.read(name).unwrap(), name.as_bytes());
    }
    assert_eq!(files.read("upper.txt").unwrap(), b"UPPER.TXT", "case doesn't matter");
    let long = files.write(&"x".repeat(10_000), b"").unwrap_err();
    assert_eq!(long.to_string(), "xvdm: that can't be a name");
    for bad in ["a:b", "what?", "<x>", "tab\tbed", "\"", "|"] {
        assert_eq!(reason(files.write(bad, b"")), Some(FileReason::BadName), "{bad}");
    }
}

/// Everything that can be done, in the order of these numbers, whatever comes of it. Returns what there was no error in.
fn do_everything(files: &Fat, order: &[u8]) -> usize {
    let run = |number: u8| match number {
        0 => files.list("/").map(drop),
        1 => files.list("directory").map(drop),
        2 => files.read("file").map(drop),
        3 => files.read("directory/inner").map(drop),
        4 => files.read_at("file", 2000, &mut [0; 3000]).map(drop),
        5 => files.write_at("file", 1000, &[5; 3000]),
        6 => files.append("directory/inner", &[5; 3000]),
        7 => files.write("file", &[6; 100]),
        8 => files.write("directory/new", &[6; 1000]),
        9 => files.set_size("other", 5),
        10 => files.set_size("other", 9000),
        11 => files.make_directory("directory/another"),
        12 => files.rename("file", "directory/moved"),
        13 => files.rename("directory", "elsewhere"),
        14 => files.remove("elsewhere/inner"),
        15 => files.remove("directory"),
        _ => files.remove("other"),
    };
    order.iter().filter(|number| run(**number).is_ok()).count()
}

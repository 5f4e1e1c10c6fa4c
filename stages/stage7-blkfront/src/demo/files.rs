//! The demo about files: `app=files`. It does the same in memory, and on each disk that has a FAT file system.

use alloc::string::String;
use alloc::vec::Vec;

use console::boot_info::CommandLine;
use console::println;

use crate::disk::Disk;
use crate::disks;
use crate::fat::Fat;
use crate::files::{FileError, Files};
use crate::ram_files::RamFiles;

pub(super) fn files(_: CommandLine<'_>) {
    tell("memory", &try_everything(&RamFiles::default()));
    for name in disks::configured().unwrap_or_default() {
        match Disk::open(name.as_str()).map_err(FileError::Disk).and_then(|disk| Fat::mount(&disk)) {
            Ok(fat) => tell(name.as_str(), &try_everything(&fat)),
            Err(error) => println!("{name}: {error}"),
        }
    }
}

fn tell(name: &str, result: &Result<usize, FileError>) {
    match result {
        Ok(0) => println!("{name}: every file reads back as it was written"),
        Ok(wrong) => println!("{name}: {wrong} files read back wrong"),
        Err(error) => println!("{name}: {error}"),
    }
}

/// Returns how many files were not what they had to be.
fn try_everything(files: &dyn Files) -> Result<usize, FileError> {
    files.make_directory("logs")?;
    files.make_directory("logs/Old Logs")?;
    let named = [
        ("EMPTY.TXT", 0),
        ("one.bin", 1),
        ("logs/a file with a long name.txt", 5000),
        ("logs/Old Logs/big.bin", 200_000),
    ];
    for (path, size) in named {
        files.write(path, &content(path, size))?;
    }
    for number in 0..40 {
        files.write(&alloc::format!("logs/entry-{number:02}.log"), &content("entry", 100 * number))?;
    }
    for round in 0..10 {
        files.append("logs/appended", &content("append", 777)[..777 - round])?;
    }
    files.write("one.bin", &content("other", 3000))?;
    files.write("one.bin", b"short")?;
    files.rename("logs/entry-07.log", "moved.log")?;
    files.remove("logs/entry-08.log")?;
    files.flush()?;

    let refused = [
        ("a directory that exists", files.make_directory("logs"), FileError::Exists),
        ("a file in none", files.write("nowhere/x", b""), FileError::NotFound),
        ("a directory as a file", files.write("logs", b"x"), FileError::IsDirectory),
        ("a full directory", files.remove("logs"), FileError::NotEmpty),
        ("a path of 10000 bytes", files.write(&"x".repeat(10_000), b""), FileError::BadName),
        ("what is gone", files.read("logs/entry-08.log").map(drop), FileError::NotFound),
    ];
    for (what, got, expected) in refused {
        if got != Err(expected) {
            println!("{what}: {got:?}");
        }
    }
    let mut wrong = 0;
    let mut compare = |path: &str, expected: &[u8]| match files.read(path) {
        Ok(bytes) if bytes == expected => {}
        other => {
            println!("{path}: {:?} bytes for {}", other.map(|bytes| bytes.len()), expected.len());
            wrong += 1;
        }
    };
    for (path, size) in named.into_iter().filter(|(path, _)| *path != "one.bin") {
        compare(path, &content(path, size));
    }
    compare("one.bin", b"short");
    compare("moved.log", &content("entry", 700));
    let appended: Vec<u8> = (0..10).flat_map(|round| content("append", 777)[..777 - round].to_vec()).collect();
    compare("logs/appended", &appended);
    let mut middle = [0; 100];
    if files.read_at("logs/appended", 1000, &mut middle)? != 100 || middle != appended[1000..1100] {
        wrong += 1;
    }
    let names: Vec<String> = files.list("")?.into_iter().map(|entry| entry.name).collect();
    println!("{}; {} in logs", names.join(" "), files.list("logs")?.len());
    if let Some(entry) = files.list("")?.iter().find(|entry| entry.name == "moved.log") {
        println!("moved.log was written at {}", entry.modified);
    }
    Ok(wrong)
}

/// What a file of this name and size holds: byte n is n times 7 plus the bytes of the name.
pub(super) fn content(name: &str, size: usize) -> Vec<u8> {
    let start = name.bytes().fold(0_u8, u8::wrapping_add);
    (0..size).map(|at| start.wrapping_add((at * 7) as u8).wrapping_add((at >> 8) as u8)).collect()
}

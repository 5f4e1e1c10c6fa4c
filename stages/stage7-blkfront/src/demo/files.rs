//! The demo about files: `app=files`. It does the same in memory, and on each disk that has a FAT file system.
//!
//! Invariant: a line says that all is right only if every file is as it was written, and everything that had to be refused was.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use console::boot_info::CommandLine;
use console::println;

use crate::disk::Disk;
use crate::disks;
use crate::fat::Fat;
use crate::files::{Entry, FileError, FileReason, Files};
use crate::ram_files::RamFiles;

pub(super) fn files(_: CommandLine<'_>) {
    tell("memory", try_everything(&RamFiles::default()));
    let names = match disks::configured() {
        Ok(names) => names,
        Err(error) => return println!("disks: {error}"),
    };
    for name in names {
        let mounted = Disk::open(name.as_str()).map_err(FileError::from).and_then(|disk| Fat::mount(&disk));
        tell(name.as_str(), mounted.and_then(|files| try_everything(&files)));
    }
}

fn tell(name: &str, result: Result<Wrong, FileError>) {
    match result {
        Ok(Wrong(0)) => println!("{name}: every file reads back as it was written"),
        Ok(Wrong(wrong)) => println!("{name}: {wrong} things are wrong"),
        Err(error) => println!("{error}"),
    }
}

/// How many things are wrong.
struct Wrong(usize);

impl Wrong {
    fn check(&mut self, what: &str, is_right: bool) {
        if !is_right {
            println!("wrong: {what}");
            self.0 += 1;
        }
    }
}

fn try_everything(files: &dyn Files) -> Result<Wrong, FileError> {
    if let Ok(text) = files.read("sample.txt") {
        println!("sample.txt: {}", text.escape_ascii());
    }
    let mut wrong = Wrong(0);
    write(files)?;
    files.flush()?;
    refuse(files, &mut wrong);
    compare(files, &mut wrong)?;
    look_around(files, &mut wrong)?;
    Ok(wrong)
}

const WRITTEN: [(&str, usize); 3] =
    [("EMPTY.TXT", 0), ("logs/a file with a long name.txt", 5000), ("logs/Old Logs/big.bin", 200_000)];

fn write(files: &dyn Files) -> Result<(), FileError> {
    files.make_directory("logs")?;
    files.make_directory("logs/Old Logs")?;
    for (path, size) in WRITTEN {
        files.write(path, &content(path, size))?;
    }
    for number in 0..40 {
        files.write(&format!("logs/entry-{number:02}.log"), &content("entry", 100 * number))?;
    }
    for round in 0..10 {
        files.append("logs/appended", &content("append", 777)[..777 - round])?;
    }
    // Shorter, longer, shorter.
    for bytes in [&b"x"[..], &content("other", 3000), b"short"] {
        files.write("one.bin", bytes)?;
    }
    files.rename("logs/entry-07.log", "moved.log")?;
    files.rename("moved.log", "Moved.log")?;
    files.remove("logs/entry-08.log")?;
    // Anywhere in a file, over its end, and behind it.
    files.write("patched.bin", &content("patch", 10_000))?;
    files.write_at("patched.bin", 5000, b"in the middle")?;
    files.write_at("patched.bin", 9995, b"over the end")?;
    files.write_at("patched.bin", 12_000, b"behind a gap")?;
    files.write("cut.bin", &content("cut", 9000))?;
    files.set_size("cut.bin", 4097)?;
    files.set_size("cut.bin", 6000)?;
    files.make_directory("gone")?;
    files.remove("gone")
}

/// What `patched.bin` and `cut.bin` hold in the end.
fn patched() -> Vec<u8> {
    let mut bytes = content("patch", 10_000);
    bytes.resize(12_012, 0);
    for (offset, text) in [(5000, &b"in the middle"[..]), (9995, b"over the end"), (12_000, b"behind a gap")] {
        bytes[offset..offset + text.len()].copy_from_slice(text);
    }
    bytes
}

fn cut() -> Vec<u8> {
    let mut bytes = content("cut", 4097);
    bytes.resize(6000, 0);
    bytes
}

fn refuse(files: &dyn Files, wrong: &mut Wrong) {
    use FileReason::{BadName, Exists, IsDirectory, NotADirectory, NotEmpty, NotFound};
    let cases = [
        ("a directory that exists", files.make_directory("logs"), Exists),
        ("a directory where a file is", files.make_directory("one.bin"), Exists),
        ("a file in none", files.write("nowhere/x", b""), NotFound),
        ("a file in a file", files.write("one.bin/x", b""), NotADirectory),
        ("a directory as a file", files.write("logs", b"x"), IsDirectory),
        ("the root as a file", files.append("/", b"x"), IsDirectory),
        ("a directory read", files.read("logs").map(drop), IsDirectory),
        ("a file as a directory", files.list("one.bin").map(drop), NotADirectory),
        ("a full directory", files.remove("logs"), NotEmpty),
        ("a directory into itself", files.rename("logs", "logs/Old Logs/logs"), BadName),
        ("a rename to what is there", files.rename("one.bin", "logs/appended"), Exists),
        ("a rename of nothing", files.rename("nothing", "something"), NotFound),
        ("a path of 10000 bytes", files.write(&"x".repeat(10_000), b""), BadName),
        ("a path of 10000 names", files.write(&"x/".repeat(5_000), b""), BadName),
        ("a name of 256 bytes", files.write(&"x".repeat(256), b""), BadName),
        ("what is gone", files.read("logs/entry-08.log").map(drop), NotFound),
        ("bytes in no file", files.write_at("nothing", 0, b"x"), NotFound),
    ];
    for (what, got, expected) in cases {
        wrong.check(what, got.map_err(|error| error.reason) == Err(expected));
    }
}

fn compare(files: &dyn Files, wrong: &mut Wrong) -> Result<(), FileError> {
    for (path, size) in WRITTEN {
        wrong.check(path, files.read(path)? == content(path, size));
    }
    let appended: Vec<u8> = (0..10).flat_map(|round| content("append", 777)[..777 - round].to_vec()).collect();
    let others = [
        ("one.bin", b"short".to_vec()),
        ("Moved.log", content("entry", 700)),
        ("logs/appended", appended.clone()),
        ("patched.bin", patched()),
        ("cut.bin", cut()),
    ];
    for (path, bytes) in others {
        wrong.check(path, files.read(path)? == bytes);
    }
    let mut part = [0; 100];
    let in_the_middle = files.read_at("logs/appended", 1000, &mut part)? == 100 && part == appended[1000..1100];
    wrong.check("a read in the middle", in_the_middle);
    let size = appended.len() as u64;
    let at_the_end =
        files.read_at("logs/appended", size - 7, &mut part)? == 7 && part[..7] == appended[appended.len() - 7..];
    wrong.check("a read over the end", at_the_end);
    wrong.check("a read behind the end", files.read_at("logs/appended", size + 1, &mut part)? == 0);
    Ok(())
}

fn look_around(files: &dyn Files, wrong: &mut Wrong) -> Result<(), FileError> {
    let names: Vec<String> = files.list("")?.into_iter().map(|entry| entry.name).collect();
    println!("{}; {} in logs", names.join(" "), files.list("logs")?.len());
    let Entry { name, size, is_directory, modified } = files.entry("Moved.log")?;
    wrong.check("an entry", (name.as_str(), size, is_directory) == ("Moved.log", 700, false));
    wrong.check("the root's entry", files.entry("/")?.is_directory);
    println!("Moved.log was written at {modified}");
    Ok(())
}

/// What a file of this name and size holds: byte n is n times 7 plus the bytes of the name.
pub(super) fn content(name: &str, size: usize) -> Vec<u8> {
    let start = name.bytes().fold(0_u8, u8::wrapping_add);
    (0..size).map(|at| start.wrapping_add((at * 7) as u8).wrapping_add((at >> 8) as u8)).collect()
}

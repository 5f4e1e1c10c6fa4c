//! Files that nobody flushes: `app=notes`.
//!
//! It writes [`NOTES`] files to the FAT disk `xvda`, says so, and never asks for a flush. `then=` says what comes next: `wait` until the
//! toolstack ends the guest, `return` from the demo, or `leak` the file system, so that it isn't even dropped, and return. In all
//! three cases the files have to be there afterwards. With `read=` it only reads that file, whole.

use console::boot_info::CommandLine;
use console::options::{Key, Values};
use console::println;
use threads::thread;

use super::files::content;
use crate::disk::Disk;
use crate::fat::Fat;
use crate::files::{FileError, Files};

/// What the demo understands.
pub(super) const KEYS: &[Key] = &[
    Key { name: "then", values: Values::OneOf(&["wait", "return", "leak"]) },
    Key { name: "read", values: Values::Like("a path", |path| !path.is_empty()) },
];

/// Files that are written.
const NOTES: usize = 60;

pub(super) fn notes(line: CommandLine<'_>) {
    if let Some(path) = line.get("read") {
        return match read(path) {
            Ok(size) => println!("{path}: {size} bytes"),
            Err(error) => println!("{path}: {error}"),
        };
    }
    let files = match write() {
        Ok(files) => files,
        Err(error) => return println!("{error}"),
    };
    println!("{NOTES} notes are written, and none is flushed");
    match line.get("then") {
        Some("return") => {}
        Some("leak") => core::mem::forget(files),
        _ => loop {
            thread::sleep(core::time::Duration::from_secs(3600));
        },
    }
}

fn read(path: &str) -> Result<usize, FileError> {
    Fat::mount(&Disk::open("xvda")?)?.read(path).map(|bytes| bytes.len())
}

fn write() -> Result<Fat, FileError> {
    let files = Fat::mount(&Disk::open("xvda")?)?;
    files.make_directory("notes")?;
    for number in 0..NOTES {
        files.write(&alloc::format!("notes/{number}.txt"), &content("note", 100 * number))?;
    }
    Ok(files)
}

//! Counts its boots in a file on its disk: the smallest service that remembers something.
//!
//! The disk has a FAT file system. `disk=xvdb` on the command line takes another one than xvda.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;

use stardust::disk::Disk;
use stardust::files::{Fat, FileError, FileReason, Files};
use stardust::options::{Key, Values};
use stardust::println;

stardust::main!("counter", main, KEYS);

const KEYS: &[Key] = &[Key { name: "disk", values: Values::Like("a disk as xvda", |text| !text.is_empty()) }];

/// The file, and the one that takes its place.
const FILE: &str = "boots.txt";
const NEW: &str = "boots.new";

fn main() -> Result<(), FileError> {
    let disk = Disk::open(stardust::command_line().get("disk").unwrap_or("xvda"))?;
    let files = Fat::mount(&disk)?;
    // Where the guest ended between `remove` and `rename`, the new file is the one that is there.
    let boots = count(&files, FILE)?.max(count(&files, NEW)?).unwrap_or(0).saturating_add(1);
    files.write(NEW, format!("{boots}\n").as_bytes())?;
    files.flush()?;
    if count(&files, FILE)?.is_some() {
        files.remove(FILE)?;
    }
    files.rename(NEW, FILE)?;
    files.flush()?;
    println!("boots: {boots}");
    Ok(())
}

/// The number in a file, if there is one. What is no number counts as none.
fn count(files: &impl Files, path: &str) -> Result<Option<u64>, FileError> {
    match files.read(path) {
        Ok(bytes) => Ok(Some(core::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0))),
        Err(FileError { reason: FileReason::NotFound, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

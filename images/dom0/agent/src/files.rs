//! Files of dom0: images and disks that the harness puts there, and what it takes back.
//!
//! Invariant: bytes that are never written take no room (dom0's file system is its memory).

use agent::{CHUNK, Reply};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Writes `bytes` at `offset`.
pub fn write(path: &str, offset: u64, bytes: &[u8]) -> Result<Reply, String> {
    let write = || open(path)?.write_all_at(bytes, offset);
    write().map_err(|error| format!("write {path}: {error}"))?;
    Ok(Reply::Done)
}

/// Cuts or extends a file.
pub fn set_length(path: &str, bytes: u64) -> Result<Reply, String> {
    let resize = || open(path)?.set_len(bytes);
    resize().map_err(|error| format!("resize {path}: {error}"))?;
    Ok(Reply::Done)
}

/// A file's length.
pub fn length(path: &str) -> Result<Reply, String> {
    let file = fs::metadata(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(Reply::Number(file.len()))
}

/// At most `bytes` bytes from `offset`, fewer only at the end.
pub fn read(path: &str, offset: u64, bytes: u32) -> Result<Reply, String> {
    let read = || {
        let file = File::open(path)?;
        let mut buffer = vec![0; (bytes as usize).min(CHUNK)];
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read_at(&mut buffer[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        buffer.truncate(filled);
        Ok(Reply::Bytes(buffer))
    };
    read().map_err(|error: io::Error| format!("read {path}: {error}"))
}

/// Removes a file or a folder.
pub fn remove(path: &str) -> Result<Reply, String> {
    let remove = || if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    remove().map_err(|error| format!("remove {path}: {error}"))?;
    Ok(Reply::Done)
}

fn open(path: &str) -> io::Result<File> {
    let open = || File::options().write(true).create(true).truncate(false).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(Path::new(path).parent().unwrap_or(Path::new("/")))?;
            open()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_anywhere_and_read_to_their_end() {
        let dir = std::env::temp_dir().join(format!("agent-files-{}", std::process::id()));
        let path = dir.join("deep/disk").to_str().unwrap().to_owned();
        set_length(&path, 1 << 30).unwrap();
        write(&path, 1000, b"here").unwrap();
        assert_eq!(read(&path, 999, 6).unwrap(), Reply::Bytes(b"\0here\0".to_vec()));
        assert_eq!(length(&path).unwrap(), Reply::Number(1 << 30));
        set_length(&path, 1002).unwrap();
        assert_eq!(read(&path, 1000, 100).unwrap(), Reply::Bytes(b"he".to_vec()));
        assert_eq!(read(&path, 5000, 100).unwrap(), Reply::Bytes(Vec::new()));
        remove(dir.to_str().unwrap()).unwrap();
        assert!(length(&path).is_err());
    }
}

//! A file system in memory. It needs no disk, and is gone with the guest.
//!
//! Invariant: the tree is changed under its lock only, by one operation at a time.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use threads::sync::Mutex;

use crate::date::Date;
use crate::files::{Entry, FileError, FileReason, Files, memory, names, parent};
use crate::name::Name;

type Directory = BTreeMap<String, Node>;

enum Node {
    File(Vec<u8>, Date),
    Directory(Directory, Date),
}

/// A file system in memory.
pub struct RamFiles(Mutex<Directory>);

impl Default for RamFiles {
    fn default() -> Self {
        Self(Mutex::new(Directory::new()))
    }
}

/// The directory that these names lead to.
fn walk<'a>(mut directory: &'a mut Directory, names: &[&str]) -> Result<&'a mut Directory, FileReason> {
    for name in names {
        directory = match directory.get_mut(*name).ok_or(FileReason::NotFound)? {
            Node::Directory(inner, _) => inner,
            Node::File(..) => return Err(FileReason::NotADirectory),
        };
    }
    Ok(directory)
}

/// Makes room for a file of so many bytes.
fn reserve(file: &mut Vec<u8>, size: u64) -> Result<usize, FileReason> {
    let size = usize::try_from(size).map_err(|_| FileReason::NoSpace)?;
    file.try_reserve(size.saturating_sub(file.len())).map_err(|_| FileReason::NoSpace)?;
    Ok(size)
}

fn shown(name: &str, node: &Node) -> Entry {
    let (size, is_directory, modified) = match node {
        Node::File(bytes, modified) => (bytes.len() as u64, false, *modified),
        Node::Directory(_, modified) => (0, true, *modified),
    };
    Entry { name: name.to_string(), size, is_directory, modified }
}

impl RamFiles {
    /// Does something with the tree.
    fn with<T>(&self, run: impl FnOnce(&mut Directory) -> Result<T, FileReason>) -> Result<T, FileError> {
        run(&mut self.0.lock()).map_err(|reason| FileError { place: Name::new("memory"), reason })
    }

    /// Does something with a file that is there.
    fn with_file<T>(
        &self,
        path: &str,
        run: impl FnOnce(&mut Vec<u8>, &mut Date) -> Result<T, FileReason>,
    ) -> Result<T, FileError> {
        self.with(|root| {
            let (above, name) = parent(path)?;
            match walk(root, &above)?.get_mut(name).ok_or(FileReason::NotFound)? {
                Node::File(bytes, modified) => run(bytes, modified),
                Node::Directory(..) => Err(FileReason::IsDirectory),
            }
        })
    }

    /// Puts bytes at the end of a file, of which the first `keep` stay. It is made if there is none.
    fn put(&self, path: &str, keep: usize, bytes: &[u8]) -> Result<(), FileError> {
        self.with(|root| {
            let (above, name) = parent(path)?;
            let directory = walk(root, &above)?;
            match directory.get_mut(name) {
                Some(Node::Directory(..)) => Err(FileReason::IsDirectory),
                Some(Node::File(old, modified)) => {
                    let keep = keep.min(old.len());
                    reserve(old, keep as u64 + bytes.len() as u64)?;
                    old.truncate(keep);
                    old.extend_from_slice(bytes);
                    *modified = Date::now();
                    Ok(())
                }
                None => {
                    let mut new = Vec::new();
                    reserve(&mut new, bytes.len() as u64)?;
                    new.extend_from_slice(bytes);
                    directory.insert(name.to_string(), Node::File(new, Date::now()));
                    Ok(())
                }
            }
        })
    }
}

impl Files for RamFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.with_file(path, |bytes, _| {
            let mut copy = memory(bytes.len() as u64)?;
            copy.copy_from_slice(bytes);
            Ok(copy)
        })
    }

    fn read_at(&self, path: &str, offset: u64, bytes: &mut [u8]) -> Result<usize, FileError> {
        self.with_file(path, |all, _| {
            let rest = usize::try_from(offset).ok().and_then(|offset| all.get(offset..)).unwrap_or_default();
            let count = rest.len().min(bytes.len());
            bytes[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.put(path, 0, bytes)
    }

    fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        self.with_file(path, |all, modified| {
            let end = reserve(all, offset.saturating_add(bytes.len() as u64))?;
            if !bytes.is_empty() {
                all.resize(all.len().max(end), 0);
                all[end - bytes.len()..end].copy_from_slice(bytes);
                *modified = Date::now();
            }
            Ok(())
        })
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.put(path, usize::MAX, bytes)
    }

    fn set_size(&self, path: &str, size: u64) -> Result<(), FileError> {
        self.with_file(path, |all, modified| {
            let size = reserve(all, size)?;
            all.resize(size, 0);
            *modified = Date::now();
            Ok(())
        })
    }

    fn entry(&self, path: &str) -> Result<Entry, FileError> {
        self.with(|root| {
            if names(path)?.is_empty() {
                return Ok(shown("", &Node::Directory(Directory::new(), Date::EARLIEST)));
            }
            let (above, name) = parent(path)?;
            walk(root, &above)?.get(name).map(|node| shown(name, node)).ok_or(FileReason::NotFound)
        })
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, FileError> {
        self.with(|root| Ok(walk(root, &names(path)?)?.iter().map(|(name, node)| shown(name, node)).collect()))
    }

    fn make_directory(&self, path: &str) -> Result<(), FileError> {
        self.with(|root| {
            let (above, name) = parent(path)?;
            let directory = walk(root, &above)?;
            if directory.contains_key(name) {
                return Err(FileReason::Exists);
            }
            directory.insert(name.to_string(), Node::Directory(Directory::new(), Date::now()));
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        self.with(|root| {
            let (above, name) = parent(path)?;
            let directory = walk(root, &above)?;
            match directory.get(name) {
                None => Err(FileReason::NotFound),
                Some(Node::Directory(inner, _)) if !inner.is_empty() => Err(FileReason::NotEmpty),
                Some(_) => {
                    directory.remove(name);
                    Ok(())
                }
            }
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.with(|root| {
            let ((from_above, from_name), (to_above, to_name)) = (parent(from)?, parent(to)?);
            if !walk(root, &from_above)?.contains_key(from_name) {
                return Err(FileReason::NotFound);
            }
            if to_above.len() > from_above.len()
                && to_above.starts_with(&from_above)
                && to_above[from_above.len()] == from_name
            {
                return Err(FileReason::BadName); // a directory into itself
            }
            if walk(root, &to_above)?.contains_key(to_name) {
                return if (from_above, from_name) == (to_above, to_name) { Ok(()) } else { Err(FileReason::Exists) };
            }
            let node = walk(root, &from_above)?.remove(from_name).ok_or(FileReason::NotFound)?;
            walk(root, &to_above)?.insert(to_name.to_string(), node);
            Ok(())
        })
    }

    fn flush(&self) -> Result<(), FileError> {
        Ok(())
    }
}

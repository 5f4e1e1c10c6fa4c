//! A file system in memory. It needs no disk, and is gone with the guest.
//!
//! Invariant: the tree is changed under its lock only, by one operation at a time.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use threads::sync::Mutex;

use crate::date::Date;
use crate::files::{Entry, FileError, Files, names, parent};

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
fn walk<'a>(mut directory: &'a mut Directory, names: &[&str]) -> Result<&'a mut Directory, FileError> {
    for name in names {
        directory = match directory.get_mut(*name).ok_or(FileError::NotFound)? {
            Node::Directory(inner, _) => inner,
            Node::File(..) => return Err(FileError::NotADirectory),
        };
    }
    Ok(directory)
}

/// Puts bytes at the end of others.
fn extend(to: &mut Vec<u8>, bytes: &[u8]) -> Result<(), FileError> {
    to.try_reserve(bytes.len()).map_err(|_| FileError::NoSpace)?;
    to.extend_from_slice(bytes);
    Ok(())
}

impl RamFiles {
    fn with_file<T>(&self, path: &str, run: impl FnOnce(&[u8]) -> T) -> Result<T, FileError> {
        let (above, name) = parent(path)?;
        let mut root = self.0.lock();
        match walk(&mut root, &above)?.get(name) {
            Some(Node::File(bytes, _)) => Ok(run(bytes)),
            Some(Node::Directory(..)) => Err(FileError::IsDirectory),
            None => Err(FileError::NotFound),
        }
    }

    fn change(&self, path: &str, bytes: &[u8], keep: bool) -> Result<(), FileError> {
        let (above, name) = parent(path)?;
        let mut root = self.0.lock();
        let directory = walk(&mut root, &above)?;
        match directory.get_mut(name) {
            Some(Node::Directory(..)) => Err(FileError::IsDirectory),
            Some(Node::File(old, modified)) if keep => {
                extend(old, bytes)?;
                *modified = Date::now();
                Ok(())
            }
            _ => {
                let mut new = Vec::new();
                extend(&mut new, bytes)?;
                directory.insert(name.to_string(), Node::File(new, Date::now()));
                Ok(())
            }
        }
    }
}

impl Files for RamFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.with_file(path, |bytes| {
            let mut copy = Vec::new();
            extend(&mut copy, bytes).map(|()| copy)
        })?
    }

    fn read_at(&self, path: &str, offset: u64, bytes: &mut [u8]) -> Result<usize, FileError> {
        self.with_file(path, |all| {
            let rest = usize::try_from(offset).ok().and_then(|offset| all.get(offset..)).unwrap_or_default();
            let count = rest.len().min(bytes.len());
            bytes[..count].copy_from_slice(&rest[..count]);
            count
        })
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.change(path, bytes, false)
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.change(path, bytes, true)
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, FileError> {
        let names = names(path)?;
        let mut root = self.0.lock();
        let entry = |(name, node): (&String, &Node)| {
            let (size, is_directory, modified) = match node {
                Node::File(bytes, modified) => (bytes.len() as u64, false, *modified),
                Node::Directory(_, modified) => (0, true, *modified),
            };
            Entry { name: name.clone(), size, is_directory, modified }
        };
        Ok(walk(&mut root, &names)?.iter().map(entry).collect())
    }

    fn make_directory(&self, path: &str) -> Result<(), FileError> {
        let (above, name) = parent(path)?;
        let mut root = self.0.lock();
        let directory = walk(&mut root, &above)?;
        if directory.contains_key(name) {
            return Err(FileError::Exists);
        }
        directory.insert(name.to_string(), Node::Directory(Directory::new(), Date::now()));
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        let (above, name) = parent(path)?;
        let mut root = self.0.lock();
        let directory = walk(&mut root, &above)?;
        match directory.get(name) {
            None => Err(FileError::NotFound),
            Some(Node::Directory(inner, _)) if !inner.is_empty() => Err(FileError::NotEmpty),
            Some(_) => {
                directory.remove(name);
                Ok(())
            }
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let ((from_above, from_name), (to_above, to_name)) = (parent(from)?, parent(to)?);
        let mut root = self.0.lock();
        if to_above.len() > from_above.len()
            && to_above.starts_with(&from_above)
            && to_above[from_above.len()] == from_name
        {
            return Err(FileError::BadName); // a directory into itself
        }
        if walk(&mut root, &to_above)?.contains_key(to_name) {
            return Err(FileError::Exists);
        }
        let node = walk(&mut root, &from_above)?.remove(from_name).ok_or(FileError::NotFound)?;
        walk(&mut root, &to_above)?.insert(to_name.to_string(), node);
        Ok(())
    }

    fn flush(&self) -> Result<(), FileError> {
        Ok(())
    }
}

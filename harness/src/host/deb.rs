//! Reading Debian packages: `dpkg-deb` unpacks the archive, and the wanted files stay in memory.
//!
//! Invariant: a [`Tree`] holds what the packages ship, under the paths of a merged /usr, and nothing of the machine.

use crate::error::{Context, Error, Result};
use crate::process::Launch;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long one package may take to unpack; the largest, a kernel, takes seconds.
const LIMIT: Duration = Duration::from_secs(300);

/// Files of packages by path, without a leading slash.
#[derive(Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

enum Node {
    File(Vec<u8>),
    /// To a path of the tree.
    Link(String),
}

impl Tree {
    /// A tree of files made up for a test.
    #[cfg(test)]
    pub fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self { nodes: files.into_iter().map(|(path, data)| (path, Node::File(data))).collect() }
    }

    /// Adds the files of the package `deb` that `wanted` picks by path, and all its links.
    pub fn add(&mut self, deb: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let mut command = Command::new("dpkg-deb");
        command.arg("--fsys-tarfile").arg(deb);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Launch::new(command).within(LIMIT).start().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::missing("the test host is built from Debian's packages, and this machine has no dpkg")
                    .next("take over a test host made elsewhere with `cargo harness host import FILE`")
            }
            _ => Error::from_io(&error, "start dpkg-deb"),
        })?;
        let read = match running.stdout.take() {
            Some(stdout) => self.add_archive(stdout, wanted),
            None => Ok(()),
        };
        // More than a line or two would mean that it is no dpkg-deb.
        let mut words = String::new();
        let complaints = running.stderr.take().map(|stderr| stderr.take(4096).read_to_string(&mut words));
        complaints.transpose().doing("read what dpkg-deb complains of")?;
        let Some(status) = running.wait() else {
            let text = format!("dpkg-deb did not unpack {} within {} s", deb.display(), LIMIT.as_secs());
            return Err(Error::fault(text));
        };
        if !status.success() && !words.is_empty() {
            // They explain more than the broken archive does.
            return Err(Error::fault(format!("dpkg-deb cannot unpack {}: {}", deb.display(), words.trim())));
        }
        read.on("unpack", deb)
    }

    fn add_archive(&mut self, archive: impl std::io::Read, wanted: impl Fn(&str) -> bool) -> std::io::Result<()> {
        let mut archive = tar::Archive::new(archive);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = merged(&entry.path()?.to_string_lossy());
            let kind = entry.header().entry_type();
            if kind.is_symlink() || kind.is_hard_link() {
                let Some(target) = entry.link_name()? else { continue };
                let target = target.to_string_lossy();
                // A hard link names its target from the archive's root, as an absolute symbolic link does.
                let base = if kind.is_hard_link() { "" } else { path.rsplit_once('/').map_or("", |(dir, _)| dir) };
                let target = join(base, &target);
                self.nodes.insert(path, Node::Link(target));
            } else if kind.is_file() && wanted(&path) {
                let mut data = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0));
                entry.read_to_end(&mut data)?;
                self.nodes.insert(path, Node::File(data));
            }
        }
        Ok(())
    }

    /// The content of the file at `path`, through links.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        let mut path = path.to_owned();
        // More links than any package has, and few enough to end a circle.
        for _ in 0..8 {
            match self.nodes.get(&path)? {
                Node::File(data) => return Some(data),
                Node::Link(target) => path = target.clone(),
            }
        }
        None
    }

    /// The content of a file that must be there.
    pub fn require(&self, path: &str) -> Result<&[u8]> {
        self.get(path).ok_or_else(|| {
            Error::fault(format!("the packages hold no {path}"))
                .next("correct images/dom0/recipe.toml: the release may have moved the file")
        })
    }

    /// All paths, links included.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }
}

/// `path` without `.` and `..`, seen from `base` unless it is absolute.
fn join(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = if path.starts_with('/') { Vec::new() } else { base.split('/').collect() };
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    merged(&parts.join("/"))
}

/// The path on a merged /usr.
fn merged(path: &str) -> String {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    if ["bin", "sbin", "lib", "lib64"].contains(&first) { format!("usr/{path}") } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(3);
        header.set_entry_type(tar::EntryType::Regular);
        builder.append_data(&mut header.clone(), "./lib/x86_64-linux-gnu/libc.so.6", &b"abc"[..]).unwrap();
        builder.append_data(&mut header.clone(), "./usr/share/doc/x", &b"doc"[..]).unwrap();
        header.set_size(0);
        header.set_entry_type(tar::EntryType::Symlink);
        let mut link = header.clone();
        builder.append_link(&mut link, "./lib64/ld.so", "/lib/x86_64-linux-gnu/libc.so.6").unwrap();
        let mut link = header.clone();
        builder.append_link(&mut link, "./usr/lib/x86_64-linux-gnu/libc.so", "libc.so.6").unwrap();
        let mut link = header.clone();
        builder.append_link(&mut link, "./usr/lib/round", "round").unwrap();
        header.set_entry_type(tar::EntryType::Link);
        builder.append_link(&mut header, "./usr/lib/hard", "./lib/x86_64-linux-gnu/libc.so.6").unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn files_are_found_through_links_on_a_merged_usr() {
        let mut tree = Tree::default();
        tree.add_archive(&archive()[..], |path| !path.starts_with("usr/share")).unwrap();
        for path in ["usr/lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so", "usr/lib64/ld.so"] {
            assert_eq!(tree.get(path), Some(&b"abc"[..]), "{path}");
        }
        assert_eq!(tree.get("usr/lib/hard"), Some(&b"abc"[..]));
        assert_eq!(tree.get("usr/share/doc/x"), None);
        assert_eq!(tree.get("usr/lib/round"), None);
        assert!(tree.require("usr/none").unwrap_err().message.contains("usr/none"));
    }

    #[test]
    fn a_file_that_is_no_package_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "no package").unwrap();
        assert!(Tree::default().add(file.path(), |_| true).is_err());
    }
}

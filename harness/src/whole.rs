//! Files that are replaced whole or not at all.
//!
//! Invariant: whoever reads such a file gets what it was or what it is to be, also after a signal, a full disk or a power
//! cut.

use crate::error::{Context, Result};
use crate::interrupt::Unfinished;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes a file, whose folder is made if it isn't there.
///
/// # Errors
/// Where it can't be written; it is as it was then.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).on("make", folder)?;
    // For others to read as far as the user's mask lets them; a temporary file is its owner's alone otherwise.
    let mode = Permissions::from_mode(0o666);
    let readable = || tempfile::Builder::new().permissions(mode).tempfile_in(folder);
    let (_unfinished, mut beside) = Unfinished::make(readable).on("write in", folder)?;
    beside.write_all(content.as_ref()).on("write", path)?;
    beside.as_file().sync_all().on("write", path)?;
    beside.persist(path).map(drop).map_err(|error| error.error).on("replace", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file");
        for content in ["one", "two"] {
            write(&path, content).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
        assert!(write(&plain.join("x"), "").is_err());
        assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }
}

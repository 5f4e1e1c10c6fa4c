//! Carrying a test host to machines without a network: one gzipped tar of the image's folder.
//!
//! Invariant: nothing is taken over unless every file has the SHA-256 that the manifest gives it and the image is
//! the one that this version of the course asks for.

use super::content;
use super::manifest::{self, Manifest};
use crate::error::{Context, Error, Result};
use crate::interrupt::Unfinished;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Writes the image in `dir` to `file`.
pub fn write(dir: &Path, file: &Path) -> Result<()> {
    // Beside its place first: a full disk must not leave half a file under the name that is carried away.
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (_unfinished, making) = Unfinished::make(|| NamedTempFile::new_in(folder)).on("write in", folder)?;
    let packer = flate2::write::GzEncoder::new(making, flate2::Compression::new(6));
    let mut archive = tar::Builder::new(packer);
    for name in std::iter::once(manifest::NAME).chain(content::FILES) {
        let data = fs::read(dir.join(name)).on("read", &dir.join(name))?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        archive.append_data(&mut header, name, &data[..]).on("write", file)?;
    }
    let mut made = archive.into_inner().and_then(flate2::write::GzEncoder::finish).on("write", file)?;
    made.flush().on("write", file)?;
    // A temporary file is its owner's only; this one is for others to copy.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    made.as_file().set_permissions(mode).on("write", file)?;
    made.persist(file).map_err(|error| Error::from_io(&error.error, format_args!("write {}", file.display())))?;
    Ok(())
}

/// Unpacks `file` into the empty folder `dir` and verifies it. `expected` gives the source that this course asks for
/// of a release.
pub fn read(file: &Path, dir: &Path, expected: impl Fn(&str) -> Result<String>) -> Result<Manifest> {
    let mut opened = File::open(file).on("open", file)?;
    if !is_gzip(&mut opened).on("read", file)? {
        return Err(Error::missing(format!("{} is not an exported test host", file.display()))
            .next("make one with `cargo harness host export FILE`"));
    }
    unpack(opened, dir).map_err(|error| broken(file, &error))?;
    let damaged = |what: String| {
        Error::missing(format!("{} is damaged: {what}", file.display()))
            .next("copy it again, or make it again with `cargo harness host export FILE`")
    };
    let manifest = Manifest::read(dir).map_err(|error| damaged(error.message))?;
    if let Some(name) = manifest.altered(dir) {
        return Err(damaged(format!("{name} is not what its manifest says")));
    }
    if expected(&manifest.release)? != manifest.source {
        return Err(Error::missing(format!(
            "{} holds a test host of another version of the course (id {}, source {})",
            file.display(),
            manifest.id,
            manifest.source
        ))
        .next("export it again from a clone of the same version as this one"));
    }
    Ok(manifest)
}

/// Takes out the image's own files, under their own names, and ignores everything else.
fn unpack(file: impl Read, dir: &Path) -> std::io::Result<()> {
    fs::create_dir_all(dir.join("linux-guest"))?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if name == manifest::NAME || content::FILES.contains(&name.as_str()) {
            std::io::copy(&mut entry, &mut File::create(dir.join(name))?)?;
        }
    }
    // The end of the compressed data carries a checksum, which is read only when somebody asks for more.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink())?;
    Ok(())
}

/// Whether the file starts as gzip does.
fn is_gzip(file: &mut File) -> std::io::Result<bool> {
    let mut magic = Vec::new();
    file.take(2).read_to_end(&mut magic)?;
    std::io::Seek::rewind(file)?;
    Ok(magic == [0x1f, 0x8b])
}

fn broken(file: &Path, error: &std::io::Error) -> Error {
    let name = file.display();
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::PermissionDenied => {
            return Error::from_io(error, format_args!("unpack {name}"));
        }
        std::io::ErrorKind::UnexpectedEof => Error::missing(format!("{name} is truncated")),
        _ => Error::missing(format!("{name} is damaged: {error}")),
    }
    .next("copy it again, or make it again with `cargo harness host export FILE`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn exported() -> (TempDir, std::path::PathBuf, Manifest) {
        let dir = tempfile::tempdir().unwrap();
        let manifest = manifest::sample(&dir.path().join("image"), "source", "bookworm");
        let file = dir.path().join("host.tar.gz");
        write(&dir.path().join("image"), &file).unwrap();
        (dir, file, manifest)
    }

    fn import(file: &Path, source: &str) -> Result<Manifest> {
        read(file, tempfile::tempdir().unwrap().path(), |_| Ok(source.to_owned()))
    }

    #[test]
    fn what_is_exported_can_be_imported() {
        let (_dir, file, manifest) = exported();
        let into = tempfile::tempdir().unwrap();
        assert_eq!(read(&file, into.path(), |_| Ok("source".into())).unwrap(), manifest);
        assert_eq!(manifest.damaged(into.path()), None);
    }

    #[test]
    fn a_truncated_file_is_called_truncated_wherever_it_ends() {
        let (_dir, file, _) = exported();
        let whole = fs::read(&file).unwrap();
        for length in [12, whole.len() / 2, whole.len() - 1] {
            fs::write(&file, &whole[..length]).unwrap();
            let error = import(&file, "source").unwrap_err();
            assert!(error.message.ends_with("is truncated"), "{length}: {}", error.message);
        }
    }

    #[test]
    fn a_corrupt_file_is_called_damaged() {
        let (_dir, file, _) = exported();
        let whole = fs::read(&file).unwrap();
        for place in [whole.len() / 3, whole.len() / 2, whole.len() - 6] {
            let mut bad = whole.clone();
            bad[place] ^= 0x55;
            fs::write(&file, &bad).unwrap();
            let message = import(&file, "source").unwrap_err().message;
            assert!(message.contains("is damaged") || message.contains("is truncated"), "{place}: {message}");
        }
    }

    #[test]
    fn another_course_version_and_other_files_are_refused() {
        let (_dir, file, _) = exported();
        let message = import(&file, "other").unwrap_err().message;
        assert!(message.contains("another version of the course"), "{message}");
        fs::write(&file, "a text").unwrap();
        assert!(import(&file, "source").unwrap_err().message.contains("not an exported test host"));
        fs::write(&file, "").unwrap();
        assert!(import(&file, "source").is_err());
        assert!(import(Path::new("/nonexistent"), "source").unwrap_err().message.contains("/nonexistent"));
    }

    #[test]
    fn an_altered_file_in_a_whole_archive_is_found() {
        let (dir, file, _) = exported();
        let image = dir.path().join("image");
        fs::write(image.join("xen"), "altered").unwrap();
        write(&image, &file).unwrap();
        let message = import(&file, "source").unwrap_err().message;
        assert!(message.contains("xen is not what its manifest says"), "{message}");
    }
}

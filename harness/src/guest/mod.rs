//! A guest from its crate to something Xen boots: build, verify, write the image, and later turn addresses
//! back into functions and lines.
//!
//! Invariant: nothing reaches Xen that [`verify`] has not passed. The linked ELF, with its debug information,
//! stays beside the image, for gdb and for [`symbolize`].

pub mod build;
pub mod crash;
pub mod diagnostics;
pub mod elf;
pub mod image;
pub mod names;
pub mod symbolize;
pub mod symbols;
pub mod verify;

pub use build::{Built, Failure, LONGEST_BUILD, Request, build};

use crate::error::{Context, Result};
use crate::ui::Ui;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where every guest's address space begins: the image's first byte, and guest frame 0.
pub const VIRT_BASE: u64 = 0xffff_ffff_8000_0000;

/// A guest that is ready to boot.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The linked ELF with its debug information.
    pub elf: PathBuf,
    /// What Xen loads.
    pub image: PathBuf,
    /// How large the image is, and what of it is the symbol table.
    pub sizes: image::Sizes,
    /// Whether cargo had nothing to do.
    pub fresh: bool,
    /// What rustc warned of, as it puts it.
    pub warnings: Vec<diagnostics::Diagnostic>,
}

/// Builds a guest, verifies it, and writes its image beside the ELF.
pub fn make(request: &Request, ui: &Ui) -> std::result::Result<Guest, Failure> {
    let built = build(request, ui)?;
    let (image, sizes) = finish(&built, request)?;
    Ok(Guest { image, sizes, elf: built.elf, fresh: built.fresh, warnings: built.warnings })
}

fn finish(built: &Built, request: &Request) -> Result<(PathBuf, image::Sizes)> {
    let bytes = fs::read(&built.elf).on("read", &built.elf)?;
    let linked = elf::Linked::parse(&bytes, &built.elf)?;
    verify::verify(&linked, &request.repo)?;
    let (image, sizes) = image::write(&linked, &built.crates)?;
    let place = built.elf.with_extension("image");
    // Renamed into place: another harness may be reading the image of the same name.
    let making = built.elf.with_extension(format!("image.{}", std::process::id()));
    fs::write(&making, image).on("write", &making)?;
    fs::rename(&making, &place).on("put in place", &place)?;
    Ok((place, sizes))
}

/// A path without `..`: the reference of an exercise is compiled as `stages/x/src/../../../solutions/x/file.rs`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if matches!(tidy.components().next_back(), Some(Component::Normal(_))) => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_detours() {
        for (path, expected) in
            [("stages/s/src/../../../solutions/s/a.rs", "solutions/s/a.rs"), ("../a/./b", "../a/b"), ("/a/../b", "/b")]
        {
            assert_eq!(tidy(Path::new(path)), Path::new(expected));
        }
    }
}

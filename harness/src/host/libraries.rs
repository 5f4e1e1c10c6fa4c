//! The shared libraries that programs need: the closure of their dynamic sections (ELF's DT_NEEDED).
//!
//! Invariant: every library comes out of the packages' tree. One that only the machine has is an error.

use super::deb::Tree;
use crate::error::{Error, Result};
use object::LittleEndian;
use object::elf::{DT_NEEDED, FileHeader64, PT_INTERP};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use std::collections::BTreeMap;

/// Where Debian's amd64 libraries are.
pub const FOLDER: &str = "usr/lib/x86_64-linux-gnu";

/// The libraries and the loader that `programs` need, by the path each has in the image. `extra` are sonames that
/// no dynamic section mentions.
pub fn closure<'a>(
    tree: &'a Tree,
    programs: impl Iterator<Item = (&'a str, &'a [u8])>,
    extra: &[String],
) -> Result<BTreeMap<String, &'a [u8]>> {
    let mut found = BTreeMap::new();
    let mut wanted: Vec<(String, String)> = Vec::new();
    for (name, data) in programs {
        wanted.extend(needs(name, data)?.into_iter().map(|path| (path, name.to_owned())));
    }
    wanted.extend(extra.iter().map(|soname| (format!("{FOLDER}/{soname}"), "the recipe".to_owned())));
    while let Some((path, by)) = wanted.pop() {
        if found.contains_key(&path) {
            continue;
        }
        let data = tree.get(&path).ok_or_else(|| {
            Error::fault(format!("{by} needs {path}, which none of the packages holds")).next(
                "add the library's package to images/dom0/recipe.toml and refresh the lock: cargo harness host lock",
            )
        })?;
        wanted.extend(needs(&path, data)?.into_iter().map(|next| (next, path.clone())));
        found.insert(path, data);
    }
    Ok(found)
}

/// The paths of what one ELF file asks for: its libraries, and its interpreter if it is a program. A static one or a
/// script needs nothing.
fn needs(name: &str, data: &[u8]) -> Result<Vec<String>> {
    if !data.starts_with(b"\x7fELF") {
        return Ok(Vec::new());
    }
    read_needs(data).map_err(|error| Error::fault(format!("{name} is not a whole ELF file: {error}")))
}

fn read_needs(data: &[u8]) -> object::Result<Vec<String>> {
    let header = FileHeader64::<LittleEndian>::parse(data)?;
    let endian = header.endian()?;
    let mut needs = Vec::new();
    for segment in header.program_headers(endian, data)? {
        if segment.p_type(endian) == PT_INTERP
            && let Some(path) = segment.interpreter(endian, data)?
        {
            needs.push(format!("usr/{}", String::from_utf8_lossy(path).trim_start_matches('/')));
        }
    }
    let sections = header.sections(endian, data)?;
    if let Some((entries, link)) = sections.dynamic(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        for entry in entries.iter().filter(|entry| entry.tag(endian) == DT_NEEDED) {
            let soname = String::from_utf8_lossy(entry.string(endian, strings)?).into_owned();
            // The loader is a library too, but it lives where programs name it.
            let loader = soname.starts_with("ld-linux");
            needs.push(if loader { format!("usr/lib64/{soname}") } else { format!("{FOLDER}/{soname}") });
        }
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_needs_its_interpreter_and_libraries() {
        // This test is itself a dynamic program.
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needs = needs("test", &program).unwrap();
        assert!(needs.contains(&"usr/lib64/ld-linux-x86-64.so.2".to_owned()), "{needs:?}");
        assert!(needs.contains(&format!("{FOLDER}/libc.so.6")), "{needs:?}");
    }

    #[test]
    fn the_closure_holds_what_is_needed_and_what_the_recipe_adds() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let mut paths = needs("test", &program).unwrap();
        paths.push(format!("{FOLDER}/libextra.so.1"));
        let files = paths.iter().map(|path| (path.clone(), b"script".to_vec()));
        let tree = Tree::of(files.chain([(format!("{FOLDER}/unused.so"), Vec::new())]));
        let programs = [("test", &program[..])].into_iter();
        let found = closure(&tree, programs, &["libextra.so.1".to_owned()]).unwrap();
        paths.sort();
        paths.dedup();
        assert_eq!(found.into_keys().collect::<Vec<_>>(), paths);
    }

    #[test]
    fn libraries_never_come_from_the_machine() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let error = closure(&Tree::default(), [("test", &program[..])].into_iter(), &[]).unwrap_err();
        assert!(error.message.contains("test needs"), "{}", error.message);
    }

    #[test]
    fn a_script_needs_nothing_and_half_an_elf_file_is_an_error() {
        assert!(needs("script", b"#!/bin/sh\n").unwrap().is_empty());
        assert!(needs("half", b"\x7fELF\x02\x01\x01").is_err());
    }
}

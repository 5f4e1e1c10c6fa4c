//! A linked guest as an ELF file (System V ABI, `elf.h`): its segments, sections and functions.
//!
//! Invariant: a [`Linked`] is a whole 64-bit x86-64 executable. Whatever isn't has been refused with a
//! sentence that says what the file is instead.

use crate::error::{Error, Result};
use object::elf::{ELFCLASS64, ELFDATA2LSB, EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_X86_64, ET_EXEC};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, SymbolKind, SymbolSection, elf};
use std::path::{Path, PathBuf};

/// A parsed ELF file.
pub struct Linked<'a> {
    /// Where it came from, for messages.
    pub path: PathBuf,
    /// Where execution begins.
    pub entry: u64,
    /// The program headers in the file's order.
    pub segments: Vec<Segment<'a>>,
    /// What can run.
    pub code: Vec<Code<'a>>,
    /// Functions and assembler labels in it, by address; no two overlap.
    pub functions: Vec<Function<'a>>,
    /// Labels inside of functions.
    pub labels: Vec<Function<'a>>,
    file: ElfFile64<'a, LittleEndian>,
}

/// One program header and what it covers.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// `p_type`.
    pub kind: u32,
    /// `p_flags`: read 4, write 2, execute 1.
    pub flags: u32,
    /// `p_vaddr`.
    pub address: u64,
    /// `p_paddr`, which is what Xen's loader goes by.
    pub physical: u64,
    /// `p_memsz`.
    pub size: u64,
    /// The bytes that are in the file (`p_filesz`); the rest is zero.
    pub bytes: &'a [u8],
}

impl Segment<'_> {
    /// Whether it takes up memory.
    pub fn is_load(&self) -> bool {
        self.kind == elf::PT_LOAD && self.size > 0
    }

    /// Whether code in it can run.
    pub fn executable(&self) -> bool {
        self.flags & elf::PF_X != 0
    }

    /// Whether it can be written.
    pub fn writable(&self) -> bool {
        self.flags & elf::PF_W != 0
    }

    /// The first address past it.
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }

    /// Whether `address` lies in it.
    pub fn holds(&self, address: u64) -> bool {
        (self.address..self.end()).contains(&address)
    }
}

/// The bytes of an executable segment.
pub struct Code<'a> {
    /// Where it is linked to.
    pub address: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A function or a label, with its name as the linker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// The first byte.
    pub start: u64,
    /// The first byte past it; of a label, where the next symbol begins.
    pub end: u64,
    /// The mangled name.
    pub name: &'a str,
}

impl<'a> Linked<'a> {
    /// Reads an ELF file of ours. `path` is for messages only.
    pub fn parse(bytes: &'a [u8], path: &Path) -> Result<Self> {
        let refuse = |what: String| {
            Error::fault(format!("{} {what}", path.display())).next("delete the file and build it again")
        };
        identify(bytes).map_err(refuse)?;
        let broken = |error: object::Error| refuse(format!("is a damaged ELF file: {error}"));
        let file = ElfFile64::<LittleEndian>::parse(bytes).map_err(broken)?;
        let segments = segments(&file, bytes).map_err(refuse)?;
        // Segments, not sections: those are what runs.
        let code: Vec<_> = segments
            .iter()
            .filter(|segment| segment.is_load() && segment.executable())
            .map(|segment| Code { address: segment.address, bytes: segment.bytes })
            .collect();
        let (functions, labels) = functions(&file, &code);
        Ok(Self { path: path.to_owned(), entry: file.entry(), segments, code, functions, labels, file })
    }

    /// The segments that take up memory.
    pub fn loads(&self) -> impl Iterator<Item = &Segment<'a>> {
        self.segments.iter().filter(|segment| segment.is_load())
    }

    /// The address and size of a symbol.
    pub fn symbol(&self, name: &str) -> Option<(u64, u64)> {
        self.file.symbol_by_name(name).map(|symbol| (symbol.address(), symbol.size()))
    }

    /// The address of a section and its size.
    pub fn section(&self, name: &str) -> Option<(u64, u64)> {
        self.file.section_by_name(name).map(|section| (section.address(), section.size()))
    }

    /// The function or label that `address` belongs to.
    pub fn function(&self, address: u64) -> Option<&Function<'a>> {
        find(&self.functions, address)
    }

    /// The label nearest before `address` within its function.
    pub fn label(&self, address: u64) -> Option<&Function<'a>> {
        find(&self.labels, address)
    }
}

fn find<'s, 'a>(sorted: &'s [Function<'a>], address: u64) -> Option<&'s Function<'a>> {
    let after = sorted.partition_point(|function| function.start <= address);
    sorted[..after].last().filter(|function| address < function.end)
}

/// Says what `bytes` is, if not the start of a 64-bit x86-64 executable that is all there.
fn identify(bytes: &[u8]) -> std::result::Result<(), String> {
    let half = |at: usize| bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    if bytes.is_empty() {
        return Err("is empty (0 bytes)".into());
    }
    if bytes.starts_with(b"\x1f\x8b") {
        return Err("is gzip-compressed, not an ELF file".into());
    }
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err("is not an ELF file: it doesn't begin with 7f 'E' 'L' 'F'".into());
    }
    let Some(class) = bytes.get(4).filter(|_| bytes.len() >= 20) else {
        return Err(format!("is a truncated ELF file: {} bytes, less than its header", bytes.len()));
    };
    if *class != ELFCLASS64 {
        return Err("is a 32-bit ELF file; a guest is 64-bit x86-64".into());
    }
    let machine = match half(18) {
        EM_X86_64 if bytes[5] == ELFDATA2LSB => None,
        EM_386 => Some("32-bit x86".to_owned()),
        EM_ARM => Some("32-bit ARM".to_owned()),
        EM_AARCH64 => Some("64-bit ARM".to_owned()),
        EM_RISCV => Some("RISC-V".to_owned()),
        other => Some(format!("machine {other}")),
    };
    if let Some(machine) = machine {
        return Err(format!("is an ELF file for {machine}; a guest is 64-bit x86-64"));
    }
    if bytes.len() < 64 {
        return Err(format!("is a truncated ELF file: {} bytes, less than its header", bytes.len()));
    }
    if half(16) != ET_EXEC {
        let kind = match half(16) {
            elf::ET_REL => "an object file that is not linked yet",
            elf::ET_DYN => "position-independent or a shared library",
            elf::ET_CORE => "a core dump",
            _ => "of an unknown type",
        };
        return Err(format!("is {kind}; a guest is linked statically at a fixed address"));
    }
    Ok(())
}

fn segments<'a>(file: &ElfFile64<'a, LittleEndian>, bytes: &'a [u8]) -> std::result::Result<Vec<Segment<'a>>, String> {
    let endian = LittleEndian;
    let header = file.elf_header();
    let sections_end = header.e_shoff.get(endian) + u64::from(header.e_shnum.get(endian)) * 64;
    if sections_end > bytes.len() as u64 {
        let length = bytes.len();
        return Err(format!("is a truncated ELF file: {length} of at least {sections_end} bytes"));
    }
    let headers = header.program_headers(endian, bytes).map_err(|_| "is a truncated ELF file".to_owned())?;
    let make = |(index, header): (usize, &elf::ProgramHeader64<LittleEndian>)| {
        let data = header.data(endian, bytes).map_err(|()| {
            let (from, size) = header.file_range(endian);
            let end = from.saturating_add(size);
            format!("is a truncated ELF file: segment {index} ends at byte {end}, the file at {}", bytes.len())
        })?;
        let size = header.p_memsz.get(endian);
        if header.p_type.get(endian) == elf::PT_LOAD && (data.len() as u64) > size {
            return Err(format!("is a damaged ELF file: segment {index} has more bytes in the file than in memory"));
        }
        Ok(Segment {
            kind: header.p_type.get(endian),
            flags: header.p_flags.get(endian),
            address: header.p_vaddr.get(endian),
            physical: header.p_paddr.get(endian),
            size,
            bytes: data,
        })
    };
    headers.iter().enumerate().map(make).collect()
}

/// Marks that the linker script sets; they name no code.
const MARKS: [&str; 4] = ["_text_start", "_text_end", "_stext", "_etext"];

fn functions<'a>(file: &ElfFile64<'a, LittleEndian>, code: &[Code<'a>]) -> (Vec<Function<'a>>, Vec<Function<'a>>) {
    let code_end = |address: u64| {
        let ends = code.iter().map(|code| (code.address, code.address + code.bytes.len() as u64));
        ends.into_iter().find(|(start, end)| (*start..*end).contains(&address)).map(|(_, end)| end)
    };
    let mut sized = Vec::new();
    let mut bare = Vec::new();
    for symbol in file.symbols().filter(|symbol| !symbol.is_undefined()) {
        let start = symbol.address();
        let (Ok(name), Some(end)) = (symbol.name(), code_end(start)) else { continue };
        // Assembler labels have no type.
        let named = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown);
        let constant = symbol.section() == SymbolSection::Absolute;
        if !named || constant || name.is_empty() || MARKS.contains(&name) {
            continue;
        }
        match symbol.size() {
            0 => bare.push(Function { start, end, name }),
            size => sized.push(Function { start, end: end.min(start.saturating_add(size)), name }),
        }
    }
    // Of several names for one place (identical functions are folded) the first in the alphabet stays.
    let order = |a: &Function<'a>, b: &Function<'a>| (a.start, b.end, a.name).cmp(&(b.start, a.end, b.name));
    sized.sort_by(order);
    sized.dedup_by(|later, kept| later.start < kept.end);
    bare.sort_by(order);
    bare.dedup_by_key(|label| label.start);
    let (mut labels, free): (Vec<_>, Vec<_>) = bare.into_iter().partition(|label| find(&sized, label.start).is_some());
    for label in &mut labels {
        label.end = find(&sized, label.start).map_or(label.end, |function| function.end);
    }
    clip(&mut labels);
    let mut functions = sized;
    functions.extend(free);
    functions.sort_by(order);
    clip(&mut functions);
    (functions, labels)
}

/// Ends each entry where the next begins.
fn clip(sorted: &mut [Function<'_>]) {
    for at in 1..sorted.len() {
        sorted[at - 1].end = sorted[at - 1].end.min(sorted[at].start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        Linked::parse(bytes, Path::new("x.elf")).map(|_| ()).unwrap_err().to_string()
    }

    /// An ELF header and nothing else.
    fn header(class: u8, kind: u16, machine: u16) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1, 1]);
        bytes[16..18].copy_from_slice(&kind.to_le_bytes());
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[20] = 1;
        bytes[52] = 64;
        bytes[54] = 56;
        bytes
    }

    #[test]
    fn what_is_not_a_guest_is_named() {
        assert!(refusal(b"").contains("x.elf is empty (0 bytes)"));
        assert!(refusal(b"#!/bin/sh\n").contains("not an ELF file"));
        assert!(refusal(b"\x1f\x8b\x08\0").contains("gzip"));
        assert!(refusal(b"\x7fELF").contains("truncated"));
        assert!(refusal(&header(2, 2, 62)[..40]).contains("truncated"));
        assert!(refusal(&header(1, 2, 3)).contains("32-bit ELF"));
        assert!(refusal(&header(1, 2, 40)).contains("32-bit ELF"));
        assert!(refusal(&header(2, 2, 183)).contains("64-bit ARM"));
        assert!(refusal(&header(2, 1, 62)).contains("not linked yet"));
        assert!(refusal(&header(2, 3, 62)).contains("position-independent"));
    }

    #[test]
    fn a_file_that_ends_early_says_where() {
        let mut bytes = header(2, 2, 62);
        bytes[40..48].copy_from_slice(&1000_u64.to_le_bytes());
        bytes[58..60].copy_from_slice(&64_u16.to_le_bytes());
        bytes[60..62].copy_from_slice(&3_u16.to_le_bytes());
        assert!(refusal(&bytes).contains("truncated") || refusal(&bytes).contains("damaged"), "{}", refusal(&bytes));
        let mut bytes = header(2, 2, 62);
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[56..58].copy_from_slice(&1_u16.to_le_bytes());
        let mut program = [0; 56];
        program[0] = 1;
        program[32..40].copy_from_slice(&500_u64.to_le_bytes());
        program[40..48].copy_from_slice(&500_u64.to_le_bytes());
        bytes.extend(program);
        assert!(refusal(&bytes).contains("segment 0 ends at byte 500"), "{}", refusal(&bytes));
    }
}

//! Writes what Xen loads: an ELF header, program headers, the segments, and nothing else.
//!
//! Follows `common/libelf` and `tools/libs/guest/xg_dom_elfloader.c`: segments are placed by `p_paddr`, notes
//! are looked for in `PT_NOTE`, and a segment's memory past its bytes is zeroed, so trailing zeros stay out of
//! the file. The symbol table follows the last segment on a page of its own, read-only, and its address and
//! length go into the kernel's `symbol_table_descriptor`. Invariant: the same ELF gives the same image.

use super::VIRT_BASE;
use super::elf::{Linked, Segment};
use super::symbols;
use crate::error::{Error, Result};
use object::elf::{EM_X86_64, ET_EXEC, PF_R, PT_LOAD, PT_NOTE};

const PAGE: u64 = 4096;
const FILE_HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
/// The kernel's two words, address and length, that say where the table is.
const DESCRIPTOR: &str = "symbol_table_descriptor";

/// What an image weighs, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The image without its symbol table.
    pub stripped: usize,
    /// The symbol table, with its program header.
    pub symbols: usize,
    /// How many functions it names.
    pub named: usize,
    /// How many there are.
    pub functions: usize,
    /// The memory the image takes in a guest.
    pub memory: u64,
}

impl Sizes {
    /// The whole file.
    pub fn total(&self) -> usize {
        self.stripped + self.symbols
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kib = |bytes: usize| format!("{}.{} KiB", bytes / 1024, bytes % 1024 * 10 / 1024);
        write!(f, "{} stripped", kib(self.stripped))?;
        if self.named > 0 {
            write!(f, " + {} names of {} of {} functions", kib(self.symbols), self.named, self.functions)?;
        }
        write!(f, "; {} in memory", kib(self.memory as usize))
    }
}

/// The bootable image of a linked guest. `own` are the crates whose functions are named first.
pub fn write(linked: &Linked<'_>, own: &[String]) -> Result<(Vec<u8>, Sizes)> {
    let mut pieces: Vec<_> = linked.loads().map(Piece::new).collect();
    let notes: Vec<_> = linked.segments.iter().filter(|segment| segment.kind == PT_NOTE).copied().collect();
    let end = linked.loads().map(Segment::end).max().unwrap_or(VIRT_BASE);
    let stripped = assemble(linked.entry, &pieces, &notes)?.len();
    let mut sizes = Sizes { stripped, memory: end - VIRT_BASE, functions: linked.functions.len(), ..Sizes::default() };
    if let Some((descriptor, _)) = linked.symbol(DESCRIPTOR) {
        // The tenth that the names may take includes the program header that carries them.
        let chosen = symbols::select(linked, own, (stripped / 10).saturating_sub(PROGRAM_HEADER + ALIGN));
        let table = symbols::encode(&chosen);
        let address = end.next_multiple_of(PAGE);
        patch(&mut pieces, descriptor, address, table.len() as u64)?;
        sizes.memory = address + table.len() as u64 - VIRT_BASE;
        sizes.named = chosen.len();
        pieces.push(Piece {
            flags: PF_R,
            address,
            physical: address - VIRT_BASE,
            size: table.len() as u64,
            bytes: table,
        });
    }
    let image = assemble(linked.entry, &pieces, &notes)?;
    sizes.symbols = image.len() - stripped;
    Ok((image, sizes))
}

/// A segment of the image, with its bytes.
struct Piece {
    flags: u32,
    address: u64,
    physical: u64,
    size: u64,
    bytes: Vec<u8>,
}

impl Piece {
    fn new(segment: &Segment<'_>) -> Self {
        Self {
            flags: segment.flags,
            address: segment.address,
            physical: segment.physical,
            size: segment.size,
            bytes: segment.bytes.to_vec(),
        }
    }

    /// Its bytes without the zeros at the end, which the loader supplies.
    fn content(&self) -> &[u8] {
        let used = self.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        &self.bytes[..used]
    }
}

fn patch(pieces: &mut [Piece], descriptor: u64, address: u64, length: u64) -> Result<()> {
    let slot = pieces.iter_mut().find_map(|piece| {
        let at = usize::try_from(descriptor.checked_sub(piece.address)?).ok()?;
        piece.bytes.get_mut(at..at.checked_add(16)?)
    });
    let Some(slot) = slot else {
        return Err(Error::fault(format!("{DESCRIPTOR} is not 16 bytes within a segment of the file"))
            .next("define it in .rodata, not in .bss"));
    };
    slot[..8].copy_from_slice(&address.to_le_bytes());
    slot[8..].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Segments start at file offsets that agree with their addresses modulo this.
const ALIGN: usize = 16;

fn assemble(entry: u64, pieces: &[Piece], notes: &[Segment<'_>]) -> Result<Vec<u8>> {
    let count = pieces.len() + notes.len();
    let mut file = file_header(entry, count);
    file.resize(FILE_HEADER + count * PROGRAM_HEADER, 0);
    let mut headers = Vec::new();
    for piece in pieces {
        let skew = piece.address as usize % ALIGN;
        file.resize((file.len() - skew).next_multiple_of(ALIGN) + skew, 0);
        let content = piece.content();
        let place = [file.len() as u64, piece.address, piece.physical, content.len() as u64, piece.size];
        headers.extend(program_header(PT_LOAD, piece.flags, place, ALIGN as u64));
        file.extend(content);
    }
    for note in notes {
        let place = [0, note.address, note.physical, note.bytes.len() as u64, note.size];
        let offset = note_offset(note, pieces, &headers).unwrap_or_else(|| {
            file.resize(file.len().next_multiple_of(4), 0);
            file.extend(note.bytes);
            (file.len() - note.bytes.len()) as u64
        });
        headers.extend(program_header(PT_NOTE, note.flags, [offset, place[1], place[2], place[3], place[4]], 4));
    }
    let Some(room) = file.get_mut(FILE_HEADER..FILE_HEADER + headers.len()) else {
        return Err(Error::fault("the image's program headers do not fit"));
    };
    room.copy_from_slice(&headers);
    Ok(file)
}

/// Where in the file a note is that lies inside of a segment.
fn note_offset(note: &Segment<'_>, pieces: &[Piece], headers: &[u8]) -> Option<u64> {
    let (index, inside) = pieces.iter().enumerate().find_map(|(index, piece)| {
        let at = note.address.checked_sub(piece.address)?;
        (at + note.bytes.len() as u64 <= piece.content().len() as u64).then_some((index, at))
    })?;
    let offset = headers.get(index * PROGRAM_HEADER + 8..index * PROGRAM_HEADER + 16)?;
    Some(u64::from_le_bytes(offset.try_into().ok()?) + inside)
}

fn file_header(entry: u64, program_headers: usize) -> Vec<u8> {
    let mut header = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header.extend(ET_EXEC.to_le_bytes());
    header.extend(EM_X86_64.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header.extend(entry.to_le_bytes());
    header.extend((FILE_HEADER as u64).to_le_bytes());
    // No sections, no flags.
    header.extend([0; 8 + 4]);
    for half in [FILE_HEADER, PROGRAM_HEADER, program_headers, 0, 0, 0] {
        header.extend((half as u16).to_le_bytes());
    }
    header
}

/// `place`: offset, virtual address, physical address, size in the file, size in memory.
fn program_header(kind: u32, flags: u32, place: [u64; 5], align: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(PROGRAM_HEADER);
    header.extend(kind.to_le_bytes());
    header.extend(flags.to_le_bytes());
    place.iter().chain([&align]).for_each(|word| header.extend(word.to_le_bytes()));
    header
}

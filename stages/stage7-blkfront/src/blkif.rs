//! What front- and backend of a disk say to one another.
//!
//! Follows Xen's `public/io/blkif.h`, in its layout for x86-64. A request is 112 bytes, written here as 14 words of 64 bits,
//! least significant byte first. Reading and writing, with at most [`DIRECT`] segments:
//!
//! | word | bits 0 to 7 | 8 to 15 | 16 to 31 |
//! |---|---|---|---|
//! | 0 | operation: 0 read, 1 write, 3 flush | number of segments | handle |
//! | 1 | id, all 64 bits | | |
//! | 2 | first sector, all 64 bits | | |
//! | 3 to 13 | segments: see below | | |
//!
//! A segment is a part of one page: bits 0 to 31 its grant reference, 32 to 39 the first of its sectors in the page, 40 to 47
//! the last one, itself included. A page has [`SECTORS_A_PAGE`] sectors, numbered from 0. With more segments than [`DIRECT`]
//! the request is *indirect*: the segments stand in a page of their own, from its beginning, in the same form.
//!
//! | word | bits 0 to 7 | 8 to 15 | 16 to 31 | 32 to 63 |
//! |---|---|---|---|---|
//! | 0 | operation: 6 | read or write | number of segments | |
//! | 1 | id | | | |
//! | 2 | first sector | | | |
//! | 3 | | handle, bits 0 to 15 in all | | grant reference of the page of segments |
//!
//! Discarding has no segments: word 0 has operation 5, flags 0 and the handle; then come id, first sector, and the number of
//! sectors in word 3. Flushing has no segments and its first sector is 0. All that isn't named is 0.
//!
//! Sectors are always [`SECTOR`] bytes, whatever the size of the disk's own blocks is; but each request has to be made of whole
//! blocks.
//!
//! Invariant: what comes from the backend is a [`Response`], copied by one load for each of its words.

/// Bytes in a sector of the protocol.
pub const SECTOR: usize = 512;
/// Sectors in a page.
pub const SECTORS_A_PAGE: usize = 8;
/// Segments that a request itself has room for (`BLKIF_MAX_SEGMENTS_PER_REQUEST`).
pub const DIRECT: usize = 11;
/// Segments that a page has room for.
pub const INDIRECT: usize = 512;
/// Words of a request.
pub const WORDS: usize = 14;

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Operation {
    /// Sectors, into pages (`BLKIF_OP_READ`).
    Read = 0,
    /// Pages, to sectors (`BLKIF_OP_WRITE`).
    Write = 1,
    /// What is written already stays, whatever happens (`BLKIF_OP_FLUSH_DISKCACHE`).
    Flush = 3,
    /// Nobody needs these sectors any more (`BLKIF_OP_DISCARD`).
    Discard = 5,
}

/// The operation of an indirect request (`BLKIF_OP_INDIRECT`).
pub const INDIRECT_OPERATION: u8 = 6;

/// What the backend says about a request, as it came: nothing of it has been checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Response {
    /// The request's id, if the backend is honest.
    pub id: u64,
    /// How it went: 0, or an error.
    pub status: i16,
}

impl Response {
    /// Takes the two words of a response apart. What the second says about the operation is of no use: for an indirect request
    /// it is that of the segments.
    pub fn new(words: [u64; 2]) -> Self {
        Self { id: words[0], status: (words[1] >> 16) as i16 }
    }
}

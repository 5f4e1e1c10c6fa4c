//! What Xen tells a guest at its start: the `start_info` page, with the command line.
//!
//! Follows `struct start_info` in Xen's `public/xen.h`. Exercise 1b does the reading; this file
//! has the types that it fills, and the functions that everybody else calls.
//!
//! Invariant: a [`StartInfo`] came from a page with the right magic and size. Its numbers are Xen's; its
//! command line is whatever somebody wrote.

use core::fmt;

use crate::start_info as exercise;
use crate::types::{MachineAddress, Mfn, Port};

/// How the page begins, followed by a NUL.
pub const MAGIC: &str = "xen-3.0-x86_64";

/// Bytes in `struct start_info`.
pub const START_INFO_SIZE: usize = crate::bedrock::START_INFO_SIZE;

bitflags::bitflags! {
    /// What kind of domain this is (`SIF_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Flags: u32 {
        /// The domain may control hardware.
        const PRIVILEGED = 1;
        /// The domain was the first one.
        const INITIAL_DOMAIN = 2;
        /// The module is a multiboot module.
        const MULTIBOOT_MODULE = 4;
        /// `mod_start` is a frame number rather than an address.
        const MODULE_START_IS_PFN = 8;
        /// The tools understand a P2M list that is mapped linearly.
        const VIRTUAL_P2M = 16;
    }
}

/// The fields of `start_info`, named as in Xen's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StartInfo<'page> {
    /// Pages of memory that the domain has.
    pub nr_pages: u64,
    /// Where the `shared_info` page is: a machine address, not a frame number.
    pub shared_info: MachineAddress,
    /// What kind of domain this is. Unknown bits are dropped.
    pub flags: Flags,
    /// The page shared with xenstore.
    pub store_mfn: Mfn,
    /// The event channel to xenstore.
    pub store_evtchn: Port,
    /// The page shared with the console daemon.
    pub console_mfn: Mfn,
    /// The event channel to the console daemon.
    pub console_evtchn: Port,
    /// The virtual address of the first page table page; they follow one another.
    pub pt_base: u64,
    /// How many page table pages there are.
    pub nr_pt_frames: u64,
    /// The virtual address of the P2M list: the machine frame of each of our frames.
    pub mfn_list: u64,
    /// The virtual address of the module, or its frame number: see `flags`.
    pub mod_start: u64,
    /// Bytes in the module; 0 if there is none.
    pub mod_len: u64,
    /// The command line: the bytes before the first NUL, and of those the longest valid UTF-8 beginning.
    pub command_line: &'page str,
    /// The first frame of the P2M list, if it is not among the mapped frames.
    pub first_p2m_pfn: u64,
    /// How many frames that list takes.
    pub nr_p2m_frames: u64,
}

/// Why a page is no `start_info`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartInfoError {
    /// It has only this many bytes.
    TooShort(usize),
    /// It doesn't begin with [`MAGIC`] and a NUL.
    BadMagic,
}

impl fmt::Display for StartInfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(length) => {
                write!(f, "start_info has {length} bytes where {START_INFO_SIZE} are expected")
            }
            Self::BadMagic => write!(f, "start_info doesn't begin with {MAGIC}"),
        }
    }
}

impl core::error::Error for StartInfoError {}

/// Reads a `start_info` page; exercise 1b.
///
/// `page` may be longer than the structure; what follows is ignored.
///
/// # Errors
/// [`StartInfoError::TooShort`] for less than [`START_INFO_SIZE`] bytes, which goes first; else
/// [`StartInfoError::BadMagic`].
pub fn parse(page: &[u8]) -> Result<StartInfo<'_>, StartInfoError> {
    exercise::parse(page)
}

/// One word of a command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token<'line> {
    /// What stands before the first `=`; the whole word if there is none.
    pub key: &'line str,
    /// What stands behind the first `=`.
    pub value: Option<&'line str>,
}

/// Splits the first word off a command line, and returns it with what follows it; exercise 1b.
///
/// Words are separated by one or more spaces or tabs, which may also lead and trail; there are no quotes.
/// `None` if no word is left.
pub fn next_token(line: &str) -> Option<(Token<'_>, &str)> {
    exercise::next_token(line)
}

/// A command line, as its words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandLine<'line>(pub &'line str);

impl<'line> CommandLine<'line> {
    /// All words, in order.
    pub fn tokens(self) -> Tokens<'line> {
        Tokens { rest: self.0 }
    }

    /// The value of a key; the last one wins, so that a line can be overridden by appending to it.
    pub fn get(self, key: &str) -> Option<&'line str> {
        self.tokens().filter(|token| token.key == key).filter_map(|token| token.value).last()
    }
}

/// The words of a [`CommandLine`].
#[derive(Clone, Debug)]
pub struct Tokens<'line> {
    rest: &'line str,
}

// ANCHOR: tokens
impl<'line> Iterator for Tokens<'line> {
    type Item = Token<'line>;

    fn next(&mut self) -> Option<Token<'line>> {
        let (token, rest) = next_token(self.rest)?;
        // A splitter that makes no progress would never end.
        self.rest = if rest.len() < self.rest.len() { rest } else { "" };
        Some(token)
    }
}
// ANCHOR_END: tokens

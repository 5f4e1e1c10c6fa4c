//! A look at all page tables: is what must hold of them true?
//!
//! Xen lets a kernel map its own text writable, or its data executable, and there is no later moment at which that
//! would show. So this walks every table that the root leads to, but for Xen's part, and counts. Invariant: it
//! changes nothing.

use console::types::Mfn;

use crate::bedrock::tables;
use crate::entry::{Entry, Flags};

/// What was found, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Pages that are mapped, each as often as it is.
    pub mapped: u64,
    /// Of these, for writing.
    pub writable: u64,
    /// Of these, for execution.
    pub executable: u64,
    /// Pages that are both: there must be none.
    pub writable_executable: u64,
    /// Tables.
    pub tables: u64,
    /// Entries that map nothing, but aren't 0: there must be none.
    pub left_over: u64,
}

/// Looks at everything.
pub fn run() -> Audit {
    /// Where Xen's part of the root begins and ends.
    const XEN: core::ops::Range<usize> = 256..272;
    let mut audit = Audit { tables: 1, ..Audit::default() };
    for index in (0..512).filter(|index| !XEN.contains(index)) {
        audit.look(tables::entry(tables::root(), index), 4, Flags::WRITABLE);
    }
    audit
}

impl Audit {
    /// `above` is what the levels above allow, or forbid: a page is writable if all of them let it be, and not executable
    /// if one of them says so.
    fn look(&mut self, entry: Entry, level: u32, above: Flags) {
        let flags = above & entry.flags() & Flags::WRITABLE | (above | entry.flags()) & Flags::NO_EXECUTE;
        if !entry.is_present() {
            self.left_over += u64::from(entry != Entry::EMPTY);
        } else if level == 1 {
            let (writable, executable) = (flags.contains(Flags::WRITABLE), !flags.contains(Flags::NO_EXECUTE));
            self.mapped += 1;
            self.writable += u64::from(writable);
            self.executable += u64::from(executable);
            self.writable_executable += u64::from(writable && executable);
        } else {
            self.tables += 1;
            self.table(entry.frame(), level - 1, flags);
        }
    }

    fn table(&mut self, table: Mfn, level: u32, above: Flags) {
        for index in 0..512 {
            self.look(tables::entry(table, index), level, above);
        }
    }
}

//! What Xen prints on its console when it kills a domain, read back and explained.
//!
//! Follows `xen/arch/x86/x86_64/traps.c` (`show_registers`, `show_page_walk`, `show_guest_stack`). The log is a
//! serial line that several writers share: guest text may stand before, after and between Xen's lines, and part
//! of a dump may be missing. Invariant: a value is used only where its name stands beside it in the log.

mod explain;
mod memory;

pub use explain::{StackRange, stacks};
pub use memory::{ByQemu, Frames};

/// A domain crash, as far as the log tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crash {
    /// The domain's id.
    pub domain: u32,
    /// The virtual CPU that crashed.
    pub vcpu: u32,
    /// Registers by Xen's names, in Xen's order: rip, rflags, rax .. r15, control registers, segment bases.
    pub registers: Vec<(&'static str, u64)>,
    /// What Xen looked up before it gave up.
    pub walk: Option<Walk>,
    /// Vector and error code of an exception that had no handler.
    pub unhandled: Option<(u32, u32)>,
    /// Xen's own reason: the place in Xen that crashed the domain.
    pub reason: Option<String>,
    /// Words of the guest's stack, from rsp upwards, as far as anybody could read them.
    pub stack: Vec<u64>,
    /// The stack that has run over, as the guest's memory has it.
    pub owner: Option<StackRange>,
}

/// A page table walk of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The address.
    pub address: u64,
    /// The lowest level reached: 4 to 1.
    pub level: u32,
    /// The entry there.
    pub entry: u64,
}

const REGISTERS: [&str; 25] = [
    "RIP", "RFLAGS", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15", "cr0", "cr4", "cr3", "cr2", "fsb", "gsb", "gss",
];

impl Crash {
    /// The last crash in a log, of `domain` if one is given.
    pub fn find(log: &str, domain: Option<u32>) -> Option<Self> {
        let lines: Vec<_> = log.lines().filter_map(xen_text).collect();
        let heads = lines.iter().enumerate().filter_map(|(at, line)| Some((at, head(line)?)));
        let crashes: Vec<_> = heads.collect();
        let index = crashes.iter().rposition(|(_, (id, _))| domain.is_none_or(|wanted| wanted == *id))?;
        let (at, (domain, vcpu)) = crashes[index];
        // What led to it stands before its head line and after the dump before; the dump itself stands after.
        let from = if index == 0 { 0 } else { crashes[index - 1].0 + 1 };
        let to = crashes.get(index + 1).map_or(lines.len(), |next| next.0);
        let mut crash = Self { domain, vcpu, ..Self::default() };
        crash.read_cause(&lines[from..at]);
        crash.read_dump(&lines[at + 1..to]);
        Some(crash)
    }

    /// A register by Xen's name.
    pub fn register(&self, name: &str) -> Option<u64> {
        self.registers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn read_cause(&mut self, lines: &[&str]) {
        for line in lines {
            if let Some(rest) = after(line, "Pagetable walk from ") {
                self.walk = hex(rest).map(|address| Walk { address, level: 4, entry: 0 });
            } else if let (Some(walk), Some((level, entry))) = (&mut self.walk, walk_level(line)) {
                (walk.level, walk.entry) = (level, entry);
            } else if let Some(rest) = after(line, "domain_crash_sync called from entry.S: fault at ") {
                self.reason = Some(rest.split_once(' ').map_or(rest, |(_, place)| place).trim().to_owned());
            } else if let Some(rest) = after(line, "Unhandled: vec ") {
                let error = after(rest, "[").and_then(hex).and_then(|code| u32::try_from(code).ok());
                self.unhandled = decimal(rest).map(|vector| (vector, error.unwrap_or(0)));
            } else if let Some(rest) = after(line, "domain_crash called from ") {
                self.reason = Some(rest.trim().to_owned());
            }
        }
    }

    fn read_dump(&mut self, lines: &[&str]) {
        let mut in_stack = false;
        for line in lines {
            if line.contains("Guest stack trace from") {
                in_stack = true;
            } else if in_stack {
                let words = line.split_whitespace().map_while(|word| (word.len() == 16).then(|| hex(word)).flatten());
                let before = self.stack.len();
                self.stack.extend(words);
                // Anything else ends the words: "Fault while accessing guest memory.", or other news of Xen's.
                in_stack = self.stack.len() > before;
            } else {
                self.read_registers(line);
            }
        }
    }

    fn read_registers(&mut self, line: &str) {
        for name in REGISTERS {
            let value = named(line, name).and_then(|rest| {
                // Only the instruction pointer has its selector in front.
                hex(rest.split_once(":[<").filter(|_| name == "RIP").map_or(rest, |(_, inside)| inside))
            });
            if let Some(value) = value.filter(|_| self.register(name).is_none()) {
                self.registers.push((name, value));
            }
        }
    }
}

/// What Xen wrote of a line: it puts its mark in front, perhaps behind a guest's unfinished line.
fn xen_text(line: &str) -> Option<&str> {
    line.rsplit_once("(XEN) ").map(|(_, text)| text)
}

/// The domain and virtual CPU of the line that announces a crash.
fn head(line: &str) -> Option<(u32, u32)> {
    let rest = after(line, "Domain ")?;
    let vcpu = after(rest, "(vcpu#")?;
    line.contains("crashed on cpu").then_some(())?;
    Some((decimal(rest)?, decimal(vcpu)?))
}

/// The level and the entry of ` L1[0x083] = 0000000000000000 ffffffffffffffff`.
fn walk_level(line: &str) -> Option<(u32, u64)> {
    let rest = line.trim_start().strip_prefix('L')?;
    Some((decimal(rest).filter(|level| (1..=4).contains(level))?, hex(after(rest, "] = ")?)?))
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.find(mark).map(|at| &text[at + mark.len()..])
}

/// What follows `name:`, where that isn't the end of a longer name.
fn named<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = line;
    loop {
        let at = rest.find(name)?;
        let begins = !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let behind = &rest[at + name.len()..];
        match behind.strip_prefix(':') {
            Some(value) if begins => return Some(value.trim_start()),
            _ => rest = behind,
        }
    }
}

/// The hexadecimal number that `text` begins with.
fn hex(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    u64::from_str_radix(&text[..end], 16).ok()
}

fn decimal(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERFLOW: &str = include_str!("../testdata/overflow.log");
    const NO_HANDLER: &str = include_str!("../testdata/no-handler.log");
    const BAD_RSP: &str = include_str!("../testdata/bad-rsp.log");

    #[test]
    fn an_overflow_dump_is_read_whole() {
        let crash = Crash::find(OVERFLOW, Some(1)).unwrap();
        assert_eq!((crash.domain, crash.vcpu), (1, 0));
        assert_eq!(crash.registers.len(), REGISTERS.len(), "{:?}", crash.registers);
        assert_eq!(crash.register("RIP"), Some(0xffff_ffff_8000_20cc));
        assert_eq!(crash.register("cr2"), Some(0xffff_ffff_8000_efc0));
        assert_eq!(crash.register("r8"), Some(2));
        assert_eq!(crash.walk, Some(Walk { address: 0xffff_ffff_8000_efb8, level: 1, entry: 0 }));
        assert!(crash.reason.unwrap().starts_with("x86_64/entry.S#domain_crash_page_fault"));
        assert!(crash.stack.is_empty());
    }

    #[test]
    fn stack_words_are_read_in_order() {
        let crash = Crash::find(NO_HANDLER, None).unwrap();
        assert_eq!(crash.stack.len(), 80);
        assert_eq!(crash.stack[..2], [0xce1, 0x8080_8080_8080_8080]);
        assert_eq!(crash.stack[8], 0xffff_ffff_8001_df10);
        assert_eq!(crash.unhandled, Some((14, 2)));
    }

    #[test]
    fn a_guests_unfinished_line_in_front_does_no_harm() {
        // In this log the line that announces the crash stands behind "table ffffffff8001f000 len 3084 cou".
        let crash = Crash::find(BAD_RSP, Some(1)).unwrap();
        assert_eq!(crash.unhandled, Some((14, 2)));
        assert_eq!(crash.walk.as_ref().map(|walk| walk.level), Some(4));
        assert_eq!(crash.register("rsp"), Some(0xffff_9000_0000_0000));
    }

    #[test]
    fn the_wanted_domain_and_the_last_crash_are_taken() {
        let second = OVERFLOW.replace("Domain 1", "Domain 2").replace("ffffffff800020cc", "ffffffff80009999");
        let log = format!("{NO_HANDLER}{OVERFLOW}{second}");
        assert_eq!(Crash::find(&log, None).unwrap().domain, 2);
        let first = Crash::find(&log, Some(1)).unwrap();
        assert_eq!(first.register("RIP"), Some(0xffff_ffff_8000_20cc));
        assert!(first.stack.is_empty());
        assert_eq!(Crash::find(&log, Some(3)), None);
    }

    #[test]
    fn damage_costs_only_what_it_hits() {
        // A guest's text in the middle of a line takes the values behind it; the rest is still there.
        let cut = OVERFLOW.replace("rsp: ffffffff8000efc0", "rsp: fffhello\r\nworld");
        let crash = Crash::find(&cut, None).unwrap();
        assert_eq!(crash.register("RIP"), Some(0xffff_ffff_8000_20cc));
        assert_eq!(crash.register("cr2"), Some(0xffff_ffff_8000_efc0));
        for length in (0..OVERFLOW.len()).filter(|at| OVERFLOW.is_char_boundary(*at)) {
            let _ = Crash::find(&OVERFLOW[..length], None);
            let _ = Crash::find(&OVERFLOW[length..], None);
        }
        assert_eq!(Crash::find("", None), None);
        assert_eq!(Crash::find("(XEN) Domain x (vcpu#y) crashed on cpu#", None), None);
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let mut bytes = NO_HANDLER.as_bytes().to_vec();
            (0..40).for_each(|_| {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            });
            let _ = Crash::find(&String::from_utf8_lossy(&bytes), None);
        }
    }
}

//! From a crash's registers to a sentence and a backtrace, through the debug information of the guest's ELF.

use super::Crash;
use crate::guest::symbolize::Symbolizer;
use std::fmt::Write;

/// A stack that the guest is known to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackRange {
    /// What it is called, such as `boot stack` or `stack of thread 7 (deep)`.
    pub name: String,
    /// The lowest address; the guard page lies below.
    pub start: u64,
    /// The first address past it.
    pub end: u64,
}

impl StackRange {
    /// Whether it has run over, if an address outside of all memory was wanted on a stack.
    pub(super) fn lost(&self, address: u64) -> bool {
        (self.start.saturating_sub(GUARD)..self.end).contains(&address)
    }
}

/// The stacks that a guest named on its console: `boot stack: 0x1000..0x5000 guard 0x0`.
pub fn stacks(console: &str) -> Vec<StackRange> {
    let address = |text: &str| u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok();
    let stack = |line: &str| {
        let (name, rest) = line.split_once(" stack: ")?;
        let (start, rest) = rest.split_once("..")?;
        let (end, _) = rest.split_once(" guard")?;
        Some(StackRange { name: format!("{} stack", name.trim()), start: address(start)?, end: address(end)? })
    };
    console.lines().filter_map(stack).collect()
}

/// The most that Xen pushes at once, and then some: a fault this close below rsp was a push.
const FRAME: u64 = 256;
/// How far below a stack an overflow may land: a large frame skips the guard page.
const GUARD: u64 = 64 << 10;
/// The registers by lines.
const SHOWN: [&[&str]; 7] = [
    &["RIP", "rsp", "rbp", "RFLAGS"],
    &["rax", "rbx", "rcx", "rdx"],
    &["rsi", "rdi", "r8", "r9"],
    &["r10", "r11", "r12", "r13"],
    &["r14", "r15"],
    &["cr2", "cr3", "cr0", "cr4"],
    &["fsb", "gsb", "gss"],
];
/// As deep as a backtrace goes: a function of one word that calls itself fills a large stack with half as many.
const DEEPEST: usize = 1 << 17;
/// How many lines of it are shown. A function that calls itself needs one for all of its calls.
const SHOWN_FRAMES: usize = 32;

impl Crash {
    /// The report: what happened and where, the registers, and a backtrace as far as the dump has the stack.
    pub fn explain(&self, symbolizer: &Symbolizer, stacks: &[StackRange]) -> String {
        let (cause, address) = self.cause(stacks);
        let rip = self.register("RIP");
        let function = rip.map_or_else(|| "unknown code".into(), |rip| told(symbolizer, rip, false).0);
        let place = rip.and_then(|rip| symbolizer.place(rip));
        let mut report = format!("Xen crashed the domain: {cause} in {function}");
        let _ = place.map(|place| write!(report, " ({place})"));
        let _ = address.map(|address| write!(report, ", address {address:#x}"));
        for (index, names) in SHOWN.iter().enumerate() {
            let known: Vec<_> = names.iter().filter_map(|name| Some((name, self.register(name)?))).collect();
            let text: Vec<_> =
                known.iter().map(|(name, value)| format!("{} {value:#x}", name.to_lowercase())).collect();
            let head = if index == 0 { format!("vCPU {}  ", self.vcpu) } else { String::new() };
            if index == 0 || !text.is_empty() {
                let _ = write!(report, "\n  {head}{}", text.join("  "));
            }
        }
        let frames = self.backtrace();
        let mut index = 0;
        for same in frames.chunk_by(|one, next| one == next).take(SHOWN_FRAMES) {
            let (address, call) = same[0];
            let (function, place) = told(symbolizer, address, call);
            let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
            let times = if same.len() > 1 { format!(" ({} times)", same.len()) } else { String::new() };
            let _ = write!(report, "\n  #{index} {address:#x} {function}{place}{times}");
            index += same.len();
        }
        if let Some(reason) = &self.reason {
            let _ = write!(report, "\n  Xen says: {reason}");
        }
        report
    }

    /// What happened, and the address it happened at.
    fn cause(&self, stacks: &[StackRange]) -> (String, Option<u64>) {
        let xen_in = |place| self.reason.as_deref().is_some_and(|reason| reason.contains(place));
        let (rsp, cr2) = (self.register("rsp"), self.register("cr2").filter(|cr2| *cr2 != 0));
        // Xen faulted itself when it pushed an exception's frame onto the guest's stack.
        let pushing = |address: u64| rsp.is_some_and(|rsp| address <= rsp && rsp - address <= FRAME);
        if let Some(walk) = &self.walk
            && (xen_in("domain_crash_page_fault") || pushing(walk.address))
        {
            let lost = stacks.iter().chain(&self.owner).find(|stack| stack.lost(walk.address));
            let cause = match (lost, walk.level) {
                (Some(stack), _) => format!("overflow of the {}", stack.name),
                // A guard page is a hole among mapped pages; where whole tables are missing rsp is no stack's.
                (None, 1 | 2) => "stack overflow".into(),
                (None, _) => "rsp points at no memory".into(),
            };
            return (cause, Some(walk.address));
        }
        match self.unhandled {
            Some((14, error)) => (format!("page fault without a handler (error {error:#x})"), cr2),
            Some((vector, error)) => (format!("exception {vector} without a handler (error {error:#x})"), None),
            None if xen_in("create_bounce_frame") && self.stack.is_empty() => {
                ("rsp points at memory that the guest may not use".into(), rsp)
            }
            None if xen_in("create_bounce_frame") => ("an exception without a handler".into(), cr2),
            None => ("the guest broke a rule of Xen's".into(), None),
        }
    }

    /// Code addresses from the innermost outwards, and whether each is one that a call returns to.
    fn backtrace(&self) -> Vec<(u64, bool)> {
        let mut frames: Vec<_> = self.register("RIP").map(|rip| (rip, false)).into_iter().collect();
        let (Some(rsp), Some(mut rbp)) = (self.register("rsp"), self.register("rbp")) else { return frames };
        let word = |address: u64| {
            let index = usize::try_from(address.checked_sub(rsp)? / 8).ok()?;
            self.stack.get(index).copied().filter(|_| address.is_multiple_of(8))
        };
        while let (Some(next), Some(back)) = (word(rbp), word(rbp.saturating_add(8))) {
            frames.push((back, true));
            // Frames lie ever higher on a sound stack.
            if next <= rbp || back == 0 || frames.len() >= DEEPEST {
                break;
            }
            rbp = next;
        }
        frames
    }
}

/// The function at `address`, and its place. `call`: the address is one that a call returns to.
fn told(symbolizer: &Symbolizer, address: u64, call: bool) -> (String, Option<String>) {
    let lookup = if call { address.wrapping_sub(1) } else { address };
    match symbolizer.frames(lookup).pop() {
        Some(outermost) => (outermost.function, symbolizer.told(lookup)),
        None => ("code outside of the image".into(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(log: &str) -> Crash {
        Crash::find(log, None).unwrap()
    }

    #[test]
    fn causes_are_told_apart() {
        let overflow = crash(include_str!("../testdata/overflow.log"));
        assert_eq!(overflow.cause(&[]), ("stack overflow".into(), Some(0xffff_ffff_8000_efb8)));
        let console = "x\nboot stack: 0xffffffff8000f000..0xffffffff8001f000 guard 0xffffffff8000e000\r\n";
        assert_eq!(overflow.cause(&stacks(console)).0, "overflow of the boot stack");
        let other = StackRange { name: "other".into(), start: 0x1000, end: 0x2000 };
        assert_eq!(overflow.cause(&[other]).0, "stack overflow");
        let (name, start) = ("stack of thread 7 (deep)".into(), 0xffff_ffff_8000_f000);
        let noted = Crash { owner: Some(StackRange { name, start, end: start + 0x4000 }), ..overflow };
        assert_eq!(noted.cause(&[]).0, "overflow of the stack of thread 7 (deep)");
        let none = crash(include_str!("../testdata/no-handler.log"));
        assert_eq!(none.cause(&[]), ("page fault without a handler (error 0x2)".into(), Some(0x10)));
        let lost = crash(include_str!("../testdata/bad-rsp.log"));
        assert_eq!(lost.cause(&[]).0, "rsp points at no memory");
        assert_eq!(Crash::default().cause(&[]).0, "the guest broke a rule of Xen's");
    }

    #[test]
    fn a_backtrace_follows_the_frame_pointers_in_the_dump() {
        let crash = crash(include_str!("../testdata/no-handler.log"));
        let low = |address: u64| address & 0xffff;
        let found: Vec<_> = crash.backtrace().iter().map(|(address, call)| (low(*address), *call)).collect();
        assert_eq!(found, [(0x20c4, false), (0x20dd, true), (0x282e, true), (0x0010, true)]);
    }

    #[test]
    fn a_stack_that_points_at_itself_ends() {
        let registers = vec![("RIP", 1), ("rsp", 0x1000), ("rbp", 0x1000)];
        let crash = Crash { registers, stack: vec![0x1000, 7], ..Crash::default() };
        assert_eq!(crash.backtrace(), [(1, false), (7, true)]);
    }
}

//! Tiny guests to test with.

use harness::guest::elf::Linked;
use harness::guest::verify::{Finding, findings};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The linker script of the tests: what the real one does, in short.
pub const SCRIPT: &str = "
ENTRY(_start)
PHDRS { text PT_LOAD FLAGS(5); rodata PT_LOAD FLAGS(4); data PT_LOAD FLAGS(6); note PT_NOTE FLAGS(4); }
BASE = 0xffffffff80000000;
SECTIONS {
  . = BASE;
  .text : AT(ADDR(.text) - BASE) { *(.text.boot) *(.text .text.*) } :text
  . = ALIGN(4096);
  .rodata : AT(ADDR(.rodata) - BASE) { KEEP(*(.rodata.symbols)) *(.rodata .rodata.*) } :rodata
  .notes : AT(ADDR(.notes) - BASE) { KEEP(*(.note.Xen)) } :rodata :note
  . = ALIGN(4096);
  .data : AT(ADDR(.data) - BASE) { *(.data .data.*) } :data
  .bss : AT(ADDR(.bss) - BASE) { *(.bss .bss.*) } :data
  _end = .;
  /DISCARD/ : { *(.eh_frame*) *(.comment) }
}
";

/// Entry, notes and a little of everything. `boot` is for the test to define.
pub const HEAD: &str = r##"
#![no_std]
#![no_main]
#![allow(long_running_const_eval)]
core::arch::global_asm!(r#"
.macro NOTE type, value:vararg
.long 4; .long 9f-8f; .long \type; .asciz "Xen"
8: \value
9: .balign 4
.endm
.section .note.Xen,"a",@note
NOTE 5, .asciz "xen-3.0"
NOTE 8, .asciz "generic"
NOTE 1, .quad _start
NOTE 3, .quad 0xffffffff80000000
NOTE 4, .quad 0
.section .text.boot,"ax",@progbits
.global _start
_start: lea stack_top(%rip), %rsp
 call boot
 ud2
.section .rodata.symbols,"a",@progbits
.balign 8
.global symbol_table_descriptor
symbol_table_descriptor: .quad 0, 0
.section .bss,"aw",@nobits
.skip 8192
stack_top:
"#, options(att_syntax));
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
"##;

/// A body that breaks no rule.
pub const BODY: &str = r#"
static mut COUNT: [u64; 4] = [1, 2, 3, 4];
#[inline(never)]
fn outer(n: u64) -> u64 {
    inner(n) + 1
}
#[inline(always)]
fn inner(n: u64) -> u64 {
    unsafe { (&raw mut COUNT[0]).write_volatile(n) };
    n
}
#[unsafe(no_mangle)]
extern "C" fn boot() -> u64 {
    let text = core::hint::black_box("some constant text that has to lie somewhere");
    outer(core::hint::black_box(7)) + text.len() as u64
}
"#;

/// A linked guest in a folder of its own.
pub struct Linkage {
    dir: tempfile::TempDir,
    pub bytes: Vec<u8>,
}

impl Linkage {
    /// Compiles and links `HEAD` and `body` with the guest's flags and `extra` ones.
    pub fn of(body: &str, extra: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("guest.rs"), format!("{HEAD}{body}")).unwrap();
        std::fs::write(dir.path().join("link.ld"), SCRIPT).unwrap();
        let mut rustc = Command::new("rustc");
        rustc.current_dir(dir.path()).args([
            "--edition=2024",
            "--crate-type=bin",
            "-Cpanic=abort",
            "-Copt-level=2",
            "-g",
        ]);
        rustc.args(["-Clinker=rust-lld", "-Clinker-flavor=ld.lld", "-Crelocation-model=static", "-Ccode-model=kernel"]);
        rustc.args(["-Cforce-frame-pointers=yes", "-Clink-arg=-static", "-Clink-arg=--no-pie", "-Clink-arg=-n"]);
        rustc.args(["-Clink-arg=--build-id=none", "-Clink-arg=-Tlink.ld", "-Cno-redzone=yes"]);
        let output = rustc.args(extra).args(["-o", "guest.elf", "guest.rs"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = std::fs::read(dir.path().join("guest.elf")).unwrap();
        Self { dir, bytes }
    }

    /// The guest that breaks no rule.
    pub fn good() -> &'static Self {
        static GOOD: OnceLock<Linkage> = OnceLock::new();
        GOOD.get_or_init(|| Self::of(BODY, &[]))
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("guest.elf")
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn linked(&self) -> Linked<'_> {
        Linked::parse(&self.bytes, &self.path()).unwrap()
    }

    pub fn findings(&self) -> Vec<Finding> {
        findings(&self.linked())
    }
}

/// Where in an ELF the field at `offset` of program header `index` is.
pub fn program_header(bytes: &[u8], index: usize, offset: usize) -> usize {
    u64::from_le_bytes(bytes[32..40].try_into().unwrap()) as usize + index * 56 + offset
}

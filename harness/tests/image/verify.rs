//! Each rule of `verify`, with an image that breaks it.

use crate::support::{BODY, Linkage, program_header};
use harness::error::Kind;
use harness::guest::elf::Linked;
use harness::guest::verify::{Rule, findings, verify};
use std::path::Path;

/// Adds functions of assembler to the good guest.
fn with_assembler(functions: &str) -> Linkage {
    let asm = format!("core::arch::global_asm!(r#\".text\n{functions}\n\"#);");
    Linkage::of(&format!("{BODY}{asm}"), &["-Clink-arg=--no-gc-sections"])
}

/// The rule and function of each finding in code.
fn in_code(linkage: &Linkage) -> Vec<(Rule, String)> {
    linkage.findings().into_iter().map(|finding| (finding.rule, finding.function.unwrap_or_default())).collect()
}

/// What is found after bytes of the good guest are changed: the words of each finding on `rule`.
fn after(rule: Rule, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Linkage::good().bytes.clone();
    change(&mut bytes);
    let linked = Linked::parse(&bytes, Path::new("changed.elf")).unwrap();
    let found = findings(&linked).into_iter().filter(|finding| finding.rule == rule);
    found.map(|finding| finding.what).collect::<Vec<_>>().join("; ")
}

/// Sets a field of a program header.
fn set(bytes: &mut [u8], index: usize, offset: usize, value: u64, size: usize) {
    let at = program_header(bytes, index, offset);
    bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
}

const KIND: usize = 0;
const FLAGS: usize = 4;
const VIRTUAL: usize = 16;
const PHYSICAL: usize = 24;
const BASE: u64 = 0xffff_ffff_8000_0000;

#[test]
fn a_good_guest_passes() {
    assert_eq!(Linkage::good().findings(), []);
    verify(&Linkage::good().linked(), Linkage::good().root()).unwrap();
}

#[test]
fn accesses_below_rsp_are_found_and_others_are_not() {
    let linkage = with_assembler(
        "
        bad_rsp: mov [rsp-8], rax; ret
        bad_rbp: push rbp; mov rbp, rsp; mov [rbp-16], rax; pop rbp; ret
        bad_partly: push rbp; mov rbp, rsp; sub rsp, 16; movups [rbp-40], xmm0; leave; ret
        bad_pointer: push rbp; mov rbp, rsp; lea rax, [rbp-64]; mov [rax], rdi; pop rbp; ret
        bad_array: mov [rsp+rdi*8-64], rax; ret
        bad_after_call: call good_frame; mov rax, [rsp-8]; ret
        good_frame: push rbp; mov rbp, rsp; push rbx; sub rsp, 24; mov [rbp-32], rax; mov [rsp], rdi
            add rsp, 24; pop rbx; pop rbp; ret
        good_lowering: lea rsp, [rsp-32]; mov [rsp+8], rax; lea rsp, [rsp+32]; ret
        good_moved_base: push rbp; mov rbp, rsp; sub rsp, 64; lea rdi, [rbp-68]; call good_frame; leave; ret
        good_moved_index: push rbp; mov rbp, rsp; sub rsp, 64; mov [rbp+rdi*8-72], rax; leave; ret
        good_probes: push rbp; mov rbp, rsp; mov r11, rsp; sub r11, 0x3000; 2: sub rsp, 4096; mov qword ptr [rsp], 0
            cmp rsp, r11; jne 2b; sub rsp, 8; mov [rbp-0x3008], rax; leave; ret
        good_other_register: mov [rdi-8], rax; nop word ptr [rax+rax*1+0]; ret
        ",
    );
    let expected = ["bad_rsp", "bad_rbp", "bad_partly", "bad_pointer", "bad_array", "bad_after_call"];
    assert_eq!(in_code(&linkage), expected.map(|name| (Rule::RedZone, name.to_owned())));
}

#[test]
fn the_compilers_own_red_zone_is_found() {
    let leaf = r#"
        #[unsafe(no_mangle)]
        extern "C" fn leaf(values: &[u64; 8], index: usize) -> u64 {
            let mut copy = [0_u64; 8];
            for (to, from) in copy.iter_mut().zip(values) {
                unsafe { core::ptr::write_volatile(to, from.rotate_left(7)) };
            }
            copy[index & 7]
        }
    "#;
    let with = Linkage::of(&format!("{BODY}{leaf}"), &["-Clink-arg=--no-gc-sections", "-Cno-redzone=no"]);
    assert!(in_code(&with).contains(&(Rule::RedZone, "leaf".into())), "{:?}", with.findings());
    let without = Linkage::of(&format!("{BODY}{leaf}"), &["-Clink-arg=--no-gc-sections"]);
    assert_eq!(without.findings(), []);
}

#[test]
fn system_calls_stand_in_the_hypercall_path_only() {
    let linkage = with_assembler(
        "
        stray: syscall; ret
        stray_interrupt: int 0x80; ret
        stray_sysenter: sysenter
        hypercall_return: syscall
        breakpoint: int3; ret
        ",
    );
    let expected = ["stray", "stray_interrupt", "stray_sysenter"];
    assert_eq!(in_code(&linkage), expected.map(|name| (Rule::Syscall, name.to_owned())));
    let inlined = r#"
        mod hypercall {
            #[inline(always)]
            pub fn call() { unsafe { core::arch::asm!("syscall", out("rcx") _, out("r11") _) } }
        }
        #[unsafe(no_mangle)]
        extern "C" fn user() { hypercall::call() }
    "#;
    let linkage = Linkage::of(&format!("{BODY}{inlined}"), &["-Clink-arg=--no-gc-sections"]);
    assert_eq!(linkage.findings(), []);
}

#[test]
fn a_refusal_names_the_rule_the_function_the_line_and_the_next_step() {
    let body = "#[unsafe(no_mangle)]\nextern \"C\" fn stray() {\n    unsafe { core::arch::asm!(\"syscall\") }\n}\n";
    let linkage = Linkage::of(&format!("{BODY}{body}"), &["-Clink-arg=--no-gc-sections"]);
    let error = verify(&linkage.linked(), linkage.root()).unwrap_err();
    let source = std::fs::read_to_string(linkage.root().join("guest.rs")).unwrap();
    let line = 1 + source.lines().position(|line| line.contains("\"syscall\"")).unwrap();
    assert_eq!(error.kind, Kind::Build);
    let text = error.to_string();
    assert!(text.contains(&format!("stray system call: stray (guest.rs:{line}) has a `syscall` at 0xffff")), "{text}");
    assert!(text.contains("go through the hypercall wrapper"), "{text}");
}

#[test]
fn memory_is_never_writable_and_executable() {
    let writable_text = after(Rule::Permissions, |bytes| set(bytes, 0, FLAGS, 7, 4));
    assert!(writable_text.contains("is writable and executable"), "{writable_text}");
    let hidden_text = after(Rule::Permissions, |bytes| set(bytes, 0, FLAGS, 1, 4));
    assert!(hidden_text.contains("cannot be read"), "{hidden_text}");
    let no_text = after(Rule::Permissions, |bytes| set(bytes, 0, FLAGS, 4, 4));
    assert!(no_text.contains("no segment is executable"), "{no_text}");
    let writable_constants = after(Rule::Permissions, |bytes| set(bytes, 1, FLAGS, 6, 4));
    assert!(writable_constants.contains("(.rodata) lie in the writable segment"), "{writable_constants}");
    let executable_constants = after(Rule::Permissions, |bytes| set(bytes, 1, FLAGS, 5, 4));
    assert!(executable_constants.contains("lie in the executable segment"), "{executable_constants}");
    let shared = after(Rule::Permissions, |bytes| set(bytes, 1, VIRTUAL, BASE + 0xff0, 8));
    assert!(shared.contains("share a page but not its permissions"), "{shared}");
}

#[test]
fn segments_lie_where_xen_puts_them() {
    let shifted = after(Rule::Layout, |bytes| set(bytes, 0, PHYSICAL, 0x1000, 8));
    assert!(shifted.contains("p_paddr) begin at 0x1000"), "{shifted}");
    let virtual_addresses = after(Rule::Layout, |bytes| {
        for index in 0..3 {
            let at = program_header(bytes, index, VIRTUAL);
            bytes.copy_within(at..at + 8, at + 8);
        }
    });
    assert!(virtual_addresses.contains("p_paddr) begin at 0xffffffff80000000"), "{virtual_addresses}");
    let moved = after(Rule::Layout, |bytes| set(bytes, 2, PHYSICAL, 0x9000, 8));
    assert!(moved.contains("has p_paddr 0x9000; Xen would map it elsewhere"), "{moved}");
    let overlapping = after(Rule::Layout, |bytes| set(bytes, 2, VIRTUAL, BASE, 8));
    assert!(overlapping.contains("overlap"), "{overlapping}");
    let low = after(Rule::Layout, |bytes| set(bytes, 2, VIRTUAL, 0x40_0000, 8));
    assert!(low.contains("lies outside of 0xffffffff80000000 and up"), "{low}");
    let entry = after(Rule::Layout, |bytes| bytes[24..32].copy_from_slice(&0x1234_u64.to_le_bytes()));
    assert!(entry.contains("the entry point 0x1234 is not in text"), "{entry}");
    for (kind, name) in [(2, "PT_DYNAMIC"), (3, "PT_INTERP"), (7, "PT_TLS")] {
        let found = after(Rule::Layout, |bytes| set(bytes, 3, KIND, kind, 4));
        assert!(found.contains(name), "{found}");
    }
    let nothing = after(Rule::Layout, |bytes| (0..3).for_each(|index| set(bytes, index, KIND, 0, 4)));
    assert!(nothing.contains("no segment to load"), "{nothing}");
}

#[test]
fn the_notes_are_there_and_right() {
    let none = after(Rule::Notes, |bytes| set(bytes, 3, KIND, 0, 4));
    assert_eq!(none, "the image has no Xen notes");
    // Each note is 12 bytes of header, "Xen\0", and the value.
    let note = |bytes: &[u8], kind: u32| {
        let wanted: Vec<_> = [kind.to_le_bytes(), *b"Xen\0"].concat();
        bytes.windows(8).position(|window| window == wanted).unwrap()
    };
    let cases: [(u32, usize, &[u8], &str); 8] = [
        (5, 8, b"xen-2.0", "XEN_VERSION is \"xen-2.0\\0\"; Xen wants \"xen-3.0\""),
        (5, 0, &[99], "XEN_VERSION is missing"),
        (8, 0, &[99], "LOADER is missing"),
        (8, 8, b"x", "LOADER is \"xeneric\\0\""),
        (1, 8, &[0; 8], "ENTRY (0x0) is not an address in text"),
        (1, 0, &[99], "ENTRY is missing"),
        (3, 8, &[0; 8], "VIRT_BASE is 0x0; it has to be 0xffffffff80000000"),
        (4, 8, &[1], "PADDR_OFFSET is 0x1; it has to be 0x0"),
    ];
    for (kind, offset, value, expected) in cases {
        let found = after(Rule::Notes, |bytes| {
            let at = note(bytes, kind) + offset;
            bytes[at..at + value.len()].copy_from_slice(value);
        });
        assert!(found.contains(expected), "{found}");
    }
    let malformed = after(Rule::Notes, |bytes| {
        let at = note(bytes, 5) - 4;
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    });
    assert!(malformed.contains("malformed"), "{malformed}");
}

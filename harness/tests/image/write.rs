//! The image writer and the look-ups in the ELF beside it.

use crate::support::Linkage;
use harness::guest::VIRT_BASE;
use harness::guest::elf::Linked;
use harness::guest::image;
use harness::guest::symbolize::Symbolizer;
use harness::guest::verify::findings;
use std::path::Path;

/// The memory that a loader makes of an ELF, from [`VIRT_BASE`].
fn memory(linked: &Linked<'_>) -> Vec<u8> {
    let mut memory = Vec::new();
    for segment in linked.loads() {
        let at = segment.physical as usize;
        memory.resize(memory.len().max(at + segment.size as usize), 0);
        memory[at..at + segment.bytes.len()].copy_from_slice(segment.bytes);
    }
    memory
}

fn word(memory: &[u8], address: u64) -> u64 {
    let at = (address - VIRT_BASE) as usize;
    u64::from_le_bytes(memory[at..at + 8].try_into().unwrap())
}

#[test]
fn an_image_loads_as_its_elf_does_and_adds_the_names() {
    let linked = Linkage::good().linked();
    let (written, sizes) = image::write(&linked, &["guest".into()]).unwrap();
    let read = Linked::parse(&written, Path::new("image")).unwrap();
    assert_eq!(findings(&read), []);
    assert_eq!(read.entry, linked.entry);
    assert_eq!(sizes.total(), written.len());
    assert!(written.len() < Linkage::good().bytes.len() / 2, "{sizes:?}");

    let (before, mut after) = (memory(&linked), memory(&read));
    assert_eq!(sizes.memory as usize, after.len());
    let (descriptor, _) = linked.symbol("symbol_table_descriptor").unwrap();
    let (table, length) = (word(&after, descriptor), word(&after, descriptor + 8));
    assert_eq!(table % 4096, 0);
    assert!(table >= linked.symbol("_end").unwrap().0);
    let holder = read.loads().find(|segment| segment.holds(table)).unwrap();
    assert!(!holder.writable() && !holder.executable());
    assert_eq!(holder.size, length);
    let at = (descriptor - VIRT_BASE) as usize;
    after[at..at + 16].fill(0);
    assert_eq!(after[..before.len()], before);
}

#[test]
fn the_same_elf_gives_the_same_image() {
    let own = ["guest".to_owned()];
    let once = image::write(&Linkage::good().linked(), &own).unwrap();
    assert_eq!(once, image::write(&Linkage::good().linked(), &own).unwrap());
}

#[test]
fn the_names_take_a_tenth_at_most_and_ours_come_first() {
    // Enough code that the budget matters, in functions that nothing folds together.
    let functions: String = (0..60)
        .map(|n| {
            format!(
                "#[inline(never)] pub fn function_{n}(x: u64) -> u64 {{ core::hint::black_box(x).rotate_left({n} % 63) \
                 ^ core::hint::black_box({n}) }}\n"
            )
        })
        .collect();
    let calls: String = (0..60).map(|n| format!(" ^ own_{}::function_{n}(x)", "long_module_name_".repeat(2))).collect();
    let body = format!(
        "mod own_{} {{ {functions} }}\n#[unsafe(no_mangle)] extern \"C\" fn boot(x: u64) -> u64 {{ x{calls} }}",
        "long_module_name_".repeat(2)
    );
    let linkage = Linkage::of(&body, &[]);
    let (_, sizes) = image::write(&linkage.linked(), &["guest".into()]).unwrap();
    assert!(sizes.symbols * 10 <= sizes.stripped, "{sizes:?}");
    assert!(0 < sizes.named && sizes.named < sizes.functions, "{sizes:?}");
}

#[test]
fn an_address_leads_to_functions_and_lines() {
    let linkage = Linkage::good();
    let linked = linkage.linked();
    let symbolizer = Symbolizer::open(&linkage.path(), linkage.root()).unwrap();
    let outer = linked.functions.iter().find(|function| function.name.contains("outer")).unwrap();
    let source = std::fs::read_to_string(linkage.root().join("guest.rs")).unwrap();
    let line = |text: &str| 1 + source.lines().position(|line| line.contains(text)).unwrap() as u32;
    // `inner` was inlined into `outer`, and the library's volatile write into it: some instruction has them all.
    let names = |address| symbolizer.frames(address).into_iter().map(|frame| frame.function).collect::<Vec<_>>();
    let both = (outer.start..outer.end).find(|address| names(*address).contains(&"guest::inner".into())).unwrap();
    let frames = symbolizer.frames(both);
    let outermost = frames.last().unwrap();
    assert_eq!(outermost.function, "guest::outer");
    assert!(frames[0].inlined && !outermost.inlined);
    assert_eq!(outermost.place.as_ref().unwrap().line, line("inner(n) + 1"));
    // Of these the innermost in our own files is what tells most.
    let place = symbolizer.told(both).unwrap();
    assert_eq!(place, format!("guest.rs:{} (inlined guest::inner)", line("write_volatile(n)")));
    assert!(symbolizer.frames(0x1234).is_empty());
}

#[test]
fn a_report_gets_its_lines() {
    let linkage = Linkage::good();
    let linked = linkage.linked();
    let symbolizer = Symbolizer::open(&linkage.path(), linkage.root()).unwrap();
    let boot = linked.functions.iter().find(|function| function.name == "boot").unwrap();
    let start = boot.start;
    let text = format!(
        "hello\r\nfault: page fault\r\n  #0 {start:#x} boot+0x0\r\n  #1 {:#x}\r\ngarbage  #2 0x12 x\n#3 0xzz\n  #\n",
        start + 4
    );
    let annotated = symbolizer.annotate(&text);
    let lines: Vec<_> = annotated.split_inclusive('\n').collect();
    assert_eq!((lines[0], lines[1]), ("hello\r\n", "fault: page fault\r\n"));
    assert!(lines[2].starts_with(&format!("  #0 {start:#x} boot+0x0 at guest.rs:")), "{annotated}");
    assert!(lines[2].ends_with("\r\n"));
    assert!(lines[3].starts_with(&format!("  #1 {:#x} boot at guest.rs:", start + 4)), "{annotated}");
    assert_eq!(lines[4..], ["garbage  #2 0x12 x\n", "#3 0xzz\n", "  #\n"]);
}

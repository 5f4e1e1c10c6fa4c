//! Stage 2's reference on a real Xen: all memory at any size, and what happens to those who misuse it.

use crate::common::{self, Ended, numbers};

fn boot(arguments: &[&str], command_line: &str) -> Ended {
    common::boot("stage2", arguments, command_line)
}

/// Boots with so much memory, where every page that there is gets touched.
fn touch_all(memory: &[&str], pages: u64) {
    let mut arguments = vec!["--memory"];
    arguments.extend(memory);
    let ended = boot(&arguments, "app=memory").with(0);
    let console = &ended.stdout;
    let [total, reserved, ..] = numbers(console, "frames: total")[..] else { panic!("{console}") };
    assert_eq!(total, pages, "{console}");
    let [touched, of, wrong, left] = numbers(console, "touched")[..] else { panic!("{console}") };
    assert_eq!((of, wrong, left), (pages, 0, 0), "{console}");
    // All but what was in use from the beginning, the tables (one for 512 pages), and the heap's own.
    assert!(touched + reserved + pages / 512 + pages / 2000 + 128 >= pages, "{console}");
    let [_, _, whole, hundredths, _] = numbers(console, "mapped")[..] else { panic!("{console}") };
    assert!(whole * 100 + hundredths <= 300, "more than 3 hypercalls for 2 MiB: {console}");
    assert!(numbers(console, "free again")[0] >= touched, "{console}");
    assert!(console.contains("audit: 0 both writable and executable, 0 left over"), "{console}");
}

#[test]
#[ignore = "long"]
fn every_page_is_there_from_4_mib_on() {
    touch_all(&["4"], 1024);
    touch_all(&["5"], 1280);
    touch_all(&["33"], 8448);
    touch_all(&["1023"], 261_888);
}

#[test]
fn memory_that_might_come_later_is_not_touched() {
    touch_all(&["33", "--maxmem", "70"], 8448);
}

/// For a machine with time: it needs the large test host.
#[test]
#[ignore = "takes half a minute"]
fn every_page_of_8_gib_is_there() {
    touch_all(&["8192"], 2_097_152);
}

#[test]
fn the_heap_aligns_grows_and_survives_its_own_end() {
    for command_line in ["app=heap", "app=heap heap=watch"] {
        let ended = boot(&["--memory", "16"], command_line).with(0);
        let console = &ended.stdout;
        for said in [
            "alignments to 2 MiB: 132 blocks, 0 wrong",
            "a block that grew to 1383 KiB: 0 bytes wrong",
            "more than there is: refused [true, true, true]",
            "until nothing was left, 0 wrong",
            "in use before 0 and after 0 bytes",
            "and a new box holds 42",
        ] {
            assert!(console.contains(said), "{said:?} in\n{console}");
        }
        let [held, ..] = numbers(console, "held")[..] else { panic!("{console}") };
        assert!(held >= 14 << 10, "of 16 MiB only {held} KiB could be had: {console}");
    }
}

#[test]
fn blocks_that_come_and_go_keep_what_they_hold_and_leave_nothing() {
    let ended = boot(&[], "app=churn count=30000 seed=7").with(0);
    let console = &ended.stdout;
    assert!(console.contains("30000 steps: 0 blocks wrong, 0 refused"), "{console}");
    assert!(console.contains("in use before 0 and after 0 bytes"), "{console}");
    let [allocations, frees] = numbers(console, "allocations")[..] else { panic!("{console}") };
    assert!(allocations == frees && allocations > 10_000, "{console}");
}

#[test]
#[ignore = "long"]
fn a_watched_heap_finds_mistakes() {
    let cases = [
        ("double-free", "was it freed before?"),
        ("double-free-large", "Bad free?"),
        ("use-after-free", "96 bytes, was written at offset 40 after it was freed"),
        ("stranger", "but is no block in use"),
    ];
    for (mistake, said) in cases {
        let ended = boot(&[], &format!("app=heap heap=watch mistake={mistake}")).with(3);
        let panic = ended.stdout.lines().find(|line| line.starts_with("panic at ")).unwrap_or_default();
        assert!(panic.contains(said), "{mistake}: {panic:?} in\n{}", ended.stdout);
        assert!(ended.stdout.contains("memory::demo::heap::"), "{mistake}: {}", ended.stdout);
    }
}

#[test]
fn an_area_maps_all_or_nothing_and_nothing_stays() {
    let ended = boot(&[], "app=area").with(0);
    for said in [
        "mapped 700 pages backwards: Ok(())",
        "seen through the direct map: 700 pages",
        "mapped once more: already mapped",
        "unmapped across a hole: not mapped",
        "a frame that isn't ours among 40: refused by Xen",
        "the same place afterwards: Ok(())",
        "behind its end: bad address",
        "areas of no bytes, and of all: Some(Empty) Some(NoAddresses)",
        "frames kept: few",
    ] {
        assert!(ended.stdout.contains(said), "{said:?} in\n{}", ended.stdout);
    }
}

/// The report of a fault says where the address is.
#[test]
#[ignore = "long"]
fn what_is_not_mapped_or_not_for_writing_faults_and_is_named() {
    let cases = [
        ("app=area area=read-after-unmap", "(read, not present)", "in the area for mappings on demand"),
        ("app=area area=write-read-only", "(write, present)", "in the area for mappings on demand"),
        ("app=stack stack=guard", "(read, not present)", "in the guard page of a stack"),
        ("app=fault fault=text", "(write, present)", "in text"),
        ("app=fault fault=rodata", "(write, present)", "in rodata"),
    ];
    for (command_line, how, place) in cases {
        let ended = boot(&[], command_line).with(3);
        let line = ended.stdout.lines().find(|line| line.starts_with("fault: ")).unwrap_or_default();
        assert!(line.contains(how) && line.contains(place), "{command_line}: {line:?} in\n{}", ended.stdout);
    }
}

#[test]
#[ignore = "long"]
fn a_stack_that_runs_over_is_named() {
    let ended = boot(&[], "app=stack").with(0);
    assert!(ended.stdout.contains("hello from a stack of its own: true"), "{}", ended.stdout);
    assert!(ended.stdout.contains("gone: true"), "{}", ended.stdout);
    let [mib, hypercalls] = numbers(&ended.stdout, "a stack of 8 MiB: ")[..] else { panic!("{}", ended.stdout) };
    assert!(
        mib == 8 && hypercalls <= 3 * mib / 2 && ended.stdout.contains("hypercalls, there: true"),
        "{}",
        ended.stdout
    );
    let said = boot(&[], "app=stack stack=overflow").with(3).stderr;
    assert!(said.contains("overflow of the stack of the demonstration in memory::demo::stack::recurse"), "{said}");
    let errors = boot(&[], "app=stack stack=errors").with(0).stdout;
    assert!(errors.contains("a stack of 0 bytes: Some(Area(Empty))"), "{errors}");
    assert_eq!(errors.matches("NoAddresses").count(), 2, "{errors}");
}

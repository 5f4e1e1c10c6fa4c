//! Stage 3 on a real Xen: exceptions, events, time, input; and dom0's word on what the guest costs.
//!
//! The tests share the machine of `machine`, one at a time, and the stage's image, which is built once.

use crate::common::{boot, holds};
use crate::dom0;
use crate::machine::Ready;
use harness::machine::Reason;
use std::time::Duration;

fn ready() -> Ready {
    Ready::with("events")
}

/// The first number behind `before`.
#[track_caller]
fn number(text: &str, before: &str) -> u64 {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{before:?} in\n{text}")).1;
    let digits: String = rest.chars().skip_while(|c| *c == ' ').take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number behind {before:?} in\n{text}"))
}

#[test]
#[ignore = "long"]
fn every_exception_has_one_report() {
    let machine = ready();
    let cases = [
        ("fault fault=divide", "divide error (vector 0) error 0x0", "divide_by_zero"),
        ("exception exception=debug", "debug (vector 1)", "single_step"),
        ("fault fault=breakpoint", "breakpoint (vector 3)", "breakpoint"),
        ("fault fault=opcode", "invalid opcode (vector 6)", "invalid_opcode"),
        ("exception exception=device", "device not available (vector 7)", "device_not_available"),
        ("fault fault=privileged", "general protection (vector 13)", "disable_interrupts"),
        ("exception exception=x87", "x87 floating point (vector 16)", "x87_error"),
        ("fault fault=null", "(write, not present) cr2 0x10 in the null page", "write_to"),
        ("fault fault=text", "(write, present) cr2 0x", "in text"),
        ("fault fault=rodata", "(write, present) cr2 0x", "in rodata"),
        ("exception exception=guard", "(write, not present) cr2 0x", "in the guard page of the boot stack"),
        ("exception exception=heap", "(execute, present) cr2 0x", "in the heap"),
        ("exception exception=unmapped", "cr2 0x400000000000 in unmapped memory", "write_to"),
        ("exception exception=interrupt", "cr2 0x10 in the null page", "entry_common"),
    ];
    for (command_line, first, second) in cases {
        let mut domain = machine.start(&format!("app={command_line}"));
        let ended = domain.listen(machine.within(60.0), |_| false).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(ended, Some(&Reason::Crash), "{command_line}");
        let text = domain.text();
        let reports: Vec<&str> = text.lines().filter(|line| line.starts_with("fault: ")).collect();
        assert_eq!(reports.len(), 1, "{command_line}:\n{text}");
        assert!(reports[0].contains(first) && text.contains(second), "{command_line}:\n{text}");
        assert!(text.contains("\n  cpu 0  rip 0x") && text.contains("\n  #0 0x"), "{command_line}:\n{text}");
    }
}

#[test]
fn a_stack_that_runs_over_is_named() {
    let ended = boot("stage3", &[], "app=fault fault=stack").with(3);
    assert!(ended.stderr.contains("Xen crashed the domain: overflow of the boot stack in "), "{}", ended.stderr);
}

#[test]
fn exceptions_that_are_taken_care_of_cost_nothing() {
    let text = ready().said("app=probe");
    holds(
        &text,
        &[
            "a variable: 0x57415244",
            "the null page: can't be read",
            "nowhere: can't be read",
            "1000 invalid instructions left out",
        ],
    );
}

#[test]
fn every_port_delivers_each_event_once() {
    let text = ready().said("app=ports count=50");
    holds(&text, &["one to each: 4092 sent, 4092 came once", "the largest port is 4095 of 4095"]);
    for port in [31, 32, 63, 64, 1023, 1024, 4094, 4095] {
        holds(&text, &[&format!("port {port}: 50 of 50 came, 0 refused")]);
    }
    assert!(text.contains("asked for 5000 ports, got 4092: all event channel ports are in use"), "{text}");
    assert!(text.contains("closed them all; the next one is port "), "{text}");
}

#[test]
fn events_sent_are_events_delivered() {
    let text = ready().said("app=loopback count=10000");
    assert!(text.contains("10000 events sent, 10000 came, "), "{text}");
    holds(&text, &["1000 times two events while masked: 1000 came"]);
}

#[test]
#[ignore = "long"]
fn nothing_wakes_an_idle_guest_and_dom0_sees_no_time_spent() {
    let machine = ready();
    let mut domain = machine.start("app=idle seconds=14");
    machine.wait_for(&mut domain, "idle for 14 s");
    std::thread::sleep(Duration::from_millis(800));
    let before = dom0::tenths_of_seconds(&machine, domain.name());
    let percent = dom0::percent(&machine, domain.name(), 10);
    // xl counts in tenths of a second: less than one of them in ten seconds is less than 1 %.
    assert_eq!(dom0::tenths_of_seconds(&machine, domain.name()), before, "time spent while idle");
    assert!(percent < 1., "xentop: {percent} %");
    domain.power_off(machine.within(60.0)).unwrap_or_else(|error| panic!("{error}"));
    holds(&domain.text(), &["woken 1 times, by the end of the sleep among others"]);
}

/// Each event comes when the upcall before it has nothing left to do but to return.
#[test]
fn a_storm_of_events_does_not_pile_up_on_the_stack() {
    let text = ready().said("app=storm count=20000");
    holds(&text, &["20000 upcalls, each ending with an event"]);
    assert!(number(&text, "deepest ") < 4096, "{text}");
}

/// Xen loads segment registers when a vCPU comes to another processor.
#[test]
fn a_segment_register_that_cannot_be_loaded_is_reported() {
    let machine = ready();
    let mut domain = machine.start("app=exception exception=segment");
    machine.wait_for(&mut domain, "the segment of ds is gone: Ok(0)");
    for processor in ["0", "1"] {
        // It may have happened already, and the guest be gone.
        let _ = machine.agent().exec(&["xl", "vcpu-pin", domain.name(), "0", processor], b"");
    }
    let ended = domain.listen(machine.within(60.0), |_| false).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ended, Some(&Reason::Crash));
    let text = domain.text();
    assert!(text.contains("Xen could not load a segment register of the code at 0xffffffff8"), "{text}");
    assert!(text.contains(" events::demo::segment::wait+0x"), "{text}");
}

#[test]
#[ignore = "long"]
fn sleeps_and_timers_are_never_early() {
    let machine = ready();
    let text = machine.said("app=ticks count=20");
    for span in [1, 10, 100] {
        assert_eq!(number(&text, &format!("20 sleeps of {span} ms: ")), 0, "{text}");
        let line = text.lines().find(|line| line.starts_with(&format!("20 sleeps of {span} ms: "))).unwrap();
        let latest: u64 = number(line, " to ");
        assert!(latest < 1_000_000, "{line}");
    }
    let text = machine.said("app=timers count=1000");
    holds(&text, &["1000 timers, 666 not cancelled: 666 fired, 0 early, 0 out of order", "0 cancelled ones fired"]);
    for past in ["0", "a millisecond ago"] {
        assert!(number(&text, &format!("a timer for {past} fired after")) < 1_000_000, "{text}");
    }
}

#[test]
#[ignore = "long"]
fn interruptions_keep_all_registers() {
    let machine = ready();
    let text = machine.said("app=registers seconds=1");
    assert!(text.contains("values lost in 0\n"), "{text}");
    // The same with what `fxsave` keeps: so this test does notice.
    let text = machine.said("app=registers seconds=1 save=legacy");
    assert!(number(&text, "values lost in ") > 10, "{text}");
}

#[test]
#[ignore = "long"]
fn the_clock_goes_forward_and_knows_the_day() {
    let machine = ready();
    let before = dom0::date(&machine);
    let text = machine.said("app=time color=on");
    let (wall, after) = (number(&text, "wall: "), dom0::date(&machine));
    assert!((before - 1..=after + 1).contains(&wall), "dom0: {before} to {after}\n{text}");
    assert!(text.contains(" readings, 0 backward\n"), "{text}");
    let stamped = |word: &str| text.lines().any(|line| line.starts_with("[ ") && line.contains(word));
    assert!(stamped(" cpu 0] \u{1b}[32minfo\u{1b}[0m: "), "{text}");
    assert!(stamped(" cpu 0] \u{1b}[33mwarning\u{1b}[0m: "), "{text}");
}

#[test]
fn lines_can_be_edited_while_they_are_typed() {
    let machine = ready();
    let mut domain = machine.start("app=echo");
    machine.wait_for(&mut domain, "quit or reboot to end");
    let typed = [
        ("helo\x7flo\r", "echo: hello\n"),
        ("one two\x17three\r", "echo: one three\n"),
        ("nothing of this\x15all\r", "echo: all\n"),
        ("given up\x03kept\r", "echo: kept\n"),
        ("a\x1b[Db\u{fc}\x7fc\r", "echo: abc\n"),
    ];
    for (keys, line) in typed {
        domain.type_in(keys.as_bytes()).unwrap();
        machine.wait_for(&mut domain, line);
    }
    domain.type_in(b"quit\r").unwrap();
    domain.power_off(machine.within(60.0)).unwrap_or_else(|error| panic!("{error}"));
    assert!(domain.text().contains("given up^C\n"), "{}", domain.text());
}

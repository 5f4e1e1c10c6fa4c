//! Stage 4's reference on a real Xen: vCPUs that come and go, threads that share them, and what happens to those who
//! misuse them. The machine may have two processors for 64 vCPUs, and others at work: times here are generous.

use crate::common::{self, Ended, holds, numbers};
use crate::dom0;
use crate::machine::Ready;
use std::time::Duration;

fn boot(vcpus: &str, command_line: &str) -> Ended {
    common::boot("stage4", &["--memory", "64", "--vcpus", vcpus], command_line)
}

#[track_caller]
fn assert_said(ended: &Ended, all: &[&str]) {
    for said in all {
        assert!(ended.stdout.contains(said), "{said:?} in\n{}", ended.stdout);
    }
}

#[test]
#[ignore = "long"]
fn all_vcpus_come_up() {
    for vcpus in [1, 2, 16, 33, 64] {
        let ended = boot(&vcpus.to_string(), "app=hello").with(0);
        let up = ended.stdout.lines().filter(|line| line.starts_with("cpu ") && line.ends_with(" up")).count();
        assert_eq!(up, vcpus, "{}", ended.stdout);
        assert_said(&ended, &[&format!("cpu {} up", vcpus - 1), "Hello from a guest of Xen!"]);
    }
}

#[test]
#[ignore = "long"]
fn two_busy_threads_share_one_vcpu_in_slices_of_20_ms() {
    let console = boot("1", "app=slices ms=6000").with(0).stdout;
    let [one, other] = numbers(&console, "run times in us: ")[..] else { panic!("{console}") };
    // Each within a tenth of its half. It is time that is shared; how much gets done in it is up to the machine.
    assert!(one.min(other) * 20 >= (one + other) * 9, "{console}");
    assert!(console.contains("a slice is 20 ms\r"), "{console}");
    let [_, each] = numbers(&console, "turns: ")[..] else { panic!("{console}") };
    assert!((19_000..60_000).contains(&each), "{console}");
}

#[test]
#[ignore = "long"]
fn priorities_order_and_nobody_starves() {
    let console = boot("1", "app=priorities ms=4000").with(0).stdout;
    let [low, middle, high] = [3, 7, 11].map(|priority| numbers(&console, &format!("priority {priority}: "))[1]);
    // A level that is passed over 32 times has its turn: about 1 in 34 each.
    let all = low + middle + high;
    assert!(high * 10 > all * 8, "{console}");
    assert!([low, middle].iter().all(|time| (all / 100..all / 10).contains(time)), "{console}");
}

#[test]
#[ignore = "long"]
fn busy_threads_spread_over_the_vcpus() {
    let ended = boot("4", "app=smp ms=2000").with(0);
    for cpu in 0..4 {
        let [_, percent, switches] = numbers(&ended.stdout, &format!("cpu {cpu}: "))[..] else {
            panic!("{}", ended.stdout)
        };
        assert!(percent >= 50 && switches > 0, "{}", ended.stdout);
        // What is pinned stays where it is.
        assert_said(&ended, &[&format!("pinned to cpu {cpu}: seen on [{cpu}]\r")]);
    }
    let [least, _] = numbers(&ended.stdout, "turns:")[..] else { panic!("{}", ended.stdout) };
    assert!(least > 0, "{}", ended.stdout);
    assert_said(&ended, &["there and back by interrupt: "]);
}

/// dom0's word on it: all vCPUs work, one stops, and works again.
#[test]
#[ignore = "long"]
fn dom0_sees_busy_vcpus_and_one_that_is_off_meanwhile() {
    let machine = Ready::with("threads");
    let mut domain = machine.start("app=away");
    // The test host has two processors, of which dom0 needs some.
    for (words, off) in [("all busy", false), ("one away", true), ("all back", false)] {
        machine.wait_for(&mut domain, words);
        std::thread::sleep(Duration::from_millis(500)); // for a vCPU that was just told to come or go
        let before = dom0::vcpus(&machine, domain.name());
        std::thread::sleep(Duration::from_secs(3));
        let after = dom0::vcpus(&machine, domain.name());
        assert_eq!((before.len(), after.len()), (4, 4));
        let tenths: Vec<u64> = before.iter().zip(&after).map(|(before, after)| after.tenths - before.tenths).collect();
        assert!(before[3].is_off() == off && after[3].is_off() == off, "{words}");
        assert!(tenths[..3].iter().all(|spent| *spent >= 3), "{words}: {tenths:?} tenths of a second");
        assert!(if off { tenths[3] == 0 } else { tenths[3] >= 3 }, "{words}: {tenths:?} tenths of a second");
        assert!(tenths.iter().sum::<u64>() >= 35, "{words}: {tenths:?} tenths of a second");
        domain.type_in(b"\r").unwrap();
    }
    domain.power_off(machine.within(60.0)).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
#[ignore = "long"]
fn four_idle_vcpus_cost_nothing() {
    let machine = Ready::with("threads");
    let mut domain = machine.start("app=hang");
    machine.wait_for(&mut domain, "hanging");
    std::thread::sleep(Duration::from_millis(800));
    let before = dom0::tenths_of_seconds(&machine, domain.name());
    let percent = dom0::percent(&machine, domain.name(), 10);
    let after = dom0::vcpus(&machine, domain.name());
    assert!(percent < 1., "xentop: {percent} %");
    assert_eq!(after.iter().map(|vcpu| vcpu.tenths).sum::<u64>(), before, "tenths of a second");
    assert!(after.iter().all(|vcpu| vcpu.state.contains('b')), "all of them sleep");
}

#[test]
#[ignore = "long"]
fn one_clock_goes_forward_on_all_vcpus_and_is_dom0s() {
    let machine = Ready::with("threads");
    let before = dom0::date(&machine);
    let text = machine.said("app=clock ms=1000");
    let after = dom0::date(&machine);
    let [threads, vcpus, slowest] = numbers(&text, "8 threads on ")[..] else { panic!("{text}") };
    assert!(threads == 8 && vcpus == 4 && slowest > 0, "{text}");
    let [backward, readings] = numbers(&text, "backward: ")[..] else { panic!("{text}") };
    assert!(backward == 0 && readings > 1000, "{text}");
    let wall = numbers(&text, "wall: ")[0];
    assert!((before - 1..=after + 1).contains(&wall), "dom0: {before} to {after}\n{text}");
}

#[test]
#[ignore = "long"]
fn waiting_costs_nothing_and_ends_in_time_and_nothing_is_lost() {
    for (vcpus, command_line) in [("4", "app=sync count=100"), ("2", "app=sync count=100 heap=watch debug=locks")] {
        let console = boot(vcpus, command_line).with(0).stdout;
        let waits = ["mutex", "raw mutex", "reading", "writing", "semaphore", "completion", "barrier"];
        for what in waits {
            let [micros] = numbers(&console, &format!("a fifth of a second for the {what}: "))[..] else {
                panic!("{console}")
            };
            assert!(micros < 5000, "{what}: {console}");
        }
        for what in waits.iter().take(6).chain(&["condition"]) {
            let line = numbers(&console, &format!("deadline of the {what}: "));
            let [in_vain, of, early, latest] = line[..] else { panic!("{console}") };
            assert!((in_vain, of, early) == (10, 10, 0) && latest < 1_000_000, "{what}: {console}");
        }
        let threads: u64 = 2 * vcpus.parse::<u64>().unwrap();
        let written =
            (0..threads).map(|number| (0..100).filter(|round| (number + round) % 4 == 0).count()).sum::<usize>();
        holds(
            &console.replace('\r', ""),
            &[
                &format!("readers and writers: {written} writes, 0 torn"),
                "barrier: 100 rounds ended, 0 times ahead",
                "once: 100 of 100 made, all saw the same",
                "passed on: the difference is 0",
            ],
        );
    }
}

#[test]
fn threads_have_the_stacks_that_they_asked_for() {
    let console = boot("2", "app=stacks").with(0).stdout;
    for asked in [16, 64, 256, 1024, 8192] {
        let [got, used] = numbers(&console, &format!("asked for {asked} KiB: "))[1..] else { panic!("{console}") };
        assert!(got == asked && used + 12 > asked, "{console}");
    }
    assert_eq!(console.matches("as it was left").count(), 5, "{console}");
}

/// Taken on one vCPU, given back on another: with caches, and with a heap that finds mistakes.
#[test]
#[ignore = "long"]
fn blocks_go_from_vcpu_to_vcpu_and_keep_what_they_hold() {
    for watch in ["", " heap=watch"] {
        let console = boot("4", &format!("app=traffic count=20000 seed=11{watch}")).with(0).stdout;
        let [steps, vcpus, _, handed_on] = numbers(&console, "80000 steps on ")[..] else { panic!("{console}") };
        assert!((steps, vcpus) == (80_000, 4) && handed_on > 1000, "{console}");
        assert!(console.contains("0 blocks wrong, 0 refused"), "{console}");
        let [allocations, frees] = numbers(&console, "allocations")[..] else { panic!("{console}") };
        assert!(allocations == frees && allocations > 20_000, "{console}");
        assert!(console.contains("in use before and after: 0 bytes more"), "{console}");
    }
}

#[test]
#[ignore = "long"]
fn threads_that_are_interrupted_keep_their_registers_and_their_fs() {
    let ended = boot("2", "app=own ms=2000").with(0);
    let [threads, switches, rounds] = numbers(&ended.stdout, "6 threads, ")[..] else { panic!("{}", ended.stdout) };
    assert!(threads == 6 && switches > 100 && rounds > 100, "{}", ended.stdout);
    assert_eq!(numbers(&ended.stdout, "registers lost: "), [0, 0], "{}", ended.stdout);
}

#[test]
fn threads_that_end_leave_nothing_behind() {
    let ended = boot("4", "app=spawn count=1000").with(0);
    assert_said(&ended, &["1000 threads made and joined", "sum 499500, expected 499500", "lost: 0 bytes"]);
}

#[test]
fn sleeping_tasks_cost_nothing_and_wake() {
    let ended = boot("4", "app=tasks count=1000").with(0);
    let [used, span] = numbers(&ended.stdout, "asleep:")[..] else { panic!("{}", ended.stdout) };
    // A thread of a thousand that woke now and then would take more than that, and so would one that spins.
    assert!(span >= 400 && used < 20_000, "{}", ended.stdout);
    assert_said(&ended, &["sum 499500", "through the channel: 19900", "first of two: the shorter"]);
}

/// With a heap that finds out who uses what is freed: threads and timers of the vCPU that goes are used by others.
#[test]
#[ignore = "long"]
fn a_vcpu_is_switched_off_and_on_under_load() {
    for (vcpus, last) in [("4", 3), ("2", 1)] {
        let ended = boot(vcpus, "app=online count=20 heap=watch debug=locks").with(0);
        let on = |count| (0..count).map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(", ");
        for said in [
            "cpu 0 off: Err(First)".to_owned(),
            format!("cpu {} off: Err(Unknown)", last + 1),
            format!("cpu {last} down"),
            format!("cpu {last} off: Ok(())"),
            format!("on: [{}]\r", on(last)),
            "the sleeper woke: true".to_owned(),
            format!("cpu {last} on: Ok(())"),
            format!("on: [{}]\r", on(last + 1)),
        ] {
            assert_said(&ended, &[&said]);
        }
        assert_eq!(ended.stdout.matches("a busy one ended on cpu").count(), 2, "{}", ended.stdout);
        assert_said(&ended, &["two busy threads there: both run", "; it saw page 1, then page 2\r"]);
        assert_said(&ended, &["off and on 20 of 20 times; everybody slept and woke"]);
    }
}

/// Xen gives the number of a port that was closed to the next who asks.
#[test]
fn ports_of_threads_on_all_vcpus_are_not_mixed_up() {
    let ended = boot("4", "app=reopen count=2000").with(0);
    assert_said(&ended, &["8000 pairs of ports, 24000 events", "lost 0, too many 0, refused 0"]);
}

#[test]
fn the_list_tells_what_threads_do() {
    let ended = boot("2", "app=threads debug=locks").with(0);
    for name in ["main", "idle 0", "idle 1", "worker 0", "worker 2", "waiter"] {
        assert!(ended.stdout.lines().any(|line| line.contains(&format!(" {name} "))), "{name} in\n{}", ended.stdout);
    }
    assert_said(&ended, &["waiter          waiting", "worker 2 ended", "counted something"]);
    // The log names them, too.
    for name in ["worker 0", "worker 2"] {
        let logged = |line: &str| line.starts_with("[ ") && line.ends_with(&format!(" {name}] info: counting"));
        assert!(ended.stdout.lines().any(logged), "{name} in\n{}", ended.stdout);
    }
}

#[test]
#[ignore = "long"]
fn what_is_impossible_is_refused_and_survived() {
    assert_said(
        &boot("2", "app=misuse misuse=stack").with(0),
        &["stack of 0x0: a stack of 0 bytes is too small", "stack of 0x1: the thread left 7", "survived"],
    );
    let memory = boot("2", "app=misuse misuse=memory").with(0);
    assert_said(
        &memory,
        &["after some threads: no stack for the thread: ", "a thread ate all memory and ended", "survived"],
    );
    let joined =
        ["joined when finished: 42", "dropped without joining", "100 results that nobody wanted are gone", "survived"];
    assert_said(&boot("2", "app=misuse misuse=join").with(0), &joined);
    let locks = [
        "locked: Ok(())",
        "locked again: Err(Deadlock)",
        "unlocked by another: thread 1 has the mutex",
        "waited for: Err(TimedOut)",
        "unlocked: Ok(())",
        "unlocked again: Err(NotOwner(0))",
        "survived",
    ];
    assert_said(&boot("2", "app=misuse misuse=locks").with(0), &locks);
}

#[test]
#[ignore = "long"]
fn what_is_a_mistake_is_named_with_the_thread() {
    let cases = [
        ("order", "lock order: the lock made at "),
        ("order-shared", "lock order: the lock made at "),
        ("order-raw", "lock order: the lock made at "),
        ("masked", "thread 1 (main) waits while events are masked"),
        ("handler", "waits in the handler of an event"),
        ("handler-mutex", "waits in the handler of an event"),
        ("handler-shared", "waits in the handler of an event"),
        ("handler-raw", "waits in the handler of an event"),
        ("twice", "waits for a lock of u16, which it holds"),
        ("panic", "a thread panics"),
    ];
    for (kind, said) in cases {
        let ended = boot("2", &format!("app=misuse misuse={kind}")).with(3);
        assert_eq!(ended.stdout.matches("panic at ").count(), 1, "{}", ended.stdout);
        assert_said(&ended, &[said, "  thread "]);
    }
    assert_said(&boot("2", "app=misuse misuse=panic"), &["(unlucky)"]);
}

#[test]
fn a_stack_that_runs_over_is_named_with_its_thread() {
    let ended = boot("2", "app=misuse misuse=overflow").with(3);
    let said =
        ended.stderr.lines().find(|line| line.starts_with("Xen crashed the domain: overflow of the stack of thread "));
    let said = said.unwrap_or_else(|| panic!("{}", ended.stderr));
    assert!(said.contains(" (deep) in threads::demo::misuse::overflow"), "{said}");
    // And who called the function that calls itself.
    assert!(ended.stderr.contains(" threads::thread::spawn::begin at "), "{}", ended.stderr);
}

/// While others print without a pause, and the first thread comes to its end.
#[test]
fn a_report_stops_all_others_and_is_the_end() {
    let ended = boot("4", "app=misuse misuse=storm").with(3);
    let (_, report) = ended.stdout.split_once("panic at ").unwrap_or_else(|| panic!("{}", ended.stdout));
    let (first, rest) = report.split_once("\r\n").unwrap();
    assert!(first.ends_with(": a thread panics in a storm"), "{}", ended.stdout);
    let others: Vec<_> = rest.lines().filter(|line| !line.starts_with("  ")).collect();
    assert!(others.is_empty() && rest.contains("  #2 0x"), "{others:?} in\n{}", ended.stdout);
    assert!(ended.stderr.contains("the guest ended: crash"), "{}", ended.stderr);
}

/// A fault on another vCPU than the first: by itself, and while it holds the console.
#[test]
fn a_fault_is_reported_with_its_vcpu_and_thread() {
    for kind in ["fault", "held"] {
        let ended = boot("2", &format!("app=misuse misuse={kind}")).with(3);
        assert_eq!(ended.stdout.matches("fault: page fault (vector 14)").count(), 1, "{}", ended.stdout);
        assert_said(
            &ended,
            &["cr2 0x10 in the null page", "(faulty)\r\n  cpu 1  rip 0x", "console::demo::fault::write_to"],
        );
    }
}

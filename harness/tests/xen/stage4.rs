//! Stage 4's reference on a real Xen: vCPUs that come and go, threads that share them, and what happens to those who
//! misuse them. The machine may have two processors for 64 vCPUs, and others at work: times here are generous.

use crate::common::{self, Ended, numbers};

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
fn all_vcpus_come_up() {
    for vcpus in [1, 2, 16, 33, 64] {
        let ended = boot(&vcpus.to_string(), "app=hello").with(0);
        let up = ended.stdout.lines().filter(|line| line.starts_with("cpu ") && line.ends_with(" up")).count();
        assert_eq!(up, vcpus, "{}", ended.stdout);
        assert_said(&ended, &[&format!("cpu {} up", vcpus - 1), "Hello from a guest of Xen!"]);
    }
}

#[test]
fn two_busy_threads_share_one_vcpu() {
    let ended = boot("1", "app=smp ms=2000").with(0);
    let [least, most] = numbers(&ended.stdout, "turns:")[..] else { panic!("{}", ended.stdout) };
    assert!(least * 10 >= most * 6, "{least} and {most} in\n{}", ended.stdout);
}

#[test]
fn busy_threads_spread_over_the_vcpus() {
    let ended = boot("4", "app=smp ms=2000").with(0);
    for cpu in 0..4 {
        let [_, percent, switches] = numbers(&ended.stdout, &format!("cpu {cpu}: "))[..] else {
            panic!("{}", ended.stdout)
        };
        assert!(percent >= 50 && switches > 0, "{}", ended.stdout);
    }
    let [least, _] = numbers(&ended.stdout, "turns:")[..] else { panic!("{}", ended.stdout) };
    assert!(least > 0, "{}", ended.stdout);
    assert_said(&ended, &["there and back by interrupt: "]);
}

#[test]
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
    assert!(used <= span * 1000 / 20, "{}", ended.stdout);
    assert_said(&ended, &["sum 499500", "through the channel: 19900", "first of two: the shorter"]);
}

#[test]
fn a_vcpu_is_switched_off_and_on_under_load() {
    let ended = boot("4", "app=online").with(0);
    let all =
        ["cpu 0 off: Err(First)", "cpu 4 off: Err(Unknown)", "cpu 3 down", "cpu 3 off: Ok(())", "on: [0, 1, 2]\r"];
    assert_said(&ended, &all);
    assert_said(
        &ended,
        &["the sleeper woke: true", "cpu 3 on: Ok(())", "on: [0, 1, 2, 3]\r", "the busy one ended on cpu"],
    );
}

#[test]
fn the_list_tells_what_threads_do() {
    let ended = boot("2", "app=threads debug=locks").with(0);
    for name in ["main", "idle 0", "idle 1", "worker 0", "worker 2", "waiter"] {
        assert!(ended.stdout.lines().any(|line| line.contains(&format!(" {name} "))), "{name} in\n{}", ended.stdout);
    }
    assert_said(&ended, &["waiter          waiting", "worker 2 ended", "counted something"]);
}

#[test]
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
    let joined = ["joined when finished: 42", "dropped without joining", "survived"];
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
fn what_is_a_mistake_is_named_with_the_thread() {
    let cases = [
        ("order", "lock order: the mutex made at "),
        ("masked", "thread 1 (main) waits while events are masked"),
        ("handler", "waits in the handler of an event"),
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
fn a_stack_that_runs_over_is_known_by_its_guard_page() {
    let ended = boot("2", "app=misuse misuse=overflow").with(3);
    let all = ended.stdout.clone() + &ended.stderr;
    assert!(all.contains("threads::demo::misuse::overflow"), "{all}");
}

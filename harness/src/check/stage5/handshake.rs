//! Exercise 5d: what a frontend has to do, and when.

use crate::check::expect::{Row, hex};
use fastrand::Rng;

/// What a frontend does that connects in two steps: a row for each state of the backend, a letter for each of its own.
const TABLE: [&str; 9] = [
    "rwrrrrwrr", // Unknown
    "rwrrrrsrr", // Initialising
    "rprwrrsrr", // InitWait
    "wwwwwwwww", // Initialised
    "wrwccwwww", // Connected
    "rrrrrrwrr", // Closing
    "rwrrrrwrr", // Closed
    "wwwwuwwww", // Reconfiguring
    "wwwwwwwmw", // Reconfigured
];

/// The action's letter, and the state afterwards.
fn step(backend: usize, own: usize, two_steps: bool) -> (char, usize) {
    let row = if backend == 2 && !two_steps { "rprrwrsrr" } else { TABLE[backend] };
    let action = row.as_bytes()[own] as char;
    let state = match action {
        'p' if two_steps => 3,
        'p' | 'c' | 'm' => 4,
        'u' => 7,
        'r' => 6,
        's' => 1,
        _ => own,
    };
    (action, state)
}

pub fn table(rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    for (style, two_steps) in [("two", true), ("one", false)] {
        let mut pairs: [(usize, usize); 81] = std::array::from_fn(|at| (at / 9, at % 9));
        rng.shuffle(&mut pairs);
        for (group, pairs) in pairs.chunks(9).enumerate() {
            let named: Vec<String> = pairs.iter().map(|(backend, own)| format!("{backend}/{own}")).collect();
            let steps: Vec<String> = pairs
                .iter()
                .map(|(backend, own)| {
                    let (action, state) = step(*backend, *own, two_steps);
                    format!("{action}{state}")
                })
                .collect();
            let what = format!("in {style} step(s), the backend's and own states {}", named.join(" "));
            rows.push(Row::new(what).is("style", style).is("group", group).is("steps", steps.join(",")));
        }
    }
    rows
}

fn row(what: &str, case: &str, state: u8, calls: impl ToString) -> Row {
    Row::new(format!("the calls: {what}")).is("case", case).is("state", state).is("calls", calls)
}

pub fn order(rng: &mut Rng) -> Vec<Row> {
    let mut cases = [
        ("waiting", "wait", 7, "-"),
        ("publishing", "publish", 3, "publish,tell3"),
        ("publishing in one step", "publish-at-once", 4, "publish,tell4"),
        ("connecting", "connect", 4, "connect,tell4"),
        ("connecting again", "connect-again", 4, "connect"),
        ("pausing", "pause", 7, "pause,tell7"),
        ("going on", "resume", 4, "resume,tell4"),
        ("releasing", "release", 6, "tell5,release,tell6"),
        ("beginning anew", "restart", 1, "tell1"),
    ];
    rng.shuffle(&mut cases);
    cases.into_iter().map(|(what, case, state, calls)| row(what, case, state, calls)).collect()
}

pub fn failure(rng: &mut Rng) -> Vec<Row> {
    let mut cases = [
        ("publishing fails", "publish", "publish!,complainE,tell5,release,tell6"),
        ("connecting fails", "connect", "connect!,complainE,tell5,release,tell6"),
        ("going on fails", "resume", "resume!,complainE,tell5,release,tell6"),
        ("what was published can't be told", "tell-publish", "publish,tell3!,complainE,tell5,release,tell6"),
        ("a pause can't be told", "tell-pause", "pause,tell7!,complainE,tell5,release,tell6"),
        ("publishing, and nothing can be told", "mute-publish", "publish,tell3!,complainE,tell5!,release,tell6!"),
        ("releasing, and nothing can be told", "mute-release", "tell5!,release,tell6!"),
    ];
    rng.shuffle(&mut cases);
    let row = |(what, case, calls): (&str, &str, &str)| {
        let error = rng.u32(..);
        row(what, case, 6, calls.replace("complainE", &format!("complain{error}")))
    };
    cases.into_iter().map(row).collect()
}

pub fn dom0(rng: &mut Rng) -> Vec<Row> {
    const BACKEND: [usize; 14] = [1, 2, 4, 5, 6, 1, 2, 4, 7, 8, 4, 2, 4, 6];
    let two_steps = rng.bool();
    let ring = rng.u32(..);
    let mut own = 1;
    let mut told = "none".to_owned();
    let mut rows = Vec::new();
    for backend in BACKEND {
        loop {
            let (action, state) = step(backend, own, two_steps);
            if action != 'w' && !(action == 'c' && state == own) {
                told = hex(state.to_string().as_bytes());
            }
            if std::mem::replace(&mut own, state) == state {
                break;
            }
        }
        rows.push(Row::new(format!("dom0's writing state {backend}")).is("ask", "store-write").is("dom0", "done"));
        let what = format!("the frontend's state that dom0 reads, the backend's being {backend}");
        rows.push(Row::new(what).is("ask", "store-read").is("dom0", &told));
    }
    let ring = hex(ring.to_string().as_bytes());
    rows.push(Row::new("what was published, as dom0 reads it").is("ask", "store-read").is("dom0", ring));
    rows
}

//! Checks of exercise 5d: the table, a frontend that notes each call, and a backend that dom0 plays.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use console::bedrock::{Record, Reporter};
use fastrand::Rng;
use xenbus::protocol::StoreError;
use xenbus::state::{self, Action, Frontend, State, Step, Style};
use xenbus::store::Store;

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("5d.table", table);
    reporter.check("5d.order", order);
    reporter.check("5d.failure", failure);
    reporter.check("5d.dom0", dom0);
}

/// All pairs of states, in both styles.
///
/// Draws, for each style, first in two steps, then in one: `rng.shuffle` of the pairs (backend, own), which are in the order of their
/// numbers before, the own state counting faster.
/// Records nine pairs at a time: `style`, `group`, `steps`: for each pair the [`letter`] of the action and the state's number, with
/// commas between.
fn table(rng: &mut Rng, record: &Record) {
    for (name, style) in [("two", Style::InTwoSteps), ("one", Style::InOneStep)] {
        let mut pairs: [(State, State); 81] = core::array::from_fn(|at| (State::ALL[at / 9], State::ALL[at % 9]));
        rng.shuffle(&mut pairs);
        for (group, pairs) in pairs.chunks(9).enumerate() {
            let steps: Vec<String> = pairs
                .iter()
                .map(|(backend, own)| {
                    let step = state::step(*own, *backend, style);
                    format!("{}{}", letter(step.action), step.state.number())
                })
                .collect();
            record.saw(format_args!("style={name} group={group} steps={}", steps.join(",")));
        }
    }
}

fn letter(action: Action) -> char {
    match action {
        Action::Wait => 'w',
        Action::Publish => 'p',
        Action::Connect => 'c',
        Action::Pause => 'u',
        Action::Resume => 'm',
        Action::Release => 'r',
        Action::Restart => 's',
    }
}

/// What is done for each action.
///
/// Draws: `rng.shuffle` of the nine cases in [`CASES`].
/// Records: `case`, `state` (the number that came back), `calls`: see [`NotedFrontend`].
fn order(rng: &mut Rng, record: &Record) {
    let mut cases = CASES;
    rng.shuffle(&mut cases);
    for (case, own, action, state) in cases {
        NotedFrontend::default().run(record, case, own, Step { action, state });
    }
}

const CASES: [(&str, State, Action, State); 9] = [
    ("wait", State::Reconfiguring, Action::Wait, State::Reconfiguring),
    ("publish", State::Initialising, Action::Publish, State::Initialised),
    ("publish-at-once", State::Initialising, Action::Publish, State::Connected),
    ("connect", State::Initialised, Action::Connect, State::Connected),
    ("connect-again", State::Connected, Action::Connect, State::Connected),
    ("pause", State::Connected, Action::Pause, State::Reconfiguring),
    ("resume", State::Reconfiguring, Action::Resume, State::Connected),
    ("release", State::Connected, Action::Release, State::Closed),
    ("restart", State::Closed, Action::Restart, State::Initialising),
];

/// What is done when something fails.
///
/// Draws: `rng.shuffle` of seven cases; then for each `error = rng.u32(..)`.
/// Cases: `publish`, `connect`, `resume`: the action fails; `tell-publish`, `tell-pause`: telling the new state does; `mute-publish`,
/// `mute-release`: nothing can be told.
/// Records as in [`order`].
fn failure(rng: &mut Rng, record: &Record) {
    let mut cases: [(&str, usize, &str, bool); 7] = [
        ("publish", 1, "publish", false),
        ("connect", 3, "connect", false),
        ("resume", 6, "resume", false),
        ("tell-publish", 1, "tell3", false),
        ("tell-pause", 5, "tell7", false),
        ("mute-publish", 1, "", true),
        ("mute-release", 7, "", true),
    ];
    rng.shuffle(&mut cases);
    for (case, at, fails, mute) in cases {
        let error = rng.u32(..);
        let (_, own, action, state) = CASES[at];
        NotedFrontend { fails, mute, error, calls: Vec::new() }.run(record, case, own, Step { action, state });
    }
}

/// A frontend that notes what is called, in order: `publish`, `connect`, `pause`, `resume`, `release`, `tellN` for the state of
/// number N, `complainE` for the error E. A call that failed has `!` behind it.
#[derive(Default)]
struct NotedFrontend {
    /// The call that fails.
    fails: &'static str,
    /// All that is told fails.
    mute: bool,
    error: u32,
    calls: Vec<String>,
}

impl NotedFrontend {
    fn run(mut self, record: &Record, case: &str, own: State, step: Step) {
        let state = state::perform(&mut self, own, step).number();
        let calls = if self.calls.is_empty() { "-".into() } else { self.calls.join(",") };
        record.saw(format_args!("case={case} state={state} calls={calls}"));
    }

    fn call(&mut self, call: &str) -> Result<(), u32> {
        let fails = call == self.fails || (self.mute && call.starts_with("tell"));
        self.calls.push(format!("{call}{}", if fails { "!" } else { "" }));
        if fails { Err(self.error) } else { Ok(()) }
    }
}

impl Frontend for NotedFrontend {
    type Error = u32;

    fn publish(&mut self) -> Result<(), u32> {
        self.call("publish")
    }

    fn connect(&mut self) -> Result<(), u32> {
        self.call("connect")
    }

    fn pause(&mut self) {
        let _ = self.call("pause");
    }

    fn resume(&mut self) -> Result<(), u32> {
        self.call("resume")
    }

    fn release(&mut self) {
        let _ = self.call("release");
    }

    fn tell(&mut self, state: State) -> Result<(), u32> {
        self.call(&format!("tell{}", state.number()))
    }

    fn complain(&mut self, error: u32) {
        let _ = self.call(&format!("complain{error}"));
    }
}

/// A backend that dom0 plays, in the real xenstore.
///
/// Draws: `style`, in two steps if `rng.bool()`; `ring = rng.u32(..)`, what is published.
/// The frontend's folder is `data/front`, the backend's `data/back`. It begins at Initialising. For each state in [`BACKEND`] dom0 is
/// asked to write it (`store-write` of `data/back/state`); the guest then reads it and takes steps until it stays in its
/// state; dom0 is asked for `data/front/state` (`store-read`), and in the end for `data/front/ring-ref`.
fn dom0(rng: &mut Rng, record: &Record) {
    let style = if rng.bool() { Style::InTwoSteps } else { Style::InOneStep };
    let ring = rng.u32(..);
    let mut frontend = StoreFrontend { ring, published: false };
    let mut own = State::Initialising;
    for backend in BACKEND {
        let value = format!("{backend}");
        record.ask(format_args!(
            "ask=store-write path=data/back/state value={}",
            console::bedrock::Hex(value.as_bytes())
        ));
        let seen = State::parse(&Store::shared().read("data/back/state").unwrap_or_default());
        // More steps than any way through the table has would be a circle.
        for _ in 0..4 {
            let step = state::step(own, seen, style);
            let after = state::perform(&mut frontend, own, step);
            if core::mem::replace(&mut own, after) == after {
                break;
            }
        }
        record.ask(format_args!("ask=store-read path=data/front/state"));
    }
    record.ask(format_args!("ask=store-read path=data/front/ring-ref"));
}

/// The states that dom0 writes: coming, there, detached; again, with a rest; begun anew without a word.
const BACKEND: [u8; 14] = [1, 2, 4, 5, 6, 1, 2, 4, 7, 8, 4, 2, 4, 6];

/// A frontend that has nothing but a number to publish.
struct StoreFrontend {
    ring: u32,
    published: bool,
}

impl Frontend for StoreFrontend {
    type Error = StoreError;

    fn publish(&mut self) -> Result<(), StoreError> {
        self.published = true;
        Ok(())
    }

    fn connect(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn pause(&mut self) {}

    fn resume(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn release(&mut self) {
        self.published = false;
    }

    fn tell(&mut self, state: State) -> Result<(), StoreError> {
        let (ring, published) = (self.ring, self.published);
        Store::shared().transaction(|store| {
            if published {
                store.write("data/front/ring-ref", ring.to_string().as_bytes())?;
            }
            store.write("data/front/state", state.number().to_string().as_bytes())
        })
    }

    fn complain(&mut self, _: StoreError) {}
}

//! One stage under check: boots it, follows its records, and boots it again past whatever stopped it.
//!
//! Invariant: every wait has a deadline, so a session ends whatever the guest does. A guest that stops inside
//! a check is booted again with that check skipped; if it stops again in the same exercise, with all of that
//! exercise skipped. So one mistake does not hide the rest, and two boots an exercise are the most it takes.

use super::records::{Reader, Record};
use super::seal::Key;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Lines of console shown with a check that went wrong.
const CONTEXT: usize = 6;
/// The same for a check that a panic or a fault ended: its report takes up so many.
const REPORT: usize = 32;

/// Something that the guest did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It printed.
    Printed(Vec<u8>),
    /// It ended, for this reason: `poweroff`, `reboot`, `crash`.
    Ended(String),
    /// Nothing, for as long as was waited.
    Nothing,
    /// The test host is gone.
    Lost(String),
}

/// A guest that can be booted, and followed.
pub trait Guest {
    /// Boots it with this command line, ending whatever ran before.
    fn boot(&mut self, command_line: &str) -> crate::error::Result<()>;
    /// The next thing that it does, or [`Happened::Nothing`] after `patience`.
    fn next(&mut self, patience: Duration) -> Happened;
    /// Has dom0 do what a record asks for, and lets the guest go on. Returns what is to be added to the record.
    fn ask_dom0(&mut self, asked: &BTreeMap<String, String>) -> (&'static str, String);
}

/// What a session needs to know beforehand.
pub struct Plan {
    /// The arguments besides the check token.
    pub arguments: String,
    /// Marks the records as the guest's own.
    pub key: Key,
    /// What inputs are drawn from.
    pub seed: u64,
    /// Checks left out from the start.
    pub skip: Vec<String>,
    /// All checks in the order in which the guest runs them.
    pub order: Vec<String>,
    /// Whether the live part behind the checks matters.
    pub live: bool,
    /// How long each check may take.
    pub timeouts: BTreeMap<String, Duration>,
    /// How long booting, the way between two checks, and the live part may take.
    pub patience: Duration,
}

/// How a check went, as far as the guest could tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// What it saw, record by record.
    pub saw: Vec<BTreeMap<String, String>>,
    /// What stopped it; `None` where it ended on its own.
    pub stopped: Option<Stop>,
    /// How long it took.
    pub took: Duration,
    /// The last lines of the console when it ended.
    pub console: Vec<String>,
}

/// Why a check, or the boot around it, did not end on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The exercise is not attempted; where its mark is.
    Todo {
        /// The exercise.
        exercise: String,
        /// `file:line`.
        place: String,
    },
    /// A panic.
    Panic {
        /// `file:line`.
        place: String,
        /// What it said.
        message: String,
    },
    /// An exception: the facts.
    Fault(BTreeMap<String, String>),
    /// The guest ended without a word, for this reason.
    Ended(String),
    /// It took too long.
    Timeout(Duration),
}

/// Everything a session found out.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The checks that began, by id.
    pub checks: BTreeMap<String, Observed>,
    /// Exercises that are not attempted, with the place of their mark.
    pub todo: BTreeMap<String, String>,
    /// The console of the live part: what came after the last check.
    pub live: Vec<String>,
    /// Why the guest ended after the last check: `poweroff` is right.
    pub ended: Option<String>,
    /// What stopped a boot outside of any check.
    pub stopped: Option<Stop>,
    /// The whole console of all boots.
    pub log: Vec<String>,
    /// What went wrong with the test host, which says nothing about the work.
    pub lost: Option<String>,
}

impl Outcome {
    /// Whether a boot ended without a word of the guest's about why: then Xen may know.
    pub fn crashed_silently(&self) -> bool {
        let stops = self.checks.values().map(|observed| &observed.stopped).chain([&self.stopped]);
        stops.flatten().any(|stop| matches!(stop, Stop::Ended(_)))
    }
}

/// Runs a session to its end.
pub fn run(guest: &mut impl Guest, plan: &Plan) -> Outcome {
    let mut outcome = Outcome::default();
    let mut skip = plan.skip.clone();
    for boot in 1.. {
        let mut token = format!("check={}:{}", plan.key.digits(), plan.seed);
        if !skip.is_empty() {
            token += &format!(":skip={}", skip.join(","));
        }
        let line = format!("{token} {}", plan.arguments);
        if let Err(error) = guest.boot(line.trim_end()) {
            outcome.lost = Some(error.to_string());
            return outcome;
        }
        outcome.log.push(format!("--- boot {boot} ---"));
        let Some(stopped) = follow(guest, plan, &mut outcome) else { break };
        let exercise = stopped.split('.').next().unwrap_or(&stopped).to_owned();
        let again = skip.iter().any(|skipped| skipped.starts_with(&format!("{exercise}.")));
        // A guest that stops where it was told not to go will not get further the next time.
        if skip.contains(&stopped) || skip.contains(&exercise) {
            break;
        }
        skip.push(if again { exercise } else { stopped });
        let skipped = |check: &String| {
            skip.contains(check)
                || check.split_once('.').is_some_and(|(exercise, _)| skip.iter().any(|id| id == exercise))
        };
        if !plan.live && plan.order.iter().all(skipped) {
            break;
        }
    }
    outcome
}

/// Follows one boot. Returns what to skip next time, if the guest stopped inside a check.
fn follow(guest: &mut impl Guest, plan: &Plan, outcome: &mut Outcome) -> Option<String> {
    let mut reader = Reader::new(plan.key.clone());
    let mut at = Position { check: None, next: 0, since: Instant::now(), done: false, live_from: 0 };
    let mut stop = None;
    let ended = loop {
        if at.done && !plan.live {
            break None;
        }
        let allowed = at.allowed(plan);
        let Some(left) = allowed.checked_sub(at.since.elapsed()) else {
            stop.get_or_insert(Stop::Timeout(allowed));
            break None;
        };
        match guest.next(left) {
            Happened::Nothing => {}
            Happened::Printed(bytes) => {
                for (mut record, before) in reader.feed(&bytes) {
                    if let Record::Saw(check, facts) = &mut record
                        && at.check.as_ref() == Some(&*check)
                        && facts.contains_key("ask")
                    {
                        let (key, answer) = guest.ask_dom0(facts);
                        facts.insert(key.to_owned(), answer);
                    }
                    take(record, before, plan, &mut at, &mut stop, outcome, &reader);
                }
            }
            Happened::Ended(reason) => {
                if let Some((record, before)) = reader.finish() {
                    take(record, before, plan, &mut at, &mut stop, outcome, &reader);
                }
                break Some(reason);
            }
            Happened::Lost(why) => {
                outcome.lost = Some(why);
                break None;
            }
        }
    };
    let _ = reader.finish();
    outcome.log.append(&mut reader.text.clone());
    if outcome.lost.is_some() {
        return None;
    }
    let stop = stop.or_else(|| (!at.done).then(|| Stop::Ended(ended.clone().unwrap_or_default())));
    if let (Some(check), Some(stop)) = (&at.check, &stop) {
        let observed = outcome.checks.entry(check.clone()).or_default();
        observed.stopped = Some(stop.clone());
        observed.took = at.since.elapsed();
        observed.console = reader.last(REPORT).to_vec();
        if let Stop::Todo { exercise, place } = stop {
            outcome.todo.insert(exercise.clone(), place.clone());
            // A check that came upon another exercise says nothing about that one's checks.
            let own = check.split('.').next() == Some(exercise);
            return Some(if own { exercise } else { check }.clone());
        }
        return Some(check.clone());
    }
    if let Some(Stop::Todo { exercise, place }) = &stop {
        outcome.todo.insert(exercise.clone(), place.clone());
    }
    outcome.live = reader.lines(at.live_from, usize::MAX).to_vec();
    outcome.ended = ended;
    outcome.stopped = stop;
    None
}

/// Where a boot stands.
struct Position {
    check: Option<String>,
    /// The first place of the plan's order that a check may still begin at.
    next: usize,
    since: Instant,
    done: bool,
    live_from: usize,
}

impl Position {
    fn allowed(&self, plan: &Plan) -> Duration {
        self.check.as_ref().and_then(|check| plan.timeouts.get(check)).copied().unwrap_or(plan.patience)
    }

    /// Whether this check may begin now: each once in a boot, in the plan's order, none inside another. An
    /// exercise that has got hold of the key cannot undo what was recorded before it ran.
    fn may_begin(&mut self, check: &str, plan: &Plan) -> bool {
        let place = plan.order.iter().skip(self.next).position(|known| known == check);
        let may = place.filter(|_| self.check.is_none() && !self.done);
        self.next += may.map_or(0, |place| place + 1);
        may.is_some()
    }

    fn now_in(&mut self, check: Option<String>) {
        self.check = check;
        self.since = Instant::now();
    }
}

/// Takes note of a record that came after `before` lines of text.
fn take(
    record: Record,
    before: usize,
    plan: &Plan,
    at: &mut Position,
    stop: &mut Option<Stop>,
    outcome: &mut Outcome,
    reader: &Reader,
) {
    match record {
        Record::Begin(check) => {
            if !at.may_begin(&check, plan) {
                return;
            }
            outcome.checks.insert(check.clone(), Observed::default());
            at.now_in(Some(check));
        }
        Record::Saw(check, facts) => {
            if at.check.as_ref() == Some(&check) {
                outcome.checks.entry(check).or_default().saw.push(facts);
            }
        }
        Record::End(check) => {
            if at.check.as_ref() == Some(&check) {
                let observed = outcome.checks.entry(check).or_default();
                observed.took = at.since.elapsed();
                observed.console = reader.lines(before.saturating_sub(CONTEXT), before).to_vec();
                at.now_in(None);
            }
        }
        Record::Done if at.check.is_some() || at.done => {}
        Record::Done => {
            at.done = true;
            at.live_from = before;
            at.now_in(None);
        }
        Record::Todo { exercise, place } => *stop = Some(Stop::Todo { exercise, place }),
        Record::Panic { place, message } => *stop = Some(Stop::Panic { place, message }),
        Record::Fault(facts) => *stop = Some(Stop::Fault(facts)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::tests::sealed;
    use super::*;
    use crate::error::Result;

    /// A guest that plays prepared boots; `None` in a script is silence for ever.
    struct Scripted {
        boots: Vec<Vec<Happened>>,
        lines: Vec<String>,
    }

    impl Guest for Scripted {
        fn boot(&mut self, command_line: &str) -> Result<()> {
            if !self.lines.is_empty() {
                self.boots.remove(0);
            }
            self.lines.push(command_line.to_owned());
            Ok(())
        }
        fn next(&mut self, patience: Duration) -> Happened {
            if self.boots[0].is_empty() {
                std::thread::sleep(patience);
                return Happened::Nothing;
            }
            self.boots[0].remove(0)
        }
        fn ask_dom0(&mut self, asked: &BTreeMap<String, String>) -> (&'static str, String) {
            ("dom0", asked["ask"].to_uppercase())
        }
    }

    fn play(boots: &[&[&str]]) -> (Outcome, Vec<String>) {
        play_until(boots, true)
    }

    fn play_until(boots: &[&[&str]], live: bool) -> (Outcome, Vec<String>) {
        follow_plan(boots, &plan(live))
    }

    fn plan(live: bool) -> Plan {
        Plan {
            arguments: "log=debug".into(),
            key: Key::default(),
            seed: 7,
            skip: Vec::new(),
            order: ["1a.x", "1a.y", "1a.z", "1b.y"].map(str::to_owned).to_vec(),
            live,
            timeouts: BTreeMap::from([("1a.x".to_owned(), Duration::from_millis(30))]),
            patience: Duration::from_millis(60),
        }
    }

    fn follow_plan(boots: &[&[&str]], plan: &Plan) -> (Outcome, Vec<String>) {
        let mut number = 0;
        let mut line = |line: &str| match line.strip_prefix('~') {
            Some(record) => {
                number += 1;
                sealed(&Key::default(), number, record.trim_end()) + "\n"
            }
            None => line.to_owned(),
        };
        let mut happened = |text: &&str| match text.strip_prefix("end:") {
            Some(reason) => Happened::Ended(reason.to_owned()),
            None => Happened::Printed(text.split_inclusive('\n').map(&mut line).collect::<String>().into_bytes()),
        };
        let boots = boots.iter().map(|boot| boot.iter().map(&mut happened).collect()).collect();
        let mut guest = Scripted { boots, lines: Vec::new() };
        let outcome = run(&mut guest, plan);
        (outcome, guest.lines.iter().map(|line| line.replace(&Key::default().digits(), "00")).collect())
    }

    #[test]
    fn a_whole_run_ends_with_the_live_console() {
        let boot = ["~begin 1a.x\n~saw 1a.x n=3\n~end 1a.x\n~done\n", "banner\nbye\n", "end:poweroff"];
        let (outcome, lines) = play(&[&boot]);
        assert_eq!(lines, ["check=00:7 log=debug"]);
        assert_eq!(outcome.checks["1a.x"].saw[0]["n"], "3");
        assert_eq!(outcome.live, ["banner", "bye"]);
        assert_eq!((outcome.ended.as_deref(), outcome.stopped), (Some("poweroff"), None));
    }

    #[test]
    fn what_dom0_says_goes_into_the_record_of_the_check_that_asked() {
        let boot =
            ["~begin 1a.x\n~saw 1a.x ask=this dom0=mine\n~saw 1b.y ask=that\n~end 1a.x\n~done\n", "end:poweroff"];
        let (outcome, _) = play(&[&boot]);
        assert_eq!(outcome.checks["1a.x"].saw.len(), 1);
        assert_eq!(outcome.checks["1a.x"].saw[0]["dom0"], "THIS");
    }

    #[test]
    fn where_only_checks_matter_the_live_part_is_not_waited_for() {
        let (outcome, _) = play_until(&[&["~begin 1a.x\n~end 1a.x\n~done\n", "banner\n"]], false);
        assert_eq!((outcome.checks.len(), outcome.stopped, outcome.ended), (1, None, None));
    }

    #[test]
    fn a_guest_with_nothing_left_to_check_is_not_booted_again() {
        let stopped: &[&str] = &["~begin 1a.x\n~panic src/ring.rs:3 boom\n", "end:crash"];
        let plan = Plan { skip: ["1a.y", "1a.z", "1b"].map(str::to_owned).to_vec(), ..plan(false) };
        let (outcome, lines) = follow_plan(&[stopped], &plan);
        assert_eq!((lines.len(), outcome.checks.len()), (1, 1));
    }

    #[test]
    fn what_stops_the_guest_is_skipped_in_the_next_boot() {
        let first = ["~begin 1a.x\n~panic src/ring.rs:3 boom\n", "end:crash"];
        let second = ["~begin 1b.y\n~todo 1b src/start_info.rs:9\n", "end:crash"];
        let third = ["~done\nbanner\n", "end:poweroff"];
        let (outcome, lines) = play(&[&first, &second, &third]);
        assert_eq!(lines[1], "check=00:7:skip=1a.x log=debug");
        assert_eq!(lines[2], "check=00:7:skip=1a.x,1b log=debug");
        assert!(matches!(&outcome.checks["1a.x"].stopped, Some(Stop::Panic { message, .. }) if message == "boom"));
        assert_eq!(outcome.todo["1b"], "src/start_info.rs:9");
        assert_eq!(outcome.live, ["banner"]);
    }

    #[test]
    fn a_second_stop_in_an_exercise_skips_all_of_it_and_a_third_ends_the_session() {
        let stop = |check: &str| format!("~begin {check}\n~panic x:1 boom\n");
        let (first, second, third) = (stop("1a.x"), stop("1a.y"), stop("1a.z"));
        let (outcome, lines) = play(&[&[&first, "end:crash"], &[&second, "end:crash"], &[&third, "end:crash"]]);
        assert_eq!(lines[1..], ["check=00:7:skip=1a.x log=debug", "check=00:7:skip=1a.x,1a log=debug"]);
        assert_eq!(outcome.checks.len(), 3);
    }

    #[test]
    fn silence_ends_at_the_deadline_of_its_phase() {
        let (outcome, lines) = play(&[&["~begin 1a.x\n"], &["~done\n"]]);
        assert_eq!(outcome.checks["1a.x"].stopped, Some(Stop::Timeout(Duration::from_millis(30))));
        assert_eq!(lines.len(), 2);
        assert_eq!(outcome.stopped, Some(Stop::Timeout(Duration::from_millis(60))));
    }

    #[test]
    fn an_end_without_done_is_early_and_a_loss_is_no_verdict() {
        let (outcome, _) = play(&[&["banner\n", "end:poweroff"]]);
        assert_eq!(outcome.stopped, Some(Stop::Ended("poweroff".into())));
        let mut guest = Scripted { boots: vec![vec![Happened::Lost("QEMU died".into())]], lines: Vec::new() };
        let plan = Plan {
            arguments: String::new(),
            key: Key::default(),
            seed: 0,
            skip: Vec::new(),
            order: Vec::new(),
            live: true,
            timeouts: BTreeMap::new(),
            patience: Duration::from_secs(1),
        };
        assert_eq!(run(&mut guest, &plan).lost.as_deref(), Some("QEMU died"));
    }

    #[test]
    fn records_of_another_check_than_the_one_under_way_do_not_count() {
        let (outcome, _) = play(&[&["~begin 1a.x\n~saw 1b.y n=1\n~end 1b.y\n~end 1a.x\n~done\n", "end:poweroff"]]);
        assert!(!outcome.checks.contains_key("1b.y"));
    }

    #[test]
    fn what_was_recorded_cannot_be_recorded_anew() {
        let again =
            "~begin 1b.y\n~begin 1a.y\n~saw 1a.y n=1\n~end 1a.y\n~begin 1b.y\n~done\n~saw 1b.y n=2\n~end 1b.y\n";
        let late = "~begin 1b.y\n~saw 1b.y n=9\n~begin 1a.x\n~done\n~begin 1a.z\n~saw 1a.z n=3\n";
        let (outcome, _) = play(&[&["~begin 1a.x\n~saw 1a.x n=0\n~end 1a.x\n", again, late, "end:poweroff"]]);
        let seen = |check: &str| outcome.checks[check].saw.iter().map(|saw| saw["n"].clone()).collect::<Vec<_>>();
        assert_eq!((seen("1a.x"), seen("1b.y")), (vec!["0".to_owned()], vec!["2".to_owned()]));
        assert_eq!(outcome.checks.len(), 2);
    }

    #[test]
    fn a_check_that_comes_upon_another_exercise_is_skipped_by_itself() {
        let first = ["~begin 1a.x\n~todo 1b src/start_info.rs:9\n", "end:crash"];
        let (_, lines) = play(&[&first, &["~done\n", "end:poweroff"]]);
        assert_eq!(lines[1], "check=00:7:skip=1a.x log=debug");
    }
}

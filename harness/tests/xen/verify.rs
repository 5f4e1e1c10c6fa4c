//! `harness dev verify` on the whole course, and what a student with a wrong answer gets to read.

use super::common::{GIVEN_LINE, repository};
use harness::app::App;
use harness::cache;
use harness::check::Bench;
use harness::check::report::{self, Style};
use harness::check::results::{Results, Status};
use harness::course::{Course, Stage};
use harness::dev::verify::{Verified, verify};
use harness::ui::Ui;

/// What a report says about exercises that are not right, without the checks that passed.
fn view(results: &Results, stage: &Stage) -> String {
    let wrong = results.exercises.iter().filter(|exercise| exercise.status != Status::Pass).cloned().collect();
    let results = Results { exercises: wrong, integration: None, mode: "mine".into(), ..results.clone() };
    let report = report::human(&results, stage, repository(), Style::default(), None);
    let told = |line: &&str| !line.starts_with("ok ") && !line.starts_with("image ") && !line.starts_with("console: ");
    let lines: Vec<&str> = report.lines().skip(1).filter(told).filter(|line| !line.ends_with(" points")).collect();
    lines.join("\n")
}

#[test]
fn the_checks_tell_right_from_wrong_and_say_how() {
    let course = Course::load(repository()).unwrap();
    let cache = cache::root().unwrap();
    let app = App { course, ui: Ui::silent(), style: Style::default(), locked: false, cache };
    let mut bench = Bench::new(&app, app.scale(None));
    for stage in &app.course.stages {
        let verified = verify(&mut bench, stage, false).unwrap();
        let problems: Vec<_> = verified.iter().filter(|one| !one.problems.is_empty()).collect();
        let told = |one: &&Verified| format!("{}: {}", one.name, one.problems.join("; "));
        assert!(problems.is_empty(), "{}", problems.iter().map(told).collect::<Vec<_>>().join("\n"));

        let mutants =
            verified.iter().filter(|one| one.name.split(' ').next().is_some_and(|id| stage.exercise(id).is_ok()));
        let views =
            mutants.filter_map(|one| Some(format!("## {}\n{}\n", one.name, view(one.results.as_ref()?, stage))));
        let views: Vec<String> = views.collect();
        insta::with_settings!({
            snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"),
            prepend_module_to_snapshot => false,
            omit_expression => true,
            description => "What a student reads about each mutant.",
            // Which error Xen finds depends on what was left in a register that a mutant doesn't set.
            filters => vec![
                (r"0x[0-9a-f]+", "[number]"),
                (GIVEN_LINE, "$1:[line]"),
                (r"(got +)-\d+", "$1[error]"),
            ],
        }, { insta::assert_snapshot!(format!("mutants-stage{}", stage.number), views.join("\n")) });
    }
}

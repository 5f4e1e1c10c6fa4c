//! `harness dev verify` on the whole course, and what a student with a wrong answer gets to read.

use super::common::{app, repository};
use harness::course::Stage;
use harness::dev::verify::{How, Verified, verify};
use harness::dev::view;

/// Up to this stage a wrong answer does the same in every run. Beyond it, threads and other domains work beside it, and what
/// a student reads differs in numbers, or in how far the guest came: `harness bless` keeps one such text, to be looked at.
const SAME_EACH_TIME: u32 = 3;

#[test]
fn the_checks_tell_right_from_wrong_and_say_how() {
    prove(|stage| stage.number <= SAME_EACH_TIME);
}

#[test]
#[ignore = "long"]
fn the_checks_of_the_later_stages_do_so_too() {
    prove(|stage| stage.number > SAME_EACH_TIME);
}

fn prove(chosen: impl Fn(&Stage) -> bool) {
    let app = app();
    for stage in app.course.chosen(None).unwrap().into_iter().filter(|stage| chosen(stage)) {
        let verified = verify(&app, stage, How::default()).unwrap();
        let problems: Vec<_> = verified.iter().filter(|one| !one.problems.is_empty()).collect();
        let told = |one: &&Verified| format!("{}: {}", one.name, one.problems.join("; "));
        assert!(problems.is_empty(), "{}", problems.iter().map(told).collect::<Vec<_>>().join("\n"));

        if stage.number > SAME_EACH_TIME {
            continue;
        }
        let text = view::mutants(&verified, stage, repository());
        insta::with_settings!({
            snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"),
            prepend_module_to_snapshot => false,
            omit_expression => true,
            description => "What a student reads about each mutant.",
        }, { insta::assert_snapshot!(format!("mutants-stage{}", stage.number), text) });
    }
}

//! Submissions whose marks are known, right ones and wrong ones and ones that cheat: `harness/tests/corpus`.
//!
//! Each folder holds the files that differ from the references, and `expected.toml`: why it is there, the points, and
//! the status of each exercise. All of them go the way of `harness check --from`.

use super::common::{Lab, app, repository};
use harness::check::results::{Results, Status};
use harness::check::submission::{Submission, check_submission};
use harness::check::{Bench, Request};
use harness::course::Stage;
use harness::work::Work;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Deadlines are shorter than a student's: a good part of these runs into them.
const SCALE: f64 = 0.4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    why: String,
    /// The only exercise to check, where the others do not matter.
    only: Option<String>,
    points: u32,
    status: BTreeMap<String, Status>,
    /// The stage as a whole, where that is worth telling.
    live: Option<Status>,
}

#[test]
fn every_submission_gets_the_mark_that_it_earns() {
    mark_all(1);
}

/// `cargo test -p harness --test xen corpus -- --ignored` takes some 20 minutes.
#[test]
#[ignore = "the same ten times over"]
fn every_submission_gets_the_same_mark_ten_times() {
    mark_all(10);
}

fn mark_all(times: usize) {
    let app = app();
    let stage = app.course.select("stage1").unwrap().stage;
    let wanted = std::env::var("CORPUS").unwrap_or_default();
    let folders: Vec<PathBuf> = folders().into_iter().filter(|path| path.to_string_lossy().contains(&wanted)).collect();
    let next = AtomicUsize::new(0);
    let problems = Mutex::new(Vec::new());
    // One test host each for two, as a good part of a check is waiting.
    let worker = || {
        let mut bench = Bench::new(&app, SCALE * app.scale(None));
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(folder) = folders.get(number % folders.len()).filter(|_| number < times * folders.len()) else {
                break;
            };
            let start = Instant::now();
            let name = folder.file_name().unwrap().to_string_lossy();
            let text = fs::read_to_string(folder.join("expected.toml")).unwrap();
            let expected: Expected = toml::from_str(&text).unwrap();
            let mut results = mark(&mut bench, stage, folder, &expected);
            if results.exit() == 70 {
                // As `grade` does. A test host that fails gives nobody a wrong mark, so it is no failure of this test.
                println!(
                    "{number} {name}: {:?}, so once more",
                    results.checks().find_map(|check| check.message.clone())
                );
                results = mark(&mut bench, stage, folder, &expected);
            }
            println!("{number} {name}: {:.1} s", start.elapsed().as_secs_f64());
            let found: Vec<String> = differences(&expected, &results)
                .map(|text| format!("{name} ({}): {text}", expected.why))
                .inspect(|text| println!("WRONG {text}"))
                .collect();
            problems.lock().unwrap().extend(found);
        }
    };
    std::thread::scope(|scope| [(); 2].map(|()| scope.spawn(worker)).map(|worker| worker.join().unwrap()));
    let problems = problems.into_inner().unwrap();
    println!("{} marks, {} differences", times * folders.len(), problems.len());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(!Path::new("/tmp/stardust-was-here").exists(), "a build script of a submission has run");
}

/// The rules and the compiler keep an exercise from memory; here nothing does.
#[test]
fn a_record_found_in_memory_is_of_no_use() {
    let lab = Lab::solved();
    lab.change("lib.rs", "ring.rs\")]\n#[forbid(unsafe_code)]\n", "ring.rs\")]\n");
    fs::copy(repository().join("harness/tests/corpus/memory/ring.rs"), lab.exercise("ring.rs")).unwrap();
    let ended = lab.run(&["check", "stage1", "--keep-going", "--format", "json"]).with(3);
    let results: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&results["exercises"][0]["status"], &results["totals"]["points"]), (&"crash".into(), &60.into()));
    let logs = ["stage1.log", "stage1.1a.log"].map(|log| fs::read_to_string(lab.root().join(".harness").join(log)));
    let said = logs.into_iter().flatten().collect::<String>();
    assert!(said.contains("~2 end 1a.fits ~"), "it has not even found a record: {said}");
}

fn folders() -> Vec<PathBuf> {
    let corpus = repository().join("harness/tests/corpus/stage1");
    let mut folders: Vec<PathBuf> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn mark(bench: &mut Bench, stage: &Stage, folder: &Path, expected: &Expected) -> Results {
    let place = tempfile::tempdir().unwrap();
    let zip = place.path().join("submission.zip");
    fs::write(&zip, pack(stage, folder)).unwrap();
    let submission = Submission::read(&zip, stage).unwrap();
    let work = Work::on_references(&bench.app.course, stage);
    // The checkout's own place for it is for checks of the checkout, and read by other tests.
    let log = place.path().join("console.log");
    let request = Request { only: expected.only.clone(), seed: 7, log, ..Request::new(stage, work) };
    check_submission(bench, &request, &submission).unwrap()
}

/// The folder as a zip, with the reference of every exercise that is not in it.
fn pack(stage: &Stage, folder: &Path) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for exercise in &stage.lab.exercises {
        if !folder.join(&exercise.file).is_symlink() && !folder.join(&exercise.file).exists() {
            let reference = repository().join("solutions").join(&stage.package).join(&exercise.file);
            zip.start_file(exercise.file.as_str(), SimpleFileOptions::default()).unwrap();
            zip.write_all(&fs::read(reference).unwrap()).unwrap();
        }
    }
    add(&mut zip, folder, "");
    zip.finish().unwrap().into_inner()
}

fn add(zip: &mut ZipWriter<Cursor<Vec<u8>>>, folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_symlink() {
            let target = fs::read_link(&path).unwrap().to_string_lossy().into_owned();
            zip.add_symlink(name, target, SimpleFileOptions::default()).unwrap();
        } else if path.is_dir() {
            add(zip, &path, &format!("{name}/"));
        } else {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(&fs::read(&path).unwrap()).unwrap();
        }
    }
}

fn differences(expected: &Expected, results: &Results) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    if results.totals.points != expected.points {
        found.push(format!("{} points instead of {}", results.totals.points, expected.points));
    }
    for exercise in &results.exercises {
        if expected.status.get(&exercise.id) != Some(&exercise.status) {
            let message = exercise.message.clone().unwrap_or_default();
            found.push(format!("{} is {:?}: {message}", exercise.id, exercise.status));
        }
    }
    let live = results.integration.as_ref().map(|whole| whole.status);
    if expected.live.is_some() && expected.live != live {
        found.push(format!("the whole is {live:?}"));
    }
    found.into_iter()
}

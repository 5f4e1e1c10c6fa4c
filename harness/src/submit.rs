//! `harness submit`: the zip that a student hands in.
//!
//! Invariant: it holds the exercise files of the stage's manifest, at their places in the checkout, and
//! `submission.toml` about them; the same files give the same bytes.

use crate::app::App;
use crate::check::rules;
use crate::check::submission::LARGEST;
use crate::cli;
use crate::course::{Exercise, Stage};
use crate::error::{Context, Error, Kind, Result};
use crate::progress::{Standing, State};
use crate::ui::say;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Writes the zip, and says what is in it.
pub fn command(app: &App, arguments: &cli::Submit) -> Result<u8> {
    let stage = app.course.select(&arguments.selector)?.stage;
    let files = collect(&app.course.root, stage)?;
    let submission = submission(app, stage, &files);
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.zip", stage.package)));
    std::fs::write(&out, pack(&submission, &files)?).on("write", &out)?;
    say(format_args!("{} holds stage {}: {}\n", out.display(), stage.number, stage.title))?;
    let mut all_pass = true;
    for (exercise, (path, content)) in stage.lab.exercises.iter().zip(&files) {
        let state = Standing::of(app, stage, exercise)?.state;
        all_pass &= state == State::Passed;
        say(format_args!("  {}  {:<14}  {} ({} bytes)\n", exercise.id, state.word(), path, content.len()))?;
    }
    if all_pass {
        say(format_args!("next: hand in {}\n", out.display()))?;
    } else {
        say(format_args!("next: `cargo harness check stage{}` before you hand it in\n", stage.number))?;
    }
    Ok(0)
}

/// What the zip says about itself.
#[derive(Serialize)]
struct Submission {
    schema: u32,
    course: String,
    stage: String,
    /// Which version of the course it was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// The SHA-256 of each file.
    files: BTreeMap<String, String>,
}

fn submission(app: &App, stage: &Stage, files: &[(String, String)]) -> Submission {
    let hash = |text: &str| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    Submission {
        schema: 1,
        course: app.course.title.clone(),
        stage: stage.package.clone(),
        commit: app.commit(),
        files: files.iter().map(|(path, content)| (path.clone(), hash(content))).collect(),
    }
}

/// Reads the exercise files: path in the checkout, and content.
fn collect(root: &Path, stage: &Stage) -> Result<Vec<(String, String)>> {
    stage.lab.exercises.iter().map(|exercise| read(root, stage, exercise)).collect()
}

fn read(root: &Path, stage: &Stage, exercise: &Exercise) -> Result<(String, String)> {
    let file = stage.exercise_path(exercise);
    let path = root.join(&file);
    let found = std::fs::symlink_metadata(&path).on("look at", &path)?;
    let refuse = |reason: &str| {
        let advice = format!("mend it, or `cargo harness reset {}` and begin again", exercise.id);
        Err(Error::new(Kind::Rule, format!("{} {reason}", file.display())).next(advice))
    };
    // A grader takes none of these, so a student had better hear of it now.
    if !found.is_file() {
        return refuse("is no plain file");
    }
    if found.len() > LARGEST {
        return refuse(&format!("is larger than an exercise may be, {} KiB", LARGEST >> 10));
    }
    let bytes = std::fs::read(&path).on("read", &path)?;
    let Ok(text) = String::from_utf8(bytes) else { return refuse("is not UTF-8 text") };
    if let Some(broken) = rules::violations(&text, &exercise.allow).first() {
        return refuse(&format!("breaks a rule in line {}: {broken}", broken.line));
    }
    Ok((file.to_string_lossy().into_owned(), text))
}

fn pack(submission: &Submission, files: &[(String, String)]) -> Result<Vec<u8>> {
    let about = toml::to_string(submission).map_err(|error| Error::fault(format!("write submission.toml: {error}")))?;
    let about = ("submission.toml".to_owned(), about);
    // The time is the format's first: the same files give the same bytes on any day.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in std::iter::once(&about).chain(files) {
        let put = zip.start_file(name.as_str(), options).map_err(std::io::Error::from);
        put.and_then(|()| zip.write_all(content.as_bytes())).doing("write the zip")?;
    }
    let finished = zip.finish().map_err(std::io::Error::from).doing("write the zip")?;
    Ok(finished.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_give_the_same_bytes_and_come_out_as_they_were() {
        let files = [("stages/x/src/a.rs".to_owned(), "fn a() {}\n".repeat(100)), ("b.rs".to_owned(), String::new())];
        let submission = Submission {
            schema: 1,
            course: "C".into(),
            stage: "x".into(),
            commit: None,
            files: BTreeMap::from([("b.rs".to_owned(), "00".to_owned())]),
        };
        let bytes = pack(&submission, &files).unwrap();
        assert_eq!(bytes, pack(&submission, &files).unwrap());
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["submission.toml", "stages/x/src/a.rs", "b.rs"]);
        let read = |mut file: zip::read::ZipFile<_>| std::io::read_to_string(&mut file).unwrap();
        assert_eq!(read(zip.by_index(1).unwrap()), files[0].1);
        assert_text!("submission", read(zip.by_index(0).unwrap()));
    }
}

//! The workflow for GitHub Actions, run as Actions would: its jobs in order, its steps' commands in the shell, and its
//! own actions played: a checkout is a copy, an artifact a folder. What would install something does nothing here.

use crate::common::{copy_course, repository};
use saphyr::{LoadableYamlNode, Yaml};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Programs that stand before the machine's own: `cargo harness` is the one under test.
const PROGRAMS: [(&str, &str); 4] = [
    ("sudo", "exec \"$@\""),
    ("apt-get", "exit 0"),
    ("curl", "echo true"),
    ("cargo", "if [ \"$1\" = harness ]; then shift; exec \"$HARNESS\" \"$@\"; fi; PATH=${PATH#*:} exec cargo \"$@\""),
];

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

/// What a run of the workflow has: its artifacts, and what the expressions in it mean.
struct Run<'a> {
    workflow: &'a Yaml<'a>,
    /// The class, the programs, and the artifacts.
    folder: TempDir,
    /// Where each job begins with nothing, but for a course that is copied before it is asked for.
    workspace: PathBuf,
    values: BTreeMap<String, String>,
}

impl Run<'_> {
    /// A text with each `${{ expression }}` replaced. One that means nothing here fails the test.
    #[track_caller]
    fn text(&self, text: &Yaml) -> String {
        let mut pieces = text.as_str().unwrap_or_else(|| panic!("no text: {text:?}")).split("${{");
        let first = pieces.next().unwrap().to_owned();
        pieces.fold(first, |text, piece| {
            let (expression, rest) = piece.split_once("}}").expect("an expression that ends");
            let value = self.values.get(expression.trim());
            text + value.unwrap_or_else(|| panic!("{expression} means nothing")) + rest
        })
    }

    /// Runs a job.
    fn job(&mut self, job: &str) {
        for entry in fs::read_dir(&self.workspace).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("course") => {}
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
        let definition = &self.workflow["jobs"][job];
        for step in definition["steps"].as_sequence().unwrap() {
            match step.as_mapping_get("uses") {
                Some(action) => self.action(action.as_str().unwrap(), step),
                None => self.command(definition, step),
            }
        }
    }

    fn action(&self, action: &str, step: &Yaml) {
        let with = |name: &str| step.as_mapping_get("with")?.as_mapping_get(name).map(|text| self.text(text));
        let path = self.workspace.join(with("path").unwrap_or_default());
        let artifact = |name: String| self.folder.path().join("artifacts").join(name);
        match (action.split('@').next().unwrap(), with("repository").as_deref()) {
            ("actions/checkout", None) => copy(&self.folder.path().join("class"), &path.join("submissions")),
            ("actions/checkout", Some("a/course")) => assert!(path.join("Cargo.toml").is_file()),
            ("actions/upload-artifact", _) => {
                // A mark is known by a file in a folder whose name begins with a dot.
                let hidden = step["with"].as_mapping_get("include-hidden-files").is_some();
                assert!(path.is_file() || path.is_dir() && hidden, "{}", path.display());
                let place = artifact(with("name").unwrap());
                fs::create_dir_all(&place).unwrap();
                copy(&if path.is_dir() { path.join(".") } else { path }, &place);
            }
            ("actions/download-artifact", _) => {
                let wanted = |name: &str| match with("pattern") {
                    Some(pattern) => name.starts_with(pattern.strip_suffix('*').unwrap()),
                    None => name == with("name").unwrap(),
                };
                let names = fs::read_dir(artifact(String::new())).unwrap().map(|entry| entry.unwrap().file_name());
                let names: Vec<String> =
                    names.map(|name| name.into_string().unwrap()).filter(|name| wanted(name)).collect();
                assert!(!names.is_empty());
                fs::create_dir_all(&path).unwrap();
                names.into_iter().for_each(|name| copy(&artifact(name).join("."), &path));
            }
            ("actions/cache", _) => {}
            other => panic!("no such action: {other:?}"),
        }
    }

    /// Runs a step's commands as Actions does, with the environment of workflow and job.
    fn command(&mut self, job: &Yaml, step: &Yaml) {
        let workspace = &self.workspace;
        let mut shell = Command::new("bash");
        shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &self.text(&step["run"])]);
        let within = step.as_mapping_get("working-directory").map(|folder| self.text(folder));
        shell.current_dir(workspace.join(within.unwrap_or_default()));
        for scope in [self.workflow, job] {
            for (name, value) in scope.as_mapping_get("env").and_then(Yaml::as_mapping).into_iter().flatten() {
                shell.env(name.as_str().unwrap(), self.text(value));
            }
        }
        let (output, paths) = (workspace.join("output"), workspace.join("paths"));
        shell.env("GITHUB_OUTPUT", &output).env("GITHUB_PATH", &paths);
        let path = std::env::var("PATH").unwrap();
        shell.env("PATH", format!("{}:{path}", self.folder.path().join("programs").display()));
        shell.env("HARNESS", env!("CARGO_BIN_EXE_harness")).env_remove("CARGO_TARGET_TMPDIR");
        // A machine that has only what the host's job makes. That one's is this one, which made it before.
        if job.as_mapping_get("container").is_none() {
            shell.env("STARDUST_CACHE", self.folder.path().join("cache"));
        }
        let ended = shell.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{}\n{said}", self.text(&step["run"]));
        for line in fs::read_to_string(output).unwrap_or_default().lines() {
            let (name, value) = line.split_once('=').unwrap();
            self.values.insert(format!("needs.list.outputs.{name}"), value.to_owned());
        }
    }
}

#[test]
#[ignore = "long"]
fn the_jobs_mark_a_class_and_put_its_marks_together() {
    let text = fs::read_to_string(repository().join("harness/templates/grade.yml")).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("programs");
    fs::create_dir(&programs).unwrap();
    for (name, script) in PROGRAMS {
        let program = programs.join(name);
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (student, files) in [("anna", &["ring.rs"][..]), ("of; \"two\" words", &["start_info.rs", "hypercall.rs"])] {
        let place = folder.path().join("class").join(student);
        fs::create_dir_all(&place).unwrap();
        for file in files {
            fs::copy(repository().join("solutions/stage1-console").join(file), place.join(file)).unwrap();
        }
    }
    fs::write(folder.path().join("class/noise.zip"), "no zip").unwrap();
    let values = [
        ("vars.STAGE || 'stage1'", "stage1"),
        ("github.run_id", "7"),
        ("vars.COURSE", "a/course"),
        ("secrets.COURSE_TOKEN || github.token", "token"),
        ("hashFiles('course/Cargo.lock', 'course/rust-toolchain.toml')", "hash"),
    ];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workflow");
    copy_course(&workspace.join("course"));
    let mut run = Run { workflow: &documents[0], folder, workspace, values };

    let jobs = run.workflow["jobs"].as_mapping().unwrap();
    let names: Vec<&str> = jobs.keys().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names, ["list", "host", "grade", "gather"]);
    run.job("list");
    run.job("host");
    let students: Vec<String> = serde_json::from_str(&run.values["needs.list.outputs.students"]).unwrap();
    assert_eq!(students, ["anna", "noise", "of; \"two\" words"]);
    for (index, student) in students.iter().enumerate() {
        run.values.insert("matrix.student".into(), student.clone());
        run.values.insert("strategy.job-index".into(), index.to_string());
        run.job("grade");
    }
    run.job("gather");
    let artifacts = run.folder.path().join("artifacts");
    let table = fs::read_to_string(artifacts.join("grades/grades.csv")).unwrap();
    let points: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split(',').skip(2).take(2).collect()).collect();
    assert_eq!(points, [["graded", "30"], ["refused", ""], ["graded", "60"]], "{table}");
    // None was found anew: that takes another time.
    let marks = |artifact: &str| -> Vec<Vec<u8>> {
        let reports = fs::read_dir(artifacts.join(artifact).join("reports")).unwrap();
        reports.map(|entry| fs::read(entry.unwrap().path().join("results.json")).unwrap()).collect()
    };
    let gathered = marks("grades");
    assert_eq!(gathered.len(), 2);
    assert!([marks("grades-0"), marks("grades-2")].iter().flatten().all(|mark| gathered.contains(mark)));
}

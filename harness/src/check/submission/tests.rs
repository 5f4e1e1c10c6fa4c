use super::*;
use crate::course::Course;
use std::fs;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

struct Desk {
    folder: tempfile::TempDir,
    course: Course,
}

impl Desk {
    fn new() -> Self {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), course }
    }

    fn stage(&self) -> &Stage {
        &self.course.stages[0]
    }

    fn zip(&self, files: &[(&str, &[u8])]) -> PathBuf {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, content) in files {
            match content.strip_prefix(b"link:") {
                Some(target) => zip.add_symlink(*name, std::str::from_utf8(target).unwrap(), options).unwrap(),
                None => {
                    zip.start_file(*name, options).unwrap();
                    zip.write_all(content).unwrap();
                }
            }
        }
        let path = self.folder.path().join("anna.zip");
        fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
        path
    }

    fn put(&self, name: &str, content: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, path: &Path) -> Result<Submission> {
        Submission::read(path, self.stage())
    }

    /// What is said about the file of an exercise.
    fn about(&self, submission: &Submission, id: &str) -> String {
        match submission.file(self.stage().exercise(id).unwrap()) {
            None => "missing".into(),
            Some(Ok(text)) => format!("ok: {text}"),
            Some(Err(reason)) => reason.clone(),
        }
    }
}

#[test]
fn files_are_found_at_their_place_or_by_name_in_zip_and_folder() {
    let desk = Desk::new();
    let places =
        ["stages/stage1-console/src/ring.rs", "ring.rs", "lab-1/stages/stage1-console/src/ring.rs", "lab-1/ring.rs"];
    for place in places {
        let submission = desk.read(&desk.zip(&[(place, b"fn f() {}")])).unwrap();
        assert_eq!(desk.about(&submission, "1a"), "ok: fn f() {}", "{place}");
        assert_eq!(desk.about(&submission, "1b"), "missing");
    }
    for place in places {
        let desk = Desk::new();
        desk.put(&format!("anna/{place}"), "fn f() {}");
        let submission = desk.read(&desk.folder.path().join("anna")).unwrap();
        assert_eq!(desk.about(&submission, "1a"), "ok: fn f() {}", "{place}");
    }
}

#[test]
fn a_bad_file_costs_its_own_exercise() {
    let desk = Desk::new();
    let large = vec![b' '; 300 << 10];
    let files: [(&str, &[u8]); 3] =
        [("ring.rs", b"link:/etc/passwd"), ("start_info.rs", &large), ("hypercall.rs", b"\xff\xfef\0n\0")];
    let submission = desk.read(&desk.zip(&files)).unwrap();
    assert_eq!(desk.about(&submission, "1a"), "ring.rs is a symbolic link, which is never followed");
    assert_eq!(desk.about(&submission, "1b"), "start_info.rs is larger than an exercise may be, 256 KiB");
    let utf8 = "hypercall.rs is not UTF-8 text; save it as UTF-8 and hand it in again";
    assert_eq!(desk.about(&submission, "1c"), utf8);
}

#[test]
fn links_and_pipes_in_a_folder_are_neither_followed_nor_waited_for() {
    let desk = Desk::new();
    let folder = desk.folder.path().join("anna");
    desk.put("secret/start_info.rs", "secret");
    desk.put("anna/x", "");
    std::os::unix::fs::symlink("/etc/passwd", folder.join("ring.rs")).unwrap();
    std::os::unix::fs::symlink("../secret", folder.join("stages")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.join("hypercall.rs"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let submission = desk.read(&folder).unwrap();
    assert_eq!(desk.about(&submission, "1a"), "ring.rs is a symbolic link, which is never followed");
    assert_eq!(desk.about(&submission, "1b"), "missing");
    assert_eq!(desk.about(&submission, "1c"), "hypercall.rs is no plain file");
}

#[test]
fn what_is_no_submission_is_refused_in_a_sentence() {
    let desk = Desk::new();
    let said = |path: &Path| desk.read(path).unwrap_err().message;
    assert_eq!(said(&desk.zip(&[])), "anna.zip is empty");
    let none = "anna.zip holds none of the files of stage1-console: ring.rs, start_info.rs, hypercall.rs";
    assert_eq!(said(&desk.zip(&[("notes.txt", b"x")])), none);
    let other = "anna.zip was handed in for stage5-xenbus, not for stage1-console";
    assert_eq!(said(&desk.zip(&[("submission.toml", b"stage = 'stage5-xenbus'"), ("ring.rs", b"")])), other);
    assert_eq!(said(&desk.zip(&[("stages/stage5-xenbus/src/wire.rs", b"")])), other);
    for path in ["../ring.rs", "/etc/ring.rs", "a/../../ring.rs", "..\\ring.rs", "C:\\ring.rs"] {
        let text = said(&desk.zip(&[(path, b""), ("ring.rs", b"")]));
        assert!(text.contains("a path that leads out of it"), "{path}: {text}");
    }
    fs::write(desk.folder.path().join("anna.zip"), "no zip").unwrap();
    assert!(said(&desk.folder.path().join("anna.zip")).starts_with("anna.zip cannot be read as a zip"));
    fs::write(desk.folder.path().join("anna.zip"), "").unwrap();
    assert_eq!(said(&desk.folder.path().join("anna.zip")), "anna.zip is an empty file");
    assert!(said(&desk.folder.path().join("none.zip")).starts_with("there is no submission at"));
    fs::create_dir(desk.folder.path().join("empty")).unwrap();
    assert_eq!(said(&desk.folder.path().join("empty")), "empty is empty");
}

#[test]
fn a_zip_bomb_is_cut_where_an_exercise_ends() {
    let desk = Desk::new();
    let zeros = vec![0; 64 << 20];
    let submission = desk.read(&desk.zip(&[("ring.rs", &zeros)])).unwrap();
    assert_eq!(desk.about(&submission, "1a"), "ring.rs is larger than an exercise may be, 256 KiB");
}

#[test]
fn names_in_other_encodings_are_none_of_ours() {
    use std::os::unix::ffi::OsStrExt;
    let desk = Desk::new();
    desk.put("anna/ring.rs", "ours");
    fs::write(desk.folder.path().join("anna").join(std::ffi::OsStr::from_bytes(b"r\xefng.rs")), "theirs").unwrap();
    let submission = desk.read(&desk.folder.path().join("anna")).unwrap();
    assert_eq!(desk.about(&submission, "1a"), "ok: ours");
}

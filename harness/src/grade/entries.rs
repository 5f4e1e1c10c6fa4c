//! Who handed in what: a folder with one entry a student, or a roster.
//!
//! In a folder each entry is a submission, a folder or a zip, and its name the student's. A roster is a table in CSV
//! with a heading: `student`, `submission` (a path from the roster's folder; empty where nothing was handed in), and
//! whatever else, which is not read. Invariant: no two entries have the same name; what is found twice in a folder is
//! one entry with two submissions, which nobody but the instructor can choose from.

use crate::error::{Context, Error, Result};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::Utf8Chunk;

/// One student's submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who it is.
    pub student: String,
    /// What was handed in: nothing, a submission, or several of which one counts.
    pub submissions: Vec<PathBuf>,
}

/// Reads a class.
pub fn read(from: &Path) -> Result<Vec<Entry>> {
    let found = std::fs::metadata(from)
        .map_err(|error| Error::usage(format!("there is no class at {}: {error}", from.display())))?;
    let entries = if found.is_dir() {
        folder(from)?
    } else {
        let bytes = std::fs::read(from).on("read", from)?;
        roster(&bytes, from.parent().unwrap_or(Path::new("")))
            .map_err(|reason| Error::usage(format!("{}: {reason}", from.display())))?
    };
    if entries.is_empty() {
        return Err(Error::usage(format!("{} has no entries", from.display())));
    }
    Ok(entries)
}

fn folder(path: &Path) -> Result<Vec<Entry>> {
    let mut entries: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in std::fs::read_dir(path).on("read", path)? {
        let submission = entry.on("read", path)?.path();
        let name = escaped(submission.file_name().unwrap_or_default());
        // Hidden files are some program's, not a student's.
        if !name.starts_with('.') {
            let student = name.strip_suffix(".zip").unwrap_or(&name).to_owned();
            entries.entry(student).or_default().push(submission);
        }
    }
    let entry = |(student, mut submissions): (String, Vec<PathBuf>)| {
        submissions.sort();
        Entry { student, submissions }
    };
    Ok(entries.into_iter().map(entry).collect())
}

/// A name as text. Bytes that are none, as names of another encoding have, are written in hexadecimal: two names stay
/// two.
pub fn escaped(name: &OsStr) -> String {
    let chunks = name.as_bytes().utf8_chunks();
    let text = |chunk: Utf8Chunk| {
        let bytes = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        bytes.fold(chunk.valid().to_owned(), |text, byte| text + &byte)
    };
    chunks.map(text).collect()
}

/// Reads a roster; an error is a line and what is wrong with it.
fn roster(bytes: &[u8], base: &Path) -> std::result::Result<Vec<Entry>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8: save the roster as UTF-8")
    })?;
    let heading = text.lines().next().unwrap_or_default();
    let comma = [',', ';', '\t'].into_iter().max_by_key(|mark| heading.matches(*mark).count()).unwrap_or(',');
    let mut rows = rows(text, comma)?.into_iter();
    let (_, heading) = rows.next().ok_or("line 1: there is no heading")?;
    let column = |name: &str| {
        let place = heading.iter().position(|cell| cell.trim().eq_ignore_ascii_case(name));
        place.ok_or_else(|| format!("line 1: the heading has no column `{name}`"))
    };
    let (student, submission) = (column("student")?, column("submission")?);
    let mut seen = BTreeMap::new();
    let mut entries = Vec::new();
    for (line, row) in rows {
        if row.len() != heading.len() {
            return Err(format!("line {line} has {} cells, the heading has {}", row.len(), heading.len()));
        }
        let name = row[student].trim().to_owned();
        if name.is_empty() {
            return Err(format!("line {line} has no student"));
        }
        if let Some(before) = seen.insert(name.clone(), line) {
            return Err(format!("line {line}: {name} is in line {before} already"));
        }
        let path = row[submission].trim();
        let submissions = Some(path).filter(|path| !path.is_empty()).map(|path| base.join(path));
        entries.push(Entry { student: name, submissions: submissions.into_iter().collect() });
    }
    Ok(entries)
}

/// The rows of a table that are not empty, each with the number of its first line. A cell in quotes may hold anything;
/// two quotes in it are one.
fn rows(text: &str, comma: char) -> std::result::Result<Vec<(usize, Vec<String>)>, String> {
    let mut rows = Vec::new();
    let mut row = vec![String::new()];
    let (mut line, mut begin) = (1, 1);
    let mut quoted = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        line += usize::from(character == '\n');
        let cells = row.len();
        let cell = &mut row[cells - 1];
        match (character, quoted) {
            ('"', Some(_)) if rest.next_if_eq(&'"').is_some() => cell.push('"'),
            ('"', Some(_)) => quoted = None,
            (_, Some(_)) => cell.push(character),
            ('"', None) if cell.is_empty() => quoted = Some(line),
            ('"', None) => return Err(format!("line {line} has a quote in the middle of a cell")),
            ('\n', None) => {
                rows.push((begin, std::mem::replace(&mut row, vec![String::new()])));
                begin = line;
            }
            ('\r', None) if rest.peek() == Some(&'\n') => {}
            (_, None) if character == comma => row.push(String::new()),
            (_, None) => cell.push(character),
        }
    }
    if let Some(line) = quoted {
        return Err(format!("line {line} has a quote that is not closed"));
    }
    rows.push((begin, row));
    rows.retain(|(_, row)| row.iter().any(|cell| !cell.trim().is_empty()));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read_roster(text: &str) -> std::result::Result<Vec<(String, String)>, String> {
        let entries = roster(text.as_bytes(), Path::new("class"))?;
        let path = |entry: &Entry| entry.submissions.first().map_or("-".into(), |path| path.display().to_string());
        Ok(entries.iter().map(|entry| (entry.student.clone(), path(entry))).collect())
    }

    #[test]
    fn a_roster_is_read_as_spreadsheets_write_it() {
        let wanted = [("Ann, A.".to_owned(), "class/a b.zip".to_owned()), ("Jörg \"J\"".into(), "-".into())];
        for text in [
            "student,submission,mail\n\"Ann, A.\",a b.zip,x\n\"Jörg \"\"J\"\"\",,y\n",
            "\u{feff}Student;Mail;Submission\r\n\"Ann, A.\";x;a b.zip\r\n\r\n\"Jörg \"\"J\"\"\";y;\r\n",
            "submission\tstudent\na b.zip\tAnn, A.\n\t\"Jörg \"\"J\"\"\"",
        ] {
            assert_eq!(read_roster(text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn a_mistake_in_a_roster_is_told_with_its_line() {
        for (text, said) in [
            ("", "line 1: there is no heading"),
            ("name,submission\n", "line 1: the heading has no column `student`"),
            ("student,submission\na,b\nc\n", "line 3 has 1 cells, the heading has 2"),
            ("student,submission\na,b\n\n,d\n", "line 4 has no student"),
            ("student,submission\na,b\na,c\n", "line 3: a is in line 2 already"),
            ("student,submission\na,\"b\n", "line 2 has a quote that is not closed"),
            ("student,submission\na,b\"c\"\n", "line 2 has a quote in the middle of a cell"),
        ] {
            assert_eq!(read_roster(text).unwrap_err(), said);
        }
        let said = roster(b"student,submission\nJ\xf6rg,x.zip\n", Path::new("")).unwrap_err();
        assert_eq!(said, "line 2 is not UTF-8: save the roster as UTF-8");
    }

    #[test]
    fn a_folder_has_an_entry_a_student_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let latin = [&b"J\xf6rg.zip"[..], b"J\xe4rg.zip"].map(OsStr::from_bytes);
        for name in latin.into_iter().chain(["anna", "anna.zip", "bert.zip", ".DS_Store"].map(OsStr::new)) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let entries = read(folder.path()).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| (entry.student.as_str(), entry.submissions.len())).collect();
        assert_eq!(names, [("J\\xe4rg", 1), ("J\\xf6rg", 1), ("anna", 2), ("bert", 1)]);
        assert!(fs::metadata(&entries[0].submissions[0]).is_ok());
    }

    #[test]
    fn a_class_that_is_not_there_or_empty_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().message.ends_with("has no entries"));
        assert!(read(&folder.path().join("x")).unwrap_err().message.starts_with("there is no class at"));
    }
}

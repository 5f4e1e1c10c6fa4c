//! Whether a solution that a class doesn't get is in its handout all the same: pasted into a text, a test, a page.

use crate::error::{Context, Error, Kind, Result};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// So many lines in a row are no accident.
const ROW: usize = 3;
/// Shorter lines are everywhere.
const SHORT: usize = 8;

/// Looks for the solutions among `gone` in the handout's files.
///
/// # Errors
/// With the first file that holds a part of one.
pub fn kept(root: &Path, folder: &Path, stays: &[PathBuf], gone: &[PathBuf]) -> Result<()> {
    let mut secrets: HashMap<Vec<String>, &Path> = HashMap::new();
    let withheld =
        gone.iter().filter(|file| file.starts_with("solutions") && file.extension().is_some_and(|e| e == "rs"));
    for file in withheld {
        let path = root.join(file);
        let solution = fs::read_to_string(&path).on("read", &path)?;
        // The starter is public, and so is what the two have in common.
        let starter = starter(root, file).unwrap_or_default();
        let public: BTreeSet<String> = lines(&starter).into_iter().collect();
        let secret: Vec<String> = lines(&solution).into_iter().filter(|line| !public.contains(line)).collect();
        secrets.extend(secret.windows(ROW).map(|row| (row.to_vec(), file.as_path())));
    }
    // The kernel itself is given on purpose: its path for reports has a hypercall of its own, for one.
    for file in stays.iter().filter(|file| !file.starts_with("stages")) {
        // A file that is no text holds no source.
        let Ok(text) = fs::read_to_string(folder.join(file)) else { continue };
        let found = lines(&text);
        if let Some((row, secret)) = found.windows(ROW).find_map(|row| secrets.get_key_value(row)) {
            let text = format!(
                "{} holds a part of {}, which this handout leaves out: `{}`",
                file.display(),
                secret.display(),
                row[0]
            );
            return Err(Error::new(Kind::Rule, text).next("take it out of that file"));
        }
    }
    Ok(())
}

fn starter(root: &Path, solution: &Path) -> Option<String> {
    let inside = solution.strip_prefix("solutions").ok()?;
    let mut parts = inside.iter();
    let stage = Path::new("stages").join(parts.next()?).join("src");
    fs::read_to_string(root.join(stage).join(parts.as_path())).ok()
}

/// The lines that say something, without their indentation.
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| line.len() >= SHORT && !line.starts_with("//"));
    lines.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_solution_is_found_and_what_is_public_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let solution = "//! Reference.\npub fn write(bytes: &[u8]) -> usize {\n    let room = size - used;\n\
            \x20   // A remark.\n    let count = bytes.len().min(room);\n\n    publish(count);\n    count\n}\n";
        let paste = "  let room = size - used;\n  let count = bytes.len().min(room);\n  publish(count);\n";
        let files = [
            ("solutions/stage1-x/a.rs", solution),
            ("stages/stage1-x/src/a.rs", "pub fn write(bytes: &[u8]) -> usize {\n    lab_todo!(\"1a\", bytes)\n}\n"),
            (
                "innocent.md",
                "let room = size - used;\nlet count = bytes.len().min(room);\nsomething else\npublish(count);\n",
            ),
            ("guilty.md", paste),
        ];
        for (name, text) in files {
            fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            fs::write(folder.path().join(name), text).unwrap();
        }
        let gone = [PathBuf::from("solutions/stage1-x/a.rs")];
        let look = |file: &str| kept(folder.path(), folder.path(), &[file.into()], &gone);
        look("innocent.md").unwrap();
        let error = look("guilty.md").unwrap_err().message;
        assert!(error.starts_with("guilty.md holds a part of solutions/stage1-x/a.rs"), "{error}");
    }
}

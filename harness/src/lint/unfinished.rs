//! Places that somebody marked as not written yet: `TODO(1d): what is to come`, as `harness dev new-exercise` leaves
//! them.

use crate::book::Finding;
use crate::course::Stage;
use crate::error::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

pub fn findings(root: &Path, stage: &Stage) -> Result<Vec<Finding>> {
    let checks = format!("harness/src/check/stage{}", stage.number);
    let page = format!("book/src/stage{}", stage.number);
    let package = &stage.package;
    let folders =
        [checks, page, format!("labs/{package}"), format!("solutions/{package}"), format!("stages/{package}")];
    let mut found = Vec::new();
    for folder in folders {
        look(root, &PathBuf::from(folder), &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn look(root: &Path, folder: &Path, found: &mut Vec<Finding>) -> Result<()> {
    let path = root.join(folder);
    if !path.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&path).on("read", &path)? {
        let entry = entry.on("read", &path)?;
        let file = folder.join(entry.file_name());
        if entry.path().is_dir() {
            look(root, &file, found)?;
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            for (index, line) in text.lines().enumerate() {
                if let Some(at) = line.find("TODO(") {
                    let what = line[at..].trim_end_matches(['"', ',', ' ']);
                    found.push(Finding::new(format!("{}:{}", file.display(), index + 1), what));
                }
            }
        }
    }
    Ok(())
}

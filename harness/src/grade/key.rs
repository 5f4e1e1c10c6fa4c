//! What a mark depends on, as a hash; and the seed of each student.
//!
//! Invariant: the same on every machine, so that marks from several can be put together.

use crate::app::App;
use crate::check::hidden::Hidden;
use crate::check::sources;
use crate::check::submission::Submission;
use crate::course::Stage;
use crate::error::Result;
use crate::progress::key::{add, add_file, files, short};
use sha2::{Digest, Sha256};
use std::path::Path;

/// What all marks of a class depend on: kernel, references, checks on both sides, toolchain.
pub fn common(app: &App, stage: &Stage, hidden: Option<&Hidden>, after_due: bool) -> Result<String> {
    let root = app.course.root.as_path();
    let mut hash = Sha256::new();
    let below = app.course.stages.iter().filter(|below| below.number <= stage.number);
    let folders =
        below.flat_map(|below| ["stages", "solutions", "labs"].map(|part| Path::new(part).join(&below.package)));
    for folder in folders {
        for file in files(root, &folder)? {
            add_file(&mut hash, root, &file)?;
        }
    }
    for file in sources::judging(root, stage)?.into_iter().chain(["Cargo.lock".into(), "rust-toolchain.toml".into()]) {
        add_file(&mut hash, root, &file)?;
    }
    add(&mut hash, app.toolchain().as_bytes());
    add(&mut hash, format!("{after_due} {hidden:?}").as_bytes());
    Ok(short(hash))
}

/// What the mark of one submission depends on.
pub fn submission(common: &str, stage: &Stage, submission: &Submission, seed: u64) -> String {
    let mut hash = Sha256::new();
    add(&mut hash, common.as_bytes());
    add(&mut hash, &seed.to_le_bytes());
    for exercise in &stage.lab.exercises {
        add(&mut hash, format!("{:?}", submission.file(exercise)).as_bytes());
    }
    short(hash)
}

/// The seed of a student: nobody knows another's. No more than 53 bits, which a spreadsheet keeps as they are.
pub fn seed(class: u64, student: &str) -> u64 {
    let mut hash = Sha256::new();
    add(&mut hash, &class.to_le_bytes());
    add(&mut hash, student.as_bytes());
    let hash = hash.finalize();
    u64::from_le_bytes(std::array::from_fn(|index| hash[index])) >> 11
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_student_has_a_seed_and_keeps_it() {
        assert_eq!(seed(1, "anna"), seed(1, "anna"));
        assert_ne!(seed(1, "anna"), seed(1, "bert"));
        assert_ne!(seed(1, "anna"), seed(2, "anna"));
    }
}

//! Which of the harness's own files a verdict depends on: a change of one of them makes it unknown again.

use crate::course::Stage;
use crate::error::Result;
use crate::progress::key::files;
use std::path::{Path, PathBuf};

/// Files of this folder that say what was found and decide nothing, and the host tests, which earn nothing. All others count: a
/// new one is taken for one that decides.
const REPORTING: [&str; 7] =
    ["classroom50.rs", "github.rs", "gradescope.rs", "host_tests.rs", "junit.rs", "output.rs", "report.rs"];

/// The files that build and judge a stage's guests, from the checkout's root.
///
/// # Errors
/// Where they can't be listed.
pub fn judging(root: &Path, stage: &Stage) -> Result<Vec<PathBuf>> {
    let (check, own) = (Path::new("harness/src/check"), format!("stage{}", stage.number));
    let decides = |file: &PathBuf| {
        let mut parts = file.strip_prefix(check).into_iter().flatten().map(|part| part.to_string_lossy());
        let first = parts.next().unwrap_or_default();
        let of_a_stage = first.strip_prefix("stage").is_some_and(|number| number.parse::<u32>().is_ok());
        !REPORTING.contains(&&*first) && (!of_a_stage || first == own)
    };
    let mut found: Vec<PathBuf> = files(root, check)?.into_iter().filter(decides).collect();
    found.extend(files(root, Path::new("harness/src/guest"))?);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Course;

    #[test]
    fn what_judges_a_stage_counts_and_what_only_tells_does_not() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let course = Course::load(&root).unwrap();
        let files = judging(&root, &course.stages[1]).unwrap();
        let has = |file: &str| files.contains(&Path::new("harness/src").join(file));
        for file in ["session.rs", "records.rs", "judge.rs", "expect.rs", "live.rs", "outside.rs", "stage2/frames.rs"] {
            assert!(has(&format!("check/{file}")), "{file}");
        }
        assert!(has("guest/verify/code.rs") && has("check/rules/mod.rs"));
        assert!(!has("check/report.rs") && !has("check/stage1/ring.rs"));
    }
}

//! The rule about given files: a check takes them as they were handed out.
//!
//! It is a help, not a wall: whoever marks work takes the exercise files alone, into a checkout of their own. A
//! student who edits a given file should hear of it here, and not from a mark.

use crate::error::{Error, Kind, Result};
use crate::given::{Change, Lock};
use std::path::Path;

/// More are not named one by one.
const NAMED: usize = 8;

/// Holds where the checkout is as it was handed out, and where it is no handout.
///
/// # Errors
/// With the names of the files that were changed.
pub fn holds(root: &Path) -> Result<()> {
    let Some(lock) = Lock::read(root)? else { return Ok(()) };
    broken(&lock.changes(root)).map_or(Ok(()), Err)
}

fn broken(changes: &[Change]) -> Option<Error> {
    let first = changes.first()?;
    let text = match changes {
        [_] => format!("a given file is not as it was handed out; {first}"),
        _ => {
            let named = changes.iter().take(NAMED).map(|change| format!("\n  {change}"));
            let more = changes.len().saturating_sub(NAMED);
            let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
            format!("{} given files are not as they were handed out:{}{more}", changes.len(), named.collect::<String>())
        }
    };
    let next = "`cargo harness reset --given` puts back what was given, and keeps yours (or use git)";
    Some(Error::new(Kind::Rule, text).next(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::ChangeKind;

    #[test]
    fn files_are_named_up_to_a_point() {
        let changes = |count: usize| -> Vec<Change> {
            (0..count).map(|n| Change { file: format!("f{n}").into(), kind: ChangeKind::Edited }).collect()
        };
        assert!(broken(&[]).is_none());
        let one = broken(&changes(1)).unwrap();
        assert_eq!(
            (one.kind, one.message.as_str()),
            (Kind::Rule, "a given file is not as it was handed out; edited: f0")
        );
        let many = broken(&changes(10)).unwrap().message;
        assert!(many.starts_with("10 given files") && many.ends_with("edited: f7\n  and 2 more"), "{many}");
    }
}

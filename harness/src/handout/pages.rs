//! The book without the pages that a class doesn't get: nothing in it may lead to them.

use crate::error::{Context, Result};
use regex::Regex;
use std::fs;
use std::path::{Path, PathBuf};

/// Takes every mention of the pages that went out of the pages that stay.
pub fn forget(folder: &Path, gone: &[PathBuf]) -> Result<()> {
    let source = folder.join("book/src");
    let gone: Vec<&Path> = gone.iter().filter_map(|file| file.strip_prefix("book/src").ok()).collect();
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).on("read", &folder)? {
            let path = entry.on("read", &folder)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).on("read", &path)?;
                let page = path.strip_prefix(&source).unwrap_or(&path);
                let without = without(&text, page, &gone);
                if without != text {
                    fs::write(&path, without).on("write", &path)?;
                }
            }
        }
    }
    Ok(())
}

/// A page without links to what is gone: items of lists go as a whole, other links become plain words, and a part of
/// the table of contents that is empty then goes too.
fn without(text: &str, page: &Path, gone: &[&Path]) -> String {
    let leads_away = |target: &str| {
        let file = target.split('#').next().unwrap_or_default();
        let path = crate::book::flat(&page.with_file_name("").join(file));
        gone.iter().any(|gone| *gone == path)
    };
    let Ok(link) = Regex::new(r"\[([^\]]*)\]\(([^)\s]+)\)") else { return text.to_owned() };
    let mut kept: Vec<String> = Vec::new();
    for block in blocks(text) {
        let leads = link.captures_iter(&block).any(|found| leads_away(&found[2]));
        if leads && block.trim_start().starts_with("- ") {
            continue;
        }
        let plain =
            link.replace_all(
                &block,
                |found: &regex::Captures| {
                    if leads_away(&found[2]) { found[1].to_owned() } else { found[0].to_owned() }
                },
            );
        kept.push(plain.into_owned());
    }
    let kept = kept.concat();
    if page == Path::new("SUMMARY.md") && kept != text { without_empty_parts(&kept) } else { kept }
}

/// The text in pieces: an item of a list with the lines that belong to it, or the lines between two items.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut in_item = false;
    for line in text.split_inclusive('\n') {
        let item = line.trim_start().starts_with("- ");
        let continues = in_item && !item && line.starts_with(' ');
        match blocks.last_mut() {
            Some(block) if continues || (!item && !in_item) => block.push_str(line),
            _ => blocks.push(line.to_owned()),
        }
        in_item = item || continues;
    }
    blocks
}

/// The table of contents without headings that nothing stands under.
fn without_empty_parts(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let empty = |index: usize| {
        let next = lines[index + 1..].iter().find(|line| !line.trim().is_empty());
        index > 0 && lines[index].starts_with("# ") && next.is_none_or(|next| next.starts_with("# "))
    };
    let mut kept = String::new();
    let mut skip_blank = false;
    for (index, line) in lines.iter().enumerate() {
        if empty(index) || (skip_blank && line.trim().is_empty()) {
            skip_blank = true;
            continue;
        }
        skip_blank = false;
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_instructor(page: &str, text: &str) -> String {
        without(text, Path::new(page), &[Path::new("instructor/checks.md"), Path::new("instructor/trust.md")])
    }

    #[test]
    fn a_part_that_is_empty_goes_with_its_heading() {
        let before = "# Summary\n\n[X](x.md)\n\n# One\n\n- [A](a.md)\n  - [B](a/b.md)\n\n# For instructors\n\n\
            - [How](instructor/checks.md)\n- [Why](instructor/trust.md)\n\n# Appendix\n\n- [Z](z.md)\n";
        let after = "# Summary\n\n[X](x.md)\n\n# One\n\n- [A](a.md)\n  - [B](a/b.md)\n\n# Appendix\n\n- [Z](z.md)\n";
        assert_eq!(without_instructor("SUMMARY.md", before), after);
        assert_eq!(without_instructor("SUMMARY.md", after), after);
    }

    #[test]
    fn items_go_and_sentences_stay() {
        let before = "Read [this](instructor/trust.md#top) or\n[that](a.md).\n\n- To learn: [a](a.md).\n\
            - To teach: begin at [how\n  a check works](instructor/checks.md), then\n  go on.\n- Last.\n\nEnd.\n";
        let after = "Read this or\n[that](a.md).\n\n- To learn: [a](a.md).\n- Last.\n\nEnd.\n";
        assert_eq!(without_instructor("introduction.md", before), after);
        assert_eq!(without_instructor("stage1/x.md", "[up](../instructor/trust.md)\n"), "up\n");
    }
}

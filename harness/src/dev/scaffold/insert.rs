//! Puts lines into files that people wrote, at places found by what stands there. `None` where nothing does.

/// A feature, and its name in the list of all.
pub fn feature(text: &str, name: &str) -> Option<String> {
    let begin = text.lines().position(|line| line.starts_with("reference = ["))?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let end = begin + lines[begin..].iter().position(|line| line.trim_end().ends_with(']'))?;
    let (list, _) = lines[end].rsplit_once(']')?;
    if list.trim().is_empty() {
        // One a line, as they are laid out where they are many.
        lines.insert(end, format!("    \"{name}\","));
    } else {
        let comma = if list.trim_end().ends_with(['[', ',']) { "" } else { ", " };
        lines[end] = format!("{}{comma}\"{name}\"]", list.trim_end());
    }
    lines.insert(begin, format!("{name} = []"));
    Some(lines.join("\n") + "\n")
}

/// The declaration of an exercise's module, behind those of the other exercises.
pub fn module(text: &str, files: &[String], declaration: &str) -> Option<String> {
    let known = |line: &str| {
        files.iter().any(|file| file.strip_suffix(".rs").is_some_and(|stem| line.trim() == format!("mod {stem};")))
    };
    let any = |line: &str| line.starts_with("mod ") || line.starts_with("pub mod ");
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(|line| known(line)).or_else(|| lines.iter().rposition(|line| any(line)))?;
    Some(joined(&lines[..=last]) + "\n" + declaration + &joined(&lines[last + 1..]))
}

/// A plain `mod`, among the others in the order of names.
pub fn declaration(text: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let of = |line: &&str| line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')).map(str::to_owned);
    let first = lines.iter().position(|line| of(line).is_some())?;
    let behind = lines[first..].iter().take_while(|line| of(line).is_some_and(|known| known.as_str() < name)).count();
    let at = first + behind;
    Some(joined(&lines[..at]) + &format!("mod {name};\n") + &joined(&lines[at..]))
}

/// Lines before the last one that begins so.
pub fn before(text: &str, mark: &str, new: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().rposition(|line| line.trim_start().starts_with(mark))?;
    Some(joined(&lines[..at]) + new + &joined(&lines[at..]))
}

fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_joins_the_list() {
        let text = "[features]\nref-a = []\nreference = [\"ref-a\"]\nchecks = []\n";
        let wanted = "[features]\nref-a = []\nref-b = []\nreference = [\"ref-a\", \"ref-b\"]\nchecks = []\n";
        assert_eq!(feature(text, "ref-b").as_deref(), Some(wanted));
        let empty = feature("reference = []\n", "ref-b");
        assert_eq!(empty.as_deref(), Some("ref-b = []\nreference = [\"ref-b\"]\n"));
        let long = feature("reference = [\n    \"ref-a\",\n]\n", "ref-b").unwrap();
        assert!(long.parse::<toml::Table>().unwrap()["reference"].as_array().unwrap().len() == 2, "{long}");
        assert_eq!(feature("[features]\n", "ref-b"), None);
    }

    #[test]
    fn modules_go_among_their_like() {
        let text = "mod z;\n\n#[path = \"x\"]\nmod a;\n\nuse b;\n";
        let wanted = "mod z;\n\n#[path = \"x\"]\nmod a;\n\n#[new]\nmod n;\n\nuse b;\n";
        assert_eq!(module(text, &["a.rs".into()], "#[new]\nmod n;\n").as_deref(), Some(wanted));
        assert_eq!(module("use b;\n", &[], ""), None);
        assert_eq!(declaration("mod a;\nmod c;\nuse x;\n", "b").as_deref(), Some("mod a;\nmod b;\nmod c;\nuse x;\n"));
        assert_eq!(declaration("mod a;\nuse x;\n", "b").as_deref(), Some("mod a;\nmod b;\nuse x;\n"));
        assert_eq!(before("a();\n  done();\n", "done();", "  b();\n").as_deref(), Some("a();\n  b();\n  done();\n"));
        assert_eq!(before("a();\n", "done();", ""), None);
    }
}

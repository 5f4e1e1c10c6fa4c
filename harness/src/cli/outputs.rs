//! `--format` and `--out` of `harness check`: several reports of one run.
//!
//! The rule: an `--out` belongs to the `--format` before it, and a format without one goes to the screen. With one
//! of each the order is free, and an `--out` alone is people's report. The screen holds one report for machines at
//! most, since two in one stream are neither.

use clap::builder::EnumValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches, ValueEnum, value_parser};
use std::path::PathBuf;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// results.json, version 1.
    Json,
    /// The XML that CI servers read.
    Junit,
    /// For GitHub Actions: a job summary, and errors at their lines.
    Github,
    /// The results.json that an autograder of Gradescope writes.
    Gradescope,
    /// The result.json that an autograder of Classroom 50 writes.
    Classroom50,
}

/// Those that have the screen to themselves.
const MACHINES: [Format; 4] = [Format::Json, Format::Junit, Format::Gradescope, Format::Classroom50];

/// The reports asked for, each with the file it goes to, or for the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// At least one.
    pub each: Vec<(Format, Option<PathBuf>)>,
}

impl Outputs {
    /// The report for machines that has the screen to itself, where one was asked for.
    pub fn alone(&self) -> Option<Format> {
        let machines = |&&(format, ref file): &&(Format, Option<PathBuf>)| file.is_none() && MACHINES.contains(&format);
        self.each.iter().find(machines).map(|(format, _)| *format)
    }

    /// Puts formats and files together by where they stand on the command line.
    fn pair(formats: Vec<(usize, Format)>, outs: Vec<(usize, PathBuf)>) -> Result<Self, String> {
        if let ([] | [_], [(_, out)]) = (&formats[..], &outs[..]) {
            let format = formats.first().map_or(Format::Human, |(_, format)| *format);
            return Ok(Self { each: vec![(format, Some(out.clone()))] });
        }
        let mut each: Vec<(usize, Format, Option<PathBuf>)> =
            formats.into_iter().map(|(at, format)| (at, format, None)).collect();
        for (at, out) in outs {
            match each.iter_mut().rfind(|(format_at, ..)| *format_at < at) {
                Some((_, _, file @ None)) => *file = Some(out),
                _ => return Err(format!("`--out {}` has no `--format` of its own before it", out.display())),
            }
        }
        if each.is_empty() {
            each.push((0, Format::Human, None));
        }
        let outputs = Self { each: each.into_iter().map(|(_, format, file)| (format, file)).collect() };
        outputs.check()
    }

    fn check(self) -> Result<Self, String> {
        let screen = |wanted: &[Format]| {
            self.each.iter().filter(|(format, file)| file.is_none() && wanted.contains(format)).count()
        };
        let machines = screen(&MACHINES);
        let errors = self.each.iter().any(|(format, _)| *format == Format::Github);
        if machines > 1 || (machines == 1 && (errors || screen(&[Format::Human]) > 0)) {
            return Err("one report only can have the screen: give the others a file each, with `--out FILE` \
                        after their `--format`"
                .to_owned());
        }
        Ok(self)
    }
}

impl FromArgMatches for Outputs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let formats = placed::<Format>(matches, "format");
        let outs = placed::<PathBuf>(matches, "out");
        Self::pair(formats, outs).map_err(|said| Error::raw(ErrorKind::ArgumentConflict, format!("{said}\n")))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of an option, each with its place on the command line.
fn placed<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Vec<(usize, T)> {
    let values = matches.get_many::<T>(name).into_iter().flatten().cloned();
    matches.indices_of(name).into_iter().flatten().zip(values).collect()
}

impl clap::Args for Outputs {
    fn augment_args(command: Command) -> Command {
        let format = Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .action(ArgAction::Append)
            .value_parser(EnumValueParser::<Format>::new())
            .help("How to report; may be repeated");
        let out = Arg::new("out")
            .long("out")
            .value_name("FILE")
            .action(ArgAction::Append)
            .value_parser(value_parser!(PathBuf))
            .help("Write the report of the `--format` before it to a file; people's report is on the screen then");
        command.arg(format).arg(out)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        outputs: Outputs,
    }

    fn parse(words: &str) -> Result<Vec<(Format, Option<PathBuf>)>, String> {
        let line = Line::try_parse_from(["harness"].into_iter().chain(words.split_whitespace()));
        line.map(|line| line.outputs.each).map_err(|error| error.to_string())
    }

    fn file(name: &str) -> Option<PathBuf> {
        Some(PathBuf::from(name))
    }

    #[test]
    fn one_of_each_goes_together_in_any_order() {
        assert_eq!(parse("").unwrap(), [(Format::Human, None)]);
        assert_eq!(parse("--out a").unwrap(), [(Format::Human, file("a"))]);
        assert_eq!(parse("--format json --out a").unwrap(), [(Format::Json, file("a"))]);
        assert_eq!(parse("--out a --format json").unwrap(), [(Format::Json, file("a"))]);
    }

    #[test]
    fn a_file_belongs_to_the_format_before_it() {
        let both = [(Format::Json, file("a")), (Format::Junit, file("b"))];
        assert_eq!(parse("--format json --out a --format junit --out b").unwrap(), both);
        let mixed = [(Format::Github, None), (Format::Json, file("a"))];
        assert_eq!(parse("--format github --format json --out a").unwrap(), mixed);
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        for words in ["--out a --out b", "--format json --out a --out b", "--out a --format json --format junit"] {
            assert!(parse(words).unwrap_err().contains("no `--format` of its own"), "{words}");
        }
        for words in ["--format json --format junit", "--format json --format github", "--format json --format human"] {
            assert!(parse(words).unwrap_err().contains("one report only can have the screen"), "{words}");
        }
    }
}

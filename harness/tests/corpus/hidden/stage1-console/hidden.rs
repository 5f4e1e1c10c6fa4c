//! An example of checks that students do not see. It stands in the place of the stage's `src/checks/hidden.rs`.

use console::bedrock::{Record, Reporter};
use console::boot_info::{self, StartInfoError};
use fastrand::Rng;

pub fn run(reporter: &Reporter) {
    reporter.check("1b.nothing", nothing);
    reporter.check("1b.lone", lone);
}

/// Records `result` and `length` for an empty page.
fn nothing(_: &mut Rng, record: &Record) {
    match boot_info::parse(&[]) {
        Ok(_) => record.saw(format_args!("result=read")),
        Err(StartInfoError::TooShort(length)) => record.saw(format_args!("result=too_short length={length}")),
        Err(StartInfoError::BadMagic) => record.saw(format_args!("result=bad_magic")),
    }
}

/// Records `key`, and the length of the `rest`, of a line of one word.
fn lone(_: &mut Rng, record: &Record) {
    match boot_info::next_token("lone") {
        Some((token, rest)) => record.saw(format_args!("key={} rest={}", token.key, rest.len())),
        None => record.saw(format_args!("key=none")),
    }
}

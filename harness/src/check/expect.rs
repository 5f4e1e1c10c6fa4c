//! What a check had to observe, as the host works it out from the seed, and how it compares with what came.

use super::results::Wrong;
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// What dom0 says about the machine that the guest runs on.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Xen's version: `4.17`.
    pub xen_version: String,
    /// What follows it: `.5`.
    pub xen_extra: String,
    /// What Xen can run: `xen-3.0-x86_64 ...`.
    pub xen_capabilities: String,
}

/// A value that an observation has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// This one.
    Exactly(String),
    /// Any number but this one.
    NumberOtherThan(i64),
    /// Any of these.
    OneOf(Vec<String>),
    /// A number below zero.
    Negative,
    /// A number from 0 to this one.
    AtMost(u64),
    /// A number from the first to the second of these.
    Between(u64, u64),
}

/// The facts of one record, in words and as keys with values.
#[derive(Clone, Debug)]
pub struct Row {
    /// The situation, for people.
    pub what: String,
    /// What has to be recorded in it.
    pub values: Vec<(&'static str, Value)>,
}

impl Row {
    /// A row without values yet.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), values: Vec::new() }
    }

    /// Adds an exact value.
    pub fn is(self, key: &'static str, value: impl ToString) -> Self {
        self.value(key, Value::Exactly(value.to_string()))
    }

    /// Adds a value of any kind.
    pub fn value(mut self, key: &'static str, value: Value) -> Self {
        self.values.push((key, value));
        self
    }
}

impl Value {
    fn holds(&self, got: &str) -> bool {
        match self {
            Self::Exactly(value) => value == got,
            Self::NumberOtherThan(value) => got.parse::<i64>().is_ok_and(|got| got != *value),
            Self::OneOf(values) => values.iter().any(|value| value == got),
            Self::Negative => got.parse::<i64>().is_ok_and(|got| got < 0),
            Self::AtMost(most) => got.parse::<u64>().is_ok_and(|got| got <= *most),
            Self::Between(least, most) => got.parse::<u64>().is_ok_and(|got| (*least..=*most).contains(&got)),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Exactly(value) => value.clone(),
            Self::NumberOtherThan(value) => format!("a number other than {value}"),
            Self::OneOf(values) => values.join(" or "),
            Self::Negative => "an error, below 0".to_owned(),
            Self::AtMost(most) => format!("at most {most}"),
            Self::Between(least, most) => format!("from {least} to {most}"),
        }
    }
}

/// Everything in which `saw` is not as `rows` say, in their order.
pub fn compare(rows: &[Row], saw: &[BTreeMap<String, String>]) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let got = saw.get(index);
        for (key, value) in &row.values {
            let got = got.and_then(|got| got.get(*key)).map_or("nothing", String::as_str);
            if !value.holds(got) {
                let (expected, got) = shorten(&value.describe(), got);
                wrong.push(Wrong { what: format!("{}: {key}", row.what), expected, got });
            }
        }
    }
    if saw.len() > rows.len() {
        let expected = format!("{} records", rows.len());
        wrong.push(Wrong { what: "number of records".to_owned(), expected, got: format!("{} records", saw.len()) });
    }
    wrong
}

/// Long values from a little before where they begin to differ.
fn shorten(expected: &str, got: &str) -> (String, String) {
    const LONG: usize = 60;
    if expected.len().max(got.len()) <= LONG || !expected.is_ascii() || !got.is_ascii() {
        return (expected.to_owned(), got.to_owned());
    }
    let same = expected.bytes().zip(got.bytes()).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(8) & !1;
    let cut = |text: &str| {
        let to = text.len().min(from + LONG);
        let (before, after) = (if from > 0 { "..." } else { "" }, if to < text.len() { "..." } else { "" });
        format!("{before}{}{after} ({} digits; they differ from digit {same} on)", &text[from.min(to)..to], text.len())
    };
    (cut(expected), cut(got))
}

/// Bytes as the guest writes them: hexadecimal digits, or `-` for none.
pub fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
}

/// What a list holds as the guest writes it: with commas between, or `-` for nothing.
pub fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    let texts: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(",") }
}

/// One number for many, each taken as eight bytes, the low byte first.
pub fn digest(numbers: impl IntoIterator<Item = u64>) -> u64 {
    fnv1a64(numbers.into_iter().flat_map(u64::to_le_bytes))
}

/// The random numbers of one check: guest and host draw the same, in the same order.
pub fn rng(seed: u64, check: &str) -> fastrand::Rng {
    fastrand::Rng::with_seed(seed ^ fnv1a64(check.bytes()))
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo).
pub fn fnv1a64(bytes: impl IntoIterator<Item = impl Borrow<u8>>) -> u64 {
    let basis = 0xcbf2_9ce4_8422_2325;
    bytes.into_iter().fold(basis, |hash: u64, byte| (hash ^ u64::from(*byte.borrow())).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saw(text: &str) -> BTreeMap<String, String> {
        text.split(' ').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a64(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64(*b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(digest([0x7261_626f_6f66]), fnv1a64(*b"foobar\0\0"));
    }

    #[test]
    fn missing_wrong_and_surplus_records_are_all_wrong() {
        let rows = [Row::new("first").is("a", 1).is("b", 2), Row::new("second").value("c", Value::Negative)];
        assert!(compare(&rows, &[saw("a=1 b=2"), saw("c=-3")]).is_empty());
        assert_eq!(compare(&rows, &[saw("a=1 b=3"), saw("c=-3")])[0].what, "first: b");
        assert_eq!(compare(&rows, &[saw("a=1 b=2")])[0].got, "nothing");
        assert_eq!(compare(&rows, &[saw("a=1 b=2"), saw("c=-3"), saw("d=1")]).len(), 1);
    }

    #[test]
    fn long_values_are_shown_where_they_differ() {
        let (expected, got) = ("ab".repeat(100), "ab".repeat(50) + &"ac".repeat(50));
        let (expected, _) = shorten(&expected, &got);
        assert!(expected.starts_with("...") && expected.contains("from digit 101 on"), "{expected}");
    }
}

//! What `harness bench` says: for people, and as JSON.
//!
//! Invariant: a figure is told in one unit, instructions where QEMU counted them and seconds elsewhere, and Linux's
//! beside it in the same.

use super::figures::Figure;
use super::known::{self, Aim, Rate};
use serde::Serialize;
use std::fmt::Write;

/// All that was measured in one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of this form; 1.
    pub schema: u32,
    /// The stage's package.
    pub stage: String,
    /// `reference`, or `mine` for the checkout's own exercises.
    pub mode: String,
    /// The checkout's commit.
    pub commit: Option<String>,
    /// The compiler.
    pub toolchain: String,
    /// How QEMU ran the test host: `tcg` or `kvm`.
    pub accelerator: String,
    /// Ticks of the time stamp counter in a microsecond.
    pub mhz: f64,
    /// The guest's memory.
    pub memory_mib: u64,
    /// How often the guest was booted.
    pub boots: u32,
    /// How large its image is.
    pub image_bytes: u64,
    /// One for each thing.
    pub rows: Vec<Row>,
    /// All that the Linux guest did.
    pub linux: Vec<Row>,
    /// What could not be measured, and why.
    pub notes: Vec<String>,
}

/// One thing.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What it is called.
    pub name: String,
    /// The figure to quote, which is the least.
    #[serde(flatten)]
    pub quoted: Quoted,
    /// The least of all samples.
    pub min: Amount,
    /// The middle one.
    pub median: Amount,
    /// How many samples.
    pub samples: u64,
    /// What Linux did meanwhile, where something compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux>,
}

/// What the Linux guest did.
#[derive(Clone, Debug, Serialize)]
pub struct Linux {
    /// What it is called.
    pub name: String,
    /// The least of all samples.
    pub min: Amount,
    /// The middle one.
    pub median: Amount,
    /// Our least in parts of Linux's.
    pub ratio: f64,
}

/// A figure under the name of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Quoted {
    /// Counted by QEMU.
    Instructions(u64),
    /// By the time stamp counter.
    Seconds(f64),
}

/// A figure in the unit of its row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// Counted by QEMU.
    Instructions(u64),
    /// By the time stamp counter.
    Seconds(f64),
}

/// What a tick is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tick {
    /// An instruction.
    Instruction,
    /// So many of them take a microsecond.
    OfMegahertz(f64),
}

impl Tick {
    fn amount(self, ticks: u64) -> Amount {
        match self {
            Self::Instruction => Amount::Instructions(ticks),
            Self::OfMegahertz(mhz) => Amount::Seconds(ticks as f64 / (mhz * 1e6)),
        }
    }

    fn quoted(self, ticks: u64) -> Quoted {
        match self.amount(ticks) {
            Amount::Instructions(count) => Quoted::Instructions(count),
            Amount::Seconds(seconds) => Quoted::Seconds(seconds),
        }
    }
}

/// Puts the guest's figures beside Linux's.
pub fn rows(tick: Tick, ours: &[Figure], linux: &[Figure]) -> Vec<Row> {
    let row = |figure: &Figure| {
        let other = known::find(&figure.name).and_then(|known| known.linux);
        let other = other.and_then(|name| linux.iter().find(|other| other.name == name));
        let linux = other.map(|other| Linux {
            name: other.name.clone(),
            min: tick.amount(other.min),
            median: tick.amount(other.median),
            ratio: three_digits(figure.min as f64 / other.min.max(1) as f64),
        });
        let (min, median) = (tick.amount(figure.min), tick.amount(figure.median));
        let quoted = tick.quoted(figure.min);
        Row { name: figure.name.clone(), quoted, min, median, samples: figure.samples, linux }
    };
    ours.iter().map(row).collect()
}

impl Report {
    /// As JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// As a table for people.
    pub fn human(&self) -> String {
        let counted = self.rows.iter().any(|row| matches!(row.min, Amount::Instructions(_)));
        let unit = if counted { "instructions" } else { "time" };
        let Self { stage, mode, boots, accelerator, memory_mib, .. } = self;
        let mut text = format!(
            "{stage} ({mode}), {memory_mib} MiB, {unit}, the least of {} under {accelerator}\n\n",
            boots_of(*boots)
        );
        let lines: Vec<[String; 6]> = [heading()].into_iter().chain(self.rows.iter().map(line)).collect();
        let widths: [usize; 6] =
            std::array::from_fn(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0));
        for line in &lines {
            let [what, least, median, name, linux, ratio] = line;
            let [a, b, c, d, e, f] = widths;
            let row = format!("{what:a$}  {least:>b$}  {median:>c$}   {name:d$}  {linux:>e$}  {ratio:>f$}");
            let _ = writeln!(text, "{}", row.trim_end());
        }
        let rates: Vec<[String; 3]> = self.rows.iter().filter_map(Row::rates).collect();
        if !rates.is_empty() {
            let _ = writeln!(text, "\n{:22}{:>12}{:>12}", "at best", "a second", "Linux's");
        }
        for [what, ours, linux] in rates {
            let _ = writeln!(text, "{}", format!("{what:22}{ours:>12}{linux:>12}").trim_end());
        }
        let aims = self.rows.iter().flat_map(|row| row.aims(&self.rows, counted));
        let last: Vec<String> = aims.chain(self.notes.iter().map(|note| format!("note   {note}"))).collect();
        if !last.is_empty() {
            let _ = writeln!(text, "\n{}", last.join("\n"));
        }
        text
    }
}

impl Row {
    /// How much of it is done in a second: here, and by Linux.
    fn rates(&self) -> Option<[String; 3]> {
        let rate = known::find(&self.name)?.rate?;
        let told = |amount: Amount| match (rate, amount) {
            (_, Amount::Instructions(_)) => None,
            (Rate::Mebibytes, Amount::Seconds(seconds)) => Some(format!("{:.1} MiB", 1.0 / seconds)),
            (Rate::Times, Amount::Seconds(seconds)) => Some(grouped((1.0 / seconds) as u64)),
        };
        let linux = self.linux.as_ref().and_then(|linux| told(linux.min));
        Some([self.name.clone(), told(self.min)?, linux.unwrap_or_default()])
    }

    /// A line for each aim: met or missed.
    fn aims(&self, all: &[Self], counted: bool) -> Vec<String> {
        let aims = known::find(&self.name).map_or(&[][..], |known| known.aims);
        let row = |name: &str| all.iter().find(|row| row.name == name);
        // What is compared with another boot is no boot to hold to the limit.
        let compared = |aim: &Aim| matches!(aim, Aim::OfRow(name, _) if row(name).is_some());
        let told = aims.iter().filter_map(|aim| {
            let (met, aim) = match (*aim, &self.linux) {
                (Aim::Instructions(_), _) if aims.iter().any(compared) => return None,
                (Aim::OfRow(name, times), _) => {
                    let met = self.min.as_f64() <= times * row(name)?.min.as_f64();
                    (met, format!("at most {times} times {name}"))
                }
                (Aim::Instructions(most), _) if counted => {
                    (self.min.as_f64() <= most as f64, format!("at most {} instructions", grouped(most)))
                }
                (Aim::OfLinuxInTime(_), _) if counted => return None,
                (Aim::OfLinux(part) | Aim::OfLinuxInTime(part), Some(linux)) => {
                    (linux.ratio <= part, format!("at most {part} of Linux's"))
                }
                _ => return None,
            };
            Some(format!("{} {}: {aim}", if met { "met   " } else { "missed" }, self.name))
        });
        told.collect()
    }
}

impl Amount {
    /// In its unit.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Instructions(count) => count as f64,
            Self::Seconds(seconds) => seconds,
        }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Instructions(count) => f.write_str(&grouped(count)),
            Self::Seconds(seconds) if seconds < 1e-6 => write!(f, "{:.0} ns", seconds * 1e9),
            Self::Seconds(seconds) if seconds < 1e-3 => write!(f, "{:.2} us", seconds * 1e6),
            Self::Seconds(seconds) if seconds < 1.0 => write!(f, "{:.2} ms", seconds * 1e3),
            Self::Seconds(seconds) => write!(f, "{seconds:.2} s"),
        }
    }
}

/// How many boots, in words.
pub(super) fn boots_of(boots: u32) -> String {
    if boots == 1 { "1 boot".into() } else { format!("{boots} boots") }
}

fn heading() -> [String; 6] {
    ["what", "least", "median", "a Linux guest's", "least", "ratio"].map(str::to_owned)
}

fn line(row: &Row) -> [String; 6] {
    let (name, linux, ratio) = match &row.linux {
        Some(linux) => (linux.name.clone(), linux.min.to_string(), linux.ratio.to_string()),
        None => Default::default(),
    };
    [row.name.clone(), row.min.to_string(), row.median.to_string(), name, linux, ratio]
}

/// A number with a space after every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn three_digits(number: f64) -> f64 {
    format!("{number:.2e}").parse().unwrap_or(number)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn figure(name: &str, min: u64, median: u64) -> Figure {
        Figure { name: name.into(), min, median, samples: 1000 }
    }

    /// A report as of a real run.
    pub fn report(tick: Tick) -> Report {
        let ours = [
            figure("boot-to-banner", 812_228, 812_300),
            figure("boot-to-main", 812_332, 812_400),
            figure("hypercall", 291, 293),
            figure("something-else", 53, 54),
            figure("tcp-send-mib", 24_000_000, 25_000_000),
            figure("http-request", 103_005, 104_000),
        ];
        let linux = [
            figure("boot-to-init", 300_000_000, 310_000_000),
            figure("tcp-send-mib", 16_000_000, 17_000_000),
            figure("http-request", 300_000, 310_000),
        ];
        Report {
            schema: 1,
            stage: "stage1-console".into(),
            mode: "reference".into(),
            commit: None,
            toolchain: "rustc 1.95.0".into(),
            accelerator: "tcg".into(),
            mhz: 1000.0,
            memory_mib: 32,
            boots: 10,
            image_bytes: 66_867,
            rows: rows(tick, &ours, &linux),
            linux: rows(tick, &linux, &[]),
            notes: vec!["not measured: something".into()],
        }
    }

    #[test]
    fn people_read_a_table() {
        assert_text!("bench-counted", report(Tick::Instruction).human());
        assert_text!("bench-timed", report(Tick::OfMegahertz(2194.8)).human());
    }

    #[test]
    fn machines_read_json() {
        assert_text!("bench-json", report(Tick::Instruction).json().unwrap());
        let timed: serde_json::Value =
            serde_json::from_str(&report(Tick::OfMegahertz(1000.0)).json().unwrap()).unwrap();
        assert_eq!(timed["rows"][2]["seconds"], 2.91e-7);
    }

    #[test]
    fn a_boot_with_much_memory_is_held_to_one_with_little() {
        let told = |figures: &[Figure]| {
            let rows = rows(Tick::Instruction, figures, &[]);
            rows.iter().flat_map(|row| row.aims(&rows, true)).collect::<Vec<_>>()
        };
        let (large, small) = (figure("boot-to-main", 900_000, 0), figure(known::SMALL_BOOT, 310_000, 0));
        assert_eq!(told(std::slice::from_ref(&large)), ["missed boot-to-main: at most 400 000 instructions"]);
        let aim = "boot-to-main: at most 3 times boot-to-main-in-32-mib";
        assert_eq!(told(&[large.clone(), small]), [format!("met    {aim}")]);
        assert_eq!(told(&[large, figure(known::SMALL_BOOT, 299_000, 0)]), [format!("missed {aim}")]);
    }

    #[test]
    fn amounts_read_well() {
        assert_eq!([grouped(0), grouped(999), grouped(1000), grouped(1_234_567)], ["0", "999", "1 000", "1 234 567"]);
        let said = [3.2e-8, 1.23e-5, 0.0456, 2.0].map(|seconds| Amount::Seconds(seconds).to_string());
        assert_eq!(said, ["32 ns", "12.30 us", "45.60 ms", "2.00 s"]);
        assert_eq!((three_digits(0.002_707_4), three_digits(1.0)), (0.00271, 1.0));
    }
}

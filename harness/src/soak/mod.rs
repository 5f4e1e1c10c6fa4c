//! `harness soak`: the same thing so often that what goes wrong once in a thousand times does go wrong.
//!
//! [`ALL`] is the register: a stage adds a line there. A soak gets a count, of bytes or rounds or whatever it is made
//! of, does that much, and says what it saw. Invariant: none trusts the guest's word for what can be seen from
//! outside, and each leaves the test host as it was.

mod console;
mod crash;
mod cycles;
mod in_guest;
mod network;

use crate::app::App;
use crate::check::Bench;
use crate::cli;
use crate::course::{self, GuestShape};
use crate::domain::fresh_name;
use crate::error::{Context, Kind, Result};
use crate::machine::{CreateOptions, Machine};
use crate::ui::say;
use crate::work::Work;
use std::time::Instant;

/// Where images are put in dom0.
const KERNEL: &str = "/images/soak";

/// Something to do again and again.
pub struct Soak {
    /// What it is called.
    pub name: &'static str,
    /// What has to hold, in a few words.
    pub title: &'static str,
    /// The stage whose reference is booted.
    pub stage: &'static str,
    /// How much is all of it.
    pub count: u64,
    /// What the count counts.
    pub unit: &'static str,
    /// Does `count` of it, and says what was seen.
    pub run: fn(&mut Ground, u64) -> Result<String>,
}

/// All soaks, in the order in which they run.
pub const ALL: &[Soak] = &[
    Soak {
        name: "console",
        title: "every byte of a flood arrives, in order",
        stage: "stage1",
        count: 10 << 20,
        unit: "bytes",
        run: console::flood,
    },
    Soak {
        name: "create",
        title: "guests come and go, and leave nothing behind",
        stage: "stage1",
        count: 100,
        unit: "guests",
        run: cycles::create,
    },
    Soak {
        name: "reboot",
        title: "a guest that reboots comes back",
        stage: "stage1",
        count: 100,
        unit: "reboots",
        run: cycles::reboot,
    },
    Soak {
        name: "events",
        title: "each event arrives once",
        stage: "stage3",
        count: 1_000_000,
        unit: "events",
        run: in_guest::events,
    },
    Soak {
        name: "threads",
        title: "threads begin and end, and nothing of them is left",
        stage: "stage4",
        count: 100_000,
        unit: "threads",
        run: in_guest::threads,
    },
    Soak {
        name: "clock",
        title: "no vCPU sees the clock go backward",
        stage: "stage4",
        count: 10_000,
        unit: "milliseconds",
        run: in_guest::clock,
    },
    Soak {
        name: "heap",
        title: "blocks of memory keep what they hold, and all of them come back",
        stage: "stage4",
        count: 1_000_000,
        unit: "steps",
        run: in_guest::heap,
    },
    Soak {
        name: "pings",
        title: "each ping of a flood is answered, and no frame lost",
        stage: "stage6",
        count: 1_000_000,
        unit: "pings",
        run: network::pings,
    },
    Soak {
        name: "crash",
        title: "what was flushed is on the disk when a guest is destroyed",
        stage: "stage7",
        count: 100,
        unit: "guests",
        run: crash::destroy,
    },
];

/// What a soak works on: a test host, and the stage's image in it.
pub struct Ground<'a> {
    /// What everything is built with.
    pub app: &'a App,
    /// The test host.
    pub machine: &'a Machine,
    /// What the stage's checks give a guest.
    pub shape: &'a GuestShape,
}

impl Ground<'_> {
    /// The guest under a name that none has had, with this command line.
    pub fn guest(&self, command_line: &str) -> CreateOptions {
        self.shape.options(fresh_name("soak"), KERNEL, command_line)
    }
}

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Soak) -> Result<u8> {
    let chosen = chosen(&arguments.names)?;
    let mut bench = Bench::new(app, app.scale(None));
    let mut failed = false;
    for soak in chosen {
        let count = scaled(soak.count, arguments.scale);
        let begun = Instant::now();
        let outcome = one(&mut bench, soak, count);
        let seconds = begun.elapsed().as_secs_f64();
        let (word, told) = match outcome {
            Ok(told) => ("ok  ", told),
            // What the guest did wrong; a machine that lacks something is no result.
            Err(error) if error.kind == Kind::Guest => ("FAIL", error.to_string()),
            Err(error) => return Err(error),
        };
        failed |= word == "FAIL";
        say(format!(
            "{word} {:<8} {} ({seconds:.0} s)\n     {}: {told}\n",
            soak.name,
            soak.title,
            count_of(soak, count)
        ))?;
        if word == "FAIL" {
            bench.discard();
        }
    }
    Ok(u8::from(failed))
}

/// The soaks of these names, or all.
fn chosen(names: &[String]) -> Result<Vec<&'static Soak>> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let all = || ALL.iter().map(|soak| soak.name.to_owned()).collect::<Vec<_>>();
    let find = |name: &String| {
        let soak = ALL.iter().find(|soak| soak.name == *name);
        soak.ok_or_else(|| course::unknown("soak", name, &all()))
    };
    names.iter().map(find).collect()
}

/// So many percent of a count, but one at least.
fn scaled(count: u64, percent: f64) -> u64 {
    ((count as f64 * percent / 100.0).round() as u64).max(1)
}

fn count_of(soak: &Soak, count: u64) -> String {
    format!("{count} of {} {}", soak.count, soak.unit)
}

fn one(bench: &mut Bench, soak: &Soak, count: u64) -> Result<String> {
    let app = bench.app;
    let stage = app.course.select(soak.stage)?.stage;
    bench.start()?;
    let guest = app.guest(stage, Work::reference(&app.course, stage).features(stage))?;
    let image = std::fs::read(&guest.image).on("read", &guest.image)?;
    let machine = bench.machine()?;
    machine.agent().put(KERNEL, &image)?;
    let _step = app.ui.step(&format!("{}: {}", soak.name, count_of(soak, count)));
    (soak.run)(&mut Ground { app, machine, shape: &stage.lab.guest }, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_help_names_all_of_them() {
        let names: Vec<&str> = ALL.iter().map(|soak| soak.name).collect();
        let mut cli = cli::Cli::command();
        let help = cli.find_subcommand_mut("soak").unwrap().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(&format!("Which ones: {}.", names.join(", "))), "{help}");
    }

    #[test]
    fn a_part_is_never_nothing() {
        assert_eq!([scaled(100, 1.0), scaled(100, 0.1), scaled(10 << 20, 1.0)], [1, 1, 104_858]);
        assert_eq!(scaled(100, 250.0), 250);
    }

    #[test]
    fn soaks_are_chosen_by_name() {
        assert_eq!(chosen(&[]).unwrap().len(), ALL.len());
        assert_eq!(chosen(&["reboot".into(), "console".into()]).unwrap()[0].name, "reboot");
        let error = chosen(&["consol".into()]).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        assert!(error.to_string().contains("console"), "{error}");
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<&str> = ALL.iter().map(|soak| soak.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}

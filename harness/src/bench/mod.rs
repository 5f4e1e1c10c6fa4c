//! `harness bench`: how many instructions, or how much time, a stage takes for what it does all the time.
//!
//! The guest measures itself (`app=bench`); here it is booted several times, a Linux guest does what compares, and
//! the figures are put side by side.
//!
//! Invariant: with `--counted` a tick of the guest's counter is an instruction: a loop of a known length is among what
//! is measured, and figures are refused if it doesn't come out right.

pub mod figures;
pub mod known;
mod linux;
pub mod plot;
pub mod report;
mod service;
pub mod tool;

use crate::app::App;
use crate::cli;
use crate::course::{GuestShape, Stage};
use crate::domain::{Domain, empty_disk, fresh_name};
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::host::HostImage;
use crate::machine::{self, CreateOptions, GUEST_ADDRESS, Machine, SMALL_HOST_MIB};
use crate::ui::say;
use crate::work::Work;
use figures::Figure;
use report::{Report, Tick};

/// Where images are put in dom0.
const KERNEL: &str = "/images/bench";
/// The image of the disk that is measured, and its size.
const DISK: &str = "/images/bench-disk";
const DISK_MIB: u32 = 4;
/// Seconds on an ordinary machine from a guest's start to the end of its measurements. Linux takes half a minute where instructions are
/// counted and nobody else has work, and may have to share the processors.
const PATIENCE: f64 = 240.0;
/// vCPUs for what takes two: as many as the test host has processors.
const ACROSS: u32 = 2;
/// vCPUs for what takes many, and how many processors a test host needs for that: one more, for dom0.
const MANY: u32 = 4;
const MANY_PROCESSORS: u32 = MANY + 1;
/// MiB of memory with which a boot is held to its limit.
const SMALL: u64 = 32;
/// Linux takes long to boot, and what is counted hardly varies from one boot to the next.
const LINUX_BOOTS: u32 = 3;
/// Seconds of dom0's for it to finish what making a guest has left it to do.
const REST: &str = "2";
/// What the guest measures to show what a tick is, and what has to come out.
const KNOWN_LOOP: (&str, u64) = ("loop-of-2001", 2001);

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Bench) -> Result<u8> {
    let report = measure(app, arguments)?;
    let json = || report.json().map_err(|error| Error::fault(format!("write the figures as JSON: {error}")));
    let text = match arguments.format {
        cli::BenchFormat::Human => report.human(),
        cli::BenchFormat::Json => json()?,
    };
    match &arguments.out {
        Some(file) => {
            say(report.human())?;
            std::fs::write(file, text).on("write", file)?;
        }
        None => say(text)?,
    }
    if let Some(file) = &arguments.plot {
        std::fs::write(file, plot::svg(&report)).on("write", file)?;
    }
    Ok(0)
}

/// Builds, boots, and puts the figures together.
pub fn measure(app: &App, arguments: &cli::Bench) -> Result<Report> {
    let stage = match (&arguments.stage, app.course.stages.last()) {
        (Some(selector), _) => app.course.select(selector)?.stage,
        (None, Some(last)) => last,
        (None, None) => return Err(Error::fault("the course has no stages")),
    };
    let work = if arguments.mine { Work::default() } else { Work::reference(&app.course, stage) };
    let host = app.test_host()?;
    let guest = app.guest(stage, work.features(stage))?;
    let scale = app.scale(None);
    let large = arguments.memory > SMALL_HOST_MIB;
    let options = machine::Options { large, counted: arguments.counted, scale, ..machine::Options::default() };
    let machine = app.machine(&host, &options)?;

    let setting = Setting { app, host: &host, machine: &machine, arguments, mhz: megahertz(&machine)? };
    let has_network = shape(app, stage).interfaces > 0;
    // Applications stand on all stages.
    let serves = has_network && app.course.stages.last().is_some_and(|last| last.number == stage.number);
    let program = if has_network || !arguments.alone { Some(tool::build(app)?) } else { None };
    if let Some(program) = &program {
        tool::start(&machine, program)?;
    }
    let mut ours = stage_figures(&setting, stage, &guest)?;
    if serves {
        ours.extend(service::ours(&setting)?);
    }
    let mut linux = Vec::new();
    if let (Some(program), false) = (&program, arguments.alone) {
        let boots = if arguments.counted { 1 } else { arguments.runs.min(LINUX_BOOTS) };
        linux.extend(linux::figures(&setting, program, boots, 1)?);
        if stage.lab.guest.vcpus > 1 {
            linux.extend(linux::figures(&setting, program, boots, ACROSS)?);
        }
        if serves {
            linux.extend(service::linux(&setting, boots)?);
        }
    }
    let (tick, mhz) = (setting.tick(), setting.mhz);
    let accelerator = format!("{:?}", machine.accelerator()).to_lowercase();
    drop(machine);
    let mut notes = Vec::new();
    if stage.lab.guest.vcpus > 1 && !arguments.counted {
        match many(app, &host, stage, &guest, arguments)? {
            Ok(figures) => ours.extend(figures),
            Err(note) => notes.push(note),
        }
    }
    Ok(Report {
        schema: 1,
        stage: stage.package.clone(),
        mode: if arguments.mine { "mine" } else { "reference" }.into(),
        commit: app.commit(),
        toolchain: app.toolchain(),
        accelerator,
        mhz,
        memory_mib: arguments.memory,
        boots: arguments.runs,
        image_bytes: guest.sizes.total() as u64,
        rows: report::rows(tick, &ours, &linux),
        linux: report::rows(tick, &linux, &[]),
        notes,
    })
}

/// What many vCPUs do at the same time, on a test host with a processor for each; or why not.
fn many(
    app: &App,
    host: &HostImage,
    stage: &Stage,
    guest: &Guest,
    arguments: &cli::Bench,
) -> Result<std::result::Result<Vec<Figure>, String>> {
    let there = std::thread::available_parallelism().map_or(1, |count| count.get());
    if there < MANY_PROCESSORS as usize {
        return Ok(Err(format!(
            "work-of-4 is not measured: {MANY} threads on as many vCPUs take {MANY_PROCESSORS} processors, and this \
             machine has {there}"
        )));
    }
    let options = machine::Options {
        large: arguments.memory > SMALL_HOST_MIB,
        processors: MANY_PROCESSORS,
        scale: app.scale(None),
        ..machine::Options::default()
    };
    let machine = app.machine(host, &options)?;
    let setting = Setting { app, host, machine: &machine, arguments, mhz: megahertz(&machine)? };
    put(&setting, guest)?;
    boots(&setting, stage, MANY, arguments.memory, &format!(" only={}", known::across(MANY))).map(Ok)
}

/// Puts the stage's image into dom0.
fn put(setting: &Setting<'_>, guest: &Guest) -> Result<()> {
    setting.machine.agent().put(KERNEL, &std::fs::read(&guest.image).on("read", &guest.image)?)
}

/// What all of it works with.
struct Setting<'a> {
    app: &'a App,
    host: &'a HostImage,
    machine: &'a Machine,
    arguments: &'a cli::Bench,
    /// The rate of the time stamp counter.
    mhz: f64,
}

impl Setting<'_> {
    fn tick(&self) -> Tick {
        if self.arguments.counted { Tick::Instruction } else { Tick::OfMegahertz(self.mhz) }
    }

    /// The guest's memory, in MiB.
    fn memory(&self) -> u32 {
        u32::try_from(self.arguments.memory).unwrap_or(u32::MAX)
    }
}

/// The stage's own figures.
fn stage_figures(setting: &Setting<'_>, stage: &Stage, guest: &Guest) -> Result<Vec<Figure>> {
    let memory = setting.arguments.memory;
    put(setting, guest)?;
    let mut figures = boots(setting, stage, 1, memory, "")?;
    if memory > SMALL {
        let small = boots(setting, stage, 1, SMALL, " only=boot-to-main")?;
        figures.extend(small.into_iter().map(|figure| Figure { name: known::SMALL_BOOT.into(), ..figure }));
    }
    if stage.lab.guest.vcpus > 1 {
        // What takes a second vCPU; all else is measured where nobody else takes part.
        figures.extend(boots(setting, stage, ACROSS, memory, &format!(" only={}", known::across(ACROSS)))?);
    }
    if setting.arguments.counted {
        counts_instructions(&figures)?;
    }
    Ok(figures)
}

/// What a stage's guest gets that all stages up to it need.
fn shape(app: &App, stage: &Stage) -> GuestShape {
    let mut shape = stage.lab.guest.clone();
    for below in app.course.below(stage).map(|below| &below.lab.guest) {
        shape.disk = shape.disk.or(below.disk);
        shape.interfaces = shape.interfaces.max(below.interfaces);
    }
    GuestShape { disk: shape.disk.map(|_| DISK_MIB), interfaces: shape.interfaces.min(1), maxmem: None, ..shape }
}

/// The figures of a guest with so many vCPUs, of as many boots as were asked for.
fn boots(setting: &Setting<'_>, stage: &Stage, vcpus: u32, memory: u64, more: &str) -> Result<Vec<Figure>> {
    let Setting { app, machine, arguments, .. } = setting;
    let whose = if arguments.mine { "" } else { " --solution" };
    let again = format!("cargo harness run {}{whose} --cmdline app=bench", stage.name);
    let step = app.ui.count(&format!("booting with {vcpus} vCPU"), u64::from(arguments.runs));
    let mut boots = Vec::new();
    for boot in 0..arguments.runs {
        // The command line allows no more than the test host has.
        let memory = u32::try_from(memory).unwrap_or(u32::MAX);
        let shape = GuestShape { vcpus, memory, ..shape(app, stage) };
        let network = if shape.interfaces > 0 { format!(" ip={GUEST_ADDRESS}/24") } else { String::new() };
        let line = format!("app=bench{network}{more}");
        let mut options = shape.options(fresh_name("bench"), KERNEL, &line);
        if let Some(mib) = shape.disk {
            options.disks.push(empty_disk(machine, DISK, mib)?);
        }
        let mut domain = start(machine, options)?;
        domain.power_off(machine.within(PATIENCE)).map_err(|error| error.next(&again))?;
        let figures = figures::parse(&domain.text());
        let told = |why| Error::new(crate::error::Kind::Guest, format!("the guest's measurements: {why}")).next(&again);
        boots.push(figures.map_err(told)?);
        step.at(u64::from(boot) + 1);
    }
    Ok(figures::merge(&boots))
}

/// Starts a guest beside a dom0 that has nothing to do.
fn start(machine: &Machine, mut options: CreateOptions) -> Result<Domain<'_>> {
    options.paused = true;
    let domain = Domain::create(machine, &options)?;
    machine.agent().exec(&["sleep", REST], &[])?;
    domain.unpause()?;
    Ok(domain)
}

/// Refuses figures whose ticks are no instructions.
fn counts_instructions(figures: &[Figure]) -> Result<()> {
    let (name, expected) = KNOWN_LOOP;
    match figures.iter().find(|figure| figure.name == name) {
        Some(figure) if figure.min == expected => Ok(()),
        Some(figure) => {
            let text = format!("this QEMU does not count instructions: {expected} of them took {} ticks", figure.min);
            Err(Error::missing(text).next("leave out --counted: times are measured then"))
        }
        None => Err(Error::fault(format!("the guest did not measure {name}"))),
    }
}

/// The rate of the time stamp counter, as Xen found it.
fn megahertz(machine: &Machine) -> Result<f64> {
    let info = machine.xen_info()?;
    let rate = info.get("cpu_mhz").and_then(|rate| rate.parse().ok()).filter(|mhz| *mhz > 0.0);
    rate.ok_or_else(|| Error::fault("xl info does not tell the processor's rate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_does_not_count_instructions_is_refused() {
        let figure = |min| [Figure { name: "loop-of-2001".into(), min, median: min, samples: 1 }];
        assert!(counts_instructions(&figure(2001)).is_ok());
        let error = counts_instructions(&figure(10_529)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this QEMU does not count instructions: 2001 of them took 10529 ticks\n  \
            next: leave out --counted: times are measured then"
        );
        assert!(counts_instructions(&[]).is_err());
    }
}

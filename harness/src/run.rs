//! `harness run`: boots a stage and connects its console to the terminal.

use crate::app::App;
use crate::check::{features, references};
use crate::error::{Context, Error, Kind, Result};
use crate::guest::Symbolizer;
use crate::machine::{self, Agent, Machine};
use crate::terminal::{self, Key, Raw};
use crate::cli;
use agent::{CreateOptions, Disk, Event, Reason};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// The guest's name in the test host, and its kernel's place there.
const NAME: &str = "guest";
const KERNEL: &str = "/images/guest";

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Run) -> Result<u8> {
    let stage = app.course.select(&arguments.selector)?.stage;
    refuse_odd_requests(arguments)?;
    let host = app.test_host()?;
    let guest = app.guest(stage, features(stage, &references(stage, &arguments.whose)?))?;
    eprintln!("{}", guest.sizes);
    let gdb = arguments.gdb.then(free_port).transpose()?;
    let options = machine::Options {
        large: arguments.memory.max(arguments.maxmem.unwrap_or(0)) > SMALL_HOST_MIB,
        forwards: arguments.forward.iter().map(|&(host, guest)| machine::Forward { host, guest }).collect(),
        online: true,
        gdb,
        scale: app.scale(None),
    };
    let machine = app.machine(&host, &options)?;
    let agent = machine.agent();
    let image = std::fs::read(&guest.image).on("read", &guest.image)?;
    agent.put(KERNEL, &image)?;
    let symbolizer = Symbolizer::load(&guest.elf, &app.course.root)?;
    let created = create(agent, arguments, gdb.is_some())?;
    if let Some(port) = gdb {
        wait_for_gdb(&machine, port, &guest.elf)?;
        agent.unpause(&created)?;
    }
    let reason = converse(app, arguments, &machine, symbolizer)?;
    end(reason, &machine, &guest.elf, app)
}

//! `harness run`: boots a stage or an application and connects its console to the terminal.

mod conversation;
mod disks;

use crate::app::App;
use crate::cli;
use crate::error::{Context, Error, Kind, Result};
use crate::guest::Guest;
use crate::guest::crash::{ByQemu, Crash, stacks};
use crate::guest::symbolize::Symbolizer;
use crate::machine::{self, Action, CreateOptions, Disk, LARGE_HOST_MIB, Machine, Reason, SMALL_HOST_MIB, Vif};
use crate::program::Program;
use crate::ui::tell;
use conversation::{Conversation, End};
use disks::Disks;
use std::net::TcpListener;
use std::time::Duration;

/// The guest's name in the test host, and its kernel's place there.
const NAME: &str = "guest";
const KERNEL: &str = "/images/guest";
/// The least memory that a stage boots in.
const LEAST_MIB: u64 = 4;

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Run) -> Result<u8> {
    let program = Program::chosen(app, &arguments.program)?;
    let memory = memory(arguments)?;
    let disks = Disks::open(&arguments.disk)?;
    let host = app.test_host()?;
    let guest = program.guest(app, &arguments.whose)?;
    tell(guest.sizes);
    let gdb = arguments.gdb.then(free_port).transpose()?;
    let options = machine::Options {
        large: memory > SMALL_HOST_MIB,
        forwards: arguments.forward.iter().map(|&(host, guest)| machine::Forward { host, guest }).collect(),
        online: true,
        gdb,
        scale: app.scale(None),
        ..machine::Options::default()
    };
    let machine = app.machine(&host, &options)?;
    let image = std::fs::read(&guest.image).on("read", &guest.image)?;
    machine.agent().put(KERNEL, &image)?;
    for (host, guest) in &arguments.forward {
        tell(format_args!("127.0.0.1:{host} leads to the guest's port {guest}"));
    }
    disks.put(&machine)?;
    machine.agent().create(&domain(arguments, &program, disks.of_the_guest(), app.style.decorated))?;
    if let Some(port) = gdb {
        wait_for_gdb(&machine, port, &guest)?;
        machine.agent().begin_unpause(NAME)?;
    }
    let symbolizer = Symbolizer::open(&guest.elf, &app.course.root)?;
    let mut conversation = Conversation::new(arguments, &machine, &symbolizer);
    let end = conversation.run();
    let beginning = conversation.console.beginning();
    drop(conversation);
    // However it ended, what the guest wrote is the user's.
    let kept = disks.fetch(&machine);
    let ended = end.and_then(|end| conclude(&end, &machine, &symbolizer, &beginning));
    match (ended, kept) {
        (ended, Ok(())) => ended,
        (Ok(_), Err(lost)) => Err(lost),
        (Err(error), Err(lost)) => {
            tell(format_args!("error: {lost}"));
            Err(error)
        }
    }
}

/// The memory that the guest needs at most, in MiB, if the test host can give it.
fn memory(arguments: &cli::Run) -> Result<u64> {
    let most = arguments.maxmem.unwrap_or(arguments.memory);
    let error = if arguments.memory < LEAST_MIB {
        format!("a guest needs memory: at least {LEAST_MIB} MiB")
    } else if most < arguments.memory {
        format!("--maxmem {most} is less than --memory {}", arguments.memory)
    } else if most > LARGE_HOST_MIB {
        format!("{most} MiB is more than the test host can give: it has {LARGE_HOST_MIB} MiB for guests")
    } else {
        return Ok(most);
    };
    Err(Error::usage(error).next("for example: --memory 32"))
}

fn domain(arguments: &cli::Run, program: &Program<'_>, disks: Vec<Disk>, color: bool) -> CreateOptions {
    let mut options = CreateOptions::new(NAME, KERNEL);
    options.cmdline = command_line(&arguments.cmdline, color);
    // Checked against the test host's size before.
    options.memory_mib = u32::try_from(arguments.memory).unwrap_or(u32::MAX);
    options.maxmem_mib = arguments.maxmem.and_then(|mib| u32::try_from(mib).ok());
    options.vcpus = arguments.vcpus;
    let networked = match program {
        Program::Stage(stage) => {
            options.max_event_channels = stage.lab.guest.event_channels;
            !arguments.forward.is_empty()
        }
        Program::Application(_) => true,
    };
    options.vifs = networked.then(Vif::default).into_iter().collect();
    options.disks = disks;
    options.paused = arguments.gdb;
    options.on_reboot = Action::Restart;
    // What a guest has printed is still in its ring when Xen crashes it, and goes with the domain.
    options.on_crash = Action::Preserve;
    options
}

/// What the guest is told: where its console is shown on a terminal, that its log may have colours.
fn command_line(given: &str, color: bool) -> String {
    if color && !given.contains("color=") {
        format!("{given} color=on").trim_start().to_owned()
    } else {
        given.to_owned()
    }
}

/// A port that is free now. Somebody may take it before QEMU does, which QEMU then says.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").doing("find a free port")?;
    Ok(listener.local_addr().doing("find a free port")?.port())
}

/// Prints what to type, and waits for the user's word that gdb is there.
fn wait_for_gdb(machine: &Machine, port: u16, guest: &Guest) -> Result<()> {
    let resumed = || machine.qmp().resumed(machine.within(10.0));
    let before = resumed()?;
    tell("the guest is made and waits. In another terminal:");
    let elf = guest.elf.display();
    tell(format_args!("  gdb {elf} -ex 'target remote 127.0.0.1:{port}' -ex 'hbreak stardust_start' -ex continue"));
    tell("waiting for gdb for as long as it takes (it stops the machine when it connects; `continue` lets it run)");
    while resumed()? == before {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Says how it ended and what Xen had to say about it, and gives the exit status.
fn conclude(end: &End, machine: &Machine, symbolizer: &Symbolizer, beginning: &str) -> Result<u8> {
    match end {
        End::Left => Ok(0),
        End::Guest(Reason::Poweroff) => Ok(0),
        End::Guest(reason) => {
            tell(format_args!("[the guest ended: {reason}]"));
            if let Some(mut crash) = Crash::find(&machine.settled_xen_log(), None) {
                let stacks = stacks(beginning);
                crash.look(ByQemu(machine), &stacks);
                tell(crash.explain(symbolizer, &stacks));
            }
            Ok(Kind::Guest as u8)
        }
        End::TimeUp(seconds) => {
            tell(format_args!("[no end within {seconds} s; the guest was ended]"));
            Ok(Kind::Guest as u8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_on_a_terminal_may_use_colours_unless_told_otherwise() {
        assert_eq!(command_line("app=hello", true), "app=hello color=on");
        assert_eq!(command_line("", true), "color=on");
        assert_eq!(command_line("color=off", true), "color=off");
        assert_eq!(command_line("app=hello", false), "app=hello");
    }
}

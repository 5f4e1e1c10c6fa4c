//! `harness run`: boots a stage or an application and connects its console to the terminal.

use crate::app::App;
use crate::cli;
use crate::error::{Context, Error, Kind, Result};
use crate::guest::Guest;
use crate::guest::crash::{ByQemu, Crash, stacks};
use crate::guest::symbolize::Symbolizer;
use crate::machine::{
    self, Action, CreateOptions, Deadlines, Disk, Event, LARGE_HOST_MIB, Machine, Reason, SMALL_HOST_MIB, Vif,
};
use crate::program::Program;
use crate::stream::Annotated;
use crate::terminal::{self, Key, Raw};
use crate::ui::tell;
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// The guest's name in the test host, and its kernel's place there.
const NAME: &str = "guest";
const KERNEL: &str = "/images/guest";

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Run) -> Result<u8> {
    let program = Program::chosen(app, &arguments.program)?;
    let memory = memory(arguments)?;
    let disks = open_disks(arguments)?;
    let host = app.test_host()?;
    let guest = program.guest(app, &arguments.whose)?;
    tell(guest.sizes);
    let gdb = arguments.gdb.then(free_port).transpose()?;
    let options = machine::Options {
        large: memory > SMALL_HOST_MIB,
        counted: false,
        forwards: arguments.forward.iter().map(|&(host, guest)| machine::Forward { host, guest }).collect(),
        online: true,
        gdb,
        scale: app.scale(None),
    };
    let machine = app.machine(&host, &options)?;
    let image = std::fs::read(&guest.image).on("read", &guest.image)?;
    machine.agent().put(KERNEL, &image)?;
    for (host, guest) in &arguments.forward {
        tell(format_args!("127.0.0.1:{host} leads to the guest's port {guest}"));
    }
    let disks = put_disks(&machine, disks)?;
    machine.agent().create(&domain(arguments, &program, disks.clone(), app.style.decorated))?;
    if let Some(port) = gdb {
        wait_for_gdb(&machine, port, &guest)?;
        machine.agent().unpause(NAME)?;
    }
    let symbolizer = Symbolizer::open(&guest.elf, &app.course.root)?;
    let mut conversation = Conversation::new(arguments, &machine, &symbolizer);
    let end = conversation.run()?;
    let beginning = conversation.console.beginning();
    fetch_disks(&machine, arguments, &disks)?;
    conclude(&end, &machine, &symbolizer, &beginning)
}

/// The memory that the guest needs at most, in MiB, if the test host can give it.
fn memory(arguments: &cli::Run) -> Result<u64> {
    let most = arguments.maxmem.unwrap_or(arguments.memory);
    let error = if arguments.memory == 0 {
        "a guest needs memory: at least 4 MiB".to_owned()
    } else if most < arguments.memory {
        format!("--maxmem {most} is less than --memory {}", arguments.memory)
    } else if most > LARGE_HOST_MIB {
        format!("{most} MiB is more than the test host can give: it has {LARGE_HOST_MIB} MiB for guests")
    } else {
        return Ok(most);
    };
    Err(Error::usage(error).next("for example: --memory 32"))
}

fn open_disks(arguments: &cli::Run) -> Result<Vec<File>> {
    let open = |path: &std::path::PathBuf| {
        let file = File::options().read(true).write(true).open(path);
        file.map_err(|error| {
            let made = Error::usage(format!("the disk {}: {error}", path.display()));
            made.next(format!("make an empty one of 64 MiB: truncate -s 64M {}", path.display()))
        })
    };
    arguments.disk.iter().map(open).collect()
}

/// Copies the disk images into dom0: its loop device and blkback serve them from there.
fn put_disks(machine: &Machine, files: Vec<File>) -> Result<Vec<Disk>> {
    let disks = files.into_iter().zip(b'a'..).map(|(file, letter)| {
        let vdev = format!("xvd{}", char::from(letter));
        let path = format!("/images/{vdev}");
        let bytes = file.metadata().doing("look at a disk")?.len();
        machine.agent().put_from(&path, file, bytes)?;
        Ok(Disk { path, vdev, writable: true })
    });
    disks.collect()
}

/// Brings what the guest wrote back into the files.
fn fetch_disks(machine: &Machine, arguments: &cli::Run, disks: &[Disk]) -> Result<()> {
    for (path, disk) in arguments.disk.iter().zip(disks) {
        let bytes = machine.agent().get(&disk.path)?;
        // Beside its place first: a full disk must not cost the user the image.
        let beside = path.with_extension("harness-new");
        std::fs::write(&beside, bytes).on("write", &beside)?;
        std::fs::rename(&beside, path).on("replace", path)?;
    }
    Ok(())
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
    tell("the guest is made and waits. In another terminal:");
    let elf = guest.elf.display();
    tell(format_args!("  gdb {elf} -ex 'target remote 127.0.0.1:{port}' -ex 'hbreak stardust_start' -ex continue"));
    tell("waiting for gdb (it stops the machine when it connects, and `continue` lets it run)");
    let mut connected = false;
    loop {
        let running = machine.qmp().status(Deadlines::default().within(10.0))? == "running";
        connected |= !running;
        if connected && running {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How a conversation ended.
enum End {
    /// The guest ended by itself, or was ended by Xen.
    Guest(Reason),
    /// The user left, or whoever reads the console.
    Left,
    /// The time given on the command line was up.
    TimeUp(u64),
}

/// The guest's console on one side, the user on the other.
struct Conversation<'a> {
    machine: &'a Machine,
    console: Annotated<'a>,
    keys: Option<Receiver<Key>>,
    raw: Raw,
    paused: bool,
    timeout: Option<Duration>,
}

impl<'a> Conversation<'a> {
    fn new(arguments: &cli::Run, machine: &'a Machine, symbolizer: &'a Symbolizer) -> Self {
        let raw = Raw::enter();
        if raw.interactive() {
            tell(format_args!("[{}]\r", terminal::HELP));
        }
        Self {
            machine,
            console: Annotated::new(symbolizer),
            keys: Some(terminal::keys(raw.interactive())),
            raw,
            paused: false,
            timeout: arguments.timeout.map(Duration::from_secs),
        }
    }

    /// Passes bytes both ways until one side ends.
    fn run(&mut self) -> Result<End> {
        let begun = Instant::now();
        loop {
            if let Some(end) = self.typed()? {
                return Ok(end);
            }
            if let Some(limit) = self.timeout.filter(|limit| begun.elapsed() >= *limit) {
                return Ok(End::TimeUp(limit.as_secs()));
            }
            // Short, because keys are looked at in between.
            match self.machine.agent().events().next(Duration::from_millis(20))? {
                Some(Event::Console { domain, bytes }) if domain == NAME => {
                    let text = self.console.feed(&bytes);
                    if !print(&text)? {
                        return Ok(End::Left);
                    }
                }
                Some(Event::ConsoleLost { bytes, .. }) => self.say(&format!("{bytes} bytes of the console were lost")),
                Some(Event::Exited { domain, reason, .. }) if domain == NAME && reason != Reason::Reboot => {
                    return Ok(End::Guest(reason));
                }
                Some(Event::Restarted { domid, .. }) => self.say(&format!("rebooted: it is domain {domid} now")),
                _ => {}
            }
        }
    }

    /// Obeys what was typed since the last look.
    fn typed(&mut self) -> Result<Option<End>> {
        let agent = self.machine.agent();
        while let Some(keys) = &self.keys {
            match keys.try_recv() {
                Ok(Key::Text(bytes)) => agent.console_input(NAME, &bytes)?,
                Ok(Key::Leave) => return Ok(Some(End::Left)),
                Ok(Key::Help) => self.say(terminal::HELP),
                Ok(Key::Shutdown) => {
                    self.say("asking the guest to shut down; stages obey from stage 5 on, Ctrl-] q ends any");
                    agent.shutdown(NAME)?;
                }
                Ok(Key::Pause) => {
                    if self.paused {
                        agent.unpause(NAME)?
                    } else {
                        agent.pause(NAME)?
                    }
                    self.paused = !self.paused;
                    self.say(if self.paused { "paused; Ctrl-] p goes on" } else { "goes on" });
                }
                Ok(Key::End) | Err(TryRecvError::Disconnected) => self.keys = None,
                Err(TryRecvError::Empty) => break,
            }
        }
        Ok(None)
    }

    fn say(&self, text: &str) {
        let line_end = if self.raw.interactive() { "\r" } else { "" };
        tell(format_args!("[{text}]{line_end}"));
    }
}

/// Prints it. Returns whether anybody still reads: `head`, for one, leaves when it has enough.
fn print(bytes: &[u8]) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        written => written.doing("print the console").map(|()| true),
    }
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

//! Domains: each is made by an `xl create -F` (or `xl restore -F`) of its own, which stays to look after it.
//!
//! In the foreground xl prints one line a step on its standard error (tools/xl/xl_vmcontrol.c): the domid once the
//! guest runs, the shutdown code when it stops, and it ends once the domain is cleaned up. Those lines are what
//! exits are told from. xl stays no longer than until the guest is suspended, or preserved: from then on the agent
//! itself looks after the domain, when xenstored says that one was released (`@releaseDomain`).
//!
//! Invariant: a name belongs to one domain at a time, from the request to `Gone`; of each run of a guest, one
//! `Exited` is sent, after all its output.

use crate::{console::Console, locked, port::Port, tool, xenstore};
use agent::{Action, CreateOptions, Event, FromAgent, Reason};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a domain that ends by itself may take for that, where xl could not destroy it.
const ENDING: Duration = Duration::from_secs(5);

/// The domains that this agent made.
#[derive(Clone)]
pub struct Domains {
    port: Arc<Port>,
    console: Arc<Console>,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

#[derive(Default)]
struct Known {
    domid: Option<u32>,
    /// Whether it is being saved and runs on afterwards: its suspension is no exit.
    checkpoint: bool,
    /// Whether it is being saved and ends with that.
    leaving: bool,
    /// Whether it stays when it crashes.
    preserved: bool,
}

impl Domains {
    /// No domains yet; their events go to `port`.
    pub fn new(port: Arc<Port>, console: Arc<Console>) -> Self {
        Self { port, console, known: Arc::default() }
    }

    /// The number of a domain that runs.
    pub fn domid(&self, name: &str) -> Result<u32, String> {
        let known = locked(&self.known);
        known.get(name).and_then(|known| known.domid).ok_or_else(|| format!("there is no domain {name}"))
    }

    /// Makes a domain, from a saved state if there is one, and returns its number.
    pub fn create(&self, options: &CreateOptions, saved: Option<&str>, deadline: Instant) -> Result<u32, String> {
        let text = options.to_xl()?;
        let name = options.name.clone();
        if locked(&self.known).contains_key(&name) {
            return Err(format!("there is a domain {name} already"));
        }
        let path = format!("/run/agent-{name}.cfg");
        std::fs::write(&path, text).map_err(|error| format!("{path}: {error}"))?;
        self.console.begin(&name);
        let preserved = options.on_crash == Action::Preserve;
        locked(&self.known).insert(name.clone(), Known { preserved, ..Known::default() });
        let started = start(&path, saved, options.paused);
        let (mut child, output) = started.inspect_err(|_| self.forget(&name))?;
        let (created, creation) = sync_channel(1);
        let group = child.id();
        let domains = self.clone();
        let watched = name.clone();
        std::thread::spawn(move || {
            domains.look_after(&watched, output, created);
            let _ = child.wait();
        });
        match creation.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(created) => created,
            Err(_) => {
                tool::kill_group(group);
                let _ = tool::xl(&["destroy", &name], Instant::now() + Duration::from_secs(10));
                Err(format!("xl did not make {name} in time"))
            }
        }
    }

    /// Saves a domain to a file. It is gone afterwards unless it is to run on.
    pub fn save(&self, name: &str, path: &str, leave_running: bool, deadline: Instant) -> Result<(), String> {
        let mark = |checkpoint, leaving| {
            if let Some(known) = locked(&self.known).get_mut(name) {
                (known.checkpoint, known.leaving) = (checkpoint, leaving);
            }
        };
        mark(leave_running, !leave_running);
        let arguments = if leave_running { &["save", "-c", name, path][..] } else { &["save", name, path] };
        let saved = tool::xl(arguments, deadline);
        if leave_running || saved.is_err() {
            mark(false, false);
        }
        saved.map(drop)
    }

    /// Ends a domain at once.
    pub fn destroy(&self, name: &str, deadline: Instant) -> Result<(), String> {
        let Err(error) = tool::xl(&["destroy", name], deadline) else { return Ok(()) };
        // It may be coming to its end by itself: xl is in its own way then.
        let limit = deadline.min(Instant::now() + ENDING);
        while locked(&self.known).contains_key(name) {
            if Instant::now() >= limit {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Follows what xl says about a domain until xl ends.
    fn look_after(&self, name: &str, output: impl Read, created: SyncSender<Result<u32, String>>) {
        let domain = || name.to_owned();
        let mut said = String::new();
        let mut running = None;
        let mut runs = 0;
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            match Line::parse(&line) {
                Line::Runs(domid) => {
                    if let Some(known) = locked(&self.known).get_mut(name) {
                        known.domid = Some(domid);
                    }
                    running = Some(domid);
                    runs += 1;
                    if runs == 1 {
                        let _ = created.send(Ok(domid));
                    } else {
                        self.tell(Event::Restarted { domain: domain(), domid });
                    }
                }
                Line::Stopped(Reason::Suspend) if self.is(name, |known| known.checkpoint) => {}
                Line::Stopped(reason) => {
                    if let Some(domid) = running.take() {
                        self.console.settle(name, domid, self.console.closed(name));
                        self.tell(Event::Exited { domain: domain(), domid, reason });
                    }
                }
                Line::Other if runs == 0 && said.len() < 16 << 10 => said += &format!("{line}\n"),
                Line::Other => {}
            }
        }
        if runs == 0 {
            self.forget(name);
            let _ = created.send(Err(format!("xl could not make {name}: {}", said.trim())));
            return;
        }
        if let Ok(domid) = self.domid(name) {
            self.outlive_xl(name, domid, &mut running);
        }
        if let Some(domid) = running {
            let reason = if self.is(name, |known| known.leaving) { Reason::Suspend } else { Reason::Destroyed };
            self.tell(Event::Exited { domain: domain(), domid, reason });
        }
        self.forget(name);
        self.tell(Event::Gone { domain: domain() });
    }

    /// Looks after a domain that xl has left, until it is gone. `running` is its number while it runs.
    fn outlive_xl(&self, name: &str, domid: u32, running: &mut Option<u32>) {
        let exists = || matches!(xenstore::read(&format!("/local/domain/{domid}/name")), Ok(Some(_)));
        if !exists() {
            return;
        }
        let mut releases = match xenstore::Watch::set("@releaseDomain") {
            Ok(releases) => releases,
            Err(error) => return eprintln!("stardust: agent: {error}"),
        };
        let mut kept = false;
        while releases.next().is_ok() && exists() {
            if kept {
                // All is said, and it stays until somebody destroys it: the release was another's.
                continue;
            }
            let deadline = Instant::now() + Duration::from_secs(30);
            let listed = tool::xl(&["list", "-v", &domid.to_string()], deadline).map(|output| output.stdout);
            let reason = listed.ok().and_then(|listed| shutdown_code(&String::from_utf8_lossy(&listed)));
            // A suspended guest is being saved: it goes on, or its end follows.
            let Some(reason) = reason.map(Reason::from_code).filter(|&reason| reason != Reason::Suspend) else {
                continue;
            };
            if running.take().is_some() {
                self.console.settle(name, domid, self.console.closed(name));
                self.tell(Event::Exited { domain: name.to_owned(), domid, reason });
            }
            kept = reason == Reason::Crash && self.is(name, |known| known.preserved);
            if !kept {
                // It may be on its way out already.
                let _ = tool::xl(&["destroy", &domid.to_string()], deadline);
            }
        }
    }

    fn is(&self, name: &str, what: impl Fn(&Known) -> bool) -> bool {
        locked(&self.known).get(name).is_some_and(what)
    }

    fn forget(&self, name: &str) {
        self.console.end(name);
        let _ = std::fs::remove_file(format!("/run/agent-{name}.cfg"));
        locked(&self.known).remove(name);
    }

    fn tell(&self, event: Event) {
        self.port.send(&FromAgent::Event(event));
    }
}

/// Starts xl with its output and errors in one pipe.
fn start(config: &str, saved: Option<&str>, paused: bool) -> Result<(Child, impl Read + use<>), String> {
    let fail = |error: std::io::Error| format!("xl: {error}");
    let (output, input) = std::io::pipe().map_err(fail)?;
    let child = Command::new("xl")
        .arg(if saved.is_some() { "restore" } else { "create" })
        .arg("-F")
        .args(paused.then_some("-p"))
        .arg(config)
        .args(saved)
        .stdin(Stdio::null())
        .stdout(input.try_clone().map_err(fail)?)
        .stderr(input)
        .process_group(0)
        .spawn()
        .map_err(fail)?;
    Ok((child, output))
}

/// A line that xl prints in the foreground.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Runs(u32),
    Stopped(Reason),
    Other,
}

impl Line {
    fn parse(line: &str) -> Self {
        let number =
            |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
        let after = |words: &str| line.split_once(words).and_then(|(_, rest)| number(rest));
        if line.starts_with("Waiting for domain ") {
            return after("(domid ").map_or(Self::Other, Self::Runs);
        }
        if line.starts_with("Domain ") {
            if let Some(code) = after(" has shut down, reason code ") {
                return Self::Stopped(Reason::from_code(code));
            }
            if line.ends_with(" has been destroyed.") {
                return Self::Stopped(Reason::Destroyed);
            }
        }
        Self::Other
    }
}

/// The shutdown code in the one line of `xl list -v`: it stands after the UUID, in hexadecimal, or `-`.
fn shutdown_code(listed: &str) -> Option<u32> {
    let is_uuid = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    let mut words = listed.split_whitespace().skip_while(|word| !is_uuid(word));
    u32::from_str_radix(words.nth(1)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_xl_are_understood() {
        let cases = [
            ("Waiting for domain demo (domid 12) to die [pid 345]", Line::Runs(12)),
            ("Domain 12 has shut down, reason code 3 0x3", Line::Stopped(Reason::Crash)),
            ("Domain 12 has shut down, reason code 77 0x4d", Line::Stopped(Reason::Other(77))),
            ("Domain 12 has been destroyed.", Line::Stopped(Reason::Destroyed)),
            ("Domain 12 needs to be cleaned up: destroying the domain", Line::Other),
            ("Parsing config from /run/agent-demo.cfg", Line::Other),
            ("Waiting for domain", Line::Other),
        ];
        for (text, line) in cases {
            assert_eq!(Line::parse(text), line, "{text}");
        }
    }

    #[test]
    fn the_shutdown_code_is_found_in_the_verbose_list() {
        let line = |code: &str| {
            format!(
                "Name    ID   Mem VCPUs  State  Time(s)   UUID            Reason-Code   Security Label\n\
                 a       3   128     1     --ps--       1.5 4dcbc6d4-c0b1-4f3f-a3ab-1a4ff0c1a6d1 {code}            -\n"
            )
        };
        assert_eq!(shutdown_code(&line("0")), Some(0));
        assert_eq!(shutdown_code(&line("3")), Some(3));
        assert_eq!(shutdown_code(&line("-")), None);
        assert_eq!(shutdown_code("a is an invalid domain identifier"), None);
    }
}

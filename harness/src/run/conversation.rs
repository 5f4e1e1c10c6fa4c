//! The guest's console on one side, the user on the other.
//!
//! Invariant: neither side waits for the other. What was typed is kept until the guest takes it, and of a pipe no more
//! is read than that; what the guest prints is shown meanwhile.

use super::NAME;
use crate::cli;
use crate::error::{Context, Result};
use crate::guest::symbolize::Symbolizer;
use crate::machine::{Event, Machine, Reason};
use crate::stream::Annotated;
use crate::terminal::{self, Key, Raw};
use crate::ui::tell;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// How much of a pipe waits for the guest here; xenconsoled holds another 2 KiB.
const AHEAD: usize = 4096;

/// How a conversation ended.
pub enum End {
    /// The guest ended by itself, or was ended by Xen.
    Guest(Reason),
    /// The user left, or whoever reads the console.
    Left,
    /// The time given on the command line was up.
    TimeUp(u64),
}

/// Passes what is printed and typed.
pub struct Conversation<'a> {
    machine: &'a Machine,
    /// What the guest prints.
    pub console: Annotated<'a>,
    keys: Option<Receiver<Key>>,
    /// What the guest has not taken yet.
    typed: VecDeque<u8>,
    raw: Raw,
    paused: bool,
    timeout: Option<Duration>,
}

impl<'a> Conversation<'a> {
    /// One that begins.
    pub fn new(arguments: &cli::Run, machine: &'a Machine, symbolizer: &'a Symbolizer) -> Self {
        let raw = Raw::enter();
        if raw.interactive() {
            tell(format_args!("[{}]\r", terminal::HELP));
        }
        Self {
            machine,
            console: Annotated::new(symbolizer),
            keys: Some(terminal::keys(raw.interactive())),
            typed: VecDeque::new(),
            raw,
            paused: false,
            timeout: arguments.timeout.map(Duration::from_secs),
        }
    }

    /// Passes bytes both ways until one side ends.
    pub fn run(&mut self) -> Result<End> {
        let begun = Instant::now();
        loop {
            if let Some(end) = self.obey()? {
                return Ok(end);
            }
            self.pass_on();
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
    fn obey(&mut self) -> Result<Option<End>> {
        let agent = self.machine.agent();
        // A person's commands are looked for behind any text.
        while let Some(keys) = self.keys.as_ref().filter(|_| self.raw.interactive() || self.typed.len() < AHEAD) {
            match keys.try_recv() {
                Ok(Key::Text(bytes)) => self.typed.extend(bytes),
                Ok(Key::Leave) => return Ok(Some(End::Left)),
                Ok(Key::Help) => self.say(terminal::HELP),
                Ok(Key::Shutdown) => {
                    self.say("asking the guest to shut down; stages obey from stage 5 on, Ctrl-] q ends any");
                    agent.begin_shutdown(NAME)?;
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

    /// Types what was typed, as far as the guest takes it.
    fn pass_on(&mut self) {
        let (bytes, _) = self.typed.as_slices();
        if bytes.is_empty() {
            return;
        }
        // One that isn't there yet, or no longer, takes none. Where the machine is lost, its events say so.
        let taken = self.machine.agent().console_input_now(NAME, bytes).unwrap_or(0);
        self.typed.drain(..taken);
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

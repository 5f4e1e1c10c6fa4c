//! What the harness shows while it works: steps, notes and progress bars, on standard error.
//!
//! Results go to standard output and are written by the commands themselves. On a terminal a step shows a
//! bar; without one the same words come as plain lines, each once, so that a log reads well.

use crate::error::{Context, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

/// Writes a result to standard output. A reader who has gone away, as `head` does, is no error: nobody misses
/// what follows.
///
/// # Errors
/// Where it cannot be written for another reason, such as a full disk.
pub fn say(text: impl Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.doing("write to standard output"),
    }
}

/// Writes a line to standard error. Nobody misses it where that is closed.
pub fn tell(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Where progress goes. Clones share one terminal.
#[derive(Clone)]
pub struct Ui {
    bars: MultiProgress,
    terminal: bool,
}

impl Ui {
    /// Progress on standard error, as bars where that is a terminal.
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), terminal }
    }

    /// Progress that nobody sees, for tests.
    pub fn silent() -> Self {
        Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()), terminal: true }
    }

    /// One line that stays: something worth knowing that is not a result.
    pub fn note(&self, text: &str) {
        if self.bars.is_hidden() {
            if !self.terminal {
                tell(text);
            }
        } else {
            // A failure to draw progress is no reason to stop.
            let _ = self.bars.println(text);
        }
    }

    /// A step without a known length. Ends when the returned guard is dropped.
    pub fn step(&self, text: &str) -> Step {
        let bar = self.begin(ProgressBar::new_spinner(), text);
        bar.set_style(style("{spinner} {msg} ({elapsed})"));
        bar.enable_steady_tick(Duration::from_millis(120));
        Step { bar }
    }

    /// A step of `bytes` bytes.
    pub fn transfer(&self, text: &str, bytes: u64) -> Step {
        let bar = self.begin(ProgressBar::new(bytes), text);
        bar.set_style(style("{msg} [{bar:30}] {bytes}/{total_bytes} ({eta})"));
        Step { bar }
    }

    /// A step of `count` pieces.
    pub fn count(&self, text: &str, count: u64) -> Step {
        let bar = self.begin(ProgressBar::new(count), text);
        bar.set_style(style("[{bar:20}] {pos}/{len} {msg} ({elapsed})"));
        Step { bar }
    }

    fn begin(&self, bar: ProgressBar, text: &str) -> ProgressBar {
        if !self.terminal {
            tell(text);
        }
        let bar = self.bars.add(bar);
        bar.set_message(text.to_owned());
        bar
    }
}

impl Default for Ui {
    fn default() -> Self {
        Self::new()
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// A step under way. It leaves the screen when dropped.
pub struct Step {
    bar: ProgressBar,
}

impl Step {
    /// Sets how far a transfer is, in bytes.
    pub fn at(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// Says what the step does now.
    pub fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

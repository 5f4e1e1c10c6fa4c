//! What checks are made on: one test host for all the boots of a command, started while other work goes on.
//!
//! Invariant: a test host that was lost is never used again; whoever needs one after that gets a new one.

use super::expect::Facts;
use super::tree::Tree;
use super::xen;
use crate::app::App;
use crate::error::{Error, Result};
use crate::host::HostImage;
use crate::machine::{self, Machine};
use std::thread::JoinHandle;

/// Builds and boots for checks, one after the other.
pub struct Bench<'a> {
    /// The course and the tools.
    pub app: &'a App,
    /// What every deadline is multiplied by.
    pub scale: f64,
    image: Option<HostImage>,
    host: TestHost,
    tree: Option<Tree>,
    facts: Option<Facts>,
}

enum TestHost {
    Off,
    Starting(JoinHandle<Result<Machine>>),
    Ready(Box<Machine>),
}

impl<'a> Bench<'a> {
    /// A bench whose test host is not needed yet.
    pub fn new(app: &'a App, scale: f64) -> Self {
        Self { app, scale, image: None, host: TestHost::Off, tree: None, facts: None }
    }

    /// Lets the test host start, unless it runs already. Returns what it is built from.
    pub fn start(&mut self) -> Result<&HostImage> {
        let image = match self.image.take() {
            Some(image) => image,
            None => self.app.test_host()?,
        };
        if matches!(self.host, TestHost::Off) {
            // A short deadline for guests is none for the host that they run on.
            let options = machine::Options { scale: self.scale.max(1.0), ..machine::Options::default() };
            let (cache, image, ui) = (self.app.cache.clone(), image.clone(), self.app.ui.clone());
            let start = move || Machine::start(&cache, &image, &options, &ui);
            self.host = TestHost::Starting(std::thread::spawn(start));
        }
        Ok(self.image.insert(image))
    }

    /// The test host, once it runs.
    pub fn machine(&mut self) -> Result<&Machine> {
        self.start()?;
        if let TestHost::Starting(_) = self.host
            && let TestHost::Starting(started) = std::mem::replace(&mut self.host, TestHost::Off)
        {
            let machine = started.join().unwrap_or_else(|_| Err(Error::fault("the test host's thread panicked")))?;
            self.host = TestHost::Ready(Box::new(machine));
        }
        match &self.host {
            TestHost::Ready(machine) => Ok(machine),
            _ => Err(Error::fault("the test host did not start")),
        }
    }

    /// What dom0 says about the machine, asked once: every test host of this bench boots the same image.
    pub(super) fn facts(&mut self) -> Result<Facts> {
        let facts = match self.facts.take() {
            Some(facts) => facts,
            None => xen::facts(self.machine()?)?,
        };
        Ok(self.facts.insert(facts).clone())
    }

    /// Where submissions are compiled.
    pub(super) fn tree(&mut self) -> Result<&Tree> {
        let tree = match self.tree.take() {
            Some(tree) => tree,
            None => Tree::open(self.app, self.scale)?,
        };
        Ok(self.tree.insert(tree))
    }

    /// Gives up the test host: it is lost, or no longer to be trusted.
    pub fn discard(&mut self) {
        self.host = TestHost::Off;
    }
}

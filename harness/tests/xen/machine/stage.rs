//! A stage's reference as a guest of a shared machine, or of another, for the tests that talk to it or ask dom0 about it.

use super::shared::{Lease, shared};
use super::{SCALE, start_with};
use crate::common::{repository, run};
use harness::course::{Course, GuestShape, Stage};
use harness::domain::{Domain, fresh_name};
use harness::machine::{CreateOptions, Disk, Machine, Options};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A machine with a stage's image in it.
pub struct Ready {
    machine: Whose,
    name: String,
    kernel: String,
    /// What the stage's guests are made with; a test may change it for its own.
    pub shape: GuestShape,
}

enum Whose {
    Shared(Lease),
    Own(Machine),
}

/// A stage and its image, which is built once.
fn built(stage: &str) -> (Stage, Vec<u8>) {
    static BUILT: Mutex<BTreeMap<u32, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let course = Course::load(repository()).unwrap();
    let stage = course.select(stage).unwrap().stage.clone();
    let build = || {
        let image = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stage{}.elf", stage.number));
        run(repository(), &["build", &stage.package, "--solution", "--out", image.to_str().unwrap()]).with(0);
        std::fs::read(image).unwrap()
    };
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let image = built.entry(stage.number).or_insert_with(build).clone();
    (stage, image)
}

impl Ready {
    /// Gets a machine, and puts the stage's image there.
    pub fn with(stage: &str) -> Self {
        let (stage, image) = built(stage);
        let kernel = format!("/images/stage{}", stage.number);
        let mut machine = shared();
        machine.put_once(&kernel, || image);
        Self { machine: Whose::Shared(machine), name: stage.name, kernel, shape: stage.lab.guest }
    }

    /// A machine of its own, on which xenstore is oxenstored's. It takes half a minute to boot.
    pub fn with_oxenstored(stage: &str) -> Self {
        let (stage, image) = built(stage);
        let machine = start_with(&Options { oxenstored: true, scale: SCALE, ..Options::default() });
        let kernel = "/images/kernel".to_owned();
        machine.agent().put(&kernel, &image).unwrap();
        Self { machine: Whose::Own(machine), name: stage.name, kernel, shape: stage.lab.guest }
    }

    /// Starts the guest.
    pub fn start(&self, command_line: &str) -> Domain<'_> {
        self.start_as(command_line, |_| ())
    }

    /// Makes the guest; it waits for `unpause`.
    pub fn start_paused(&self, command_line: &str) -> Domain<'_> {
        self.start_as(command_line, |options| options.paused = true)
    }

    /// Starts the guest, made with other options.
    pub fn start_as(&self, command_line: &str, change: impl FnOnce(&mut CreateOptions)) -> Domain<'_> {
        let mut options = self.shape.options(fresh_name(&self.name), &self.kernel, command_line);
        change(&mut options);
        Domain::create(self, &options).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the guest prints until it has powered off.
    #[track_caller]
    pub fn said(&self, command_line: &str) -> String {
        self.said_with_disks(command_line, &[])
    }

    /// The same of a guest that has these disks.
    #[track_caller]
    pub fn said_with_disks(&self, command_line: &str, disks: &[Disk]) -> String {
        let mut domain = self.start_as(command_line, |options| options.disks = disks.to_vec());
        domain.power_off(self.within(60.0)).unwrap_or_else(|error| panic!("{command_line}: {error}"));
        domain.text()
    }

    /// Waits until a guest has printed this.
    #[track_caller]
    pub fn wait_for(&self, domain: &mut Domain<'_>, words: &str) {
        self.wait_for_times(domain, words, 1);
    }

    /// Waits until a guest has printed this so often.
    #[track_caller]
    pub fn wait_for_times(&self, domain: &mut Domain<'_>, words: &str, times: usize) {
        let ended = domain.listen(self.within(60.0), |domain| domain.text().matches(words).count() >= times);
        assert!(ended.unwrap_or_else(|error| panic!("{error}")).is_none(), "{words:?} in\n{}", domain.text());
    }
}

impl Deref for Ready {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        match &self.machine {
            Whose::Shared(machine) => machine,
            Whose::Own(machine) => machine,
        }
    }
}

//! How QEMU runs the machine: by the processor (KVM) or by translation (TCG).
//!
//! Invariant: KVM is used only where Xen has been seen to boot to a ready dom0 under it. A /dev/kvm that cannot run
//! Xen is common inside virtual machines; the verdict is kept for this QEMU, this test host, this kernel and this processor.

use crate::cache;
use crate::error::{Context, Kind, Result};
use crate::machine::boot::Boot;
use crate::machine::deadline::Deadlines;
use crate::machine::snapshot::Recipe;
use crate::ui::Ui;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

const KVM: &str = "/dev/kvm";
const VERDICT: &str = "verdict";
const USABLE: &str = "usable";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What executes the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU translates them.
    Tcg,
    /// The processor runs them.
    Kvm,
}

impl Accelerator {
    /// KVM if it runs Xen here, by a trial boot the first time. `recipe` is what is to be booted.
    pub fn choose(recipe: &Recipe, ui: &Ui) -> Self {
        if File::options().read(true).write(true).open(KVM).is_err() {
            return Self::Tcg;
        }
        match verdict(recipe, ui) {
            Ok(text) if text == USABLE => Self::Kvm,
            _ => Self::Tcg,
        }
    }

    /// What of it the machine sees, beyond its name: KVM shows it the processor.
    pub fn sees(self) -> String {
        match self {
            Self::Tcg => "tcg".into(),
            Self::Kvm => format!("kvm {}", processor()),
        }
    }
}

/// The verdict in the cache, or that of a trial. A cache that cannot be written means TCG.
fn verdict(recipe: &Recipe, ui: &Ui) -> Result<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let trial = |dir: &Path| {
        let text = match try_kvm(recipe, ui) {
            Ok(()) => USABLE.to_owned(),
            // A full disk, say: the trial was not made.
            Err(why) if why.kind == Kind::Missing => return Err(why),
            Err(why) => {
                ui.note("This machine has /dev/kvm, but Xen does not run under it: using QEMU's slower TCG.");
                why.message
            }
        };
        let path = dir.join(VERDICT);
        fs::write(&path, text).on("write", &path)
    };
    let waiting = |who: &str| ui.note(&format!("Waiting for {who}, which tries whether Xen runs under KVM"));
    let dir = cache::entry(recipe.cache_root, &name(recipe, &kernel, &processor()), is_known, waiting, trial)?;
    let path = dir.join(VERDICT);
    fs::read_to_string(&path).on("read", &path)
}

/// The verdict's place in the cache: what it was found with.
fn name(recipe: &Recipe, kernel: &str, processor: &str) -> String {
    let mut hash = Sha256::new();
    for part in [recipe.qemu, &recipe.image.id, kernel, processor] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("kvm-{hash}")
}

/// Whether there is a verdict that holds. A bad one does for a day: the machine may only have been too busy.
fn is_known(dir: &Path) -> bool {
    let path = dir.join(VERDICT);
    let Ok(text) = fs::read_to_string(&path) else { return false };
    let made = fs::metadata(&path).and_then(|verdict| verdict.modified());
    text == USABLE || made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age < DAY))
}

fn try_kvm(recipe: &Recipe, ui: &Ui) -> Result<()> {
    let _step = ui.step("Trying whether Xen runs under KVM (at most 40 s, once)");
    let recipe = Recipe { accelerator: Accelerator::Kvm, ..*recipe };
    // Under KVM dom0 is there in a few seconds.
    let booted = Boot::cold(&recipe, &Deadlines::scaled(recipe.options.scale), 40.);
    booted.map(drop)
}

/// The processor's model.
fn processor() -> String {
    let known = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = known.lines().find(|line| line.starts_with("model name"));
    line.unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostImage;
    use crate::machine::Options;
    use std::time::SystemTime;

    #[test]
    fn a_bad_verdict_holds_for_a_day_and_a_good_one_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_known(dir.path()));
        for (text, old, known) in
            [(USABLE, false, true), (USABLE, true, true), ("timed out", false, true), ("timed out", true, false)]
        {
            fs::write(dir.path().join(VERDICT), text).unwrap();
            if old {
                let file = File::options().append(true).open(dir.path().join(VERDICT)).unwrap();
                file.set_modified(SystemTime::now() - 2 * DAY).unwrap();
            }
            assert_eq!(is_known(dir.path()), known, "{text} {old}");
        }
    }

    #[test]
    fn another_test_host_is_tried_anew() {
        let image = |id: &str| HostImage {
            dir: "/x".into(),
            id: id.into(),
            release: String::new(),
            xen_version: String::new(),
            replaced: Vec::new(),
        };
        let name = |id: &str| {
            let (image, options) = (image(id), Options::default());
            let recipe = Recipe {
                cache_root: Path::new("/c"),
                image: &image,
                options: &options,
                accelerator: Accelerator::Kvm,
                qemu: "QEMU 7",
            };
            name(&recipe, "6.1", "a processor")
        };
        assert_eq!(name("a"), name("a"));
        assert_ne!(name("a"), name("b"));
    }
}

//! How QEMU runs the machine: by the processor (KVM) or by translation (TCG).
//!
//! Invariant: KVM is used only where Xen has been seen to boot to a ready dom0 under it. A /dev/kvm that cannot run
//! Xen is common inside virtual machines; the verdict is kept for this QEMU, this kernel and this processor.

use crate::cache;
use crate::error::{Context, Result};
use crate::machine::boot::Boot;
use crate::machine::deadline::Deadlines;
use crate::machine::snapshot::Recipe;
use crate::ui::Ui;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::Path;

const KVM: &str = "/dev/kvm";
const VERDICT: &str = "verdict";
const USABLE: &str = "usable";

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
    let mut hash = Sha256::new();
    for part in [recipe.qemu, &kernel, &processor()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let known = |dir: &Path| dir.join(VERDICT).is_file();
    let trial = |dir: &Path| {
        let text = match try_kvm(recipe, ui) {
            Ok(()) => USABLE.to_owned(),
            Err(why) => {
                ui.note("This machine has /dev/kvm, but Xen does not run under it: using QEMU's slower TCG.");
                why.message
            }
        };
        let path = dir.join(VERDICT);
        fs::write(&path, text).on("write", &path)
    };
    let dir = cache::entry(recipe.cache_root, &format!("kvm-{hash}"), known, || {}, trial)?;
    let path = dir.join(VERDICT);
    fs::read_to_string(&path).on("read", &path)
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

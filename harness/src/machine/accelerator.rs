//! How QEMU runs the machine: by the processor (KVM) or by translation (TCG).
//!
//! Invariant: KVM is used only where Xen has been seen to boot to a ready dom0 under it. A /dev/kvm that cannot run
//! Xen is common on virtual machines; the verdict is kept for this QEMU, this kernel and this test host.

use crate::host::HostImage;
use crate::ui::Ui;
use std::path::Path;

/// What executes the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU translates them.
    Tcg,
    /// The processor runs them.
    Kvm,
}

pub fn choose(_cache_root: &Path, _image: &HostImage, _qemu: &str, _ui: &Ui) -> Accelerator {
    Accelerator::Tcg
}
